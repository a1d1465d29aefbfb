"""How the Claude stand-in reads a message: keywords and emoji of four languages (words.toml). Deterministic."""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from devstack.standins.claude_request import Conversation, listed_topics

MAX_TOPICS = 5
_ARABIC = re.compile("[\u0600-\u06ff]")
_SENTENCE = re.compile(r"[^.!?؟\n]+[.!?؟\n]*")
# Arabic writes "the", "and" and "with" as one word with what follows.
_PREFIX = r"(?<!\w)(?:وال|بال|ال|و|ب)?"
# How many characters before or after a word of praise its negation stands.
_NEGATION_REACH = 14


@dataclass(frozen=True)
class _Feeling:
    sentiment: str
    score: float
    sarcasm: bool = False


def read(turn: Conversation, *, system: str, example: dict[str, Any]) -> dict[str, Any]:
    """Everything that the form may ask for. example: what the request's own examples say of this message, which wins."""
    folded = fold(turn.message)
    words = _words()
    injected = bool(_count(folded, words["injection"]["words"]))
    judged = _without_injections(folded) if injected else folded
    intent = _first_intent(judged)
    feeling = _feeling(judged, turn.context, asks_for_something=intent != "other")
    intent = example.get("intent") or _intent_of(feeling, intent, judged)
    sentiment = example.get("sentiment") or feeling.sentiment
    topics = _topics(judged, listed_topics(system))
    urgent = bool(_count(judged, words["urgent"]["words"]))
    return {
        "language": _language(turn.message),
        "summary": _summary(intent, sentiment, topics),
        "signals": {"sarcasm": feeling.sarcasm, "injection_suspected": injected, "urgent": urgent},
        "intent": intent,
        "topics": topics,
        "sentiment": sentiment,
        "score": 0.95 if "sentiment" in example else round(feeling.score, 2),
        "suggested_action": _action(intent, sentiment),
        **example,
    }


def fold(text: str) -> str:
    """Lower case, one kind of apostrophe and of Arabic vowel signs none."""
    lowered = text.replace("İ", "i").replace("’", "'").lower()
    return re.sub("[\u064b-\u0652\u0640]", "", lowered)


def _without_injections(folded: str) -> str:
    """What is left when every sentence that talks to the machine is cut, and JSON that was to end ours."""
    rest = folded.rpartition("}")[2]
    sentences: list[str] = _SENTENCE.findall(rest)
    return "".join(one for one in sentences if not _count(one, _words()["injection"]["words"]))


def _feeling(folded: str, context: list[dict[str, Any]], *, asks_for_something: bool) -> _Feeling:
    words = _words()
    calm = words["calm"]
    judged = _pattern(tuple(calm["words"])).sub(" ", folded)
    praise, negated = _praise(judged, courtesy_counts=not asks_for_something)
    if praise + bool(_pattern(tuple(calm["words"])).search(folded)) and _count(judged, calm["over"]):
        return _Feeling("positive", 0.82)
    irony = _count(judged, words["trouble"]["irony"])
    trouble = negated + irony + _count(judged, words["trouble"]["words"]) + _signs(judged, words["trouble"]["emoji"])
    wry = irony + _signs(judged, words["trouble"]["irony_emoji"])
    if trouble:
        contrasted = bool(_count(judged, words["negation"]["contrast"])) and not wry
        ironic = praise + wry > 0 and not contrasted
        return _Feeling("negative", 0.78 if praise + wry else min(0.97, 0.84 + 0.04 * trouble), sarcasm=ironic)
    if wry and _was_in_trouble(context):
        return _Feeling("negative", 0.7, sarcasm=True)
    if praise:
        return _Feeling("positive", min(0.97, 0.86 + 0.04 * praise))
    return _Feeling("neutral", 0.82 if folded.strip() else 0.4)


def _praise(folded: str, *, courtesy_counts: bool) -> tuple[int, int]:
    """How many words and emoji of praise there are, and how many that are negated."""
    words = _words()
    courtesy = () if courtesy_counts else tuple(words["praise"]["courtesy"])
    meant = negated = 0
    for match in _pattern(tuple(words["praise"]["words"])).finditer(folded):
        if courtesy and _pattern(courtesy).match(folded, match.start()):
            continue
        if _is_negated(folded, match):
            negated += 1
        else:
            meant += 1
    return meant + _signs(folded, [sign for sign in words["praise"]["emoji"] if sign not in courtesy]), negated


def _is_negated(folded: str, match: re.Match[str]) -> bool:
    before = folded[max(0, match.start() - _NEGATION_REACH) : match.start()].split()[-2:]
    after = folded[match.end() : match.end() + _NEGATION_REACH].split()
    negation = _words()["negation"]
    if any(word in negation["before"] or word.endswith("n't") for word in before):
        return True
    return any(word.startswith(tuple(negation["after"])) for word in after[:2])


def _was_in_trouble(context: list[dict[str, Any]]) -> bool:
    """Whether the customer's own earlier turns tell of trouble."""
    earlier = " ".join(fold(str(turn.get("text", ""))) for turn in context if turn.get("from") == "customer")
    return _count(earlier, _words()["trouble"]["words"]) > 0


def _first_intent(folded: str) -> str:
    intents: dict[str, list[str]] = _words()["intents"]
    return next((intent for intent, words in intents.items() if _count(folded, words)), "other")


def _intent_of(feeling: _Feeling, intent: str, folded: str) -> str:
    inquiries = _words()["inquiries"]
    is_question = intent != "other" and (
        intent not in inquiries["intents"] or any(word in folded for word in inquiries["asking"])
    )
    if is_question or feeling.sentiment == "neutral":
        return intent
    return "complaint" if feeling.sentiment == "negative" else "compliment"


def _action(intent: str, sentiment: str) -> str:
    if sentiment == "negative" and intent not in {"refund_request", "callback_request", "spam"}:
        return "escalate_to_human"
    return _words()["actions"].get(intent, "none")


def _summary(intent: str, sentiment: str, topics: list[str]) -> str:
    """A sentence of labels only: no word of the customer's can be in it."""
    wish = _words()["summaries"].get(intent, "Writes about " + intent.replace("_", " "))
    about = f" ({', '.join(topics[:2])})".replace("_", " ") if topics else ""
    return f"{wish}{about}; the tone is {sentiment}."[:200]


def _topics(folded: str, listed: dict[str, str]) -> list[str]:
    """Names from the request's list, most words first: by what is known of a topic and by the words of its definition."""
    hits: list[tuple[int, str]] = []
    for name, definition in listed.items():
        words = [*_words()["topics"].get(name, []), *_own_words(f"{name.replace('_', ' ')} {definition}")]
        if count := _count(folded, words):
            hits.append((-count, name))
    return [name for _, name in sorted(hits)][:MAX_TOPICS]


@cache
def _own_words(text: str) -> tuple[str, ...]:
    """Words of a definition, without the ending of a plural, so that they fit both numbers."""
    words = {word.removesuffix("s") for word in re.findall(r"[^\W\d_]{3,}", fold(text))}
    dull = {word.removesuffix("s") for word in _words()["topic_stopwords"]["words"]}
    return tuple(sorted(word for word in words - dull if len(word) > 3 or not word.isascii()))


def _language(message: str) -> str:
    if _ARABIC.search(message):
        return "ar"
    padded = f" {re.sub(r'[.,!?;:]', ' ', fold(message))} "
    marks: dict[str, list[str]] = _words()["languages"]
    scores = {language: sum(mark in padded for mark in known) for language, known in marks.items()}
    best = max(scores, key=lambda language: scores[language])
    return best if scores[best] else "und"


@cache
def _words() -> dict[str, Any]:
    return tomllib.loads((files("devstack.standins") / "words.toml").read_text(encoding="utf-8"))


@cache
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    listed = sorted((fold(word) for word in words), key=len, reverse=True)
    shapes = [re.escape(word[:-1]) + r"(?!\w)" if word.endswith("|") else re.escape(word) for word in listed]
    return re.compile(_PREFIX + "(?:" + "|".join(shapes) + ")")


def _count(folded: str, words: Any) -> int:
    return len(_pattern(tuple(words)).findall(folded))


def _signs(folded: str, signs: list[str]) -> int:
    return sum(folded.count(sign) for sign in signs)
