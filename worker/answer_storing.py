"""Storing what the model answered, with what follows it: one transaction where all goes well."""

import time
from dataclasses import replace
from typing import Any, Protocol

import structlog

from analysis.schema import SCHEMA_VERSION
from config.crash_points import crash_point
from store.analyses import Provenance
from store.db import Connection, StoreError
from store.held_runs import HeldRun, finish_and_settle, hold_run, let_go
from store.messages import StoredMessage
from store.runs import RunRef, store_answer
from worker.deps import Deps
from worker.model_call import Answer, ClaimedCall, call_end, settle_call
from worker.stage import Next

# A restarting Postgres is back within seconds, and the answer is paid.
STORE_TRIES, STORE_AGAIN_S = 8, 1.0

log = structlog.get_logger()


class Behind(Protocol):
    """The stages behind this one, for a transaction of all of them."""

    def join(self, held: HeldRun) -> None:
        """Run them in the transaction at hand, which holds the run."""
        ...

    def confirm(self) -> None:
        """That transaction was committed."""
        ...

    def part(self) -> None:
        """It was not: they run one by one later."""
        ...


def store(
    deps: Deps,
    ref: RunRef,
    claimed: ClaimedCall,
    answer: Answer,
    *,
    behind: Behind | None,
    escalated_from: str | None = None,
    is_settled: bool = False,
) -> Next:
    """Keep a paid answer, and what can be done with it at once in the same transaction; whatever fails there, the answer alone.

    is_settled: the call stands in the ledger with its outcome already. Raises: StoreError when Postgres stays away.
    """
    record = _answer_record(claimed, answer, escalated_from=escalated_from)

    def store_once(*, is_again: bool, behind: Behind | None = None) -> bool:
        hands = deps.flood_hands.turn(is_flood=ref.is_flood)
        with hands, deps.database.joint_transaction(ref.tenant_id) as conn:
            held: HeldRun | None = None
            if behind is None:
                kept = store_answer(conn, ref, lease_token=claimed.lease_token, answer=record)
            else:
                held = _go_on(conn, ref, behind, claimed.message, lease_token=claimed.lease_token, answer=record)
                kept = held is not None
            # A try whose end nobody heard may have been kept and settled.
            is_open = not is_settled and escalated_from is None and (kept or not is_again)
            # Last: all of a tenant's messages wait for each other where its spending is added up.
            if is_open and held and held.is_over:
                finish_and_settle(conn, ref, claimed.egress_id, call_end(answer, outcome="answered"), held=held)
            else:
                if held:
                    let_go(conn, ref, held, lease_token=claimed.lease_token)
                if is_open:
                    outcome = "answered" if kept else "answered_too_late"
                    settle_call(conn, ref, claimed.egress_id, answer, outcome=outcome)
            crash_point("analyze.answer_before_commit")
        crash_point("analyze.after_commit")
        return kept

    if behind is None:
        return Next.GO_ON if _insist(store_once) else Next.STOP
    try:
        deps.tenants.get(ref.tenant_id)  # what routing needs is at hand then, and no second connection is
        kept = store_once(is_again=False, behind=behind)
    except Exception as error:  # noqa: BLE001 -- whatever is wrong with a later stage, the answer is paid and is kept
        log.info("answer_stored_alone", code=error.code if isinstance(error, StoreError) else type(error).__name__)
        behind.part()
        kept = _insist(store_once, is_again=True)
    else:
        behind.confirm()
    return Next.GO_ON if kept else Next.STOP


def _go_on(
    conn: Connection, ref: RunRef, behind: Behind, message: StoredMessage, *, lease_token: str, answer: dict[str, Any]
) -> HeldRun | None:
    """Take the answered run as far as it comes in this transaction. None when the lease was lost."""
    held = hold_run(conn, ref, message)
    if held is None or held.run.state != "minimized" or not held.run.is_leased_by(lease_token):
        return None
    held.run = replace(held.run, state="analyzed", outcome="analyzed", answer=answer)
    behind.join(held)
    return held


class _Storing(Protocol):
    def __call__(self, *, is_again: bool) -> bool: ...


def _insist(store_once: _Storing, *, is_again: bool = False) -> bool:
    """Store what was paid for, with several tries. Raises: StoreError after the last one, or when trying again is of no use."""
    for left in range(STORE_TRIES - 1, -1, -1):
        try:
            return store_once(is_again=is_again or left + 1 < STORE_TRIES)
        except StoreError as error:
            if error.permanent or not left:
                raise
            log.warning("answer_not_stored_yet", code=error.code)
            time.sleep(STORE_AGAIN_S)
    raise AssertionError


def _answer_record(claimed: ClaimedCall, answer: Answer, *, escalated_from: str | None) -> dict[str, Any]:
    """What `analyze` leaves for `persist`."""
    analysis = answer.analysis
    assert analysis is not None
    provenance = Provenance(
        model_asked=answer.call.model,
        schema_version=SCHEMA_VERSION,
        minimizer_version=claimed.message.minimizer_version,
        examples_version=claimed.built.request.examples_version,
        escalated_from=escalated_from,
        request_id=analysis.request_id,
        input_tokens=analysis.usage.input_tokens,
        output_tokens=analysis.usage.output_tokens,
        cached_tokens=analysis.usage.cached_tokens,
        cost_microusd=analysis.usage.cost_microusd,
        latency_ms=answer.latency_ms,
    )
    return {
        "answer": analysis.answer.model_dump(mode="json"),
        "analyzer": analysis.analyzer,
        "model": analysis.model,
        "prompt_version": analysis.prompt_version,
        "prompt_hash": answer.call.prompt_hash,
        "provenance": vars(provenance),
        "unknown_topics": list(analysis.unknown_topics),
    }
