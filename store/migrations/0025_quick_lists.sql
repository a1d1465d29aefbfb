-- squawk-ignore-file require-concurrent-index-creation
-- (the index on messages is partial and small; a conversation is a row for hundreds of messages, so that its index takes seconds)
--
-- Lists that stay quick in a tenant with a million messages.

-- The order of every list of conversations, so that a page of them is read from the index and not sorted out of all.
CREATE INDEX conversation_order ON conversation
    (tenant_id, state, (coalesce(priority, 'P9')), (coalesce(waiting_since, last_inbound_at, created_at)), id);
-- Which message says what an action sent.
CREATE INDEX message_action ON message (action_id) WHERE action_id IS NOT NULL;
-- What waits for a person's word, and what nobody knows the fate of: few among all that ever left.
CREATE INDEX action_state ON action (tenant_id, state, id) WHERE state NOT IN ('sent', 'cancelled', 'shadow');

-- Whether anything has happened in a tenant since its queues were counted. Ids only, so that a tenant may look at its own.
CREATE INDEX live_change_tenant ON live_change (tenant_id, xact DESC);
CREATE POLICY tenant_rows ON live_change FOR SELECT TO earshot_process USING (tenant_id = (SELECT app_tenant()));
