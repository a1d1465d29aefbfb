"""A chain's message, filled into one that Celery has made, and many messages in one trip to the broker.

Celery and kombu take 0.8 ms of processor to build a message of five signatures, nearly all of it for what is the same in every one. Here they
build one for each way that a chain begins, of marks in the place of ids; every other message is that one with ids in the place of the marks.
Nothing is known here of what stands in it, so that what an update of theirs changes is changed here too.

Only for brokers that speak Redis's protocol; `publish_chains` says when it can't. EARSHOT_FUSE=0 switches it off with all else.
"""

import base64
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from kombu.exceptions import OperationalError
from kombu.utils.json import dumps
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import RedisError

from config.server_addresses import kind_of
from store.runs import RunRef
from worker.app import app

# A number and ids that nothing else in a message is like.
_MARK = RunRef(8_070_450_532_247_928_832, str(uuid4()), str(uuid4()))
_BODY = f"body-{uuid4()}"
_REDIS_KINDS = ("redis", "sentinel")
Links = Callable[[RunRef], Sequence[Any]]


@dataclass(frozen=True)
class _Form:
    """A message in pieces, of which every second one is a mark. key: of the broker's list; ids: marks of what is new in each message."""

    key: str
    message: tuple[str, ...]
    body: tuple[str, ...]
    ids: tuple[str, ...]

    def fill(self, ref: RunRef) -> str:
        """The message of this run, with tasks of its own."""
        values = {mark: str(uuid4()) for mark in self.ids}
        values |= {
            str(_MARK.tenant_id): str(ref.tenant_id),
            _MARK.message_id: ref.message_id,
            _MARK.run_id: ref.run_id,
        }
        body = _filled(self.body, values)
        return _filled(self.message, {**values, _BODY: base64.b64encode(body.encode()).decode()})


def _filled(pieces: Sequence[str], values: Mapping[str, str]) -> str:
    return "".join(values[piece] if number % 2 else piece for number, piece in enumerate(pieces))


def _pieces(text: str, marks: Sequence[str]) -> tuple[str, ...]:
    return tuple(re.split(f"({'|'.join(map(re.escape, marks))})", text))


class ChainMessages:
    """Forms by the way a chain begins, and the channel they are sent through. Threads may share it.

    links: the signatures of a run's chain, first one first, which depend on nothing but its flags and ids.
    """

    def __init__(self, links: Links) -> None:
        self._links = links
        self._lock = threading.Lock()
        self._channel: Any = None
        self._forms: dict[tuple[bool, bool], _Form] = {}

    def publish(self, refs: Sequence[RunRef]) -> bool:
        """Send the chains of these runs, in order. False, and nothing is sent, when the broker is none of Redis's protocol.

        Raises: kombu OperationalError when the broker does not take them; some may have been sent.
        """
        if kind_of(app.conf.broker_url) not in _REDIS_KINDS:
            return False
        try:
            with self._lock:
                self._send(refs)
        except RedisError as error:
            raise OperationalError(type(error).__name__) from None
        return True

    def _send(self, refs: Sequence[RunRef]) -> None:
        if self._channel is None:
            self._channel = app.connection_for_write().channel()
        messages: defaultdict[str, list[str]] = defaultdict(list)
        for ref in refs:
            form = self._form_of(ref)
            messages[form.key].append(form.fill(ref))
        try:
            self._push(messages)
        except NoConnection:
            # One that the server closed since is noticed here first, and the next is a new one. Sending twice is harmless.
            self._push(messages)

    def _push(self, messages: Mapping[str, list[str]]) -> None:
        with self._channel.conn_or_acquire() as client, client.pipeline(transaction=False) as pipe:
            for key, waiting in messages.items():
                pipe.lpush(key, *waiting)
            pipe.execute()

    def _form_of(self, ref: RunRef) -> _Form:
        flags = (ref.is_flood, ref.is_canary)
        if flags not in self._forms:
            self._forms[flags] = self._make_form(replace(_MARK, is_flood=ref.is_flood, is_canary=ref.is_canary))
        return self._forms[flags]

    def _make_form(self, mark: RunRef) -> _Form:
        """What Celery would send, taken where it would be sent."""
        first, *others = self._links(mark)
        frozen = [one.freeze().id for one in others]
        with self._channel.catching() as caught, app.amqp.Producer(self._channel) as producer:
            first.apply_async(chain=others[::-1] or None, producer=producer)
        ((key, message),) = caught
        body = base64.b64decode(message["body"]).decode()
        ids = (message["headers"]["id"], message["properties"]["delivery_tag"], *frozen)
        marks = (str(mark.tenant_id), mark.message_id, mark.run_id, *ids)
        return _Form(key, _pieces(dumps({**message, "body": _BODY}), (*marks, _BODY)), _pieces(body, marks), ids)
