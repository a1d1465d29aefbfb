"""A sweep's single calls, for tenants that forbid batches: a few at a time, each claimed before its words leave."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog

from analysis.base import Analysis, AnalysisError, PreparedCall
from config.crash_points import crash_point
from store.analyses import settle_egress
from store.db import StoreError
from store.messages import share_context
from store.sweep_items import count_answered, list_waiting, lock_items
from store.sweeps import Sweep, add_spent
from worker import sweep_limits
from worker.sweep_turn import Outage, SweepTurn, affordable, claim_words, settle_answer

log = structlog.get_logger()


@dataclass(frozen=True)
class _Claimed:
    """A call that is about to be made for an item."""

    item_id: str
    message_id: str
    egress_id: str
    call: PreparedCall


class CallDesk:
    """Makes the calls of one turn, a round at a time."""

    def __init__(self, turn: SweepTurn) -> None:
        self._turn = turn
        self._outage: Outage | None = None

    def begin(self, sweep: Sweep) -> bool:
        """One round. False when nothing waits. Raises: Outage, LeaseLost, StoreError."""
        with self._turn.transaction() as conn:
            waiting = list_waiting(conn, sweep.id, limit=sweep_limits.ROUND)
            answered = count_answered(conn, sweep.id)
        if not waiting:
            return False
        allowed = min(affordable(sweep, answered=answered), len(waiting))
        if allowed < 1:
            self._turn.pause_for_budget()
            return True
        with ThreadPoolExecutor(sweep_limits.CALLS_AT_ONCE, thread_name_prefix="sweep") as pool:
            list(pool.map(self._judge, waiting[: int(allowed)]))
        if self._outage:
            raise self._outage
        self._turn.note_success(sweep)
        return True

    def _judge(self, waiting: tuple[str, str]) -> None:
        """One item, from claim to answer; nothing more is begun after an outage."""
        item_id, message_id = waiting
        if self._outage:
            return
        # Live messages keep their part of the provider's limit.
        gate = self._turn.deps.provider_gate
        wait_s = gate.wait_s(self._turn.model, bulk=True)
        if wait_s > 0:
            self._outage = Outage("provider_paused", permanent=False, retry_after_s=wait_s)
            return
        claimed = self._claim(item_id, message_id)
        if claimed is None:
            gate.give_back(self._turn.model)
            return
        started = time.monotonic()
        answer: Analysis | AnalysisError
        try:
            crash_point("sweep.before_call")
            answer = self._turn.analyzer.analyze(claimed.call, topics=self._turn.topics)
            crash_point("sweep.after_call")
        except AnalysisError as error:
            answer = error
            gate.note_failure(self._turn.model, error)
            if error.provider_down:
                self._outage = Outage.of(error)
        else:
            gate.note_answer(self._turn.model, requests_per_min=answer.requests_per_min)
        self._store(claimed, answer, latency_ms=int((time.monotonic() - started) * 1000))

    def _claim(self, item_id: str, message_id: str) -> _Claimed | None:
        with self._turn.transaction() as conn:
            share_context(conn, message_id)
            self._turn.check_lease(conn)
            (item,) = lock_items(conn, [item_id])
            if item.state != "waiting":
                return None
            call = claim_words(conn, self._turn, item)
            if call is None:
                return None
            (item,) = lock_items(conn, [item_id])
            assert item.egress_id is not None
            return _Claimed(item_id, message_id, item.egress_id, call)

    def _store(self, claimed: _Claimed, answer: Analysis | AnalysisError, *, latency_ms: int) -> None:
        """An answer that is paid is worth several tries to store it. Raises: StoreError after the last one."""
        for left in range(sweep_limits.STORE_TRIES - 1, -1, -1):
            try:
                self._store_once(claimed, answer, latency_ms=latency_ms)
            except StoreError as error:
                if error.permanent or not left:
                    raise
                log.warning("sweep_answer_not_stored_yet", code=error.code, item_id=claimed.item_id)
                time.sleep(1.0)
            else:
                return

    def _store_once(self, claimed: _Claimed, answer: Analysis | AnalysisError, *, latency_ms: int) -> None:
        with self._turn.transaction() as conn:
            share_context(conn, claimed.message_id)
            (item,) = lock_items(conn, [claimed.item_id])
            ours = item.state == "calling" and item.egress_id == claimed.egress_id
            if ours:
                cost = settle_answer(conn, self._turn, item, answer, latency_ms=latency_ms)
            else:  # this worker was thought to be gone: another one asks, or has asked, again
                cost = answer.usage.cost_microusd if answer.usage else 0
                settle_egress(
                    conn,
                    claimed.egress_id,
                    outcome="answered_too_late",
                    usage=answer.usage,
                    request_id=answer.request_id,
                    latency_ms=latency_ms,
                )
            add_spent(conn, self._turn.sweep_id, microusd=cost)
