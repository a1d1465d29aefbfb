-- A decision for each message of a customer, with facts as they are really stored.
INSERT INTO routing_policy (tenant_id, policy_hash, policy)
VALUES (%(tenant)s, %(policy_hash)s, %(policy)s::jsonb)
ON CONFLICT DO NOTHING;

INSERT INTO routing_decision (id, tenant_id, message_id, run_id, analysis_id, priority, queue, rule, reasons, inputs, applied, provisional,
                              created_at, policy_hash, actions)
SELECT uuidv7(m.at + interval '4 seconds' - clock_timestamp()), %(tenant)s, m.id, coalesce(r.run_id, gen_random_uuid()), r.id,
       CASE WHEN r.sentiment = 'negative' AND r.score > 0.9 THEN 'P1' WHEN r.sentiment = 'negative' THEN 'P2' WHEN r.sentiment = 'neutral' THEN 'P3' ELSE 'P4' END,
       CASE WHEN r.sentiment = 'negative' THEN 'senior' WHEN r.sentiment = 'neutral' THEN 'support' ELSE 'auto' END,
       'default', ARRAY['label_negative', 'above_threshold'], (%(facts)s::jsonb[])[1 + mod(m.n, 2000)], true, false, m.at + interval '4 seconds',
       %(policy_hash)s, '[{"kind": "assign", "state": "pending"}]'
FROM new_message AS m LEFT JOIN new_reading AS r ON r.n = m.n
WHERE m.is_inbound
ORDER BY m.n;
