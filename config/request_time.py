"""Bodies that come too slowly or are no HTTP: whoever sends a byte a minute holds a connection, and there are only so many."""

import time
from collections.abc import Callable, Iterable
from typing import Any

import gevent
from gunicorn.http.errors import NoMoreData, ParseException
from werkzeug.exceptions import BadRequest, RequestTimeout

# Four MiB over a poor line take less; Meta gives up sooner.
BODY_WITHIN_S = 10.0

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


class TimedBodies:
    """Around a WSGI application: reading a body raises RequestTimeout (408) once its time is over, BadRequest for broken chunks."""

    def __init__(self, application: Wsgi, *, within_s: float = BODY_WITHIN_S) -> None:
        self._application = application
        self._within_s = within_s

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Serve one request."""
        environ["wsgi.input"] = _TimedBody(environ["wsgi.input"], within_s=self._within_s)
        return self._application(environ, start_response)


class _TimedBody:
    """The body's stream; its time begins with the first read."""

    def __init__(self, stream: Any, *, within_s: float) -> None:
        self._stream = stream
        self._within_s = within_s
        self._give_up_at: float | None = None

    def read(self, size: int = -1) -> bytes:
        """As the stream's own. Raises: RequestTimeout, BadRequest."""
        return self._timed(self._stream.read, size)

    def readline(self, size: int = -1) -> bytes:
        """As the stream's own. Raises: RequestTimeout, BadRequest."""
        return self._timed(self._stream.readline, size)

    def _timed(self, read: Callable[[int], bytes], size: int) -> bytes:
        if self._give_up_at is None:
            self._give_up_at = time.monotonic() + self._within_s
        left_s = self._give_up_at - time.monotonic()
        if left_s <= 0:
            raise RequestTimeout
        try:
            with gevent.Timeout(left_s, RequestTimeout):
                return read(size)
        except (ParseException, NoMoreData):
            raise BadRequest from None
