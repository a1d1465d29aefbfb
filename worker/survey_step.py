"""What surveys add to a decision: the answer that the message gives, and whether its writer may be invited."""

from dataclasses import replace
from datetime import timedelta

from config.crash_points import crash_point
from config.tenant import TenantConfig
from routing.facts import Decision, RoutingFacts
from routing.survey_answers import SurveyReading, read_score, tapped
from store.customers import Conversation, close_conversation
from store.db import Connection
from store.messages import StoredMessage
from store.runs import LockedRun, RunRef
from store.survey_answers import (
    SurveyAnswer,
    drop_answer,
    find_answer,
    find_standing_score,
    has_other_comment,
    is_settled,
    put_answer,
)
from store.survey_invitations import Invitation, list_invitations, lock_invitation_history, sample_of

# Words that come so soon after a score, when the reason was asked for, are the reason.
COMMENT_WITHIN = timedelta(minutes=30)


def with_survey(
    conn: Connection,
    ref: RunRef,
    facts: RoutingFacts,
    *,
    run: LockedRun,
    message: StoredMessage,
    conversation: Conversation,
    tenant: TenantConfig,
    words: str,
    may_answer: bool,
) -> RoutingFacts:
    """The facts with the survey's part. Keeps the answer when the message gives one. The conversation is locked.

    words: the message's own and those of its burst. may_answer: there is an invitation that it may answer. A second look reads no answer that the first has not read, unless the
    words were changed.
    """
    invitations = list_invitations(conn, conversation.id, answered_at=message.sent_at) if may_answer else []
    is_first_look = run.kind == "initial" and message.edits == 0
    if is_first_look or message.edits > 0:
        _take_answer(conn, ref, message=message, invitations=invitations, tenant=tenant, words=words)
    if invitations or not is_first_look:
        facts = _with_answer(conn, facts, message=message, invitations=invitations)
    if facts.survey:
        return facts
    if facts.sentiment != "positive" or not facts.allow_actions:
        return facts
    history = lock_invitation_history(conn, conversation.customer_id, tenant=tenant)
    return replace(
        facts,
        survey_channel=conversation.channel,
        survey_sample=sample_of(conversation.id),
        declined_marketing=history.declined_marketing,
        days_since_invitation=history.days_since,
    )


def with_known_answer(
    conn: Connection, facts: RoutingFacts, *, message: StoredMessage, conversation: Conversation
) -> RoutingFacts:
    """The facts with the answer that a first look has found in the message. Reads no new one."""
    invitations = list_invitations(conn, conversation.id, answered_at=message.sent_at)
    return _with_answer(conn, facts, message=message, invitations=invitations)


def _with_answer(
    conn: Connection, facts: RoutingFacts, *, message: StoredMessage, invitations: list[Invitation]
) -> RoutingFacts:
    answer = find_answer(conn, message.id)
    if answer is None:
        return facts
    standing: SurveyAnswer | None = answer
    if answer.score is None:
        standing = find_standing_score(conn, answer.invitation_id, until=answer.sent_at)
    return replace(
        facts,
        survey=answer.survey,
        survey_score=standing.score if standing else None,
        survey_comment=answer.has_comment,
        survey_reason_asked=any(one.reason_asked for one in invitations if one.id == answer.invitation_id),
    )


def _take_answer(
    conn: Connection,
    ref: RunRef,
    *,
    message: StoredMessage,
    invitations: list[Invitation],
    tenant: TenantConfig,
    words: str,
) -> None:
    answer = None
    if message.surface == "dm" and message.group_id is None and message.direction == "inbound":
        is_open = [
            one
            for one in invitations
            if message.sent_at - one.asked_at <= timedelta(hours=tenant.surveys.of(one.survey).answer_within_h)
        ]
        answer = read_answer(message, is_open, words=words) or _as_comment(conn, message, is_open)
    if answer and message.customer_id:
        put_answer(conn, ref.tenant_id, message.id, answer, customer_id=message.customer_id)
        crash_point("survey.answer_before_commit")
    elif message.edits > 0:
        drop_answer(conn, message.id)


def read_answer(message: StoredMessage, invitations: list[Invitation], *, words: str) -> SurveyAnswer | None:
    """The score that the message gives to one of the open invitations (newest first): the one that it quotes, the one whose
    button was tapped, else the newest.
    """
    tap = tapped(message.choice_id)
    if tap:
        invitations = [one for one in invitations if one.survey == tap[0]]
    quoted = [one for one in invitations if one.provider_message_id == message.reply_to_provider_id]
    if message.reply_to_provider_id is None or tap:
        candidates = quoted or invitations
    else:  # it answers another message, unless that may be an invitation whose id nobody told us
        candidates = quoted or [one for one in invitations if one.provider_message_id is None]
    invitation = next(iter(candidates), None)
    if invitation is None:
        return None
    reading = (
        SurveyReading(tap[1], is_bare=True, is_certain=True) if tap else read_score(words, survey=invitation.survey)
    )
    if reading is None or (invitation.person_spoke and not reading.is_certain and not quoted):
        return None
    return SurveyAnswer(invitation.id, invitation.survey, reading.score, not reading.is_bare, message.sent_at)


def _as_comment(conn: Connection, message: StoredMessage, invitations: list[Invitation]) -> SurveyAnswer | None:
    """Words that follow a score after we asked for its reason."""
    for one in invitations if message.text else ():
        if not one.reason_asked or one.person_spoke:
            continue
        score = find_standing_score(conn, one.id, until=message.sent_at)
        if score is None or message.sent_at - score.sent_at > COMMENT_WITHIN:
            continue
        if not has_other_comment(conn, one.id, message_id=message.id):
            return SurveyAnswer(one.id, one.survey, None, has_comment=True, sent_at=message.sent_at)
    return None


def close_after_score(
    conn: Connection, facts: RoutingFacts, decision: Decision, *, message: StoredMessage, conversation: Conversation
) -> None:
    """A score, or its reason, that nobody has to answer opened a resolved conversation: it is resolved again."""
    if facts.survey is None or decision.queue != "auto":
        return
    answer = find_answer(conn, message.id)
    invitations = list_invitations(conn, conversation.id, answered_at=message.sent_at)
    asked = next((one for one in invitations if answer and one.id == answer.invitation_id), None)
    if asked and asked.found_resolved and is_settled(conn, conversation.id, since=asked.asked_at):
        close_conversation(conn, conversation.id)
