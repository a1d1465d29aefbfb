"""Which corrections become examples in a tenant's prompt: cut, screened, without doubles and conflicts, balanced. Pure."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from analysis.base import Example, MinimizedText
from analysis.cost import PRICES
from analysis.example_screen import why_not

MAX_EXAMPLES = 12
MAX_EXAMPLE_CHARS = 200
# Confirmed readings beside corrections: fewer, so that the corrections stay the point.
MAX_ANCHORS = 3
CORRECTIONS_PER_ANCHOR = 3
HELD_BACK_SHARE = 3
# Of their words that two wordings share when they say nearly the same.
NEARLY_EQUAL = 0.8
FIELDS = ("sentiment", "intent", "topics")
CHARS_PER_TOKEN = 2.2
CACHE_HITS = 0.95
_WORDS = re.compile(r"\w+")
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class Verdict:
    """What a person says of one field, and what the model said; both as corrections write them."""

    value: str
    model_value: str | None

    @property
    def confirms(self) -> bool:
        """Whether the person agrees with the model."""
        return self.value == self.model_value


@dataclass(frozen=True)
class Candidate:
    """A message that people have judged. text: stripped. verdicts: by field. judged_at: of the newest verdict."""

    message_id: str
    text: MinimizedText = field(repr=False)
    language: str
    verdicts: dict[str, Verdict]
    judged_at: datetime
    correction_ids: tuple[str, ...] = ()
    injection_suspected: bool = False

    @property
    def is_anchor(self) -> bool:
        """Whether people only confirm what the model said."""
        return all(verdict.confirms for verdict in self.verdicts.values())

    def values(self) -> dict[str, str]:
        """Field to the person's value."""
        return {name: verdict.value for name, verdict in self.verdicts.items()}


@dataclass(frozen=True)
class ChosenExample:
    """An example and where it comes from."""

    example: Example
    message_id: str
    correction_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class ScreenedOut:
    """A judged message that may not become an example, and why."""

    message_id: str
    because: str


@dataclass(frozen=True)
class Conflict:
    """(Nearly) the same words with different values: neither is used until a person settles it. messages: id to values."""

    field: str
    messages: dict[str, str]


@dataclass(frozen=True)
class Choice:
    """What comes of the candidates. chosen: oldest first, so that a new one stands at the end. held_back: for the check only.

    corrections: all that were taken into account, newest first.
    """

    chosen: tuple[ChosenExample, ...]
    held_back: tuple[Candidate, ...]
    screened_out: tuple[ScreenedOut, ...]
    conflicts: tuple[Conflict, ...]
    corrections: tuple[Candidate, ...] = ()


def choose(candidates: Iterable[Candidate]) -> Choice:
    """Pick examples. The same candidates give the same choice, whatever their order."""
    newest_first = sorted(candidates, key=lambda one: (one.judged_at, one.message_id), reverse=True)
    screened_out: list[ScreenedOut] = []
    usable: list[Candidate] = []
    for one in newest_first:
        because = why_not(one.text, injection_suspected=one.injection_suspected)
        if because:
            screened_out.append(ScreenedOut(one.message_id, because))
        else:
            usable.append(one)
    alike = _group(usable)
    conflicts = [conflict for group in alike for conflict in _conflicts(group)]
    agreed = [group for group in alike if not _conflicts(group)]
    held_back = [group[0] for group in (_only(group, held_back=True) for group in agreed) if group]
    free = [group[0] for group in (_only(group, held_back=False) for group in agreed) if group]
    corrections = [one for one in free if not one.is_anchor]
    anchors = [one for one in free if one.is_anchor]
    n_anchors = min(MAX_ANCHORS, len(anchors), len(corrections) // CORRECTIONS_PER_ANCHOR)
    picked = _balance(corrections, MAX_EXAMPLES - n_anchors) + _balance(anchors, n_anchors)
    return Choice(
        tuple(_as_example(one) for one in sorted(picked, key=lambda one: one.message_id)),
        tuple(one for one in held_back if not one.is_anchor),
        tuple(screened_out),
        tuple(conflicts),
        tuple(one for group in agreed for one in group if not one.is_anchor),
    )


def is_held_back(message_id: str) -> bool:
    """Every third message, always the same ones, so that no example ever judges itself."""
    return hashlib.sha256(message_id.encode()).digest()[0] % HELD_BACK_SHARE == 0


def _only(group: list[Candidate], *, held_back: bool) -> list[Candidate]:
    return [one for one in group if is_held_back(one.message_id) == held_back]


def _group(candidates: list[Candidate]) -> list[list[Candidate]]:
    """Candidates with (nearly) the same words together, in their order."""
    groups: list[tuple[frozenset[str], list[Candidate]]] = []
    for one in candidates:
        words = _words(one.text)
        home = next((members for known, members in groups if _likeness(known, words) >= NEARLY_EQUAL), None)
        if home is None:
            groups.append((words, [one]))
        else:
            home.append(one)
    return [members for _, members in groups]


def _words(text: str) -> frozenset[str]:
    """What a wording consists of; any number is like any other, and signs count only where there are no words."""
    words = _WORDS.findall(_NUMBER.sub("0", text.casefold()))
    return frozenset(words or text.split())


def likeness(one: str, other: str) -> float:
    """From 0 (no word in common) to 1 (the same words)."""
    return _likeness(_words(one), _words(other))


def _likeness(one: frozenset[str], other: frozenset[str]) -> float:
    together = one | other
    return len(one & other) / len(together) if together else 1.0


def _conflicts(group: list[Candidate]) -> list[Conflict]:
    found: list[Conflict] = []
    for name in FIELDS:
        values = {one.message_id: one.verdicts[name].value for one in group if name in one.verdicts}
        if len({_comparable(name, value) for value in values.values()}) > 1:
            found.append(Conflict(name, values))
    return found


def _comparable(name: str, value: str) -> object:
    return frozenset(value.split(",")) if name == "topics" else value


def _confused_pair(one: Candidate) -> tuple[str, str | None, str]:
    """What was taken for what, in the field that matters most."""
    names = [name for name in FIELDS if name in one.verdicts]
    name = next((name for name in names if not one.verdicts[name].confirms), names[0])
    return name, one.verdicts[name].model_value, one.verdicts[name].value


def _balance(candidates: Sequence[Candidate], size: int) -> list[Candidate]:
    """Up to `size`: the confused pairs, classes and languages that have least so far come first, then the newest."""
    left, picked = list(candidates), list[Candidate]()
    pairs: Counter[object] = Counter()
    classes: Counter[object] = Counter()
    languages: Counter[str] = Counter()
    while left and len(picked) < size:
        best = min(
            left,
            key=lambda one: (
                pairs[_confused_pair(one)],
                classes[_confused_pair(one)[2]],
                languages[one.language],
                -one.judged_at.timestamp(),
                one.message_id,
            ),
        )
        left.remove(best)
        picked.append(best)
        pairs[_confused_pair(best)] += 1
        classes[_confused_pair(best)[2]] += 1
        languages[best.language] += 1
    return picked


def cut(text: str) -> MinimizedText:
    """At most 200 characters, ended at a word; one endless word is cut where it must."""
    text = " ".join(text.split())
    if len(text) <= MAX_EXAMPLE_CHARS:
        return MinimizedText(text)
    head = text[: MAX_EXAMPLE_CHARS - 1]
    at_word = head.rpartition(" ")[0] if text[MAX_EXAMPLE_CHARS - 1] != " " else head
    return MinimizedText((at_word or head).rstrip() + "…")


def _as_example(one: Candidate) -> ChosenExample:
    values = one.values()
    topics = values.get("topics")
    return ChosenExample(
        Example(
            text=one.text,
            sentiment=values.get("sentiment"),
            intent=values.get("intent"),
            topics=None if topics is None else tuple(topic for topic in topics.split(",") if topic),
        ),
        one.message_id,
        one.correction_ids,
    )


@dataclass(frozen=True)
class Difference:
    """What a snapshot changes. An example whose words or values changed is removed and added."""

    added: tuple[ChosenExample, ...]
    removed: tuple[ChosenExample, ...]
    kept: tuple[ChosenExample, ...]


def compare(old: Sequence[ChosenExample], new: Sequence[ChosenExample]) -> Difference:
    """From the old snapshot to the new one."""
    were, are = {(one.message_id, one.example) for one in old}, {(one.message_id, one.example) for one in new}
    return Difference(
        tuple(one for one in new if (one.message_id, one.example) not in were),
        tuple(one for one in old if (one.message_id, one.example) not in are),
        tuple(one for one in new if (one.message_id, one.example) in were),
    )


def estimate_tokens(text: str) -> int:
    """About how many tokens a text is; providers publish no tokenizer (facts of October 2026: 2 to 2.5 characters each)."""
    return round(len(text) / CHARS_PER_TOKEN)


def cost_per_1000_messages(tokens: int, *, model: str) -> float | None:
    """Dollars that a part of the cached prompt costs with every thousand messages; None for a model without a known price."""
    price = PRICES.get(model)
    if price is None:
        return None
    return tokens * (CACHE_HITS * price.cache_read + (1 - CACHE_HITS) * price.cache_write) * 1000 / 1_000_000
