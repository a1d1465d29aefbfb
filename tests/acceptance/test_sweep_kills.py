"""A sweep of ten thousand conversations whose workers are killed five times: each judged once, each paid once."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import ROOT, TEST_KEY
from tests.integration.sweeps.sweeping import Provider, analyses, batch_states, item_states, ledger, seed
from worker.roles import worker_arguments
from worker.sweep_limits import CALLS_AT_ONCE

CONVERSATIONS = 10_000
SINGLE_CALLS = 1_200
# When a worker is killed, one after another: items and batches by state.
MOMENTS = (
    lambda items, batches: "preparing" in batches and items.get("in_batch", 0) > 500,
    lambda items, batches: "submitting" in batches,
    lambda items, batches: items.get("done", 0) % 1000 > 100,  # in the middle of a file of results
    lambda items, batches: "read" in batches,
    lambda items, batches: "submitting" in batches and items.get("done", 0) > 4000,
)
TIMEOUT_S = 600


@pytest.fixture
def environ(app_url, servers, standins):
    return {
        **os.environ,
        "DATABASE_URL": app_url,
        "REDIS_URL": servers[1],
        "EARSHOT_KEYS": TEST_KEY,
        "ANTHROPIC_API_KEY": "test",
        "ANTHROPIC_BASE_URL": standins["anthropic"],
        "ANALYZER_LABEL": "stand-in",
        "LOG_LEVEL": "WARNING",
    }


@pytest.fixture
def earshot(environ, tmp_path):
    def call(*arguments):
        command = [
            sys.executable,
            "-m",
            "cli.main",
            "sweep",
            *arguments,
            "--tenant",
            "acme",
            "--data",
            str(tmp_path / "none"),
        ]
        done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return call


def kill_until_done(owner, sweep_id, run, moments):
    """Kill the worker at each of these moments; returns when the sweep is done and nothing is left at the provider."""
    run(*worker_arguments("delivery"))
    worker = run(*worker_arguments("analyze"))
    began, moments = time.monotonic(), list(moments)
    while True:
        items, batches = item_states(owner, sweep_id), batch_states(owner, sweep_id)
        assert time.monotonic() - began < TIMEOUT_S, (items, batches)
        if moments and moments[0](items, batches):
            moments.pop(0)
            os.kill(worker.pid, signal.SIGKILL)
            worker.wait()
            print(f"killed after {time.monotonic() - began:.0f} s: {items} {batches}")
            worker = run(*worker_arguments("analyze"))
        (finished,) = owner.execute("SELECT finished_at IS NOT NULL FROM sweep WHERE id = %s", (sweep_id,)).fetchone()
        if finished and set(batches) <= {"deleted", "lost"}:
            break
        time.sleep(0.02)
    print(f"done after {time.monotonic() - began:.0f} s: {items} {batches}")
    assert not moments


@pytest.mark.slow
@pytest.mark.timeout(TIMEOUT_S + 60)
def test_ten_thousand_conversations_and_five_kills(owner, tenant_ids, standins, run, earshot):
    provider = Provider(standins["anthropic"])
    provider.batches_take(2.0)
    seed(owner, tenant_ids["acme"], messages=CONVERSATIONS, customers=CONVERSATIONS)
    began = time.monotonic()
    started = json.loads(earshot("run", "--customers", str(CONVERSATIONS), "--yes", "--json"))
    print(f"planned in {time.monotonic() - began:.1f} s: {started}")
    assert started["messages"] == started["customers"] == CONVERSATIONS
    kill_until_done(owner, started["id"], run, MOMENTS)
    provider.batches_take(0.5)
    assert item_states(owner, started["id"]) == {"done": CONVERSATIONS}
    assert analyses(owner, started["id"]) == (CONVERSATIONS, CONVERSATIONS)
    assert provider.paid == (0, CONVERSATIONS)
    cost = ledger(owner, started["id"])
    (status,) = map(json.loads, earshot("status", "--json").splitlines())
    print(f"estimate {started['cost_usd']}, ledger {cost / 1e6}, status {status}")
    assert (status["state"], status["done"]) == ("done", CONVERSATIONS)
    assert started["cost_usd"] * 1e6 == pytest.approx(cost, rel=0.1)
    assert status["spent_usd"] * 1e6 == pytest.approx(cost, abs=1)
    assert provider.batches_left() == []
    report = json.loads(earshot("report", "--json"))
    assert report["first"] == CONVERSATIONS


@pytest.mark.slow
@pytest.mark.timeout(TIMEOUT_S + 60)
def test_single_calls_and_five_kills(owner, tenant_ids, standins, run, earshot):
    """Here a killed worker repeats what was under way, and nothing more: the API knows no idempotency."""
    provider = Provider(standins["anthropic"])
    provider.calls_take(0.1)
    seed(owner, tenant_ids["acme"], messages=SINGLE_CALLS, customers=100)
    started = json.loads(earshot("run", "--no-batches", "--yes", "--json"))
    moments = [lambda items, _, share=share: items.get("done", 0) > SINGLE_CALLS * share / 6 for share in range(1, 6)]
    kill_until_done(owner, started["id"], run, moments)
    provider.calls_take(0)
    assert item_states(owner, started["id"]) == {"done": SINGLE_CALLS}
    assert analyses(owner, started["id"]) == (SINGLE_CALLS, SINGLE_CALLS)
    calls, _ = provider.paid
    print(
        f"paid {calls} calls for {SINGLE_CALLS} messages; estimate {started['cost_usd']}, ledger {ledger(owner, started['id']) / 1e6}"
    )
    assert SINGLE_CALLS <= calls <= SINGLE_CALLS + 5 * CALLS_AT_ONCE
    assert started["cost_usd"] * 1e6 == pytest.approx(ledger(owner, started["id"]), rel=0.1)
