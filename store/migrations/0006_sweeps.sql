-- squawk-ignore-file require-concurrent-index-creation
-- (the tables are new and empty)
--
-- Sweeps: many messages judged again, once each and paid once each, within a budget.

-- One row per tenant and period: "2026-11" for a month's sweep, a name of its own for one that somebody asked for.
-- lease_*: who works on it now. spent_microusd: the sum of what its calls cost, by the ledger. labels_at: when the CRM's labels
-- were told to follow.
CREATE TABLE sweep (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    tenant_id bigint NOT NULL,
    period text NOT NULL,
    state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'paused', 'done', 'cancelled')),
    reason text,
    days integer NOT NULL,
    max_customers integer NOT NULL,
    budget_microusd bigint NOT NULL,
    uses_batches boolean NOT NULL,
    needs_approval boolean NOT NULL,
    messages integer NOT NULL,
    customers integer NOT NULL,
    estimated_microusd bigint NOT NULL,
    estimated_s integer NOT NULL,
    spent_microusd bigint NOT NULL DEFAULT 0,
    outages integer NOT NULL DEFAULT 0,
    error_code text,
    approved_at timestamptz,
    labels_at timestamptz,
    lease_token uuid,
    lease_until timestamptz,
    next_at timestamptz DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    UNIQUE (tenant_id, period)
);
CREATE INDEX sweep_due ON sweep (next_at) WHERE next_at IS NOT NULL;

-- preparing: gathers requests, nothing has left. submitting: they leave, and whether they arrived is not known yet.
-- submitted: the provider works on it. read: its answers are stored here. deleted: gone at the provider too.
-- lost: it never arrived; its items wait again. gone: the provider has it no more, unread.
CREATE TABLE sweep_batch (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    tenant_id bigint NOT NULL,
    sweep_id uuid NOT NULL REFERENCES sweep ON DELETE CASCADE,
    state text NOT NULL DEFAULT 'preparing'
        CHECK (state IN ('preparing', 'submitting', 'submitted', 'read', 'deleted', 'lost', 'gone')),
    provider_id text UNIQUE,
    requests integer NOT NULL DEFAULT 0,
    estimated_microusd bigint NOT NULL DEFAULT 0,
    reads integer NOT NULL DEFAULT 0,
    submitting_at timestamptz,
    submitted_at timestamptz,
    ended_at timestamptz,
    read_at timestamptz,
    cancel_asked_at timestamptz,
    next_poll_at timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX sweep_batch_sweep ON sweep_batch (sweep_id);

-- One message of a sweep. run_id: fixed from the start, so that its analysis is appended once whatever happens.
-- sent_hash: SHA-256 of the user turn that left; erased words change the ledger's copy, and the answer no longer counts.
-- before_analysis_id: the newest valid analysis when the sweep's own was stored.
CREATE TABLE sweep_item (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    tenant_id bigint NOT NULL,
    sweep_id uuid NOT NULL REFERENCES sweep ON DELETE CASCADE,
    message_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    run_id uuid NOT NULL UNIQUE DEFAULT uuidv7(),
    state text NOT NULL DEFAULT 'waiting'
        CHECK (state IN ('waiting', 'calling', 'in_batch', 'done', 'failed', 'skipped', 'dropped')),
    batch_id uuid REFERENCES sweep_batch ON DELETE SET NULL,
    lease_token uuid,
    egress_id uuid,
    sent_hash bytea,
    edits integer,
    tries integer NOT NULL DEFAULT 0,
    crashes integer NOT NULL DEFAULT 0,
    error_code text,
    analysis_id uuid,
    before_analysis_id uuid,
    UNIQUE (sweep_id, message_id)
) WITH (fillfactor = 70);
CREATE INDEX sweep_item_open ON sweep_item (sweep_id, state, id) WHERE state IN ('waiting', 'calling', 'in_batch');
CREATE INDEX sweep_item_batch ON sweep_item (batch_id) WHERE batch_id IS NOT NULL;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['sweep', 'sweep_batch', 'sweep_item'] LOOP
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
-- Without customer text: the scheduler sees what is due and keeps leases alive, and which of the provider's batches are ours.
CREATE POLICY system_rows ON sweep TO earshot_process
    USING ((SELECT in_system_scope())) WITH CHECK ((SELECT in_system_scope()));
CREATE POLICY known_rows ON sweep_batch FOR SELECT TO earshot_process USING ((SELECT in_system_scope()));

-- A sweep that waits for somebody's approval changes no label yet.
CREATE OR REPLACE FUNCTION analysis_counts(run_kind text, run_id uuid) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN run_kind <> 'sweep' OR NOT EXISTS (
    SELECT FROM sweep_item AS i JOIN sweep AS s ON s.id = i.sweep_id
    WHERE i.run_id = analysis_counts.run_id AND s.needs_approval AND s.approved_at IS NULL
);
