"""Whose message it is and in which conversation: found, held and opened by one statement for by far the most messages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from store.customer_returns import note_reopened, note_woken
from store.db import Connection
from store.identities import (
    ADD_IDENTITIES,
    LOCK_IDENTITIES,
    Sought,
    attach,
    identity_locks,
    identity_values,
    name_customer,
    settle_customer,
    sought_of,
)
from store.known_identities import KNOWN, Known, asked
from store.place_merging import PERSON_STAYS_FOR_H


@dataclass(frozen=True)
class Arrival:
    """What of a message says where it belongs.

    opens: it is a customer's and live, so the conversation is open then. opens_window: it lets the business answer freely; a comment in public
    does not. share_context: `try_share_context` with the same statement.
    """

    channel: str
    account_id: str
    sent_at: datetime
    opens: bool
    opens_window: bool = True
    share_context: bool = False


@dataclass(frozen=True)
class SenderPlace:
    """shares_context: False where nobody asked."""

    customer_id: str
    conversation_id: str
    shares_context: bool


def place_sender(conn: Connection, tenant_id: int, stored_sender: dict[str, Any], arrival: Arrival) -> SenderPlace:
    """The customer of a message, created when none is known, and held until the transaction ends, so that nobody merges or erases them
    meanwhile; and their conversation with this account. Raises: StoreError to be tried again when that was done a moment ago.
    """
    sought = sought_of(stored_sender, channel=arrival.channel)
    known, place = _look(conn, tenant_id, sought, arrival, may_add=False)
    if place is None:
        # One customer's first messages may be handled by two workers at once: what the other has done is seen only now that their
        # identities are locked.
        known, place = _look(conn, tenant_id, sought, arrival, may_add=True)
    if place is None:
        customer_id = settle_customer(
            conn, tenant_id, sought, known, channel=arrival.channel, account_id=arrival.account_id
        )
        return place_customer(conn, tenant_id, customer_id, arrival)
    if known:
        attach(conn, tenant_id, place.customer_id, sought.kept, account_id=arrival.account_id, known=known)
        if sought.display_name and sought.display_name != known[0].display_name:
            name_customer(conn, place.customer_id, sought.display_name)
    return place


def place_customer(conn: Connection, tenant_id: int, customer_id: str, arrival: Arrival) -> SenderPlace:
    """The customer's conversation with this account, made or, where the message opens it, reopened; remembers the newest inbound time.

    A person who has written within the customer's window is still in the conversation when it is reopened.
    """
    query = _OF_CUSTOMER + (_OPENED if arrival.opens else _QUIET)
    values = {"tenant": tenant_id, "customer": customer_id, **_arriving(arrival)}
    row = conn.execute(query, values).fetchone()
    assert row is not None
    return _as_place(conn, tenant_id, row, arrival)


_OF_CUSTOMER = "WITH owner AS (SELECT %(customer)s::uuid AS id)"
_OPENED = """
    INSERT INTO conversation AS c (tenant_id, customer_id, channel, account_id, last_inbound_at, waiting_since)
    SELECT %(tenant)s, owner.id, %(channel)s, %(account)s, %(window_from)s::timestamptz, %(sent_at)s::timestamptz
    FROM owner
    ON CONFLICT (tenant_id, customer_id, channel, account_id) DO UPDATE SET
        last_inbound_at = greatest(c.last_inbound_at, EXCLUDED.last_inbound_at),
        taken_over = c.taken_over AND (
            c.state = 'open'
            OR coalesce(c.last_human_answer_at > %(sent_at)s::timestamptz - make_interval(hours => %(stays_h)s), false)
        ),
        waiting_since = CASE
            -- Its webhook is late: a person has answered it already, and whoever waits since then waits on.
            WHEN c.state = 'open' AND EXCLUDED.waiting_since <= c.last_human_answer_at
            THEN coalesce(c.waiting_since, EXCLUDED.waiting_since)
            WHEN c.state = 'open' AND awaits_answer(c.waiting_since, c.last_human_answer_at)
            THEN least(c.waiting_since, EXCLUDED.waiting_since)
            ELSE EXCLUDED.waiting_since
        END,
        snoozed_until = NULL,
        version = c.version + 1,
        escalated_message_id = CASE WHEN c.state = 'open' THEN c.escalated_message_id END,
        state = 'open'
    RETURNING customer_id::text, id::text AS conversation_id,
              CASE WHEN %(share)s THEN pg_try_advisory_xact_lock_shared(hashtextextended(id::text, 0)) ELSE false END AS shares,
              old.state, old.resolved_at, old.snoozed_until, new.assignee_id
"""
# For what needs no answer (an echo, history).
_QUIET = """
    INSERT INTO conversation AS c (tenant_id, customer_id, channel, account_id, state)
    SELECT %(tenant)s, owner.id, %(channel)s, %(account)s, 'resolved'
    FROM owner
    ON CONFLICT (tenant_id, customer_id, channel, account_id) DO UPDATE SET state = c.state
    RETURNING customer_id::text, id::text AS conversation_id,
              CASE WHEN %(share)s THEN pg_try_advisory_xact_lock_shared(hashtextextended(id::text, 0)) ELSE false END AS shares
"""
# Where everything asked for is one customer's already, that one is held and their conversation placed: of several customers, two
# transactions would hold each other up.
_KNOWN_FIRST = "WITH known AS MATERIALIZED ("
_HELD = """
    ), held AS MATERIALIZED (
        SELECT id
        FROM customer
        WHERE id = (SELECT (array_agg(customer_id))[1] FROM known HAVING count(DISTINCT customer_id) = 1)::uuid
          AND NOT EXISTS (
              SELECT FROM unnest(%(asked_kinds)s::text[], %(asked_values)s::text[]) AS given (kind, value)
              WHERE NOT EXISTS (SELECT FROM known WHERE known.kind = given.kind AND known.value = given.value)
          )
        FOR KEY SHARE
"""
_ADDED = """
    ), customer AS (
        INSERT INTO customer (tenant_id, display_name)
        SELECT %(tenant)s, %(display_name)s WHERE NOT EXISTS (SELECT FROM known)
        RETURNING id
    ), attached AS (
"""
_OWNER, _OR_ADDED, _PLACED = "), owner AS (SELECT id FROM held", " UNION ALL SELECT id FROM customer", "), placed AS ("
_FOUND = """
    )
    SELECT (SELECT jsonb_agg(known) FROM known), placed.*
"""
_OR_LOCKED, _IF_PLACED = ", CASE WHEN placed IS NULL THEN (", ") END"
_AS_ONE = " FROM (SELECT) AS one LEFT JOIN placed ON true"
_FIND = _KNOWN_FIRST + KNOWN + _HELD + _OWNER + _PLACED
_FIND_OR_ADD = _KNOWN_FIRST + KNOWN + _HELD + _ADDED + ADD_IDENTITIES + _OWNER + _OR_ADDED + _PLACED


def _arriving(arrival: Arrival) -> dict[str, object]:
    return {
        "channel": arrival.channel,
        "account": arrival.account_id,
        "window_from": arrival.sent_at if arrival.opens_window else None,
        "sent_at": arrival.sent_at,
        "stays_h": PERSON_STAYS_FOR_H,
        "share": arrival.share_context,
    }


def _look(
    conn: Connection, tenant_id: int, sought: Sought, arrival: Arrival, *, may_add: bool
) -> tuple[list[Known], SenderPlace | None]:
    """Whose the identities are, and their place where that is plain: all of them are one customer's, or, with may_add, nobody's yet.

    Without may_add, identities whose place is not plain are locked at the end. May_add needs that before.
    """
    values = asked(sought.finding, tenant_id=tenant_id, at=arrival.sent_at) | _arriving(arrival)
    placing = _OPENED if arrival.opens else _QUIET
    if may_add:
        query = _FIND_OR_ADD + placing + _FOUND + _AS_ONE
        values |= identity_values(tenant_id, sought.kept, account_id=arrival.account_id)
        values["display_name"] = sought.display_name
    else:
        query = _FIND + placing + _FOUND + _OR_LOCKED + LOCK_IDENTITIES + _IF_PLACED + _AS_ONE
        values["locks"] = identity_locks(tenant_id, sought.finding)
    row = conn.execute(query, values).fetchone()
    assert row is not None
    known = [Known(**one) for one in row[0] or ()]
    return known, None if row[1] is None else _as_place(conn, tenant_id, row[1:], arrival)


def _as_place(conn: Connection, tenant_id: int, row: Sequence[Any], arrival: Arrival) -> SenderPlace:
    place = SenderPlace(*row[:3])
    if arrival.opens:
        state, resolved_at, snoozed_until, assignee_id = row[3:7]
        if state == "resolved" and resolved_at is not None:
            note_reopened(conn, tenant_id, place.conversation_id, resolved_at=resolved_at, sent_at=arrival.sent_at)
        elif snoozed_until is not None:
            note_woken(conn, tenant_id, place.conversation_id, assignee_id=assignee_id)
    return place
