-- What a program was told within a month, some of it in vain; its subscription stands there already.
INSERT INTO webhook_delivery (id, tenant_id, subscription_id, kind, subject_id, message_id, conversation_id, state, tries, status, created_at,
                              tried_at, settled_at, next_at)
SELECT uuidv7(r.at + interval '5 seconds' - clock_timestamp()), %(tenant)s, s.id, 'message.analyzed', r.id, r.message_id, r.conversation_id,
       CASE WHEN mod(r.n, 300) = 0 THEN 'failed' ELSE 'delivered' END, 1, CASE WHEN mod(r.n, 300) = 0 THEN 500 ELSE 200 END, r.at, r.at, r.at,
       now() + interval '10 years'
FROM new_reading AS r CROSS JOIN webhook_subscription AS s
WHERE s.tenant_id = %(tenant)s AND r.at > now() - interval '30 days'
ORDER BY r.n;
