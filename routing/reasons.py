"""The sentences of a decision, as a person reads them at three in the morning. None ever holds customer text."""

from decimal import ROUND_DOWN, Decimal

from config.words import ActionKind, Intent, Priority, Surface
from routing.facts import Decision, Label, RoutingFacts, Trial

WAITS_FOR_ANALYSIS = "The model has not read the message yet; the clock runs."
UNANALYZED = "The analysis was refused or failed for good, so a person reads the message."
NO_RULE = "No rule holds, so it goes to the ordinary queue."
SECOND_LOOK = "Nothing is done automatically: this is a second look at an earlier message."
_NO_WORDS = "The message has no words (a picture, a voice note, a sticker …), so a person looks at it."
_STORY_MENTION = "The customer mentioned the business in a story without words; a person looks while the story is up."
_INTENTS: dict[Intent, str] = {
    "order_status": "with a question about an order",
    "refund_request": "with a refund request",
    "price_inquiry": "with a question about prices",
    "technical_support": "with a technical problem",
    "complaint": "with a complaint",
    "compliment": "with praise",
    "callback_request": "with a wish to be called",
    "cancellation": "with a cancellation",
    "spam": "and most likely advertising",
    "other": "without a particular request",
}
_ACTIONS: dict[ActionKind, str] = {
    "send_refund_form": "refund form",
    "schedule_callback": "callback task",
    "close_with_thanks": "closing with thanks",
    "follow_up": "follow-up message",
    "request_screenshot": "request for a screenshot",
    "send_nps_invite": "NPS invitation",
    "send_csat_invite": "CSAT invitation",
    "ask_survey_reason": "question for the reason",
    "webhook": "webhook call",
}
_FLOOR = {"safety": "a danger to people", "legal_threat": "a legal threat", "urgent": "words of urgency"}


def two_digits(score: float) -> str:
    """A score cut, not rounded, so that 0.699 never reads as having reached 0.70."""
    return str(Decimal(str(score)).quantize(Decimal("0.01"), rounding=ROUND_DOWN))


def no_text(surface: Surface) -> str:
    """Why a message without words goes to people."""
    return _STORY_MENTION if surface == "story_mention" else _NO_WORDS


def unsure(label: Label, *, threshold: float) -> str:
    """Why nobody but a person should decide."""
    score, limit = two_digits(label.score), two_digits(threshold)
    return f"The model is unsure: its confidence of {score} is below the tenant's {limit}."


def labelled(label: Label) -> str:
    """What the model says, as one sentence: "Negative (0.93) with a refund request."."""
    return f"{label.sentiment.capitalize()} ({two_digits(label.score)}) {_INTENTS[label.intent]}."


def corrected(facts: RoutingFacts) -> str:
    """That a person has spoken: "A person corrected the sentiment to negative and the topics to refund, shipping."."""
    values = {
        "sentiment": facts.sentiment,
        "intent": (facts.intent or "").replace("_", " "),
        "topics": ", ".join(facts.topics).replace("_", " ") or "none",
    }
    return f"A person corrected {' and '.join(f'the {name} to {values[name]}' for name in facts.corrected)}."


def escalated(threshold: float) -> str:
    """Why a person is called."""
    return f"The score reaches the tenant's escalation threshold of {two_digits(threshold)}."


def not_escalated(threshold: float) -> str:
    """Why nobody is called although the rule would."""
    return f"Not escalated: the score is below the tenant's escalation threshold of {two_digits(threshold)}."


def withheld(kind: ActionKind, *, because: str) -> str:
    """Why an action that the rule wants is not planned."""
    return f"No {_ACTIONS.get(kind, kind.replace('_', ' '))}: {because}."


def floor(hits: list[str], *, priority: Priority) -> str:
    """Why the words themselves outrank the rule."""
    return f"At least {priority}: the text holds {' and '.join(_FLOOR[hit] for hit in hits)}."


def results(decision: Decision) -> list[str]:
    """Whom the decision asks for and what happens, one sentence each."""
    told: list[str] = []
    if decision.skill:
        told.append(f"For an agent with the skill {decision.skill}.")
    if decision.tags:
        told.append(f"Tagged {', '.join(decision.tags)}.")
    if decision.actions:
        planned = ", ".join(
            action.kind.replace("_", " ") + (" (recorded only)" if action.state == "shadow" else "")
            for action in decision.actions
        )
        told.append(f"Actions: {planned}.")
    return told


def trial(tried: Trial) -> str:
    """What a rule that is only tried would have done."""
    actions = ", ".join(kind.replace("_", " ") for kind in tried.actions) or "no action"
    queue = tried.queue.replace("_", " ")
    return f'On trial: the rule "{tried.rule}" would have decided {tried.priority}, {queue} queue, {actions}.'
