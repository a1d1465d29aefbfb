"""From stored rows to RoutingFacts, and from a Decision to stored rows."""

from dataclasses import replace
from datetime import datetime

from analysis.lexicon import floor_hits
from config.tenant import TenantConfig
from routing.actions import CRM_TASKS, INTERNAL, idempotency_key
from routing.business_hours import is_open
from routing.local_time import local_time
from routing.place import Claim, takes_place
from routing.playbooks import policy_for
from routing.rules import Decision, RoutingFacts, decide
from store.actions import NewAction, add_action, count_recent_actions, lock_customers_actions
from store.analyses import StoredAnalysis
from store.crm_connections import has_crm
from store.crm_events import NewEvent, add_event
from store.customers import Conversation, close_conversation, lock_conversation, place_conversation
from store.db import Connection
from store.decisions import add_decision
from store.effective_labels import find_effective_label
from store.internal_actions import add_tags, find_escalation
from store.messages import StoredMessage, list_burst_parts
from store.runs import LockedRun, Outcome, RunRef, has_newer_run
from store.sla_clocks import recompute_clocks
from worker.assigning import ask_for_agent
from worker.churn_step import review_mood
from worker.internal_actions import carry_out
from worker.survey_step import close_after_score, with_survey

NOTE_PRIORITY = "P1"


def build_facts(
    *,
    message: StoredMessage,
    conversation: Conversation,
    tenant: TenantConfig,
    analysis: StoredAnalysis | None,
    outcome: Outcome | None,
    words: str,
    allow_actions: bool,
    recent_actions: dict[str, int],
    corrected: tuple[str, ...] = (),
) -> RoutingFacts:
    """All that the decision looks at, from rows. words: the message's own and those of its burst."""
    weekday, minute = local_time(tenant.hours, message.sent_at)
    facts = RoutingFacts(
        outcome="no_text" if outcome == "no_text" else "unanalyzed",
        surface=message.surface,  # pyright: ignore[reportArgumentType] -- the column holds nothing else
        high_value=conversation.high_value,
        human_took_over=conversation.taken_over,
        floor_hits=floor_hits(words, own=tenant.floor.groups()),
        allow_actions=allow_actions,
        recent_actions=recent_actions,
        message_type=message.message_type,
        in_group=message.group_id is not None,
        channel=conversation.channel,
        tier=conversation.tier,
        office_open=is_open(tenant.hours, message.sent_at),
        weekday=weekday,
        minute=minute,
    )
    if analysis is None:
        return facts
    return replace(
        with_label(facts, analysis),
        open_priority=conversation.priority if conversation.state == "open" else None,  # pyright: ignore[reportArgumentType]
        corrected=corrected,
    )


def with_label(facts: RoutingFacts, analysis: StoredAnalysis) -> RoutingFacts:
    """The same facts about a message that was read so."""
    return replace(
        facts,
        outcome="analyzed",
        sentiment=analysis.sentiment,  # pyright: ignore[reportArgumentType]
        score=analysis.score,
        intent=analysis.intent,  # pyright: ignore[reportArgumentType]
        topics=tuple(analysis.topics),
        suggested_action=analysis.suggested_action,
        language=analysis.language,
        sarcasm=analysis.signals.get("sarcasm", False),
        injection_suspected=analysis.signals.get("injection_suspected", False),
        urgent=analysis.signals.get("urgent", False),
    )


def is_newest(conversation: Conversation, message: StoredMessage) -> bool:
    """Whether no later message, by provider time, has placed the conversation already."""
    if conversation.routed_sent_at is None or conversation.routed_message_id is None:
        return True
    return (message.sent_at, message.id) >= (conversation.routed_sent_at, conversation.routed_message_id)


def takes_over(conversation: Conversation, decision: Decision, message: StoredMessage) -> bool:
    """Whether the decision about this message says where the conversation stands from now on."""
    if conversation.routed_sent_at is None or conversation.routed_message_id is None:
        return True
    if conversation.state != "open" or conversation.priority is None:
        return is_newest(conversation, message)
    return takes_place(
        Claim(decision.priority, message.sent_at, message.id),
        Claim(conversation.priority, conversation.routed_sent_at, conversation.routed_message_id),
        answered_at=conversation.last_human_answer_at,
    )


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
    conn: Connection, ref: RunRef, *, run: LockedRun, message: StoredMessage, tenant: TenantConfig, now: datetime
) -> list[str]:
    """Decide, store the decision with its inputs, place the conversation, plan actions. Returns ids of actions to carry out."""
    assert message.conversation_id is not None and message.customer_id is not None
    conversation = lock_conversation(conn, message.conversation_id)
    # What a person has said of the message stands above whatever this run read.
    label = find_effective_label(conn, message.id, run_id=ref.run_id) if run.outcome == "analyzed" else None
    analysis = label.analysis if label else None
    parts = [part.text for part in list_burst_parts(conn, message.id) if part.text]
    words = "\n".join([*parts, message.text or ""])
    lock_customers_actions(conn, message.customer_id)
    facts = build_facts(
        message=message,
        conversation=conversation,
        tenant=tenant,
        analysis=analysis,
        outcome=run.outcome,
        words=words,
        # Words that were changed meanwhile are judged by a pass of their own, which plans nothing.
        allow_actions=run.kind == "initial" and not has_newer_run(conn, ref),
        recent_actions=count_recent_actions(conn, message.customer_id),
        corrected=label.corrected if label else (),
    )
    facts = with_survey(
        conn, ref, facts, run=run, message=message, conversation=conversation, tenant=tenant, words=words
    )
    facts = replace(facts, escalated=find_escalation(conn, conversation.id) not in {None, message.id})
    policy = policy_for(tenant)
    decision = decide(facts, policy)
    # A second look that came to nothing leaves what the first one said.
    empty_handed = run.kind == "reanalyze" and run.outcome == "unanalyzed" and message.edits == 0
    applied = not empty_handed and takes_over(conversation, decision, message)
    add_decision(
        conn, ref, decision, facts=facts, policy=policy, analysis_id=analysis.id if analysis else None, applied=applied
    )
    if applied:
        place_conversation(
            conn,
            conversation.id,
            queue=decision.queue,
            priority=decision.priority,
            message_id=message.id,
            sent_at=message.sent_at,
        )
        ask_for_agent(conn, conversation.id, decision, tenant=tenant)
        close_after_score(conn, facts, decision, message=message, conversation=conversation)
    if analysis:
        review_mood(
            conn,
            ref.tenant_id,
            tenant=tenant,
            customer_id=conversation.customer_id,
            now=now,
            may_raise=facts.allow_actions and analysis.sentiment == "negative",
        )
    if decision.tags and facts.allow_actions:
        add_tags(conn, ref, conversation.id, decision.tags)
    if run.kind == "initial" and decision.priority == NOTE_PRIORITY and has_crm(conn, ref.tenant_id):
        _add_note(conn, ref, decision, message=message, now=now)
    pending = _plan_actions(
        conn, ref, decision, conversation=conversation, tenant=tenant, language=facts.language, now=now
    )
    recompute_clocks(conn, ref.tenant_id, conversation.id, tenant=tenant)
    return pending


def _plan_actions(
    conn: Connection,
    ref: RunRef,
    decision: Decision,
    *,
    conversation: Conversation,
    tenant: TenantConfig,
    language: str,
    now: datetime,
) -> list[str]:
    pending: list[str] = []
    for planned in decision.actions:
        settled = planned.kind in INTERNAL or planned.kind in CRM_TASKS
        added = add_action(
            conn,
            ref,
            NewAction(
                planned=planned,
                conversation_id=conversation.id,
                customer_id=conversation.customer_id,
                channel=conversation.channel,
                idempotency_key=idempotency_key(ref.message_id, planned.kind),
                language=language,
                settled=settled,
            ),
        )
        if added and added.state == "pending":
            pending.append(added.id)
        if added and planned.state == "pending":
            carry_out(conn, ref, planned.kind, decision=decision, conversation=conversation, tenant=tenant, now=now)
        if planned.kind == "close_with_thanks" and planned.state == "pending":
            close_conversation(conn, conversation.id)
    return pending
