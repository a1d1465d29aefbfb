"""Reports of bugs to Sentry, of which only class, code, place in our code and ids leave.

Off unless SENTRY_DSN is set; then nothing of Sentry is loaded. What the SDK would gather by itself (texts of exceptions, local variables,
requests, log lines, arguments of tasks) is off, and events are made here, field by field, rather than cleaned afterwards.
"""

import atexit
import importlib.util
import logging
from importlib.metadata import version
from typing import Any

import structlog

from config.error_facts import class_of, code_of, own_frames
from config.settings import SettingsError
from config.tracing import trace_ids

# Of what is bound to log lines while a task runs.
IDS = ("tenant_id", "message_id", "task", "task_id")
# All that may leave of an event: what is made here, and what the SDK must add.
KEPT = frozenset({"event_id", "exception", "level", "platform", "release", "tags", "timestamp"})
MAX_CAUSES = 5
LAST_REPORTS_WITHIN_S = 2.0

_service: str | None = None


def start_error_reports(service: str, *, dsn: str | None) -> None:
    """Begin to report this process's bugs; nothing without a DSN. Call it after a fork.

    Raises: SettingsError when the extra is not installed or the DSN is none.
    """
    global _service  # noqa: PLW0603 -- one a process, like the log
    if not dsn:
        return
    if importlib.util.find_spec("sentry_sdk") is None:
        message = "SENTRY_DSN is set, and reporting to Sentry is not installed: pip install 'earshot[sentry]'"
        raise SettingsError(message)
    import sentry_sdk  # the extra
    from sentry_sdk.utils import BadDsn

    try:
        sentry_sdk.init(
            dsn=dsn,
            release=f"earshot@{version('earshot')}",
            default_integrations=False,
            auto_enabling_integrations=False,
            integrations=[],
            before_send=_only_kept,
            max_breadcrumbs=0,
            include_local_variables=False,
            include_source_context=False,
            data_collection={"user_info": False, "http_bodies": [], "stack_frame_variables": False, "queues": False},
            max_request_body_size="never",
            auto_session_tracking=False,
            send_client_reports=False,
            spotlight=False,
            debug=False,
        )
    except BadDsn:
        message = "SENTRY_DSN is no address such as https://key@host/number"
        raise SettingsError(message) from None
    # Three lines with the address for each report that does not arrive.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
    _service = service
    atexit.register(sentry_sdk.flush, timeout=LAST_REPORTS_WITHIN_S)


def report(error: BaseException) -> None:
    """Tell of a bug, in the background. Nothing when reports are off; never raises."""
    if _service is None:
        return
    import sentry_sdk

    try:
        sentry_sdk.capture_event(event_of(error, service=_service))
    except Exception as failure:  # noqa: BLE001 -- a report that fails must not become a second bug
        structlog.get_logger().warning("bug_not_reported", code=class_of(failure))


def event_of(error: BaseException, *, service: str) -> Any:
    """The event: the exception and its causes, innermost first, and ids."""
    causes: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in causes and len(causes) < MAX_CAUSES:
        causes.append(link)
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    bound = structlog.contextvars.get_contextvars()
    ids = {name: str(bound[name]) for name in IDS if name in bound}
    return {
        "level": "error",
        "platform": "python",
        "exception": {"values": [_told(cause) for cause in reversed(causes)]},
        "tags": {"service": service, **ids, **trace_ids()},
    }


def _told(error: BaseException) -> dict[str, Any]:
    frames = [
        {
            "filename": f"{module.replace('.', '/')}.py",
            "module": module,
            "function": function,
            "lineno": line,
            "in_app": True,
        }
        for module, function, line in own_frames(error.__traceback__)
    ]
    return {"type": class_of(error), "value": code_of(error) or "", "stacktrace": {"frames": frames}}


def _only_kept(event: Any, _: Any) -> Any:
    return {name: value for name, value in event.items() if name in KEPT}
