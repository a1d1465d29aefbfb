"""Whether a claimed action may leave now: what stands in its way for good, and what it has to wait for."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from config.actions import ActionConfig
from config.tenant import TenantConfig
from routing.actions import CUSTOMER_FACING, OUTLASTS_ESCALATION, refusal
from routing.contradictions import must_wait, withdrawal
from routing.quiet_hours import age, in_quiet_hours, quiet_until
from store.actions import APPROVE_WITHIN_H, ClaimedAction
from store.customers import Conversation
from store.db import Connection
from store.internal_actions import find_escalation
from store.later_messages import is_contradicted, list_later_messages
from store.messages import StoredMessage
from worker.survey_sending import is_in_the_way, survey_refusal

# A message that is being read is read within seconds, or the action gets too old.
READING_S = 5.0


@dataclass(frozen=True)
class Wait:
    """Not now. seconds: None until a person has agreed."""

    seconds: float | None
    code: str


def find_refusal(
    conn: Connection,
    action: ClaimedAction,
    *,
    conversation: Conversation,
    message: StoredMessage,
    config: ActionConfig,
    tenant: TenantConfig,
    now: datetime,
) -> str | Wait | None:
    """Why the action must not leave (a code), what it waits for, or None when it may leave now."""
    since = action.created_at if action.kind == "send_csat_invite" else min(message.received_at, action.created_at)
    since = max(since, action.approved_at) if action.approved_at else since  # a person has just looked at it
    old = age(action.kind, since=since, now=now, config=config, automation=tenant.automation, hours=tenant.hours)
    later = list_later_messages(conn, action)
    waits_for_person = config.mode == "approve" and action.approved_at is None
    reason = refusal(
        action.kind,
        now=now,
        # What waits for a person may get older than what leaves by itself.
        received_at=now if waits_for_person else now - old,
        human_took_over=is_in_the_way(action, conversation),
        config=config,
        contradicted=is_contradicted(conn, action),
    )
    reason = (
        reason
        or survey_refusal(conn, action, conversation=conversation, tenant=tenant)
        or withdrawal(action.kind, later)
        or _stopped_by_escalation(conn, action, conversation_id=conversation.id)
    )
    if reason or action.kind not in CUSTOMER_FACING:
        return reason
    if waits_for_person:
        is_late = now - action.created_at >= timedelta(hours=APPROVE_WITHIN_H)
        return "not_approved" if is_late else Wait(None, "needs_approval")
    if must_wait(action.kind, later):
        return Wait(READING_S, "being_read")
    return _quiet(action, config=config, tenant=tenant, now=now)


def _stopped_by_escalation(conn: Connection, action: ClaimedAction, *, conversation_id: str) -> str | None:
    if action.kind in OUTLASTS_ESCALATION:
        return None
    return "escalated" if find_escalation(conn, conversation_id) not in {None, action.message_id} else None


def _quiet(action: ClaimedAction, *, config: ActionConfig, tenant: TenantConfig, now: datetime) -> str | Wait | None:
    habit = in_quiet_hours(action.kind, config=config)
    until = quiet_until(tenant.automation, tenant.hours, now=now) if habit != "send" else None
    if until is None:
        return None
    return "quiet_hours" if habit == "drop" else Wait((until - now).total_seconds(), "quiet_hours")
