"""The CRM of the tenant that a command names."""

import argparse
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from cli.connect import Installation, describe, find_installation
from cli.errors import CommandError
from cli.tenant_scope import tenant_transaction
from config.settings import SettingsError, load_settings
from crm_sync.advice import fix_for
from crm_sync.base import Crm, CrmError
from crm_sync.registry import build_crm, has_constant_token
from store.crm_connections import CrmConnection, find_connection
from store.db import Connection, Database, StoreError
from store.tenants import get_tenant_config
from worker.crm_tokens import SharedToken

# Which stand-in answers for which variable of the environment.
_STANDINS = {
    "hubspot_api_url": "hubspot",
    "salesforce_login_url": "salesforce",
    "zoho_api_url": "zoho",
    "zoho_accounts_url": "zoho",
    "pipedrive_api_url": "pipedrive",
    "pipedrive_oauth_url": "pipedrive",
}


@dataclass(frozen=True)
class CrmTarget:
    """One tenant's CRM."""

    installation: Installation
    slug: str
    tenant_id: int
    connection: CrmConnection
    default_region: str | None

    @contextmanager
    def transaction(self) -> Generator[Connection]:
        """One that acts for the tenant. Raises: CommandError."""
        with tenant_transaction(self.installation, self.slug) as (conn, _):
            yield conn


def find_target(options: argparse.Namespace) -> CrmTarget:
    """Raises: CommandError for an unknown tenant, or one without a CRM."""
    installation = find_installation(options.data)
    with tenant_transaction(installation, options.tenant) as (conn, tenant_id):
        connection = find_connection(conn, tenant_id, keyring=installation.keyring)
        region = get_tenant_config(conn, tenant_id).default_region
    if connection is None:
        message = f"{options.tenant} has no CRM: add [crm] to its tenant file (docs/crm.md), then earshot tenant apply"
        raise CommandError(message)
    return CrmTarget(installation, options.tenant, tenant_id, connection, region)


@contextmanager
def open_crm(target: CrmTarget) -> Generator[Crm]:
    """The adapter. Raises: CrmError for credentials without a part."""
    connection, installation = target.connection, target.installation
    overrides: dict[str, str] = {"database_url": installation.database_url, "redis_url": "redis://unused"}
    standins = installation.stack.get("standins", {})
    overrides |= {name: standins[kind] for name, kind in _STANDINS.items() if kind in standins}
    try:
        settings = load_settings({**os.environ, "EARSHOT_KEYS": "k1:unused"}, **overrides)
    except SettingsError as error:
        raise CommandError(str(error)) from None
    # The workers' own token: a command must not use up another of the few that a CRM gives.
    database = Database(installation.database_url, pool_size=1)
    shared = None
    try:
        if not has_constant_token(connection.kind, connection.credentials):
            shared = SharedToken(database, target.tenant_id, keyring=installation.keyring, settings=settings)
        yield build_crm(
            connection.kind,
            connection.credentials,
            settings=settings,
            default_region=target.default_region,
            tokens=shared,
        )
    except StoreError as error:
        raise CommandError(describe(error)) from None
    finally:
        database.close()


def as_told(target: CrmTarget, error: CrmError) -> CommandError:
    """The refusal, and what to do about it."""
    return CommandError(f"{target.connection.kind}: {error.code}: {fix_for(error.code)}")
