"""Whether new examples judge at least as well as the old ones: on corrections that were held back, and on what was right. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from analysis.examples import Candidate, likeness
from analysis.schema import AnalysisAnswer

MIN_HELD_BACK = 5
# Of their words that a message shares with a correction which may speak of it too.
ALIKE = 0.6


@dataclass(frozen=True)
class Expected:
    """What a person (or, where nobody has looked, the model so far) says of a message: field to value."""

    message_id: str
    values: Mapping[str, str]
    text: str = field(default="", repr=False)
    confirmed: bool = True


@dataclass(frozen=True)
class Score:
    """How many of `n` messages were judged right with the old and the new examples. lost: ids that were right and are not."""

    n: int
    old: int
    new: int
    lost: tuple[str, ...] = ()


Answers = Mapping[str, AnalysisAnswer | None]


def is_right(expected: Expected, answer: AnalysisAnswer | None) -> bool:
    """Whether an answer says the same in every field that is known. No answer is not right."""
    if answer is None:
        return False
    values = expected.values
    wanted_topics = values.get("topics")
    return (
        values.get("sentiment", answer.sentiment) == answer.sentiment
        and values.get("intent", answer.intent) == answer.intent
        and (wanted_topics is None or {topic for topic in wanted_topics.split(",") if topic} == set(answer.topics))
    )


def score(expected: Sequence[Expected], *, old: Answers, new: Answers) -> Score:
    """Compare two rounds of answers, by message id."""
    before = {one.message_id for one in expected if is_right(one, old.get(one.message_id))}
    after = {one.message_id for one in expected if is_right(one, new.get(one.message_id))}
    lost = tuple(one.message_id for one in expected if one.message_id in before - after)
    return Score(len(expected), len(before), len(after), lost)


def find_in_question(
    expected: Sequence[Expected], *, new: Answers, corrections: Sequence[Candidate]
) -> tuple[str, ...]:
    """Messages that nobody has looked at, whose label changes just as people corrected a message of like words.

    The correction may be right for them too, or wrong for both: only a person can tell.
    """
    return tuple(
        one.message_id
        for one in expected
        if not one.confirmed
        and not is_right(one, answer := new.get(one.message_id))
        and answer is not None
        and any(_speaks_of(correction, one, answer) for correction in corrections)
    )


def _speaks_of(correction: Candidate, one: Expected, answer: AnalysisAnswer) -> bool:
    answered = {"sentiment": answer.sentiment, "intent": answer.intent}
    changed = [name for name, value in one.values.items() if answered.get(name) != value]
    return likeness(correction.text, one.text) >= ALIKE and all(
        name in correction.verdicts and correction.verdicts[name].value == answered.get(name) for name in changed
    )


@dataclass(frozen=True)
class CheckResult:
    """verdict: "passed", "worse", or "unchecked" when nobody can say. sentence: the same for an admin.

    in_question: ids of messages that change like corrected ones and that no person has looked at; they count nowhere else.
    """

    verdict: Literal["passed", "worse", "unchecked"]
    sentence: str
    held_back: Score
    confirmed: Score
    in_question: tuple[str, ...] = ()


def check(
    held_back: Sequence[Expected],
    confirmed: Sequence[Expected],
    *,
    old: Answers,
    new: Answers,
    corrections: Sequence[Candidate],
) -> CheckResult:
    """The result from two rounds of answers by message id. corrections: all that the proposal was made from."""
    open_ones = find_in_question(confirmed, new=new, corrections=corrections)
    settled = [one for one in confirmed if one.message_id not in open_ones]
    return conclude(score(held_back, old=old, new=new), score(settled, old=old, new=new), in_question=open_ones)


def conclude(held_back: Score, confirmed: Score, *, in_question: tuple[str, ...] = ()) -> CheckResult:
    """The verdict: fewer right on either side is worse."""
    worse = [
        f"{part.new} instead of {part.old} of {part.n} {name} messages are judged right"
        for part, name in ((held_back, "held-back"), (confirmed, "confirmed or uncorrected"))
        if part.new < part.old
    ]
    if worse:
        return CheckResult("worse", f"Worse: {' and '.join(worse)}.", held_back, confirmed, in_question)
    if held_back.n < MIN_HELD_BACK:
        sentence = (
            f"Cannot be checked: {held_back.n} corrections are held back, and {MIN_HELD_BACK} are needed. "
            "Correct more messages, or accept it unchecked."
        )
        return CheckResult("unchecked", sentence, held_back, confirmed, in_question)
    if in_question:
        sentence = (
            f"Cannot be checked: {len(in_question)} messages that nobody has looked at would change as like ones were "
            "corrected. Correct or confirm them, or accept it unchecked."
        )
        return CheckResult("unchecked", sentence, held_back, confirmed, in_question)
    sentence = (
        f"Not worse: {held_back.new} of {held_back.n} held-back messages are judged right (before: {held_back.old}), "
        f"{confirmed.new} of {confirmed.n} confirmed or uncorrected ones (before: {confirmed.old})."
    )
    return CheckResult("passed", sentence, held_back, confirmed)
