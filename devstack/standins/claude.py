"""Anthropic's Messages API as its SDK 2.12 speaks it. The answers are a keyword reader's (claude_reader.py)."""

import hashlib
import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import gevent

from devstack.standins.claude_batches import Batches
from devstack.standins.claude_form import fill, schema_problem
from devstack.standins.claude_reader import read
from devstack.standins.claude_request import answer_schema, conversation, example_for, system_text, user_text
from devstack.standins.exchange import Answer, Request
from devstack.standins.prompt_cache import CHARACTERS_PER_TOKEN, PromptCache, token_count
from devstack.standins.recording import StandIn

# Per minute. A hundred times the real tier Start (rate limits, 2026): the stand-in is there to be loaded.
RATE_LIMITS = {"requests": 100_000, "tokens": 240_000_000, "input-tokens": 200_000_000, "output-tokens": 40_000_000}
THINKING_TOKENS = 40
_GONE_PARAMETERS = ("temperature", "top_p", "top_k")


class Claude(StandIn):
    """The Messages API."""

    def __init__(self, *, latency_s: float = 0.0) -> None:
        super().__init__()
        self._latency_s = latency_s
        self._numbers = itertools.count(1)
        self._cache = PromptCache()
        self._batches = Batches(self._batch_result)
        self._paid = {"calls": 0, "batched": 0}

    def control(self, request: Request) -> Answer | None:
        """`POST /_latency {"seconds": n}` sets how long every message takes, `POST /_batch_time` likewise a batch.

        `GET /_paid`: how many answers were given and so billed, single ones and batched ones.
        """
        if (request.method, request.path) == ("GET", "/_paid"):
            return Answer(self._paid)
        if request.method != "POST" or request.path not in {"/_latency", "/_batch_time"}:
            return None
        try:
            seconds = float(request.json_object()["seconds"])
            if request.path == "/_latency":
                self._latency_s = seconds
            else:
                self._batches.seconds = seconds
        except (KeyError, TypeError, ValueError):
            return Answer({"error": 'the body must be {"seconds": number}'}, 400)
        return Answer({"ok": True})

    def handle(self, request: Request) -> Answer:
        """One API call."""
        headers = {"request-id": f"req_standin{next(self._numbers):012d}", **_rate_limit_headers()}
        answer = self._route(request)
        if answer.status >= 400:
            answer = Answer({**answer.body, "request_id": headers["request-id"]}, answer.status)
        return Answer(answer.body, answer.status, headers)

    def _route(self, request: Request) -> Answer:
        if not (request.bearer or request.headers.get("x-api-key")):
            return _error(401, "authentication_error", "invalid x-api-key")
        owner = request.bearer or request.headers.get("x-api-key", "")
        if self._batches.serves(request):
            return self._batches.answer(request, owner=owner)
        if request.method == "GET" and request.path.startswith("/v1/models/"):
            name = request.path.removeprefix("/v1/models/")
            return (
                Answer(_model(name)) if name.startswith("claude-") else _error(404, "not_found_error", f"model: {name}")
            )
        if request.method != "POST" or request.path not in {"/v1/messages", "/v1/messages/count_tokens"}:
            return _error(404, "not_found_error", "Not found")
        counting = request.path.endswith("/count_tokens")
        payload = request.json()
        problem = _problem(payload, counting=counting)
        if problem:
            return _error(400, "invalid_request_error", problem)
        if counting:
            return Answer({"input_tokens": token_count(system_text(payload)) + token_count(user_text(payload))})
        if self._latency_s:
            gevent.sleep(self._latency_s)
        self._paid["calls"] += 1
        return Answer(self._message(payload, owner=owner))

    def _batch_result(self, params: dict[str, Any], owner: str) -> dict[str, Any]:
        """What stands in a batch's results for one request."""
        problem = _problem(params, counting=False)
        if problem:
            return {"type": "errored", "error": _error(400, "invalid_request_error", problem).body}
        self._paid["batched"] += 1
        return {"type": "succeeded", "message": self._message(params, owner=owner)}

    def _message(self, payload: dict[str, Any], *, owner: str) -> dict[str, Any]:
        room = payload["max_tokens"] * CHARACTERS_PER_TOKEN
        text = _answer_text(payload) if room else ""
        # Thinking is on unless it is switched off, and it is the first block.
        thinks = bool(room) and (payload.get("thinking") or {}).get("type") != "disabled"
        thoughts = [{"type": "thinking", "thinking": "", "signature": "stand-in"}] if thinks else []
        said = [{"type": "text", "text": text[:room]}] if room else []
        with self.lock:
            usage = self._cache.usage(
                payload,
                owner=hashlib.sha256(owner.encode()).hexdigest(),
                output_tokens=token_count(text[:room]),
                thinking_tokens=THINKING_TOKENS if thinks else 0,
            )
        return {
            "id": f"msg_standin{next(self._numbers):012d}",
            "type": "message",
            "role": "assistant",
            "model": payload["model"],
            "content": [*thoughts, *said],
            "stop_reason": "end_turn" if room >= max(len(text), 1) else "max_tokens",
            "stop_sequence": None,
            "usage": usage,
        }


def _answer_text(payload: dict[str, Any]) -> str:
    """The filled-in form, from nothing but the words of the request."""
    system, schema, turn = system_text(payload), answer_schema(payload), conversation(payload)
    example = example_for(turn.message, system=system, schema=schema)
    return json.dumps(fill(read(turn, system=system, example=example), schema), ensure_ascii=False)


def _problem(payload: Any, *, counting: bool) -> str | None:
    """What the API would refuse in this request."""
    if not isinstance(payload, dict):
        return "The request body is not valid JSON"
    for name in ("model", "messages", "max_tokens"):
        if name not in payload and not (counting and name == "max_tokens"):
            return f"{name}: Field required"
    for name in _GONE_PARAMETERS:
        if name in payload:
            return f"{name}: Extra inputs are not permitted"
    limit = payload.get("max_tokens", 0)
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 0:
        return "max_tokens: Input should be greater than or equal to 0"
    if payload.get("stream"):
        return "stream: not spoken by this stand-in"
    return _turns_problem(payload["messages"]) or _options_problem(payload)


def _turns_problem(turns: Any) -> str | None:
    if not isinstance(turns, list) or not turns:
        return "messages: at least one message is required"
    if not all(isinstance(turn, dict) and isinstance(turn.get("content"), str | list) for turn in turns):
        return "messages.0.content: Field required"
    if turns[-1].get("role") != "user":
        return "This model does not support assistant message prefill. The conversation must end with a user message."
    return None


def _options_problem(payload: dict[str, Any]) -> str | None:
    if (payload.get("thinking") or {}).get("type") == "enabled":
        return '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive".'
    answer_format = (payload.get("output_config") or {}).get("format")
    if answer_format is None:
        return None
    if answer_format.get("type") != "json_schema" or not isinstance(answer_format.get("schema"), dict):
        return "output_config.format: Input tag must be 'json_schema' with a schema"
    return schema_problem(answer_format["schema"])


def _model(name: str) -> dict[str, Any]:
    return {
        "type": "model",
        "id": name,
        "display_name": name,
        "created_at": "2026-10-07T00:00:00Z",
        "lifecycle": "active",
        "max_input_tokens": 200_000,
        "max_tokens": 64_000,
    }


def _rate_limit_headers() -> dict[str, str]:
    """The stand-in never runs out; what is left is always one request less than the limit."""
    reset = (datetime.now(UTC) + timedelta(seconds=1)).isoformat(timespec="seconds").replace("+00:00", "Z")
    headers = {"anthropic-organization-id": "stand-in"}
    for name, limit in RATE_LIMITS.items():
        headers[f"anthropic-ratelimit-{name}-limit"] = str(limit)
        headers[f"anthropic-ratelimit-{name}-remaining"] = str(limit - 1)
        headers[f"anthropic-ratelimit-{name}-reset"] = reset
    return headers


def _error(status: int, kind: str, message: str) -> Answer:
    return Answer({"type": "error", "error": {"type": kind, "message": message}}, status)
