"""Anthropic's Messages API as Earshot's client sees it: a reader of keywords that answers from the request's own words.

It knows nothing that is not in the request or in words.toml: topics, corrections and the form's fields come from the prompt and the
schema it is sent, so that changing those changes its answers. Deterministic.
"""

import hashlib
import itertools
import json
import re
import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

import gevent

from devstack.standins.recording import Answer, Request, StandIn

API_VERSION_HEADERS = {
    "anthropic-ratelimit-requests-limit": "1000",
    "anthropic-ratelimit-requests-remaining": "999",
    "anthropic-organization-id": "stand-in",
}
# Characters per token; the real tokenizer is not public.
CHARACTERS_PER_TOKEN = 3
_ARABIC = re.compile("[\u0600-\u06ff]")
_LANGUAGE_MARKS = {
    "tr": (
        "ğ",
        "ş",
        "ı",
        "ç",
        " bir ",
        " ve ",
        " için",
        "değil",
        "merhaba",
        "teşekkür",
        "kargo",
        " çok ",
        " ne ",
        "iade",
        "fiyat",
        "sipariş",
    ),
    "de": (
        "ß",
        "ä",
        " und ",
        " ich ",
        "nicht",
        " das ",
        " ist ",
        " die ",
        " der ",
        "danke",
        "bitte",
        " wo ",
        " mein",
        "wann",
        "kostet",
    ),
    "en": (" the ", " my ", " is ", " you", "please", "thank", " and ", " i ", " it ", " to ", "order", "how much"),
}


class Claude(StandIn):
    """The Messages API."""

    def __init__(self, *, latency_s: float = 0.0) -> None:
        super().__init__()
        self._latency_s = latency_s
        self._numbers = itertools.count(1)
        self._cached_prefixes: set[str] = set()

    def control(self, request: Request) -> Answer | None:
        """`POST /_latency {"seconds": n}` sets how long every answer takes."""
        if (request.method, request.path) == ("POST", "/_latency"):
            self._latency_s = float(request.json()["seconds"])
            return Answer({"ok": True})
        return None

    def handle(self, request: Request) -> Answer:
        """One API call."""
        request_id = {"request-id": f"req_standin{next(self._numbers):012d}", **API_VERSION_HEADERS}
        if not (request.bearer or request.headers.get("x-api-key")):
            return _error(401, "authentication_error", "invalid x-api-key", request_id)
        if request.method == "GET" and request.path.startswith("/v1/models/"):
            name = request.path.rpartition("/")[2]
            return Answer({"type": "model", "id": name, "display_name": name, "lifecycle": "active"}, 200, request_id)
        payload = request.json()
        if request.method != "POST" or not isinstance(payload, dict):
            return _error(400, "invalid_request_error", "the body is not a JSON object", request_id)
        if request.path == "/v1/messages/count_tokens":
            return Answer({"input_tokens": _tokens(json.dumps(payload, ensure_ascii=False))}, 200, request_id)
        if request.path != "/v1/messages":
            return _error(404, "not_found_error", "no such path", request_id)
        problem = _problem(payload)
        if problem:
            return _error(400, "invalid_request_error", problem, request_id)
        if self._latency_s:
            gevent.sleep(self._latency_s)
        return Answer(self._message(payload), 200, request_id)

    def _message(self, payload: dict[str, Any]) -> dict[str, Any]:
        system = _system_text(payload)
        user = _user_text(payload)
        warm_up = payload["max_tokens"] == 0
        text = "" if warm_up else json.dumps(read(payload, system, user), ensure_ascii=False)
        return {
            "id": f"msg_standin{next(self._numbers):012d}",
            "type": "message",
            "role": "assistant",
            "model": payload["model"],
            "content": [] if warm_up else [{"type": "text", "text": text}],
            "stop_reason": "max_tokens" if warm_up else "end_turn",
            "stop_sequence": None,
            "usage": self._usage(system, user, text),
        }

    def _usage(self, system: str, user: str, text: str) -> dict[str, int]:
        prefix = hashlib.sha256(system.encode()).hexdigest()
        with self.lock:
            seen = prefix in self._cached_prefixes
            self._cached_prefixes.add(prefix)
        tokens = _tokens(system)
        return {
            "input_tokens": _tokens(user),
            "output_tokens": _tokens(text),
            "cache_read_input_tokens": tokens if seen else 0,
            "cache_creation_input_tokens": 0 if seen else tokens,
        }


def _problem(payload: dict[str, Any]) -> str | None:
    """What the API would refuse in this request."""
    for name in ("model", "messages", "max_tokens"):
        if name not in payload:
            return f"{name}: Field required"
    for name in ("temperature", "top_p", "top_k"):
        if name in payload:
            return f"{name}: Extra inputs are not permitted"
    return None


def _tokens(text: str) -> int:
    return len(text) // CHARACTERS_PER_TOKEN + (1 if text else 0)


def _system_text(payload: dict[str, Any]) -> str:
    system = payload.get("system") or ""
    return system if isinstance(system, str) else "\n".join(block.get("text", "") for block in system)


def _user_text(payload: dict[str, Any]) -> str:
    content = payload["messages"][-1]["content"]
    return content if isinstance(content, str) else "\n".join(block.get("text", "") for block in content)


@cache
def _words() -> dict[str, Any]:
    return tomllib.loads((files("devstack.standins") / "words.toml").read_text(encoding="utf-8"))


@cache
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(
        r"(?<!\w)(?:ال|و|ب)?(?:" + "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True)) + ")"
    )


def _count(text: str, words: list[str]) -> int:
    return len(_pattern(tuple(words)).findall(text))


def _fold(text: str) -> str:
    return text.replace("İ", "i").replace("’", "'").lower()


def read(payload: dict[str, Any], system: str, user: str) -> dict[str, Any]:
    """The form filled in, in the order and with the values that the request's schema allows."""
    try:
        turn = json.loads(user)
        message, context = str(turn.get("message", "")), turn.get("context", [])
    except (ValueError, AttributeError):
        message, context = user, []
    schema = payload.get("output_config", {}).get("format", {}).get("schema", {})
    fields = _fields(message, context, system)
    fields.update(_correction(message, system))
    properties: dict[str, Any] = schema.get("properties", {})
    return {name: _fit(fields.get(name), properties[name]) for name in properties} if properties else fields


def _fit(value: Any, schema: dict[str, Any]) -> Any:
    allowed = schema.get("enum")
    return value if not allowed or value in allowed else allowed[-1]


def _fields(message: str, context: list[dict[str, Any]], system: str) -> dict[str, Any]:
    folded = _fold(message)
    words = _words()
    injected = _count(folded, words["injection"]["words"]) > 0
    sentiment, score, sarcasm = _sentiment(folded, context)
    intent = _intent(folded, sentiment)
    urgent = _count(folded, words["urgent"]["words"]) > 0
    action = words["actions"].get(intent, "none")
    if sentiment == "negative" and intent not in {"refund_request", "callback_request"}:
        action = "escalate_to_human"
    return {
        "language": _language(message),
        "summary": f"The customer's message is {sentiment} and reads as {intent.replace('_', ' ')}.",
        "signals": {"sarcasm": sarcasm, "injection_suspected": injected, "urgent": urgent},
        "intent": intent,
        "topics": _topics(folded, system),
        "sentiment": sentiment,
        "score": score,
        "suggested_action": action,
    }


def _sentiment(folded: str, context: list[dict[str, Any]]) -> tuple[str, float, bool]:
    """(label, confidence, irony)."""
    words = _words()
    calm = _count(folded, words["calm"]["words"])
    trouble = (
        _count(folded, words["trouble"]["words"]) + sum(folded.count(sign) for sign in words["trouble"]["emoji"]) - calm
    )
    praise = _count(folded, words["praise"]["words"]) + sum(folded.count(sign) for sign in words["praise"]["emoji"])
    wry = sum(folded.count(sign) for sign in words["trouble"]["irony_emoji"])
    earlier = " ".join(_fold(str(turn.get("text", ""))) for turn in context if turn.get("from") == "customer")
    in_trouble = _count(earlier, words["trouble"]["words"]) > 0
    if trouble > 0:
        ironic = praise + wry > 0
        return "negative", 0.78 if ironic else min(0.97, 0.84 + 0.04 * trouble), ironic
    if wry and in_trouble:
        return "negative", 0.7, True
    if praise > 0:
        return "positive", min(0.97, 0.86 + 0.04 * praise), False
    return "neutral", 0.82 if folded.strip() else 0.4, False


def _intent(folded: str, sentiment: str) -> str:
    for intent, words in _words()["intents"].items():
        if intent == "compliment":
            if sentiment == "positive" and _count(folded, words):
                return "compliment"
        elif _count(folded, words):
            return intent
    return {"negative": "complaint", "positive": "compliment"}.get(sentiment, "other")


def _language(message: str) -> str:
    if _ARABIC.search(message):
        return "ar"
    padded = f" {_fold(message)} "
    scores = {language: sum(mark in padded for mark in marks) for language, marks in _LANGUAGE_MARKS.items()}
    best = max(scores, key=lambda language: scores[language])
    return best if scores[best] else "und"


def _topics(folded: str, system: str) -> list[str]:
    """Names from the request's own list: by the known words of a topic, or by the words of its name and definition."""
    match = re.search(r"^Topics: (\{.*\})$", system, re.MULTILINE)
    if not match:
        return []
    try:
        listed: dict[str, str] = json.loads(match[1])
    except ValueError:
        return []
    hits: list[tuple[int, str]] = []
    for name, definition in listed.items():
        known = list(_words()["topics"].get(name, []))
        own = [] if known else re.findall(r"\w{5,}", _fold(f"{name.replace('_', ' ')} {definition}"))
        count = _count(folded, known + own) if known or own else 0
        if count:
            hits.append((-count, name))
    return [name for _, name in sorted(hits)][:5]


def _correction(message: str, system: str) -> dict[str, Any]:
    """What an example in the request says about (nearly) this text."""
    _, found, lines = system.partition("Corrections:\n")
    wanted = set(re.findall(r"\w+", _fold(message)))
    if not found or not wanted:
        return {}
    for line in lines.splitlines():
        try:
            example = json.loads(line)
            known = set(re.findall(r"\w+", _fold(example.pop("text"))))
        except (ValueError, KeyError, AttributeError):
            continue
        if known and len(known & wanted) / len(known | wanted) >= 0.7:
            return example
    return {}


def _error(status: int, kind: str, message: str, headers: dict[str, str]) -> Answer:
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": headers["request-id"]}
    return Answer(body, status, headers)
