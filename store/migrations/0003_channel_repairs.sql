-- squawk-ignore-file require-concurrent-index-creation
-- (the tables are small or the index covers a new column)
--
-- What reviews of the channels asked for: notices that wait for a worker, contexts known by id, what a send said.

-- Changes of identity and choices about marketing beyond the few that are applied while the sender of a webhook waits.
-- Oldest first by id; a row goes when it is applied.
CREATE TABLE channel_notice (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    tenant_id bigint NOT NULL,
    notice jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX channel_notice_tenant ON channel_notice (tenant_id, id);
ALTER TABLE channel_notice ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON channel_notice TO earshot_process
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
CREATE POLICY owner_rows ON channel_notice TO CURRENT_USER USING (true) WITH CHECK (true);
-- The reconciler may see that there are some.
CREATE POLICY due_rows ON channel_notice FOR SELECT TO earshot_process USING ((SELECT in_system_scope()));
GRANT SELECT, INSERT, UPDATE, DELETE ON channel_notice TO earshot_process;

-- The messages whose words stand as context in the user turn, in its order, so that they can be erased from it.
ALTER TABLE egress ADD COLUMN context_ids uuid[];

-- The tenant's own words that left, so that a send settled by a status stands in the conversation too.
ALTER TABLE action ADD COLUMN sent_text text;

ALTER TABLE channel_account ADD COLUMN sends_blocked_at timestamptz;

-- Only words of more than 2 kB would be compressed, at a third of the time it takes to store a huge webhook.
ALTER TABLE message ALTER COLUMN text SET STORAGE EXTERNAL, ALTER COLUMN minimized_text SET STORAGE EXTERNAL;
ALTER TABLE message_raw ALTER COLUMN item SET STORAGE EXTERNAL;
