"""Whether a HubSpot credential may do what Earshot needs, asked without changing anything."""

from collections.abc import Callable

from crm_sync.base import Account, CrmError
from crm_sync.client import CrmClient
from crm_sync.hubspot_answers import MISSING_SCOPES
from crm_sync.hubspot_fields import VERSION
from crm_sync.hubspot_records import OBJECTS
from crm_sync.metering import Usage

_NOTHING: dict[str, list[object]] = {"inputs": []}


def check(client: CrmClient, read_usage: Callable[[], Usage | None]) -> Account:
    """read_usage: what HubSpot's last answer said of the day.

    Raises: CrmError when the token does not work, or lacks scopes that labels need: all of them are named.
    """
    facts = _account_facts(client)
    lacking: list[str] = []
    lacking += _lacking(client, f"{OBJECTS}/contacts")
    # HubSpot looks at the scopes before it looks at the inputs, of which there are none.
    lacking += _lacking(client, f"{OBJECTS}/contacts/batch/update", payload=_NOTHING)
    if lacking:
        code = ":".join([MISSING_SCOPES, *dict.fromkeys(lacking)])
        raise CrmError(code, permanent=False, connection_broken=True)
    notes: list[str] = [facts[1]] if facts[1] else []
    if _lacking(client, f"/crm/properties/{VERSION}/contacts/batch/create", payload=_NOTHING):
        notes.append("without crm.schemas.contacts.write an administrator must make the properties")
    usage = read_usage()
    if usage and usage.day_limit is not None:
        notes.append(f"{usage.day_left} of {usage.day_limit} requests are left today")
    return Account(account_id=facts[0], facts=tuple(notes))


def _account_facts(client: CrmClient) -> tuple[str | None, str]:
    try:
        account = client.get(f"/account-info/{VERSION}/details")
    except CrmError as error:
        # No scope for it, or no such call for this kind of credential: the labels don't need it.
        if not (error.permanent or error.code.startswith((MISSING_SCOPES, "http_403"))):
            raise
        return None, ""
    number = account.get("portalId")
    kind, place = account.get("accountType"), account.get("dataHostingLocation")
    fact = f"{kind} account, data in {place}" if isinstance(kind, str) and isinstance(place, str) else ""
    return (str(number) if isinstance(number, int) else None), fact


def _lacking(client: CrmClient, path: str, *, payload: object = None) -> list[str]:
    """The scopes that HubSpot names as missing for this call; "unnamed" when it names none."""
    try:
        if payload is None:
            client.get(path, params={"limit": "1"})
        else:
            client.post(path, payload, idempotent=True)
    except CrmError as error:
        if error.code.startswith(MISSING_SCOPES):
            return error.code.split(":")[1:] or ["unnamed"]
        if error.permanent and payload is not None:
            return []  # the empty batch itself was refused, so that the scope is there
        raise
    return []
