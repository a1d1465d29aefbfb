"""What every stand-in has: it keeps what it received, and can be told how to misbehave."""

import errno
import json
import socket
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import gevent

from devstack.standins.exchange import Answer, Request, StartResponse, read_request, write_answer
from devstack.standins.script import Script, Step, parse_steps

KEPT_REQUESTS = 200_000
# A call to Claude is several kB; a long load test must not fill the machine's memory.
KEPT_BYTES = 1_000_000_000


class ReceivedLog:
    """The newest requests as JSON lines, oldest first."""

    def __init__(self, *, max_requests: int = KEPT_REQUESTS, max_bytes: int = KEPT_BYTES) -> None:
        self._lines: deque[str] = deque()
        self._characters = 0
        self._max_requests = max_requests
        self._max_bytes = max_bytes

    def add(self, request: Request) -> None:
        """Keep one request; the oldest make room."""
        entry = {"at": datetime.now(UTC).isoformat(), **request.without_secrets()}
        line = json.dumps(entry, ensure_ascii=False) + "\n"
        self._lines.append(line)
        self._characters += len(line)
        while len(self._lines) > self._max_requests or self._characters > self._max_bytes:
            self._characters -= len(self._lines.popleft())

    def clear(self) -> None:
        """Forget everything."""
        self._lines.clear()
        self._characters = 0

    def text(self) -> str:
        """All lines."""
        return "".join(self._lines)


class _Drop(Exception):
    """Close the connection without an answer."""


class StandIn(ABC):
    """A WSGI application: recording and scripting around `handle`, which subclasses write."""

    def __init__(self) -> None:
        self._received = ReceivedLog()
        self._script = Script()
        self.lock = threading.RLock()

    @abstractmethod
    def handle(self, request: Request) -> Answer:
        """The default behaviour."""

    def control(self, request: Request) -> Answer | None:
        """Further `/_…` routes of one stand-in; None when it has no such route."""
        _ = request
        return None

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        request = read_request(environ)
        try:
            answer = self._control(request) if request.path.startswith("/_") else self._record_and_answer(request)
        except _Drop:
            environ["standin.socket"].shutdown(socket.SHUT_RDWR)
            # The error that gevent's server takes for a client that went away, and says nothing about.
            raise ConnectionResetError(errno.ECONNRESET, "dropped by script") from None
        return write_answer(answer, start_response)

    def _record_and_answer(self, request: Request) -> Answer:
        with self.lock:
            self._received.add(request)
            step = self._script.take(request)
        return self.handle(request) if step is None else self._play(step, request)

    def _play(self, step: Step, request: Request) -> Answer:
        if step.delay_s:
            gevent.sleep(step.delay_s)
        if step.drop == "before":
            raise _Drop
        if step.drop == "after":
            self.handle(request)
            raise _Drop
        if step.status is None:
            return self.handle(request)
        return Answer(step.body, step.status, step.headers)

    def _control(self, request: Request) -> Answer:
        route = (request.method, request.path)
        with self.lock:
            if route == ("GET", "/_health"):
                return Answer({"ok": True})
            if route == ("GET", "/_received"):
                return Answer(self._received.text())
            if route == ("DELETE", "/_received"):
                self._received.clear()
                return Answer({"ok": True})
            if route == ("POST", "/_script"):
                return self._add_steps(request)
            if route == ("DELETE", "/_script"):
                self._script.clear()
                return Answer({"ok": True})
        return self.control(request) or Answer({"error": "no such control route"}, 404)

    def _add_steps(self, request: Request) -> Answer:
        try:
            steps = parse_steps(request.json())
        except ValueError as error:
            return Answer({"error": str(error)}, 400)
        return Answer({"ok": True, "waiting": self._script.add(steps)})
