-- squawk-ignore-file require-concurrent-index-creation, adding-foreign-key-constraint
-- (the tables are new and empty)
--
-- SLA: the clocks of each conversation, the times in which it rested, and which conversations must be computed again.

-- Computed from messages, decisions, answers and rests, whatever the order in which those came; see routing.sla_clocks.
-- message_id: the customer's message that started it. episode_at: when its matter was opened. priority, queue: what the target was
-- taken for. ended_at: stopped for good; met_at: what it waited for happened, also when late. paused_min: minutes that do not count.
-- warned_at, breached_at: when that was noticed; *_alert_id: the alert that says so, which may speak of many clocks.
CREATE TABLE sla_clock (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    tenant_id bigint NOT NULL,
    conversation_id uuid NOT NULL REFERENCES conversation ON DELETE CASCADE,
    message_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('first_answer', 'next_answer', 'resolution')),
    episode_at timestamptz NOT NULL,
    started_at timestamptz NOT NULL,
    priority text NOT NULL,
    queue text NOT NULL,
    target_min integer NOT NULL,
    counts text NOT NULL CHECK (counts IN ('business', 'always')),
    due_at timestamptz NOT NULL,
    warn_at timestamptz NOT NULL,
    state text NOT NULL CHECK (state IN ('running', 'met', 'breached', 'paused', 'cancelled')),
    met_at timestamptz,
    ended_at timestamptz,
    paused_min double precision NOT NULL DEFAULT 0,
    warned_at timestamptz,
    warning_alert_id uuid,
    breached_at timestamptz,
    breach_alert_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (conversation_id, kind, started_at)
);
CREATE INDEX sla_clock_due ON sla_clock (due_at) WHERE ended_at IS NULL AND breached_at IS NULL;
CREATE INDEX sla_clock_warn ON sla_clock (warn_at) WHERE ended_at IS NULL AND warned_at IS NULL AND breached_at IS NULL;
CREATE INDEX sla_clock_open ON sla_clock (tenant_id, state) WHERE ended_at IS NULL;
CREATE INDEX sla_clock_started ON sla_clock (tenant_id, started_at);
CREATE INDEX sla_clock_warning_alert ON sla_clock (warning_alert_id) WHERE warning_alert_id IS NOT NULL;
CREATE INDEX sla_clock_breach_alert ON sla_clock (breach_alert_id) WHERE breach_alert_id IS NOT NULL;

-- When a conversation was resolved or asleep. ended_at: when that ended. by_hand: a person ended it, not the customer's next message.
-- until: when it wakes by itself.
CREATE TABLE conversation_rest (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    tenant_id bigint NOT NULL,
    conversation_id uuid NOT NULL REFERENCES conversation ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('resolved', 'snoozed')),
    began_at timestamptz NOT NULL,
    until timestamptz,
    ended_at timestamptz,
    by_hand boolean NOT NULL DEFAULT false
);
CREATE INDEX conversation_rest_conversation ON conversation_rest (conversation_id, began_at);
CREATE UNIQUE INDEX conversation_rest_open ON conversation_rest (conversation_id, kind) WHERE ended_at IS NULL;

-- Conversations whose clocks must be computed again by whoever has the tenant's settings at hand. No foreign key: it would lock the
-- conversation for those who hold a message of it already.
CREATE TABLE stale_clock (
    conversation_id uuid PRIMARY KEY,
    tenant_id bigint NOT NULL,
    marked_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX stale_clock_marked ON stale_clock (marked_at);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['sla_clock', 'conversation_rest', 'stale_clock'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
        EXECUTE format(
            'CREATE POLICY tenant_rows ON %I TO earshot_process '
            'USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()))', name
        );
        EXECUTE format('CREATE POLICY owner_rows ON %I TO CURRENT_USER USING (true) WITH CHECK (true)', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO earshot_process', name);
    END LOOP;
END
$$;
-- Without customer text: one beat looks for what is due, whose ever it is.
CREATE POLICY system_rows ON sla_clock FOR SELECT TO earshot_process USING ((SELECT in_system_scope()));
CREATE POLICY system_rows ON stale_clock FOR SELECT TO earshot_process USING ((SELECT in_system_scope()));
