"""A tenant's history of decisions as simulations read it: a lot of rows, quickly."""

import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime

from routing.remembered_rulings import Planned
from routing.simulation import HumanAnswer, PastDecision
from routing.simulation_report import Verdict
from store.db import Connection

# As quick as a thousand, and never in the way of other pages for long.
_ROWS_AT_ONCE = 100


def iterate_past_decisions(conn: Connection, tenant_id: int, *, since: datetime) -> Iterator[PastDecision]:
    """Decisions since then in the order in which they were made, fetched as they are asked for."""
    plans: dict[str | None, tuple[Planned, ...] | None] = {None: None}
    read_object = json.JSONDecoder().raw_decode
    with conn.cursor(name="past_decisions", binary=True) as cursor:
        cursor.execute(
            """
            SELECT d.message_id::text, m.conversation_id::text, m.customer_id::text,
                   extract(epoch FROM m.sent_at)::float8, extract(epoch FROM d.created_at)::float8,
                   d.inputs::text, d.policy_hash, d.priority, d.queue, d.rule, d.actions::text, d.applied, d.provisional
            FROM routing_decision AS d JOIN message AS m ON m.id = d.message_id
            WHERE d.tenant_id = %s AND d.created_at >= %s AND m.conversation_id IS NOT NULL AND m.customer_id IS NOT NULL
            ORDER BY d.id
            """,
            (tenant_id, since),
        )
        while rows := cursor.fetchmany(_ROWS_AT_ONCE):
            for row in rows:
                actions = row[10]
                if actions not in plans:
                    plans[actions] = tuple(Planned(one["kind"], one["state"]) for one in json.loads(actions))
                yield PastDecision._make((*row[:5], read_object(row[5])[0], *row[6:10], plans[actions], *row[11:]))


def find_nth_newest_decision(conn: Connection, tenant_id: int, *, nth: int) -> datetime | None:
    """When the nth newest decision was made, counted from 0; None when there are fewer."""
    row = conn.execute(
        """
        SELECT created_at
        FROM routing_decision
        WHERE tenant_id = %s
        ORDER BY id DESC
        OFFSET %s
        LIMIT 1
        """,
        (tenant_id, nth),
    ).fetchone()
    return row[0] if row else None


def list_human_answers(conn: Connection, tenant_id: int, *, since: datetime) -> dict[str, list[HumanAnswer]]:
    """People's answers by conversation, oldest first."""
    rows = conn.execute(
        """
        SELECT conversation_id::text, extract(epoch FROM sent_at)::float8, extract(epoch FROM received_at)::float8
        FROM message
        WHERE tenant_id = %s AND direction = 'outbound' AND author = 'human' AND NOT is_history
          AND conversation_id IS NOT NULL AND received_at >= %s
        ORDER BY sent_at
        """,
        (tenant_id, since),
    ).fetchall()
    answers: dict[str, list[HumanAnswer]] = defaultdict(list)
    for conversation_id, sent_at, known_at in rows:
        answers[conversation_id].append(HumanAnswer(sent_at, known_at))
    return dict(answers)


def list_verdicts(conn: Connection, tenant_id: int, *, since: datetime) -> dict[str, Verdict]:
    """What people say of messages received since then: corrections that count, else what an audit says, by message."""
    rows = conn.execute(
        """
        WITH corrected AS (
            SELECT message_id,
                   max(new_value) FILTER (WHERE field = 'sentiment') AS sentiment,
                   max(new_value) FILTER (WHERE field = 'intent') AS intent,
                   max(new_value) FILTER (WHERE field = 'topics') AS topics,
                   bool_or(field <> 'topics' AND new_value IS DISTINCT FROM model_value) AS corrects
            FROM (
                SELECT DISTINCT ON (message_id, field) message_id, field, new_value, model_value
                FROM correction
                WHERE tenant_id = %(tenant_id)s AND undone_at IS NULL
                ORDER BY message_id, field, id DESC
            ) AS newest
            GROUP BY message_id
        ), audited AS (
            SELECT s.message_id, s.sentiment, s.intent, s.topics,
                   (s.sentiment, s.intent) IS DISTINCT FROM (a.sentiment, a.intent) AS corrects
            FROM audit_sample AS s JOIN message_analysis AS a ON a.id = s.analysis_id
            WHERE s.tenant_id = %(tenant_id)s AND s.judged_at IS NOT NULL
        )
        SELECT m.id::text, coalesce(c.sentiment, a.sentiment), coalesce(c.intent, a.intent),
               coalesce(string_to_array(c.topics, ','), a.topics), coalesce(c.corrects, false) OR coalesce(a.corrects, false)
        FROM corrected AS c
        FULL JOIN audited AS a ON a.message_id = c.message_id
        JOIN message AS m ON m.id = coalesce(c.message_id, a.message_id)
        WHERE m.tenant_id = %(tenant_id)s AND m.received_at >= %(since)s
        """,
        {"tenant_id": tenant_id, "since": since},
    ).fetchall()
    return {
        message_id: Verdict(sentiment, intent, tuple(topics) if topics is not None else None, corrects)
        for message_id, sentiment, intent, topics, corrects in rows
    }
