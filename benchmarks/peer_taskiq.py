"""The same chain of five tasks that do nothing on taskiq's Redis streams. Run by benchmarks/peers.py, in an environment that has taskiq.

taskiq itself has no chain: each task sends the next one.
"""

import asyncio
import os
import sys

import redis.asyncio
from taskiq_redis import RedisStreamBroker

from benchmarks.peer_counter import DONE

_URL = os.environ["PEER_URL"]
broker = RedisStreamBroker(_URL)
_client = redis.asyncio.Redis.from_url(_URL)


@broker.task(task_name="peer.link")
async def link(left: int) -> None:
    """Nothing but to send the next one."""
    if left:
        await link.kiq(left - 1)
    else:
        await last.kiq()


@broker.task(task_name="peer.last")
async def last() -> None:
    """Nothing but to be counted."""
    await _client.incr(DONE)


async def main() -> None:
    """Put so many chains on the broker."""
    await broker.startup()
    for _ in range(int(sys.argv[1])):
        await link.kiq(3)
    await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(main())
