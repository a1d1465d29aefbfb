"""Judged messages, as material for examples and for the check of examples."""

from dataclasses import dataclass, field
from datetime import datetime

from analysis.examples import Verdict
from store.db import Connection

MAX_CANDIDATES = 500
# Of corrections and of audits the newest so many are looked at, as some will be erased, edited or turned down.
LOOKED_AT = 700
POOL = 500


@dataclass(frozen=True)
class JudgedMessage:
    """A message with what people said of it. minimized_text: as it left the building. names: those its writer is known by."""

    message_id: str
    minimized_text: str = field(repr=False)
    names: tuple[str, ...] = field(repr=False)
    language: str
    injection_suspected: bool
    judged_at: datetime
    correction_ids: tuple[str, ...]
    verdicts: dict[str, Verdict]


def list_judged(conn: Connection, tenant_id: int) -> list[JudgedMessage]:
    """The tenant's messages that people have corrected or confirmed in an audit, newest verdict first, at most 500.

    Left out: what is erased, what was edited since it was judged, what a person does not want as an example, and bursts, whose label
    speaks of several messages.
    """
    rows = conn.execute(
        """
        WITH verdict AS (
            SELECT DISTINCT ON (c.message_id, c.field)
                   c.message_id, c.field, c.new_value AS value, c.id::text AS correction_id, c.created_at AS judged_at,
                   coalesce(c.model_value, CASE c.field
                       WHEN 'sentiment' THEN e.model_sentiment
                       WHEN 'intent' THEN e.model_intent
                       ELSE array_to_string(e.model_topics, ',')
                   END) AS model_value
            -- The condition stands within, or the label would be looked up for every correction.
            FROM correction AS c
            LEFT JOIN LATERAL (SELECT * FROM effective_label(c.message_id) WHERE c.model_value IS NULL) AS e ON true
            WHERE c.tenant_id = %(tenant)s AND c.undone_at IS NULL AND c.message_id IN (
                SELECT message_id FROM correction
                WHERE tenant_id = %(tenant)s AND undone_at IS NULL
                GROUP BY message_id
                ORDER BY max(created_at) DESC, message_id
                LIMIT %(looked_at)s
            )
            ORDER BY c.message_id, c.field, c.id DESC
        ), confirmed AS (
            SELECT s.message_id, given.field, given.value, NULL, s.judged_at, given.value
            FROM (
                SELECT * FROM audit_sample
                WHERE tenant_id = %(tenant)s AND judged_at IS NOT NULL
                ORDER BY judged_at DESC, id
                LIMIT %(looked_at)s
            ) AS s
            -- OFFSET 0: one look-up a sample instead of reading every month's analyses to join them.
            CROSS JOIN LATERAL (SELECT * FROM message_analysis WHERE id = s.analysis_id OFFSET 0) AS a
            CROSS JOIN LATERAL (VALUES ('sentiment', s.sentiment, a.sentiment), ('intent', s.intent, a.intent))
                AS given (field, value, model_value)
            WHERE given.value = given.model_value
              AND NOT EXISTS (
                  SELECT FROM correction AS k
                  WHERE k.message_id = s.message_id AND k.field = given.field AND k.undone_at IS NULL
              )
        ), judged AS (
            SELECT message_id, max(judged_at) AS judged_at,
                   array_remove(array_agg(correction_id), NULL) AS correction_ids,
                   jsonb_object_agg(field, jsonb_build_array(value, model_value)) AS verdicts
            FROM (SELECT * FROM verdict UNION ALL SELECT * FROM confirmed)
                AS one (message_id, field, value, correction_id, judged_at, model_value)
            GROUP BY message_id
        ), newest AS (
            SELECT j.*, m.id, m.minimized_text, m.customer_id
            FROM judged AS j
            JOIN message AS m ON m.id = j.message_id
            WHERE m.tenant_id = %(tenant)s AND m.state <> 'erased' AND m.minimized_text IS NOT NULL
              AND (m.edited_at IS NULL OR m.edited_at < j.judged_at)
              AND NOT EXISTS (SELECT FROM example_rejection AS r WHERE r.tenant_id = m.tenant_id AND r.message_id = m.id)
              AND NOT EXISTS (
                  SELECT FROM message AS part WHERE part.conversation_id = m.conversation_id AND part.joined_to = m.id
              )
            ORDER BY j.judged_at DESC, j.message_id
            LIMIT %(limit)s
        )
        SELECT m.message_id::text, m.minimized_text,
               ARRAY(
                   SELECT u.display_name FROM customer AS u WHERE u.id = m.customer_id AND u.display_name IS NOT NULL
                   UNION
                   SELECT i.value FROM customer_identity AS i WHERE i.customer_id = m.customer_id AND i.kind = 'username'
               ),
               coalesce(a.language, 'und'), a.suspected, m.judged_at, m.correction_ids, m.verdicts
        FROM newest AS m
        CROSS JOIN LATERAL (
            SELECT (array_agg(n.language ORDER BY n.provisional, n.id DESC))[1] AS language,
                   coalesce(bool_or((n.signals ->> 'injection_suspected')::boolean), false) AS suspected
            FROM message_analysis AS n
            WHERE n.message_id = m.id AND n.id > m.id
        ) AS a
        ORDER BY m.judged_at DESC, m.message_id
        """,
        {"tenant": tenant_id, "limit": MAX_CANDIDATES, "looked_at": LOOKED_AT},
    ).fetchall()
    return [
        JudgedMessage(
            message_id=message_id,
            minimized_text=text,
            names=tuple(names),
            language=language,
            injection_suspected=suspected,
            judged_at=judged_at,
            correction_ids=tuple(correction_ids),
            verdicts={name: Verdict(*values) for name, values in verdicts.items()},
        )
        for message_id, text, names, language, suspected, judged_at, correction_ids, verdicts in rows
    ]


@dataclass(frozen=True)
class UncorrectedMessage:
    """A message whose label nobody has corrected. confirmed: a person has said that it is right."""

    message_id: str
    minimized_text: str = field(repr=False)
    confirmed: bool
    sentiment: str
    intent: str


def list_uncorrected(conn: Connection, tenant_id: int) -> list[UncorrectedMessage]:
    """Newest first, those that people have confirmed before the others; at most 500 of each."""
    rows = conn.execute(
        """
        (
            SELECT s.message_id::text, m.minimized_text, true, a.sentiment, a.intent
            FROM audit_sample AS s
            JOIN message AS m ON m.id = s.message_id
            JOIN message_analysis AS a ON a.id = s.analysis_id
            WHERE s.tenant_id = %(tenant)s AND s.judged_at IS NOT NULL AND s.sentiment = a.sentiment AND s.intent = a.intent
              AND m.minimized_text IS NOT NULL AND m.state <> 'erased'
              AND NOT EXISTS (SELECT FROM correction AS c WHERE c.message_id = m.id AND c.undone_at IS NULL)
            ORDER BY s.judged_at DESC, s.id
            LIMIT %(limit)s
        )
        UNION ALL
        (
            SELECT m.id::text, m.minimized_text, false, e.sentiment, e.intent
            FROM message AS m CROSS JOIN LATERAL effective_label(m.id) AS e
            WHERE m.tenant_id = %(tenant)s AND m.direction = 'inbound' AND m.minimized_text IS NOT NULL AND m.state <> 'erased'
              AND m.joined_to IS NULL AND NOT coalesce((e.signals ->> 'injection_suspected')::boolean, false)
              AND NOT EXISTS (SELECT FROM correction AS c WHERE c.message_id = m.id AND c.undone_at IS NULL)
              AND NOT EXISTS (SELECT FROM audit_sample AS s WHERE s.message_id = m.id AND s.judged_at IS NOT NULL)
            ORDER BY m.id DESC
            LIMIT %(limit)s
        )
        """,
        {"tenant": tenant_id, "limit": POOL},
    ).fetchall()
    return [UncorrectedMessage(*row) for row in rows]
