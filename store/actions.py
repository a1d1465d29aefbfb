"""Automations as an outbox: planned with the decision, claimed before they leave, settled once."""

from dataclasses import dataclass
from datetime import datetime

from routing.rules import PlannedAction
from store.db import Connection
from store.runs import RunRef

# A read mark and the send itself take 23 s together at most: ten to answer each, three to connect.
SENDING_LEASE_S = 30
# A person who has not agreed by then will not: the customer's window is over.
APPROVE_WITHIN_H = 24
# The far side knows a repeated request by its id.
REPEATABLE_KINDS = ("webhook",)


@dataclass(frozen=True)
class NewAction:
    """An action to plan. settled: it takes effect with the decision itself (an escalation, an assignment), so that it is `sent` from the
    start.
    """

    planned: PlannedAction
    idempotency_key: str
    settled: bool

    @property
    def state(self) -> str:
        """What it begins with."""
        return "sent" if self.settled and self.planned.state == "pending" else self.planned.state


@dataclass(frozen=True)
class Plan:
    """What is to be done about one message: none twice of a kind."""

    conversation_id: str
    customer_id: str
    channel: str
    language: str
    actions: tuple[NewAction, ...]

    @property
    def calls_person(self) -> bool:
        """Whether one of them escalates now."""
        return any(one.planned == PlannedAction("escalate_to_human", "pending") for one in self.actions)

    def as_values(self, ref: RunRef) -> dict[str, object]:
        """Those of ADD_ACTIONS."""
        return {
            "tenant": ref.tenant_id,
            "conversation": self.conversation_id,
            "customer": self.customer_id,
            "message": ref.message_id,
            "channel": self.channel,
            "language": self.language,
            "action_kinds": [one.planned.kind for one in self.actions],
            "action_keys": [one.idempotency_key for one in self.actions],
            "action_states": [one.state for one in self.actions],
        }


# Those whose key exists already stay as they are.
ADD_ACTIONS = """
    INSERT INTO action (
        tenant_id, conversation_id, customer_id, message_id, channel, kind, idempotency_key, state, language, settled_at
    )
    SELECT %(tenant)s, %(conversation)s, %(customer)s, %(message)s, %(channel)s, given.kind, given.key, given.state, %(language)s,
           CASE WHEN given.state <> 'pending' THEN now() END
    FROM unnest(%(action_kinds)s::text[], %(action_keys)s::text[], %(action_states)s::text[]) AS given (kind, key, state)
    ON CONFLICT (tenant_id, idempotency_key) DO NOTHING
    RETURNING kind, id
"""


# How many of each kind a customer had in the last 24 hours, not counting what never left.
RECENT_ACTIONS = """
    SELECT kind, count(*) AS many
    FROM action
    WHERE customer_id = %(customer)s AND created_at > now() - interval '24 hours'
      AND state IN ('pending', 'sending', 'sent', 'uncertain')
    GROUP BY kind
"""


def count_recent_actions(conn: Connection, customer_id: str) -> dict[str, int]:
    """How many of each kind this customer had in the last 24 hours, not counting what never left."""
    return dict(conn.execute(RECENT_ACTIONS, {"customer": customer_id}).fetchall())


@dataclass(frozen=True)
class ClaimedAction:
    """An action that this worker alone may carry out now."""

    id: str
    tenant_id: int
    conversation_id: str
    customer_id: str
    message_id: str
    kind: str
    language: str
    tries: int
    created_at: datetime
    approved_at: datetime | None


def claim_action(conn: Connection, tenant_id: int, action_id: str) -> ClaimedAction | None:
    """Mark a due action as `sending` before anything leaves; None when it is not ours to send.

    The caller commits before it sends: a crash after that leaves `sending`, which only ever becomes `uncertain`, never a second send.
    """
    row = conn.execute(
        """
        UPDATE action
        SET state = 'sending', tries = tries + 1, lease_until = clock_timestamp() + make_interval(secs => %s)
        WHERE id = %s AND tenant_id = %s AND state = 'pending'
          AND (NOT needs_approval OR approved_at IS NOT NULL OR next_at <= now() OR created_at <= now() - make_interval(hours => %s))
        RETURNING id::text, tenant_id, conversation_id::text, customer_id::text, message_id::text, kind, language, tries, created_at,
                  approved_at
        """,
        (SENDING_LEASE_S, action_id, tenant_id, APPROVE_WITHIN_H),
    ).fetchone()
    return ClaimedAction(*row) if row else None


def hold_action(conn: Connection, action_id: str) -> bool:
    """Whether the action is still there; locked until the transaction ends."""
    return conn.execute("SELECT FROM action WHERE id = %s FOR UPDATE", (action_id,)).fetchone() is not None


def note_departure(conn: Connection, action_id: str, *, form: str, sent_hash: bytes, sent_text: str) -> None:
    """Write down what is about to leave, in the transaction that claims it: an echo or a person can then tell what it was."""
    conn.execute(
        "UPDATE action SET form = %s, sent_hash = %s, sent_text = %s, sent_at = now() WHERE id = %s",
        (form, sent_hash, sent_text, action_id),
    )


def settle_action(
    conn: Connection,
    action_id: str,
    *,
    state: str,
    error_code: str | None = None,
    provider_message_id: str | None = None,
) -> None:
    """What became of a claimed action. A status webhook may have been faster: what it settled stays."""
    conn.execute(
        """
        UPDATE action
        SET state = %s, error_code = %s, provider_message_id = coalesce(%s, provider_message_id), lease_until = NULL,
            settled_at = now()
        WHERE id = %s AND state = 'sending'
        """,
        (state, error_code, provider_message_id, action_id),
    )
    if provider_message_id:
        conn.execute(
            "UPDATE action SET provider_message_id = coalesce(provider_message_id, %s) WHERE id = %s",
            (provider_message_id, action_id),
        )


def put_back_action(
    conn: Connection, action_id: str, *, retry_in_s: float, error_code: str, counts_as_try: bool = True
) -> None:
    """Nothing left the building: try again later. counts_as_try: False when it only waited for its turn."""
    conn.execute(
        """
        UPDATE action
        SET state = 'pending', error_code = %s, lease_until = NULL, sent_hash = NULL, sent_at = NULL,
            next_at = now() + make_interval(secs => %s), tries = tries - CASE WHEN %s THEN 0 ELSE 1 END
        WHERE id = %s AND state = 'sending'
        """,
        (error_code, retry_in_s, counts_as_try, action_id),
    )


def doubt_interrupted_sends(conn: Connection, *, repeatable_channels: list[str]) -> int:
    """Sends whose worker died under way become `uncertain`: a status webhook, an echo or a person settles them.

    Where the channel recognises a repeated send, it is simply tried again. Needs the system scope.
    """
    return conn.execute(
        """
        UPDATE action
        SET state = CASE WHEN channel = ANY(%s) OR kind = ANY(%s) THEN 'pending' ELSE 'uncertain' END,
            error_code = 'interrupted', lease_until = NULL, next_at = now()
        WHERE state = 'sending' AND lease_until < now()
        """,
        (repeatable_channels, list(REPEATABLE_KINDS)),
    ).rowcount


@dataclass(frozen=True)
class DueAction:
    """A pending action whose time has come."""

    tenant_id: int
    action_id: str


def take_due_actions(conn: Connection, *, limit: int) -> list[DueAction]:
    """Pending actions to ring again, oldest first; each is pushed back 30 s. Needs the system scope."""
    rows = conn.execute(
        """
        WITH due AS (
            SELECT id
            FROM action
            WHERE state = 'pending' AND next_at <= now()
            ORDER BY next_at
            LIMIT %s
            FOR UPDATE SKIP LOCKED
        )
        UPDATE action
        SET next_at = now() + interval '30 seconds'
        FROM due
        WHERE action.id = due.id
        RETURNING action.tenant_id, action.id
        """,
        (limit,),
    ).fetchall()
    return [DueAction(tenant_id, str(action_id)) for tenant_id, action_id in rows]
