"""`earshot crm check | provision`"""

import argparse
import os

from cli.connect import find_installation
from cli.errors import CommandError
from cli.main import add_data_argument
from config.settings import SettingsError, load_settings
from crm_sync.base import CrmError
from crm_sync.registry import build_crm
from store.db import act_for_tenant
from store.tenants import find_crm_connection, find_tenant_id, mark_crm_provisioned

# Which setting points the client of a CRM at the running stack's stand-in.
_STANDIN_SETTINGS = {"hubspot": "hubspot_api_url", "salesforce": "salesforce_login_url"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Subcommands."""
    actions = parser.add_subparsers(dest="action", required=True)
    for name, help_text in (
        ("check", "do the credentials work?"),
        ("provision", "make our fields where they are missing"),
    ):
        action = actions.add_parser(name, help=help_text)
        action.add_argument("--tenant", required=True, metavar="SLUG")
        add_data_argument(action)


def run(options: argparse.Namespace) -> int:
    """Check or provision one tenant's CRM."""
    installation = find_installation(options.data)
    overrides: dict[str, str] = {"database_url": installation.database_url, "redis_url": "redis://unused"}
    standins = installation.stack.get("standins", {})
    for kind, setting in _STANDIN_SETTINGS.items():
        if kind in standins:
            overrides[setting] = standins[kind]
    with installation.system_transaction() as conn:
        tenant_id = find_tenant_id(conn, options.tenant)
        if tenant_id is None:
            message = f"there is no tenant {options.tenant!r}; see earshot tenant list"
            raise CommandError(message)
        act_for_tenant(conn, tenant_id)
        connection = find_crm_connection(conn, tenant_id, keyring=installation.keyring)
    if connection is None:
        message = f"{options.tenant} has no [crm] in its tenant file"
        raise CommandError(message)
    try:
        settings = load_settings({**os.environ, "EARSHOT_KEYS": "k1:unused"}, **overrides)
        crm = build_crm(connection.kind, connection.credentials, settings=settings)
        if options.action == "check":
            crm.check()
            print(f"{connection.kind}: the credentials work")
            return 0
        report = crm.provision()
    except (CrmError, SettingsError) as error:
        raise CommandError(f"{connection.kind}: {error}") from None
    with installation.system_transaction() as conn:
        act_for_tenant(conn, tenant_id)
        mark_crm_provisioned(conn, tenant_id)
    print(f"created {len(report.created)}, present {len(report.present)}")
    for name in report.missing:
        print(f"make by hand: {name}")
    return 1 if report.missing else 0
