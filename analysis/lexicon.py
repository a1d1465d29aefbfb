"""A keyword reading for a message that cannot wait for the model, and the urgent words that may only raise a priority.

Always provisional, never sure: it fires no automation and sets no label anywhere else.
"""

import re
import tomllib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from analysis.schema import MAX_TOPICS, AnalysisAnswer, Intent, Sentiment, Signals

LEXICON_NAME = "local-lexicon"
LEXICON_MODEL = "local-lexicon"
LEXICON_VERSION = "l2"
SURE = 0.5
UNSURE = 0.3
OwnWords = tuple[tuple[str, tuple[str, ...]], ...]
_ARABIC = re.compile("[\u0600-\u06ff]")
_NEGATIVE_EMOJI = "😡🤬😠😤💔👎😭🙄"
_POSITIVE_EMOJI = "😍❤🥰👍🎉😊💚⭐"


@dataclass(frozen=True)
class _Lexicon:
    negative: re.Pattern[str]
    positive: re.Pattern[str]
    negated: re.Pattern[str]
    intents: tuple[tuple[Intent, re.Pattern[str]], ...]
    floor: tuple[tuple[str, re.Pattern[str]], ...]
    harmless: re.Pattern[str]
    languages: tuple[tuple[str, tuple[str, ...]], ...]


def _words(words: Iterable[str]) -> re.Pattern[str]:
    """Any of the beginnings, at the start of a word; a `|` at the end means that the word ends there."""
    # One look at where a word starts, before all the words: hundreds of looks are ten times as slow.
    longest_first = sorted(words, key=len, reverse=True)
    arabic = "|".join(_word(word) for word in longest_first if _ARABIC.match(word))
    others = [_word(word) for word in longest_first if not _ARABIC.match(word)]
    # Arabic writes "and", "with" and "the" onto the word.
    return re.compile(r"(?<!\w)(?:" + "|".join([*others, *([f"[وفبلك]?(?:ال)?(?:{arabic})"] if arabic else [])]) + ")")


def _word(word: str) -> str:
    return re.escape(word.removesuffix("|")) + (r"(?!\w)" if word.endswith("|") else "")


@cache
def _load() -> _Lexicon:
    data: dict[str, Any] = tomllib.loads((files("analysis") / "lexicon.toml").read_text(encoding="utf-8"))
    negations = "|".join(re.escape(word.strip()) for word in data["negation"])
    positives = "|".join(re.escape(word) for word in data["positive"])
    return _Lexicon(
        negative=_words(data["negative"]),
        positive=_words(data["positive"]),
        negated=re.compile(
            rf"(?<!\w)(?:{negations})\s+(?:\w+\s+)?(?:{positives})|(?:{positives})\w*\s+(?:değil|degil)"
        ),
        intents=tuple((intent, _words(words)) for intent, words in data["intents"].items()),
        floor=tuple((name, _words(words)) for name, words in data["floor"].items()),
        harmless=_words(data["harmless"]["phrases"]),
        languages=tuple((language, tuple(words)) for language, words in data["languages"].items()),
    )


def _plain(text: str) -> str:
    """Letters as they are read: wide, bold and taken apart ones as themselves, nothing invisible or stretched, single spaces.

    A line break, or the two spaces of a hasty thumb, must not part "gas leak".
    """
    if not text.isascii():
        composed = unicodedata.normalize("NFKC", text)
        text = "".join(one for one in composed if one != "ـ" and unicodedata.category(one) != "Cf")
    return " ".join(text.split())


def _fold(text: str, *, capital_i: str | None = None) -> str:
    """Plain and small. capital_i: what I stands for; None: what the text's other letters suggest."""
    plain = _plain(text)
    small = capital_i or ("ı" if "ı" in plain or "ş" in plain else "i")
    return plain.replace("İ", "i").replace("I", small).lower()


def floor_hits(text: str, *, own: OwnWords = ()) -> tuple[str, ...]:
    """Which groups of words the text hits: "urgent", "legal_threat", "safety". own: (group, words) of the tenant's."""
    # In capitals YANGIN (fire) and INJURED look the same about their I: both readings count, as the floor only raises.
    readings = dict.fromkeys(_fold(text, capital_i=small) for small in (None, "i", "ı"))
    harmless = [found.span() for folded in readings for found in _load().harmless.finditer(folded)]
    heard = [_without(folded, harmless) for folded in readings]
    return tuple(
        name
        for name, pattern in _load().floor
        # Everyday phrases are ours to know; what a tenant has written down counts wherever it stands.
        if any(map(pattern.search, heard))
        or any(group == name and any(map(_own_words(words).search, readings)) for group, words in own)
    )


def _without(folded: str, spans: Iterable[tuple[int, int]]) -> str:
    """The readings of a text are equally long, so what is harmless in one is blank in all."""
    for start, end in spans:
        folded = folded[:start] + " " * (end - start) + folded[end:]
    return folded


@lru_cache(maxsize=512)
def _own_words(words: tuple[str, ...]) -> re.Pattern[str]:
    return _words([_fold(word) for word in words])


def guess_language(text: str) -> str:
    """One of ar, tr, de, en; und when it cannot tell."""
    if _ARABIC.search(text):
        return "ar"
    padded = f" {_fold(text)} "
    counts = [(sum(padded.count(word) for word in words), language) for language, words in _load().languages]
    best = max(counts)
    return best[1] if best[0] else "und"


def _sentiment(folded: str) -> tuple[Sentiment, float]:
    lexicon = _load()
    negative = len(lexicon.negative.findall(folded)) + sum(folded.count(emoji) for emoji in _NEGATIVE_EMOJI)
    positive = len(lexicon.positive.findall(folded)) + sum(folded.count(emoji) for emoji in _POSITIVE_EMOJI)
    negated = len(lexicon.negated.findall(folded))
    positive, negative = positive - negated, negative + negated
    if negative > 0:  # praise next to a complaint is more often irony than joy
        return "negative", SURE if positive <= 0 else UNSURE
    return ("positive", SURE) if positive > 0 else ("neutral", UNSURE)


def read(text: str, *, topics: tuple[str, ...]) -> AnalysisAnswer:
    """A provisional answer from keywords. topics: the names it may use."""
    folded = _fold(text)
    sentiment, score = _sentiment(folded)
    hits: list[Intent] = [name for name, pattern in _load().intents if pattern.search(folded)]
    intent: Intent = hits[0] if hits else "other"
    if intent == "compliment" and sentiment == "negative":
        intent = "complaint"
    return AnalysisAnswer(
        sentiment=sentiment,
        score=score,
        summary=f"Keyword reading: {sentiment}, {intent.replace('_', ' ')}.",
        intent=intent,
        topics=tuple(topic for topic in topics if topic.replace("_", " ") in folded)[:MAX_TOPICS],
        suggested_action="none",
        language=guess_language(text),
        signals=Signals(urgent="urgent" in floor_hits(text)),
    )
