-- Automations and answers that left, surveys, corrections, samples, alerts, sweeps.
INSERT INTO action (id, tenant_id, conversation_id, customer_id, message_id, kind, idempotency_key, state, created_at, settled_at, channel,
                    form, sent_at, sent_text, needs_approval, delivered_at, error_code, next_at)
SELECT uuidv7(at + interval '5 seconds' - clock_timestamp()), %(tenant)s, conversation_id, customer_id, message_id,
       (ARRAY['close_with_thanks', 'send_nps_invite', 'send_csat_invite', 'send_refund_form', 'reply', 'reply', 'notify'])[1 + mod(n, 7)], 'bench:' || n,
       state, at + interval '5 seconds', CASE WHEN state <> 'pending' THEN at + interval '8 seconds' END, channel, 'text',
       CASE WHEN state IN ('sent', 'failed') THEN at + interval '7 seconds' END, 'Thank you for your message.', state = 'pending',
       CASE WHEN state = 'sent' THEN at + interval '9 seconds' END, CASE WHEN state = 'failed' THEN 'window_closed' END,
       now() + interval '10 years'
FROM (
    SELECT *,
           CASE
               WHEN at > now() - interval '10 days' AND mod(n, 40) = 0 THEN 'pending'
               WHEN mod(n, 4001) = 0 THEN 'uncertain'
               WHEN mod(n, 90) = 0 THEN 'failed'
               WHEN mod(n, 50) = 0 THEN 'shadow'
               ELSE 'sent'
           END AS state
    FROM new_reading
    WHERE mod(n, 8) = 0
) AS one
ORDER BY n;

INSERT INTO survey_answer (message_id, tenant_id, invitation_id, customer_id, survey, score, has_comment, sent_at)
SELECT uuidv7(sent_at + interval '2 hours' - clock_timestamp()), tenant_id, id, customer_id, CASE kind WHEN 'send_nps_invite' THEN 'nps' ELSE 'csat' END,
       CASE kind WHEN 'send_nps_invite' THEN floor(random() * 11)::int ELSE floor(random() * 6)::int END, random() < 0.2,
       sent_at + interval '2 hours'
FROM action
WHERE tenant_id = %(tenant)s AND kind IN ('send_nps_invite', 'send_csat_invite') AND state = 'sent' AND random() < 0.35;

INSERT INTO correction (id, tenant_id, message_id, field, old_value, new_value, model_value, analysis_id, corrected_by, created_at, undone_at)
SELECT uuidv7(at + interval '1 hour' - clock_timestamp()), %(tenant)s, message_id, 'sentiment', sentiment, 'neutral', sentiment, id, 1,
       at + interval '1 hour', CASE WHEN mod(n, 1000) = 3 THEN at + interval '2 hours' END
FROM new_reading
WHERE mod(n, 100) = 3 AND at < now() - interval '3 hours' AND sentiment <> 'neutral';

INSERT INTO audit_sample (tenant_id, period, message_id, analysis_id, picked_at, judged_at, judged_by, sentiment, intent, topics)
SELECT %(tenant)s, date_trunc('week', at)::date, message_id, id, at, CASE WHEN mod(n, 2) = 1 THEN at END, 1, sentiment, intent, topics
FROM new_reading
WHERE mod(n, 150) = 11;

INSERT INTO alert (id, tenant_id, kind, key, conversation_id, message_id, details, created_at, acknowledged_at, severity, queue, seen_at,
                   announced_at, resolved_at)
SELECT uuidv7(at - clock_timestamp()), %(tenant)s,
       (ARRAY['sla_breach', 'churn', 'needs_person', 'send_failed', 'notify'])[1 + mod(n / 60, 5)], 'bench:' || n, conversation_id, message_id,
       '{"count": 2}', at, CASE WHEN mod(n / 60, 3) = 0 THEN at END, 'warning', 'support', at, at,
       CASE WHEN at < now() - interval '2 days' THEN at + interval '1 day' END
FROM new_reading
WHERE mod(n, 60) = 0;

INSERT INTO alert (tenant_id, kind, key, details, severity, queue, announced_at)
SELECT %(tenant)s, 'trend', 'trend:' || n,
       jsonb_build_object('sentence', 'More negative messages about shipping than usual.', 'topics', jsonb_build_object('shipping', jsonb_build_object(
           'base_share', 0.1, 'share', 0.4, 'window', '{"negatives": 40, "messages": 100}'::jsonb, 'window_h', 6))),
       'warning', 'support', now()
FROM generate_series(1, 5) AS n;

INSERT INTO sweep (id, tenant_id, period, state, days, max_customers, budget_microusd, uses_batches, needs_approval, messages, customers,
                   estimated_microusd, estimated_s, spent_microusd, approved_at, labels_at, next_at, created_at, finished_at)
SELECT uuidv7(-make_interval(months => n)), %(tenant)s, to_char(now() - make_interval(months => n), 'YYYY-MM'), 'done', 30, 5000, 5000000, true,
       n < 3, 3000, 2500, 900000, 3600, 800000, now() - make_interval(months => n), now(), NULL, now() - make_interval(months => n), now() - make_interval(months => n)
FROM generate_series(1, 13) AS n;

INSERT INTO sweep_item (tenant_id, sweep_id, message_id, customer_id, state, analysis_id, before_analysis_id, run_id)
SELECT %(tenant)s, s.id, r.message_id, r.customer_id, 'done', a.id, r.id, a.run_id
FROM message_analysis AS a
JOIN new_reading AS r ON r.message_id = a.message_id
JOIN sweep AS s ON s.tenant_id = %(tenant)s AND s.period = to_char(r.at, 'YYYY-MM')
WHERE a.tenant_id = %(tenant)s AND a.run_kind = 'sweep';

INSERT INTO spend (tenant_id, day, calls, escalations, cost_microusd, bulk_microusd)
SELECT %(tenant)s, (now() - make_interval(days => n))::date, 1500, 30, 320000, 20000
FROM generate_series(0, %(days)s) AS n;

INSERT INTO topic_suggestion (tenant_id, name, seen)
SELECT %(tenant)s, 'suggested_' || chr(97 + n) , n
FROM generate_series(1, 25) AS n;

INSERT INTO run (tenant_id, message_id, kind, state, error_code, next_at, created_at)
SELECT %(tenant)s, message_id, 'initial', 'dead', (ARRAY['refused', 'gave_up', 'bad_answer'])[1 + mod(n, 3)], at, at
FROM new_reading
WHERE mod(n, 1500) = 13;
