-- A connection with most customers linked, what was written to their cards, and some of whom a person must pick a record.
INSERT INTO crm_connection (tenant_id, kind, credentials, config, provisioned_at)
VALUES (%(tenant)s, 'hubspot', '', '{}', now())
ON CONFLICT DO NOTHING;

INSERT INTO crm_link (customer_id, tenant_id, record_id, linked_because, matched_on, values_read_at)
SELECT id, %(tenant)s, (1000000 + n)::text, 'phone', 'phone', now() - interval '1 hour' * mod(n, 500)
FROM new_person
WHERE mod(n, 6) <> 0;

INSERT INTO crm_state (customer_id, tenant_id, version, written_version, negative_30d, next_at, written_at, error_code)
SELECT id, %(tenant)s, 5, CASE WHEN mod(n, 40) = 1 THEN 4 ELSE 5 END, mod(n, 5), now() + interval '10 years', now() - interval '1 minute' * mod(n, 90000),
       CASE WHEN mod(n, 400) = 1 THEN 'rate_limited' END
FROM new_person;

INSERT INTO crm_search (customer_id, tenant_id, outcome, candidates, next_at)
SELECT id, %(tenant)s, CASE WHEN mod(n, 30) = 0 THEN 'ambiguous' ELSE 'not_found' END,
       CASE WHEN mod(n, 30) = 0 THEN '[{"record_id": "77", "matched_on": "phone"}, {"record_id": "78", "matched_on": "phone"}]' ELSE '[]' END::jsonb,
       now() + interval '10 years'
FROM new_person
WHERE mod(n, 6) = 0;

INSERT INTO crm_write (id, tenant_id, customer_id, record_id, because, version, fields, written_at)
SELECT uuidv7(at + interval '1 minute' - clock_timestamp()), %(tenant)s, customer_id, '1', 'message', 5,
       '{"earshot_sentiment": "negative", "earshot_negative_30d": "3", "earshot_intent": "complaint", "earshot_priority": "P2"}', at + interval '1 minute'
FROM new_reading
WHERE mod(n, 3) = 0 AND at > now() - interval '180 days'
ORDER BY n;

INSERT INTO crm_event (tenant_id, customer_id, message_id, key, kind, subject, body, due_at, state, error_code, created_at, sent_at, next_at)
SELECT %(tenant)s, customer_id, message_id, 'bench:' || n, 'note', 'A message', 'The customer asks about an order.', at,
       CASE WHEN mod(n, 330) = 0 THEN 'failed' ELSE 'sent' END, CASE WHEN mod(n, 330) = 0 THEN 'gone' END, at, at, at
FROM new_reading
WHERE mod(n, 11) = 0;
