"""`earshot webhook` as people type it."""

import json
import threading
import time

import pytest

from channels.guarded_http import GuardedHttp
from tests.http_receiver import HttpReceiver
from tests.integration.test_label_commands import TENANT, desk, earshot  # noqa: F401
from tests.integration.webhook_desk import is_signed, serve

URL = "https://hooks.acme.example/in?key=s3cr3t"


@pytest.fixture
def endpoint(monkeypatch):
    monkeypatch.setenv("ALLOW_PRIVATE_URLS", "true")
    receiver = HttpReceiver()
    yield receiver
    receiver.stop()


@pytest.fixture
def working(deps):
    """Workers that serve whatever is due, for as long as the test runs."""
    deps.__dict__["guarded_http"] = GuardedHttp(timeout_s=1, allow_private_addresses=True)
    is_over = threading.Event()

    def work():
        while not is_over.is_set():
            serve(deps)
            time.sleep(0.05)

    thread = threading.Thread(target=work)
    thread.start()
    yield
    is_over.set()
    thread.join()


def test_adding_testing_listing_and_telling_again(desk, earshot, deps, endpoint, working, tenant_ids):  # noqa: F811
    assert earshot("webhook", "list", *TENANT)[1].startswith("no program is told")
    code, out, _ = earshot("webhook", "add", endpoint.url(), "--kind", "alert.raised", *TENANT, "--json")
    made = json.loads(out)
    assert code == 0 and made["secret"].startswith("whsec_")
    assert earshot("webhook", "test", made["id"], *TENANT)[:2] == (0, "arrived\n")
    assert is_signed(endpoint.received[0], made["secret"])
    endpoint.answers(410, {})
    assert earshot("webhook", "test", made["id"], *TENANT)[:2] == (1, "not taken: 410\n")
    row = json.loads(earshot("webhook", "list", *TENANT, "--json")[1])
    assert (row["state"], row["because"], row["host"]) == ("gone", "gone", "127.0.0.1")
    code, _, error = earshot("webhook", "test", made["id"], *TENANT)
    assert code == 1 and "resume it first" in error
    endpoint.answers(200, {})
    assert earshot("webhook", "resume", made["id"], *TENANT)[1] == "done\n"
    assert earshot("webhook", "replay", made["id"], "--since", "2026-01-01", *TENANT)[1] == "1 told again\n"
    assert earshot("webhook", "replay", made["id"], "--since", "2099-01-01T00:00:00Z", *TENANT)[1] == (
        "nothing to tell again\n"
    )
    told = [
        json.loads(line) for line in earshot("webhook", "deliveries", made["id"], *TENANT, "--json")[1].splitlines()
    ]
    assert [one["kind"] for one in told] == ["webhook.test", "webhook.test"]
    one = told[-1]["id"]
    assert earshot("webhook", "replay", made["id"], "--delivery", one, *TENANT)[1] == "1 told again\n"
    assert earshot("webhook", "deliveries", made["id"], "--state", "dropped", *TENANT)[1] == "nothing yet\n"


def test_changing_and_removing(desk, earshot, owner):  # noqa: F811
    made = json.loads(earshot("webhook", "add", URL, "--kind", "alert.over", *TENANT, "--json")[1])
    assert earshot("webhook", "pause", made["id"], *TENANT)[1] == "done\n"
    assert earshot("webhook", "pause", made["id"], *TENANT)[1] == "it is paused already; nothing changed\n"
    new = earshot("webhook", "rotate-secret", made["id"], *TENANT)[1].strip()
    assert new.startswith("whsec_") and new != made["secret"]
    assert "s3cr3t" not in earshot("webhook", "list", *TENANT)[1]
    assert earshot("webhook", "pause", made["id"], "--tenant", "other")[0] == 1
    assert earshot("webhook", "remove", made["id"], *TENANT)[1] == "done\n"
    assert earshot("webhook", "remove", made["id"], *TENANT)[0] == 1


def test_what_is_wrong_is_said_without_being_quoted(desk, earshot):  # noqa: F811
    code, _, error = earshot("webhook", "add", "http://localhost/s3cr3t", "--kind", "alert.over", *TENANT)
    assert code == 1 and "url must begin with https://" in error and "s3cr3t" not in error
    made = json.loads(earshot("webhook", "add", URL, "--kind", "alert.over", *TENANT, "--json")[1])
    ours = made["id"]
    assert earshot("webhook", "replay", ours, "--delivery", ours, *TENANT)[0] == 1
    for wrong in (("replay", ours, "--since", "soon"), ("replay", ours), ("add", URL), ("test", "nonsense")):
        assert earshot("webhook", *wrong, *TENANT)[0] == 2


def test_a_test_says_when_no_worker_runs(desk, earshot, monkeypatch):  # noqa: F811
    monkeypatch.setattr("cli.webhook.WAITED_S", 0.2)
    made = json.loads(earshot("webhook", "add", URL, "--kind", "alert.over", *TENANT, "--json")[1])
    code, out, _ = earshot("webhook", "test", made["id"], *TENANT)
    assert code == 1 and "does a worker run?" in out
