"""Claude through the Anthropic SDK: the only module that imports it, and where its many ways to fail become one error.

SDK 2.12: retries off (they would wait as long as a header says), answers validated by us (`messages.parse` loses usage and request
id), all that its exceptions carry left behind (they hold the key and the text).
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, TypeVar

import anthropic
import httpx2
from anthropic.types import Message

from analysis.base import (
    CUT_OFF,
    NO_SUCH_BATCH,
    Analysis,
    AnalysisError,
    AnalysisRequest,
    BatchAnswer,
    BatchStatus,
    PreparedCall,
    Usage,
)
from analysis.cost import in_batch, usage_with_cost
from analysis.minimize import minimize
from analysis.prompt import build_system, build_user_turn, prompt_hash, prompt_version
from analysis.schema import read_answer, wire_schema

MAX_TOKENS = 1024
ROOMY_MAX_TOKENS = 3 * MAX_TOKENS
MAX_RETRY_AFTER_S = 300.0
USAGE_LIMIT_TEXT = "You have reached your specified"
# Summaries may repeat what the prompt forbids; region plays no part for what already went through the stripper once.
SUMMARY_REGION = "US"
# A thousand requests are some ten megabytes, and their answers come as one stream.
BATCH_TIMEOUT_S = 120.0
BATCHES_A_PAGE = 100

T = TypeVar("T")
_END = object()

# HTTP status to (code, permanent, provider_down, retry_after_s). What is not here is judged by its class of status.
_STATUSES: dict[int, tuple[str, bool, bool, float | None]] = {
    401: ("key_refused", False, True, 60.0),
    402: ("payment_required", False, True, 300.0),
    403: ("not_permitted", False, True, 60.0),
    404: ("model_not_found", False, True, 60.0),
    408: ("provider_timeout", False, True, None),
    409: ("provider_conflict", False, True, None),
    413: ("too_large", True, False, None),
    422: ("unprocessable", True, False, None),
    429: ("rate_limited", False, True, None),
    529: ("overloaded", False, True, 5.0),
}


class Claude:
    """An Analyzer. One per process: building the client costs more than a call's own overhead."""

    def __init__(self, *, api_key: str, base_url: str, model: str, timeout_s: float, label: str = "claude") -> None:
        self.name = label
        self._model = model
        # Haiku classifies without thinking; other models refuse the switch.
        self._parameters: dict[str, Any] = {
            "max_tokens": MAX_TOKENS,
            "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": wire_schema()}},
        }
        if "haiku" in model:
            self._parameters["thinking"] = {"type": "disabled"}
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

    def prepare(self, request: AnalysisRequest, *, with_room: bool = False) -> PreparedCall:
        """The exact call. Pure."""
        system = build_system(request)
        return PreparedCall(
            provider="anthropic",
            model=self._model,
            prompt_version=prompt_version(request),
            prompt_hash=prompt_hash(system, model=self._model, parameters=self._parameters),
            system_text=json.dumps(system, ensure_ascii=False, sort_keys=True),
            user_turn=build_user_turn(request),
            max_tokens=ROOMY_MAX_TOKENS if with_room else MAX_TOKENS,
        )

    def analyze(self, call: PreparedCall, *, topics: tuple[str, ...]) -> Analysis:
        """One call. Raises: AnalysisError."""
        started = time.monotonic()
        message, request_id = self._create(call)
        return self._read(
            message,
            roomy=call.max_tokens >= ROOMY_MAX_TOKENS,
            usage=_usage(message),
            topics=topics,
            prompt_version=call.prompt_version,
            request_id=request_id,
            latency_ms=int((time.monotonic() - started) * 1000),
        )

    def _read(
        self,
        message: Message,
        *,
        roomy: bool,
        usage: Usage,
        topics: tuple[str, ...],
        prompt_version: str = "",
        request_id: str | None = None,
        latency_ms: int = 0,
    ) -> Analysis:
        """The validated answer in a message. roomy: it had all the room that we give. Raises: AnalysisError."""
        if message.stop_reason == "max_tokens":
            raise AnalysisError(CUT_OFF, permanent=roomy, usage=usage, request_id=request_id)
        text = _text(message, usage=usage, request_id=request_id)
        try:
            answer = read_answer(text, topics=topics)
        except ValueError as error:
            failure = AnalysisError(f"answer_{error}", permanent=False, usage=usage, request_id=request_id)
        else:
            summary = minimize(answer.summary, region=SUMMARY_REGION).text
            return Analysis(
                answer=answer.model_copy(update={"summary": summary}),
                analyzer=self.name,
                model=message.model,
                prompt_version=prompt_version,
                usage=usage,
                request_id=request_id,
                latency_ms=latency_ms,
            )
        raise failure

    def _create(self, call: PreparedCall) -> tuple[Message, str | None]:
        failure: AnalysisError
        try:
            create: Any = self._client.messages.with_raw_response.create
            raw = create(**self._request(call))
            request_id = raw.headers.get("request-id")
            message: Any = raw.parse()
        except anthropic.APIStatusError as error:
            failure = _from_status(error)
        except anthropic.APITimeoutError:
            failure = AnalysisError("timeout", permanent=False, provider_down=True)
        except anthropic.APIConnectionError:
            failure = AnalysisError("no_connection", permanent=False, provider_down=True)
        except (anthropic.APIError, ValueError):
            failure = AnalysisError("odd_answer", permanent=False, provider_down=True)
        else:
            # A proxy's HTML page comes back as text, a foreign JSON as a Message of Nones: both without an exception.
            if isinstance(message, Message) and message.stop_reason is not None:
                return message, request_id
            failure = AnalysisError("odd_answer", permanent=False, provider_down=True, request_id=request_id)
        # Outside the handler: an exception raised inside it would carry the SDK's, which holds the key and the text.
        raise failure

    def _request(self, call: PreparedCall) -> dict[str, Any]:
        """The body of a call, which is also that of a request in a batch."""
        return {
            "model": call.model,
            "system": json.loads(call.system_text),
            "messages": [{"role": "user", "content": call.user_turn}],
            **self._parameters,
            "max_tokens": call.max_tokens,
        }

    def submit_batch(self, calls: Mapping[str, PreparedCall]) -> str:
        """See BatchAnalyzer."""
        requests: Any = [{"custom_id": custom_id, "params": self._request(call)} for custom_id, call in calls.items()]
        batch = _translated(lambda: self._batches.create(requests=requests))
        return _status_of(batch).provider_id

    def list_batches(self, *, created_after: datetime) -> list[BatchStatus]:
        """See BatchAnalyzer."""

        def collect() -> list[BatchStatus]:
            found: list[BatchStatus] = []
            page = self._batches.list(limit=BATCHES_A_PAGE)
            while True:
                # A foreign JSON reads as an empty page: "no batches" is believed only of a page that has a list.
                if not isinstance(page.data, list) or "data" not in page.model_fields_set:
                    raise AnalysisError("odd_answer", permanent=False, provider_down=True)
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
    def _batches(self) -> Any:
        return self._client.with_options(timeout=httpx2.Timeout(BATCH_TIMEOUT_S, connect=3.0)).messages.batches

    def _batch_answer(self, line: Any, *, topics: tuple[str, ...]) -> BatchAnswer:
        custom_id, result = str(getattr(line, "custom_id", "")), getattr(line, "result", None)
        kind = getattr(result, "type", None)
        if kind in {"canceled", "expired"}:
            error = AnalysisError(f"batch_{kind}", permanent=False)
            return BatchAnswer(custom_id, error=error, counts_as_try=kind == "expired")
        message = getattr(result, "message", None)
        if kind != "succeeded" or not isinstance(message, Message) or message.stop_reason is None:
            return BatchAnswer(custom_id, error=_batch_error(result))
        usage = in_batch(_usage(message))
        roomy = usage.output_tokens > MAX_TOKENS
        try:
            return BatchAnswer(custom_id, self._read(message, roomy=roomy, usage=usage, topics=topics))
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
        raise AnalysisError("odd_answer", permanent=False, provider_down=True)
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
        failure = AnalysisError("timeout", permanent=False, provider_down=True)
    except (anthropic.APIConnectionError, httpx2.HTTPError):
        failure = AnalysisError("no_connection", permanent=False, provider_down=True)
    except (anthropic.AnthropicError, ValueError, AttributeError, TypeError):
        failure = AnalysisError("odd_answer", permanent=False, provider_down=True)
    # Outside the handler: see Claude._create.
    raise failure


def _from_status(error: anthropic.APIStatusError) -> AnalysisError:
    status, request_id = error.status_code, error.request_id
    if status == 400:
        if USAGE_LIMIT_TEXT in str(error):
            return AnalysisError(
                "usage_limit",
                permanent=False,
                provider_down=True,
                retry_after_s=MAX_RETRY_AFTER_S,
                request_id=request_id,
            )
        return AnalysisError("bad_request", permanent=True, request_id=request_id)
    asked = _retry_after_s(error.response.headers.get("retry-after"))
    code, permanent, provider_down, wait_s = _STATUSES.get(
        status, ("provider_error", False, True, None) if status >= 500 else ("refused_request", True, False, None)
    )
    if status == 429 and asked is None:
        wait_s = MAX_RETRY_AFTER_S if "spend_limit" in str(error) else 10.0
    return AnalysisError(
        f"{code}_{status}",
        permanent=permanent,
        provider_down=provider_down,
        retry_after_s=asked or wait_s,
        request_id=request_id,
    )


def _retry_after_s(header: str | None) -> float | None:
    """Seconds of a Retry-After header, capped; None when it is absent or a date."""
    try:
        return min(max(float(header or ""), 0.0), MAX_RETRY_AFTER_S)
    except ValueError:
        return None


def _usage(message: Message) -> Usage:
    usage: Any = message.usage
    return usage_with_cost(
        message.model,
        input_tokens=getattr(usage, "input_tokens", 0) or 0,
        output_tokens=getattr(usage, "output_tokens", 0) or 0,
        cached_tokens=getattr(usage, "cache_read_input_tokens", 0) or 0,
        cache_write_tokens=getattr(usage, "cache_creation_input_tokens", 0) or 0,
    )


def _text(message: Message, *, usage: Usage, request_id: str | None) -> str:
    """The answer's text; the first block may be thinking. Raises: AnalysisError for any ending but a good one."""
    if message.stop_reason == "refusal":
        raise AnalysisError("refused", permanent=True, usage=usage, request_id=request_id)
    if message.stop_reason != "end_turn":
        raise AnalysisError(f"stopped_{message.stop_reason}", permanent=True, usage=usage, request_id=request_id)
    for block in message.content or []:
        if block.type == "text" and block.text:
            return block.text
    raise AnalysisError("answer_empty", permanent=False, usage=usage, request_id=request_id)
