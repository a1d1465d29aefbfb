"""One trace from a webhook to the CRM, for those who collect traces: ids, codes and counts, and no way to put anything else into it.

Off unless OTEL_EXPORTER_OTLP_ENDPOINT is set; then no line of OpenTelemetry is loaded here and a span is a check for None. What runs now
is known to a variable of ours alone, not to OpenTelemetry's own context: the model's SDK would send that to the provider with each call,
and add spans of its own.
"""

import importlib.util
import re
from contextvars import ContextVar
from typing import Any, Self

from config.error_facts import class_of, code_of, is_word
from config.settings import SettingsError

# What a span may say, by the name in our code. Others are left out; tests/unit/test_tracing.py finds them.
FACTS = {
    "tenant_id": "earshot.tenant_id",
    "message_id": "earshot.message_id",
    "run_id": "earshot.run_id",
    "channel": "earshot.channel",
    "messages": "earshot.messages",
    "route": "http.route",
    "status": "http.response.status_code",
    "endpoint": "earshot.endpoint",
    "model": "gen_ai.request.model",
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "cached_tokens": "earshot.cached_tokens",
    "cost_microusd": "earshot.cost_microusd",
    "outcome": "earshot.outcome",
}
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TRACE = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")

_tracer: Any = None
_current: ContextVar[Any] = ContextVar("current_span", default=None)


def start_tracing(service: str, *, endpoint: str | None, headers: str | None = None) -> None:
    """Begin to export spans of this process; nothing without an endpoint. headers: `name=value`, comma-separated, for the collector.

    Call it after a fork. Raises: SettingsError when the extra is not installed.
    """
    global _tracer  # noqa: PLW0603 -- one a process, like the log
    if not endpoint or _tracer is not None:
        return
    if importlib.util.find_spec("opentelemetry.sdk") is None or not _has_exporter():
        message = "OTEL_EXPORTER_OTLP_ENDPOINT is set, and tracing is not installed: pip install 'earshot[otel]'"
        raise SettingsError(message)
    from config.span_export import build_tracer  # it loads OpenTelemetry

    _tracer = build_tracer(service, endpoint=endpoint, headers=headers)


def _has_exporter() -> bool:
    try:
        return importlib.util.find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:
        return False


class Span:
    """Something that takes time, as a context manager; this one is of nobody's interest."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        pass

    def note(self, **facts: str | int | None) -> None:
        """Say more of it: names of FACTS."""


_NOBODYS = Span()


class _Continued(Span):
    """What runs within it belongs to a trace that began elsewhere."""

    def __init__(self, span: Any) -> None:
        self._span = span
        self._outer: Any = None

    def __enter__(self) -> Self:
        self._outer = _current.get()
        _current.set(self._span)
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        _current.set(self._outer)


class _Told(_Continued):
    """A span that is exported. An exception that ends it is told by class and code."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        super().__exit__(kind, error, trace)
        if error is not None:
            from opentelemetry.trace import StatusCode

            self._span.set_status(StatusCode.ERROR)
            self._span.set_attribute("error.type", class_of(error))
            code = code_of(error)
            if code is not None:
                self._span.set_attribute("earshot.code", code)
        self._span.end()

    def note(self, **facts: str | int | None) -> None:
        for name, value in facts.items():
            if name in FACTS and value is not None and _may_be_told(name, value):
                self._span.set_attribute(FACTS[name], value)


def _may_be_told(name: str, value: str | int) -> bool:
    if isinstance(value, int):
        return True
    return _ID.fullmatch(value) is not None if name.endswith("_id") else is_word(value.removeprefix("/"))


def span(name: str, *, only_within: bool = False, **facts: str | int | None) -> Span:
    """What is done within it, as a context manager. only_within: no trace begins with it. facts: names of FACTS."""
    if _tracer is None:
        return _NOBODYS
    parent = _current.get()
    if only_within and parent is None:
        return _NOBODYS
    from opentelemetry.context import Context
    from opentelemetry.trace import set_span_in_context

    context = Context() if parent is None else set_span_in_context(parent, Context())
    told = _Told(_tracer.start_span(name, context=context, record_exception=False, set_status_on_exception=False))
    told.note(**facts)
    return told


def current_trace() -> str | None:
    """What a task carries so that its work joins the trace at hand, in the form of W3C's `traceparent`; None when there is none."""
    here = _current.get()
    if here is None:
        return None
    told = here.get_span_context()
    return f"00-{told.trace_id:032x}-{told.span_id:016x}-{int(told.trace_flags):02x}"


def carried_trace() -> dict[str, str]:
    """`current_trace` as an argument of a task; nothing where there is none."""
    trace = current_trace()
    return {"trace": trace} if trace else {}


def continued(trace: object) -> Span:
    """What runs within it joins the trace that `current_trace` told elsewhere; where it told none, it begins its own."""
    read = _TRACE.fullmatch(trace) if _tracer is not None and isinstance(trace, str) else None
    if read is None:
        return _NOBODYS
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

    trace_id, span_id, flags = (int(part, 16) for part in read.groups())
    return _Continued(NonRecordingSpan(SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))))


def trace_ids() -> dict[str, str]:
    """For a log line: the trace and the span at hand; empty where there is none."""
    here = _current.get()
    if here is None:
        return {}
    told = here.get_span_context()
    return {"trace_id": f"{told.trace_id:032x}", "span_id": f"{told.span_id:016x}"}
