"""Making Earshot's person fields in a Pipedrive account: read, create what is missing, report what may not be made."""

import threading
from collections.abc import Callable
from typing import Any

from crm_sync.base import CrmError, ProvisionReport
from crm_sync.labels import SENTIMENTS
from crm_sync.pipedrive_answers import FORBIDDEN, MISSING_SCOPES
from crm_sync.pipedrive_api import PipedriveApi
from crm_sync.pipedrive_fields import FALLBACK_LABELS, FIELD_TYPES, LABELS_CODE, TYPE_NAMES, FieldMap, read_field_map

_WHERE = "Company settings > Data fields > Person > Custom field"


class KnownFields:
    """The account's fields, read once and kept for the adapter's life, or until they turn out to be others."""

    def __init__(self, api: PipedriveApi) -> None:
        self._api = api
        self._map: FieldMap | None = None
        self._lock = threading.RLock()
        self._tried = self._labels_tried = False

    def current(self) -> FieldMap:
        """As they were when they were last read."""
        with self._lock:
            if self._map is None:
                self._map = read_field_map(self._api.person_fields())
            return self._map

    def reread(self) -> FieldMap:
        """As they are now; what is missing may be made once more."""
        with self._lock:
            self._map, self._tried, self._labels_tried = None, False, False
            return self.current()

    def complete(self) -> FieldMap:
        """With ours made where they are missing and may be made; tried once."""
        with self._lock:
            if self.current().missing() and not self._tried:
                self.provision(dry_run=False)
            return self.current()

    def with_fallback_labels(self) -> FieldMap:
        """With our labels among the labels of persons, as far as they may be made; tried once."""
        with self._lock:
            absent = [name for one, name in FALLBACK_LABELS.items() if one not in self.current().fallback_ids]
            if absent and not self._labels_tried and self.current().find(LABELS_CODE):
                self._labels_tried = True
                if not self._refused(lambda: self._api.add_options(LABELS_CODE, absent)):
                    self._map = None
            return self.current()

    def provision(self, *, dry_run: bool) -> ProvisionReport:
        """Names are "persons.earshot_score"; the missing ones end in what to make, where, and why we could not.

        Raises: CrmError when Pipedrive can't be asked at all.
        """
        with self._lock:
            self._map = None
            before = self.current()
            reasons: dict[str, str] = {}
            if not dry_run and before.missing():
                self._tried = True
                for name in before.missing():
                    if reason := self._make(before, name):
                        reasons[name] = reason
                self._map = None
            after = self.current()
        absent_before, absent_after = set(before.missing()), set(after.missing())
        return ProvisionReport(
            created=tuple(f"persons.{name}" for name in FIELD_TYPES if name in absent_before - absent_after),
            present=tuple(f"persons.{name}" for name in FIELD_TYPES if name not in absent_before),
            missing=tuple(
                _to_do(after, name, reasons.get(name, "not_created")) for name in FIELD_TYPES if name in absent_after
            ),
        )

    def _make(self, fields: FieldMap, name: str) -> str:
        """Make one field, or the options it lacks; why not, or "" when it is made."""
        if options := fields.missing_options(name):
            known = fields.ours(name)
            return self._refused(lambda: self._api.add_options(known.code if known else "", options))
        if fields.named_as_ours(name):
            return "wrong_type"
        made: dict[str, Any] = {"field_name": name, "field_type": FIELD_TYPES[name]}
        if FIELD_TYPES[name] == "enum":
            made["options"] = [{"label": one} for one in SENTIMENTS]
        return self._refused(lambda: self._api.add_field(made))

    def _refused(self, make: Callable[[], None]) -> str:
        """Why the account did not let us; "" when it did. Raises: CrmError for all else."""
        try:
            make()
        except CrmError as error:
            if not error.permanent and not error.code.startswith((MISSING_SCOPES, FORBIDDEN)):
                raise
            return error.code
        return ""


def _to_do(fields: FieldMap, name: str, reason: str) -> str:
    kind = FIELD_TYPES[name]
    wanted = f"type {TYPE_NAMES[kind]}"
    if kind == "enum":
        wanted += f", options {', '.join(SENTIMENTS)}"
    if wrong := fields.named_as_ours(name):
        wanted += f"; the field there is of type {TYPE_NAMES.get(wrong[0].kind, wrong[0].kind)}"
    return f"persons.{name} ({_WHERE}: {wanted}) ({reason})"
