"""The safety net: whatever has no live lease is started again from what Postgres says, so that Redis may lose everything."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import structlog
from kombu.exceptions import OperationalError

from channels.registry import REPEATABLE
from config.crash_points import crash_point
from store.action_alerts import alert_about_sends
from store.actions import doubt_interrupted_sends, take_due_actions
from store.crm_connections import list_tenants_with_work
from store.crm_report import measure_waiting
from store.crm_states import mark_counts_dirty, prune_writes
from store.db import Connection, StoreError
from store.due_runs import (
    DueRun,
    count_open_runs,
    hasten_all,
    list_runs_without_reading,
    take_due_runs,
    take_place_runs,
)
from store.identity_notices import apply_notices
from store.live_changes import forget_changes
from store.notices import list_tenants_with_notices, take_notices
from store.partitions import ensure_partitions
from store.runs import RUN_STATES
from store.spend import update_quiet_tenants
from store.tenants import list_tenants
from worker.broker_queues import count_waiting
from worker.deps import Deps
from worker.lanes import LANED, queue_of
from worker.metrics import (
    CRM_DIRTY,
    CRM_OLDEST_SECONDS,
    CRM_PAUSED,
    OLDEST_RUN_SECONDS,
    OPEN_RUNS,
    QUEUE_DEPTH,
    RUNG_AGAIN,
)
from worker.pipeline import STAGES, next_stage, ring_action, ring_crm, start
from worker.provisional_reading import read_provisionally
from worker.steps import place

log = structlog.get_logger()

# With this many tasks waiting in the stage queues a ring would only add a duplicate behind them.
MAX_WAITING = 2000
# What one tick rings leaves in seconds even where the machine is busy: the lock's connection is idle meanwhile, which Postgres ends
# after a while. The next tick goes on.
RUNG_PER_TICK = 200
READINGS_PER_TICK = 200
# Queues that are no stage's.
ACTIONS, CRM = "actions", "crm_flush"
# Each waits some seconds for an answer of the broker that does not come.
SILENT_QUEUES = 3
# Rung so often without moving on, a run may be what kills its workers: from then on its tries are counted.
SUSPECT_AFTER_RINGS = 3
# The lock's connection is idle meanwhile; the next round goes on.
READING_ROUND_S = 10.0
TICK = "earshot reconcile"
PLACING = "earshot place"
READING = "earshot read"
PLACED_PER_TICK = 300
# A round of notices is one transaction, and each of them may lock several customers.
NOTICES_AT_ONCE = 20
NOTICE_ROUNDS = 25
# An entry that lives an hour costs twice a plain prompt and is read for a tenth: under 0.75 messages an hour it does not pay.
QUIET_BELOW_PER_DAY = 18.0
# What was written to a card when and why: as long as somebody may ask.
CRM_WRITES_KEPT_DAYS = 90


def tick(deps: Deps) -> None:
    """One round; several workers may call it at once, one does the work. Raises: StoreError."""
    with deps.database.sole_turn(TICK) as conn:
        if conn is not None:  # else another beat's tick is under way
            _ring(deps)


def _ring(deps: Deps) -> None:
    with deps.database.system_transaction() as conn:
        interrupted = doubt_interrupted_sends(conn, repeatable_channels=list(REPEATABLE))
        if interrupted:
            log.warning("sends_interrupted", sends=interrupted)
        alert_about_sends(conn)
        _measure(conn)
    try:
        waiting = _count_waiting_or_notice_loss(deps)
        with deps.database.system_transaction() as conn:
            room = MAX_WAITING - min(waiting.live, waiting.flood)
            due = take_due_runs(conn, limit=max(0, min(RUNG_PER_TICK, room)))
            actions = take_due_actions(conn, limit=RUNG_PER_TICK)
            tenants = list_tenants_with_work(conn)
        if due:
            crash_point("reconcile.before_ring")
    except OperationalError as error:
        # The rows are pushed back by seconds only; the next tick finds them again.
        log.warning("broker_unreachable", code=type(error).__name__)
        return
    rung = _ring_by_queue(
        [
            *_rings_of_runs(deps, due, waiting=waiting),
            *((ACTIONS, partial(ring_action, tenant_id=one.tenant_id, action_id=one.action_id)) for one in actions),
            *((CRM, partial(ring_crm, tenant_id=tenant_id)) for tenant_id in tenants),
        ]
    )
    if due:
        crash_point("reconcile.after_ring")
    runs = sum(number for queue, number in rung.items() if queue not in {ACTIONS, CRM})
    RUNG_AGAIN.inc(runs)
    if due or actions:
        log.info("rung_again", runs=runs, actions=rung[ACTIONS])


def _ring_by_queue(rings: Iterable[tuple[str, Callable[[], None]]]) -> Counter[str]:
    """Ring them; returns how many by queue. A queue that takes nothing holds up no other: what it should have taken comes again by itself.
    When several take nothing the broker is away.
    """
    rung, silent = Counter[str](), set[str]()
    for queue, ring in rings:
        if queue in silent:
            continue
        try:
            ring()
        except OperationalError as error:
            silent.add(queue)
            log.warning("broker_unreachable", code=type(error).__name__, queue=queue)
            if len(silent) == SILENT_QUEUES:
                break
        else:
            rung[queue] += 1
    return rung


@dataclass(frozen=True)
class Waiting:
    """Tasks in the queues of the stages, without those of floods, and in these."""

    live: int
    flood: int


def _rings_of_runs(deps: Deps, due: list[DueRun], *, waiting: Waiting) -> Iterator[tuple[str, Callable[[], None]]]:
    """(queue, ring) of each, in the lane of its tenant, as long as that has room; the rest comes again by itself."""
    room = {False: MAX_WAITING - waiting.live, True: MAX_WAITING - waiting.flood}
    for run in due:
        is_flood = deps.lanes.is_flood(run.ref.tenant_id)
        if room[is_flood] <= 0:
            continue
        room[is_flood] -= 1
        ref = replace(run.ref, is_flood=is_flood)
        queue = queue_of(next_stage(run.state), is_flood=is_flood)
        yield queue, partial(start, ref, state=run.state, is_suspect=run.rings > SUSPECT_AFTER_RINGS)


def _measure(conn: Connection) -> None:
    open_runs, oldest_s = count_open_runs(conn)
    for state in (*RUN_STATES, "dead"):
        OPEN_RUNS.labels(state).set(open_runs.get(state, 0))
    OLDEST_RUN_SECONDS.set(oldest_s)
    _measure_crms(conn)


def _measure_crms(conn: Connection) -> None:
    waiting = measure_waiting(conn)
    CRM_DIRTY.labels("card").set(waiting.cards)
    CRM_DIRTY.labels("event").set(waiting.events)
    CRM_DIRTY.labels("search").set(waiting.searches)
    CRM_OLDEST_SECONDS.set(waiting.oldest_card_s)
    CRM_PAUSED.set(waiting.paused)


def _count_waiting_or_notice_loss(deps: Deps) -> Waiting:
    """Tasks that wait in the stage queues. When the broker came back empty, everything open is due at once."""
    depths = count_waiting()
    if depths is None:
        with deps.database.system_transaction() as conn:
            hastened = hasten_all(conn)
        log.warning("broker_was_empty", runs=hastened)
        return Waiting(0, 0)
    for queue, depth in depths.items():
        QUEUE_DEPTH.labels(queue).set(depth)
    floods = {queue_of(stage, is_flood=True) for stage in LANED}
    return Waiting(sum(depths[stage] for stage in STAGES), sum(depths[queue] for queue in floods))


def read_waiting(deps: Deps) -> None:
    """A round of provisional readings for what waits too long for the model. One worker at a time does it. Raises: StoreError.

    Apart from `tick`: after a loss of the broker hundreds of readings are due, and what is to be started again must not wait for them.
    """
    with deps.database.sole_turn(READING) as conn:
        if conn is None:
            return
        older_than_s = deps.settings.provisional_after_s
        until = time.monotonic() + READING_ROUND_S
        for ref in list_runs_without_reading(conn, older_than_s=older_than_s, limit=READINGS_PER_TICK):
            if time.monotonic() > until:
                return
            try:
                read_provisionally(deps, ref)
            except StoreError as error:
                log.warning("provisional_reading_failed", code=error.code, message_id=ref.message_id)
            except LookupError:  # its message is gone; the others are not to wait for it
                log.error("provisional_reading_failed", code="message_missing", message_id=ref.message_id)  # noqa: TRY400


def apply_waiting_notices(deps: Deps) -> None:
    """What channels said about people, beyond what was applied while the webhook's sender waited. Raises: StoreError."""
    pepper = deps.dedupe_pepper
    with deps.database.system_transaction() as conn:
        tenants = list_tenants_with_notices(conn)
    for tenant_id in tenants:
        for _ in range(NOTICE_ROUNDS):
            with deps.database.tenant_transaction(tenant_id) as conn:
                notices = take_notices(conn, tenant_id, limit=NOTICES_AT_ONCE)
                apply_notices(conn, tenant_id, notices, pepper=pepper)
            if len(notices) < NOTICES_AT_ONCE:
                break


def place_waiting(deps: Deps) -> int:
    """Give echoes and history their customers; returns how many. One worker at a time does it. Raises: StoreError."""
    with deps.database.sole_turn(PLACING) as conn:
        if conn is None:
            return 0
        refs = take_place_runs(conn, limit=PLACED_PER_TICK)
        for ref in refs:
            try:
                place(deps, ref)
            except StoreError as error:
                log.warning("not_placed", code=error.code, message_id=ref.message_id)
    return len(refs)


def make_partitions(deps: Deps, *, now: datetime) -> None:
    """Partitions for this month and the next ones. Raises: StoreError."""
    with deps.database.system_transaction() as conn:
        ensure_partitions(conn, today=now.date())


def forget_live_changes(deps: Deps) -> None:
    """What every open page has heard of. Raises: StoreError."""
    with deps.database.system_transaction() as conn:
        forget_changes(conn)


def judge_quiet_tenants(deps: Deps) -> None:
    """Which tenants have too few messages to keep their part of the prompt in the provider's cache. Raises: StoreError."""
    with deps.database.system_transaction() as conn:
        tenants = list_tenants(conn)
    for tenant in tenants:
        with deps.database.tenant_transaction(tenant.id) as conn:
            update_quiet_tenants(conn, tenant.id, calls_per_day=QUIET_BELOW_PER_DAY)


def refresh_negative_counts(deps: Deps) -> None:
    """Cards that show negatives are computed again; old records of what was written go. Raises: StoreError."""
    with deps.database.system_transaction() as conn:
        mark_counts_dirty(conn)
        prune_writes(conn, older_than_days=CRM_WRITES_KEPT_DAYS)
