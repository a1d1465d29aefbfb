"""What a worker knows of its tenants: new within seconds, and read by one thread at a time."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from worker import deps as worker_deps
from worker.deps import TENANT_CACHE_S, TENANT_STALE_S, TenantConfigs


@dataclass
class Clock:
    now: float = 100.0

    def monotonic(self) -> float:
        return self.now


@dataclass
class Counting:
    """A database that counts, and that may do something while a configuration is read."""

    database: Any
    reads: int = 0
    meanwhile: list[Any] = field(default_factory=list)

    def stage_transaction(self, tenant_id):
        self.reads += 1
        for act in self.meanwhile:
            act()
        return self.database.stage_transaction(tenant_id)


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(worker_deps, "time", clock)
    return clock


def test_while_one_thread_reads_it_again_the_others_go_on_with_what_they_have(database, tenant_ids, clock):
    acme, counting = tenant_ids["acme"], Counting(database)
    configs = TenantConfigs(counting)
    configs.get(acme)
    clock.now += TENANT_CACHE_S
    counting.meanwhile.append(lambda: [configs.get(acme) for _ in range(50) if counting.reads == 2])
    configs.get(acme)
    assert counting.reads == 2


def test_nobody_goes_on_for_long_when_it_cannot_be_read(database, tenant_ids, clock):
    acme, counting = tenant_ids["acme"], Counting(database)
    configs = TenantConfigs(counting)
    configs.get(acme)

    def fail() -> None:
        raise ConnectionError

    counting.meanwhile.append(fail)
    clock.now += TENANT_CACHE_S
    with pytest.raises(ConnectionError):
        configs.get(acme)
    assert configs.get(acme) and counting.reads == 2
    clock.now += TENANT_STALE_S - TENANT_CACHE_S
    with pytest.raises(ConnectionError):
        configs.get(acme)


def test_what_nobody_has_written_is_not_read_whole_again_and_what_somebody_has_is(database, owner, tenant_ids, clock):
    acme, configs = tenant_ids["acme"], TenantConfigs(database)
    first = configs.get(acme)
    clock.now += TENANT_CACHE_S
    assert configs.get(acme) is first
    owner.execute('UPDATE tenant SET config = config || \'{"thresholds": {"escalate": 0.4}}\' WHERE id = %s', (acme,))
    clock.now += TENANT_CACHE_S
    assert configs.get(acme).thresholds.escalate == 0.4
