"""What the tests of sweeps share."""

import time

import pytest

from tests.integration.sweeps.sweeping import Killed, Provider, turn
from worker import sweep_limits


@pytest.fixture
def tenant_id(tenant_ids):
    return tenant_ids["acme"]


@pytest.fixture
def provider(standins, deps):
    provider = Provider(standins["anthropic"])
    yield provider
    provider.calls_take(0)
    provider.batches_take(0.5)


@pytest.fixture
def quick(monkeypatch):
    """No waiting for what takes minutes at a real provider."""
    monkeypatch.setattr("store.sweep_batches.SOONEST_POLL_S", 0.02)
    monkeypatch.setattr("store.sweep_batches.LATEST_POLL_S", 0.1)
    monkeypatch.setattr(sweep_limits, "LOOK_FOR_S", 0.3)
    monkeypatch.setattr(sweep_limits, "RETRY_S", 0.0)
    monkeypatch.setattr(sweep_limits, "REQUESTS_PER_BATCH", 10)


@pytest.fixture
def kill(deps, owner, tenant_id, monkeypatch):
    """Let a turn die at a place: nothing is cleaned up, and the lease runs out by itself."""

    def run_and_die(sweep_id, place, replacement):
        """place: (object, attribute) or a dotted name, replaced while the turn runs."""
        with monkeypatch.context() as patch:
            patch.setattr("worker.sweeps.release_sweep", lambda *_, **__: None)
            if isinstance(place, str):
                patch.setattr(place, replacement)
            else:
                patch.setattr(*place, replacement)
            for _ in range(500):
                try:
                    turn(deps, tenant_id, sweep_id)
                except Killed:
                    break
                finally:
                    owner.execute("UPDATE sweep SET lease_until = now() - interval '1 s' WHERE id = %s", (sweep_id,))
                time.sleep(0.02)
            else:
                raise AssertionError("nobody came by that place")

    return run_and_die
