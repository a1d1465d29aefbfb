"""Values of a tenant's own HubSpot properties: of contacts and, with a dotted name, of their primary companies."""

from collections.abc import Iterable, Sequence
from typing import Any

from crm_sync.base import FIELD_MISSING, RECORD_NOT_FOUND, CrmError
from crm_sync.client import CrmClient, as_object
from crm_sync.hubspot_answers import MISSING_SCOPES
from crm_sync.hubspot_fields import VERSION
from crm_sync.hubspot_records import Records

COMPANY = "company."
_PRIMARY_COMPANY = "associatedcompanyid"
# Ids, joined by semicolons, of the records that were merged into this one: each of them leads to it.
_MERGED_IDS = "hs_merged_object_ids"

Values = dict[str, dict[str, str | None]]


def read_fields(client: CrmClient, records: Records, record_ids: Sequence[str], fields: Iterable[str]) -> Values:
    """Values by record id; None where empty; a contact that is gone is left out.

    Raises: CrmError "field_missing:<name>"; "missing_scopes:…", permanent, where companies may not be read.
    """
    wanted = list(fields)
    own = [name for name in wanted if not name.startswith(COMPANY)]
    of_company = [name.removeprefix(COMPANY) for name in wanted if name.startswith(COMPANY)]
    properties = [*own, _MERGED_IDS, *([_PRIMARY_COMPANY] if of_company else [])]
    contacts = _by_id(records.read("contacts", record_ids, properties=properties))
    _refuse_unknown(client, "contacts", own, contacts)
    values: Values = {one: {name: _value(card, name) for name in own} for one, card in contacts.items()}
    if of_company:
        company_ids = {one: _value(card, _PRIMARY_COMPANY) for one, card in contacts.items()}
        companies = _companies(client, records, {one for one in company_ids.values() if one}, of_company)
        for record_id, company_id in company_ids.items():
            company = companies.get(company_id or "", {})
            values[record_id] |= {COMPANY + name: _value(company, name) for name in of_company}
    asked_as = {one: [one, *(_value(card, _MERGED_IDS) or "").split(";")] for one, card in contacts.items()}
    return {name: values[one] for one, names in asked_as.items() for name in names if name in record_ids}


def _companies(
    client: CrmClient, records: Records, company_ids: set[str], names: list[str]
) -> dict[str, dict[str, Any]]:
    try:
        companies = _by_id(records.read("companies", sorted(company_ids), properties=names))
        _refuse_unknown(client, "companies", names, companies, prefix=COMPANY)
    except CrmError as error:
        if not error.code.startswith(MISSING_SCOPES):
            raise
        # The labels don't need companies: this is one field's trouble and not the connection's.
        refusal = CrmError(error.code, permanent=True)
    else:
        return companies
    raise refusal


def _refuse_unknown(
    client: CrmClient, object_type: str, names: list[str], cards: dict[str, dict[str, Any]], *, prefix: str = ""
) -> None:
    """HubSpot passes over names that it does not know: those that no card shows are asked for by name."""
    for name in names:
        if not cards or any(name in card for card in cards.values()):
            continue
        try:
            client.get(f"/crm/properties/{VERSION}/{object_type}/{name}")
        except CrmError as error:
            if error.code == RECORD_NOT_FOUND:
                raise CrmError(FIELD_MISSING + prefix + name, permanent=True) from None
            if not error.code.startswith(MISSING_SCOPES):
                raise


def _by_id(found: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["id"]: as_object(one.get("properties")) for one in found}


def _value(card: dict[str, Any], name: str) -> str | None:
    value = card.get(name)
    return value if isinstance(value, str) and value else None
