"""What is checked once more before an invitation or a survey's second question leaves."""

from config.tenant import TenantConfig
from routing.actions import INVITATIONS
from store.actions import ClaimedAction
from store.customers import Conversation
from store.db import Connection
from store.survey_invitations import has_declined

# They follow a person's work, so that only a person who has written since stands in their way.
_AFTER_A_PERSON = frozenset({"send_csat_invite", "ask_survey_reason"})


def is_in_the_way(action: ClaimedAction, conversation: Conversation) -> bool:
    """Whether a person has the conversation, so that this action must not leave."""
    answered_at = conversation.last_human_answer_at
    if action.kind in _AFTER_A_PERSON:
        return answered_at is not None and answered_at > action.created_at
    return conversation.taken_over


def survey_refusal(
    conn: Connection, action: ClaimedAction, *, conversation: Conversation, tenant: TenantConfig
) -> str | None:
    """Why a survey's message must not leave now; None for every other action."""
    survey = INVITATIONS.get(action.kind)
    if survey is None and action.kind != "ask_survey_reason":
        return None
    if has_declined(conn, conversation.customer_id):
        return "declined_marketing"
    if survey and not tenant.surveys.of(survey).enabled:
        return "survey_off"
    return "reopened" if action.kind == "send_csat_invite" and conversation.state != "resolved" else None
