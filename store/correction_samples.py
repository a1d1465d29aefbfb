"""Messages that people have corrected lately: what a changed prompt is best tried on."""

from dataclasses import dataclass, field
from datetime import datetime

from store.db import Connection


@dataclass(frozen=True)
class CorrectedSample:
    """A corrected message. text: stripped. said: field to what people say, model: to what the model said."""

    message_id: str
    text: str = field(repr=False)
    language: str
    surface: str
    said: dict[str, str]
    model: dict[str, str | None]
    corrected_at: datetime


def list_corrected_samples(
    conn: Connection, tenant_id: int, *, limit: int, language: str | None = None, surface: str | None = None
) -> list[CorrectedSample]:
    """Newest correction first, among the last thousand corrections that stand. Without what is erased."""
    rows = conn.execute(
        """
        WITH newest AS (
            SELECT id, message_id, field, new_value, model_value, created_at
            FROM correction
            WHERE tenant_id = %(tenant)s AND undone_at IS NULL
            ORDER BY id DESC
            LIMIT 1000
        ), said AS (
            SELECT DISTINCT ON (message_id, field) * FROM newest ORDER BY message_id, field, id DESC
        ), corrected AS (
            SELECT message_id, max(created_at) AS at, jsonb_object_agg(field, new_value) AS said,
                   jsonb_object_agg(field, model_value) AS model
            FROM said
            GROUP BY message_id
        )
        SELECT m.id::text, m.minimized_text, coalesce(e.language, 'und'), m.surface, c.said, c.model, c.at
        FROM corrected AS c
        JOIN message AS m ON m.id = c.message_id
        CROSS JOIN LATERAL effective_label(m.id) AS e
        WHERE m.tenant_id = %(tenant)s AND m.state <> 'erased' AND m.minimized_text IS NOT NULL
          AND m.conversation_id IS NOT NULL AND (%(surface)s::text IS NULL OR m.surface = %(surface)s)
          AND (%(language)s::text IS NULL OR e.language = %(language)s)
        ORDER BY c.at DESC, m.id
        LIMIT %(limit)s
        """,
        {"tenant": tenant_id, "language": language, "surface": surface, "limit": limit},
    ).fetchall()
    return [CorrectedSample(*row) for row in rows]
