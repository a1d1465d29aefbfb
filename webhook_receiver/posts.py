"""Webhooks as plain WSGI, beside the Flask application that serves all else: Flask's own way to a route and back costs as much as
everything that is done with a message here.
"""

from collections.abc import Callable, Iterable
from typing import Any

import gevent
import structlog
from flask import Flask, Response
from werkzeug.exceptions import BadRequest, HTTPException, RequestEntityTooLarge
from werkzeug.http import HTTP_STATUS_CODES

from channels.base import ChannelKind
from channels.registry import PARSERS
from config.tracing import Span, span
from store.db import StoreError
from webhook_receiver.intake import Intake, NotSigned
from webhook_receiver.metrics import REJECTED
from webhook_receiver.publisher import Publisher

log = structlog.get_logger()

MAX_BODY_BYTES = 4 * 1024 * 1024
# A frozen Postgres answers nothing, not even a time-out of its own: this is ours. Meta tries again for days.
STORE_DEADLINE_S = 2.5
PLAIN = "text/plain; charset=utf-8"
WEBHOOKS = "/webhooks/<kind>"
# Nothing here is a page. Should a browser be led here, it shows, runs, frames and keeps nothing.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_KINDS: dict[str, ChannelKind] = {WEBHOOKS.replace("<kind>", kind): kind for kind in PARSERS}
_ANSWER_HEADERS = [("Content-Type", PLAIN), *HEADERS.items()]

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]
# A status and what is said with it.
Answer = tuple[int, bytes]
STORED: Answer = (200, b"")


class Posts:
    """Around a Flask application: answers its posted webhooks, and leaves it every other request, and what must be told of an error."""

    def __init__(self, app: Flask, intake: Intake, publisher: Publisher) -> None:
        self._app = app
        self._others: Wsgi = app.wsgi_app
        self._intake = intake
        self._publisher = publisher

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Serve one request."""
        kind = _KINDS.get(environ["PATH_INFO"]) if environ["REQUEST_METHOD"] == "POST" else None
        if kind is None:
            return self._others(environ, start_response)
        try:
            # No `traceparent` of the sender's is honoured: whoever sends one could have every webhook traced, or put them into foreign traces.
            with span("webhook", channel=kind, route=WEBHOOKS) as here:
                status, text = self._receive(kind, environ, here)
                here.note(status=status)
        except Exception as error:  # noqa: BLE001 -- what is no answer of ours is Flask's to answer and to report
            return self._failed(error, environ)(environ, start_response)
        start_response(f"{status} {HTTP_STATUS_CODES[status]}", [("Content-Length", str(len(text))), *_ANSWER_HEADERS])
        return [text]

    def _receive(self, kind: ChannelKind, environ: dict[str, Any], here: Span) -> Answer:
        if environ.get("HTTP_CONTENT_ENCODING", "") not in {"", "identity"}:
            REJECTED.labels(kind, "encoded").inc()
            return 415, b"send the body without Content-Encoding\n"
        body = _read_body(environ)
        try:
            with gevent.Timeout(STORE_DEADLINE_S):
                runs = self._intake.take(kind, body, signature=environ.get("HTTP_X_HUB_SIGNATURE_256"))
        except NotSigned:
            REJECTED.labels(kind, "signature").inc()
            return 401, b"X-Hub-Signature-256 fits no known app secret\n"
        except (StoreError, gevent.Timeout) as error:
            REJECTED.labels(kind, "not_stored").inc()
            log.warning("not_stored", code=error.code if isinstance(error, StoreError) else "deadline")
            return 503, b"not stored; try again\n"
        here.note(messages=len(runs))
        self._publisher.offer(runs)
        return STORED

    def _failed(self, error: Exception, environ: dict[str, Any]) -> Response:
        app = self._app
        with app.request_context(environ):
            if isinstance(error, HTTPException):
                return app.finalize_request(app.handle_user_exception(error))
            return app.handle_exception(error)


def _read_body(environ: dict[str, Any]) -> bytes:
    """Raises: HTTPException for one that is too long, comes too slowly or ends too soon."""
    stream, announced = environ["wsgi.input"], environ.get("CONTENT_LENGTH") or None
    if announced is None:  # in chunks, or none
        body = stream.read(MAX_BODY_BYTES + 1)
        if len(body) > MAX_BODY_BYTES:
            raise RequestEntityTooLarge
        return body
    length = int(announced)  # gunicorn has looked at it
    if length > MAX_BODY_BYTES:
        raise RequestEntityTooLarge
    body = stream.read(length)
    if len(body) < length:
        raise BadRequest
    return body
