"""All that is held of one customer, as one JSON document that is written piece by piece: what they may ask for."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, LiteralString

from store.db import Connection

FORMAT = "earshot-customer-1"
# One page is in memory at a time. A message may have several kB of words and as much of a raw body.
MESSAGES_AT_ONCE = 50
ROWS_AT_ONCE = 500
Begin = Callable[[], AbstractContextManager[Connection]]

_CUSTOMER: LiteralString = """
    SELECT json_build_object(
        'id', u.id, 'name', u.display_name, 'first_seen_at', u.created_at, 'high_value', u.high_value, 'tier', u.tier,
        'crm_value', u.crm_value, 'marketing_accepted', u.marketing_accepted, 'marketing_chosen_at', u.marketing_chosen_at
    )
    FROM customer AS u
    WHERE u.tenant_id = %(tenant)s AND u.id = %(customer)s
"""

# Lists in the order of the document, each row one JSON object, oldest first. after: the id of the last row before.
_LISTS: Mapping[str, LiteralString] = {
    "identities": """
        SELECT i.kind || ':' || i.value, json_build_object(
            'kind', i.kind, 'value', i.value, 'account_id', i.account_id, 'seen_at', i.seen_at, 'retired_at', i.retired_at
        )
        FROM customer_identity AS i
        WHERE i.customer_id = %(customer)s AND i.tenant_id = %(tenant)s AND i.kind || ':' || i.value > %(after)s
        ORDER BY 1
        LIMIT %(limit)s
    """,
    "conversations": """
        SELECT c.id::text, json_build_object(
            'id', c.id, 'channel', c.channel, 'account_id', c.account_id, 'state', c.state, 'queue', c.queue, 'priority', c.priority,
            'began_at', c.created_at, 'last_inbound_at', c.last_inbound_at, 'resolved_at', c.resolved_at,
            'tags', (SELECT coalesce(json_agg(t.tag ORDER BY t.tag), '[]') FROM conversation_tag AS t WHERE t.conversation_id = c.id),
            'promises', (SELECT coalesce(json_agg(json_build_object('kind', s.kind, 'started_at', s.started_at, 'due_at', s.due_at,
                                                                    'state', s.state) ORDER BY s.id), '[]')
                         FROM sla_clock AS s WHERE s.conversation_id = c.id),
            'tasks', (SELECT coalesce(json_agg(json_build_object('kind', k.kind, 'because', k.because, 'due_at', k.due_at,
                                                                 'done_at', k.done_at) ORDER BY k.id), '[]')
                      FROM agent_task AS k WHERE k.conversation_id = c.id),
            'events', (SELECT coalesce(json_agg(json_build_object('kind', e.kind, 'queue', e.queue, 'at', e.at) ORDER BY e.id), '[]')
                       FROM conversation_event AS e WHERE e.conversation_id = c.id),
            'read_at', (SELECT coalesce(json_agg(a.at ORDER BY a.id), '[]')
                        FROM conversation_access AS a WHERE a.conversation_id = c.id)
        )
        FROM conversation AS c
        WHERE c.customer_id = %(customer)s AND c.tenant_id = %(tenant)s AND c.id > %(after_id)s
        ORDER BY c.id
        LIMIT %(limit)s
    """,
    "actions": """
        SELECT a.id::text, json_build_object(
            'id', a.id, 'conversation_id', a.conversation_id, 'message_id', a.message_id, 'kind', a.kind, 'state', a.state,
            'form', a.form, 'text', a.sent_text, 'planned_at', a.created_at, 'sent_at', a.sent_at, 'delivered_at', a.delivered_at
        )
        FROM action AS a
        WHERE a.customer_id = %(customer)s AND a.tenant_id = %(tenant)s AND a.id > %(after_id)s
        ORDER BY a.id
        LIMIT %(limit)s
    """,
    "survey_answers": """
        SELECT s.message_id::text, json_build_object(
            'message_id', s.message_id, 'survey', s.survey, 'score', s.score, 'has_comment', s.has_comment, 'at', s.sent_at
        )
        FROM survey_answer AS s
        WHERE s.customer_id = %(customer)s AND s.tenant_id = %(tenant)s AND s.message_id > %(after_id)s
        ORDER BY s.message_id
        LIMIT %(limit)s
    """,
    "alerts": """
        SELECT a.id::text, json_build_object(
            'kind', a.kind, 'severity', a.severity, 'details', a.details, 'raised_at', a.created_at, 'over_at', a.resolved_at
        )
        FROM alert AS a
        WHERE a.tenant_id = %(tenant)s AND a.id > %(after_id)s AND (
            a.customer_id = %(customer)s OR a.conversation_id IN (SELECT id FROM conversation WHERE customer_id = %(customer)s)
        )
        ORDER BY a.id
        LIMIT %(limit)s
    """,
    "crm_records": """
        SELECT l.record_id, json_build_object(
            'record_id', l.record_id, 'linked_because', l.linked_because, 'matched_on', l.matched_on, 'linked_at', l.linked_at
        )
        FROM crm_link AS l
        WHERE l.customer_id = %(customer)s AND l.tenant_id = %(tenant)s AND l.record_id > %(after)s
        ORDER BY l.record_id
        LIMIT %(limit)s
    """,
    "crm_candidates": """
        SELECT q.customer_id::text, json_build_object('outcome', q.outcome, 'candidates', q.candidates)
        FROM crm_search AS q
        WHERE q.customer_id = %(customer)s AND q.tenant_id = %(tenant)s AND q.customer_id > %(after_id)s
        ORDER BY q.customer_id
        LIMIT %(limit)s
    """,
    "crm_writes": """
        SELECT w.id::text, json_build_object(
            'record_id', w.record_id, 'because', w.because, 'fields', w.fields, 'written_at', w.written_at
        )
        FROM crm_write AS w
        WHERE w.customer_id = %(customer)s AND w.tenant_id = %(tenant)s AND w.id > %(after_id)s
        ORDER BY w.id
        LIMIT %(limit)s
    """,
    "crm_notes": """
        SELECT e.id::text, json_build_object(
            'kind', e.kind, 'subject', e.subject, 'body', e.body, 'state', e.state, 'record_id', e.record_id,
            'made_at', e.created_at, 'sent_at', e.sent_at
        )
        FROM crm_event AS e
        WHERE e.customer_id = %(customer)s AND e.tenant_id = %(tenant)s AND e.id > %(after_id)s
        ORDER BY e.id
        LIMIT %(limit)s
    """,
}

_MESSAGES: LiteralString = """
    SELECT m.id::text, json_build_object(
        'id', m.id, 'conversation_id', m.conversation_id, 'channel', m.channel, 'surface', m.surface, 'account_id', m.account_id,
        'provider_message_id', m.provider_message_id, 'direction', m.direction, 'author', m.author, 'type', m.message_type,
        'text', m.text, 'text_without_personal_data', m.minimized_text, 'sender', m.sender, 'sent_at', m.sent_at,
        'received_at', m.received_at, 'edited_at', m.edited_at, 'state', m.state, 'words_expired_at', m.words_expired_at,
        'earlier_versions', (SELECT coalesce(json_agg(json_build_object('text', v.text, 'replaced_at', v.replaced_at)
                                                      ORDER BY v.version), '[]')
                             FROM message_version AS v WHERE v.message_id = m.id),
        'reactions', (SELECT coalesce(json_agg(json_build_object('emoji', r.emoji, 'by_business', r.by_business, 'at', r.reacted_at)
                                               ORDER BY r.reacted_at), '[]')
                      FROM message_key AS k JOIN message_reaction AS r
                        ON r.tenant_id = k.tenant_id AND r.account_id = k.account_id AND r.target_key = k.key
                      WHERE k.message_id = m.id AND r.emoji IS NOT NULL),
        'analyses', (SELECT coalesce(json_agg(json_build_object(
                        'sentiment', a.sentiment, 'score', a.score, 'summary', a.summary, 'intent', a.intent, 'topics', a.topics,
                        'suggested_action', a.suggested_action, 'language', a.language, 'signals', a.signals, 'model', a.model,
                        'why', a.run_kind, 'provisional', a.provisional, 'made_at', a.created_at) ORDER BY a.id), '[]')
                     FROM message_analysis AS a WHERE a.message_id = m.id),
        'decisions', (SELECT coalesce(json_agg(json_build_object(
                        'priority', d.priority, 'queue', d.queue, 'reasons', d.reasons, 'made_at', d.created_at) ORDER BY d.id), '[]')
                      FROM routing_decision AS d WHERE d.message_id = m.id),
        'corrections', (SELECT coalesce(json_agg(json_build_object(
                          'field', c.field, 'old_value', c.old_value, 'new_value', c.new_value, 'reason', c.reason,
                          'made_at', c.created_at, 'undone_at', c.undone_at) ORDER BY c.id), '[]')
                        FROM correction AS c WHERE c.message_id = m.id),
        'sent_to_ai_provider', (SELECT coalesce(json_agg(json_build_object(
                                  'provider', e.provider, 'model', e.model, 'text', e.minimized_text, 'sent_at', e.created_at)
                                  ORDER BY e.id), '[]')
                                FROM egress AS e WHERE e.message_id = m.id)
    ), (SELECT r.item FROM message_raw AS r WHERE r.message_id = m.id)
    FROM message AS m
    WHERE m.customer_id = %(customer)s AND m.tenant_id = %(tenant)s AND m.id > %(after_id)s
    ORDER BY m.id
    LIMIT %(limit)s
"""
_FIRST_ID = "00000000-0000-0000-0000-000000000000"


def write_customer(begin: Begin, tenant_id: int, customer_id: str) -> Iterator[str]:
    """Pieces of the document. begin: opens a transaction that acts for the tenant, for each page a new one.

    Of somebody who is nobody here `customer` is null and the lists are empty.
    """
    given: dict[str, Any] = {"tenant": tenant_id, "customer": customer_id}
    with begin() as conn:
        row = conn.execute(_CUSTOMER, given).fetchone()
    head = {"format": FORMAT, "made_at": datetime.now(UTC).isoformat(), "customer": row[0] if row else None}
    yield json.dumps(head, ensure_ascii=False, indent=1)[:-2]
    for name, query in _LISTS.items():
        yield from _write_list(name, _pages(begin, query, given, limit=ROWS_AT_ONCE))
    yield from _write_list("messages", _pages(begin, _MESSAGES, given, limit=MESSAGES_AT_ONCE))
    yield "\n}\n"


def _pages(begin: Begin, query: LiteralString, given: Mapping[str, Any], *, limit: int) -> Iterator[Any]:
    after = ""
    while True:
        with begin() as conn:
            rows = conn.execute(
                query, {**given, "after": after, "after_id": after or _FIRST_ID, "limit": limit}
            ).fetchall()
        for _, told, *raw in rows:
            yield {**told, "raw_as_received": _as_text(raw[0])} if raw else told
        if len(rows) < limit:
            return
        after = rows[-1][0]


def _as_text(item: bytes | None) -> str | None:
    return None if item is None else bytes(item).decode(errors="replace")


def _write_list(name: str, rows: Iterator[Any]) -> Iterator[str]:
    yield f",\n {json.dumps(name)}: ["
    for number, row in enumerate(rows):
        yield ("" if number == 0 else ",") + "\n  " + json.dumps(row, ensure_ascii=False, default=str)
    yield "]"
