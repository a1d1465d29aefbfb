"""A sweep's batches: handed in, looked for after a crash, read, deleted. Each step starts from the batch's row."""

import uuid
from contextlib import suppress
from datetime import timedelta

import structlog

from analysis.base import NO_SUCH_BATCH, AnalysisError, BatchAnalyzer, BatchAnswer, PreparedCall
from store.examples import get_published_examples
from store.messages import share_contexts
from store.sweep_batches import (
    SweepBatch,
    add_batch,
    add_stray_batch,
    find_provider_id,
    list_known_provider_ids,
    list_open_batches,
    lock_preparing,
    mark_submitted,
    mark_submitting,
    note_cancel,
    note_incomplete_read,
    poll_later,
    settle_batch,
)
from store.sweep_items import (
    count_answered,
    list_batch_items,
    list_message_ids,
    list_waiting,
    lock_items,
    release_batch_items,
    settle_item,
    try_again,
)
from store.sweeps import Sweep, add_spent
from worker import sweep_limits
from worker.call_figures import count_batch_answer
from worker.sweep_turn import LeaseLost, Outage, SweepTurn, affordable, claim_words, settle_answer

log = structlog.get_logger()

# After these nobody knows whether the batch was made.
_OPEN_ENDED = ("timeout", "no_connection", "odd_answer", "provider_", "overloaded")


def custom_id(*, batch_id: str, item_id: str) -> str:
    """What a request is called at the provider: our batch and our item, 64 characters, of no meaning to anybody else."""
    return uuid.UUID(batch_id).hex + uuid.UUID(item_id).hex


def read_custom_id(text: str) -> tuple[str, str] | None:
    """(batch_id, item_id), None for one that is not ours."""
    try:
        return str(uuid.UUID(text[:32])), str(uuid.UUID(text[32:]))
    except ValueError:
        return None


class BatchDesk:
    """Looks after the batches of one sweep for one turn."""

    def __init__(self, turn: SweepTurn, analyzer: BatchAnalyzer) -> None:
        self._turn = turn
        self._analyzer = analyzer
        self.failure: Outage | None = None

    def tend(self, sweep: Sweep) -> bool:
        """Do what is due for the batches there are, each for itself. False when nothing was. Raises: StoreError.

        failure: of the last batch that the provider did nothing for, None when there was none.
        """
        self.failure = None
        with self._turn.transaction() as conn:
            batches = list_open_batches(conn, sweep.id)
        worked = False
        for batch in batches:
            try:
                worked = self._tend(batch, sweep) or worked
            except AnalysisError as error:
                self.failure = Outage(error.code, permanent=False, retry_after_s=error.retry_after_s)
                log.warning("sweep_batch_not_tended", batch_id=batch.id, state=batch.state, code=error.code)
                with self._turn.transaction() as conn:
                    poll_later(conn, batch.id)
        return worked

    def _tend(self, batch: SweepBatch, sweep: Sweep) -> bool:
        match batch.state:
            case "preparing":  # of a worker that is gone: nothing of it has left
                self._give_up(batch)
                return True
            case "submitting":
                return batch.is_due and self._look_for(batch)
            case "submitted":
                if sweep.state == "cancelled" and not batch.cancel_asked:
                    self._cancel(batch)
                return batch.is_due and self._fetch(batch)
            case _:
                return batch.is_due and self._delete(batch)

    def begin(self, sweep: Sweep) -> bool:
        """Hand in one more batch. False when nothing waits, or enough is under way. Raises: Outage, LeaseLost, StoreError."""
        with self._turn.transaction() as conn:
            under_way = [batch for batch in list_open_batches(conn, sweep.id) if batch.state != "read"]
            waiting = list_waiting(conn, sweep.id, limit=sweep_limits.REQUESTS_PER_BATCH)
            answered = count_answered(conn, sweep.id)
        if not waiting or len(under_way) >= sweep_limits.MAX_OPEN_BATCHES:
            return False
        committed = sum(batch.estimated_microusd for batch in under_way)
        allowed = min(affordable(sweep, answered=answered, committed_microusd=committed), len(waiting))
        if allowed < 1:
            if under_way:  # they may turn out cheaper
                return False
            self._turn.pause_for_budget()
            return True
        batch_id, calls = self._prepare(waiting[: int(allowed)])
        self._submit(batch_id, calls, sweep)
        self._turn.note_success(sweep)
        return True

    def _prepare(self, waiting: list[tuple[str, str]]) -> tuple[str, dict[str, PreparedCall]]:
        """Claim items for a new batch, some at a time. Returns its id, and the calls by item."""
        with self._turn.transaction() as conn:
            self._turn.check_lease(conn)
            batch_id = add_batch(conn, self._turn.tenant_id, self._turn.sweep_id)
        calls: dict[str, PreparedCall] = {}
        for start in range(0, len(waiting), sweep_limits.CHUNK):
            chunk = waiting[start : start + sweep_limits.CHUNK]
            with self._turn.transaction() as conn:
                share_contexts(conn, [message_id for _, message_id in chunk])
                if not lock_preparing(conn, batch_id):
                    raise LeaseLost
                examples = get_published_examples(conn, self._turn.tenant_id)
                for item in lock_items(conn, [item_id for item_id, _ in chunk]):
                    if item.state == "waiting":
                        call = claim_words(conn, self._turn, item, batch_id=batch_id, examples=examples)
                        if call:
                            calls[item.id] = call
        return batch_id, calls

    def _submit(self, batch_id: str, calls: dict[str, PreparedCall], sweep: Sweep) -> None:
        requests: dict[str, PreparedCall] = {}
        with self._turn.transaction() as conn:
            for item_id, _, intact in list_batch_items(conn, batch_id):
                if intact:
                    requests[custom_id(batch_id=batch_id, item_id=item_id)] = calls[item_id]
                else:  # erased since it was claimed
                    settle_item(conn, item_id, state="skipped", error_code="erased")
            if not requests:
                settle_batch(conn, batch_id, state="lost")
                return
            estimate = round(len(requests) * sweep.microusd_per_message)
            if not mark_submitting(conn, batch_id, requests=len(requests), estimated_microusd=estimate):
                raise LeaseLost
        try:
            provider_id = self._analyzer.submit_batch(requests)
        except AnalysisError as error:
            if not error.code.startswith(_OPEN_ENDED):
                self._release(batch_id)
            raise Outage.of(error) from None
        self._note_submitted(batch_id, provider_id)
        log.info("sweep_batch_submitted", sweep_id=sweep.id, batch_id=batch_id, requests=len(requests))

    def _note_submitted(self, batch_id: str, provider_id: str) -> None:
        """A worker that slept too long may find its batch given up: then what it made must not be worked on as well."""
        with self._turn.transaction() as conn:
            noted = mark_submitted(conn, batch_id, provider_id=provider_id)
            stray = not noted and find_provider_id(conn, batch_id) != provider_id
            if stray:
                add_stray_batch(conn, self._turn.tenant_id, self._turn.sweep_id, provider_id=provider_id)
        if stray:
            log.warning("sweep_batch_came_too_late", batch_id=batch_id)
            with suppress(AnalysisError):
                self._analyzer.cancel_batch(provider_id)
            raise LeaseLost

    def _look_for(self, batch: SweepBatch) -> bool:
        """Find out whether a batch arrived whose answer did not. False when that can't be told yet."""
        assert batch.submitting_at is not None
        since = batch.submitting_at - timedelta(seconds=sweep_limits.SKEW_S)
        found = self._analyzer.list_batches(created_after=since)
        with self._turn.deps.database.system_transaction() as conn:
            known = list_known_provider_ids(conn, [one.provider_id for one in found])
        unsure = batch.submitting_for_s < sweep_limits.LOOK_FOR_S
        for one in found:
            if one.provider_id in known or one.requests not in {0, batch.requests}:
                continue
            if not one.has_ended:  # whose it is can be read only when it has ended
                unsure = True
            elif self._is_ours(one.provider_id, batch):
                with self._turn.transaction() as conn:
                    mark_submitted(conn, batch.id, provider_id=one.provider_id)
                log.info("sweep_batch_found_again", batch_id=batch.id)
                return True
        if unsure:
            with self._turn.transaction() as conn:
                poll_later(conn, batch.id)
            return False
        self._give_up(batch)
        return True

    def _is_ours(self, provider_id: str, batch: SweepBatch) -> bool:
        answers = self._analyzer.read_batch(provider_id, topics=self._turn.topics)
        first = next(answers, None)
        ids = read_custom_id(first.custom_id) if first else None
        return ids is not None and ids[0] == batch.id

    def _give_up(self, batch: SweepBatch) -> None:
        log.info("sweep_batch_never_arrived", batch_id=batch.id, state=batch.state)
        self._release(batch.id)

    def _release(self, batch_id: str) -> None:
        """Nothing of it was done: its items wait again."""
        with self._turn.transaction() as conn:
            settle_batch(conn, batch_id, state="lost")
            release_batch_items(conn, batch_id)

    def _cancel(self, batch: SweepBatch) -> None:
        assert batch.provider_id is not None
        try:
            self._analyzer.cancel_batch(batch.provider_id)
        except AnalysisError as error:
            if not error.permanent:
                raise
        with self._turn.transaction() as conn:
            note_cancel(conn, batch.id)

    def _fetch(self, batch: SweepBatch) -> bool:
        """Store the answers of a batch that has ended. False while it has not."""
        assert batch.provider_id is not None
        try:
            if not self._analyzer.get_batch(batch.provider_id).has_ended:
                with self._turn.transaction() as conn:
                    poll_later(conn, batch.id)
                return False
            self._read(batch, batch.provider_id)
        except AnalysisError as error:
            if error.code != NO_SUCH_BATCH:
                raise
            self._settle_gone(batch)
        return True

    def _read(self, batch: SweepBatch, provider_id: str) -> None:
        chunk: list[BatchAnswer] = []
        for answer in self._analyzer.read_batch(provider_id, topics=self._turn.topics):
            chunk.append(answer)
            if len(chunk) == sweep_limits.CHUNK:
                self._store(batch, chunk)
                chunk = []
        self._store(batch, chunk)
        with self._turn.transaction() as conn:
            missing = [item_id for item_id, _, _ in list_batch_items(conn, batch.id)]
            if missing and batch.reads + 1 < sweep_limits.MAX_READS:
                note_incomplete_read(conn, batch.id)
                poll_later(conn, batch.id)
                return
            for item in lock_items(conn, missing):
                try_again(conn, item, error_code="batch_no_result", counts=True)
            settle_batch(conn, batch.id, state="read")

    def _store(self, batch: SweepBatch, answers: list[BatchAnswer]) -> None:
        """Some answers, each once: an item that is settled already, or that is none of this batch's, is left alone."""
        by_item: dict[str, BatchAnswer] = {}
        for answer in answers:
            ids = read_custom_id(answer.custom_id)
            if ids and ids[0] == batch.id:
                by_item[ids[1]] = answer
        if not by_item:
            return
        with self._turn.transaction() as conn:
            share_contexts(conn, list_message_ids(conn, list(by_item)))
            cost, settled = 0, list[BatchAnswer]()
            for item in lock_items(conn, list(by_item)):
                if item.state != "in_batch" or item.batch_id != batch.id:
                    continue
                answer = by_item[item.id]
                outcome = answer.analysis or answer.error
                assert outcome is not None
                cost += settle_answer(conn, self._turn, item, outcome, counts_as_try=answer.counts_as_try)
                settled.append(answer)
            add_spent(conn, self._turn.sweep_id, microusd=cost)
        for answer in settled:
            count_batch_answer(answer, model=self._turn.model)

    def _settle_gone(self, batch: SweepBatch) -> None:
        """The provider has it no more. Its requests may have been paid: they are not sent again by themselves."""
        log.error("sweep_batch_gone", batch_id=batch.id)
        with self._turn.transaction() as conn:
            for item_id, _, _ in list_batch_items(conn, batch.id):
                settle_item(conn, item_id, state="failed", error_code="batch_gone")
            settle_batch(conn, batch.id, state="gone")

    def _delete(self, batch: SweepBatch) -> bool:
        """Nothing of the customers' stays at the provider longer than needed. Tried until it is done."""
        assert batch.provider_id is not None
        try:
            self._analyzer.delete_batch(batch.provider_id)
        except AnalysisError as error:
            log.warning("sweep_batch_not_deleted_yet", batch_id=batch.id, code=error.code)
            with self._turn.transaction() as conn:
                poll_later(conn, batch.id)
            return False
        with self._turn.transaction() as conn:
            settle_batch(conn, batch.id, state="deleted")
        return True
