-- An analysis of every message with words, some readings for the time being, some second ones, and what left the building for them.
DROP TABLE IF EXISTS new_reading;

CREATE UNLOGGED TABLE new_reading AS
SELECT m.n, m.id AS message_id, m.conversation_id, m.customer_id, m.channel, m.at, m.text, uuidv7(m.at + interval '3 seconds' - clock_timestamp()) AS id,
       gen_random_uuid() AS run_id,
       CASE WHEN a < 0.22 THEN 'negative' WHEN a < 0.7 THEN 'neutral' ELSE 'positive' END AS sentiment,
       round((0.4 + 0.59 * sqrt(b))::numeric, 2)::float8 AS score,
       CASE
           WHEN a < 0.22 THEN (ARRAY['complaint', 'complaint', 'refund_request', 'order_status', 'technical_support', 'cancellation'])[1 + floor(c * 6)::int]
           WHEN a < 0.7 THEN (ARRAY['order_status', 'price_inquiry', 'other', 'technical_support', 'callback_request'])[1 + floor(c * 5)::int]
           ELSE (ARRAY['compliment', 'compliment', 'other'])[1 + floor(c * 3)::int]
       END AS intent,
       CASE
           WHEN d < 0.1 THEN '{}'::text[]
           WHEN d < 0.8 THEN ARRAY[(ARRAY['shipping', 'shipping', 'shipping', 'refund', 'billing', 'payment', 'account', 'app', 'pricing', 'sizing', 'stock', 'returns'])[1 + floor(e * 12)::int]]
           WHEN d < 0.9999 THEN ARRAY['shipping', (ARRAY['refund', 'billing', 'returns', 'gift_cards'])[1 + floor(e * 4)::int]]
           ELSE ARRAY['recall']
       END AS topics,
       CASE WHEN f < 0.6 THEN 'tr' WHEN f < 0.8 THEN 'en' WHEN f < 0.9 THEN 'de' WHEN f < 0.98 THEN 'ar' WHEN f < 0.9999 THEN 'fr' ELSE 'ka' END AS language
FROM (
    SELECT *, random() AS a, random() AS b, random() AS c, random() AS d, random() AS e, random() AS f
    FROM new_message
    WHERE is_inbound AND text IS NOT NULL AND dice <= 0.9995
) AS m
ORDER BY m.n;

INSERT INTO message_analysis (id, tenant_id, message_id, run_id, run_kind, sentiment, score, summary, intent, topics, suggested_action,
                              language, analyzer, model, prompt_version, prompt_hash, provisional, schema_version, input_tokens,
                              output_tokens, cached_tokens, cost_microusd, latency_ms, created_at)
SELECT id, %(tenant)s, message_id, run_id, 'initial', sentiment, score, 'The customer asks about an order and waits for an answer.',
       intent, topics, CASE WHEN sentiment = 'negative' THEN 'escalate_to_human' ELSE 'none' END, language, 'claude', 'claude-haiku-5-5',
       'g1.s1.e0', 'bench', false, 1, 900, 90, 800, 210, 1200, at + interval '3 seconds'
FROM new_reading
ORDER BY n;

INSERT INTO message_analysis (id, tenant_id, message_id, run_id, run_kind, sentiment, score, summary, intent, topics, suggested_action,
                              language, analyzer, model, prompt_version, provisional, created_at)
SELECT uuidv7(at + interval '2 seconds' - clock_timestamp()), %(tenant)s, message_id, run_id, 'initial', 'neutral', 0.5, '', 'other', '{}',
       'none', language, 'lexicon', 'lexicon', 'l1', true, at + interval '2 seconds'
FROM new_reading
WHERE mod(n, 50) = 0;

INSERT INTO message_analysis (id, tenant_id, message_id, run_id, run_kind, sentiment, score, summary, intent, topics, suggested_action,
                              language, analyzer, model, prompt_version, prompt_hash, provisional, created_at)
SELECT uuidv7(least(at + interval '5 days', now()) - clock_timestamp()), %(tenant)s, message_id, gen_random_uuid(),
       CASE WHEN mod(n, 2) = 0 THEN 'reanalyze' ELSE 'sweep' END, 'neutral', 0.8, 'The customer asks about an order.', intent, topics,
       'none', language, 'claude', 'claude-sonnet-5', 'g1.s1.e1', 'bench', false, least(at + interval '5 days', now())
FROM new_reading
WHERE mod(n, 30) = 7;

INSERT INTO prompt_registry (prompt_hash, prompt_version, system_text)
VALUES ('bench', 'g1.s1.e0', '[{"type": "text", "text": "Read the message."}]')
ON CONFLICT DO NOTHING;

INSERT INTO egress (id, tenant_id, message_id, run_id, provider, model, prompt_version, prompt_hash, minimized_text, input_tokens,
                    output_tokens, cached_tokens, cost_microusd, request_id, outcome, latency_ms, created_at, purpose)
SELECT uuidv7(at + interval '2 seconds' - clock_timestamp()), %(tenant)s, message_id, run_id, 'anthropic', 'claude-haiku-5-5', 'g1.s1.e0',
       'bench', text, 900, 90, 800, 210, 'req_' || n, CASE WHEN mod(n, 200) = 0 THEN 'timeout' ELSE 'answered' END, 1200,
       at + interval '2 seconds', 'live'
FROM new_reading
ORDER BY n;

CREATE INDEX ON new_reading (conversation_id, at);
ANALYZE new_reading;
