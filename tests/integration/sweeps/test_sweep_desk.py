"""Sweeps in the console and the API: what changed as a matrix, a list and a file; the schedule; the same deeds for programs."""

import csv
import io
import re
from uuid import uuid4

import pytest

from console.app import create_app
from store.users import create_api_key
from tests.integration.console_visitor import add_visitor, signed_in, words
from tests.integration.sweeps.sweeping import analyze_before, drive, seed, start
from tests.integration.trials_bench import deeds

PAGE = "/admin/sweeps"


@pytest.fixture
def app(settings):
    app = create_app({}, settings=settings)
    yield app
    app.extensions["database"].close()


@pytest.fixture
def boss(app, owner, tenant_id):
    return signed_in(app, add_visitor(owner, tenant_id, role="supervisor", email="boss@example.com"))


def swept(deps, owner, tenant_id, *, messages=5):
    """A sweep that is done; everything was "neutral" and "other" before it. Returns (sweep's id, messages' ids)."""
    ids = seed(owner, tenant_id, messages=messages, analyzed=True)
    sweep_id = start(deps, tenant_id, batches=False)
    drive(deps, owner, tenant_id, sweep_id)
    return sweep_id, ids


def test_the_matrix_leads_to_the_messages_and_the_file_holds_them_all(boss, deps, owner, tenant_id):
    sweep_id, ids = swept(deps, owner, tenant_id)
    shown = boss.get(f"{PAGE}/{sweep_id}")
    told = words(shown)
    assert "5 done, 0 failed, 0 left out, 0 to go" in told and "5 messages were judged again" in told
    assert "data-follow" not in shown.text and "before ↓ · now →" in told
    link = re.search(r'href="([^"]+old=neutral&amp;new=negative)" aria-label="neutral → negative: (\d)"', shown.text)
    flipped = boss.get(link[1].replace("&amp;", "&"))
    negative = owner.execute(
        "SELECT message_id::text FROM message_analysis WHERE run_kind = 'sweep' AND sentiment = 'negative'"
    )
    expected = {row[0] for row in negative.fetchall()}
    assert f"{link[2]} message" in words(flipped) and len(expected) == int(link[2])
    assert {one for one in ids if one in flipped.text} == expected
    assert "My parcel never arrived" in words(flipped) and "/conversations/" in flipped.text
    answer = boss.get(f"{PAGE}/{sweep_id}/flips.csv")
    assert answer.content_type == "text/csv; charset=utf-8" and answer.text.startswith("\ufeff")
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    changed = re.search(r"(\d+) changed", told)[1]
    assert len(rows) == int(changed) and {row["sentiment_before"] for row in rows} == {"neutral"}
    assert all(row["conversation_id"] and row["causes"] for row in rows) and "parcel" not in answer.text
    assert owner.execute("SELECT count(*) > 0 FROM conversation_access").fetchone() == (True,)


def test_lists_that_ask_for_nonsense_show_everything_and_page(boss, deps, owner, tenant_id, monkeypatch):
    sweep_id, ids = swept(deps, owner, tenant_id)
    monkeypatch.setattr("console.pages.admin.sweep_flips.ROWS", 2)
    seen = set()
    for number in ("1", "2", "3"):
        page = boss.get(f"{PAGE}/{sweep_id}/flips", field="mood", old="x", page=number)
        seen |= {one for one in ids if one in page.text}
    assert seen == set(ids) and "3 / 3" in words(page)
    assert "1 / 3" in words(boss.get(f"{PAGE}/{sweep_id}/flips", page="x"))
    assert "3 / 3" in words(boss.get(f"{PAGE}/{sweep_id}/flips", page="99"))
    assert "Nothing of this kind" in words(boss.get(f"{PAGE}/{sweep_id}/flips", field="intent", old="spam"))


def test_a_running_sweep_is_followed_with_and_without_scripts(boss, deps, owner, tenant_id):
    seed(owner, tenant_id, messages=3, analyzed=True)
    sweep_id = start(deps, tenant_id)
    for path in (PAGE, f"{PAGE}/{sweep_id}"):
        shown = boss.get(path).text
        assert f'data-follow="{PAGE}/{sweep_id}/progress"' in shown and '<noscript><meta http-equiv="refresh"' in shown
    part = boss.get(f"{PAGE}/{sweep_id}/progress")
    assert "0 / 3" in words(part) and "3 to go" in words(part) and "<html" not in part.text
    assert "No answer has come yet" in words(boss.get(f"{PAGE}/{sweep_id}"))
    boss.get(PAGE)
    boss.post(f"{PAGE}/{sweep_id}", deed="pause")
    assert "data-follow" not in boss.get(f"{PAGE}/{sweep_id}/progress").text
    assert "has to be a number of dollars" in words(boss.post(f"{PAGE}/{sweep_id}", deed="resume", budget_usd="much"))
    assert deeds(owner, tenant_id) == ["sweep_paused"]


def test_the_schedule_is_the_tenants_setting_with_its_version(app, owner, tenant_id, deps):
    admin = signed_in(app, add_visitor(owner, tenant_id, role="admin"))

    def form(**more):
        version = re.search(r'name="version" value="(\d+)"', admin.get(PAGE).text)[1]
        return {"version": version, "days": "30", "customers": "20", "budget_usd": "1,5", "batches": "yes", **more}

    stale = form()
    saved = admin.post(f"{PAGE}/schedule", **form(approve_labels="yes"))
    assert (
        "Saved." in words(saved)
        and "None runs by itself." in words(saved)
        and "Budget in dollars: 1.50" in words(saved)
    )
    own = owner.execute("SELECT config -> 'sweep' FROM tenant WHERE id = %s", (tenant_id,)).fetchone()[0]
    assert own == {
        "enabled": False, "days": 30, "customers": 20, "budget_usd": 1.5, "batches": True, "approve_labels": True,
    }  # fmt: skip
    assert deeds(owner, tenant_id) == ["settings_changed"]
    late = admin.post(f"{PAGE}/schedule", **{**stale, "days": "7"})
    assert "nothing was saved" in words(late)
    wrong = admin.post(f"{PAGE}/schedule", **form(days="999"))
    assert wrong.status_code == 422 and "Days back" in words(wrong) and 'value="999" aria-invalid="true"' in wrong.text
    assert admin.post(f"{PAGE}/schedule", **form(version="x")).status_code == 400
    # It costs money: what a supervisor may not set in the settings, they do not set here.
    for role in ("auditor", "supervisor"):
        other = signed_in(app, add_visitor(owner, tenant_id, role=role))
        assert "/schedule" not in other.get(PAGE).text
        assert other.post(f"{PAGE}/schedule", **form()).status_code == 403
    assert owner.execute("SELECT config -> 'sweep' ->> 'days' FROM tenant WHERE id = %s", (tenant_id,)).fetchone() == (
        "30",
    )


def test_a_sweep_of_another_tenant_is_nowhere(app, owner, deps, tenant_id, tenant_ids):
    sweep_id, _ = swept(deps, owner, tenant_id, messages=1)
    stranger = signed_in(app, add_visitor(owner, tenant_ids["other"], role="admin"))
    for path in ("", "/progress", "/flips", "/flips.csv"):
        assert stranger.get(f"{PAGE}/{sweep_id}{path}").status_code == 404


# As JSON


@pytest.fixture
def api(app, database, tenant_id):
    with database.system_transaction() as conn:
        _, key = create_api_key(conn, tenant_id=tenant_id, name="sweeper", role="supervisor")
    client = app.test_client()

    def call(method, path="", body=None, *, once=None, **query):
        head = {"Authorization": f"Bearer {key}"} | ({"Idempotency-Key": once} if once else {})
        return client.open(f"/api/v1/sweeps{path}", method=method, json=body, headers=head, query_string=query or None)

    return call


def test_programs_plan_start_pause_resume_and_cancel(api, owner, tenant_id):
    assert api("POST", "").json["code"] == "sweep_empty"
    seed(owner, tenant_id, messages=4, analyzed=True)
    planned = api("POST", "/plan", {"days": 30, "budget_usd": 2}).json
    assert (planned["messages"], planned["days"], planned["budget_usd"], planned["running"]) == (4, 30, 2, None)
    assert planned["cost_usd"] > 0 and owner.execute("SELECT count(*) FROM sweep").fetchone() == (0,)
    started = [api("POST", "", {"batches": False}, once="k").json for _ in range(2)]
    assert started[0] == started[1] and started[0]["state"] == "running" and started[0]["remaining"] == 4
    one = f"/{started[0]['id']}"
    assert api("POST", "").json["code"] == "sweep_runs"
    assert api("POST", f"{one}/resume").json["code"] == "sweep_unchanged"
    assert api("POST", f"{one}/pause").json["state"] == "paused"
    assert api("POST", f"{one}/resume", {"budget_usd": 3}).json["budget_usd"] == 3
    assert api("POST", f"{one}/cancel").json["state"] == "cancelled"
    assert api("POST", f"{one}/cancel").status_code == 409 and api("POST", f"{one}/approve").status_code == 409
    assert [found["id"] for found in api("GET").json["sweeps"]] == [started[0]["id"]]
    assert deeds(owner, tenant_id) == ["sweep_started", "sweep_paused", "sweep_resumed", "sweep_cancelled"]
    for body in ({"days": 0}, {"budget_usd": -1}, {"customers": 10**9}, {"mood": 1}):
        assert api("POST", "/plan", body).status_code == 422, body
    assert api("GET", f"/{uuid4()}").status_code == 404


def test_programs_page_through_sweeps_and_flips(api, deps, owner, tenant_id):
    sweep_id, ids = swept(deps, owner, tenant_id)
    analyze_before(owner, tenant_id, seed(owner, tenant_id, messages=1))
    second = start(deps, tenant_id, period="2026-12")
    page = api("GET", limit=1).json
    assert [one["id"] for one in page["sweeps"]] == [second]
    assert [one["id"] for one in api("GET", cursor=page["next_cursor"]).json["sweeps"]] == [sweep_id]
    seen, cursor = [], None
    while True:
        found = api("GET", f"/{sweep_id}/flips", limit=2, **({"cursor": cursor} if cursor else {})).json
        seen += [one["message_id"] for one in found["flips"]]
        cursor = found["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == found["changed"] and set(seen) <= set(ids)
    assert sum(one["messages"] for one in found["sentiments"]) == found["judged"] == 5
    negative = api("GET", f"/{sweep_id}/flips", field="sentiment", new="negative").json["flips"]
    assert negative and {one["new_sentiment"] for one in negative} == {"negative"}
    assert api("GET", f"/{sweep_id}/flips", cursor="nonsense").status_code == 422
