"""Which decision says where a conversation stands, and putting it there."""

from dataclasses import dataclass

from routing.facts import Decision, RoutingFacts, RoutingPolicy
from routing.place import Claim, takes_place
from store.actions import Plan
from store.assignments import Wish
from store.customers import Conversation, Placing, reopen_for_message
from store.db import Connection
from store.decisions import add_decision
from store.messages import StoredMessage
from store.runs import RunRef


def is_newest(conversation: Conversation, message: StoredMessage) -> bool:
    """Whether no later message, by provider time, has placed the conversation already."""
    if conversation.routed_sent_at is None or conversation.routed_message_id is None:
        return True
    return (message.sent_at, message.id) >= (conversation.routed_sent_at, conversation.routed_message_id)


def takes_over(
    conversation: Conversation, decision: Decision, message: StoredMessage, *, is_first: bool = False
) -> bool:
    """Whether the decision about this message says where the conversation stands from now on.

    is_first: it is decided for the first time. Then it counts also where an automation has ended the conversation meanwhile, for
    a message that was read sooner.
    """
    if conversation.routed_sent_at is None or conversation.routed_message_id is None:
        return True
    is_live = conversation.state == "open" or (is_first and conversation.closed_by_rule)
    if not is_live or conversation.priority is None:
        return is_newest(conversation, message)
    return takes_place(
        Claim(decision.priority, message.sent_at, message.id),
        Claim(conversation.priority, conversation.routed_sent_at, conversation.routed_message_id),
        answered_at=conversation.last_human_answer_at,
    )


@dataclass(frozen=True)
class Placed:
    """What a decision has done. places: the conversation stands where it says, and if a person was to be called, that is noted. action_ids:
    of what was planned just now, by kind.
    """

    places: bool
    action_ids: dict[str, str]


def store_and_place(
    conn: Connection,
    ref: RunRef,
    decision: Decision,
    *,
    facts: RoutingFacts,
    policy: RoutingPolicy,
    message: StoredMessage,
    conversation: Conversation,
    analysis_id: str | None,
    may_place: bool = True,
    is_first: bool = False,
    wish: Wish | None = None,
    plan: Plan | None = None,
) -> Placed:
    """Store the decision about the message with what it was made of and what is planned, and put the conversation where it says when this
    message speaks for it from now on, with whom that takes. The conversation is locked. may_place: False only stores. is_first: the message
    is decided for the first time; a conversation that an automation has ended meanwhile is open again when it needs a person.
    """
    places = may_place and takes_over(conversation, decision, message, is_first=is_first)
    placing = Placing(
        conversation.id,
        queue=decision.queue,
        priority=decision.priority,
        message_id=message.id,
        sent_at=message.sent_at,
        wish=wish,
        escalates=plan is not None and plan.calls_person,
    )
    action_ids = add_decision(
        conn,
        ref,
        decision,
        facts=facts,
        policy=policy,
        analysis_id=analysis_id,
        applied=places,
        placing=placing if places else None,
        plan=plan,
    )
    if places and is_first and conversation.closed_by_rule and decision.queue != "auto":
        reopen_for_message(conn, ref.tenant_id, conversation.id, sent_at=message.sent_at)
    return Placed(places, action_ids)
