"""What commands about labels work with: one tenant, its configuration, the model, and the person who acts."""

import argparse
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from cli.connect import Installation, describe, find_installation
from cli.errors import CommandError
from cli.main import add_data_argument
from config.logs import configure_logging
from config.settings import Settings, SettingsError, environment_value, load_settings
from config.tenant import TenantConfig
from store.corrections import CorrectionError
from store.db import Connection, Database, StoreError
from store.tenants import find_tenant_id
from store.users import find_member
from worker.deps import Deps, TenantConfigs
from worker.examples import ExamplesError
from worker.leases import LeaseKeeper
from worker.trials import TrialError

MAY_CORRECT = frozenset({"agent", "supervisor", "admin", "operator"})
MAY_PUBLISH = frozenset({"admin", "operator"})
MAX_CONNECTIONS = 2


@dataclass(frozen=True)
class Workbench:
    """One tenant and what its commands need."""

    deps: Deps
    tenant_id: int
    tenant: TenantConfig

    @contextmanager
    def transaction(self) -> Generator[Connection]:
        """A transaction that acts for the tenant."""
        with self.deps.database.tenant_transaction(self.tenant_id) as conn:
            yield conn

    def person(self, email: str, *, may: frozenset[str]) -> int:
        """The id of the person who acts. Raises: CommandError when there is none, or their role does not allow it."""
        with self.deps.database.system_transaction() as conn:
            member = find_member(conn, email=email, tenant_id=self.tenant_id)
        if member is None:
            raise CommandError(f"{email} has no account in this tenant; see earshot user add")
        if member.role not in may:
            raise CommandError(f"{email} is {member.role} here; this takes {' or '.join(sorted(may))}")
        return member.user_id


def add_tenant_argument(parser: argparse.ArgumentParser) -> None:
    """`--tenant SLUG` and `--data DIR`."""
    parser.add_argument("--tenant", required=True, metavar="SLUG")
    add_data_argument(parser)


def _settings(installation: Installation) -> Settings:
    """The environment's settings; a running stack's stand-in plays the model."""
    # Limits and the breaker are shared with the workers where their server is known; without it there are none.
    redis_url = installation.stack.get("redis_url") or environment_value(os.environ, "REDIS_URL") or "memory://"
    overrides: dict[str, str] = {"database_url": installation.database_url, "redis_url": redis_url}
    standin = installation.stack.get("standins", {}).get("anthropic")
    if standin:
        overrides |= {"anthropic_base_url": standin, "anthropic_api_key": "stand-in", "analyzer_label": "stand-in"}
    try:
        # The keyring is open already; the setting is not used again.
        return load_settings(os.environ, earshot_keys="k1:unused", **overrides)
    except SettingsError as error:
        raise CommandError(str(error)) from None


@contextmanager
def open_workbench(options: argparse.Namespace) -> Generator[Workbench]:
    """The tenant that the options name. Raises: CommandError instead of every error of what is done inside."""
    installation = find_installation(options.data)
    settings = _settings(installation)
    configure_logging(level="ERROR", log_format="console")
    database = Database(installation.database_url, pool_size=MAX_CONNECTIONS)
    try:
        with database.system_transaction() as conn:
            tenant_id = find_tenant_id(conn, options.tenant)
        if tenant_id is None:
            raise CommandError(f"there is no tenant {options.tenant!r}; see earshot tenant list")
        deps = Deps(
            settings=settings,
            database=database,
            keyring=installation.keyring,
            tenants=TenantConfigs(database),
            leases=LeaseKeeper(database),
        )
        yield Workbench(deps, tenant_id, deps.tenants.get(tenant_id))
    except StoreError as error:
        raise CommandError(describe(error)) from None
    except (CorrectionError, ExamplesError, TrialError) as error:
        raise CommandError(str(error)) from None
    finally:
        database.close()
