-- Customers, how they are known, and one conversation each, a seventh of them with a second one on Instagram.
DROP TABLE IF EXISTS new_person, new_talk;

CREATE UNLOGGED TABLE new_person AS
SELECT n, now() - make_interval(days => %(days)s) * (1 - power(u, 0.8)) AS at,
       uuidv7(-make_interval(days => %(days)s) * (1 - power(u, 0.8)) - interval '1 hour') AS id
FROM (SELECT n, random() AS u FROM generate_series(0, %(customers)s - 1) AS n) AS one;

INSERT INTO customer (id, tenant_id, display_name, high_value, tier, crm_value, created_at)
SELECT id, %(tenant)s,
       (ARRAY['Ayşe', 'Mehmet', 'Zeynep', 'Emre', 'Anna', 'Jonas', 'فاطمة', 'أحمد', 'Maria', 'Luca'])[1 + floor(random() * 10)::int]
           || ' ' || (ARRAY['Yılmaz', 'Kaya', 'Demir', 'Schmidt', 'Müller', 'الحسن', 'Rossi', 'Ivanov'])[1 + floor(random() * 8)::int],
       random() < 0.04, (ARRAY['gold', 'enterprise', NULL, NULL, NULL, NULL])[1 + floor(random() * 6)::int],
       round((random() * 5000)::numeric, 2), at
FROM new_person;

INSERT INTO customer_identity (tenant_id, kind, value, customer_id, account_id, seen_at)
SELECT %(tenant)s, 'phone', '90' || lpad((5000000000 + %(tenant)s * 10000000 + n)::text, 10, '0'), id, '111000111', at
FROM new_person;

INSERT INTO customer_identity (tenant_id, kind, value, customer_id, account_id, seen_at)
SELECT %(tenant)s, 'email', 'person' || n || '@example.com', id, '111000111', at
FROM new_person
WHERE mod(n, 5) = 0;

CREATE UNLOGGED TABLE new_talk AS
SELECT row_number() OVER (ORDER BY is_second, p.n) - 1 AS n,
       uuidv7(p.at - clock_timestamp()) AS id, p.id AS customer_id,
       CASE WHEN is_second THEN 'instagram' ELSE 'whatsapp' END AS channel,
       CASE WHEN is_second THEN '17841400000000111' ELSE '111000111' END AS account_id, p.at
FROM new_person AS p CROSS JOIN (VALUES (false), (true)) AS side (is_second)
WHERE NOT is_second OR mod(p.n, 7) = 0;

CREATE UNIQUE INDEX ON new_talk (n);
ANALYZE new_talk;
