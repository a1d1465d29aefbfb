"""Which of the actions that a rule wants may be planned, and why the others may not."""

from collections.abc import Iterable

from config.words import ActionKind
from routing import reasons
from routing.actions import CUSTOMER_FACING, INTERNAL, INVITATIONS, MONEY_LIKE, OUTLASTS_ESCALATION, THANKFUL
from routing.facts import COMMENT_SURFACES, Label, PlannedAction, RoutingFacts, RoutingPolicy
from routing.surveys import no_invitation

_STANDS_HIGH = ("P1", "P2")
# What no rule can bring about: something else does.
_FOLLOWS: dict[ActionKind, str] = {
    "send_csat_invite": "it only follows a person's work on the conversation",
    "ask_survey_reason": "it only follows a score",
}


def plan(
    wanted: Iterable[ActionKind], facts: RoutingFacts, *, label: Label, policy: RoutingPolicy
) -> tuple[tuple[PlannedAction, ...], tuple[str, ...]]:
    """The wanted actions that may happen, in their order, and a sentence for each that may not."""
    planned: list[PlannedAction] = []
    remarks: list[str] = []
    kinds = tuple(dict.fromkeys(wanted))
    if not facts.allow_actions:
        return (), (reasons.SECOND_LOOK,) if kinds else ()
    for kind in kinds:
        if kind in INTERNAL:
            # Ours alone: no consent is needed. A tenant may switch them off, but not that people are called.
            mode = "auto" if kind == "escalate_to_human" else _mode(kind, policy)
            if mode == "off":
                remarks.append(reasons.withheld(kind, because="the tenant has switched it off"))
            else:
                planned.append(PlannedAction(kind, "shadow" if mode == "shadow" else "pending"))
            continue
        because = (
            _forbidden_to_everybody(kind, facts, label=label)
            or _forbidden_by_tenant(kind, facts, policy=policy)
            or _too_many_today(kind, facts, planned=planned, policy=policy)
            or (no_invitation(INVITATIONS[kind], facts, surveys=policy.surveys) if kind in INVITATIONS else None)
            or _second_answer_to_comment(kind, facts, planned=planned)
        )
        if because:
            remarks.append(reasons.withheld(kind, because=because))
        else:
            # Nothing goes to a customer that the tenant has not asked for: it is recorded as what would have happened.
            leaves = kind in policy.actions and _mode(kind, policy) != "shadow"
            planned.append(PlannedAction(kind, "pending" if leaves else "shadow"))
    return tuple(planned), tuple(remarks)


def _forbidden_to_everybody(kind: ActionKind, facts: RoutingFacts, *, label: Label) -> str | None:
    """What no rule and no tenant may lift."""
    if kind in _FOLLOWS:
        return _FOLLOWS[kind]
    if kind in MONEY_LIKE and label.intent != "refund_request":
        return "the customer does not ask for a refund"
    if kind in MONEY_LIKE and facts.injection_suspected:
        return "the text seems to give instructions to the model"
    if kind in THANKFUL and (because := _no_reason_for_thanks(facts, label=label)):
        return because
    if kind in CUSTOMER_FACING and facts.in_group:
        return "it was written in a group, where a private answer would surprise"
    if kind in CUSTOMER_FACING and facts.human_took_over:
        return "a person has taken the conversation over"
    if kind in CUSTOMER_FACING - OUTLASTS_ESCALATION and facts.escalated:
        return "a person was called to this conversation, who answers"
    if kind in CUSTOMER_FACING and "safety" in facts.floor_hits:
        return "the text holds a danger to people, so a person answers"
    return None


def _no_reason_for_thanks(facts: RoutingFacts, *, label: Label) -> str | None:
    """Thanks close a conversation, and cheerful words to an angry customer are the worst answer of all."""
    if label.sentiment == "negative":
        return "the customer is unhappy"
    if facts.survey:
        return "the message answers a survey"
    if facts.sarcasm:
        return "the praise may be sarcastic"
    if facts.injection_suspected:
        return "the text seems to give instructions to the model"
    if facts.floor_hits:
        return "the text holds words that a person has to see"
    if facts.open_priority in _STANDS_HIGH:
        return f"the conversation still stands at {facts.open_priority}"
    return None


def _forbidden_by_tenant(kind: ActionKind, facts: RoutingFacts, *, policy: RoutingPolicy) -> str | None:
    config = policy.actions.get(kind)
    if config is None:
        return None
    if config.mode == "shadow":
        return None
    if not config.enabled:
        return "the tenant has switched it off"
    if facts.recent_actions.get(kind, 0) >= config.per_customer_per_day:
        return f"the customer has had {config.per_customer_per_day} in the last 24 hours, the tenant's limit"
    return None


def _mode(kind: ActionKind, policy: RoutingPolicy) -> str | None:
    config = policy.actions.get(kind)
    return config.mode if config else None


def _too_many_today(
    kind: ActionKind, facts: RoutingFacts, *, planned: list[PlannedAction], policy: RoutingPolicy
) -> str | None:
    """Messages that leave by themselves, of all kinds together."""
    if kind not in CUSTOMER_FACING or kind not in policy.actions or _mode(kind, policy) == "shadow":
        return None
    had = sum(number for name, number in facts.recent_actions.items() if name in CUSTOMER_FACING)
    had += sum(action.kind in CUSTOMER_FACING and action.state == "pending" for action in planned)
    limit = policy.max_per_customer_per_day
    return (
        f"the customer has had {limit} messages in the last 24 hours, the tenant's limit for all kinds"
        if had >= limit
        else None
    )


def _second_answer_to_comment(kind: ActionKind, facts: RoutingFacts, *, planned: list[PlannedAction]) -> str | None:
    if facts.surface not in COMMENT_SURFACES or kind not in CUSTOMER_FACING:
        return None
    answered = any(action.kind in CUSTOMER_FACING and action.state == "pending" for action in planned)
    return "a comment may be answered in private only once" if answered else None
