-- How far a tenant has come in being set up: which steps a person has settled or left out. What is done without a word stands elsewhere.
CREATE TABLE onboarding_step (
    tenant_id bigint NOT NULL REFERENCES tenant,
    step text NOT NULL CHECK (step IN ('industry', 'topics', 'channel', 'crm', 'thresholds')),
    settled_as text NOT NULL CHECK (settled_as IN ('done', 'skipped')),
    by_user_id bigint,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, step)
);

-- What the receiver has seen of each account beside its messages: that is how somebody who connects one learns what is missing.
-- detail: the account's id that an unknown one gave itself, digits or a tenant's own word; never anything of a customer.
CREATE TABLE channel_sighting (
    channel_account_id bigint NOT NULL REFERENCES channel_account ON DELETE CASCADE,
    tenant_id bigint NOT NULL,
    what text NOT NULL CHECK (what IN ('handshake', 'wrong_token', 'bad_signature', 'unknown_account')),
    detail text,
    times integer NOT NULL DEFAULT 0,
    last_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (channel_account_id, what)
);

-- What a person asked a worker to look at, and what came out: minutes later nobody needs it any more. input: ids, names, and the words of
-- a pasted message, stripped as they would leave.
CREATE TABLE errand (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    tenant_id bigint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('reading', 'token', 'crm', 'alert', 'sample')),
    input jsonb NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'done')),
    result jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    rung_at timestamptz NOT NULL DEFAULT now(),
    done_at timestamptz
);
CREATE INDEX errand_tenant ON errand (tenant_id, kind, id DESC);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['onboarding_step', 'channel_sighting', 'errand'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
        EXECUTE format(
            'CREATE POLICY tenant_rows ON %I TO earshot_process '
            'USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()))', name
        );
        EXECUTE format('CREATE POLICY owner_rows ON %I TO CURRENT_USER USING (true) WITH CHECK (true)', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO earshot_process', name);
    END LOOP;
    -- Written by the receiver for all tenants; without customer text.
    EXECUTE 'CREATE POLICY system_rows ON channel_sighting TO earshot_process '
        'USING ((SELECT in_system_scope())) WITH CHECK ((SELECT in_system_scope()))';
END
$$;
