-- squawk-ignore-file require-concurrent-index-creation, require-concurrent-index-deletion, adding-field-with-default
-- squawk-ignore-file adding-foreign-key-constraint, ban-drop-column
-- CRM connections that take turns, tokens that run out, people who are looked for apart from being written to, and a record of
-- what was written to whom, when and why.

-- applied_hash: SHA-256 of the credentials as the tenant file gave them; a refresh token that the CRM has exchanged since is kept
-- while the file stays the same. access_token: encrypted. token_lease_until: one worker asks for a new token at a time.
-- held_until: the CRM said not before. cards_held_until, bulk_held_until: our own budget for the day said so, for cards or for those
-- that may wait; notes and tasks have a part of it to themselves. flush_token, flush_lease_until: one worker writes at a time.
ALTER TABLE crm_connection
    ADD COLUMN applied_hash text,
    ADD COLUMN account_id text,
    ADD COLUMN access_token bytea,
    ADD COLUMN token_version bigint NOT NULL DEFAULT 0,
    ADD COLUMN token_expires_at timestamptz,
    ADD COLUMN token_lease_until timestamptz,
    ADD COLUMN fields_missing text[] NOT NULL DEFAULT '{}',
    ADD COLUMN tries integer NOT NULL DEFAULT 0,
    ADD COLUMN held_until timestamptz,
    ADD COLUMN held_because text,
    ADD COLUMN cards_held_until timestamptz,
    ADD COLUMN bulk_held_until timestamptz,
    ADD COLUMN checked_at timestamptz,
    ADD COLUMN flush_token uuid,
    ADD COLUMN flush_lease_until timestamptz;

-- matched_on: external_id, phone, email, phone_variant, created, or person. values_read_at: when the record's own fields were read.
ALTER TABLE crm_link
    ADD COLUMN matched_on text,
    ADD COLUMN linked_by bigint REFERENCES app_user,
    ADD COLUMN values_read_at timestamptz;
CREATE INDEX crm_link_values ON crm_link (tenant_id, values_read_at NULLS FIRST);
CREATE INDEX crm_link_record ON crm_link (tenant_id, record_id);

-- What the tenant's own field says the customer is worth, for choosing whom to look at first.
ALTER TABLE customer ADD COLUMN crm_value numeric;

-- because: why the card is to change; is_bulk: it may wait for live ones.
ALTER TABLE crm_state
    ADD COLUMN because text NOT NULL DEFAULT 'message',
    ADD COLUMN is_bulk boolean NOT NULL DEFAULT false,
    ADD COLUMN written_at timestamptz,
    DROP COLUMN lease_until;
DROP INDEX crm_state_due;
CREATE INDEX crm_state_due ON crm_state (tenant_id, is_bulk, next_at) WHERE version > written_version;

-- event_id: the CRM's own id of the note or task, on record_id.
ALTER TABLE crm_event
    ADD COLUMN record_id text,
    ADD COLUMN event_id text,
    ADD COLUMN sent_at timestamptz,
    DROP COLUMN lease_until;
DROP INDEX crm_event_due;
CREATE INDEX crm_event_due ON crm_event (tenant_id, high_priority DESC, next_at) WHERE state = 'pending';

-- Customers without a link, whom the CRM is searched for. candidates: records that may be the customer, of which a person picks.
CREATE TABLE crm_search (
    customer_id uuid PRIMARY KEY REFERENCES customer ON DELETE CASCADE,
    tenant_id bigint NOT NULL,
    is_urgent boolean NOT NULL DEFAULT false,
    tries integer NOT NULL DEFAULT 0,
    outcome text NOT NULL DEFAULT 'waiting',
    candidates jsonb NOT NULL DEFAULT '[]',
    next_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX crm_search_due ON crm_search (tenant_id, is_urgent DESC, next_at);

-- Cards that must lose what we wrote: the customer was erased here, or turned out to be somebody else.
-- events: [{"key", "kind", "event_id"}] to be deleted too.
CREATE TABLE crm_erasure (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    tenant_id bigint NOT NULL,
    record_id text NOT NULL,
    clears_card boolean NOT NULL,
    events jsonb NOT NULL DEFAULT '[]',
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'done', 'failed')),
    tries integer NOT NULL DEFAULT 0,
    error_code text,
    next_at timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    done_at timestamptz
);
CREATE INDEX crm_erasure_due ON crm_erasure (tenant_id, next_at) WHERE state = 'pending';

-- Each time a card was written: its fields without the summary, which stands with the analysis it came from.
CREATE TABLE crm_write (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    tenant_id bigint NOT NULL,
    customer_id uuid NOT NULL REFERENCES customer ON DELETE CASCADE,
    record_id text NOT NULL,
    because text NOT NULL,
    version bigint NOT NULL,
    fields jsonb NOT NULL,
    written_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX crm_write_customer ON crm_write (customer_id, written_at DESC);
CREATE INDEX crm_write_recent ON crm_write (tenant_id, written_at DESC);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['crm_search', 'crm_erasure', 'crm_write'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
        EXECUTE format(
            'CREATE POLICY tenant_rows ON %I TO earshot_process '
            'USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()))', name
        );
        EXECUTE format('CREATE POLICY owner_rows ON %I TO CURRENT_USER USING (true) WITH CHECK (true)', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO earshot_process', name);
    END LOOP;
    -- The reconciler sees that there is work; no table of these holds customer text.
    FOREACH name IN ARRAY ARRAY['crm_search', 'crm_erasure'] LOOP
        EXECUTE format('CREATE POLICY due_rows ON %I FOR SELECT TO earshot_process USING ((SELECT in_system_scope()))', name);
    END LOOP;
    EXECUTE 'CREATE POLICY old_rows ON crm_write FOR DELETE TO earshot_process USING ((SELECT in_system_scope()))';
    EXECUTE 'CREATE POLICY old_rows_seen ON crm_write FOR SELECT TO earshot_process USING ((SELECT in_system_scope()))';
    EXECUTE 'CREATE POLICY linked_rows ON crm_link FOR SELECT TO earshot_process USING ((SELECT in_system_scope()))';
END
$$;

-- Whoever deletes a customer, the CRM hears of it: this can't be forgotten by new code.
CREATE FUNCTION crm_forget_customer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO crm_erasure (tenant_id, record_id, clears_card, events)
    SELECT OLD.tenant_id, record_id, bool_or(is_link), coalesce(jsonb_agg(event) FILTER (WHERE event IS NOT NULL), '[]')
    FROM (
        SELECT record_id, true AS is_link, NULL::jsonb AS event FROM crm_link WHERE customer_id = OLD.id
        UNION ALL
        SELECT record_id, false, jsonb_build_object('key', key, 'kind', kind, 'event_id', event_id)
        FROM crm_event
        WHERE customer_id = OLD.id AND record_id IS NOT NULL
    ) AS left_behind
    GROUP BY record_id;
    RETURN OLD;
END
$$;
CREATE TRIGGER crm_forget_customer BEFORE DELETE ON customer FOR EACH ROW EXECUTE FUNCTION crm_forget_customer();
