-- squawk-ignore-file require-concurrent-index-creation, adding-foreign-key-constraint
-- (the tables are new and empty)
--
-- Actions: what they leave in our own rows, the person who must agree, and the secret that signs a tenant's webhook.

-- needs_approval: a person must agree before it leaves; approved_at: one did. settled_by: 'person' when one said what became of it.
ALTER TABLE action
    ADD COLUMN needs_approval boolean NOT NULL DEFAULT false,
    ADD COLUMN approved_at timestamptz,
    ADD COLUMN settled_by text;

-- escalated_message_id: the message that called a person; while the conversation stays open, nothing planned on another message
-- leaves by itself. assignee_hint: who should have it, as the tenant's rules say.
ALTER TABLE conversation
    ADD COLUMN escalated_message_id uuid,
    ADD COLUMN assignee_hint text;

CREATE TABLE conversation_tag (
    conversation_id uuid NOT NULL REFERENCES conversation ON DELETE CASCADE,
    tag text NOT NULL,
    tenant_id bigint NOT NULL,
    message_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (conversation_id, tag)
);
CREATE INDEX conversation_tag_tenant ON conversation_tag (tenant_id, tag);

-- What a person has to do because no automation could: open while done_at is NULL and its conversation is open.
CREATE TABLE agent_task (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    tenant_id bigint NOT NULL,
    key text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('callback', 'answer')),
    conversation_id uuid NOT NULL REFERENCES conversation ON DELETE CASCADE,
    message_id uuid NOT NULL,
    because text NOT NULL,
    due_at timestamptz NOT NULL,
    done_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, key)
);
CREATE INDEX agent_task_conversation ON agent_task (conversation_id);
CREATE INDEX agent_task_open ON agent_task (tenant_id, due_at) WHERE done_at IS NULL;

CREATE TABLE action_secret (
    tenant_id bigint NOT NULL REFERENCES tenant,
    kind text NOT NULL,
    secret bytea NOT NULL,
    PRIMARY KEY (tenant_id, kind)
);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['conversation_tag', 'agent_task', 'action_secret'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
        EXECUTE format(
            'CREATE POLICY tenant_rows ON %I TO earshot_process '
            'USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()))', name
        );
        EXECUTE format('CREATE POLICY owner_rows ON %I TO CURRENT_USER USING (true) WITH CHECK (true)', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO earshot_process', name);
    END LOOP;
    -- Tenant files are applied in the system scope.
    EXECUTE 'CREATE POLICY system_rows ON action_secret TO earshot_process '
            'USING ((SELECT in_system_scope())) WITH CHECK ((SELECT in_system_scope()))';
END
$$;
