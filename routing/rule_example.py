"""A message that stands for a region, and how a person reads it."""

from typing import Any, Literal

from routing.facts import RoutingFacts
from routing.rule_regions import OTHER, Region

# What the most ordinary message is like, in the order of liking.
_PREFERRED: dict[str, tuple[Any, ...]] = {
    "sentiment": ("negative", "neutral", "positive"),
    "intent": ("other", "complaint", "refund_request", "order_status"),
    "language": ("en", OTHER),
    "message_type": ("text", "image"),
    "place": (("whatsapp", "dm"), ("instagram", "dm"), ("generic", "dm")),
    "high_value": (False,),
    "tier": (None,),
    "hours": ("open",),
    "time": (("mon", 12 * 60),),
    "score": (0.8,),
}
_SURFACES = {
    "dm": "DM",
    "story_reply": "story reply",
    "story_mention": "story mention",
    "reel_comment": "comment on a reel",
    "comment": "comment",
    "live_comment": "live comment",
}


def facts_of(region: Region) -> RoutingFacts:
    """The most ordinary message of a region that is not empty."""
    values = {name: _pick(name, allowed) for name, allowed in region.values.items()}
    marks = {min(group - region.missing) for group in region.marks}
    channel, surface = values["place"]
    day, minute = values["time"]
    outcome: Literal["analyzed", "no_text"] = "analyzed" if "sentiment" in values else "no_text"
    language = values.get("language", OTHER)
    return RoutingFacts(
        outcome=outcome,
        channel=channel,
        surface=surface,
        sentiment=values.get("sentiment"),
        score=values.get("score"),
        intent=values.get("intent"),
        topics=_of("topics", marks),
        sarcasm="signals:sarcasm" in marks,
        urgent="signals:urgent" in marks,
        injection_suspected="signals:injection_suspected" in marks,
        floor_hits=_of("floor", marks),
        language="und" if language == OTHER else language,
        message_type=values["message_type"],
        high_value=values["high_value"],
        tier=values["tier"],
        office_open=values["hours"] == "open",
        weekday=day,
        minute=minute,
    )


def _pick(name: str, allowed: frozenset[Any]) -> Any:
    ordinary = next((value for value in _PREFERRED[name] if value in allowed), None)
    return ordinary if ordinary is not None or None in allowed else min(allowed, key=str)


def _of(kind: str, marks: set[str]) -> tuple[str, ...]:
    return tuple(sorted(mark.partition(":")[2] for mark in marks if mark.startswith(f"{kind}:")))


def tell(facts: RoutingFacts) -> str:
    """The message in words: "a negative DM with refund_request, 0.80, topic shipping"."""
    kind = _SURFACES[facts.surface]
    if facts.outcome == "no_text":
        what = f"a {kind} without words ({facts.message_type})"
    else:
        what = f"a {facts.sentiment} {kind} with {facts.intent}, {_score(facts.score or 0.0)}"
    return ", ".join([what, *_details(facts)])


def _score(score: float) -> str:
    return f"{score:.2f}" if round(score, 2) == score else f"{score:.4g}"


def _details(facts: RoutingFacts) -> list[str]:
    signals = [name for name in ("sarcasm", "urgent", "injection_suspected") if getattr(facts, name)]
    told = [
        *(f"topic {topic}" for topic in facts.topics),
        *(f"signal {signal}" for signal in signals),
        *(f"words of {group}" for group in facts.floor_hits),
        f"in {facts.language}" if facts.language != "und" else "",
        "from a high-value customer" if facts.high_value else "",
        f"tier {facts.tier}" if facts.tier else "",
        f"as {facts.message_type}" if facts.outcome != "no_text" and facts.message_type != "text" else "",
        "while the office is closed" if facts.office_open is False else "",
        f"on {facts.weekday} at {facts.minute // 60:02d}:{facts.minute % 60:02d}"
        if facts.minute is not None and (facts.weekday, facts.minute) != ("mon", 12 * 60)
        else "",
    ]
    return [detail for detail in told if detail]
