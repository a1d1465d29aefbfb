"""Claude through the Anthropic SDK: the only module that imports it, and where its many ways to fail become one error.

SDK 2.12: retries off (they would wait as long as a header says), answers validated by us (`messages.parse` loses usage and request
id), all that its exceptions carry left behind (they hold the key and the text).
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar

import anthropic
import httpx2
from anthropic.types import Message
from anthropic.types.messages import MessageBatch

from analysis.base import (
    CUT_OFF,
    NO_SUCH_BATCH,
    ODD_ANSWER,
    Analysis,
    AnalysisError,
    AnalysisRequest,
    BatchAnswer,
    BatchStatus,
    CallCounter,
    PreparedCall,
    Usage,
)
from analysis.claude_messages import ClaudeMessage, read_message, text_of
from analysis.cost import in_batch
from analysis.minimize import minimize
from analysis.prompt import build_user_turn, prefix_of, prompt_version
from analysis.provider_failures import SPENT_WORDS, failure_of, no_answer
from analysis.schema import read_answer, wire_schema

MAX_TOKENS = 1024
THINKING_MAX_TOKENS = 4096
# What an answer that was cut off gets at its second try.
ROOM_FACTOR = 3
# Summaries may repeat what the prompt forbids; region plays no part for what already went through the stripper once.
SUMMARY_REGION = "US"
# A thousand requests are some ten megabytes, and their answers come as one stream.
BATCH_TIMEOUT_S = 120.0
BATCHES_A_PAGE = 100
MESSAGES, BATCHES = "/v1/messages", "/v1/messages/batches"

T = TypeVar("T")
_END = object()


class Claude:
    """An Analyzer. One per process: building the client costs more than a call's own overhead."""

    def __init__(
        self,
        *,
        api_key: str,
        base_url: str,
        model: str,
        timeout_s: float,
        escalation_model: str | None = None,
        label: str = "claude",
        count_call: CallCounter | None = None,
    ) -> None:
        self.name = label
        self._count_call = count_call
        self.model = model
        self.escalation_model = escalation_model
        self._client = anthropic.Anthropic(
            api_key=api_key,
            base_url=base_url,
            max_retries=0,
            # Said here, so that no environment variable can switch message content into traces.
            open_telemetry={"traces": {"content_mode": "metadata_only"}},
            timeout=httpx2.Timeout(timeout_s, connect=3.0),
            http_client=httpx2.Client(
                timeout=httpx2.Timeout(timeout_s, connect=3.0),
                limits=httpx2.Limits(max_connections=512, max_keepalive_connections=512, keepalive_expiry=60.0),
                trust_env=False,
            ),
        )

    def prepare(self, request: AnalysisRequest, *, with_room: bool = False, model: str | None = None) -> PreparedCall:
        """The exact call. Pure."""
        model = model or self.model
        parameters = dict(_parameters(model))
        max_tokens = parameters.pop("max_tokens")
        prefix = prefix_of(request, model=model, parameters=_parameters_json(model))
        return PreparedCall(
            provider="anthropic",
            model=model,
            prompt_version=prompt_version(request),
            prompt_hash=prefix.hash,
            system_text=prefix.system_text,
            user_turn=build_user_turn(request),
            max_tokens=ROOM_FACTOR * max_tokens if with_room else max_tokens,
            parameters=parameters,
        )

    def warm(self, call: PreparedCall) -> Usage:
        """One call without an answer, so that the next ones find the prefix in the provider's cache. Raises: AnalysisError."""
        return self._counted(call, lambda: self._create(call)[0].usage, usage_of=lambda usage: usage)

    def model_problem(self, model: str) -> str | None:
        """What is wrong with a model's id: that it does not exist, or that its days are counted; None when nothing is.

        Raises: AnalysisError when the provider can't be asked.
        """
        failure: AnalysisError | None = None
        problem: str | None = None
        try:
            found: Any = self._client.models.retrieve(model)
            lifecycle = getattr(found, "lifecycle", None)
            if lifecycle not in {None, "active"}:
                problem = f"is {lifecycle} and ends on {getattr(found, 'retires_at', None) or 'a day not told'}"
        except anthropic.NotFoundError:
            problem = "does not exist at the provider"
        except anthropic.APIStatusError as error:
            failure = _from_status(error)
        except (anthropic.APIError, ValueError):
            failure = no_answer("no_connection")
        if failure is not None:
            raise failure
        return problem

    def analyze(self, call: PreparedCall, *, topics: tuple[str, ...]) -> Analysis:
        """One call. Raises: AnalysisError."""
        return self._counted(call, lambda: self._analyze(call, topics=topics), usage_of=lambda answer: answer.usage)

    def _counted(self, call: PreparedCall, make: Callable[[], T], *, usage_of: Callable[[T], Usage]) -> T:
        outcome, usage = "answered", None
        try:
            answer = make()
            usage = usage_of(answer)
            return answer
        except AnalysisError as error:
            outcome, usage = error.code, error.usage
            raise
        finally:
            if self._count_call:
                self._count_call(model=call.model, outcome=outcome, usage=usage)

    def _analyze(self, call: PreparedCall, *, topics: tuple[str, ...]) -> Analysis:
        started = time.monotonic()
        message, request_id, requests_per_min = self._create(call)
        analysis = self._read(
            message,
            roomy=call.max_tokens > _parameters(call.model)["max_tokens"],
            topics=topics,
            prompt_version=call.prompt_version,
            request_id=request_id,
            latency_ms=int((time.monotonic() - started) * 1000),
        )
        return replace(analysis, requests_per_min=requests_per_min)

    def _read(
        self,
        message: ClaudeMessage,
        *,
        roomy: bool,
        topics: tuple[str, ...],
        prompt_version: str = "",
        request_id: str | None = None,
        latency_ms: int = 0,
    ) -> Analysis:
        """The validated answer in a message. roomy: it had all the room that we give. Raises: AnalysisError."""
        usage = message.usage
        if message.stop_reason == "max_tokens":
            raise AnalysisError(CUT_OFF, permanent=roomy, usage=usage, request_id=request_id)
        text = text_of(message, request_id=request_id)
        try:
            read = read_answer(text, topics=topics)
        except ValueError as error:
            failure = AnalysisError(f"{ODD_ANSWER}{error}", permanent=False, usage=usage, request_id=request_id)
        else:
            summary = minimize(read.answer.summary, region=SUMMARY_REGION).text
            return Analysis(
                answer=read.answer.model_copy(update={"summary": summary}),
                analyzer=self.name,
                model=message.model,
                prompt_version=prompt_version,
                usage=usage,
                request_id=request_id,
                latency_ms=latency_ms,
                unknown_topics=read.unknown_topics,
            )
        raise failure

    def _create(self, call: PreparedCall) -> tuple[ClaudeMessage, str | None, int | None]:
        """(message, request id, requests allowed a minute)."""
        failure: AnalysisError
        try:
            # `messages.create` copies the request part by part, makes JSON of a system text that is JSON, and objects of the answer: a
            # third of a call's time.
            raw = self._client.post(MESSAGES, cast_to=httpx2.Response, content=self._body(call))
            request_id = raw.headers.get("request-id")
            allowed = raw.headers.get("anthropic-ratelimit-requests-limit", "")
            message = read_message(json.loads(raw.content))
        except anthropic.APIStatusError as error:
            failure = _from_status(error)
        except anthropic.APITimeoutError:
            failure = no_answer("timeout")
        except anthropic.APIConnectionError:
            failure = no_answer("no_connection")
        except (anthropic.APIError, ValueError, RecursionError):  # a proxy's page among them
            failure = no_answer("odd_answer")
        else:
            if message is not None:
                return message, request_id, int(allowed) if allowed.isdecimal() else None
            failure = no_answer("odd_answer", request_id=request_id)
        # Outside the handler: an exception raised inside it would carry the SDK's, which holds the key and the text.
        raise failure

    def _body(self, call: PreparedCall) -> bytes:
        """The body of a call, which is also that of a request in a batch. Nearly all of it is the system text, which is JSON already."""
        others = {
            "model": call.model,
            "messages": [{"role": "user", "content": call.user_turn}],
            **call.parameters,
            "max_tokens": call.max_tokens,
        }
        said = json.dumps(others, ensure_ascii=False, separators=(",", ":"))
        return f'{{"system":{call.system_text},{said[1:]}'.encode()

    def submit_batch(self, calls: Mapping[str, PreparedCall]) -> str:
        """See BatchAnalyzer."""

        def send() -> Any:
            # A thousand requests made into JSON by one call, as the SDK does it, keep the interpreter from all other threads for 0.3 s.
            body = b'{"requests":[' + b",".join(self._in_batch(name, call) for name, call in calls.items()) + b"]}"
            return self._patient_client.post(BATCHES, cast_to=MessageBatch, content=body)

        return _status_of(_translated(send)).provider_id

    def _in_batch(self, custom_id: str, call: PreparedCall) -> bytes:
        return b'{"custom_id":%b,"params":%b}' % (json.dumps(custom_id).encode(), self._body(call))

    def list_batches(self, *, created_after: datetime) -> list[BatchStatus]:
        """See BatchAnalyzer."""

        def collect() -> list[BatchStatus]:
            found: list[BatchStatus] = []
            page = self._batches.list(limit=BATCHES_A_PAGE)
            while True:
                # A foreign JSON reads as an empty page: "no batches" is believed only of a page that has a list.
                if not isinstance(page.data, list) or "data" not in page.model_fields_set:
                    raise no_answer("odd_answer")
                statuses = [_status_of(batch) for batch in page.data]
                newer = [status for status in statuses if status.created_at > created_after]
                found += newer
                if len(newer) < len(statuses) or not page.has_next_page():
                    return found
                page = page.get_next_page()

        return _translated(collect)

    def get_batch(self, provider_id: str) -> BatchStatus:
        """See BatchAnalyzer."""
        return _status_of(_translated(lambda: self._batches.retrieve(provider_id)))

    def read_batch(self, provider_id: str, *, topics: tuple[str, ...]) -> Iterator[BatchAnswer]:
        """See BatchAnalyzer."""
        lines = _translated(lambda: self._batches.results(provider_id))
        try:
            while (line := _translated(lambda: next(lines, _END))) is not _END:
                yield self._batch_answer(line, topics=topics)
        finally:
            lines.close()

    def cancel_batch(self, provider_id: str) -> None:
        """See BatchAnalyzer."""
        _translated(lambda: self._batches.cancel(provider_id))

    def delete_batch(self, provider_id: str) -> None:
        """See BatchAnalyzer."""
        try:
            _translated(lambda: self._batches.delete(provider_id))
        except AnalysisError as error:
            if error.code != NO_SUCH_BATCH:
                raise

    @property
    def _patient_client(self) -> Any:
        return self._client.with_options(timeout=httpx2.Timeout(BATCH_TIMEOUT_S, connect=3.0))

    @property
    def _batches(self) -> Any:
        return self._patient_client.messages.batches

    def _batch_answer(self, line: Any, *, topics: tuple[str, ...]) -> BatchAnswer:
        custom_id, result = str(getattr(line, "custom_id", "")), getattr(line, "result", None)
        kind = getattr(result, "type", None)
        if kind in {"canceled", "expired"}:
            error = AnalysisError(f"batch_{kind}", permanent=False)
            return BatchAnswer(custom_id, error=error, counts_as_try=kind == "expired")
        told = getattr(result, "message", None)
        message = read_message(told.to_dict()) if isinstance(told, Message) else None
        if kind != "succeeded" or message is None:
            return BatchAnswer(custom_id, error=_batch_error(result))
        message = replace(message, usage=in_batch(message.usage))
        roomy = message.usage.output_tokens > _parameters(message.model)["max_tokens"]
        try:
            return BatchAnswer(custom_id, self._read(message, roomy=roomy, topics=topics))
        except AnalysisError as error:
            return BatchAnswer(custom_id, error=error)


def _batch_error(result: Any) -> AnalysisError:
    """Why a request of a batch was not answered. Its text may quote the request: only the kind is kept."""
    kind = str(getattr(getattr(getattr(result, "error", None), "error", None), "type", "odd_answer"))
    code = kind if kind.replace("_", "").isalnum() and len(kind) < 64 else "odd_answer"
    return AnalysisError(f"batch_{code}", permanent=code == "invalid_request_error")


def _status_of(batch: Any) -> BatchStatus:
    """Raises: AnalysisError when it is no batch (a proxy's page, a foreign JSON)."""
    created_at, provider_id = getattr(batch, "created_at", None), getattr(batch, "id", None)
    if not isinstance(created_at, datetime) or not isinstance(provider_id, str):
        raise no_answer("odd_answer")
    counts = getattr(batch, "request_counts", None)
    kinds = ("processing", "succeeded", "errored", "canceled", "expired")
    requests = sum(int(getattr(counts, kind, None) or 0) for kind in kinds)
    return BatchStatus(provider_id, created_at, getattr(batch, "processing_status", None) == "ended", requests)


def _translated(ask: Callable[[], T]) -> T:
    """The outcome of a call about batches. Raises: AnalysisError in place of anything of the SDK's."""
    try:
        return ask()
    except AnalysisError:
        raise
    except anthropic.APIStatusError as error:
        if error.status_code == 404:
            failure = AnalysisError(NO_SUCH_BATCH, permanent=True, request_id=error.request_id)
        else:
            failure = _from_status(error)
    except (anthropic.APITimeoutError, httpx2.TimeoutException):
        failure = no_answer("timeout")
    except (anthropic.APIConnectionError, httpx2.HTTPError):
        failure = no_answer("no_connection")
    except (anthropic.AnthropicError, ValueError, AttributeError, TypeError):
        failure = no_answer("odd_answer")
    # Outside the handler: see Claude._create.
    raise failure


@lru_cache(maxsize=64)
def _parameters(model: str) -> Mapping[str, Any]:
    """Haiku classifies without thinking; the stronger models refuse the switch, think, and need room for it."""
    answer_format = {"type": "json_schema", "schema": wire_schema()}
    if "haiku" in model:
        return {
            "max_tokens": MAX_TOKENS,
            "output_config": {"effort": "low", "format": answer_format},
            "thinking": {"type": "disabled"},
        }
    return {"max_tokens": THINKING_MAX_TOKENS, "output_config": {"effort": "medium", "format": answer_format}}


@lru_cache(maxsize=64)
def _parameters_json(model: str) -> str:
    return json.dumps({name: value for name, value in _parameters(model).items() if name != "max_tokens"})


def _from_status(error: anthropic.APIStatusError) -> AnalysisError:
    return failure_of(
        error.status_code,
        says_money_is_spent=any(words in str(error) for words in SPENT_WORDS),
        retry_after=error.response.headers.get("retry-after"),
        request_id=error.request_id,
    )
