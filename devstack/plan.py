"""All that a stack will be made of, decided before anything starts."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from config.environment import environment_value
from devstack.child import ChildSpec
from devstack.child_environment import app_database_url, shared_environment, without
from devstack.data_dir import DataDir
from devstack.fork_server import ForkServer
from devstack.ports import Ports
from devstack.providers import Providers, choose_providers, standins_child
from devstack.secrets import Secret, Secrets
from devstack.servers import DatabaseServer, Server, choose_postgres, choose_redis
from devstack.services import PYTHON, STOP_STANDINS, ServicePlan, worker_names
from devstack.shared_modules import SHARED_MODULES
from devstack.stack_file import GROUPS, Admin, StackInfo

ADMIN_EMAIL = "admin@localhost"
EARSHOT = (*PYTHON, "-m", "cli.main")


@dataclass(frozen=True)
class ServicePorts:
    """Where people and Meta reach the stack."""

    receiver: int
    console: int
    flower: int


@dataclass(frozen=True)
class StackPlan:
    """foundation: starts first. owner_environ: for the commands that prepare the database. fork_servers: none where each child is to start on its own."""

    postgres: DatabaseServer
    redis: Server
    broker_url: str
    foundation: list[ChildSpec]
    owner_environ: Mapping[str, str]
    services: ServicePlan
    fork_servers: Mapping[str, ForkServer]
    providers: Providers
    admin_password: Secret
    flower_auth: Secret

    @property
    def migrate(self) -> tuple[str, ...]:
        """The command that brings the database to the current schema."""
        return (*EARSHOT, "migrate")

    @property
    def add_admin(self) -> tuple[str, ...]:
        """The command that adds the first operator."""
        password_file = str(self.admin_password.path)
        return (
            *EARSHOT, "user", "add", "--email", ADMIN_EMAIL, "--role", "operator",
            "--password-file", password_file, "--if-missing",
        )  # fmt: skip

    def describe(self) -> StackInfo:
        """What stack.json says, apart from the children's process ids."""
        return StackInfo(
            receiver_url=self.services.receiver_url,
            console_url=self.services.console_url,
            flower_url=self.services.flower_url,
            metrics_urls=list(self.services.metrics_urls),
            database_url=self.postgres.url,
            redis_url=self.redis.url,
            broker_url=self.broker_url,
            flower_auth=self.flower_auth.value,
            admin=Admin(email=ADMIN_EMAIL, password=self.admin_password.value),
            standins=self.providers.urls,
            pids={group: [os.getpid()] if group == "supervisor" else [] for group in GROUPS},
        )


def make_plan(
    data: DataDir,
    *,
    environ: Mapping[str, str],
    live: bool,
    workers_per_role: int,
    service_ports: ServicePorts,
    ports: Ports,
) -> StackPlan:
    """Choose servers, ports and providers; generate missing secrets; create the database's files on the first start.

    Raises: StackError, SettingsError, OSError.
    """
    secrets = Secrets(data.secrets, environ=environ, has_data=data.postgres.exists())
    keys, app_password = secrets.get("EARSHOT_KEYS"), secrets.get("APP_DATABASE_PASSWORD")
    secret_key, flower_auth = secrets.get("SECRET_KEY"), secrets.get("FLOWER_BASIC_AUTH")
    providers = choose_providers(environ, live=live, ports=ports)
    postgres = choose_postgres(data, environ=environ, secrets=secrets, ports=ports)
    redis = choose_redis(data, environ=environ, secrets=secrets, ports=ports)
    broker_url = environment_value(environ, "BROKER_URL")
    app_url = secrets.keep("DATABASE_URL", app_database_url(postgres.url_here, password=app_password.value))
    replaced = {
        **keys.as_environment(),
        **app_url.as_environment(),
        **secrets.keep("REDIS_URL", redis.url).as_environment(),
        **(secrets.keep("BROKER_URL", broker_url).as_environment() if broker_url else {}),
        **providers.environment,
    }
    shared = shared_environment(environ, replaced=replaced)
    shared.setdefault("CANARY_URL", f"http://127.0.0.1:{service_ports.receiver}")
    owner = secrets.keep("OWNER_DATABASE_URL", postgres.url)
    watching = without(shared, "EARSHOT_KEYS", "DATABASE_URL", "ANTHROPIC_API_KEY")
    services = ServicePlan(
        environ=shared,
        console_environ={**shared, **secret_key.as_environment(), **_addresses(service_ports)},
        # Flower reads its own variable only, and needs none of our keys.
        flower_environ={**watching, "FLOWER_BASIC_AUTH": flower_auth.value},
        receiver_port=service_ports.receiver,
        console_port=service_ports.console,
        flower_port=service_ports.flower,
        worker_ports={name: ports.free() for name in worker_names(per_role=workers_per_role)},
        run=data.run,
        beat=data.beat,
        per_role=workers_per_role,
        shares_equally=environ.get("EARSHOT_EQUAL_SHARES") == "1",
    )
    return StackPlan(
        postgres=postgres,
        redis=redis,
        broker_url=broker_url or redis.url,
        foundation=_foundation(
            postgres, redis, providers, environ=shared, data=data, receiver_port=service_ports.receiver
        ),
        owner_environ={**shared, **app_password.as_environment(), "DATABASE_URL_FILE": str(owner.path)},
        services=services,
        fork_servers=_fork_servers(data, environ=watching) if environ.get("EARSHOT_FORK_SERVER") != "0" else {},
        providers=providers,
        admin_password=_in_a_file(secrets, secrets.get("EARSHOT_ADMIN_PASSWORD")),
        flower_auth=flower_auth,
    )


def _fork_servers(data: DataDir, *, environ: Mapping[str, str]) -> dict[str, ForkServer]:
    if sys.platform != "linux":  # elsewhere nobody can become the parent of what another process has forked
        return {}
    return {
        name: ForkServer(modules, environ=environ, log=data.logs / f"fork-server-{name}.log", cwd=data.run)
        for name, modules in SHARED_MODULES.items()
    }


def _addresses(service_ports: ServicePorts) -> dict[str, str]:
    return {
        "RECEIVER_URL": f"http://127.0.0.1:{service_ports.receiver}",
        "FLOWER_URL": f"http://127.0.0.1:{service_ports.flower}",
    }


def _in_a_file(secrets: Secrets, secret: Secret) -> Secret:
    return secret if secret.path else secrets.keep(secret.name, secret.value)


def _foundation(
    postgres: Server,
    redis: Server,
    providers: Providers,
    *,
    environ: Mapping[str, str],
    data: DataDir,
    receiver_port: int,
) -> list[ChildSpec]:
    children = [server.child for server in (postgres, redis) if server.child]
    if providers.ports:
        children.append(
            standins_child(
                providers,
                environ=without(
                    environ, "EARSHOT_KEYS", "DATABASE_URL", "REDIS_URL", "BROKER_URL", "ANTHROPIC_API_KEY"
                ),
                python=PYTHON,
                ports_file=data.run / "standins.json",
                accounts_file=data.root / "standin-accounts.json",
                receiver_url=f"http://127.0.0.1:{receiver_port}",
                stop_phase=STOP_STANDINS,
            )
        )
    return children
