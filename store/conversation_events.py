"""What was done with a conversation and by whom. Only ever appended; no customer text."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from store.db import Connection
from store.sla_clocks import note_change

# Of a conversation that has gone on for years, nobody reads more.
MOST_EVENTS = 100

EventKind = Literal[
    "claimed", "assigned", "transferred", "unassigned", "snoozed", "woken", "resolved", "reopened", "returned"
]


@dataclass(frozen=True)
class Actor:
    """Who does something: a person, a program by its key, both when a program acts for a person, or a rule of ours."""

    user_id: int | None = None
    key_id: int | None = None
    rule: str | None = None

    @property
    def ruled_as(self) -> str:
        """As rows of actions name who ruled on them: "person" when nobody else is known, which is the command line."""
        parts = [f"user:{self.user_id}"] * (self.user_id is not None) + [f"key:{self.key_id}"] * (
            self.key_id is not None
        )
        return "+".join(parts) or "person"

    def __str__(self) -> str:
        """As `resolved_by` says it."""
        if self.user_id is not None:
            return f"user:{self.user_id}"
        return f"key:{self.key_id}" if self.key_id is not None else "rule"


def add_conversation_event(
    conn: Connection,
    tenant_id: int,
    conversation_id: str,
    *,
    kind: EventKind,
    actor: Actor,
    assignee_id: int | None = None,
    queue: str | None = None,
    until: datetime | None = None,
) -> None:
    """Append one. assignee_id: who has the conversation afterwards. queue: where it stands. until: the end of a snooze."""
    conn.execute(
        """
        INSERT INTO conversation_event (
            tenant_id, conversation_id, kind, by_user_id, by_key_id, by_rule, assignee_id, queue, until
        )
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
        """,
        (
            tenant_id,
            conversation_id,
            kind,
            actor.user_id,
            actor.key_id,
            actor.rule,
            assignee_id,
            queue,
            until,
        ),
    )
    note_change(conn, tenant_id, conversation_id, kind=kind, until=until)


@dataclass(frozen=True)
class ConversationEvent:
    """One event as it was."""

    kind: str
    by_user_id: int | None
    by_key_id: int | None
    by_rule: str | None
    assignee_id: int | None
    queue: str | None
    until: datetime | None
    at: datetime


def list_conversation_events(conn: Connection, conversation_id: str) -> list[ConversationEvent]:
    """The MOST_EVENTS newest of a conversation, oldest first."""
    rows = conn.execute(
        """
        SELECT kind, by_user_id, by_key_id, by_rule, assignee_id, queue, until, at
        FROM conversation_event
        WHERE conversation_id = %s
        ORDER BY id DESC
        LIMIT %s
        """,
        (conversation_id, MOST_EVENTS),
    ).fetchall()
    return [ConversationEvent(*row) for row in reversed(rows)]


def add_access(conn: Connection, tenant_id: int, conversation_id: str, *, actor: Actor, messages: int) -> None:
    """Note that somebody has read a conversation's words."""
    add_accesses(conn, tenant_id, {conversation_id: messages}, actor=actor)


def add_accesses(conn: Connection, tenant_id: int, messages: Mapping[str, int], *, actor: Actor) -> None:
    """Note that somebody has read words of several. messages: how many of each conversation."""
    conn.execute(
        """
        INSERT INTO conversation_access (tenant_id, conversation_id, by_user_id, by_key_id, messages)
        SELECT %s, conversation_id, %s, %s, messages
        FROM unnest(%s::uuid[], %s::integer[]) AS given (conversation_id, messages)
        ORDER BY conversation_id
        """,
        (tenant_id, actor.user_id, actor.key_id, list(messages), list(messages.values())),
    )


def list_readers(conn: Connection, tenant_id: int, conversation_id: str, *, within_s: float, but: int) -> list[str]:
    """E-mails of people who have read it within these seconds, in their order; `but` is a user to leave out."""
    rows = conn.execute(
        """
        SELECT DISTINCT u.email
        FROM (
            SELECT by_user_id, at
            FROM conversation_access
            WHERE tenant_id = %s AND conversation_id = %s
            ORDER BY id DESC
            LIMIT 50
        ) AS newest
        JOIN app_user AS u ON u.id = newest.by_user_id
        WHERE newest.at > now() - make_interval(secs => %s) AND u.id <> %s
        ORDER BY u.email
        """,
        (tenant_id, conversation_id, within_s, but),
    ).fetchall()
    return [str(email) for (email,) in rows]
