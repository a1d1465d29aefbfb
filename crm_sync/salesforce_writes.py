"""Writing labels onto Salesforce's contacts, 200 a call, also where contacts were merged meanwhile."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from crm_sync.base import RECORD_NOT_FOUND, CrmError, Outcome, StateWrite
from crm_sync.batches import send_in_batches
from crm_sync.client import CrmClient
from crm_sync.salesforce_answers import results
from crm_sync.salesforce_fields import BATCH, CUSTOMER_KEY, DATA, is_record_id, label_values

# How often a contact may have been merged into one that was merged itself.
MAX_MERGES = 4


class LabelWrites:
    """One call's labels. fields: the only ones of ours to write; None: all. masters: finds what deleted ones became."""

    def __init__(
        self,
        client: CrmClient,
        *,
        with_summary: bool,
        fields: Collection[str] | None,
        masters: Callable[[list[str]], dict[str, str]],
    ) -> None:
        self._client = client
        self._with_summary = with_summary
        self._fields = fields
        self._masters = masters

    def write(self, writes: list[StateWrite]) -> list[Outcome]:
        """Where customers share a record the newest labels stand: Salesforce takes an id once."""
        moved: dict[str, str] = {}
        written: dict[str, StateWrite] = {}
        errors: dict[str, CrmError | None] = {}
        ordered = sorted(writes, key=_last_analyzed_at)
        for _ in range(1 + MAX_MERGES):
            newest = {_final(one.record_id, moved): one for one in ordered}
            due = {record_id: one for record_id, one in newest.items() if written.get(record_id) is not one}
            errors |= self._write_records([replace(one, record_id=record_id) for record_id, one in due.items()])
            written |= due
            gone = [one for one in due if _is_gone(errors[one]) and is_record_id(one)]
            merged = self._masters(gone) if gone else {}
            if not merged:
                break
            moved |= merged
        finals = [_final(one.record_id, moved) for one in writes]
        return [
            Outcome(
                one.customer_id,
                errors.get(final, errors[one.record_id]),
                record_id=final if final != one.record_id else None,
            )
            for one, final in zip(writes, finals, strict=True)
        ]

    def _write_records(self, writes: list[StateWrite]) -> dict[str, CrmError | None]:
        """Error or None by record id."""
        impossible = CrmError(RECORD_NOT_FOUND, permanent=True)
        errors: dict[str, CrmError | None] = {one.record_id: impossible for one in writes}
        possible = [one for one in writes if is_record_id(one.record_id)]
        errors |= self._send(possible, with_key=self._fields is None or CUSTOMER_KEY in self._fields)
        # The customer's key stands on another contact: the labels are what matters here.
        taken = [one for one in possible if _is_duplicate(errors[one.record_id])]
        return errors | self._send(taken, with_key=False)

    def _send(self, writes: list[StateWrite], *, with_key: bool) -> dict[str, CrmError | None]:
        def send(batch: Sequence[StateWrite]) -> list[tuple[str, CrmError | None]]:
            body = {"allOrNone": False, "records": [self._record(one, with_key=with_key) for one in batch]}
            answer = self._client.request("PATCH", f"{DATA}/composite/sobjects", payload=body, idempotent=True)
            return [
                (one.record_id, result if isinstance(result, CrmError) else None)
                for one, result in zip(batch, results(answer, sent=len(batch)), strict=True)
            ]

        return dict(send_in_batches(writes, size=BATCH, send=send, refused=lambda one, error: (one.record_id, error)))

    def _record(self, write: StateWrite, *, with_key: bool) -> dict[str, object]:
        values = label_values(write.labels, with_summary=self._with_summary, fields=self._fields)
        key = {CUSTOMER_KEY: write.customer_id if write.labels else None} if with_key else {}
        return {"attributes": {"type": "Contact"}, "id": write.record_id, **values, **key}


def _final(record_id: str, moved: dict[str, str]) -> str:
    for _ in range(len(moved)):
        record_id = moved.get(record_id, record_id)
    return record_id


def _is_gone(error: CrmError | None) -> bool:
    return error is not None and error.code == RECORD_NOT_FOUND


def _is_duplicate(error: CrmError | None) -> bool:
    return error is not None and error.code.startswith("duplicate_value")


def _last_analyzed_at(write: StateWrite) -> datetime:
    return write.labels.last_analyzed_at if write.labels else datetime.min.replace(tzinfo=UTC)
