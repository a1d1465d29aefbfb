-- Messages that grow in number over the days. A few customers write most: one conversation holds half a percent of everything.
DROP TABLE IF EXISTS new_message;

CREATE UNLOGGED TABLE new_message AS
SELECT m.n, m.at, uuidv7(m.at + interval '1 second' - clock_timestamp()) AS id, t.id AS conversation_id, t.customer_id, t.channel,
       t.account_id, m.is_inbound, m.dice,
       CASE
           WHEN t.channel = 'whatsapp' OR m.dice < 0.7 THEN 'dm'
           WHEN m.dice < 0.85 THEN 'story_reply'
           WHEN m.dice < 0.9999 THEN 'reel_comment'
           ELSE 'live_comment'
       END AS surface,
       CASE WHEN NOT m.is_inbound OR m.dice2 < 0.94 THEN 'text' WHEN m.dice2 < 0.98 THEN 'image' ELSE 'audio' END AS message_type,
       CASE
           WHEN NOT m.is_inbound OR m.dice2 < 0.94
           THEN (ARRAY[
               'Where is my parcel? It should have been here on Monday and nobody tells me anything.',
               'Siparişim hâlâ gelmedi, üç gündür bekliyorum. Lütfen yardımcı olur musunuz?',
               'Thank you, it fits perfectly!', 'Bu ürünün 38 numarası var mı? Mağazada da bulabilir miyim acaba?',
               'Ich möchte mein Geld zurück. Die Jacke hat ein Loch, und auf meine letzte Nachricht kam keine Antwort.',
               'أين طلبي؟ لقد دفعت منذ أسبوع ولم يصلني أي شيء حتى الآن', 'How much is the blue one with shipping to Izmir?',
               'Uygulamaya giremiyorum, şifremi üç kere değiştirdim ama yine hata veriyor. Ne yapmam gerekiyor?',
               'ok', 'The app charged my card twice for one order. Please look at this today, it is a lot of money for me.',
               'Teşekkürler 🙏', 'Can I change the address of an order that has not left yet?'
           ])[1 + floor(random() * 12)::int]
       END AS text
FROM (
    SELECT row_number() OVER (ORDER BY u) AS n, now() - make_interval(days => %(days)s) * (1 - power(u, 0.8)) - interval '10 seconds' AS at,
           CASE
               WHEN heavy < 0.005 THEN 0
               WHEN heavy < 0.03 THEN floor(who * 20)::int
               ELSE floor(power(who, 1.4) * (SELECT count(*) FROM new_talk))::int
           END AS talk,
           is_inbound, dice, dice2
    FROM (
        SELECT random() AS u, random() AS who, random() AS heavy, random() < 0.62 AS is_inbound, random() AS dice, random() AS dice2
        FROM generate_series(1, %(messages)s)
    ) AS one
) AS m
JOIN new_talk AS t ON t.n = m.talk
ORDER BY m.n;

INSERT INTO message (id, tenant_id, conversation_id, customer_id, channel, surface, account_id, provider_message_id, direction,
                     message_type, text, sent_at, received_at, state, sender, author, minimized_text, minimizer_version, erased_at,
                     is_survey_answer)
SELECT id, %(tenant)s, conversation_id, customer_id, channel, surface, account_id, 'wamid.' || n,
       CASE WHEN is_inbound THEN 'inbound' ELSE 'outbound' END, message_type, CASE WHEN is_erased THEN NULL ELSE text END, at,
       at + interval '1 second',
       CASE WHEN is_erased THEN 'erased' WHEN is_inbound AND dice > 0.9995 THEN 'unanalyzed' ELSE 'done' END, '{}',
       CASE WHEN is_inbound THEN 'customer' WHEN dice < 0.7 THEN 'human' WHEN dice < 0.8 THEN 'bot' ELSE 'earshot' END,
       CASE WHEN is_inbound AND NOT is_erased THEN text END, CASE WHEN is_inbound THEN 'm1' END,
       CASE WHEN is_erased THEN at + interval '2 days' END, is_inbound AND mod(n, 150) = 0
FROM (SELECT *, mod(n, 500) = 0 AS is_erased FROM new_message) AS one
ORDER BY n;

CREATE INDEX ON new_message (conversation_id, at);
ANALYZE new_message;
