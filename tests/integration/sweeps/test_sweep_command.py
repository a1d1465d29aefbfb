"""`earshot sweep`, as a person and as a program."""

import json
from dataclasses import dataclass

import pytest

from tests.integration.sweeps.sweeping import drive, item_states, ledger, look, seed, start
from worker.sweeps import advance_sweep

pytestmark = pytest.mark.usefixtures("quick")


@dataclass(frozen=True)
class Done:
    """What a command came to."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def earshot(earshot):
    def call(action, *arguments, tenant="acme"):
        return Done(*earshot("sweep", action, "--tenant", tenant, *arguments))

    return call


def test_plan_tells_number_cost_time_and_budget_and_writes_nothing(earshot, owner, tenant_id):
    seed(owner, tenant_id, messages=30)
    row = json.loads(earshot("plan", "--json", "--budget-usd", "0.5", "--days", "30").stdout)
    assert (row["messages"], row["customers"], row["days"], row["budget_usd"]) == (30, 4, 30, 0.5)
    assert row["cost_usd"] > 0 and row["seconds"] > 0 and row["batches"] is True
    single = json.loads(earshot("plan", "--json", "--no-batches").stdout)
    assert single["cost_usd"] == pytest.approx(2 * row["cost_usd"], rel=0.01)
    text = earshot("plan").stdout
    assert "30 messages of 4 customers" in text and "about $" in text and "budget $5.00" in text
    assert owner.execute("SELECT count(*) FROM sweep").fetchone() == (0,)


def test_run_without_yes_and_without_a_terminal_refuses(earshot, owner, tenant_id):
    seed(owner, tenant_id, messages=3)
    refused = earshot("run")
    assert refused.returncode == 1 and "--yes" in refused.stderr
    assert owner.execute("SELECT count(*) FROM sweep").fetchone() == (0,)


def test_from_run_to_report(earshot, deps, owner, tenant_id, provider):
    seed(owner, tenant_id, messages=12, analyzed=True)
    started = json.loads(earshot("run", "--yes", "--json").stdout)
    again = earshot("run", "--yes")
    assert again.returncode == 1 and "is running" in again.stderr
    assert earshot("pause").returncode == 0
    assert earshot("pause").returncode == 1
    (status,) = map(json.loads, earshot("status", "--json").stdout.splitlines())
    assert (status["state"], status["reason"], status["done"], status["total"]) == ("paused", "by_hand", 0, 12)
    advance_sweep(deps, tenant_id=tenant_id, sweep_id=started["id"])
    assert item_states(owner, started["id"]) == {"waiting": 12}
    assert earshot("resume", "--budget-usd", "7").returncode == 0
    assert look(deps, tenant_id, started["id"]).budget_microusd == 7_000_000
    drive(deps, owner, tenant_id, started["id"])
    (status,) = map(json.loads, earshot("status", "--json").stdout.splitlines())
    assert (status["state"], status["done"], status["failed"], status["eta_s"]) == ("done", 12, 0, None)
    assert status["spent_usd"] * 1e6 == pytest.approx(ledger(owner, started["id"]))
    assert "12" in earshot("status").stdout
    report = json.loads(earshot("report", "--json", "--sweep", started["sweep"]).stdout)
    assert (report["judged"], report["causes"]["prompt"]) == (12, report["changed"])
    assert report["changed"] > 0 and len(report["messages"]) == report["changed"]
    table = earshot("report").stdout
    assert "12 judged again" in table and "neutral > negative" in table and "prompt" in table
    for action in ("resume", "pause", "cancel", "approve"):
        done = earshot(action)
        assert done.returncode == 1 and done.stderr.startswith("earshot sweep:"), action


def test_cancel(earshot, deps, owner, tenant_id, provider):
    seed(owner, tenant_id, messages=4)
    sweep_id = start(deps, tenant_id)
    assert earshot("cancel").returncode == 0
    assert drive(deps, owner, tenant_id, sweep_id).state == "cancelled"
    assert item_states(owner, sweep_id) == {"skipped": 4} and provider.paid == (0, 0)


def test_approve(earshot, deps, owner, tenant_id, provider):
    owner.execute("UPDATE tenant SET config = jsonb_set(config, '{sweep,approve_labels}', 'true') WHERE slug = 'acme'")
    seed(owner, tenant_id, messages=4)
    sweep_id = start(deps, tenant_id)
    early = earshot("approve")
    assert early.returncode == 1 and "when it is done" in early.stderr
    drive(deps, owner, tenant_id, sweep_id)
    assert json.loads(earshot("status", "--json").stdout)["labels"] == "held"
    assert "4 customers" in earshot("approve").stdout
    assert json.loads(earshot("status", "--json").stdout)["labels"] == "live"
    assert owner.execute("SELECT count(*) FROM crm_state").fetchone() == (0,)
    drive(deps, owner, tenant_id, sweep_id)
    assert owner.execute("SELECT count(*) FROM crm_state").fetchone() == (4,)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("status",), 0),
        (("report",), 1),
        (("pause", "--sweep", "2020-01"), 1),
        (("run", "--yes"), 1),
        (("plan", "--days", "0"), 2),
        (("plan", "--days", "3660"), 0),
        (("plan", "--days", "4000"), 2),
        (("plan", "--budget-usd", "-1"), 2),
        (("plan", "--customers", "many"), 2),
        (("plan", "--budget-usd", "nan"), 2),
    ],
)
def test_without_a_sweep_or_with_wrong_words(earshot, arguments, code):
    done = earshot(*arguments)
    assert done.returncode == code and "Traceback" not in done.stderr


def test_a_tenant_that_is_not_there(earshot):
    done = earshot("plan", tenant="nobody")
    assert done.returncode == 1 and "there is no tenant" in done.stderr


def test_one_tenant_sees_nothing_of_another(earshot, deps, owner, tenant_ids):
    seed(owner, tenant_ids["acme"], messages=3)
    start(deps, tenant_ids["acme"])
    assert earshot("status", "--json", tenant="other").stdout == ""
    assert json.loads(earshot("plan", "--json", tenant="other").stdout)["messages"] == 0
    with deps.database.tenant_transaction(tenant_ids["other"]) as conn:
        for table in ("sweep", "sweep_batch", "sweep_item"):
            assert conn.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    with deps.database.system_transaction() as conn:
        assert conn.execute("SELECT count(*) FROM sweep").fetchone() == (1,)
        assert conn.execute("SELECT count(*) FROM sweep_item").fetchone() == (0,)
