"""Many browsers that read /events, in a process of their own so that they are not in the console's way.

`python -m benchmarks.event_readers`: reads lines of JSON, answers each with one.
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any


@dataclass(eq=False)
class Reader:
    """One stream. heard: when events came, by their names, since `forget`. lost: it ended, or never stood. settled: either."""

    tenant_id: int
    heard: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])
    lost: bool = False
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    task: "asyncio.Task[None] | None" = None

    async def read(self, *, port: int, cookie: str, reads: bool) -> None:
        """Until it is cancelled. reads: False takes nothing in after the first event, like a browser that hangs."""
        try:
            stream, out = await asyncio.open_connection("127.0.0.1", port, limit=4096 if not reads else 65536)
            out.write(
                f"GET /events?tenant={self.tenant_id} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\n"
                "Accept: text/event-stream\r\n\r\n".encode()
            )
            try:
                while chunk := await stream.readline():
                    if chunk.startswith(b"event: "):
                        self.heard.append((chunk[7:].strip().decode(), time.time()))
                        self.settled.set()
                        if not reads:
                            await asyncio.sleep(3600)
            finally:
                out.close()
        except OSError:
            pass
        self.lost = True
        self.settled.set()


class Readers:
    """All of them, ruled by lines."""

    def __init__(self) -> None:
        self.all: list[Reader] = []

    async def obey(self, order: dict[str, Any]) -> dict[str, Any]:
        """Orders: open, heard, forget, close."""
        return await getattr(self, order.pop("do"))(**order)

    async def open(
        self, *, port: int, browsers: Sequence[Sequence[Any]], count: int, reads: bool = True, wait_s: float = 60
    ) -> dict[str, Any]:
        """All at once; waits until each has heard its hello, or is lost."""
        began = time.time()
        fresh: list[Reader] = []
        for number in range(count):
            tenant_id, cookie = browsers[number % len(browsers)]
            one = Reader(tenant_id)
            one.task = asyncio.create_task(one.read(port=port, cookie=cookie, reads=reads))
            fresh.append(one)
        self.all += fresh
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*(one.settled.wait() for one in fresh)), wait_s)
        hello = [one.heard[0][1] - began for one in fresh if one.heard]
        return {"opened": len(hello), "lost": sum(one.lost for one in fresh), "last_s": max(hello, default=0.0)}

    async def forget(self) -> dict[str, Any]:
        """What was heard so far."""
        for one in self.all:
            one.heard.clear()
        return {}

    async def heard(self, *, tenant_id: int, count: int, wait_s: float = 5) -> dict[str, Any]:
        """When each reader of a tenant first heard something since `forget`, once `count` of them have."""
        give_up_at = time.time() + wait_s
        while True:
            moments = sorted(one.heard[0][1] for one in self.all if one.tenant_id == tenant_id and one.heard)
            if len(moments) >= count or time.time() > give_up_at:
                return {"moments": moments, "lost": sum(one.lost for one in self.all)}
            await asyncio.sleep(0.005)

    async def close(self) -> dict[str, Any]:
        """Vanish, as when a lid is closed."""
        for one in self.all:
            if one.task:
                one.task.cancel()
        await asyncio.gather(*(one.task for one in self.all if one.task), return_exceptions=True)
        self.all.clear()
        return {}


async def main() -> None:
    """One order a line, until the input ends."""
    readers, lines = Readers(), asyncio.StreamReader(limit=2**22)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        print(json.dumps(await readers.obey(json.loads(line))), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
