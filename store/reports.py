"""What became of messages, for people to read."""

from dataclasses import dataclass, field

from store.db import Connection

NO_MESSAGE = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True)
class MessageOutcome:
    """One inbound message with the label that counts, its newest decision, its actions ("kind:state") and what was stripped."""

    tenant: str
    surface: str
    text: str | None = field(repr=False)
    state: str
    sentiment: str | None
    score: float | None
    intent: str | None
    topics: list[str] | None
    priority: str | None
    queue: str | None
    actions: list[str]
    stripped: dict[str, int] | None
    reasons: list[str] | None


def list_outcomes(conn: Connection, *, tenants: list[str], newer_than_id: str) -> list[MessageOutcome]:
    """Inbound messages of these tenants after an id, oldest first. Needs a role that reads all tenants."""
    rows = conn.execute(
        """
        SELECT t.slug, m.surface, m.text, m.state, coalesce(e.sentiment, a.sentiment), coalesce(e.score, a.score),
               coalesce(e.intent, a.intent), coalesce(e.topics, a.topics), d.priority, d.queue,
               ARRAY(
                   SELECT x.kind || ':' || x.state FROM action AS x WHERE x.message_id = m.id ORDER BY x.id
               ),
               m.stripped, d.reasons
        FROM message AS m
        JOIN tenant AS t ON t.id = m.tenant_id
        LEFT JOIN LATERAL (
            SELECT * FROM message_analysis AS n WHERE n.message_id = m.id AND n.id > m.id ORDER BY n.provisional, n.id DESC LIMIT 1
        ) AS a ON true
        LEFT JOIN LATERAL effective_label(m.id) AS e ON true
        LEFT JOIN LATERAL (
            SELECT * FROM routing_decision AS r WHERE r.message_id = m.id ORDER BY r.provisional, r.id DESC LIMIT 1
        ) AS d ON true
        WHERE t.slug = ANY(%s) AND m.direction = 'inbound' AND m.id > %s
        ORDER BY m.id
        """,
        (tenants, newer_than_id),
    ).fetchall()
    return [MessageOutcome(*row) for row in rows]


def newest_message_id(conn: Connection) -> str:
    """The id to count from; the smallest possible one when there is no message yet."""
    row = conn.execute("SELECT id FROM message ORDER BY id DESC LIMIT 1").fetchone()
    return str(row[0]) if row else NO_MESSAGE
