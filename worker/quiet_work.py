"""Work whose rows are found again when it fails."""

import threading
from collections.abc import Callable

import structlog
from kombu.exceptions import OperationalError

from store.db import StoreError
from worker.metrics import LAST_UPKEEP

log = structlog.get_logger()

# What counts over many rows keeps a core of Postgres busy for seconds.
_counting = threading.Lock()


def do_quietly(work: Callable[[], object], *, name: str) -> None:
    """Work whose rows are found again by the next tick: an unreachable database or broker is a log line, not an exception."""
    try:
        work()
    except StoreError as error:
        log.warning("left_to_next_tick", what=name, code=error.code)
    except OperationalError as error:  # of the broker
        log.warning("broker_unreachable", what=name, code=type(error).__name__)
    else:
        LAST_UPKEEP.labels(name).set_to_current_time()


def count_quietly(work: Callable[[], object], *, name: str) -> None:
    """The same for what counts over many rows: one at a time in a process, so that messages find a core of Postgres that is free."""
    with _counting:
        do_quietly(work, name=name)
