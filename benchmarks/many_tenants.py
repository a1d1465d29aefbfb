"""Tenants enough that a load is shared out among them: one that sends more than its share waits in the lane of floods."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.tenant_file import parse_tenant_file
from store.db import Database
from store.secrets import Keyring
from store.tenants import apply_tenant

# An applied tenant is known everywhere within 5 s.
KNOWN_AFTER_S = 6.0
_TENANT = """
slug = "bench{number}"
name = "Bench {number}"
industry = "ecommerce"
[[channels]]
kind = "whatsapp"
account_id = "{account}"
app_secret = "{secret}"
verify_token = "verify{number}"
access_token = "access{number}"
"""


@dataclass(frozen=True)
class Account:
    """A channel account and what its webhooks are signed with."""

    account_id: str
    secret: str


def add_tenants(folder: Path, stack: dict[str, Any], *, count: int) -> list[Account]:
    """Add so many tenants to the stack whose data lies in this folder; returns when they are known everywhere."""
    keyring = Keyring.parse((folder / "data" / "secrets" / "EARSHOT_KEYS").read_text(encoding="utf-8").strip())
    database = Database(stack["database_url"], pool_size=1)
    accounts = [Account(f"333000{number:03}", f"secret-{number}") for number in range(count)]
    try:
        for number, account in enumerate(accounts):
            text = _TENANT.format(number=number, account=account.account_id, secret=account.secret)
            with database.system_transaction() as conn:
                apply_tenant(conn, parse_tenant_file(text, source="bench", environ={}), keyring=keyring)
    finally:
        database.close()
    time.sleep(KNOWN_AFTER_S)
    return accounts
