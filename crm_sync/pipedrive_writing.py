"""Labels onto Pipedrive persons: one request each, only our own fields and our own labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crm_sync.base import FIELD_MISSING, RECORD_NOT_FOUND, CrmError, Outcome, StateWrite
from crm_sync.client import as_object
from crm_sync.labels import FIELDS
from crm_sync.pipedrive_api import MAX_IDS, PipedriveApi
from crm_sync.pipedrive_fields import OPTION_MISSING, FieldMap, custom_values, name_of
from crm_sync.pipedrive_provision import KnownFields
from crm_sync.pipedrive_sending import send_each


@dataclass(frozen=True)
class _Round:
    """One try to write. label_ids: what stands on each person now, by record id; None when labels are not used."""

    fields: FieldMap
    label_ids: Mapping[str, list[int]] | None


def write_labels(
    api: PipedriveApi, known: KnownFields, writes: Sequence[StateWrite], *, with_summary: bool
) -> list[Outcome]:
    """One outcome per write, in order; ref is the record id. No two writes are for one record.

    A field that was deleted or made anew since the fields were read is noticed by the refusal: they are read again once.
    Raises: CrmError when nothing was written and the cause is none of the persons.
    """
    if not writes:
        return []
    fields = known.complete()
    outcomes = _write_round(api, _round(api, known, fields, writes), writes, with_summary=with_summary)
    suspects = [index for index, one in enumerate(outcomes) if one.error and _may_be_the_fields(one.error)]
    if suspects:
        before = fields.our_part
        known.reread()
        again = known.complete()
        if again.our_part != before:
            retried = [writes[index] for index in suspects]
            fresh = _write_round(api, _round(api, known, again, retried), retried, with_summary=with_summary)
            for index, outcome in zip(suspects, fresh, strict=True):
                outcomes[index] = outcome
    return outcomes


def _round(api: PipedriveApi, known: KnownFields, fields: FieldMap, writes: Sequence[StateWrite]) -> _Round:
    """Labels are kept where our fields are missing, and where the account has our labels already."""
    lacking = [name for name in ("earshot_sentiment", "earshot_label") if fields.ours(name) is None]
    if lacking:
        fields = known.with_fallback_labels()
    if not fields.fallback_ids:
        # Where nothing of ours can stand, there is nothing to clear either.
        if all(fields.ours(name) is None for name in FIELDS) and any(one.labels for one in writes):
            raise CrmError(FIELD_MISSING + "earshot_label", permanent=True)
        return _Round(fields, None)
    ids = [one.record_id for one in writes if is_record_id(one.record_id)]
    persons = [
        person
        for start in range(0, len(ids), MAX_IDS)
        for person in api.persons(ids[start : start + MAX_IDS])
        if isinstance(person.get("id"), int)
    ]
    return _Round(fields, {str(one["id"]): [*(one.get("label_ids") or [])] for one in persons})


def _write_round(api: PipedriveApi, this: _Round, writes: Sequence[StateWrite], *, with_summary: bool) -> list[Outcome]:
    def send(write: StateWrite) -> Outcome:
        return _write_one(api, this, write, with_summary=with_summary)

    results = send_each(writes, send)
    return [
        Outcome(write.record_id, result) if isinstance(result, CrmError) else result
        for write, result in zip(writes, results, strict=True)
    ]


def _write_one(api: PipedriveApi, this: _Round, write: StateWrite, *, with_summary: bool) -> Outcome:
    if not is_record_id(write.record_id):
        raise CrmError(RECORD_NOT_FOUND, permanent=True)
    values = custom_values(this.fields, labels=write.labels, customer_id=write.customer_id, with_summary=with_summary)
    changes: dict[str, Any] = {"custom_fields": values} if values else {}
    if this.label_ids is not None:
        if write.record_id not in this.label_ids:
            raise CrmError(RECORD_NOT_FOUND, permanent=True)
        there = this.label_ids[write.record_id]
        wanted = _label_ids(this.fields, there, sentiment=write.labels.sentiment if write.labels else None)
        if wanted != there:
            changes["label_ids"] = wanted
    if not changes:
        return Outcome(write.record_id)
    person = api.change_person(write.record_id, changes)
    if person.get("is_deleted") is True:
        raise CrmError(RECORD_NOT_FOUND, permanent=True)
    _check_written(this.fields, values, person)
    stands_on = str(person["id"])
    return Outcome(write.record_id, record_id=stands_on if stands_on != write.record_id else None)


def _label_ids(fields: FieldMap, there: list[int], *, sentiment: str | None) -> list[int]:
    """The labels of a person with ours in place and all others as they were: the API takes only whole lists."""
    ours = fields.fallback_ids
    wanted = ours.get(sentiment) if sentiment else None
    if wanted in there and not (set(there) & set(ours.values())) - {wanted}:
        return there
    kept = [one for one in there if one not in ours.values()]
    return [*kept, wanted] if wanted is not None else kept


def _check_written(fields: FieldMap, values: dict[str, Any], person: dict[str, Any]) -> None:
    """An account that takes a deleted field's key without a word does not show it either."""
    shown = as_object(person.get("custom_fields"))
    for code, value in values.items():
        if shown and value is not None and code not in shown:
            raise CrmError(FIELD_MISSING + name_of(fields, code), permanent=True)


def _may_be_the_fields(error: CrmError) -> bool:
    """Pipedrive's code for an unknown key is the same as for any value it does not like."""
    return error.permanent and error.code != RECORD_NOT_FOUND and not error.code.startswith(OPTION_MISSING)


def is_record_id(record_id: str) -> bool:
    """Whether it can be a person's id: nothing else may get into a path."""
    return record_id.isascii() and record_id.isdigit() and len(record_id) <= 15
