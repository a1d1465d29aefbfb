-- squawk-ignore-file require-concurrent-index-creation
-- (an index takes seconds on these tables, which hold open work and not messages)
--
-- What whoever is on call asks every few seconds, of all tenants at once: open alerts, and what waits for a person.

-- Asked every second; without it each answer reads every alert there ever was.
CREATE INDEX alert_open ON alert (kind, tenant_id) WHERE resolved_at IS NULL;
CREATE INDEX alert_delivery_open ON alert_delivery (created_at) WHERE state IN ('pending', 'sending');
CREATE INDEX alert_delivery_failed ON alert_delivery (settled_at) WHERE state = 'failed';
CREATE INDEX conversation_unassigned ON conversation (queue, waiting_since) WHERE state = 'open' AND assignee_id IS NULL;
CREATE INDEX sla_clock_of_open ON sla_clock (conversation_id, due_at) WHERE ended_at IS NULL;

-- When the conversation breaks its next promise: the first due time of its clocks that are neither stopped nor paused. NULL: none.
CREATE FUNCTION next_due_at(conversation uuid) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (
    SELECT min(c.due_at)
    FROM sla_clock AS c
    WHERE c.conversation_id = conversation AND c.ended_at IS NULL AND c.state <> 'paused'
);

-- A conversation's row holds no customer text: how many wait, and for how long, is counted for all tenants together.
CREATE POLICY system_rows ON conversation FOR SELECT TO earshot_process USING ((SELECT in_system_scope()));
-- Which tenants have work to give out is asked of all of them at once; an agent's row names no customer.
CREATE POLICY system_rows ON agent FOR SELECT TO earshot_process USING ((SELECT in_system_scope()));
