-- squawk-ignore-file require-concurrent-index-creation, adding-foreign-key-constraint
-- (the tables are new and empty)
--
-- The spine: tenants and their accounts, messages and their runs, analyses, decisions, actions, CRM outbox, people.
--
-- Roles: this file runs as the owner. Processes log in as <database>_app, a member of earshot_process, without BYPASSRLS.
-- Row-level security: a transaction sees the tenant that `earshot.tenant` names and no other. A few tables that hold
-- no customer text also open to `earshot.scope = 'system'`: what the receiver and the reconciler must see across tenants.
-- No foreign key points at a partitioned table: retention drops whole partitions.

CREATE FUNCTION app_tenant() RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('earshot.tenant', true), '')::bigint;

CREATE FUNCTION in_system_scope() RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN coalesce(current_setting('earshot.scope', true) = 'system', false);

-- The smallest uuidv7 of an instant: months become ranges of ids, so that `id` alone is primary key and partition key.
CREATE FUNCTION uuid_floor(instant timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (lpad(to_hex((extract(epoch FROM instant) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid;

CREATE TABLE installation_secret (
    name text PRIMARY KEY,
    ciphertext bytea NOT NULL
);

CREATE TABLE tenant (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug text NOT NULL UNIQUE,
    name text NOT NULL,
    config jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE channel_account (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id bigint NOT NULL REFERENCES tenant,
    kind text NOT NULL CHECK (kind IN ('whatsapp', 'instagram', 'generic')),
    account_id text NOT NULL,
    waba_id text,
    login text CHECK (login IN ('instagram', 'facebook')),
    page_id text,
    app_secrets bytea NOT NULL,
    verify_token bytea NOT NULL,
    access_token bytea NOT NULL,
    sends_blocked_because text,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (kind, account_id)
);
CREATE INDEX channel_account_tenant ON channel_account (tenant_id);

CREATE TABLE customer (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    tenant_id bigint NOT NULL,
    display_name text,
    high_value boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX customer_tenant ON customer (tenant_id);

CREATE TABLE customer_identity (
    tenant_id bigint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('phone', 'bsuid', 'parent_bsuid', 'igsid', 'username')),
    value text NOT NULL,
    customer_id uuid NOT NULL REFERENCES customer ON DELETE CASCADE,
    PRIMARY KEY (tenant_id, kind, value)
);
CREATE INDEX customer_identity_customer ON customer_identity (customer_id);

CREATE TABLE conversation (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    tenant_id bigint NOT NULL,
    customer_id uuid NOT NULL REFERENCES customer ON DELETE CASCADE,
    channel text NOT NULL,
    account_id text NOT NULL,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'resolved')),
    queue text,
    priority text CHECK (priority IN ('P1', 'P2', 'P3', 'P4')),
    taken_over boolean NOT NULL DEFAULT false,
    last_inbound_at timestamptz,
    last_human_answer_at timestamptz,
    routed_message_id uuid,
    routed_sent_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, customer_id, channel, account_id)
);
CREATE INDEX conversation_queue ON conversation (tenant_id, state, queue, priority);
CREATE INDEX conversation_customer ON conversation (customer_id);

-- Uniqueness for ever, also after the message's partition is gone: key = HMAC of what makes the message the same message.
CREATE TABLE message_key (
    tenant_id bigint NOT NULL,
    account_id text NOT NULL,
    key bytea NOT NULL,
    message_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, account_id, key)
);

CREATE TABLE message (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    tenant_id bigint NOT NULL,
    conversation_id uuid,
    customer_id uuid,
    channel text NOT NULL,
    surface text NOT NULL,
    account_id text NOT NULL,
    provider_message_id text NOT NULL,
    direction text NOT NULL CHECK (direction IN ('inbound', 'outbound')),
    message_type text NOT NULL,
    text text,
    sent_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    state text NOT NULL CHECK (state IN (
        'received', 'minimized', 'analyzed', 'persisted', 'routed', 'done', 'unanalyzed', 'dead', 'ignored', 'erased'
    )),
    sender jsonb NOT NULL,
    reply_to_provider_id text,
    minimized_text text,
    stripped jsonb,
    minimizer_version text
) PARTITION BY RANGE (id);
CREATE INDEX message_conversation ON message (conversation_id, sent_at DESC, id DESC);
CREATE INDEX message_tenant ON message (tenant_id, id DESC);
CREATE INDEX message_customer ON message (customer_id, sent_at DESC);

CREATE TABLE message_raw (
    message_id uuid PRIMARY KEY,
    tenant_id bigint NOT NULL,
    item bytea NOT NULL
) PARTITION BY RANGE (message_id);

-- Signed bodies that could not be read, and events this version does not understand yet. Their tenant may be unknown.
CREATE TABLE unparsed_body (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    channel text NOT NULL,
    reason text NOT NULL,
    body bytea NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now()
);

-- Open work: one pass of one message through the pipeline. The row goes when the pass is done; dead ones stay.
CREATE TABLE run (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    tenant_id bigint NOT NULL,
    message_id uuid NOT NULL,
    kind text NOT NULL DEFAULT 'initial' CHECK (kind IN ('initial', 'reanalyze', 'sweep')),
    state text NOT NULL DEFAULT 'received'
        CHECK (state IN ('received', 'minimized', 'analyzed', 'persisted', 'routed', 'dead')),
    outcome text CHECK (outcome IN ('analyzed', 'no_text', 'unanalyzed')),
    answer jsonb,
    error_code text,
    lease_token uuid,
    lease_until timestamptz,
    crashes integer NOT NULL DEFAULT 0,
    rings integer NOT NULL DEFAULT 0,
    provisional_at timestamptz,
    next_at timestamptz NOT NULL DEFAULT now() + interval '5 seconds',
    created_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70);
CREATE INDEX run_due ON run (next_at) WHERE state <> 'dead';
CREATE INDEX run_message ON run (message_id);

CREATE TABLE prompt_registry (
    prompt_hash text PRIMARY KEY,
    prompt_version text NOT NULL,
    system_text text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- What left the building: one row per call, written before it.
CREATE TABLE egress (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    tenant_id bigint NOT NULL,
    message_id uuid NOT NULL,
    run_id uuid NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    prompt_version text NOT NULL,
    prompt_hash text NOT NULL,
    minimized_text text NOT NULL,
    input_tokens integer,
    output_tokens integer,
    cached_tokens integer,
    cost_microusd bigint,
    request_id text,
    outcome text,
    latency_ms integer,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX egress_message ON egress (message_id);
CREATE INDEX egress_tenant ON egress (tenant_id, id DESC);

CREATE TABLE analysis_key (
    message_id uuid NOT NULL,
    run_id uuid NOT NULL,
    tenant_id bigint NOT NULL,
    analysis_id uuid NOT NULL,
    PRIMARY KEY (message_id, run_id)
);

CREATE TABLE message_analysis (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    tenant_id bigint NOT NULL,
    message_id uuid NOT NULL,
    run_id uuid NOT NULL,
    run_kind text NOT NULL CHECK (run_kind IN ('initial', 'reanalyze', 'sweep')),
    sentiment text NOT NULL CHECK (sentiment IN ('positive', 'neutral', 'negative')),
    score double precision NOT NULL CHECK (score BETWEEN 0 AND 1),
    summary text NOT NULL,
    intent text NOT NULL,
    topics text[] NOT NULL,
    suggested_action text NOT NULL,
    language text NOT NULL DEFAULT 'und',
    signals jsonb NOT NULL DEFAULT '{}',
    analyzer text NOT NULL,
    model text NOT NULL,
    prompt_version text NOT NULL,
    prompt_hash text,
    provisional boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
) PARTITION BY RANGE (id);
CREATE INDEX message_analysis_message ON message_analysis (message_id, id DESC);
CREATE INDEX message_analysis_tenant ON message_analysis (tenant_id, id DESC);

CREATE TABLE routing_decision (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    tenant_id bigint NOT NULL,
    message_id uuid NOT NULL,
    run_id uuid NOT NULL,
    analysis_id uuid,
    priority text NOT NULL,
    queue text NOT NULL,
    rule text NOT NULL,
    reasons text[] NOT NULL,
    inputs jsonb NOT NULL,
    applied boolean NOT NULL,
    provisional boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (message_id, run_id, provisional)
);
CREATE INDEX routing_decision_tenant ON routing_decision (tenant_id, id DESC);

CREATE TABLE action (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    tenant_id bigint NOT NULL,
    conversation_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    message_id uuid NOT NULL,
    kind text NOT NULL,
    idempotency_key text NOT NULL,
    state text NOT NULL CHECK (state IN (
        'pending', 'sending', 'sent', 'failed', 'uncertain', 'expired', 'cancelled', 'shadow'
    )),
    language text NOT NULL DEFAULT 'und',
    provider_message_id text,
    error_code text,
    tries integer NOT NULL DEFAULT 0,
    lease_until timestamptz,
    next_at timestamptz NOT NULL DEFAULT now() + interval '5 seconds',
    created_at timestamptz NOT NULL DEFAULT now(),
    settled_at timestamptz,
    UNIQUE (tenant_id, idempotency_key)
);
CREATE INDEX action_due ON action (next_at) WHERE state IN ('pending', 'sending');
CREATE INDEX action_message ON action (message_id);
CREATE INDEX action_customer ON action (customer_id, created_at DESC);
CREATE INDEX action_conversation ON action (conversation_id);

CREATE TABLE crm_connection (
    tenant_id bigint PRIMARY KEY REFERENCES tenant,
    kind text NOT NULL,
    credentials bytea NOT NULL,
    config jsonb NOT NULL,
    provisioned_at timestamptz,
    paused_because text,
    paused_at timestamptz
);

CREATE TABLE crm_link (
    customer_id uuid PRIMARY KEY REFERENCES customer ON DELETE CASCADE,
    tenant_id bigint NOT NULL,
    record_id text NOT NULL,
    linked_because text NOT NULL,
    linked_at timestamptz NOT NULL DEFAULT now()
);

-- Desired state per customer: dirty when version is ahead of written_version. Last write wins by version.
CREATE TABLE crm_state (
    customer_id uuid PRIMARY KEY REFERENCES customer ON DELETE CASCADE,
    tenant_id bigint NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    written_version bigint NOT NULL DEFAULT 0,
    written_hash text,
    negative_30d integer,
    tries integer NOT NULL DEFAULT 0,
    error_code text,
    lease_until timestamptz,
    next_at timestamptz NOT NULL
);
CREATE INDEX crm_state_due ON crm_state (next_at) WHERE version > written_version;

CREATE TABLE crm_event (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    tenant_id bigint NOT NULL,
    customer_id uuid NOT NULL REFERENCES customer ON DELETE CASCADE,
    message_id uuid NOT NULL,
    key text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('note', 'task')),
    high_priority boolean NOT NULL DEFAULT false,
    subject text NOT NULL,
    body text NOT NULL,
    due_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sent', 'failed')),
    tries integer NOT NULL DEFAULT 0,
    error_code text,
    lease_until timestamptz,
    next_at timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, key)
);
CREATE INDEX crm_event_due ON crm_event (next_at) WHERE state = 'pending';
CREATE INDEX crm_event_customer ON crm_event (customer_id);

CREATE TABLE correction (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    tenant_id bigint NOT NULL,
    message_id uuid NOT NULL,
    field text NOT NULL CHECK (field IN ('sentiment', 'intent', 'topics')),
    old_value text NOT NULL,
    new_value text NOT NULL,
    reason text,
    corrected_by bigint,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX correction_message ON correction (message_id);

CREATE TABLE alert (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    tenant_id bigint NOT NULL,
    kind text NOT NULL,
    key text NOT NULL,
    conversation_id uuid,
    message_id uuid,
    details jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    acknowledged_at timestamptz,
    UNIQUE (tenant_id, key)
);

CREATE TABLE app_user (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email text NOT NULL UNIQUE CHECK (email = lower(email)),
    password_hash text NOT NULL,
    is_operator boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    disabled_at timestamptz
);

CREATE TABLE membership (
    tenant_id bigint NOT NULL REFERENCES tenant,
    user_id bigint NOT NULL REFERENCES app_user,
    role text NOT NULL CHECK (role IN ('agent', 'supervisor', 'admin', 'auditor')),
    PRIMARY KEY (tenant_id, user_id)
);
CREATE INDEX membership_user ON membership (user_id);

CREATE TABLE api_key (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id bigint NOT NULL REFERENCES tenant,
    name text NOT NULL,
    role text NOT NULL CHECK (role IN ('agent', 'supervisor', 'admin', 'auditor')),
    key_hash bytea NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);
CREATE INDEX api_key_tenant ON api_key (tenant_id);

-- Months are made ahead by the owner's rights, because the app role may not create tables. A default partition catches
-- what no month covers, so that a forgotten month costs speed and never a message.
CREATE TABLE message_default PARTITION OF message DEFAULT;
CREATE TABLE message_raw_default PARTITION OF message_raw DEFAULT;
CREATE TABLE message_analysis_default PARTITION OF message_analysis DEFAULT;

CREATE FUNCTION ensure_month_partitions(first_month date, months integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
DECLARE
    parent text;
    month_start timestamptz;
    partition_name text;
    made integer := 0;
BEGIN
    -- Two processes may ask at once.
    PERFORM pg_advisory_xact_lock(hashtext('ensure_month_partitions'));
    FOREACH parent IN ARRAY ARRAY['message', 'message_raw', 'message_analysis'] LOOP
        FOR step IN 0 .. least(months, 36) - 1 LOOP
            month_start := (date_trunc('month', first_month) + make_interval(months => step)) AT TIME ZONE 'UTC';
            partition_name := format('%s_%s', parent, to_char(month_start AT TIME ZONE 'UTC', 'YYYYMM'));
            IF to_regclass(partition_name) IS NULL THEN
                EXECUTE format(
                    'CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                    partition_name, parent, public.uuid_floor(month_start),
                    public.uuid_floor((month_start AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC')
                );
                EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', partition_name);
                made := made + 1;
            END IF;
        END LOOP;
    END LOOP;
    RETURN made;
END
$$;
REVOKE ALL ON FUNCTION ensure_month_partitions(date, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ensure_month_partitions(date, integer) TO earshot_process;

-- Row-level security on everything. `tenant_rows`: the tenant of the transaction. `owner_rows`: the role that migrates and reads for
-- operators (FORCE would hide the rows from it otherwise). `system_rows`: cross-tenant work on tables without customer text.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'channel_account', 'customer', 'customer_identity', 'conversation', 'message_key', 'message', 'message_raw', 'run',
        'egress', 'analysis_key', 'message_analysis', 'routing_decision', 'action', 'crm_connection', 'crm_link', 'crm_state',
        'crm_event', 'correction', 'alert', 'membership', 'api_key'
    ] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
        EXECUTE format(
            'CREATE POLICY tenant_rows ON %I TO earshot_process '
            'USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()))', name
        );
        EXECUTE format('CREATE POLICY owner_rows ON %I TO CURRENT_USER USING (true) WITH CHECK (true)', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO earshot_process', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY[
        'tenant', 'app_user', 'installation_secret', 'prompt_registry', 'unparsed_body'
    ] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY owner_rows ON %I TO CURRENT_USER USING (true) WITH CHECK (true)', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %I TO earshot_process', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY[
        'tenant', 'app_user', 'membership', 'api_key', 'installation_secret', 'prompt_registry', 'unparsed_body',
        'channel_account', 'run', 'action', 'crm_connection', 'crm_state'
    ] LOOP
        EXECUTE format(
            'CREATE POLICY system_rows ON %I TO earshot_process '
            'USING ((SELECT in_system_scope())) WITH CHECK ((SELECT in_system_scope()))', name
        );
    END LOOP;
    FOREACH name IN ARRAY ARRAY['message_default', 'message_raw_default', 'message_analysis_default'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
    END LOOP;
END
$$;
-- A tenant reads its own row; the prompts are the same for all and hold no customer text.
CREATE POLICY own_row ON tenant FOR SELECT TO earshot_process USING (id = (SELECT app_tenant()));
CREATE POLICY readable ON prompt_registry TO earshot_process USING (true) WITH CHECK (true);
-- The reconciler may see that an event is due, which takes no subject or body.
CREATE POLICY due_rows ON crm_event FOR SELECT TO earshot_process USING ((SELECT in_system_scope()));
