"""One look for upkeep that has something to do. At rest a tick of each kind costs most of what a stack takes."""

import time

import structlog
from kombu.exceptions import OperationalError

from store.due_upkeep import list_due_upkeep
from worker.broker_queues import has_lost_queues
from worker.deps import Deps

log = structlog.get_logger()


def look(deps: Deps) -> list[str]:
    """Names of the tasks to ring now, without `earshot.`, in order. Raises: StoreError."""
    with deps.database.system_transaction(one_plan=True) as conn:
        due = list_due_upkeep(conn, unread_after_s=deps.settings.provisional_after_s)
    if "reconcile" not in due and _has_lost_queues():
        due.add("reconcile")
    now = time.monotonic()
    return [name for name in sorted(due) if deps.upkeep_pace.take_turn(name, now=now)]


def _has_lost_queues() -> bool:
    try:
        return has_lost_queues()
    except OperationalError as error:
        # Nothing could be rung either.
        log.warning("broker_unreachable", what="look", code=type(error).__name__)
        return False
