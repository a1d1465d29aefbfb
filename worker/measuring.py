"""What an on-call person looks at: gauges of what waits, read from rows. And a sign that somebody still measures."""

import time

import structlog
from redis.exceptions import RedisError

from routing.queues import QUEUES
from store.backlog import count_actions, count_deliveries, count_old_doubts, count_unassigned, count_waits
from store.stage_ages import MEANT
from worker.accounting import measure_stages
from worker.deps import Deps
from worker.metrics import (
    ACTION_OVERDUE_SECONDS,
    ACTIONS_OPEN,
    ALERT_UNTOLD_SECONDS,
    DELIVERIES_OPEN,
    DOUBTS_TO_SETTLE,
    UNASSIGNED,
    UNASSIGNED_OLDEST_SECONDS,
    WAITING_RUNS,
)
from worker.model_call import PROVIDER_PAUSED

log = structlog.get_logger()

# When beat last rang for what it alone rings for, for `earshot doctor`: without beat, or without a worker for it, it is gone.
TICK_MARK = "earshot:last-tick"
TICK_MARK_S = 60
# A tenant's own queues are one: their names are the tenant's business.
OTHER = "other"


def measure(deps: Deps) -> None:
    """One look. Raises: StoreError."""
    with deps.database.system_transaction() as conn:
        actions, deliveries = count_actions(conn), count_deliveries(conn)
        doubts, unassigned = count_old_doubts(conn), count_unassigned(conn)
        waits = count_waits(conn, codes=(*MEANT, PROVIDER_PAUSED))
        measure_stages(conn)
    for state in ("pending", "awaiting_approval", "sending", "uncertain"):
        ACTIONS_OPEN.labels(state).set(getattr(actions, state))
    for because, runs in waits.items():
        WAITING_RUNS.labels(because).set(runs)
    DOUBTS_TO_SETTLE.set(doubts)
    ACTION_OVERDUE_SECONDS.set(actions.overdue_s)
    for state in ("waiting", "retrying", "failed"):
        DELIVERIES_OPEN.labels(state).set(getattr(deliveries, state))
    ALERT_UNTOLD_SECONDS.set(max(deliveries.oldest_s, deliveries.untold_s))
    for queue in (*QUEUES, OTHER):
        of_queue = [one for one in unassigned if (one.queue if one.queue in QUEUES else OTHER) == queue]
        UNASSIGNED.labels(queue).set(sum(one.conversations for one in of_queue))
        UNASSIGNED_OLDEST_SECONDS.labels(queue).set(max((one.oldest_s for one in of_queue), default=0.0))
    _leave_sign_of_life(deps)


def _leave_sign_of_life(deps: Deps) -> None:
    client = deps.shared_redis
    if client is None:
        return
    try:
        client.set(TICK_MARK, str(time.time()), ex=TICK_MARK_S)
    except RedisError as error:
        log.warning("sign_of_life_not_left", code=type(error).__name__)
