"""What a customer's card should say, from our own rows."""

from crm_sync.labels import NEGATIVE_WINDOW_DAYS, CustomerLabels
from store.db import Connection


def compute_labels(conn: Connection, customer_ids: list[str], *, with_summary: bool) -> dict[str, CustomerLabels]:
    """The labels of customers who have at least one analysis. Each message counts by its effective label, in provider time."""
    rows = conn.execute(
        """
        WITH judged AS (
            SELECT m.customer_id, m.id, m.sent_at, a.sentiment, a.score, a.intent, a.topics, a.summary,
                   a.analyzed_at AS created_at
            FROM message AS m CROSS JOIN LATERAL effective_label(m.id) AS a
            WHERE m.customer_id = ANY(%s::uuid[]) AND m.direction = 'inbound' AND m.state <> 'erased' AND NOT m.is_survey_answer
        ), newest AS (
            SELECT DISTINCT ON (customer_id) customer_id, sentiment, score, intent, topics, summary, created_at
            FROM judged
            ORDER BY customer_id, sent_at DESC, id DESC
        ), negative AS (
            SELECT customer_id, count(*) AS messages
            FROM judged
            WHERE sentiment = 'negative' AND sent_at > now() - make_interval(days => %s)
            GROUP BY customer_id
        )
        SELECT n.customer_id::text, n.sentiment, n.score, n.intent, n.topics, n.summary, coalesce(g.messages, 0), n.created_at
        FROM newest AS n LEFT JOIN negative AS g USING (customer_id)
        """,
        (customer_ids, NEGATIVE_WINDOW_DAYS),
    ).fetchall()
    return {
        customer_id: CustomerLabels(
            sentiment=sentiment,
            score=score,
            intent=intent,
            topics=tuple(topics),
            summary=summary if with_summary else None,
            negative_30d=negative,
            last_analyzed_at=analyzed_at,
        )
        for customer_id, sentiment, score, intent, topics, summary, negative, analyzed_at in rows
    }
