-- How conversations stand: those that wrote last are open, most of them waiting for somebody; what people did with them.
INSERT INTO conversation (id, tenant_id, customer_id, channel, account_id, state, queue, priority, last_inbound_at, last_human_answer_at,
                          routed_message_id, routed_sent_at, created_at, assignee_id, assigned_at, assigned_because, wants_agent,
                          wants_agent_since, snoozed_until, waiting_since, resolved_at, resolved_by, version, skill_wanted)
SELECT id, %(tenant)s, customer_id, channel, account_id, CASE WHEN is_open THEN 'open' ELSE 'resolved' END,
       (ARRAY['support', 'support', 'support', 'senior', 'engineering', 'sales', 'customer_success', 'review', 'auto'])[1 + floor(q * 9)::int],
       (ARRAY['P1', 'P2', 'P2', 'P3', 'P3', 'P3', 'P4', 'P4'])[1 + floor(p * 8)::int],
       inbound_at, CASE WHEN is_open AND mod(place, 4) <> 0 THEN inbound_at - interval '1 hour' ELSE inbound_at + interval '20 minutes' END,
       message_id, inbound_at, at,
       CASE WHEN is_open AND mod(place, 10) = 0 THEN (SELECT user_id FROM agent WHERE tenant_id = %(tenant)s ORDER BY user_id OFFSET mod(place / 10, 40) LIMIT 1) END,
       CASE WHEN is_open AND mod(place, 10) = 0 THEN inbound_at END, CASE WHEN is_open AND mod(place, 10) = 0 THEN 'claimed' END,
       is_open AND mod(place, 10) = 1, CASE WHEN is_open AND mod(place, 10) = 1 THEN inbound_at END,
       CASE WHEN is_open AND mod(place, 12) = 2 THEN now() + interval '1 day' * (1 + 10 * q) END,
       CASE WHEN is_open AND mod(place, 4) <> 0 THEN inbound_at END, CASE WHEN NOT is_open THEN inbound_at + interval '30 minutes' END,
       CASE WHEN NOT is_open THEN 'rule' END, 3, CASE WHEN mod(place, 20) = 3 THEN 'billing' END
FROM (
    SELECT t.*, last.id AS message_id, coalesce(last.at, t.at) AS inbound_at, random() AS q, random() AS p,
           row_number() OVER (ORDER BY last.at DESC NULLS LAST) AS place,
           row_number() OVER (ORDER BY last.at DESC NULLS LAST) <= %(open)s AS is_open
    FROM new_talk AS t
    LEFT JOIN LATERAL (
        SELECT id, at FROM new_message WHERE conversation_id = t.id AND is_inbound ORDER BY at DESC LIMIT 1
    ) AS last ON true
) AS one;

INSERT INTO conversation_event (id, tenant_id, conversation_id, kind, by_rule, at)
SELECT uuidv7(m.at + interval '20 minutes' - clock_timestamp()), %(tenant)s, m.conversation_id,
       (ARRAY['claimed', 'resolved', 'reopened', 'transferred'])[1 + mod(m.n, 4)], 'auto_assign', m.at + interval '20 minutes'
FROM new_message AS m
WHERE mod(m.n, 6) = 0 AND m.at < now() - interval '1 hour'
ORDER BY m.n;

INSERT INTO conversation_access (id, tenant_id, conversation_id, by_user_id, messages, at)
SELECT uuidv7(m.at - clock_timestamp()), %(tenant)s, m.conversation_id, 1, 20, m.at
FROM new_message AS m
WHERE mod(m.n, 20) = 0;

INSERT INTO conversation_tag (conversation_id, tag, tenant_id, message_id)
SELECT DISTINCT ON (conversation_id, tag) conversation_id, tag, %(tenant)s, message_id
FROM (
    SELECT conversation_id, id AS message_id,
           CASE WHEN mod(n, 100003) = 0 THEN 'rare' ELSE (ARRAY['vip', 'vip_lost', 'fragile', 'press'])[1 + mod(n, 4)] END AS tag
    FROM new_message
    WHERE is_inbound AND mod(n, 19) = 0
) AS one;

INSERT INTO agent_task (tenant_id, key, kind, conversation_id, message_id, because, due_at, done_at)
SELECT %(tenant)s, 'bench:' || n, 'callback', conversation_id, id, 'asked', at + interval '1 day',
       CASE WHEN at < now() - interval '3 days' THEN at + interval '5 hours' END
FROM new_message
WHERE is_inbound AND mod(n, 211) = 0;
