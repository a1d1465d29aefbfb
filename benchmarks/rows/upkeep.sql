-- What watchdogs know, and the last changes that open pages have heard of.
INSERT INTO channel_activity (channel_account_id, tenant_id, hour, webhooks)
SELECT a.id, %(tenant)s, date_trunc('hour', now()) - make_interval(hours => n), 90
FROM channel_account AS a CROSS JOIN generate_series(0, 24 * 60) AS n
WHERE a.tenant_id = %(tenant)s
ON CONFLICT DO NOTHING;

INSERT INTO live_change (tenant_id, conversation_id, kind, at)
SELECT %(tenant)s, conversation_id, 'message', now()
FROM new_message
ORDER BY n DESC
LIMIT 5000;
