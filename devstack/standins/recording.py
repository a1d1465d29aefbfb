"""What every stand-in has: it keeps what it received, and can be told how to misbehave."""

import json
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatch
from http import HTTPStatus
from typing import Any

import gevent

KEPT_REQUESTS = 200_000
SECRET_HEADERS = ("authorization", "x-api-key", "cookie")

StartResponse = Callable[..., Any]


@dataclass(frozen=True)
class Request:
    """One request, decoded."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The decoded body; None when it is no JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def bearer(self) -> str:
        """The token, empty when there is none."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""


@dataclass(frozen=True)
class Answer:
    """What goes back. body: anything JSON, or text."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])


@dataclass
class _Step:
    method: str | None
    path: str | None
    times: int
    status: int | None
    headers: dict[str, str]
    delay_s: float
    body: Any
    drop: str | None

    def fits(self, request: Request) -> bool:
        path_fits = self.path is None or request.path.startswith(self.path) or fnmatch(request.path, self.path)
        return path_fits and (self.method is None or self.method.upper() == request.method)


class _Drop(Exception):
    """Close the connection without an answer."""


class StandIn:
    """A WSGI application: recording and scripting around `handle`, which subclasses write."""

    def __init__(self) -> None:
        self._received: deque[dict[str, Any]] = deque(maxlen=KEPT_REQUESTS)
        self._steps: list[_Step] = []
        self.lock = threading.RLock()

    def handle(self, request: Request) -> Answer:
        """The default behaviour."""
        raise NotImplementedError

    def control(self, request: Request) -> Answer | None:
        """Further `/_…` routes of one stand-in; None when it has no such route."""
        _ = request
        return None

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        request = _read(environ)
        try:
            answer = self._control(request) if request.path.startswith("/_") else self._record_and_answer(request)
        except _Drop:
            environ["standin.socket"].shutdown(socket.SHUT_RDWR)
            raise ConnectionAbortedError from None
        return _write(answer, start_response)

    def _record_and_answer(self, request: Request) -> Answer:
        headers = {name: "[redacted]" if name in SECRET_HEADERS else value for name, value in request.headers.items()}
        path = request.path + (
            "?" + "&".join(f"{k}={v}" for k, v in request.query.items() if "token" not in k) if request.query else ""
        )
        with self.lock:
            self._received.append(
                {
                    "at": datetime.now(UTC).isoformat(),
                    "method": request.method,
                    "path": path.removesuffix("?"),
                    "headers": headers,
                    "body": request.body.decode(errors="replace"),
                }
            )
            step = self._take_step(request)
        if step is None:
            return self.handle(request)
        if step.drop == "before":
            raise _Drop
        if step.delay_s:
            gevent.sleep(step.delay_s)
        if step.drop == "after":
            self.handle(request)
            raise _Drop
        if step.status is None:
            return self.handle(request)
        return Answer(step.body, step.status, step.headers)

    def _take_step(self, request: Request) -> _Step | None:
        for step in self._steps:
            if step.times > 0 and step.fits(request):
                step.times -= 1
                if step.times == 0:
                    self._steps.remove(step)
                return step
        return None

    def _control(self, request: Request) -> Answer:
        route = (request.method, request.path)
        with self.lock:
            if route == ("GET", "/_health"):
                return Answer({"ok": True})
            if route == ("GET", "/_received"):
                return Answer("".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in self._received))
            if route == ("DELETE", "/_received"):
                self._received.clear()
                return Answer({"ok": True})
            if route == ("POST", "/_script"):
                return self._add_steps(request.json())
            if route == ("DELETE", "/_script"):
                self._steps.clear()
                return Answer({"ok": True})
        return self.control(request) or Answer({"error": "no such control route"}, 404)

    def _add_steps(self, script: Any) -> Answer:
        known = {"method", "path", "times", "status", "headers", "delay_s", "body", "drop"}
        steps = script.get("steps") if isinstance(script, dict) else None
        if not isinstance(steps, list) or any(not isinstance(step, dict) or set(step) - known for step in steps):
            return Answer({"error": f"steps must be a list of objects with keys of {sorted(known)}"}, 400)
        for step in steps:
            self._steps.append(
                _Step(
                    method=step.get("method"),
                    path=step.get("path"),
                    times=int(step.get("times", 1)),
                    status=step.get("status"),
                    headers=dict(step.get("headers") or {}),
                    delay_s=float(step.get("delay_s", 0)),
                    body=step.get("body"),
                    drop=step.get("drop"),
                )
            )
        return Answer({"ok": True, "steps": len(self._steps)})


def _read(environ: dict[str, Any]) -> Request:
    length = environ.get("CONTENT_LENGTH")
    body = environ["wsgi.input"].read(int(length)) if length else environ["wsgi.input"].read()
    headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
    if environ.get("CONTENT_TYPE"):
        headers["content-type"] = environ["CONTENT_TYPE"]
    query = dict(part.partition("=")[::2] for part in environ.get("QUERY_STRING", "").split("&") if part)
    return Request(environ["REQUEST_METHOD"], environ.get("PATH_INFO", ""), query, headers, body)


def _write(answer: Answer, start_response: StartResponse) -> Iterable[bytes]:
    is_text = isinstance(answer.body, str)
    if answer.body is None:
        payload = b""
    else:
        payload = answer.body.encode() if is_text else json.dumps(answer.body, ensure_ascii=False).encode()
    headers = {
        "Content-Type": "text/plain; charset=utf-8" if is_text else "application/json",
        **answer.headers,
        "Content-Length": str(len(payload)),
    }
    try:
        reason = HTTPStatus(answer.status).phrase
    except ValueError:
        reason = "Overloaded"
    start_response(f"{answer.status} {reason}", list(headers.items()))
    return [payload]
