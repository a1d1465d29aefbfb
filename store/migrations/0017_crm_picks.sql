-- squawk-ignore-file require-concurrent-index-creation
-- Whose word it is which CRM record is a customer's, and where people see a record.

-- site: the CRM's own host or data centre as the tenant file names it; NULL where it names none.
ALTER TABLE crm_connection ADD COLUMN site text;

-- record_id NULL: the person took the record away. by_user_id and by_key_id NULL: somebody at the command line.
CREATE TABLE crm_pick (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    tenant_id bigint NOT NULL,
    customer_id uuid NOT NULL REFERENCES customer ON DELETE CASCADE,
    record_id text,
    by_user_id bigint,
    by_key_id bigint,
    picked_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX crm_pick_customer ON crm_pick (customer_id, id);

-- Customers of whom a person must pick a record are listed in pages.
CREATE INDEX crm_search_unclear ON crm_search (tenant_id, customer_id) WHERE outcome = 'ambiguous';

ALTER TABLE crm_pick ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON crm_pick TO earshot_process
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
CREATE POLICY owner_rows ON crm_pick TO CURRENT_USER USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON crm_pick TO earshot_process;
