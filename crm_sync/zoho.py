"""Zoho CRM, API version 8: labels as fields of contacts, or as tags where Earshot may make no fields; notes and tasks.

Scopes: ZohoCRM.modules.contacts.ALL, .modules.accounts.READ, .modules.tasks.ALL, .modules.notes.ALL, .coql.READ, .org.READ,
.settings.fields.READ, ZohoSearch.securesearch.READ and, to let Earshot make its fields, ZohoCRM.settings.fields.CREATE.
"""

import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from crm_sync.base import (
    FIELD_MISSING,
    Account,
    Candidate,
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
from crm_sync.batches import send_in_batches
from crm_sync.client import CrmClient, as_object, as_objects
from crm_sync.metering import AccountLimits, Meter
from crm_sync.tokens import TokenSource
from crm_sync.zoho_answers import DUPLICATE, SCOPE_MISMATCH, CreditsLeft, change, refusal_reader
from crm_sync.zoho_events import emit, retract
from crm_sync.zoho_fields import API, BATCH, CONTACTS, CUSTOMER_KEY, FIELDS, contact_of, credits_of, label_values
from crm_sync.zoho_find import by_customer_key, find
from crm_sync.zoho_known_fields import SHARED
from crm_sync.zoho_provision import provision, read_fields, usable_names
from crm_sync.zoho_queries import ask, one_of
from crm_sync.zoho_tags import change_tags

_COLUMN = re.compile(r"[A-Za-z]\w{0,63}(\.[A-Za-z]\w{0,63})?")
_PROBES: dict[str, tuple[str, dict[str, str]]] = {
    "ZohoCRM.settings.fields.READ": (f"{API}/settings/fields", {"module": "Contacts"}),
    "ZohoCRM.modules.contacts.READ": (CONTACTS, {"fields": "id", "per_page": "1"}),
    "ZohoCRM.modules.tasks.READ": (f"{API}/Tasks", {"fields": "id", "per_page": "1"}),
    "ZohoCRM.modules.notes.READ": (f"{API}/Notes", {"fields": "id", "per_page": "1"}),
    "ZohoSearch.securesearch.READ": (f"{CONTACTS}/search", {"phone": "0000000", "fields": "id", "per_page": "1"}),
}


class Zoho:
    """One account. dc: its data centre. default_region: the tenant's country, to read numbers that lack a country code.

    account: a text that is this account's alone.
    """

    kind = "zoho"
    # Edition Standard. The edition Free has a tenth of it, and Zoho tells what is left once half is used.
    capabilities = Capabilities(
        batch_update=BATCH, keyed_events=False, external_id=True, limits=AccountLimits(day=50_000)
    )

    def __init__(
        self,
        *,
        tokens: TokenSource,
        dc: str,
        account: str,
        base_url: str | None = None,
        send_summary: bool = True,
        default_region: str | None = None,
        timeout_s: float = 15.0,
        meter: Meter | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._send_summary = send_summary
        self._default_region = default_region
        self._account = account
        credits_left = CreditsLeft()
        self._client = CrmClient(
            base_url,
            tokens=tokens,
            authorization=lambda token: {"Authorization": f"Zoho-oauthtoken {token.value}"},
            timeout_s=timeout_s,
            read_refusal=refusal_reader(dc=dc, credits_left=credits_left),
            read_usage=credits_left.read,
            meter=meter,
            sleep=sleep,
        )

    def check(self) -> Account:
        """Raises: CrmError "missing_scopes:…" naming all that are missing, and those of credentials that don't work."""
        missing: list[str] = []
        org: dict[str, Any] = {}

        def probe(scope: str, ask_zoho: Callable[[], Any]) -> Any:
            try:
                return ask_zoho()
            except CrmError as error:
                if error.code != SCOPE_MISMATCH:
                    raise
            missing.append(scope)
            return {}

        org = probe("ZohoCRM.org.READ", lambda: self._client.get(f"{API}/org"))
        probe("ZohoCRM.coql.READ", lambda: ask(self._client, [], "Contacts", "id is not null"))
        for scope, (path, params) in _PROBES.items():
            probe(scope, lambda path=path, params=params: self._client.get(path, params=params))
        if missing:
            raise CrmError(":".join(["missing_scopes", *missing]), permanent=False, connection_broken=True)
        return _account(org)

    def provision(self, *, dry_run: bool = False) -> ProvisionReport:
        """Create our fields where they are missing. What Earshot may not make is reported, ready to be made by hand."""
        SHARED.forget(self._account)
        return provision(self._client, dry_run=dry_run)

    def find(self, customers: list[CustomerRef]) -> list[Found]:
        """One Found per input, in order. Search lags behind writes, except by our own id."""
        return find(self._client, customers, region=self._default_region)

    def create(self, customers: list[CustomerRef]) -> list[Found]:
        """One contact per input, by our own key, so that a repeat after a lost answer gives the same contact."""
        known = [customer for customer in customers if customer.phones or customer.emails or customer.display_name]
        made: dict[str, Found] = {}
        if known and CUSTOMER_KEY not in self._usable_fields():
            lacking = CrmError(FIELD_MISSING + CUSTOMER_KEY, permanent=True)
            made = {customer.customer_id: Found(customer.customer_id, error=lacking) for customer in known}
        elif known:
            there = by_customer_key(self._client, known)
            made = {key: Found(key, (Candidate(one.candidates[0].record_id, "created"),)) for key, one in there.items()}
            new = [customer for customer in known if customer.customer_id not in made]
            found = send_in_batches(
                new, size=BATCH, send=self._create, refused=lambda one, error: Found(one.customer_id, error=error)
            )
            made |= {one.customer_id: one for one in found}
        return [made.get(customer.customer_id) or Found(customer.customer_id) for customer in customers]

    def write(self, writes: list[StateWrite]) -> list[Outcome]:
        """Write the labels. Where two customers share a record the newer labels stand."""
        if not writes:
            return []
        newest = {one.record_id: one for one in sorted(writes, key=_last_analyzed_at)}
        usable = self._usable_fields()
        outcomes = send_in_batches(
            list(newest.values()),
            size=BATCH,
            send=lambda batch: self._write(batch, usable),
            refused=lambda one, error: Outcome(one.record_id, error),
        )
        errors = {outcome.ref: outcome.error for outcome in outcomes}
        return [Outcome(one.customer_id, errors[one.record_id]) for one in writes]

    def emit(self, events: list[CrmEvent]) -> list[Outcome]:
        """Add notes and tasks. One that is there already is left as it is: an agent may have worked on it."""
        outcomes = emit(self._client, events)
        return [outcomes[event.key] for event in events]

    def retract(self, events: list[EmittedEvent]) -> list[Outcome]:
        """Delete notes and tasks that we wrote; a task's workflows are not started by it."""
        outcomes = retract(self._client, events)
        return [outcomes[event.key] for event in events]

    def read_fields(self, record_ids: list[str], fields: tuple[str, ...]) -> dict[str, dict[str, str | None]]:
        """Values by record id; "Account_Name.Rating" reads the contact's account."""
        for name in fields:
            if not _COLUMN.fullmatch(name):
                raise CrmError(f"{FIELD_MISSING}{name}", permanent=True)
        ids = [one for one in record_ids if one.isdigit()]
        values: dict[str, dict[str, str | None]] = {}
        for start in range(0, len(ids), BATCH):
            for record in ask(self._client, fields, "Contacts", one_of("id", ids[start : start + BATCH])):
                values[str(record["id"])] = {name: _as_text(record.get(name)) for name in fields}
        return values

    def _usable_fields(self) -> frozenset[str]:
        """Those of our fields that labels can be written to, made first where they may be."""
        usable = SHARED.find(self._account)
        if usable is None:
            usable = usable_names(read_fields(self._client))
            if len(usable) < len(FIELDS):
                provision(self._client)
                usable = usable_names(read_fields(self._client))
            SHARED.keep(self._account, usable)
        return usable

    def _create(self, customers: Sequence[CustomerRef]) -> list[Found]:
        body = {
            "data": [contact_of(customer) for customer in customers],
            "duplicate_check_fields": [CUSTOMER_KEY],
            "trigger": [],
        }
        cost = credits_of(len(customers))
        results = change(
            lambda: self._client.post(f"{CONTACTS}/upsert", body, idempotent=True, cost=cost), count=len(customers)
        )
        return [
            Found(customer.customer_id, error=result)
            if isinstance(result, CrmError)
            else Found(customer.customer_id, (Candidate(str(result.get("id")), "created"),))
            for customer, result in zip(customers, results, strict=True)
        ]

    def _write(self, writes: Sequence[StateWrite], usable: frozenset[str]) -> list[Outcome]:
        results = self._update(writes, usable) if usable else {}
        taken = [one for one in writes if _is_duplicate(results.get(one.record_id))]
        if taken:
            # Another contact bears our id: it keeps it, and the labels are written all the same.
            results |= self._update(taken, usable - {CUSTOMER_KEY})
        tagged = [one for one in writes if one.labels is None or "earshot_label" not in usable]
        tagged = [one for one in tagged if not results.get(one.record_id)]
        if tagged:
            results |= change_tags(self._client, tagged)
        return [Outcome(one.record_id, results.get(one.record_id)) for one in writes]

    def _update(self, writes: Sequence[StateWrite], usable: frozenset[str]) -> dict[str, CrmError | None]:
        """Errors by record id."""
        data: list[dict[str, Any]] = []
        for one in writes:
            values = label_values(one.labels, with_summary=self._send_summary or one.labels is None)
            values[CUSTOMER_KEY] = one.customer_id if one.labels else None
            data.append({"id": one.record_id} | {name: value for name, value in values.items() if name in usable})
        results = change(
            lambda: self._client.request(
                "PUT", CONTACTS, payload={"data": data, "trigger": []}, idempotent=True, cost=credits_of(len(data))
            ),
            count=len(data),
        )
        return {
            one.record_id: result if isinstance(result, CrmError) else None
            for one, result in zip(writes, results, strict=True)
        }


def _is_duplicate(error: CrmError | None) -> bool:
    return error is not None and error.code == f"{DUPLICATE}:{CUSTOMER_KEY}"


def _last_analyzed_at(write: StateWrite) -> datetime:
    return write.labels.last_analyzed_at if write.labels else datetime.min.replace(tzinfo=UTC)


def _account(answer: dict[str, Any]) -> Account:
    org = next(iter(as_objects(answer.get("org"))), {})
    license_details = as_object(org.get("license_details"))
    edition, users = license_details.get("paid_type"), license_details.get("users_license_purchased")
    account_id = org.get("zgid") or org.get("id")
    facts = [
        f"edition {edition}" if isinstance(edition, str) else "",
        f"{users} users" if isinstance(users, int) else "",
    ]
    return Account(account_id=str(account_id) if account_id else None, facts=tuple(fact for fact in facts if fact))


def _as_text(value: object) -> str | None:
    """A lookup by its name, several values in one text."""
    if value is None or value in ("", []):
        return None
    if isinstance(value, dict):
        lookup = cast("dict[str, object]", value)
        return _as_text(lookup.get("name") or lookup.get("id"))
    if isinstance(value, list):
        return "; ".join(_as_text(one) or "" for one in cast("list[object]", value))
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
