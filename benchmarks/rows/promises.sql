-- Clocks: one for a quarter of all messages that wait, kept or broken, and one open clock for each conversation that waits now.
INSERT INTO sla_clock (id, tenant_id, conversation_id, message_id, kind, episode_at, started_at, priority, queue, target_min, counts,
                       due_at, warn_at, state, met_at, ended_at, breached_at)
SELECT uuidv7(m.at - clock_timestamp()), %(tenant)s, m.conversation_id, m.id, 'next_answer', m.at, m.at, 'P' || (1 + mod(m.n, 4)), 'support', 60,
       'always', m.at + interval '60 minutes', m.at + interval '45 minutes', CASE WHEN mod(m.n, 9) = 0 THEN 'breached' ELSE 'met' END,
       m.at + interval '1 minute' * (5 + mod(m.n, 90)), m.at + interval '1 minute' * (5 + mod(m.n, 90)),
       CASE WHEN mod(m.n, 9) = 0 THEN m.at + interval '60 minutes' END
FROM new_message AS m
WHERE m.is_inbound AND mod(m.n, 4) = 1 AND m.at < now() - interval '2 hours'
ON CONFLICT DO NOTHING;

INSERT INTO sla_clock (tenant_id, conversation_id, message_id, kind, episode_at, started_at, priority, queue, target_min, counts, due_at,
                       warn_at, state, breached_at)
SELECT tenant_id, id, routed_message_id, 'first_answer', waiting_since, waiting_since, priority, queue, 60, 'business', due, due - interval '20 minutes',
       CASE WHEN due < now() THEN 'breached' ELSE 'running' END, CASE WHEN due < now() THEN due END
FROM (SELECT *, waiting_since + interval '1 day' * 20 * random() AS due FROM conversation WHERE tenant_id = %(tenant)s) AS one
WHERE state = 'open' AND waiting_since IS NOT NULL AND routed_message_id IS NOT NULL;

INSERT INTO conversation_rest (tenant_id, conversation_id, kind, began_at, ended_at)
SELECT tenant_id, id, 'resolved', created_at, coalesce(last_inbound_at, created_at)
FROM conversation
WHERE tenant_id = %(tenant)s;
