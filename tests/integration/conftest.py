"""What the pipeline's tests share: dependencies with real clients, and webhooks stored as the receiver does."""

import itertools
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import httpx2
import pytest
import redis

from channels.body import decode_body
from channels.registry import PARSERS
from cli.main import main
from config.tenant import TenantConfig
from store.intake import get_dedupe_pepper
from store.runs import RunRef
from tests.conftest import TEST_KEY
from tests.crm_portals import PORTALS
from tests.integration import workplace
from tests.integration.crm_desk import CrmDesk
from webhook_receiver.app import create_app
from webhook_receiver.intake import store_share
from webhook_receiver.shares import Accepted
from worker.deps import TenantConfigs, build_deps
from worker.roles import ROLES


@pytest.fixture(autouse=True)
def now_of_this_test(request, monkeypatch):
    """A module's `NOW` is when its test began: minutes lie between collecting and running it."""
    now = datetime.now(UTC)
    monkeypatch.setattr(workplace, "NOW", now)
    if hasattr(request.module, "NOW"):
        monkeypatch.setattr(request.module, "NOW", now)


@pytest.fixture
def valkey(broker):
    """The broker's server, with empty queues before and after."""
    queues = [queue for role in ROLES.values() for queue in role.queues]
    with redis.Redis.from_url(broker) as client:
        client.delete(*queues)
        yield client
        client.delete(*queues)


@dataclass
class CarefulConfigs(TenantConfigs):
    """Finds out also where a configuration happens to be at hand whether its reader might need a second connection for it."""

    def get(self, tenant_id: int) -> TenantConfig:
        with self.database.stage_transaction(tenant_id):
            pass
        return super().get(tenant_id)


@pytest.fixture
def deps(settings, forget_calls, broker):
    forget_calls()
    with redis.Redis.from_url(broker) as client:
        patterns = ("earshot:breaker:*", "earshot:budget:model:*", "earshot:budget:lane:*", "earshot:crm:*")
        for key in [key for pattern in patterns for key in client.scan_iter(pattern)]:
            client.delete(key)
    deps = build_deps(settings)
    yield replace(deps, tenants=CarefulConfigs(deps.database))
    deps.database.close()


@pytest.fixture
def receive(deps, tenant_ids):
    """Store a webhook as the receiver does; returns the runs to start."""

    def store(body, *, kind="whatsapp", slug="acme"):
        parsed = PARSERS[kind](decode_body(body))
        with deps.database.system_transaction() as conn:
            pepper = get_dedupe_pepper(conn, keyring=deps.keyring)
        with deps.database.tenant_transaction(tenant_ids[slug]) as conn:
            stored = store_share(conn, tenant_ids[slug], Accepted.of(parsed), pepper=pepper)
        return [RunRef(run.tenant_id, run.message_id, run.run_id) for run in stored.runs]

    return store


@pytest.fixture
def times():
    """Provider times as WhatsApp writes them, a second apart, from a minute ago."""
    start = int(datetime.now(UTC).timestamp()) - 60
    return (str(start + number) for number in itertools.count())


@pytest.fixture
def crm_desk(deps, owner, tenant_ids, standins):
    """Make a tenant's account at a CRM: crm_desk("zoho", create_contacts=True)."""
    desks = []

    def make(kind="hubspot", *, slug="other", **settings):
        desk = CrmDesk(deps, owner, tenant_ids[slug], standins[kind], kind=kind, settings=settings)
        desk.portal.reset()
        desk.portal = PORTALS[kind](standins[kind])
        desk.connect(**settings)
        httpx2.delete(f"{desk.url}/_conditions")
        desks.append(desk)
        return desk

    yield make
    for desk in desks:
        desk.portal.reset()
        httpx2.delete(f"{desk.url}/_conditions")


@pytest.fixture
def start_receiver():
    """Makes clients of receivers; their connections end with the test, and with them the threads that renew them."""
    apps = []

    def start(settings):
        apps.append(create_app(settings))
        return apps[-1].test_client()

    yield start
    for app in apps:
        app.extensions["database"].close()


@pytest.fixture
def earshot(owner_database_url, monkeypatch, tmp_path, capsys):
    """Run a command; returns (exit code, what it printed, what it complained)."""
    monkeypatch.setenv("DATABASE_URL", owner_database_url)
    monkeypatch.setenv("EARSHOT_KEYS", TEST_KEY)

    def run(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([*arguments, "--data", str(tmp_path)])
        told = capsys.readouterr()
        return ended.value.code, told.out, told.err

    return run
