"""A person corrects a label: it counts at once, for the queue, the CRM and everything later, and fires nothing."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from config.industries import load_industry
from config.tenant import TenantConfig
from routing.playbooks import policy_for
from routing.rules import Decision, decide
from store.actions import count_recent_actions
from store.corrections import (
    CorrectableMessage,
    add_correction,
    check_reason,
    check_value,
    get_correctable,
    undo_correction,
)
from store.crm_connections import has_crm
from store.crm_states import mark_dirty
from store.customers import lock_conversation, lock_customer
from store.db import Connection
from store.effective_labels import EffectiveLabel, find_effective_label
from store.messages import get_message, list_burst_parts, share_context
from store.runs import RunRef
from store.sla_clocks import recompute_clocks
from worker.assigning import wish_of
from worker.churn_step import review_mood
from worker.decision_facts import build_facts
from worker.placing import is_newest, store_and_place
from worker.survey_step import with_known_answer


@dataclass(frozen=True)
class Corrected:
    """What came of it.

    label: None while only a keyword reading is there; the correction will stand on the analysis that comes. decision: None when
    nothing was decided anew. moved: the decision placed the conversation.
    """

    correction_id: str | None
    label: EffectiveLabel | None
    decision: Decision | None
    moved: bool


def correct(
    conn: Connection,
    tenant_id: int,
    *,
    tenant: TenantConfig,
    message_id: str,
    field: str,
    value: str | Sequence[str],
    by: int | None,
    reason: str | None = None,
) -> Corrected:
    """Set one field of a message's label. by: the person's id. The transaction must act for `tenant_id`, and be fresh.

    Raises: CorrectionError, which names the field and the fix.
    """
    topics = tuple({**load_industry(tenant.industry).all_topics(), **tenant.topics})
    checked, why = check_value(field, value, topics=topics), check_reason(reason)
    message = _hold(conn, tenant_id, message_id)
    correction_id = add_correction(
        conn,
        tenant_id,
        message_id,
        name=field,  # pyright: ignore[reportArgumentType] -- checked with the value
        value=checked,
        by=by,
        reason=why,
    )
    if correction_id is None:
        return Corrected(None, find_effective_label(conn, message_id), None, moved=False)
    return _take_effect(conn, tenant_id, tenant=tenant, message=message, correction_id=correction_id)


def undo(
    conn: Connection, tenant_id: int, *, tenant: TenantConfig, message_id: str, field: str, by: int | None
) -> Corrected:
    """Take back the correction that counts; what was before it counts again, at once. Raises: CorrectionError."""
    message = _hold(conn, tenant_id, message_id)
    undone = undo_correction(conn, tenant_id, message_id, name=field, by=by)
    return _take_effect(conn, tenant_id, tenant=tenant, message=message, correction_id=undone)


def _hold(conn: Connection, tenant_id: int, message_id: str) -> CorrectableMessage:
    """The message, with its conversation locked: whoever routes it meanwhile comes before or after us, never in between."""
    message = get_correctable(conn, tenant_id, message_id)
    share_context(conn, message_id)  # an erasure waits, and then finds the reason
    if message.conversation_id:
        lock_conversation(conn, message.conversation_id)
    return get_correctable(conn, tenant_id, message_id)


def _take_effect(
    conn: Connection, tenant_id: int, *, tenant: TenantConfig, message: CorrectableMessage, correction_id: str
) -> Corrected:
    label = find_effective_label(conn, message.id)
    if label is None:
        return Corrected(correction_id, None, None, moved=False)
    if message.customer_id and has_crm(conn, tenant_id):
        mark_dirty(conn, tenant_id, message.customer_id, because="correction")
    decision, moved = _decide_anew(conn, tenant_id, tenant=tenant, message_id=message.id, label=label)
    if message.customer_id:
        now = datetime.now(UTC)
        lock_customer(conn, message.customer_id)
        review_mood(
            conn,
            tenant_id,
            tenant=tenant,
            customer_id=message.customer_id,
            now=now,
            may_raise=False,
            may_reopen=True,
        )
    return Corrected(correction_id, label, decision, moved)


def _decide_anew(
    conn: Connection, tenant_id: int, *, tenant: TenantConfig, message_id: str, label: EffectiveLabel
) -> tuple[Decision | None, bool]:
    """The open conversation's place by the label that counts now. Nothing but the place changes, and who may be given it: no action, no note."""
    message = get_message(conn, message_id)
    if message.conversation_id is None or message.is_history:
        return None, False
    conversation = lock_conversation(conn, message.conversation_id)
    if conversation.state != "open" or not is_newest(conversation, message):
        return None, False
    parts = [part.text for part in list_burst_parts(conn, message) if part.text]
    facts = build_facts(
        message=message,
        conversation=conversation,
        tenant=tenant,
        analysis=label.analysis,
        outcome="analyzed",
        words="\n".join([*parts, message.text or ""]),
        allow_actions=False,
        recent_actions=count_recent_actions(conn, conversation.customer_id),
        corrected=label.corrected,
    )
    facts = with_known_answer(conn, facts, message=message, conversation=conversation)
    policy = policy_for(tenant)
    decision = decide(facts, policy)
    moved = store_and_place(
        conn,
        RunRef(tenant_id, message.id, str(uuid.uuid4())),
        decision,
        facts=facts,
        policy=policy,
        message=message,
        conversation=conversation,
        analysis_id=label.analysis.id,
        wish=wish_of(decision, tenant=tenant),
    ).places
    recompute_clocks(conn, tenant_id, conversation.id, tenant=tenant)
    return decision, moved
