"""The same chain of five tasks that do nothing, as dramatiq's pipeline. Run by benchmarks/peers.py, in an environment that has dramatiq."""

import os
import sys

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker

from benchmarks.peer_counter import DONE

_URL = os.environ["PEER_URL"]
dramatiq.set_broker(RedisBroker(url=_URL))
_client = redis.Redis.from_url(_URL)


@dramatiq.actor
def link() -> None:
    """Nothing."""


@dramatiq.actor
def last() -> None:
    """Nothing but to be counted."""
    _client.incr(DONE)


def main() -> None:
    """Put so many pipelines on the broker."""
    for _ in range(int(sys.argv[1])):
        links = [link.message_with_options(pipe_ignore=True) for _ in range(4)]
        dramatiq.pipeline([*links, last.message_with_options(pipe_ignore=True)]).run()


if __name__ == "__main__":
    main()
