-- squawk-ignore-file require-concurrent-index-creation, adding-foreign-key-constraint
-- (the tables are new and empty)
--
-- Outgoing webhooks: programs of tenants that are told of events, and what is on its way to them.

-- url: encrypted, because such addresses often are their own password; host: of it, for people. kinds: what it is told of.
-- old_secret: signs beside the new one until old_secret_until. state: `paused` by a person, or because it kept failing; `gone` when the
-- far side said so; `removed` while its deliveries are still to be dropped. paused_because: by_hand, failing or gone.
-- failures: in a row. failing_since, failed_at: the first and the last of them. rests_until: nothing is sent before.
-- busy_until, turn: a worker sends. rung_until: a worker has been asked to. served_at: the last turn.
CREATE TABLE webhook_subscription (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    tenant_id bigint NOT NULL REFERENCES tenant ON DELETE CASCADE,
    description text NOT NULL,
    url bytea NOT NULL,
    host text NOT NULL,
    kinds text[] NOT NULL,
    include_text boolean NOT NULL DEFAULT false,
    secret bytea NOT NULL,
    old_secret bytea,
    old_secret_until timestamptz,
    state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'paused', 'gone', 'removed')),
    paused_because text CHECK (paused_because IN ('by_hand', 'failing', 'gone')),
    created_at timestamptz NOT NULL DEFAULT now(),
    failures integer NOT NULL DEFAULT 0,
    failing_since timestamptz,
    failed_at timestamptz,
    delivered_at timestamptz,
    rests_until timestamptz NOT NULL DEFAULT '-infinity',
    busy_until timestamptz NOT NULL DEFAULT '-infinity',
    turn uuid,
    rung_until timestamptz NOT NULL DEFAULT '-infinity',
    served_at timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 70);
CREATE INDEX webhook_subscription_tenant ON webhook_subscription (tenant_id) WHERE state = 'active';
CREATE INDEX webhook_subscription_all ON webhook_subscription (tenant_id, id);

-- One row per event and subscription, in the transaction of the event. Ids only: what is told is read when it leaves. id: the
-- webhook-id, the same at every try. subject_id: the row that the event is about. give_up_at: then nobody tries any more.
-- No foreign key to the subscription: its check would lock the subscription's row at each event.
CREATE TABLE webhook_delivery (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    tenant_id bigint NOT NULL,
    subscription_id uuid NOT NULL,
    kind text NOT NULL,
    subject_id uuid NOT NULL,
    message_id uuid,
    conversation_id uuid,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'failed', 'dropped')),
    tries integer NOT NULL DEFAULT 0,
    status integer,
    error_code text,
    created_at timestamptz NOT NULL DEFAULT now(),
    tried_at timestamptz,
    next_at timestamptz NOT NULL DEFAULT now(),
    give_up_at timestamptz NOT NULL DEFAULT now() + interval '5 days',
    settled_at timestamptz
) WITH (fillfactor = 80);
CREATE INDEX webhook_delivery_pending ON webhook_delivery (subscription_id, id) WHERE state = 'pending';
CREATE INDEX webhook_delivery_given_up ON webhook_delivery (give_up_at) WHERE state = 'pending';
CREATE INDEX webhook_delivery_listed ON webhook_delivery (subscription_id, id DESC);
CREATE INDEX webhook_delivery_vain ON webhook_delivery (subscription_id, state, id DESC) WHERE state IN ('failed', 'dropped');
CREATE INDEX webhook_delivery_settled ON webhook_delivery (settled_at) WHERE settled_at IS NOT NULL;

-- Who has no subscription pays one look into a small index: that comes first, because planning a look into the months of `message` costs
-- more than everything else here; for the same reason the plans are made once and kept. Written by triggers, so that no code can forget
-- an event; as the owner, because who writes an alert may act for all tenants.
CREATE FUNCTION note_webhook_event(of_tenant bigint, event text, subject uuid, of_message uuid, of_conversation uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
    IF of_conversation IS NULL AND of_message IS NOT NULL THEN
        SELECT m.conversation_id INTO of_conversation FROM message AS m WHERE m.id = of_message;
    END IF;
    INSERT INTO webhook_delivery (tenant_id, subscription_id, kind, subject_id, message_id, conversation_id)
    SELECT s.tenant_id, s.id, event, subject, of_message, of_conversation
    FROM webhook_subscription AS s
    WHERE s.tenant_id = of_tenant AND s.state = 'active' AND event = ANY (s.kinds);
END
$$;
REVOKE ALL ON FUNCTION note_webhook_event(bigint, text, uuid, uuid, uuid) FROM PUBLIC;

-- For rows that know their message only.
CREATE FUNCTION note_message_webhook() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
BEGIN
    IF EXISTS (SELECT FROM webhook_subscription AS s WHERE s.tenant_id = NEW.tenant_id AND s.state = 'active') THEN
        PERFORM note_webhook_event(NEW.tenant_id, TG_ARGV[0], NEW.id, NEW.message_id, NULL);
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION note_alert_webhook() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
BEGIN
    IF EXISTS (SELECT FROM webhook_subscription AS s WHERE s.tenant_id = NEW.tenant_id AND s.state = 'active') THEN
        PERFORM note_webhook_event(NEW.tenant_id, TG_ARGV[0], NEW.id, NEW.message_id, NEW.conversation_id);
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION note_conversation_webhook() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
BEGIN
    IF EXISTS (SELECT FROM webhook_subscription AS s WHERE s.tenant_id = NEW.tenant_id AND s.state = 'active') THEN
        PERFORM note_webhook_event(NEW.tenant_id, TG_ARGV[0], NEW.id, NULL, NEW.id);
    END IF;
    RETURN NULL;
END
$$;

-- A sweep judges thousands of old messages at once; nobody is told of each.
CREATE TRIGGER webhook_analyzed AFTER INSERT ON message_analysis
    FOR EACH ROW WHEN (NOT NEW.provisional AND NEW.run_kind <> 'sweep') EXECUTE FUNCTION note_message_webhook('message.analyzed');
CREATE TRIGGER webhook_decided AFTER INSERT ON routing_decision
    FOR EACH ROW WHEN (NOT NEW.provisional) EXECUTE FUNCTION note_message_webhook('message.decided');
CREATE TRIGGER webhook_corrected AFTER INSERT ON correction
    FOR EACH ROW EXECUTE FUNCTION note_message_webhook('label.corrected');
CREATE TRIGGER webhook_correction_undone AFTER UPDATE OF undone_at ON correction
    FOR EACH ROW WHEN (OLD.undone_at IS NULL AND NEW.undone_at IS NOT NULL)
    EXECUTE FUNCTION note_message_webhook('label.corrected');
CREATE TRIGGER webhook_raised AFTER INSERT ON alert
    FOR EACH ROW EXECUTE FUNCTION note_alert_webhook('alert.raised');
CREATE TRIGGER webhook_over AFTER UPDATE OF resolved_at ON alert
    FOR EACH ROW WHEN (OLD.resolved_at IS NULL AND NEW.resolved_at IS NOT NULL)
    EXECUTE FUNCTION note_alert_webhook('alert.over');
CREATE TRIGGER webhook_resolved AFTER UPDATE OF state ON conversation
    FOR EACH ROW WHEN (OLD.state <> 'resolved' AND NEW.state = 'resolved')
    EXECUTE FUNCTION note_conversation_webhook('conversation.resolved');

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['webhook_subscription', 'webhook_delivery'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
        EXECUTE format(
            'CREATE POLICY tenant_rows ON %I TO earshot_process '
            'USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()))', name
        );
        EXECUTE format('CREATE POLICY owner_rows ON %I TO CURRENT_USER USING (true) WITH CHECK (true)', name);
        -- Without customer text, and rung across tenants.
        EXECUTE format(
            'CREATE POLICY system_rows ON %I TO earshot_process '
            'USING ((SELECT in_system_scope())) WITH CHECK ((SELECT in_system_scope()))', name
        );
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO earshot_process', name);
    END LOOP;
END
$$;
