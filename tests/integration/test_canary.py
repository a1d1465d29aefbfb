"""Messages of our own take the whole way through receiver, stages and model, and leave nothing that a person, a bill or a report could meet."""

from types import SimpleNamespace

import httpx2
import pytest
from prometheus_client import REGISTRY

from channels.canary import canary_body
from store.alerts import list_alerts
from store.canaries import list_canaries
from store.dead_runs import list_dead
from tests.integration.passes import now
from tests.webhooks import signature
from webhook_receiver.app import create_app
from webhook_receiver.publisher import Publisher
from worker import canaries, canary_steps, own_receiver, reconcile
from worker.deps import build_deps
from worker.errors import StepError
from worker.stage import Next

# What a canary may leave: itself, and its call in the ledger.
ITS_OWN = {"canary", "egress", "prompt_registry"}


@pytest.fixture
def acme(tenant_ids):
    return tenant_ids["acme"]


@pytest.fixture
def runs(monkeypatch):
    """What was started, in place of a broker."""
    started = []
    monkeypatch.setattr(Publisher, "offer", lambda self, new: started.extend(new))
    monkeypatch.setattr(canaries, "start_all", lambda new, lanes: started.extend(new))
    return started


@pytest.fixture
def receiver(settings, runs, monkeypatch):
    """The real receiver, reached without a socket. Its `answers` are what was posted and how it was answered."""
    app = create_app(settings)
    client, posts = app.test_client(), []

    def answer(request):
        answered = client.post(request.url.path, data=request.content, headers=dict(request.headers))
        posts.append((str(request.url), answered.status_code))
        return httpx2.Response(answered.status_code)

    monkeypatch.setattr(own_receiver, "open_client", lambda: httpx2.Client(transport=httpx2.MockTransport(answer)))
    yield SimpleNamespace(client=client, posts=posts)
    app.extensions["database"].close()


@pytest.fixture
def open_deps(settings):
    """Dependencies under other settings: open_deps(canary_every_s=0)."""
    opened = []

    def build(**changes):
        changes = {"canary_url": "http://receiver:8080", **changes}
        opened.append(build_deps(settings.model_copy(update=changes)))
        return opened[-1]

    yield build
    for one in opened:
        one.database.close()


@pytest.fixture
def grown_up(owner):
    """The tenants are old enough to be tested."""
    owner.execute("UPDATE tenant SET created_at = now() - interval '1 day'")


def go_all_the_way(deps, runs):
    """All stages of every run that was started."""
    from store.runs import RunRef

    for run in list(runs):
        ref = RunRef(run.tenant_id, run.message_id, run.run_id, is_canary=run.is_canary)
        assert run.is_canary
        assert canary_steps.minimize(deps, ref) is Next.GO_ON
        assert canary_steps.analyze(deps, ref) is Next.GO_ON
        assert canary_steps.persist(deps, ref) is Next.GO_ON
        assert canary_steps.route(deps, ref, now=now()) is Next.GO_ON
        assert canary_steps.crm_sync(deps, ref) is Next.GO_ON
    runs.clear()


def counts(owner):
    """Rows of every table but its own."""
    tables = owner.execute(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace = 'public'::regnamespace"
    ).fetchall()
    assert len(tables) > 50
    return {
        name: owner.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for (name,) in tables if name not in ITS_OWN
    }


def newest(deps, tenant_id):
    with deps.database.tenant_transaction(tenant_id) as conn:
        return list_canaries(conn, tenant_id)


def calls(standins):
    lines = httpx2.get(f"{standins['anthropic']}/_received").text.splitlines()
    return len([line for line in lines if '"POST"' in line and "/v1/messages" in line])


@pytest.mark.usefixtures("grown_up")
def test_a_canary_takes_the_whole_way_asks_the_model_and_leaves_no_trace(
    open_deps, receiver, runs, owner, standins, acme, deps
):
    deps = open_deps()
    before = counts(owner)
    assert canaries.send_due(deps, now=now()) == 2
    assert [status for _, status in receiver.posts] == [200, 200] and len(runs) == 2
    assert owner.execute("SELECT count(*) FROM message").fetchone() == (0,)
    go_all_the_way(deps, runs)
    assert counts(owner) == before
    assert owner.execute("SELECT count(*) FROM run").fetchone() == (0,)
    (one,) = newest(deps, acme)
    assert (one.stage, one.asks_model, one.via, one.error_code) == (
        "done",
        True,
        "receiver",
        None,
    ) and 0 < one.latency_s < 60
    assert calls(standins) == 2
    # What left the building stands in the ledger all the same, under its own name.
    assert owner.execute(
        "SELECT DISTINCT purpose, outcome, strpos(minimized_text, 'test message') > 0 FROM egress"
    ).fetchall() == [("canary", "answered", True)]


@pytest.mark.usefixtures("grown_up")
def test_between_calls_of_the_model_canaries_go_all_the_way_without_one(
    open_deps, receiver, runs, owner, standins, acme, deps
):
    deps = open_deps(canary_every_s=60, canary_model_every_s=900)
    asked = []
    for _ in range(4):
        owner.execute("UPDATE canary SET sent_at = sent_at - interval '5 minutes 1 second'")
        canaries.send_due(deps, now=now())
        go_all_the_way(deps, runs)
        asked.append(newest(deps, acme)[0].asks_model)
    assert asked == [True, False, False, True] and calls(standins) == 4


@pytest.mark.usefixtures("grown_up")
def test_each_of_a_tenants_accounts_has_its_turn(open_deps, receiver, runs, owner, deps):
    deps = open_deps()
    for _ in range(2):
        canaries.send_due(deps, now=now())
        go_all_the_way(deps, runs)
        owner.execute("UPDATE canary SET sent_at = sent_at - interval '1 hour'")
    channels = owner.execute(
        "SELECT channel FROM canary JOIN tenant t ON t.id = tenant_id WHERE slug = 'acme' ORDER BY channel"
    )
    assert channels.fetchall() == [("instagram",), ("whatsapp",)]


@pytest.mark.usefixtures("grown_up")
def test_one_is_sent_when_it_is_due_and_not_while_another_is_on_its_way(open_deps, receiver, runs, owner, deps):
    deps = open_deps(canary_every_s=60)
    assert canaries.send_due(deps, now=now()) == 2
    assert canaries.send_due(deps, now=now()) == 0
    owner.execute("UPDATE canary SET sent_at = sent_at - interval '5 minutes'")
    assert canaries.send_due(deps, now=now()) == 0
    owner.execute("UPDATE canary SET sent_at = sent_at - interval '11 minutes'")
    assert canaries.send_due(deps, now=now()) == 2


def test_a_tenant_that_has_just_come_is_left_alone(open_deps, receiver, owner):
    owner.execute("UPDATE tenant SET created_at = now()")
    assert canaries.send_due(open_deps(), now=now()) == 0


@pytest.mark.usefixtures("grown_up")
def test_a_tenant_may_opt_out_and_so_may_the_operator(open_deps, receiver, runs, owner):
    owner.execute(
        """UPDATE tenant SET config = jsonb_set(config, '{canary}', '{"enabled": false}') WHERE slug = 'acme'"""
    )
    assert canaries.send_due(open_deps(), now=now()) == 1
    owner.execute("DELETE FROM canary")
    assert canaries.send_due(open_deps(canary_every_s=0), now=now()) == 0


@pytest.mark.usefixtures("grown_up")
def test_where_the_receivers_address_is_unknown_it_begins_in_the_inbox(open_deps, runs, acme):
    deps = open_deps(canary_url=None)
    canaries.send_due(deps, now=now())
    go_all_the_way(deps, runs)
    assert [(one.via, one.stage) for one in newest(deps, acme)] == [("inbox", "done")]


@pytest.mark.usefixtures("grown_up")
def test_the_same_canary_twice_is_one(open_deps, receiver, runs, owner, acme):
    canaries.send_due(open_deps(), now=now())
    (canary_id,) = owner.execute("SELECT id::text FROM canary WHERE tenant_id = %s", (acme,)).fetchone()
    body = canary_body("whatsapp", "111000111", canary_id=canary_id, now=now())
    before = len(runs)
    receiver.client.post(
        "/webhooks/whatsapp", data=body, headers={"X-Hub-Signature-256": signature(body, "acme-secret")}
    )
    assert len(runs) == before and owner.execute("SELECT count(*) FROM message").fetchone() == (0,)


@pytest.mark.parametrize("whose", ["nobody's", "another tenant's"])
@pytest.mark.usefixtures("grown_up")
def test_what_only_calls_itself_a_canary_is_a_customers_message(open_deps, receiver, runs, owner, tenant_ids, whose):
    canary_id = "01900000-0000-7000-8000-000000000000"
    if whose == "another tenant's":
        canaries.send_due(open_deps(), now=now())
        (canary_id,) = owner.execute(
            "SELECT id::text FROM canary WHERE tenant_id = %s", (tenant_ids["other"],)
        ).fetchone()
    body = canary_body("whatsapp", "111000111", canary_id=canary_id, now=now())
    headers = {"X-Hub-Signature-256": signature(body, "acme-secret")}
    assert receiver.client.post("/webhooks/whatsapp", data=body, headers=headers).status_code == 200
    assert owner.execute("SELECT count(*) FROM message").fetchone() == (1,) and not runs[-1].is_canary


@pytest.mark.usefixtures("grown_up")
def test_a_canary_is_no_sign_of_life_of_a_channel(open_deps, receiver, owner):
    canaries.send_due(open_deps(), now=now())
    assert owner.execute("SELECT count(*) FROM channel_activity").fetchone() == (0,)
    assert owner.execute("SELECT count(last_webhook_at) FROM channel_health").fetchone() == (0,)


@pytest.mark.usefixtures("grown_up")
def test_one_that_does_not_come_through_in_time_is_an_alarm_that_says_where_it_stands(
    open_deps, receiver, runs, owner, acme
):
    deps = open_deps()
    canaries.send_due(deps, now=now())
    canaries.watch(deps, now=now())
    assert alerts(deps, acme) == []
    owner.execute("UPDATE canary SET sent_at = sent_at - interval '3 minutes'")
    for _ in range(2):
        canaries.watch(deps, now=now())
    (alarm,) = alerts(deps, acme)
    assert (alarm["stage"], alarm["via"], alarm["asks_model"]) == ("received", "receiver", True)
    assert REGISTRY.get_sample_value("earshot_late_canaries") == 2
    go_all_the_way(deps, runs)
    canaries.watch(deps, now=now())
    assert alerts(deps, acme) == [] and REGISTRY.get_sample_value("earshot_late_canaries") == 0


def alerts(deps, tenant_id):
    with deps.database.tenant_transaction(tenant_id) as conn:
        return [one.details for one in list_alerts(conn, tenant_id, kind="canary_late")]


@pytest.mark.usefixtures("grown_up")
def test_a_receiver_that_refuses_or_is_away_is_named(open_deps, receiver, runs, owner, acme, monkeypatch):
    def fail(_request):
        raise httpx2.ConnectError("nobody there")

    monkeypatch.setattr(own_receiver, "open_client", lambda: httpx2.Client(transport=httpx2.MockTransport(fail)))
    deps = open_deps()
    canaries.send_due(deps, now=now())
    owner.execute("UPDATE canary SET sent_at = sent_at - interval '3 minutes'")
    canaries.watch(deps, now=now())
    (alarm,) = alerts(deps, acme)
    assert (alarm["stage"], alarm["because"]) == ("sent", "ConnectError")


@pytest.mark.usefixtures("grown_up")
def test_a_provider_that_is_away_stops_only_the_canaries_that_ask_it(open_deps, receiver, runs, owner, standins, acme):
    deps = open_deps(canary_every_s=60)
    httpx2.post(f"{standins['anthropic']}/_script", json={"steps": [{"status": 529, "times": 50, "body": {}}]})
    canaries.send_due(deps, now=now())
    from store.runs import RunRef

    for run in runs:
        ref = RunRef(run.tenant_id, run.message_id, run.run_id, is_canary=True)
        canary_steps.minimize(deps, ref)
        with pytest.raises(StepError):
            canary_steps.analyze(deps, ref)
    runs.clear()
    owner.execute("UPDATE canary SET sent_at = sent_at - interval '16 minutes'")
    owner.execute(
        "UPDATE canary SET sent_at = now() - interval '3 minutes', asks_model = true WHERE tenant_id = %s", (acme,)
    )
    canaries.watch(deps, now=now())
    (alarm,) = alerts(deps, acme)
    assert alarm["stage"] == "minimized" and alarm["because"] and alarm["asks_model"] is True
    httpx2.delete(f"{standins['anthropic']}/_script")


@pytest.mark.usefixtures("grown_up")
def test_one_that_is_given_up_leaves_neither_a_run_nor_a_dead_letter(open_deps, receiver, runs, owner, deps):
    deps = open_deps()
    canaries.send_due(deps, now=now())
    owner.execute("UPDATE run SET created_at = now() - interval '20 minutes'")
    canaries.send_due(deps, now=now())
    assert owner.execute("SELECT count(*) FROM run").fetchone() == (0,)
    with deps.database.system_transaction() as conn:
        assert list_dead(conn) == []


@pytest.mark.usefixtures("grown_up")
def test_the_reconciler_rings_a_canary_as_what_it_is(open_deps, receiver, runs, owner, monkeypatch):
    deps = open_deps()
    canaries.send_due(deps, now=now())
    owner.execute("UPDATE run SET next_at = now()")
    rung = []
    monkeypatch.setattr(reconcile, "start", lambda ref, **_: rung.append(ref.is_canary))
    reconcile.tick(deps)
    assert rung == [True, True]
