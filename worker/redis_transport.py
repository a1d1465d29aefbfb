"""Kombu's Redis transport with one mend.

When the broker dies while tasks are under way, kombu 5.7 gives their messages back through a connection that is closed already and
meets `None.hostname`: an AttributeError, which Celery takes for a bug of ours and ends the worker for (in 6 of 6 tries with threads).
As a connection error it is what it is, and Celery connects anew; the messages come back by their visibility time-out.
"""

from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis

NAME = f"{__name__}:Transport"


class Channel(redis.Channel):
    """Says that a closed connection is closed."""

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002 -- kombu's own signature
        if self.connection.client is None:
            raise ConnectionError("the broker's connection is closed")
        return super()._connparams(asynchronous)  # pyright: ignore[reportAttributeAccessIssue] -- left out of its stubs


class Transport(redis.Transport):
    """For `redis://` and `rediss://`."""

    Channel = Channel


def install() -> None:
    """Have this transport used for Redis URLs, wherever in this process a connection is made."""
    TRANSPORT_ALIASES.update(redis=NAME, rediss=NAME)
