"""How long the server takes for each page: a header for whoever looks, a metric for whoever is on call, and a line for what is slow."""

import time

import structlog
from flask import Flask, Response, g, request

from config.tracing import span
from console.metrics import PAGE_SECONDS

log = structlog.get_logger()

SLOW_S = 0.5
# Asked every few seconds by machines: nobody looks at their traces.
PROBES = frozenset({"healthz", "metrics", "static"})


def add_timing(app: Flask) -> None:
    """Around every request; of a stream, until it begins."""

    @app.before_request
    def begin() -> None:
        g.began_at = time.perf_counter()
        if request.endpoint not in PROBES:
            g.span = span("page", endpoint=request.endpoint)
            g.span.__enter__()

    @app.after_request
    def tell(answer: Response) -> Response:
        began_at = g.pop("began_at", None)
        if began_at is None:
            return answer
        taken_s = time.perf_counter() - began_at
        # Never the address: it may hold what somebody looked for.
        endpoint = request.endpoint or "none"
        if "span" in g:
            g.span.note(status=answer.status_code)
        answer.headers["Server-Timing"] = f"app;dur={taken_s * 1000:.1f}"
        PAGE_SECONDS.labels(endpoint).observe(taken_s)
        if taken_s >= SLOW_S:
            log.warning("page_slow", endpoint=endpoint, status=answer.status_code, taken_ms=round(taken_s * 1000))
        return answer

    @app.teardown_request
    def end(error: BaseException | None) -> None:
        if "span" in g:
            g.pop("span").__exit__(None, error, None)
