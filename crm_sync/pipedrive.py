"""Pipedrive, API v2 (notes, users and tokens are still v1): labels as person fields, events as notes and call activities.

The credentials are a user's API token, or an app's with the scopes contacts:full, contact-fields:full, activities:full and
search:read.
"""

import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from config.settings import Settings
from crm_sync.base import (
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
from crm_sync.client import CrmClient
from crm_sync.metering import AccountLimits, Meter, RateLimit
from crm_sync.oauth import request_token
from crm_sync.pipedrive_answers import MISSING_SCOPES, Answers
from crm_sync.pipedrive_api import Pace, PipedriveApi, reading_usage
from crm_sync.pipedrive_events import emit_all, retract_all
from crm_sync.pipedrive_finding import create_all, find_all
from crm_sync.pipedrive_provision import KnownFields
from crm_sync.pipedrive_values import read_values
from crm_sync.pipedrive_writing import write_labels
from crm_sync.tokens import AccessToken, TokenSource

API_URL = "https://api.pipedrive.com"
OAUTH_URL = "https://oauth.pipedrive.com"
_DOMAIN = re.compile(r"(?:https://)?([a-z0-9][a-z0-9-]{0,62})(?:\.pipedrive\.com)?/?")


def fetch_token(credentials: Mapping[str, str], settings: Settings) -> AccessToken:
    """A new access token for an app's refresh token. Raises: CrmError; KeyError for what the credentials lack."""
    is_theirs = settings.pipedrive_oauth_url == OAUTH_URL
    return request_token(
        f"{settings.pipedrive_oauth_url}/oauth/token",
        {"grant_type": "refresh_token", "refresh_token": credentials["refresh_token"]},
        basic_auth=(credentials["client_id"], credentials["client_secret"]),
        base_key="api_domain",
        base_hosts=r"[a-z0-9-]+\.pipedrive\.com" if is_theirs else None,
    )


def base_url(credentials: Mapping[str, str], settings: Settings) -> str | None:
    """Where the API is; None: where the token's answer says.

    Raises: CrmError for a domain that is none of Pipedrive's; KeyError for what the credentials lack.
    """
    if "token" not in credentials:
        for name in ("client_id", "client_secret", "refresh_token"):
            credentials[name]
    if settings.pipedrive_api_url:
        return settings.pipedrive_api_url
    if "token" not in credentials:
        return None
    domain = credentials.get("domain")
    if not domain:
        return API_URL
    match = _DOMAIN.fullmatch(domain.strip().lower())
    if match is None:
        # The token goes where this says: only to Pipedrive.
        raise CrmError("domain_unusable", permanent=False, connection_broken=True)
    return f"https://{match[1]}.pipedrive.com"


class Pipedrive:
    """One account.

    is_app: the token is an app's, not a user's own. default_region: the tenant's country ("TR"), to read numbers on cards that
    lack a country code.
    """

    kind = "pipedrive"
    # The smallest plan with one seat. Its burst is 20 requests in 2 s (10 of them searches), counted here in the tokens that
    # they cost: a write 5, a search 20.
    capabilities = Capabilities(
        batch_update=1,
        keyed_events=False,
        external_id=False,
        limits=AccountLimits(day=30_000, general=RateLimit(100, 2.0), search=RateLimit(200, 2.0)),
    )

    def __init__(
        self,
        *,
        tokens: TokenSource,
        base_url: str | None,
        is_app: bool = False,
        send_summary: bool = True,
        default_region: str | None = None,
        timeout_s: float = 15.0,
        meter: Meter | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._send_summary = send_summary
        self._default_region = default_region
        self._answers = Answers()
        pace = Pace(sleep=sleep)
        client = CrmClient(
            base_url,
            tokens=tokens,
            authorization=_bearer if is_app else _api_token,
            timeout_s=timeout_s,
            read_refusal=self._answers.read_refusal,
            read_usage=reading_usage(pace, self._answers.read_usage),
            meter=meter,
            sleep=sleep,
        )
        self._api = PipedriveApi(client, pace=pace, sleep=sleep)
        self._fields = KnownFields(self._api)

    def check(self) -> Account:
        """Ask once for each right that Earshot needs. Raises: CrmError that names all that are missing."""
        me = self._api.me()
        missing: list[str] = []
        for ask in (
            self._fields.reread,
            lambda: self._api.newest_persons(limit=1),
            self._api.any_activity,
            lambda: self._api.search("earshot", where="email", exact=True),
        ):
            try:
                ask()
            except CrmError as error:
                name, _, scope = error.code.partition(":")
                if name != MISSING_SCOPES:
                    raise
                missing.append(scope)
        if missing:
            raise CrmError(":".join([MISSING_SCOPES, *missing]), permanent=False, connection_broken=True)
        facts = [f"company {me['company_domain']}"] if isinstance(me.get("company_domain"), str) else []
        usage = self._answers.latest
        if usage.day_limit is not None:
            facts.append(f"{usage.day_limit} API tokens a day, {usage.day_left} left")
        if absent := self._fields.current().missing():
            facts.append(f"fields to be made: {len(absent)}")
        return Account(account_id=str(me["company_id"]) if me.get("company_id") else None, facts=tuple(facts))

    def provision(self, *, dry_run: bool = False) -> ProvisionReport:
        """Create our person fields where they are missing. Without the right they are reported as a list to work through."""
        return self._fields.provision(dry_run=dry_run)

    def find(self, customers: list[CustomerRef]) -> list[Found]:
        """One Found per input, in order. Search lags behind writes, and is the dearest call that Pipedrive has."""
        return find_all(self._api, self._fields, customers, region=self._default_region)

    def create(self, customers: list[CustomerRef]) -> list[Found]:
        """One person per input; a repeat after a lost answer gives the same person."""
        return create_all(self._api, self._fields, customers)

    def write(self, writes: list[StateWrite]) -> list[Outcome]:
        """Write the labels. Where two customers share a person the newer labels stand.

        Persons that a limit did not let through any more have it as their outcome's error; it is raised only when none got
        through.
        """
        newest = {one.record_id: one for one in sorted(writes, key=_last_analyzed_at)}
        outcomes = write_labels(self._api, self._fields, list(newest.values()), with_summary=self._send_summary)
        by_record = {one.ref: one for one in outcomes}
        return [
            Outcome(one.customer_id, by_record[one.record_id].error, record_id=by_record[one.record_id].record_id)
            for one in writes
        ]

    def emit(self, events: list[CrmEvent]) -> list[Outcome]:
        """Add notes and activities. One that is there already is left as it is: an agent may have worked on it."""
        return emit_all(self._api, events)

    def retract(self, events: list[EmittedEvent]) -> list[Outcome]:
        """Delete notes and activities that we wrote."""
        return retract_all(self._api, events)

    def read_fields(self, record_ids: list[str], fields: tuple[str, ...]) -> dict[str, dict[str, str | None]]:
        """Values by record id. A field is named by its name or key; "org." before it reads the person's organization."""
        return read_values(self._api, self._fields, record_ids, fields)


def _bearer(token: AccessToken) -> dict[str, str]:
    return {"Authorization": f"Bearer {token.value}"}


def _api_token(token: AccessToken) -> dict[str, str]:
    return {"x-api-token": token.value}


def _last_analyzed_at(write: StateWrite) -> datetime:
    return write.labels.last_analyzed_at if write.labels else datetime.min.replace(tzinfo=UTC)
