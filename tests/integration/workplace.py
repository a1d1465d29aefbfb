"""People and conversations for the tests of work queues."""

import itertools
from datetime import UTC, datetime, timedelta

NOW = datetime.now(UTC)
_numbers = itertools.count(1)


def add_person(owner, tenant_id, *, role="agent", email=None, disabled=False):
    """A user with a role; returns the id."""
    email = email or f"person{next(_numbers)}@example.com"
    (user_id,) = owner.execute(
        "INSERT INTO app_user (email, password_hash, disabled_at) VALUES (%s, 'x', %s) RETURNING id",
        (email, NOW if disabled else None),
    ).fetchone()
    owner.execute("INSERT INTO membership (tenant_id, user_id, role) VALUES (%s, %s, %s)", (tenant_id, user_id, role))
    return user_id


def add_agent(owner, tenant_id, *, capacity=5, skills=(), queues=(), presence="available", seen=None, **person):
    """A person who answers customers; returns the id."""
    user_id = add_person(owner, tenant_id, **person)
    owner.execute(
        """
        INSERT INTO agent (tenant_id, user_id, capacity, skills, queues, presence, last_seen_at)
        VALUES (%s, %s, %s, %s, %s, %s, %s)
        """,
        (tenant_id, user_id, capacity, list(skills), list(queues), presence, seen or datetime.now(UTC)),
    )
    return user_id


def add_conversation(owner, tenant_id, *, queue="support", priority="P3", minutes_ago=10, **columns):
    """An open conversation that waits in a queue; returns the id."""
    (customer_id,) = owner.execute("INSERT INTO customer (tenant_id) VALUES (%s) RETURNING id", (tenant_id,)).fetchone()
    since = NOW - timedelta(minutes=minutes_ago)
    (conversation_id,) = owner.execute(
        """
        INSERT INTO conversation (tenant_id, customer_id, channel, account_id, queue, priority, last_inbound_at, waiting_since)
        VALUES (%s, %s, 'whatsapp', '111000111', %s, %s, %s, %s)
        RETURNING id::text
        """,
        (tenant_id, customer_id, queue, priority, since, since),
    ).fetchone()
    for column, value in columns.items():
        owner.execute(f"UPDATE conversation SET {column} = %s WHERE id = %s", (value, conversation_id))
    return conversation_id


def field(owner, conversation_id, column):
    """One column of a conversation."""
    return owner.execute(f"SELECT {column} FROM conversation WHERE id = %s", (conversation_id,)).fetchone()[0]


def events(owner, conversation_id):
    """Kinds of what was done with it, oldest first."""
    rows = owner.execute(
        "SELECT kind FROM conversation_event WHERE conversation_id = %s ORDER BY id", (conversation_id,)
    ).fetchall()
    return [kind for (kind,) in rows]


def add_action(owner, tenant_id, conversation_id, *, state="pending", needs_approval=True, kind="send_refund_form"):
    """An automation of a conversation, as it stands; returns the id."""
    (action_id,) = owner.execute(
        """
        INSERT INTO action (
            tenant_id, conversation_id, customer_id, message_id, channel, kind, idempotency_key, state, needs_approval, next_at
        )
        SELECT %s, id, customer_id, uuidv7(), 'whatsapp', %s, uuidv7()::text, %s, %s, now() + interval '1 day'
        FROM conversation
        WHERE id = %s
        RETURNING id::text
        """,
        (tenant_id, kind, state, needs_approval, conversation_id),
    ).fetchone()
    return action_id


def add_clock(owner, acme, conversation_id, *, due_in_min, **columns):
    """A running promise to a conversation's customer."""
    (clock_id,) = owner.execute(
        """
        INSERT INTO sla_clock (tenant_id, conversation_id, message_id, kind, episode_at, started_at, priority, queue, target_min,
                               counts, due_at, warn_at, state)
        VALUES (%s, %s, uuidv7(), 'first_answer', now(), clock_timestamp(), 'P2', 'support', 15, 'always', %s, now(), 'running')
        RETURNING id
        """,
        (acme, conversation_id, NOW + timedelta(minutes=due_in_min)),
    ).fetchone()
    for name, given in columns.items():
        owner.execute(f"UPDATE sla_clock SET {name} = %s WHERE id = %s", (given, clock_id))
