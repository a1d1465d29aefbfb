-- squawk-ignore-file require-concurrent-index-creation, ban-drop-constraint
-- (the new tables are empty; webhook_delivery is pruned by age, and its index takes seconds)
--
-- The life of a customer's data: erased when somebody asks, removed by age, and an audit log that nobody can rewrite.

-- A request to erase a customer, and its receipt. customer_id: NULL once it is done: what stays says when and how much, not who.
-- cut_at: when their identities were taken away; what they had written until then goes. counts: {"messages": 3, …}.
CREATE TABLE customer_erasure (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    tenant_id bigint NOT NULL,
    customer_id uuid,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done')),
    counts jsonb NOT NULL DEFAULT '{}',
    error_code text,
    by_user_id bigint,
    by_key_id bigint,
    requested_at timestamptz NOT NULL DEFAULT now(),
    cut_at timestamptz,
    next_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);
CREATE UNIQUE INDEX customer_erasure_customer ON customer_erasure (tenant_id, customer_id) WHERE customer_id IS NOT NULL;
CREATE INDEX customer_erasure_due ON customer_erasure (next_at) WHERE state = 'waiting';
CREATE INDEX customer_erasure_tenant ON customer_erasure (tenant_id, id);

-- Whoever was erased, by a keyed hash of each identity: what they had written before, and what is delivered late, is not taken in.
-- Kept for as long as channels deliver late; see store.erased_identities.
CREATE TABLE erased_identity (
    tenant_id bigint NOT NULL,
    key bytea NOT NULL,
    erased_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, key)
);
CREATE INDEX erased_identity_age ON erased_identity (erased_at);

-- How far retention has come. done_until: messages with smaller ids are done. finished_at: when all that was due was done.
CREATE TABLE retention_mark (
    tenant_id bigint NOT NULL,
    part text NOT NULL CHECK (part IN ('raw', 'text', 'history')),
    done_until uuid NOT NULL,
    finished_at timestamptz,
    began_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, part)
);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['customer_erasure', 'erased_identity', 'retention_mark'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
        EXECUTE format(
            'CREATE POLICY tenant_rows ON %I TO earshot_process '
            'USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()))', name
        );
        -- Without customer text: one beat sees what is due, whose ever it is.
        EXECUTE format(
            'CREATE POLICY system_rows ON %I TO earshot_process '
            'USING ((SELECT in_system_scope())) WITH CHECK ((SELECT in_system_scope()))', name
        );
        EXECUTE format('CREATE POLICY owner_rows ON %I TO CURRENT_USER USING (true) WITH CHECK (true)', name);
    END LOOP;
END
$$;
GRANT SELECT, INSERT, UPDATE ON customer_erasure TO earshot_process;
GRANT SELECT, INSERT, UPDATE, DELETE ON erased_identity, retention_mark TO earshot_process;
GRANT DELETE ON unparsed_body TO earshot_process;

-- The erasure that a card is cleared for, so that its receipt says how far the CRM is. Set by whoever erases, read by the trigger's row.
ALTER TABLE crm_erasure ADD COLUMN customer_erasure_id uuid;
ALTER TABLE crm_erasure
    ALTER COLUMN customer_erasure_id SET DEFAULT nullif(current_setting('earshot.erasure', true), '')::uuid;
CREATE INDEX crm_erasure_of ON crm_erasure (customer_erasure_id) WHERE customer_erasure_id IS NOT NULL;

-- Its words were removed by their age; the labels stay.
ALTER TABLE message ADD COLUMN words_expired_at timestamptz;

-- Deliveries of a conversation that is erased.
CREATE INDEX webhook_delivery_conversation ON webhook_delivery (conversation_id) WHERE conversation_id IS NOT NULL;

-- Who read what stays on record when the conversation is erased: its id then leads nowhere.
ALTER TABLE conversation_access DROP CONSTRAINT conversation_access_conversation_id_fkey;

-- The audit log is appended to and nothing else, whoever tries. Grants keep processes from it; this keeps the owner from a slip, too.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is only ever appended to', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER only_appended BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Months that are past for every tenant go whole, by the owner's rights, because the app role may not drop tables. Nothing younger than
-- a week goes, whatever is asked. Returns the names of what was dropped.
CREATE FUNCTION drop_past_months(parent text, before timestamptz) RETURNS text[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '2s'
AS $$
DECLARE
    partition_name text;
    dropped text[] := '{}';
BEGIN
    IF parent NOT IN ('message', 'message_raw', 'message_analysis') THEN
        RAISE EXCEPTION 'no monthly table: %', parent;
    END IF;
    FOR partition_name IN
        SELECT c.relname
        FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
        WHERE i.inhparent = parent::regclass AND c.relname ~ ('^' || parent || '_[0-9]{6}$')
          AND (to_date(right(c.relname, 6), 'YYYYMM') + interval '1 month') AT TIME ZONE 'UTC'
              <= least(before, now() - interval '7 days')
        ORDER BY c.relname
    LOOP
        EXECUTE format('DROP TABLE %I', partition_name);
        dropped := dropped || partition_name;
    END LOOP;
    RETURN dropped;
END
$$;
REVOKE ALL ON FUNCTION drop_past_months(text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION drop_past_months(text, timestamptz) TO earshot_process;

-- Tenants that are there already lose nothing by an upgrade: theirs is kept until somebody sets how long.
UPDATE tenant
SET config = config || '{"retention": {"raw_days": 0, "text_days": 0, "history_days": 0}}'
WHERE NOT config ? 'retention';
