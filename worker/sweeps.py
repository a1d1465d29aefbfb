"""Drives a sweep: one worker at a time, in turns, from what Postgres says. Whatever dies, each message is judged and paid once.

A sweep never routes, alerts or plans an action; it appends analyses, and the CRM's labels follow when it is done.
"""

import time

import structlog

from analysis.base import BatchAnalyzer
from config.crash_points import crash_point
from store.sweep_batches import list_open_batches
from store.sweep_items import release_interrupted_calls, skip_waiting
from store.sweep_leases import release_sweep, take_due_sweeps, take_sweep_lease
from store.sweeps import (
    count_items,
    finish_sweep,
    get_sweep,
    list_judged_customers,
    mark_customers,
    note_labels,
    note_outage,
    pause_sweep,
)
from worker import sweep_limits
from worker.deps import Deps
from worker.sweep_batches import BatchDesk
from worker.sweep_calls import CallDesk
from worker.sweep_turn import LeaseLost, Outage, SweepTurn

log = structlog.get_logger()

NO_ANALYZER_RETRY_S = 300.0
MAX_OUTAGE_WAIT_S = 300.0
MAX_RINGS = 100


def take_due(deps: Deps) -> list[tuple[int, str]]:
    """(tenant_id, sweep_id) of sweeps that need a worker now. Raises: StoreError."""
    with deps.database.system_transaction() as conn:
        return take_due_sweeps(conn, limit=MAX_RINGS)


def advance_sweep(deps: Deps, *, tenant_id: int, sweep_id: str) -> None:
    """One turn of work on one sweep; nothing when another worker has it. Raises: StoreError."""
    with deps.database.tenant_transaction(tenant_id) as conn:
        token = take_sweep_lease(conn, sweep_id)
    if token is None:
        return
    next_in_s: float | None = sweep_limits.RETRY_S
    crash_point("sweep.after_lease")
    try:
        with deps.leases.keep(token):
            next_in_s = _take_turn(deps, tenant_id=tenant_id, sweep_id=sweep_id, lease_token=token)
    finally:
        # Also after an exception: the next turn starts from what was stored.
        with deps.database.tenant_transaction(tenant_id) as conn:
            release_sweep(conn, sweep_id, lease_token=token, next_in_s=next_in_s)


def _take_turn(deps: Deps, *, tenant_id: int, sweep_id: str, lease_token: str) -> float | None:
    """Work until the turn is over or nothing is due. Returns in how many seconds to come again, None: never."""
    analyzer = deps.analyzer
    if analyzer is None:
        return NO_ANALYZER_RETRY_S
    turn = SweepTurn(deps, analyzer, tenant_id, deps.tenants.get(tenant_id), sweep_id, lease_token)
    with deps.database.tenant_transaction(tenant_id) as conn:
        interrupted = release_interrupted_calls(conn, sweep_id)
    if interrupted:
        log.warning("sweep_calls_interrupted", sweep_id=sweep_id, calls=interrupted)
    try:
        return _work(turn)
    except Outage as outage:
        return _wait_out(turn, outage)
    except LeaseLost:
        log.warning("sweep_lease_lost", sweep_id=sweep_id)
        return None


def _work(turn: SweepTurn) -> float | None:
    over_at = time.monotonic() + sweep_limits.TURN_S
    batches = BatchDesk(turn, turn.analyzer) if isinstance(turn.analyzer, BatchAnalyzer) else None
    calls = CallDesk(turn)
    while time.monotonic() < over_at:
        sweep = turn.look()
        worked = batches.tend(sweep) if batches else False
        if sweep.state == "cancelled":
            with turn.transaction() as conn:
                skip_waiting(conn, turn.sweep_id, error_code="cancelled")
        if sweep.state == "running":
            desk = batches if batches and sweep.uses_batches and turn.tenant.sweep.batches else calls
            worked = desk.begin(turn.look()) or worked
        if not worked:
            return _wait_out(turn, batches.failure) if batches and batches.failure else _rest(turn)
    return 0.0


def _rest(turn: SweepTurn) -> float | None:
    """Nothing is due: finish when nothing is open either. Returns in how many seconds something is due, None: nothing will be."""
    with turn.transaction() as conn:
        items = count_items(conn, turn.sweep_id)
        if not any(items.get(state) for state in ("waiting", "calling", "in_batch")):
            finish_sweep(conn, turn.sweep_id)
        sweep = get_sweep(conn, turn.sweep_id)
        open_batches = list_open_batches(conn, turn.sweep_id)
        if sweep.error_code:
            note_outage(conn, turn.sweep_id, error_code=None)
    if sweep.labels_are_due:
        _let_labels_follow(turn)
        log.info("sweep_finished", sweep_id=sweep.id, done=items.get("done", 0), spent=sweep.spent_microusd)
    # A paused one is due again when somebody resumes it, one that waits for approval when it is approved.
    return min((batch.due_in_s for batch in open_batches), default=None)


def _let_labels_follow(turn: SweepTurn) -> None:
    """Some customers at a time; a worker that dies in between leaves it to the next one, and marking twice is harmless."""
    with turn.transaction() as conn:
        customers = list_judged_customers(conn, turn.sweep_id)
    for start in range(0, len(customers), sweep_limits.CUSTOMERS_AT_ONCE):
        with turn.transaction() as conn:
            mark_customers(conn, turn.tenant_id, customers[start : start + sweep_limits.CUSTOMERS_AT_ONCE])
    with turn.transaction() as conn:
        note_labels(conn, turn.sweep_id)


def _wait_out(turn: SweepTurn, outage: Outage) -> float:
    """The provider does not do it now: no item has failed by it. What only a person can cure pauses the sweep."""
    with turn.transaction() as conn:
        sweep = get_sweep(conn, turn.sweep_id)
        note_outage(conn, turn.sweep_id, error_code=outage.code)
        if outage.permanent:
            pause_sweep(conn, turn.sweep_id, reason=outage.code)
    log.warning("sweep_waits_for_provider", sweep_id=turn.sweep_id, code=outage.code)
    return min(outage.retry_after_s or 2.0 * 2 ** min(sweep.outages, 8), MAX_OUTAGE_WAIT_S)


def note_bug(deps: Deps, *, tenant_id: int, sweep_id: str, name: str) -> None:
    """A turn ended in an error of ours: after some in a row the sweep pauses with its name. Raises: StoreError."""
    with deps.database.tenant_transaction(tenant_id) as conn:
        sweep = get_sweep(conn, sweep_id)
        note_outage(conn, sweep_id, error_code=f"bug_{name}")
        if sweep.outages + 1 >= sweep_limits.MAX_BUGS:
            pause_sweep(conn, sweep_id, reason=f"bug_{name}")
