"""Routing rules as a tenant writes them."""

import difflib
from functools import cache
from typing import Annotated, Any, Literal, cast, get_args

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from config.hours import Day, parse_spans
from config.queues import QueueName
from config.skills import Skill
from config.tenant_part import TenantPart
from config.words import ActionKind, ChannelKind, FloorGroup, Intent, Priority, Sentiment, Signal, Surface

NO_TARGET = "not_yet_analysed"
"""Where messages wait for the model; no rule looks at them before."""


@cache
def parse_window(text: str) -> tuple[int, int]:
    """(start, end) in minutes from the day's midnight; an end beyond 1,440 lies on the next day. Raises: ValueError."""
    spans = parse_spans(text)
    if len(spans) != 1:
        raise ValueError('takes one window, such as "22:00-07:00"; write a rule for each')
    return spans[0]


def _checked_window(text: str) -> str:
    parse_window(text)
    return text


def nearest(name: str, known: tuple[str, ...]) -> str:
    """The known name that is most like this one, as the end of an error: `; the nearest is "senior"`; else all of them."""
    near = difflib.get_close_matches(name, known, n=1)
    return f'; the nearest is "{near[0]}"' if near else f"; one of: {', '.join(known)}"


def _known_action(kind: object) -> object:
    known = get_args(ActionKind)
    if isinstance(kind, str) and kind not in known:
        raise ValueError(f"is no action Earshot knows{nearest(kind, known)}")
    return kind


def _may_be_a_target(queue: str) -> str:
    if queue == NO_TARGET:
        raise ValueError(
            f'"{NO_TARGET}" holds what the model has not read yet, so no rule may send there; use "review" for people'
        )
    return queue


class RuleWhen(TenantPart):
    """Conditions of a rule; all that are given must hold, a list holds when any of its values does."""

    sentiment: tuple[Sentiment, ...] | None = None
    intent: tuple[Intent, ...] | None = None
    topics: tuple[str, ...] | None = None
    signals: tuple[Signal, ...] | None = None
    """What the model noticed beside its label."""
    floor: tuple[FloorGroup, ...] | None = None
    """Groups of words found without the model."""
    channel: tuple[ChannelKind, ...] | None = None
    surface: tuple[Surface, ...] | None = None
    language: tuple[str, ...] | None = None
    message_type: tuple[str, ...] | None = None
    """The channel's word for what came ("image", "audio", "order" …). The one condition that also fits messages without words."""
    high_value: bool | None = None
    tier: tuple[str, ...] | None = None
    """Names as the CRM gives them; a customer without one fits none."""
    hours: Literal["open", "closed"] | None = None
    """Whether the tenant's people work when the message comes, by [hours]."""
    weekdays: tuple[Day, ...] | None = None
    """In the tenant's time zone. What of a window lies after midnight belongs to the day on which it began."""
    between: Annotated[str, AfterValidator(_checked_window)] | None = None
    """`"22:00-07:00"` in the tenant's time zone, by the time that the channel gives the message; the end is outside."""
    min_score: float | None = Field(default=None, ge=0, le=1)
    max_score: float | None = Field(default=None, ge=0, le=1)


class RuleThen(TenantPart):
    """What a rule decides. `team` is another word for `queue`."""

    queue: Annotated[QueueName, AfterValidator(_may_be_a_target)]
    priority: Priority
    actions: tuple[Annotated[ActionKind, BeforeValidator(_known_action)], ...] = ()
    skill: Skill | None = None
    """Whom it is for: an agent with this skill; None: anybody of the queue."""
    tags: Annotated[tuple[Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,40}$")], ...], Field(max_length=10)] = ()
    """Put on the conversation."""

    @model_validator(mode="before")
    @classmethod
    def _team_is_queue(cls, given: Any) -> Any:
        if isinstance(given, dict) and "skill_wanted" in given:
            raise ValueError('skill_wanted is called skill; write skill = "…"')
        if not isinstance(given, dict) or "team" not in given:
            return cast("Any", given)
        then = cast("dict[str, Any]", given)
        if "queue" in then:
            raise ValueError("team and queue mean the same; write one of them")
        return {("queue" if key == "team" else key): value for key, value in then.items()}


class Rule(TenantPart):
    """One routing rule: the first whose conditions all hold decides."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,64}$")]
    because: Annotated[str, Field(min_length=1, max_length=200)]
    """Why, as an agent reads it beside the conversation."""
    dry_run: bool = False
    """Never decides; what it would have decided is stored beside the decision that was made."""
    when: RuleWhen
    then: RuleThen
