"""The route stage: decide about a message, store the decision, and set off what it says."""

from dataclasses import replace
from datetime import datetime

from config.tenant import TenantConfig
from routing.actions import CRM_TASKS, INTERNAL, idempotency_key
from routing.playbooks import policy_for
from routing.rules import Decision, decide
from store.actions import NewAction, Plan
from store.analyses import StoredAnalysis
from store.crm_events import NewEvent, add_event
from store.customers import Conversation, close_conversation, is_open_for_late_message, lock_conversation
from store.db import Connection
from store.effective_labels import find_effective_label
from store.held_runs import HeldRun
from store.internal_actions import add_tags
from store.messages import StoredMessage, list_burst_parts
from store.runs import LockedRun, RunRef
from store.sla_clocks import find_new_clocks, write_clocks
from store.surroundings import read_surroundings
from worker.assigning import wish_of
from worker.churn_step import review_mood
from worker.decision_facts import build_facts
from worker.internal_actions import carry_out
from worker.placing import Placed, store_and_place
from worker.survey_step import close_after_score, with_survey

NOTE_PRIORITY = "P1"
# These take effect with the decision.
_AT_ONCE = INTERNAL | CRM_TASKS


def _add_note(conn: Connection, ref: RunRef, decision: Decision, *, message: StoredMessage, now: datetime) -> None:
    """An urgent message leaves a note on the customer's card. Labels and reasons only, no customer text."""
    assert message.customer_id is not None
    add_event(
        conn,
        ref,
        NewEvent(
            kind="note",
            key=f"{message.id}:note",
            subject=f"{decision.priority}: {decision.rule.replace('_', ' ')}",
            body=f"Queue: {decision.queue}. " + " ".join(decision.reasons),
            due_at=now,
            high_priority=True,
        ),
        customer_id=message.customer_id,
    )


def decide_and_store(
    conn: Connection,
    ref: RunRef,
    *,
    run: LockedRun,
    message: StoredMessage,
    tenant: TenantConfig,
    now: datetime,
    held: HeldRun | None = None,
) -> list[str]:
    """Decide, store the decision with its inputs, place the conversation, plan actions. Returns ids of actions to carry out.

    held: what the stages before in this transaction know already.
    """
    assert message.conversation_id is not None and message.customer_id is not None
    conversation = held.conversation if held else None
    conversation = conversation or lock_conversation(conn, message.conversation_id, with_customer=True)
    # Only now: what those have written who held the locks before.
    around = held.surroundings if held else None
    around = around or read_surroundings(
        conn, ref, customer_id=message.customer_id, conversation_id=conversation.id, sent_at=message.sent_at
    )
    analysis, corrected = _label(conn, ref, run, held=held, is_corrected=around.is_corrected)
    if held:
        held.surroundings = around
    parts = [part.text for part in list_burst_parts(conn, message) if part.text]
    words = "\n".join([*parts, message.text or ""])
    facts = build_facts(
        message=message,
        conversation=conversation,
        tenant=tenant,
        analysis=analysis,
        outcome=run.outcome,
        words=words,
        # Words that were changed meanwhile are judged by a pass of their own, which plans nothing.
        allow_actions=run.kind == "initial" and not around.has_newer_run,
        recent_actions=around.recent_actions,
        corrected=corrected,
    )
    facts = with_survey(
        conn,
        ref,
        facts,
        run=run,
        message=message,
        conversation=conversation,
        tenant=tenant,
        words=words,
        may_answer=around.may_answer_survey,
    )
    facts = replace(facts, escalated=conversation.escalated_message_id not in {None, message.id})
    policy = policy_for(tenant)
    decision = decide(facts, policy)
    # A second look that came to nothing leaves what the first one said.
    empty_handed = run.kind == "reanalyze" and run.outcome == "unanalyzed" and message.edits == 0
    is_first = run.kind == "initial"
    placed = store_and_place(
        conn,
        ref,
        decision,
        facts=facts,
        policy=policy,
        message=message,
        conversation=conversation,
        analysis_id=analysis.id if analysis else None,
        may_place=not empty_handed,
        is_first=is_first,
        wish=wish_of(decision, tenant=tenant),
        plan=_plan(ref, decision, conversation=conversation, language=facts.language),
    )
    if placed.places:
        close_after_score(conn, facts, decision, message=message, conversation=conversation)
    elif (
        is_first
        and conversation.was_reopened
        and is_open_for_late_message(conn, conversation.id, message_id=message.id)
    ):
        close_conversation(conn, conversation.id)
    is_bad_news = facts.allow_actions and analysis is not None and analysis.sentiment == "negative"
    if analysis and (is_bad_news or around.had_churn_alert):
        review_mood(
            conn,
            ref.tenant_id,
            tenant=tenant,
            customer_id=conversation.customer_id,
            now=now,
            may_raise=is_bad_news,
            has_alerts=around.had_churn_alert,
        )
    if decision.tags and facts.allow_actions:
        add_tags(conn, ref, conversation.id, decision.tags)
    if run.kind == "initial" and decision.priority == NOTE_PRIORITY and around.has_crm:
        _add_note(conn, ref, decision, message=message, now=now)
    pending = _carry_out(conn, ref, decision, placed=placed, conversation=conversation, tenant=tenant, now=now)
    clocks = find_new_clocks(conn, ref.tenant_id, conversation.id, tenant=tenant)
    if held:
        held.clocks = clocks
    else:
        write_clocks(conn, clocks)
    return pending


def _label(
    conn: Connection, ref: RunRef, run: LockedRun, *, held: HeldRun | None, is_corrected: bool
) -> tuple[StoredAnalysis | None, tuple[str, ...]]:
    """The reading that counts, and what a person has set in it: that stands above whatever this run read."""
    if run.outcome != "analyzed":
        return None, ()
    if held and held.analysis and not is_corrected:
        return held.analysis, ()
    label = find_effective_label(conn, ref.message_id, run_id=ref.run_id)
    return (label.analysis, label.corrected) if label else (None, ())


def _plan(ref: RunRef, decision: Decision, *, conversation: Conversation, language: str) -> Plan | None:
    """The automations that the decision sets off, as rows to be; None when there are none."""
    if not decision.actions:
        return None
    actions = tuple(
        NewAction(planned, idempotency_key(ref.message_id, planned.kind), settled=planned.kind in _AT_ONCE)
        for planned in decision.actions
    )
    return Plan(conversation.id, conversation.customer_id, conversation.channel, language, actions)


def _carry_out(
    conn: Connection,
    ref: RunRef,
    decision: Decision,
    *,
    placed: Placed,
    conversation: Conversation,
    tenant: TenantConfig,
    now: datetime,
) -> list[str]:
    """Do what takes effect at once of what was planned just now. Returns the ids of the rest.

    When a later message, or an urgent one, holds the conversation, thanks to this one do not end it.
    """
    pending: list[str] = []
    for planned in decision.actions:
        action_id = placed.action_ids.get(planned.kind)
        if action_id and planned.state == "pending":
            if planned.kind not in _AT_ONCE:
                pending.append(action_id)
            carry_out(
                conn,
                ref,
                planned.kind,
                decision=decision,
                conversation=conversation,
                tenant=tenant,
                now=now,
                places=placed.places,
            )
        if placed.places and planned.kind == "close_with_thanks" and planned.state == "pending":
            close_conversation(conn, conversation.id)
    return pending
