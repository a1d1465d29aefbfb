-- squawk-ignore-file require-concurrent-index-creation
-- (the tables are new and empty)
--
-- What people try before it is live: the prompt laboratory, and the check and the publishing of examples. All of them ask the model
-- for minutes, so a worker does it and pages read what came of it.

-- id: stands in the place of a run in the ledger's rows. by_*: who started it. lease_*: the worker that is at it.
-- planned: nothing has been asked yet. No customer text, so that the scheduler may see what is due.
CREATE TABLE trial (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    tenant_id bigint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('laboratory', 'check', 'publish')),
    state text NOT NULL DEFAULT 'planned' CHECK (state IN ('planned', 'waiting', 'running', 'done', 'failed')),
    estimated_microusd bigint NOT NULL DEFAULT 0,
    cost_microusd bigint NOT NULL DEFAULT 0,
    error text,
    by_user_id bigint,
    by_key_id bigint,
    lease_token uuid,
    lease_until timestamptz,
    next_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    finished_at timestamptz
);
CREATE INDEX trial_due ON trial (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX trial_tenant ON trial (tenant_id, id);

-- What is tried on what, and what came of it. words: pasted ones, stripped. drawn_from: messages whose words may stand in the result,
-- context included; when one of them is taken back the trial goes.
CREATE TABLE trial_text (
    trial_id uuid PRIMARY KEY REFERENCES trial ON DELETE CASCADE,
    tenant_id bigint NOT NULL,
    setup jsonb NOT NULL DEFAULT '{}',
    words text[] NOT NULL DEFAULT '{}',
    message_ids uuid[] NOT NULL DEFAULT '{}',
    drawn_from uuid[] NOT NULL DEFAULT '{}',
    result jsonb
);
CREATE INDEX trial_text_drawn_from ON trial_text USING gin (drawn_from);

-- Judged messages that a person does not want as examples; their corrections count all the same.
CREATE TABLE example_rejection (
    tenant_id bigint NOT NULL,
    message_id uuid NOT NULL,
    rejected_by bigint,
    rejected_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, message_id)
);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['trial', 'trial_text', 'example_rejection'] LOOP
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
-- The scheduler rings what is due, keeps leases alive, and ends what a dead worker left.
CREATE POLICY system_rows ON trial TO earshot_process
    USING ((SELECT in_system_scope())) WITH CHECK ((SELECT in_system_scope()));
