"""A sweep of ten thousand conversations whose workers are killed five times: each judged once, each paid once."""

import json
import os
import signal
import subprocess
import sys
import time

import httpx2
import pytest

from tests.conftest import ROOT, TEST_KEY
from tests.integration.sweeps.sweeping import Provider, analyses, batch_states, item_states, ledger, seed
from worker.roles import worker_arguments

CONVERSATIONS = 10_000
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
def run(environ, tmp_path):
    """Start a celery process; all are gone after the test."""
    running = []

    def start(*arguments):
        process = subprocess.Popen([sys.executable, "-m", "celery", *arguments], cwd=ROOT, env=environ)
        running.append(process)
        return process

    start("--app", "worker.app", "beat", "--schedule", str(tmp_path / "beat"), "--pidfile=")
    yield start
    for process in running:
        process.kill()
        process.wait()


@pytest.mark.slow
@pytest.mark.timeout(TIMEOUT_S + 60)
def test_ten_thousand_conversations_and_five_kills(owner, tenant_ids, environ, standins, run, tmp_path):
    provider = Provider(standins["anthropic"])
    provider.batches_take(2.0)
    seed(owner, tenant_ids["acme"], messages=CONVERSATIONS, customers=CONVERSATIONS)

    def earshot(*arguments):
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

    began = time.monotonic()
    started = json.loads(earshot("run", "--customers", str(CONVERSATIONS), "--yes", "--json"))
    print(f"planned in {time.monotonic() - began:.1f} s: {started}")
    assert started["messages"] == started["customers"] == CONVERSATIONS
    sweep_id = started["id"]
    run(*worker_arguments("delivery"))
    worker = run(*worker_arguments("analyze"))
    began, moments = time.monotonic(), list(MOMENTS)
    while True:
        assert time.monotonic() - began < TIMEOUT_S, (item_states(owner, sweep_id), batch_states(owner, sweep_id))
        items, batches = item_states(owner, sweep_id), batch_states(owner, sweep_id)
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
    print(f"done after {time.monotonic() - began:.0f} s: {batches}, paid {provider.paid}")
    assert not moments and items == {"done": CONVERSATIONS}
    assert analyses(owner, sweep_id) == (CONVERSATIONS, CONVERSATIONS)
    assert provider.paid == (0, CONVERSATIONS)
    cost = ledger(owner, sweep_id)
    (status,) = map(json.loads, earshot("status", "--json").splitlines())
    print(f"estimate {started['cost_usd']}, ledger {cost / 1e6}, status {status}")
    assert (status["state"], status["done"]) == ("done", CONVERSATIONS)
    assert started["cost_usd"] * 1e6 == pytest.approx(cost, rel=0.1)
    assert status["spent_usd"] * 1e6 == pytest.approx(cost, abs=1)
    assert provider.batches_left() == []
    report = json.loads(earshot("report", "--json"))
    assert report["first"] == CONVERSATIONS
    httpx2.post(f"{standins['anthropic']}/_batch_time", json={"seconds": 0.5})
