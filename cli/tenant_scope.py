"""How a command acts for one tenant that is named by its slug."""

import argparse
from collections.abc import Generator
from contextlib import contextmanager
from uuid import UUID

from cli.connect import Installation
from cli.errors import CommandError
from store.db import Connection, act_for_tenant
from store.tenants import find_tenant_id


@contextmanager
def tenant_transaction(installation: Installation, slug: str) -> Generator[tuple[Connection, int]]:
    """(connection, tenant id) of one transaction that acts for the tenant. Raises: CommandError when there is none."""
    with installation.system_transaction() as conn:
        tenant_id = find_tenant_id(conn, slug)
        if tenant_id is None:
            message = f"there is no tenant {slug!r}; see earshot tenant list"
            raise CommandError(message)
        act_for_tenant(conn, tenant_id)
        yield conn, tenant_id


def as_uuid(text: str) -> str:
    """An argument that must be an id of ours."""
    try:
        return str(UUID(text))
    except ValueError:
        message = f"{text!r} is no id; ids look like 0199f2a0-0000-7000-8000-000000000001"
        raise argparse.ArgumentTypeError(message) from None
