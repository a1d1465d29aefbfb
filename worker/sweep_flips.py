"""The flip report: what a sweep changed, and whether prompt, model, examples, topics or nothing at all explains it."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from store.db import Connection
from store.sweep_report import JudgedTwice, count_judged_first, get_system_texts, list_judged_twice

SHOWN_MESSAGES = 20
# In the order in which they are told. A change with two causes counts under both; noise: nothing differs.
CAUSES = ("prompt", "model", "examples", "topics", "words", "noise")
_EXAMPLES = re.compile(r"\.e(\d+)$")


@dataclass(frozen=True)
class FlipReport:
    """What changed. Pairs are "old > new". changed: messages with another sentiment, intent or topics.

    first: messages without a label before. topics: name to how many gained and lost it.
    """

    judged: int
    first: int
    changed: int
    sentiments: dict[str, int]
    intents: dict[str, int]
    topics: dict[str, dict[str, int]]
    causes: dict[str, int]
    messages: list[dict[str, Any]]

    def as_json(self) -> dict[str, Any]:
        """All of it, for programs."""
        return dict(vars(self))


@dataclass(frozen=True)
class Flip:
    """A message whose label changed. changed: which fields. causes: as in the report."""

    message_id: str
    old_sentiment: str
    new_sentiment: str
    old_intent: str
    new_intent: str
    old_topics: tuple[str, ...]
    new_topics: tuple[str, ...]
    new_score: float
    changed: tuple[str, ...]
    causes: tuple[str, ...]


def list_flips(conn: Connection, judged: list[JudgedTwice]) -> list[Flip]:
    """Every changed message: a changed sentiment first, of these what turned negative. The transaction acts for its tenant."""
    hashes = {one for pair in judged for one in (pair.old_prompt_hash, pair.new_prompt_hash) if one}
    topic_lists = {name: _topic_list(text) for name, text in get_system_texts(conn, hashes).items()}
    return [_flip(pair, topic_lists) for pair in _ranked([pair for pair in judged if _changes(pair)])]


def select_flips(
    flips: Sequence[Flip], *, field: str | None, old: str | None = None, new: str | None = None
) -> list[Flip]:
    """Those in which this field changed, from one value and to another; None: any. Topics have no values to choose by."""
    return [
        one
        for one in flips
        if (field is None or field in one.changed)
        and all(
            field not in {"sentiment", "intent"} or wanted is None or getattr(one, f"{when}_{field}") == wanted
            for when, wanted in (("old", old), ("new", new))
        )
    ]


def _flip(pair: JudgedTwice, topic_lists: dict[str, str | None]) -> Flip:
    return Flip(
        message_id=pair.message_id,
        old_sentiment=pair.old_sentiment,
        new_sentiment=pair.new_sentiment,
        old_intent=pair.old_intent,
        new_intent=pair.new_intent,
        old_topics=tuple(pair.old_topics),
        new_topics=tuple(pair.new_topics),
        new_score=pair.new_score,
        changed=tuple(_changes(pair)),
        causes=tuple(_causes(pair, topic_lists)),
    )


def _ranked(changed: list[JudgedTwice]) -> list[JudgedTwice]:
    """A changed sentiment matters most, and of these what turned negative."""
    return sorted(
        changed,
        key=lambda pair: ("sentiment" not in _changes(pair), pair.new_sentiment != "negative", -pair.new_score),
    )


def report_flips(conn: Connection, judged: list[JudgedTwice], *, first: int) -> FlipReport:
    """The report of these messages. first: how many had no label before. The transaction acts for their tenant."""
    hashes = {one for pair in judged for one in (pair.old_prompt_hash, pair.new_prompt_hash) if one}
    return compare(judged, first=first, system_texts=get_system_texts(conn, hashes))


def report_sweep(conn: Connection, sweep_id: str) -> FlipReport:
    """The report of what the sweep has judged so far. The transaction acts for its tenant."""
    return report_flips(conn, list_judged_twice(conn, sweep_id), first=count_judged_first(conn, sweep_id))


def compare(judged: list[JudgedTwice], *, first: int, system_texts: dict[str, str]) -> FlipReport:
    """The report of these pairs. system_texts: by prompt hash."""
    topic_lists = {prompt_hash: _topic_list(text) for prompt_hash, text in system_texts.items()}
    changed = [pair for pair in judged if _changes(pair)]
    causes = {id(pair): _causes(pair, topic_lists) for pair in changed}
    gained, lost = Counter[str](), Counter[str]()
    for pair in changed:
        gained.update(set(pair.new_topics) - set(pair.old_topics))
        lost.update(set(pair.old_topics) - set(pair.new_topics))
    touched = gained + lost
    ranked = _ranked(changed)
    return FlipReport(
        judged=len(judged),
        first=first,
        changed=len(changed),
        sentiments=_pairs((pair.old_sentiment, pair.new_sentiment) for pair in changed),
        intents=_pairs((pair.old_intent, pair.new_intent) for pair in changed),
        topics={name: {"gained": gained[name], "lost": lost[name]} for name, _ in touched.most_common()},
        causes={cause: sum(cause in causes[id(pair)] for pair in changed) for cause in CAUSES},
        messages=[
            {
                "message_id": pair.message_id,
                "sentiment": f"{pair.old_sentiment} > {pair.new_sentiment}",
                "intent": f"{pair.old_intent} > {pair.new_intent}",
                "changed": _changes(pair),
                "causes": causes[id(pair)],
            }
            for pair in ranked[:SHOWN_MESSAGES]
        ],
    )


def _changes(pair: JudgedTwice) -> list[str]:
    """What differs between the two labels."""
    differs = {
        "sentiment": pair.old_sentiment != pair.new_sentiment,
        "intent": pair.old_intent != pair.new_intent,
        "topics": set(pair.old_topics) != set(pair.new_topics),
    }
    return [name for name, does in differs.items() if does]


def _pairs(pairs: Any) -> dict[str, int]:
    """How often each "old > new" comes, most frequent first; what stayed is left out."""
    return dict(Counter(f"{old} > {new}" for old, new in pairs if old != new).most_common())


def _causes(pair: JudgedTwice, topic_lists: dict[str, str | None]) -> list[str]:
    """Everything that differs between the two askings; ["noise"] when nothing does."""
    old_rules, old_examples = _split_version(pair.old_prompt_version)
    new_rules, new_examples = _split_version(pair.new_prompt_version)
    differs = {
        "prompt": old_rules != new_rules,
        "model": pair.old_model != pair.new_model,
        "examples": old_examples != new_examples,
        "topics": topic_lists.get(pair.old_prompt_hash or "") != topic_lists.get(pair.new_prompt_hash or ""),
        # Edited, joined to others, stripped by a newer version, or with other turns before it.
        "words": pair.old_turn is not None and pair.old_turn != pair.new_turn,
    }
    causes = [name for name, does in differs.items() if does]
    if not causes and pair.old_prompt_hash != pair.new_prompt_hash:  # something else of the prompt: tone, parameters
        return ["prompt"]
    return causes or ["noise"]


def _split_version(prompt_version: str) -> tuple[str, str]:
    """("g1.s1", "3") of "g1.s1.e3": rules and schema, version of the examples."""
    match = _EXAMPLES.search(prompt_version)
    return (prompt_version[: match.start()], match[1]) if match else (prompt_version, "")


def _topic_list(system_text: str) -> str | None:
    """The line of the prompt that lists the topics."""
    texts = [str(block.get("text", "")) for block in json.loads(system_text)]
    lines = [line for text in texts for line in text.splitlines()]
    return next((line for line in lines if line.startswith("Topics: ")), None)
