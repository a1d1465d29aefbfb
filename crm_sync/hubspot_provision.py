"""Making Earshot's properties in a HubSpot portal: read, create what is missing, report what may not be made."""

from collections.abc import Sequence
from typing import Any

from crm_sync.base import CrmError, ProvisionReport
from crm_sync.batches import send_in_batches
from crm_sync.client import CrmClient, as_objects
from crm_sync.hubspot_answers import MISSING_SCOPES
from crm_sync.hubspot_fields import BATCH, FIELDS, GROUP, VERSION


def provision(client: CrmClient, *, dry_run: bool = False) -> ProvisionReport:
    """Names are "contacts.earshot_score"; the missing ones end in why: "… (missing_scopes:crm.schemas.contacts.write)".

    Raises: CrmError when HubSpot can't be asked at all.
    """
    reports = [_provision_object(client, object_type, dry_run=dry_run) for object_type in FIELDS]
    return ProvisionReport(
        created=tuple(name for report in reports for name in report.created),
        present=tuple(name for report in reports for name in report.present),
        missing=tuple(name for report in reports for name in report.missing),
    )


def _provision_object(client: CrmClient, object_type: str, *, dry_run: bool) -> ProvisionReport:
    names = [str(one["name"]) for one in FIELDS[object_type]]
    reasons: dict[str, str] = {}
    before: set[str] = set()
    try:
        before = after = _property_names(client, object_type)
        if not dry_run and not before.issuperset(names):
            absent = [one for one in FIELDS[object_type] if one["name"] not in before]
            reasons = _create(client, object_type, absent)
            after = _property_names(client, object_type)
    except CrmError as error:
        if not error.code.startswith(MISSING_SCOPES):
            raise
        after = before
        reasons = dict.fromkeys(names, error.code)
    return ProvisionReport(
        created=tuple(f"{object_type}.{name}" for name in names if name in after - before),
        present=tuple(f"{object_type}.{name}" for name in names if name in before),
        missing=tuple(
            f"{object_type}.{name} ({reasons.get(name, 'not_created')})" for name in names if name not in after
        ),
    )


def _property_names(client: CrmClient, object_type: str) -> set[str]:
    answer = client.get(f"/crm/properties/{VERSION}/{object_type}")
    return {str(one.get("name")) for one in as_objects(answer.get("results"))}


def _create(client: CrmClient, object_type: str, absent: list[dict[str, Any]]) -> dict[str, str]:
    """Why properties were refused, by name. A refusal may also mean that another worker was faster."""
    path = f"/crm/properties/{VERSION}/{object_type}"
    try:
        client.post(f"{path}/groups", GROUP, idempotent=True)
    except CrmError as error:
        # There already; any other cause shows when the properties are made.
        if not error.permanent:
            raise

    def send(batch: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
        client.post(f"{path}/batch/create", {"inputs": list(batch)}, idempotent=True)
        return []

    return dict(
        send_in_batches(absent, size=BATCH, send=send, refused=lambda one, error: (str(one["name"]), error.code))
    )
