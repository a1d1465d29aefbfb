"""The CRMs Earshot writes to: one line each."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from config.settings import Settings
from crm_sync.base import Crm, CrmError


@dataclass(frozen=True)
class _Wanted:
    credentials: dict[str, str] = field(repr=False)
    settings: Settings
    default_region: str | None
    sleep: Callable[[float], None]


def _hubspot(wanted: _Wanted) -> Crm:
    from crm_sync.hubspot import HubSpot  # imported when a tenant uses it

    return HubSpot(
        wanted.credentials["token"],
        base_url=wanted.settings.hubspot_api_url,
        default_region=wanted.default_region,
        sleep=wanted.sleep,
    )


ADAPTERS: dict[str, Callable[[_Wanted], Crm]] = {
    "hubspot": _hubspot,
}


def build_crm(
    kind: str,
    credentials: dict[str, str],
    *,
    settings: Settings,
    default_region: str | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Crm:
    """The adapter for a tenant's connection.

    default_region: the tenant's country ("TR"), to read numbers on cards that lack a country code. sleep: for tests.
    Raises: CrmError for a kind that has no adapter, or whose credentials lack a part.
    """
    if kind not in ADAPTERS:
        raise CrmError(f"crm_not_supported:{kind}", permanent=True)
    try:
        return ADAPTERS[kind](_Wanted(credentials, settings, default_region, sleep))
    except KeyError as error:
        raise CrmError(f"credential_missing:{error.args[0]}", permanent=False, connection_broken=True) from None
