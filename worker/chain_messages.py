"""A chain's message, filled into one that Celery has made, and many messages in one trip to the broker.

Celery and kombu take 0.8 ms of processor to build a message of five signatures, nearly all of it for what is the same in every one. Here they
build one for each way that a chain begins, of marks in the place of ids; every other message is that one with ids in the place of the marks.
Nothing is known here of what stands in it, so that what an update of theirs changes is changed here too.

Messages within their tenant's share are counted and sent by the same trip, where one server keeps both.

Only for brokers that speak Redis's protocol. EARSHOT_FUSE=0 switches it off with all else.
"""

import base64
import os
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha1
from typing import Any
from uuid import uuid4

from kombu.exceptions import OperationalError
from kombu.utils.json import dumps
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import NoScriptError, RedisError

from config.server_addresses import kind_of
from store.runs import RunRef
from worker.app import app
from worker.rate_budget import TAKE_AND_PUSH, Bucket

# A number and ids that nothing else in a message is like.
_MARK = RunRef(8_070_450_532_247_928_832, str(uuid4()), str(uuid4()))
_TENANT, _BODY = str(_MARK.tenant_id), f"body-{uuid4()}"
_REDIS_KINDS = ("redis", "sentinel")
_TAKE_AND_PUSH_SHA = sha1(TAKE_AND_PUSH.encode(), usedforsecurity=False).hexdigest()
# Where no more than so many messages of floods wait, a flood begins where the model is asked, as others do: the workers keep up with it.
SHORT_FLOOD = 50
Links = Callable[[RunRef, bool], Sequence[Any]]


@dataclass(frozen=True)
class _Form:
    """A message in pieces, of which every second one is a mark. key: of the broker's list; ids: marks of what is new in each message."""

    key: str
    message: tuple[str, ...]
    body: tuple[str, ...]
    ids: tuple[str, ...]

    def fill(self, ref: RunRef) -> str:
        """The message of this run, with tasks of its own."""
        values = dict(zip(self.ids, _new_ids(), strict=False))
        values[_TENANT] = str(ref.tenant_id)
        values[_MARK.message_id], values[_MARK.run_id] = ref.message_id, ref.run_id
        values[_BODY] = base64.b64encode(_filled(self.body, values).encode()).decode()
        return _filled(self.message, values)


def _new_ids() -> list[str]:
    """Sixteen random UUIDs (version 4) that differ in their last digit: one question to the kernel instead of one each."""
    digits = os.urandom(16).hex()
    common = f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:31]}"
    return [common + last for last in "0123456789abcdef"]


def _filled(pieces: Sequence[str], values: Mapping[str, str]) -> str:
    filled = list(pieces)
    filled[1::2] = [values[mark] for mark in pieces[1::2]]
    return "".join(filled)


def _pieces(text: str, marks: Sequence[str]) -> tuple[str, ...]:
    return tuple(re.split(f"({'|'.join(map(re.escape, marks))})", text))


class ChainMessages:
    """Forms by the way a chain begins, and the channel they are sent through. Threads may share it.

    links: the signatures of a run's chain, first one first, which depend on nothing but its flags and ids; the second argument says of a flood's
    that it begins where the model is asked.
    """

    def __init__(self, links: Links) -> None:
        self._links = links
        self._lock = threading.Lock()
        self._channel: Any = None
        self._client: Any = None
        self._sole: Any = None
        self._forms: dict[tuple[bool, bool, bool], _Form] = {}
        # How many of floods waited when last heard, and what was sent to wait for the model since. Nothing is known before.
        self._flood_waits = SHORT_FLOOD

    def publish(self, refs: Sequence[RunRef]) -> bool:
        """Send the chains of these runs, in order. False, and nothing is sent, when the broker is none of Redis's protocol.

        Raises: kombu OperationalError when the broker does not take them; some may have been sent.
        """
        if kind_of(app.conf.broker_url) not in _REDIS_KINDS:
            return False
        if refs:
            with self._sending():
                messages: defaultdict[str, list[str]] = defaultdict(list)
                for ref in refs:
                    form = self._form_of_all([ref])
                    messages[form.key].append(form.fill(ref))
                self._send([("LPUSH", key, *waiting) for key, waiting in messages.items()])
        return True

    @staticmethod
    def are_sent_to(redis_url: str) -> bool:
        """Whether the broker is this very server, and one of Redis's protocol."""
        return app.conf.broker_url == redis_url and kind_of(redis_url) in _REDIS_KINDS

    def publish_counted(self, shares: Sequence[tuple[Bucket, Sequence[RunRef]]]) -> list[int]:
        """Take from each bucket one for each of its runs, as far as it has them, and send what fits: of floods the chains of the runs that
        are left, of others those of the runs that got one. Returns how many that were. Runs for one bucket are all of one kind. A flood begins
        in its own queue for minimizing, or, as long as few of floods wait, where the model is asked.

        Only where the broker keeps the buckets. Raises: as `publish` does.
        """
        if not shares:
            return []
        with self._sending():
            commands: list[tuple[Any, ...]] = []
            for bucket, refs in shares:
                form, which = self._form_of_all(refs), "beyond" if refs[0].is_flood else "within"
                lanes = [
                    self._form_of(replace(refs[0], is_flood=True), is_short=is_short).key for is_short in (True, False)
                ]
                messages = [form.fill(ref) for ref in refs]
                commands.append(
                    ("EVALSHA", _TAKE_AND_PUSH_SHA, 4, bucket.key, form.key, *lanes, *bucket.limits, which, *messages)
                )
            try:
                answers = self._send(commands)
            except NoScriptError:  # a server that has just started
                answers = self._send([("SCRIPT LOAD", TAKE_AND_PUSH), *commands])[1:]
            self._flood_waits = answers[-1][1]
        return [given for given, _ in answers]

    @contextmanager
    def _sending(self) -> Generator[None]:
        """One thread at a time, with a channel."""
        try:
            with self._lock:
                if self._channel is None:
                    self._channel = app.connection_for_write().channel()
                yield
        except RedisError as error:
            raise OperationalError(type(error).__name__) from None

    def _send(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        try:
            return self._execute(commands)
        except NoConnection:
            # One that the server closed since is noticed here first, and the next is a new one. Sending twice is harmless.
            return self._execute(commands)

    def _execute(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        with self._channel.conn_or_acquire() as client:
            if client is not self._client:
                # One connection is kept: to take one from the pool, and look whether it lives, costs as much as the command.
                self._client, self._sole = client, client.client()
            if len(commands) == 1:
                return [self._sole.execute_command(*commands[0])]
            with client.pipeline(transaction=False) as pipe:
                for command in commands:
                    pipe.execute_command(*command)
                return pipe.execute()

    def _form_of_all(self, refs: Sequence[RunRef]) -> _Form:
        """Of runs of one kind. Those of a short flood are counted with what waits."""
        is_short = refs[0].is_flood and self._flood_waits + len(refs) <= SHORT_FLOOD
        if is_short:
            self._flood_waits += len(refs)
        return self._form_of(refs[0], is_short=is_short)

    def _form_of(self, ref: RunRef, *, is_short: bool = False) -> _Form:
        flags = (ref.is_flood, ref.is_canary, is_short)
        if flags not in self._forms:
            mark = replace(_MARK, is_flood=ref.is_flood, is_canary=ref.is_canary)
            self._forms[flags] = self._make_form(mark, is_short=is_short)
        return self._forms[flags]

    def _make_form(self, mark: RunRef, *, is_short: bool) -> _Form:
        """What Celery would send, taken where it would be sent."""
        first, *others = self._links(mark, is_short)
        frozen = [one.freeze().id for one in others]
        with self._channel.catching() as caught, app.amqp.Producer(self._channel) as producer:
            first.apply_async(chain=others[::-1] or None, producer=producer)
        ((key, message),) = caught
        body = base64.b64decode(message["body"]).decode()
        ids = (message["headers"]["id"], message["properties"]["delivery_tag"], *frozen)
        marks = (_TENANT, mark.message_id, mark.run_id, *ids)
        return _Form(key, _pieces(dumps({**message, "body": _BODY}), (*marks, _BODY)), _pieces(body, marks), ids)
