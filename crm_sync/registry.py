"""The CRMs Earshot writes to: one line each."""

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from config.settings import Settings
from crm_sync.base import Crm, CrmError
from crm_sync.metering import Meter
from crm_sync.tokens import AccessToken, ConstantToken, ProcessToken, TokenSource


@dataclass(frozen=True)
class Connecting:
    """What an adapter is built of. default_region: the tenant's country ("TR")."""

    tokens: TokenSource
    credentials: Mapping[str, str] = field(repr=False)
    settings: Settings
    default_region: str | None
    send_summary: bool
    meter: Meter | None
    sleep: Callable[[float], None]


@dataclass(frozen=True)
class Adapter:
    """build: the adapter for a connection. fetch_token: asks the CRM for an access token; None for credentials that are one."""

    build: Callable[[Connecting], Crm]
    fetch_token: Callable[[Mapping[str, str], Settings], AccessToken] | None = None


# Each builder imports its adapter when a tenant uses it.
def _hubspot(connecting: Connecting) -> Crm:
    from crm_sync.hubspot import HubSpot

    if "token" not in connecting.credentials:
        for name in ("client_id", "client_secret", "refresh_token"):
            connecting.credentials[name]  # names what is missing
    return HubSpot(
        tokens=connecting.tokens,
        base_url=connecting.settings.hubspot_api_url,
        send_summary=connecting.send_summary,
        default_region=connecting.default_region,
        meter=connecting.meter,
        sleep=connecting.sleep,
    )


def _hubspot_token(credentials: Mapping[str, str], settings: Settings) -> AccessToken:
    from crm_sync.hubspot import fetch_token

    return fetch_token(credentials, settings)


def _salesforce(connecting: Connecting) -> Crm:
    from crm_sync.salesforce import Salesforce
    from crm_sync.salesforce_login import read_login

    read_login(connecting.credentials)  # so that a part that is missing shows before anything is asked
    return Salesforce(
        tokens=connecting.tokens,
        send_summary=connecting.send_summary,
        default_region=connecting.default_region,
        meter=connecting.meter,
        sleep=connecting.sleep,
    )


def _salesforce_token(credentials: Mapping[str, str], settings: Settings) -> AccessToken:
    from crm_sync.salesforce_login import fetch_token

    return fetch_token(credentials, settings)


def _zoho(connecting: Connecting) -> Crm:
    from crm_sync.zoho import Zoho
    from crm_sync.zoho_token import account_of, data_centre

    return Zoho(
        tokens=connecting.tokens,
        dc=data_centre(connecting.credentials),
        account=account_of(connecting.credentials),
        base_url=connecting.settings.zoho_api_url,
        send_summary=connecting.send_summary,
        default_region=connecting.default_region,
        meter=connecting.meter,
        sleep=connecting.sleep,
    )


def _zoho_token(credentials: Mapping[str, str], settings: Settings) -> AccessToken:
    from crm_sync.zoho_token import fetch_token

    return fetch_token(credentials, settings)


def _pipedrive(connecting: Connecting) -> Crm:
    from crm_sync.pipedrive import Pipedrive, base_url

    return Pipedrive(
        tokens=connecting.tokens,
        base_url=base_url(connecting.credentials, connecting.settings),
        is_app="token" not in connecting.credentials,
        send_summary=connecting.send_summary,
        default_region=connecting.default_region,
        meter=connecting.meter,
        sleep=connecting.sleep,
    )


def _pipedrive_token(credentials: Mapping[str, str], settings: Settings) -> AccessToken:
    from crm_sync.pipedrive import fetch_token

    return fetch_token(credentials, settings)


ADAPTERS: dict[str, Adapter] = {
    "hubspot": Adapter(_hubspot, _hubspot_token),
    "salesforce": Adapter(_salesforce, _salesforce_token),
    "zoho": Adapter(_zoho, _zoho_token),
    "pipedrive": Adapter(_pipedrive, _pipedrive_token),
}


def fetch_token(kind: str, credentials: Mapping[str, str], *, settings: Settings) -> AccessToken:
    """A new access token from the CRM. Raises: CrmError; also for a kind whose credentials are constant."""
    fetch = _adapter(kind).fetch_token
    if fetch is None or "token" in credentials:
        raise CrmError("token_is_constant", permanent=True)
    with _naming_what_is_missing():
        return fetch(credentials, settings)


def has_constant_token(kind: str, credentials: Mapping[str, str]) -> bool:
    """Whether the credentials are an access token themselves. Raises: CrmError for a kind that has no adapter."""
    return _adapter(kind).fetch_token is None or "token" in credentials


def build_crm(
    kind: str,
    credentials: Mapping[str, str],
    *,
    settings: Settings,
    default_region: str | None = None,
    send_summary: bool = True,
    tokens: TokenSource | None = None,
    meter: Meter | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Crm:
    """The adapter for a tenant's connection.

    default_region: the tenant's country ("TR"), to read numbers on cards that lack a country code. tokens: shared ones;
    None: this process fetches its own. sleep: for tests.
    Raises: CrmError for a kind that has no adapter, or whose credentials lack a part.
    """
    adapter = _adapter(kind)
    with _naming_what_is_missing():
        if tokens is None:
            tokens = (
                ConstantToken(credentials["token"])
                if has_constant_token(kind, credentials)
                else ProcessToken(lambda: fetch_token(kind, credentials, settings=settings))
            )
        return adapter.build(Connecting(tokens, credentials, settings, default_region, send_summary, meter, sleep))


def _adapter(kind: str) -> Adapter:
    if kind not in ADAPTERS:
        raise CrmError(f"crm_not_supported:{kind}", permanent=True)
    return ADAPTERS[kind]


@contextmanager
def _naming_what_is_missing() -> Generator[None]:
    missing = ""
    try:
        yield
    except KeyError as error:
        missing = str(error.args[0])
    if missing:
        raise CrmError(f"credential_missing:{missing}", permanent=False, connection_broken=True)
