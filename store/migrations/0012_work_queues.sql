-- squawk-ignore-file require-concurrent-index-creation, adding-foreign-key-constraint
-- (the tables are new and empty; the index on conversation is partial and empty at first)
--
-- Work queues: who has a conversation, who may be given one, what people did with it, and what programs asked the API for.

-- assigned_because: claimed, assigned, transferred or auto. wants_agent: somebody shall be given it without being asked.
-- waiting_since: the customer's first message, by the channel's time, that no person had answered when it came.
-- resolved_by: user:ID, key:ID or rule. version: counts every change, so that nobody acts on what is no longer true.
ALTER TABLE conversation
    ADD COLUMN assignee_id bigint,
    ADD COLUMN assigned_at timestamptz,
    ADD COLUMN assigned_because text,
    ADD COLUMN wants_agent boolean NOT NULL DEFAULT false,
    ADD COLUMN wants_agent_since timestamptz,
    ADD COLUMN skill_wanted text,
    ADD COLUMN snoozed_until timestamptz,
    ADD COLUMN waiting_since timestamptz,
    ADD COLUMN resolved_at timestamptz,
    ADD COLUMN resolved_by text,
    ADD COLUMN reopened integer NOT NULL DEFAULT 0,
    ADD COLUMN version integer NOT NULL DEFAULT 0;
CREATE INDEX conversation_assignee ON conversation (tenant_id, assignee_id) WHERE assignee_id IS NOT NULL AND state = 'open';
CREATE INDEX conversation_snoozed ON conversation (tenant_id, snoozed_until) WHERE snoozed_until IS NOT NULL;
CREATE INDEX conversation_wanting ON conversation (tenant_id)
    WHERE wants_agent AND assignee_id IS NULL AND state = 'open';

-- Whether the customer waits for a person. answered: when one last wrote.
CREATE FUNCTION awaits_answer(waiting_since timestamptz, answered timestamptz) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(waiting_since > answered, answered IS NULL);

-- A person who answers customers. queues: those they serve, none named = all. last_assigned_at: since when they have been given
-- nothing new.
CREATE TABLE agent (
    tenant_id bigint NOT NULL REFERENCES tenant,
    user_id bigint NOT NULL REFERENCES app_user,
    skills text[] NOT NULL DEFAULT '{}',
    queues text[] NOT NULL DEFAULT '{}',
    capacity integer NOT NULL DEFAULT 5 CHECK (capacity BETWEEN 0 AND 1000),
    presence text NOT NULL DEFAULT 'offline' CHECK (presence IN ('available', 'away', 'offline')),
    last_seen_at timestamptz,
    last_assigned_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, user_id)
);
CREATE INDEX agent_user ON agent (user_id);

-- What was done with a conversation and by whom: a person, a program's key (both when a program acts for a person), or a rule of
-- ours. Appended, never changed; no customer text. assignee_id: who has it afterwards.
CREATE TABLE conversation_event (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    tenant_id bigint NOT NULL,
    conversation_id uuid NOT NULL REFERENCES conversation ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN (
        'claimed', 'assigned', 'transferred', 'unassigned', 'snoozed', 'woken', 'resolved', 'reopened', 'returned'
    )),
    by_user_id bigint,
    by_key_id bigint,
    by_rule text,
    assignee_id bigint,
    queue text,
    until timestamptz,
    at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX conversation_event_conversation ON conversation_event (conversation_id, id);

-- Who has read a conversation's words through the API.
CREATE TABLE conversation_access (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    tenant_id bigint NOT NULL,
    conversation_id uuid NOT NULL REFERENCES conversation ON DELETE CASCADE,
    by_user_id bigint,
    by_key_id bigint,
    messages integer NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX conversation_access_conversation ON conversation_access (conversation_id, id);

-- A write that a program named, and what it was answered: asked again within a day, it is answered so again. No customer text.
CREATE TABLE api_write (
    tenant_id bigint NOT NULL,
    api_key_id bigint NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    status integer,
    answer jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, api_key_id, key)
);
CREATE INDEX api_write_age ON api_write (created_at);

-- A key may be a person's own: it acts as that person.
ALTER TABLE api_key ADD COLUMN user_id bigint REFERENCES app_user;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['agent', 'conversation_event', 'conversation_access', 'api_write'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
        EXECUTE format(
            'CREATE POLICY tenant_rows ON %I TO earshot_process '
            'USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()))', name
        );
        EXECUTE format('CREATE POLICY owner_rows ON %I TO CURRENT_USER USING (true) WITH CHECK (true)', name);
    END LOOP;
    -- Both logs only grow; two conversations that become one take their rows along.
    FOREACH name IN ARRAY ARRAY['conversation_event', 'conversation_access'] LOOP
        EXECUTE format('GRANT SELECT, INSERT, UPDATE (conversation_id) ON %I TO earshot_process', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['agent', 'api_write'] LOOP
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO earshot_process', name);
    END LOOP;
END
$$;
-- A tenant sees who its own people are.
CREATE POLICY member_rows ON app_user FOR SELECT TO earshot_process USING (
    EXISTS (SELECT FROM membership AS m WHERE m.user_id = app_user.id AND m.tenant_id = (SELECT app_tenant()))
);
