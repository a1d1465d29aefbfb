"""Salesforce, REST API version 64.0: labels as custom fields of the contact, notes and tasks as tasks.

The connection is an External Client App with client credentials or a JWT bearer flow. Its user needs the API, and to read,
create and edit contacts and tasks; with "Customize Application" Earshot makes its fields itself.
"""

import time
from collections.abc import Callable
from typing import TypeVar

from crm_sync.base import (
    FIELD_MISSING,
    Account,
    Capabilities,
    CrmError,
    CrmEvent,
    CustomerRef,
    EmittedEvent,
    Found,
    Outcome,
    ProvisionReport,
    StateWrite,
)
from crm_sync.client import CrmClient, as_object
from crm_sync.metering import AccountLimits, Meter
from crm_sync.salesforce_answers import MISSING_PERMISSION, read_refusal, read_usage, records
from crm_sync.salesforce_contacts import Contacts, nobody
from crm_sync.salesforce_events import KEY_FIELD_LACKS, Events
from crm_sync.salesforce_fields import BATCH, DATA, EVENT_KEY, LABEL_NAMES
from crm_sync.salesforce_provision import describe, provision, usable_names
from crm_sync.salesforce_writes import LabelWrites
from crm_sync.tokens import TokenSource

_ORGANIZATION = "SELECT Id,OrganizationType,IsSandbox FROM Organization LIMIT 1"
_NEEDED = {"Contact": ("createable", "updateable"), "Task": ("createable", "updateable")}

T = TypeVar("T")


class Salesforce:
    """One org. default_region: the tenant's country ("TR"), to read numbers on cards that lack a country code."""

    kind = "salesforce"
    capabilities = Capabilities(
        batch_update=BATCH,
        # Not every org has our key field on its tasks.
        keyed_events=False,
        external_id=True,
        # A Developer Edition; paid ones begin at 100,000, and every answer tells. All requests count the same.
        limits=AccountLimits(day=15_000),
    )

    def __init__(
        self,
        *,
        tokens: TokenSource,
        send_summary: bool = True,
        default_region: str | None = None,
        timeout_s: float = 15.0,
        meter: Meter | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._send_summary = send_summary
        self._client = CrmClient(
            None,
            tokens=tokens,
            authorization=lambda token: {"Authorization": f"Bearer {token.value}"},
            timeout_s=timeout_s,
            read_refusal=read_refusal,
            read_usage=read_usage,
            meter=meter,
            sleep=sleep,
        )
        self._contacts = Contacts(self._client, region=default_region)
        self._events = Events(self._client)
        # Our fields that this org has; None until one is found to be missing.
        self._usable: frozenset[str] | None = None

    def check(self) -> Account:
        """Raises: CrmError when the login does not work, or "missing_permission:contact_updateable,…" for its user."""
        missing = [
            f"{kind}_{right}".lower()
            for kind, rights in _NEEDED.items()
            for described in [self._describe(kind)]
            for right in rights
            if described.get(right) is not True
        ]
        if missing:
            raise CrmError(MISSING_PERMISSION + ",".join(missing), permanent=False, connection_broken=True)
        org = next(iter(records(self._client.get(f"{DATA}/query", params={"q": _ORGANIZATION}), "records")), None)
        if org is None:
            raise CrmError("answer_incomplete", permanent=False)
        requests = as_object(self._client.get(f"{DATA}/limits").get("DailyApiRequests"))
        facts = (
            str(org.get("OrganizationType")) + (", sandbox" if org.get("IsSandbox") else ""),
            f"requests left of any 24 hours: {requests.get('Remaining')} of {requests.get('Max')}",
        )
        return Account(account_id=org["Id"], facts=facts)

    def provision(self, *, dry_run: bool = False) -> ProvisionReport:
        """Make our fields where they are missing. Without the right to, they are reported as a checklist instead."""
        return provision(self._client, dry_run=dry_run)

    def find(self, customers: list[CustomerRef]) -> list[Found]:
        """By our key, number and address as written; by the number's other spellings, where search lags behind writes."""
        return self._contacts.find(customers)

    def create(self, customers: list[CustomerRef]) -> list[Found]:
        """One contact per input, by our own key, so that a repeat after a lost answer gives the same contact."""
        if not customers:
            return []
        try:
            return self._with_fields(lambda: self._contacts.create(customers))
        except CrmError as error:
            if not error.code.startswith(FIELD_MISSING):
                raise
            # An org without our key gets no contacts from us, but the labels of those it has.
            return [nobody(customer, error) for customer in customers]

    def write(self, writes: list[StateWrite]) -> list[Outcome]:
        """Write the labels, in an org that lacks some of our fields those that it has.

        Raises: CrmError "field_missing:…" when it has none of them.
        """
        return self._with_fields(lambda: self._write(writes)) if writes else []

    def emit(self, events: list[CrmEvent]) -> list[Outcome]:
        """Add notes and tasks. One that is there already is left as it is: an agent may have worked on it."""
        return self._keyed_or_not(lambda keyed: self._events.emit(events, keyed=keyed)) if events else []

    def retract(self, events: list[EmittedEvent]) -> list[Outcome]:
        """Move notes and tasks that we wrote to the recycle bin, which Salesforce empties after 15 days."""
        return self._keyed_or_not(lambda keyed: self._events.retract(events, keyed=keyed)) if events else []

    def read_fields(self, record_ids: list[str], fields: tuple[str, ...]) -> dict[str, dict[str, str | None]]:
        """Values of contact fields and, dotted, of their accounts, as text."""
        return self._contacts.read_fields(record_ids, fields)

    def _write(self, writes: list[StateWrite]) -> list[Outcome]:
        labels = LabelWrites(
            self._client, with_summary=self._send_summary, fields=self._usable, masters=self._contacts.masters
        )
        return labels.write(writes)

    def _with_fields(self, work: Callable[[], T]) -> T:
        """Do it; where the org lacks fields of ours, make them once and do it again with those that are there."""
        try:
            return work()
        except CrmError as error:
            if not error.code.startswith(FIELD_MISSING):
                raise
            lacking = error
        self._usable = usable_names(self.provision())
        if not LABEL_NAMES & self._usable:
            raise lacking
        return work()

    def _keyed_or_not(self, work: Callable[[bool], T]) -> T:
        """Do it by our key field; where the org has none and lets us make none, without."""
        if self._usable is None or EVENT_KEY in self._usable:
            try:
                return work(True)
            except CrmError as error:
                if error.code not in KEY_FIELD_LACKS:
                    raise
            self._usable = usable_names(self.provision())
        return work(EVENT_KEY in self._usable)

    def _describe(self, kind: str) -> dict[str, object]:
        try:
            return describe(self._client, kind)
        except CrmError as error:
            # An object that the user may not even see is not there.
            if error.code != "not_found":
                raise
            return {}
