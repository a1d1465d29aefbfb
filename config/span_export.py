"""How spans leave: in batches from a bounded queue, by OTLP over HTTP, in the background. The only module that sets OpenTelemetry up.

The provider is not made the process's own, so that no library adds spans to ours. OTEL_TRACES_SAMPLER, OTEL_BSP_*, OTEL_RESOURCE_ATTRIBUTES
and the exporter's time-outs and certificates are read by the SDK.
"""

import atexit
import logging
import os
import time
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.util.re import parse_env_headers

log = structlog.get_logger()

TOLD_EVERY_S = 60.0
# A collector that hangs must not hold up the end of a process.
LAST_EXPORT_WITHIN_S = 3.0
MAX_ATTRIBUTE_LENGTH = 200


class QuietExporter(SpanExporter):
    """Another exporter, of whose failures there is at most one log line a minute, with the number of spans that were lost meanwhile."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._lost = 0
        self._told_at: float | None = None

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Never raises."""
        try:
            result = self._exporter.export(spans)
        except Exception:  # noqa: BLE001 -- whatever a collector does, traces are for convenience
            result = SpanExportResult.FAILURE
        if result is not SpanExportResult.SUCCESS:
            self._lost += len(spans)
            self._tell()
        return result

    def _tell(self) -> None:
        now = time.monotonic()
        if self._told_at is None or now - self._told_at >= TOLD_EVERY_S:
            log.warning("spans_not_exported", spans=self._lost)
            self._lost, self._told_at = 0, now

    def shutdown(self) -> None:
        """As the other's."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """As the other's."""
        return self._exporter.force_flush(timeout_millis)


def build_tracer(service: str, *, endpoint: str, headers: str | None) -> Any:
    """A tracer whose spans leave for the collector at `endpoint`."""
    # Their texts quote what the collector answered, and come with every batch; ours come once a minute.
    quiet = logging.getLogger("opentelemetry")
    quiet.propagate = False
    quiet.addHandler(logging.NullHandler())
    exporter = OTLPSpanExporter(
        endpoint=f"{endpoint.rstrip('/')}/v1/traces",
        headers=parse_env_headers(headers, liberal=True) if headers else None,
    )
    processor = BatchSpanProcessor(QuietExporter(exporter))
    provider = TracerProvider(
        resource=Resource.create(
            {
                SERVICE_NAME: os.environ.get("OTEL_SERVICE_NAME") or f"earshot-{service}",
                SERVICE_VERSION: version("earshot"),
            }
        ),
        span_limits=SpanLimits(max_attribute_length=MAX_ATTRIBUTE_LENGTH),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(processor)
    atexit.register(_end, processor)
    return provider.get_tracer("earshot")


def _end(processor: BatchSpanProcessor) -> None:
    """Send what is left. The SDK's own end waits for half a minute, and offers no shorter one."""
    processor._batch_processor.shutdown(timeout_millis=int(LAST_EXPORT_WITHIN_S * 1000))  # noqa: SLF001
