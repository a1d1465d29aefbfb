"""Structured logs that cannot carry customer text: a static event name, ids, codes and counts."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from config.tracing import trace_ids

# Keys whose values are dropped wherever they turn up, as a second wall behind "log ids only".
FORBIDDEN_KEYS = frozenset(
    {
        "text", "body", "summary", "minimized_text", "user_turn", "phone", "username", "email", "display_name", "name",
        "provider_message_id", "recipient", "sender", "token", "password", "secret", "exc_info", "exception",
    }
)  # fmt: skip
# Libraries that log bodies, URLs or arguments at INFO or DEBUG.
QUIET_LOGGERS = ("anthropic", "httpx2", "httpcore2", "psycopg", "psycopg.pool", "kombu", "amqp", "urllib3")


def _drop_forbidden(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key in FORBIDDEN_KEYS & event.keys():
        event[key] = "[dropped]"
    return event


def _add_trace(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event.update(trace_ids())
    return event


class CodeOnlyFormatter(logging.Formatter):
    """For libraries' own log records: an exception becomes its class, because its text may quote values."""

    def formatException(self, ei: Any) -> str:  # noqa: N802 -- the name is logging's
        """The class name alone."""
        return f"[{ei[0].__name__ if ei and ei[0] else 'exception'}]"


class _StderrLogger(structlog.PrintLogger):
    """Writes to standard error as it is at the moment: a kept logger must not hold on to one that was closed meanwhile."""

    def __init__(self, *_: object) -> None:
        super().__init__(sys.stderr)

    def msg(self, message: str) -> None:
        """One line."""
        # In one piece: threads write at once.
        sys.stderr.write(f"{message}\n")
        sys.stderr.flush()

    log = debug = info = warn = warning = fatal = failure = err = error = critical = exception = msg


def configure_logging(*, level: str, log_format: str) -> None:
    """Set up structlog and the standard library's logging for this process, once."""
    renderer: Any = (
        structlog.processors.JSONRenderer() if log_format == "json" else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _add_trace,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _drop_forbidden,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=_StderrLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(CodeOnlyFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.root.handlers = [handler]
    logging.root.setLevel(level)
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
