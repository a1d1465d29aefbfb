-- squawk-ignore-file require-concurrent-index-creation, require-concurrent-index-deletion, ban-drop-constraint
-- (a key is 60 bytes, so that a million of them are indexed within a second or two; both checks only take one more word)
--
-- Nothing is lost, and one can see it: what became of every message by tenant and hour, how long work stands in a stage, and a
-- message of our own that goes all the way.

-- What was received in an hour, read for one tenant without a look at the others'.
CREATE INDEX message_key_received ON message_key (tenant_id, message_id);
DROP INDEX message_key_message;

ALTER TABLE run
    DROP CONSTRAINT run_kind_check,
    -- canary: a message of our own. It has no row in `message`: nobody counts, lists or answers it.
    ADD CONSTRAINT run_kind_check CHECK (kind IN ('initial', 'reanalyze', 'sweep', 'place', 'canary')) NOT VALID,
    -- Since when the run stands where it stands.
    ADD COLUMN stage_since timestamptz NOT NULL DEFAULT now();

-- What became of the messages that came within an hour (UTC, by the time in their ids). `received` never falls: a message whose every
-- trace is gone is missed all the same. The four at the end are what nobody can account for.
CREATE TABLE hour_account (
    tenant_id bigint NOT NULL REFERENCES tenant,
    hour timestamptz NOT NULL,
    received integer NOT NULL,
    analyzed integer NOT NULL,
    unanalyzed integer NOT NULL,
    without_text integer NOT NULL,
    joined integer NOT NULL,
    ignored integer NOT NULL,
    dead integer NOT NULL,
    in_flight integer NOT NULL,
    erased integer NOT NULL,
    expired integer NOT NULL,
    message_missing integer NOT NULL,
    run_missing integer NOT NULL,
    analysis_missing integer NOT NULL,
    decision_missing integer NOT NULL,
    counted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, hour)
);

-- A message of our own on its way. via: what it was posted to; inbox: the receiver's address is not known, so it begins after it.
-- stage: how far it has come. asks_model: whether it is worth a call.
CREATE TABLE canary (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    tenant_id bigint NOT NULL REFERENCES tenant,
    channel text NOT NULL CHECK (channel IN ('whatsapp', 'instagram', 'generic')),
    account_id text NOT NULL,
    via text NOT NULL CHECK (via IN ('receiver', 'inbox')),
    asks_model boolean NOT NULL,
    stage text NOT NULL DEFAULT 'sent'
        CHECK (stage IN ('sent', 'received', 'minimized', 'analyzed', 'persisted', 'routed', 'done')),
    error_code text,
    answer jsonb,
    sent_at timestamptz NOT NULL DEFAULT now(),
    received_at timestamptz,
    done_at timestamptz
);
CREATE INDEX canary_tenant ON canary (tenant_id, id DESC);

ALTER TABLE egress
    DROP CONSTRAINT egress_purpose_check,
    ADD CONSTRAINT egress_purpose_check
        CHECK (purpose IN ('live', 'escalation', 'again', 'sweep', 'trial', 'canary')) NOT VALID;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['hour_account', 'canary'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
        EXECUTE format(
            'CREATE POLICY tenant_rows ON %I TO earshot_process '
            'USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()))', name
        );
        EXECUTE format('CREATE POLICY owner_rows ON %I TO CURRENT_USER USING (true) WITH CHECK (true)', name);
        -- Counts and ids, no customer text.
        EXECUTE format(
            'CREATE POLICY system_rows ON %I TO earshot_process '
            'USING ((SELECT in_system_scope())) WITH CHECK ((SELECT in_system_scope()))', name
        );
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO earshot_process', name);
    END LOOP;
END
$$;
