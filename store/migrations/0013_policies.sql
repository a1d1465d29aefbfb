-- What a decision was made under, so that it can be replayed and other settings can be tried on it.

-- The thresholds, rules and consents that decide() read, once per version. Of the actions only switches and numbers are kept: no
-- address, no wording, no secret. policy_hash: SHA-256 of the policy's canonical JSON.
CREATE TABLE routing_policy (
    tenant_id bigint NOT NULL,
    policy_hash text NOT NULL,
    policy jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, policy_hash)
);
ALTER TABLE routing_policy ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON routing_policy TO earshot_process
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
CREATE POLICY owner_rows ON routing_policy TO CURRENT_USER USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON routing_policy TO earshot_process;

-- actions: what the decision planned, [{"kind", "state"}], also where nothing came of it. Both NULL on decisions made before this.
ALTER TABLE routing_decision
    ADD COLUMN policy_hash text,
    ADD COLUMN actions jsonb;
