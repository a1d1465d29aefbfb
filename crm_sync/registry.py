"""The CRMs Earshot writes to: one line each."""

from collections.abc import Callable

from config.settings import Settings
from crm_sync.base import Crm, CrmError


def _hubspot(credentials: dict[str, str], settings: Settings) -> Crm:
    from crm_sync.client import CrmClient  # noqa: PLC0415 -- adapters are imported when a tenant uses them
    from crm_sync.hubspot import HubSpot  # noqa: PLC0415

    return HubSpot(
        CrmClient(settings.hubspot_api_url, headers={"Authorization": f"Bearer {credentials['token']}"})
    )


ADAPTERS: dict[str, Callable[[dict[str, str], Settings], Crm]] = {"hubspot": _hubspot}


def build_crm(kind: str, credentials: dict[str, str], *, settings: Settings) -> Crm:
    """The adapter for a tenant's connection. Raises: CrmError for a kind that has none yet."""
    if kind not in ADAPTERS:
        raise CrmError(f"not_supported:{kind}", permanent=True, connection_broken=True)
    return ADAPTERS[kind](credentials, settings)
