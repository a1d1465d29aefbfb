"""Changed settings applied to conversations that are open: only where somebody has chosen it, and nothing fires."""

import uuid
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from config.tenant import TenantConfig
from routing.facts import Decision, RoutingPolicy
from routing.place import Claim, takes_place
from routing.playbooks import policy_for
from routing.rules import decide
from routing.stored_facts import StoredInputsError, facts_from_json
from store.customers import Conversation, Placing, lock_conversation, place_conversation
from store.db import Connection, Database, StoreError
from store.decisions import add_decision
from store.effective_labels import find_effective_label
from store.messages import share_contexts
from store.open_places import OpenPlace, PlacingMessage, is_in_somebodys_hands, list_open_places, list_placing_messages
from store.policies import remember_policy, snapshot_of
from store.runs import RunRef
from worker.assigning import wish_of
from worker.decision_facts import with_label

BATCH = 50


@dataclass
class Rerouted:
    """What came of it, or would come. moves: by (priority and queue before, after). skipped: those that can't be decided anew now."""

    conversations: int = 0
    moves: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    skipped: int = 0

    @property
    def moved(self) -> int:
        """How many change their place."""
        return self.moves.total()


def reroute(database: Database, tenant_id: int, *, tenant: TenantConfig, apply: bool) -> Rerouted:
    """Decide about all open conversations anew. apply: False only counts.

    Batches of their own transactions: what is interrupted is begun again, and finds the rest to do. Raises: StoreError.
    """
    policy, result = policy_for(tenant), Rerouted()
    if apply:
        # Before any conversation is locked: who stores the same policy meanwhile is not waited for with locks in hand.
        with database.tenant_transaction(tenant_id) as conn:
            remember_policy(conn, tenant_id, snapshot_of(tenant_id, policy))
    after_id: str | None = None
    while True:
        with database.tenant_transaction(tenant_id) as conn:
            places = list_open_places(conn, tenant_id, after_id=after_id, limit=BATCH)
            if apply:
                share_contexts(conn, [place.routed_message_id for place in places])
            for place in places:
                _reroute_one(conn, tenant_id, place, tenant=tenant, policy=policy, apply=apply, result=result)
        if len(places) < BATCH:
            return result
        after_id = places[-1].conversation_id


def _reroute_one(
    conn: Connection,
    tenant_id: int,
    place: OpenPlace,
    *,
    tenant: TenantConfig,
    policy: RoutingPolicy,
    apply: bool,
    result: Rerouted,
) -> None:
    result.conversations += 1
    try:
        conversation = lock_conversation(conn, place.conversation_id)
    except StoreError as error:
        if error.permanent or error.code != "conversation_merged":
            raise
        result.skipped += 1
        return
    if conversation.state != "open" or conversation.routed_message_id != place.routed_message_id:
        return  # something newer has just placed it, or it was closed
    try:
        chosen = _choose(conn, conversation, policy=policy)
    except StoredInputsError:
        chosen = None
    if chosen is None:
        result.skipped += 1
        return
    message, decision, facts = chosen
    # What a person works on stays in their hands and list; it may become more or less urgent there.
    queue = place.queue if is_in_somebodys_hands(conn, conversation.id) else decision.queue
    before, after = f"{place.priority} {place.queue}", f"{decision.priority} {queue}"
    if before == after:
        return
    result.moves[before, after] += 1
    if apply:
        ref = RunRef(tenant_id, message.message_id, str(uuid.uuid4()))
        add_decision(
            conn,
            ref,
            decision,
            facts=facts,
            policy=policy,
            analysis_id=message.analysis_id,
            applied=queue == decision.queue,
        )
        placing = Placing(
            conversation.id,
            queue=queue,
            priority=decision.priority,
            message_id=message.message_id,
            sent_at=message.sent_at,
            wish=wish_of(replace(decision, queue=queue), tenant=tenant),
        )
        place_conversation(conn, placing)


def _choose(
    conn: Connection, conversation: Conversation, *, policy: RoutingPolicy
) -> tuple[PlacingMessage, Decision, Any] | None:
    """Which message places the conversation under the policy: the newest that no earlier one holds. None while none is decided."""
    chosen: tuple[PlacingMessage, Decision, Any] | None = None
    for message in list_placing_messages(conn, conversation.id):
        facts = replace(
            facts_from_json(message.inputs).facts,
            allow_actions=False,
            high_value=conversation.high_value,
            human_took_over=conversation.taken_over,
        )
        label = find_effective_label(conn, message.message_id) if facts.outcome == "analyzed" else None
        if label:
            facts = replace(with_label(facts, label.analysis), corrected=label.corrected)
        decision = decide(facts, policy)
        if chosen is None or takes_place(
            Claim(decision.priority, message.sent_at, message.message_id),
            Claim(chosen[1].priority, chosen[0].sent_at, chosen[0].message_id),
            answered_at=conversation.last_human_answer_at,
        ):
            chosen = message, decision, facts
    return chosen
