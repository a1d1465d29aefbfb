"""Invitations to a survey: who was asked when, which questions are still open, and the one that follows a person's work."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime

from config.surveys import SurveyKind, consent_to
from config.tenant import TenantConfig
from routing.actions import INVITATIONS, idempotency_key
from routing.facts import PlannedAction, RoutingFacts
from routing.surveys import no_invitation
from store.db import Connection

# Our clock and the provider's, which counts whole seconds.
CLOCK_SLACK_S = 5
MAX_ANSWER_DAYS = 30


@dataclass(frozen=True)
class Invitation:
    """A question that has left, or may have. id: its action's.

    found_resolved: the conversation was resolved when it left. person_spoke: a person has written between it and the answer.
    """

    id: str
    survey: SurveyKind
    asked_at: datetime
    provider_message_id: str | None = field(repr=False)
    found_resolved: bool
    reason_asked: bool
    person_spoke: bool


# Of an action: it is an invitation that a message of this time may answer. With `answerable_at`.
IS_ANSWERABLE = """
    kind = ANY(%(invitations)s) AND state IN ('sending', 'sent', 'uncertain')
    AND sent_at BETWEEN %(answered_at)s - make_interval(days => %(days)s) AND %(answered_at)s + make_interval(secs => %(slack_s)s)
"""
_INVITATIONS = """
    SELECT a.id::text, a.kind, a.sent_at, a.provider_message_id, coalesce(a.found_resolved, false),
           EXISTS (
               SELECT FROM action AS r
               WHERE r.conversation_id = a.conversation_id AND r.kind = 'ask_survey_reason' AND r.created_at > a.sent_at
                 AND r.state IN ('pending', 'sending', 'sent', 'uncertain')
           ),
           EXISTS (
               SELECT FROM message AS m
               WHERE m.conversation_id = a.conversation_id AND m.direction = 'outbound' AND m.author = 'human'
                 AND m.sent_at > a.sent_at AND m.sent_at <= %(answered_at)s
           )
    FROM action AS a
    WHERE a.conversation_id = %(conversation)s AND
"""
_NEWEST_FIRST = "ORDER BY a.sent_at DESC, a.id DESC"
_LIST = _INVITATIONS + IS_ANSWERABLE + _NEWEST_FIRST


def answerable_at(answered_at: datetime) -> dict[str, object]:
    """Values of IS_ANSWERABLE for a message of this time."""
    return {
        "invitations": list(INVITATIONS),
        "answered_at": answered_at,
        "days": MAX_ANSWER_DAYS,
        "slack_s": CLOCK_SLACK_S,
    }


def list_invitations(conn: Connection, conversation_id: str, *, answered_at: datetime) -> list[Invitation]:
    """The conversation's invitations that a message of this time may answer, newest first."""
    rows = conn.execute(_LIST, {"conversation": conversation_id, **answerable_at(answered_at)}).fetchall()
    return [Invitation(row[0], INVITATIONS[row[1]], *row[2:]) for row in rows]


@dataclass(frozen=True)
class InvitationHistory:
    """What decides whether a customer may be asked. days_since: by survey."""

    declined_marketing: bool
    days_since: dict[str, float]


def lock_invitation_history(
    conn: Connection, customer_id: str, *, tenant: TenantConfig, except_action: str | None = None
) -> InvitationHistory:
    """When the customer was last asked, over all channels; until the transaction ends nobody else asks them.

    After the conversation's lock, never before it. What was only recorded counts only as long as the tenant has not asked for
    the action. except_action: an invitation that is not counted.
    """
    conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('survey:' || %s, 0))", (customer_id,))
    consented = [
        kind for kind in INVITATIONS if consent_to(kind, actions=tenant.actions, surveys=tenant.surveys) is not None
    ]
    rows = conn.execute(
        """
        SELECT kind, extract(epoch FROM clock_timestamp() - max(created_at))::float / 86400
        FROM action
        WHERE customer_id = %s AND kind = ANY(%s) AND id IS DISTINCT FROM %s::uuid
          AND (state IN ('pending', 'sending', 'sent', 'uncertain') OR (state = 'shadow' AND kind <> ALL(%s)))
        GROUP BY kind
        """,
        (customer_id, list(INVITATIONS), except_action, consented),
    ).fetchall()
    return InvitationHistory(has_declined(conn, customer_id), {INVITATIONS[kind]: days for kind, days in rows})


def has_declined(conn: Connection, customer_id: str) -> bool:
    """Whether the customer has switched the business's own messages off."""
    row = conn.execute("SELECT marketing_accepted IS FALSE FROM customer WHERE id = %s", (customer_id,)).fetchone()
    return bool(row and row[0])


def sample_of(conversation_id: str) -> float:
    """A number from 0 up to 1 that belongs to the conversation for ever."""
    return int.from_bytes(hashlib.sha256(conversation_id.encode()).digest()[:6], "big") / 2**48


def note_resolved(conn: Connection, action_id: str, *, resolved: bool) -> None:
    """Remember how an invitation found its conversation."""
    conn.execute("UPDATE action SET found_resolved = %s WHERE id = %s", (resolved, action_id))


def plan_csat_invite(conn: Connection, tenant_id: int, conversation_id: str, *, tenant: TenantConfig) -> str | None:
    """Ask the customer how satisfied they are, because a PERSON has resolved the conversation (never for one that an automation
    closed). Returns the action's id to ring, None when nothing is to be sent.

    The caller has locked the conversation and resolved it in this transaction. Asks once per newest customer message.
    """
    row = conn.execute(
        """
        SELECT c.customer_id::text, c.channel, c.priority, m.id::text, m.surface, m.group_id IS NOT NULL,
               reads.sentiment, reads.score, coalesce(reads.language, 'und'), coalesce(reads.signals, '{}'), coalesce(d.floor, '[]')
        FROM conversation AS c
        JOIN LATERAL (
            SELECT id, surface, group_id
            FROM message
            WHERE conversation_id = c.id AND direction = 'inbound' AND NOT is_history AND NOT is_survey_answer
              AND state <> 'erased'
            ORDER BY sent_at DESC, id DESC
            LIMIT 1
        ) AS m ON true
        LEFT JOIN LATERAL effective_label(m.id) AS reads ON true
        LEFT JOIN LATERAL (
            SELECT inputs -> 'floor_hits' AS floor FROM routing_decision WHERE message_id = m.id ORDER BY id DESC LIMIT 1
        ) AS d ON true
        WHERE c.id = %s
        """,
        (conversation_id,),
    ).fetchone()
    if row is None:
        return None
    customer_id, channel, priority, message_id, surface, in_group, sentiment, score, language, signals, floor = row
    if sentiment is None or in_group or surface != "dm":  # nobody has read it, or others would
        return None
    history = lock_invitation_history(conn, customer_id, tenant=tenant)
    facts = RoutingFacts(
        outcome="analyzed",
        surface=surface,
        sentiment=sentiment,
        score=score,
        sarcasm=signals.get("sarcasm", False),
        injection_suspected=signals.get("injection_suspected", False),
        floor_hits=tuple(floor),
        open_priority=priority,
        survey_channel=channel,
        survey_sample=sample_of(conversation_id),
        declined_marketing=history.declined_marketing,
        days_since_invitation=history.days_since,
    )
    consent = consent_to("send_csat_invite", actions=tenant.actions, surveys=tenant.surveys)
    if no_invitation("csat", facts, surveys=tenant.surveys) or (consent is not None and not consent.enabled):
        return None
    planned = PlannedAction("send_csat_invite", "shadow" if consent is None else "pending")
    added = conn.execute(
        """
        INSERT INTO action (
            tenant_id, conversation_id, customer_id, message_id, channel, kind, idempotency_key, state, language, settled_at
        )
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, CASE WHEN %s <> 'pending' THEN now() END)
        ON CONFLICT (tenant_id, idempotency_key) DO NOTHING
        RETURNING id::text
        """,
        (
            tenant_id,
            conversation_id,
            customer_id,
            message_id,
            channel,
            planned.kind,
            idempotency_key(message_id, planned.kind),
            planned.state,
            language,
            planned.state,
        ),
    ).fetchone()
    return added[0] if added and planned.state == "pending" else None
