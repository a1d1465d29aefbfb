"""Customers and their conversations."""

from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import LiteralString

from store.assignments import WISH_COLUMNS, WISH_VALUES, Wish
from store.customer_returns import CUSTOMER_WROTE, note_reopened
from store.db import Connection, StoreError
from store.sla_clocks import note_change


@dataclass(frozen=True)
class Conversation:
    """A conversation as routing and sending need it, locked by the transaction that read it.

    closed_by_rule: an automation has resolved it, and nobody has opened it since.
    """

    id: str
    customer_id: str
    channel: str
    account_id: str
    state: str
    priority: str | None
    taken_over: bool
    last_inbound_at: datetime | None
    last_human_answer_at: datetime | None
    routed_sent_at: datetime | None
    routed_message_id: str | None
    high_value: bool
    tier: str | None
    closed_by_rule: bool
    escalated_message_id: str | None
    """The message that called a person, while the conversation is open."""
    was_reopened: bool
    """It was resolved and opened again at least once."""


# Of `conversation AS c` and `customer AS u`.
CONVERSATION = """c.id::text, c.customer_id::text, c.channel, c.account_id, c.state, c.priority, c.taken_over, c.last_inbound_at,
    c.last_human_answer_at, c.routed_sent_at, c.routed_message_id::text, u.high_value, u.tier,
    c.state = 'resolved' AND coalesce(c.resolved_by = 'rule', false),
    CASE WHEN c.state = 'open' THEN c.escalated_message_id END::text, c.reopened > 0
"""
_SELECT, _LOCKED = (
    "SELECT ",
    """
    FROM conversation AS c JOIN customer AS u ON u.id = c.customer_id
    WHERE c.id = %s
    FOR UPDATE OF c
""",
)
# A row is locked before what is selected from it is worked out.
LOCKED_FIRST = "WITH locked AS MATERIALIZED ("
THEN_CUSTOMER = ") SELECT *, pg_advisory_xact_lock(hashtextextended('actions of ' || customer_id, 0)) FROM locked"


def lock_conversation(conn: Connection, conversation_id: str, *, with_customer: bool = False) -> Conversation:
    """Lock the conversation until the transaction ends, so that its messages are decided one after another.

    with_customer: then the customer too, as `lock_customer` does. Raises: StoreError to be tried again when it was merged into
    another one a moment ago.
    """
    query = _SELECT + CONVERSATION + _LOCKED
    if with_customer:
        query = LOCKED_FIRST + query + THEN_CUSTOMER
    row = conn.execute(query, (conversation_id,)).fetchone()
    if row is None:
        message = "conversation_merged"
        raise StoreError(message, permanent=False, retry_after_s=0.5)
    return Conversation(*row[: len(fields(Conversation))])


def lock_customer(conn: Connection, customer_id: str) -> None:
    """Until the transaction ends nobody else plans for this customer or judges their mood, in whichever conversation: limits hold for
    all together. After the conversation's lock, before any action row.
    """
    conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('actions of ' || %s, 0))", (customer_id,))


_PLACE = """
    UPDATE conversation
    SET queue = %(to_queue)s, priority = %(to_priority)s, routed_message_id = %(by_message)s, routed_sent_at = %(by_sent_at)s,
        version = version + 1
"""
_NEXT, _IS, _BY_ID = ", ", " = ", " WHERE id = %(conversation)s"
_WISHED = _NEXT + WISH_COLUMNS + _IS + WISH_VALUES
_ESCALATED = ", escalated_message_id = %(by_message)s"


@dataclass(frozen=True)
class Placing:
    """A conversation is put where the decision about one of its messages says. wish, escalates: noted with it, as `want_agent` and
    `note_escalation` do.
    """

    conversation_id: str
    queue: str
    priority: str
    message_id: str
    sent_at: datetime
    wish: Wish | None = None
    escalates: bool = False

    @property
    def statement(self) -> LiteralString:
        """What does it, for the values of `as_values`."""
        return _PLACE + (_WISHED if self.wish else "") + (_ESCALATED if self.escalates else "") + _BY_ID

    def as_values(self) -> dict[str, object]:
        """By the names that the statement has for them."""
        return {
            "conversation": self.conversation_id,
            "to_queue": self.queue,
            "to_priority": self.priority,
            "by_message": self.message_id,
            "by_sent_at": self.sent_at,
            **(vars(self.wish) if self.wish else {}),
        }


def place_conversation(conn: Connection, placing: Placing) -> None:
    """Put the conversation where it belongs."""
    conn.execute(placing.statement, placing.as_values())


def reopen_for_message(conn: Connection, tenant_id: int, conversation_id: str, *, sent_at: datetime) -> None:
    """Open a resolved conversation for a customer's message that had come before it was resolved and is decided only now."""
    row = conn.execute(
        """
        UPDATE conversation
        SET state = 'open', version = version + 1
        WHERE id = %s AND state = 'resolved'
        RETURNING coalesce(resolved_at, now())
        """,
        (conversation_id,),
    ).fetchone()
    if row:
        note_reopened(conn, tenant_id, conversation_id, resolved_at=row[0], sent_at=sent_at)


def is_open_for_late_message(conn: Connection, conversation_id: str, *, message_id: str) -> bool:
    """Whether an automation had ended the conversation, this message alone has opened it again, and nothing else is to be decided."""
    row = conn.execute(
        """
        SELECT
        FROM conversation AS c
        JOIN LATERAL (
            SELECT kind, by_rule FROM conversation_event
            WHERE conversation_id = c.id AND kind IN ('resolved', 'reopened')
            ORDER BY id DESC LIMIT 1
        ) AS last ON last.kind = 'reopened' AND last.by_rule = %(customer_wrote)s
        WHERE c.id = %(id)s AND c.state = 'open' AND EXISTS (
            SELECT FROM action AS a
            WHERE a.message_id = c.routed_message_id AND a.kind = 'close_with_thanks'
              AND a.state IN ('pending', 'sending', 'sent', 'uncertain')
        ) AND NOT EXISTS (
            SELECT FROM message AS m
            WHERE m.conversation_id = c.id AND m.id <> %(message_id)s AND m.direction = 'inbound' AND NOT m.is_history
              AND m.joined_to IS NULL AND m.state NOT IN ('erased', 'ignored')
              AND (
                  m.sent_at > c.routed_sent_at
                  OR NOT EXISTS (SELECT FROM routing_decision AS d WHERE d.message_id = m.id AND NOT d.provisional)
              )
        )
        """,
        {"id": conversation_id, "message_id": message_id, "customer_wrote": CUSTOMER_WROTE.rule},
    ).fetchone()
    return row is not None


def close_conversation(conn: Connection, conversation_id: str) -> None:
    """A rule resolves it; the customer's next message opens it again."""
    closed = conn.execute(
        """
        WITH closed AS (
            UPDATE conversation
            SET state = 'resolved', resolved_at = now(), resolved_by = 'rule', snoozed_until = NULL, wants_agent = false,
                wants_agent_since = NULL, version = version + 1
            WHERE id = %s AND state = 'open'
            RETURNING tenant_id, id, assignee_id, queue
        )
        INSERT INTO conversation_event (tenant_id, conversation_id, kind, by_rule, assignee_id, queue)
        SELECT tenant_id, id, 'resolved', 'automation', assignee_id, queue FROM closed
        RETURNING tenant_id
        """,
        (conversation_id,),
    ).fetchone()
    if closed:
        note_change(conn, closed[0], conversation_id, kind="resolved")


def list_identities(conn: Connection, customer_id: str) -> list[tuple[str, str]]:
    """(kind, value) of one customer as they are now, newest first within a kind."""
    return conn.execute(
        """
        SELECT kind, value
        FROM customer_identity
        WHERE customer_id = %s AND retired_at IS NULL
        ORDER BY kind, seen_at DESC, value
        """,
        (customer_id,),
    ).fetchall()


@dataclass(frozen=True)
class KnownAs:
    """What says who somebody is: names, those of former times too, and the phones of now."""

    names: tuple[str, ...] = field(repr=False)
    phones: tuple[str, ...] = field(repr=False)


# What says so, as arrays of what is found once. Former phones are left out: by which rules a number is read is a matter of now.
KNOWN_NAMES = """
    ARRAY(
        SELECT display_name FROM customer WHERE id = %(customer)s AND display_name IS NOT NULL
        UNION
        SELECT value FROM customer_identity WHERE customer_id = %(customer)s AND kind = 'username'
    )
"""
KNOWN_PHONES = """
    ARRAY(
        SELECT value FROM customer_identity WHERE customer_id = %(customer)s AND kind = 'phone' AND retired_at IS NULL
        ORDER BY value
    )
"""
_KNOWN_AS = "SELECT " + KNOWN_NAMES + ", " + KNOWN_PHONES


def read_known_as(conn: Connection, customer_id: str) -> KnownAs:
    """What is to be cut from this person's words, and by which countries' rules numbers are found in them."""
    row = conn.execute(_KNOWN_AS, {"customer": customer_id}).fetchone()
    assert row is not None
    return KnownAs(tuple(row[0]), tuple(row[1]))


_NAMES = "SELECT " + KNOWN_NAMES


def list_known_names(conn: Connection, customer_id: str) -> tuple[str, ...]:
    """Names this person is known by, to be cut from what leaves the building."""
    row = conn.execute(_NAMES, {"customer": customer_id}).fetchone()
    assert row is not None
    return tuple(row[0])


def set_high_value(conn: Connection, customer_id: str, *, high_value: bool) -> None:
    """What the CRM says about the customer's value."""
    conn.execute("UPDATE customer SET high_value = %s WHERE id = %s", (high_value, customer_id))


def set_tier(conn: Connection, customer_id: str, *, tier: str | None) -> None:
    """The level that the CRM gives the customer, None when it gives none."""
    conn.execute("UPDATE customer SET tier = %s WHERE id = %s", (tier, customer_id))


def get_display_name(conn: Connection, customer_id: str) -> str | None:
    """The name the customer shows at the channel, None when there is none."""
    row = conn.execute("SELECT display_name FROM customer WHERE id = %s", (customer_id,)).fetchone()
    return row[0] if row else None
