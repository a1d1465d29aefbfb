"""What holds while a library we don't control sends something to an address that a tenant chose.

The thread's look-ups of names give public addresses or fail (the addresses checked are those that are connected to), everything
together ends in time, and an answer fills no memory. The guard stands in the standard library and in requests, where nothing passes
it by; threads that send nothing under it notice nothing.
"""

import os
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from channels.guarded_http import MAX_ANSWER_BYTES, is_public

# A server that drips a byte every few seconds keeps within every time-out of the library's.
SEND_WITHIN_S = 30.0
_this_thread = threading.local()


@dataclass
class GuardedSend:
    """One send. was_refused: a name led to an address that is not public. is_late: its time is over."""

    allow_private: bool
    was_refused: bool = False
    is_late: bool = False
    _connections: list[socket.socket] = field(default_factory=list[socket.socket])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, connection: socket.socket) -> None:
        """Remember a connection by a handle of our own: TLS takes the library's away."""
        with self._lock:
            self._connections.append(socket.socket(fileno=os.dup(connection.fileno())))

    def end(self) -> None:
        """The time is over: what waits for an answer gets none."""
        with self._lock:
            self.is_late = True
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the handles back."""
        with self._lock:
            for connection in self._connections:
                connection.close()
            self._connections.clear()


def _current() -> GuardedSend | None:
    return getattr(_this_thread, "send", None)


@contextmanager
def guarded_send(*, allow_private: bool, within_s: float = SEND_WITHIN_S) -> Generator[GuardedSend]:
    """Whatever this thread sends in the block is under guard. within_s: seconds for all of it."""
    send = GuardedSend(allow_private)
    timer = threading.Timer(within_s, send.end)
    timer.daemon = True
    timer.start()
    _this_thread.send = send
    try:
        yield send
    finally:
        _this_thread.send = None
        timer.cancel()
        send.close()


def watch_this_process() -> None:
    """Put the guard where it stands. Once per process, before anything is sent under it."""
    _watch_look_ups()
    _watch_connections()
    _watch_answers()


def _watch_look_ups() -> None:
    look_up = socket.getaddrinfo

    def guarded(*args: Any, **kwargs: Any) -> Any:
        found, send = look_up(*args, **kwargs), _current()
        if send and not send.allow_private and not all(is_public(str(one[4][0])) for one in found):
            send.was_refused = True
            message = "not a public address"
            raise socket.gaierror(socket.EAI_NONAME, message)
        return found

    socket.getaddrinfo = guarded


def _watch_connections() -> None:
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        send = _current()
        if send and send.is_late:
            raise TimeoutError
        connect(self, address)
        if send:
            send.add(self)

    socket.socket.connect = guarded


def _watch_answers() -> None:
    import requests
    from urllib3.exceptions import HTTPError

    answer = requests.Session.send

    def guarded(self: requests.Session, request: Any, **kwargs: Any) -> requests.Response:
        if _current() is None:
            return answer(self, request, **kwargs)
        response = answer(self, request, **{**kwargs, "stream": True})
        # The status has said what became of it: of the body we read what is small, and what breaks off changes nothing.
        body = b""
        with suppress(HTTPError, OSError):
            body = response.raw.read(MAX_ANSWER_BYTES, decode_content=True)
        vars(response).update(_content=body, _content_consumed=True)
        response.close()
        return response

    requests.Session.send = guarded
