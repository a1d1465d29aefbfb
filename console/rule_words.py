"""A routing rule read back as a sentence, in the reader's language; also one that is half written."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from babel import Locale, UnknownLocaleError

from console.languages import Speech, isolated

Word = Callable[[str], str]


def sentence_of(rule: Mapping[str, Any], *, speech: Speech, word: Word) -> str:
    """As in: "When the message is negative and it is about shipping: put it into senior with P1." word: a code of ours in words."""
    conditions = _conditions(rule.get("when") or {}, speech=speech, word=word)
    result = _result(rule.get("then") or {}, speech=speech, word=word)
    if conditions:
        text = speech.text("When {conditions}: {result}.").format(conditions=_and(conditions, speech), result=result)
    else:
        text = speech.text("Every message that was read: {result}.").format(result=result)
    return f"{speech.text('Only tried')}: {text}" if rule.get("dry_run") else text


def _conditions(when: Mapping[str, Any], *, speech: Speech, word: Word) -> list[str]:
    def any_of(name: str, *, prefix: str = "") -> str:
        return _or([word(f"{prefix}{one}") for one in when[name]], speech)

    told: list[str] = []
    text = speech.text
    if when.get("sentiment"):
        told.append(text("the message is {values}").format(values=any_of("sentiment")))
    if when.get("intent"):
        told.append(text("its intent is {values}").format(values=any_of("intent")))
    if when.get("topics"):
        told.append(text("it is about {values}").format(values=any_of("topics")))
    if when.get("language"):
        names = [_language(one, speech) for one in when["language"]]
        told.append(text("it is written in {values}").format(values=_or(names, speech)))
    if when.get("signals"):
        told.append(text("the model noticed {values}").format(values=any_of("signals", prefix="signal ")))
    if when.get("floor"):
        told.append(text("it holds words of {values}").format(values=any_of("floor", prefix="floor ")))
    if when.get("channel"):
        told.append(text("it comes by {values}").format(values=any_of("channel", prefix="by ")))
    if when.get("surface"):
        told.append(text("it is a {values}").format(values=any_of("surface")))
    if when.get("message_type"):
        told.append(text("it is of the kind {values}").format(values=any_of("message_type")))
    told += _about_customer(when, speech)
    told += _about_time(when, speech, word)
    # Any message is at least 0 and at most 1 sure.
    if when.get("min_score"):
        told.append(text("the model is at least {score} sure").format(score=speech.number(when["min_score"])))
    if when.get("max_score") not in {None, 1}:
        told.append(text("the model is at most {score} sure").format(score=speech.number(when["max_score"])))
    return told


def _about_customer(when: Mapping[str, Any], speech: Speech) -> list[str]:
    told: list[str] = []
    if when.get("high_value") is True:
        told.append(speech.text("the customer is of high value"))
    if when.get("high_value") is False:
        told.append(speech.text("the customer is not of high value"))
    if when.get("tier"):
        tiers = [isolated(one) for one in when["tier"]]
        told.append(speech.text("the customer’s tier is {values}").format(values=_or(tiers, speech)))
    return told


def _about_time(when: Mapping[str, Any], speech: Speech, word: Word) -> list[str]:
    told: list[str] = []
    if when.get("hours") == "open":
        told.append(speech.text("you are open"))
    if when.get("hours") == "closed":
        told.append(speech.text("you are closed"))
    if when.get("weekdays"):
        days = _or([word(day) for day in when["weekdays"]], speech)
        told.append(speech.text("it comes on {values}").format(values=days))
    if when.get("between"):
        start, _, end = str(when["between"]).partition("-")
        told.append(speech.text("it comes between {start} and {end}").format(start=start, end=end))
    return told


def _result(then: Mapping[str, Any], *, speech: Speech, word: Word) -> str:
    queue, priority = then.get("queue"), then.get("priority")
    put = speech.text("put it into {queue} with {priority}").format(
        queue=word(str(queue)) if queue else "…", priority=priority or "…"
    )
    told = [put]
    if then.get("skill"):
        told.append(speech.text("look for somebody with the skill {skill}").format(skill=then["skill"]))
    if then.get("tags"):
        told.append(speech.text("tag it {tags}").format(tags=", ".join(then["tags"])))
    told += [word(one) for one in then.get("actions") or ()]
    return _and(told, speech)


def _language(code: str, speech: Speech) -> str:
    try:
        return Locale.parse(code, sep="-").get_display_name(speech.language) or code
    except (UnknownLocaleError, ValueError):
        return code


def _and(parts: Sequence[str], speech: Speech) -> str:
    return _joined(parts, speech.text("{one} and {other}"))


def _or(parts: Sequence[str], speech: Speech) -> str:
    return _joined(parts, speech.text("{one} or {other}"))


def _joined(parts: Sequence[str], last: str) -> str:
    *first, end = parts
    return last.format(one=", ".join(first), other=end) if first else end
