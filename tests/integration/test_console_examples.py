"""Publishing corrections as examples, in the console and the API: seen as a difference, checked by a worker, never twice, brought back."""

import re
from uuid import uuid4

import pytest

from console.app import create_app
from store.users import create_api_key
from tests.integration.console_visitor import add_visitor, signed_in, words
from tests.integration.test_examples import BLUE, PRAISE, Desk, calls, confirm
from tests.integration.trials_bench import deeds, work_off

PAGE = "/admin/examples"


@pytest.fixture
def app(settings):
    app = create_app({}, settings=settings)
    yield app
    app.extensions["database"].close()


@pytest.fixture
def desk(deps, receive, tenant_ids):
    return Desk(deps, receive, tenant_ids["acme"], "acme")


def enter(app, owner, tenant_id, role):
    return signed_in(app, add_visitor(owner, tenant_id, role=role, email=f"{role}-{uuid4().hex[:6]}@example.com"))


@pytest.fixture
def admin(app, owner, desk):
    return enter(app, owner, desk.tenant_id, "admin")


def basis(visitor):
    found = re.search(r'name="basis" value="(\w+)"', visitor.get(PAGE).text)
    return found[1] if found else ""


def check(visitor, deps):
    visitor.post(f"{PAGE}/check", basis=basis(visitor))
    work_off(deps)
    return visitor.get(PAGE)


def test_an_empty_page_says_what_to_do(admin):
    told = words(admin.get(PAGE))
    assert "There are no examples in the prompt now." in told and "Correct a label in a conversation" in told
    assert "Versions None yet." in told


def test_corrections_are_seen_checked_published_and_brought_back_by_name(admin, desk, owner, deps):
    desk.teach(BLUE, held_back=False, n=2)
    desk.teach(BLUE, held_back=True, n=5)
    shown = admin.get(PAGE)
    assert "New:" in words(shown) and "Not checked yet" in words(shown) and "questions to the AI" in words(shown)
    admin.post(f"{PAGE}/check", basis=basis(admin))
    waiting = admin.get(PAGE)
    assert "judges the held-back messages" in words(waiting) and "data-follow" in waiting.text
    assert work_off(deps) == 1
    checked = admin.get(PAGE)
    assert "not worse" in words(checked) and "Held-back corrections 5 0 5" in words(checked)
    assert 'value="publish"' in checked.text and "data-follow" not in checked.text
    admin.post(f"{PAGE}/publish", basis=basis(admin), note="first try", deed="publish")
    assert work_off(deps) == 1
    told = words(admin.get(PAGE))
    assert "Published as version 1" in told and "first try" in told and "in the prompt" in told
    assert "Nothing else than what is in the prompt" in told and desk.live().version == 1
    (email,) = owner.execute("SELECT email FROM app_user ORDER BY id DESC LIMIT 1").fetchone()
    assert told.count(email) >= 2
    again = admin.post(f"{PAGE}/rollback", to="", live_version="1", note="back")
    assert "Brought back" in words(again) and desk.live().version == 2 and desk.live().examples == ()
    assert "brought back" in words(admin.get(PAGE))
    assert deeds(owner, desk.tenant_id) == [
        "examples_checked", "examples_publishing_asked", "examples_published", "examples_rolled_back",
    ]  # fmt: skip


def test_a_check_that_was_just_made_is_not_paid_again_by_publishing(admin, desk, deps, standins):
    desk.teach(BLUE, held_back=False)
    desk.teach(BLUE, held_back=True, n=5)
    check(admin, deps)
    n_calls = len([one for one in calls(standins) if one.get("max_tokens")])
    admin.post(f"{PAGE}/publish", basis=basis(admin), deed="publish")
    work_off(deps)
    assert desk.live().version == 1
    assert len([one for one in calls(standins) if one.get("max_tokens")]) == n_calls


def test_a_check_of_other_corrections_is_made_anew(admin, desk, deps, standins):
    desk.teach(BLUE, held_back=False)
    held_back = desk.teach(BLUE, held_back=True, n=6)
    check(admin, deps)
    seen = basis(admin)
    admin.post(f"{PAGE}/publish", basis=seen, deed="publish")
    desk.leave_out(held_back[0])  # between the asking and the doing
    n_calls = len(calls(standins))
    work_off(deps)
    assert len(calls(standins)) > n_calls and desk.live().version == 1


def test_what_cannot_be_checked_is_published_only_by_somebody_who_says_so(admin, desk, deps):
    desk.teach(BLUE, held_back=False)
    shown = check(admin, deps)
    assert "nobody can say" in words(shown) and 'name="accept_unchecked"' in shown.text
    admin.post(f"{PAGE}/publish", basis=basis(admin), deed="publish")
    work_off(deps)
    assert desk.live().version == 0 and "It was not published" in words(admin.get(PAGE))
    admin.post(f"{PAGE}/publish", basis=basis(admin), deed="publish", accept_unchecked="yes")
    work_off(deps)
    assert desk.live().version == 1


def test_what_is_worse_takes_a_note_that_says_why(admin, desk, owner, deps):
    for message_id in [desk.hear_like(PRAISE) for _ in range(4)]:
        confirm(owner, desk, message_id)
    desk.teach(PRAISE, held_back=False, n=2)
    desk.teach(PRAISE, held_back=True, n=5)
    shown = check(admin, deps)
    assert "worse" in words(shown) and "Publish although it is worse" in shown.text
    missing = admin.post(f"{PAGE}/publish", basis=basis(admin), deed="force", note=" ")
    assert missing.status_code == 422 and "A note has to say why" in words(missing)
    long = admin.post(f"{PAGE}/publish", basis=basis(admin), deed="force", note="x" * 501)
    assert long.status_code == 422 and "x" * 501 in long.text
    assert owner.execute("SELECT count(*) FROM trial WHERE kind = 'publish'").fetchone() == (0,)
    admin.post(f"{PAGE}/publish", basis=basis(admin), deed="force", note="we know better")
    work_off(deps)
    assert desk.live().version == 1 and "we know better" in words(admin.get(PAGE))


def test_a_stale_form_changes_nothing(admin, desk, owner, deps):
    desk.teach(BLUE, held_back=False)
    seen = basis(admin)
    desk.teach("a green bag came with two more inside than she asked", held_back=False)
    for deed in ("check", "publish"):
        assert "have changed since you looked" in words(
            admin.post(f"{PAGE}/{deed}", basis=seen, accept_unchecked="yes")
        )
    assert owner.execute("SELECT count(*) FROM trial").fetchone() == (0,)
    admin.post(f"{PAGE}/publish", basis=basis(admin), accept_unchecked="yes")
    work_off(deps)
    stale = admin.post(f"{PAGE}/rollback", to="0", live_version="0")
    assert "have changed since you looked" in words(stale) and desk.live().version == 1


def test_a_form_that_is_sent_twice_starts_one_check(admin, desk, owner):
    desk.teach(BLUE, held_back=False)
    seen = basis(admin)
    admin.post(f"{PAGE}/check", basis=seen)
    assert "is under way: wait for it" in words(admin.post(f"{PAGE}/check", basis=seen))
    assert owner.execute("SELECT count(*) FROM trial").fetchone() == (1,)


def test_a_message_is_left_out_and_may_be_chosen_again(admin, desk, owner):
    first, second = (
        desk.teach(BLUE, held_back=False),
        desk.teach("a green bag came with two more inside", held_back=False),
    )
    left_out = admin.post(f"{PAGE}/reject", message=first)
    assert "Left out. They are proposed no more." in words(left_out) and "Left out by people" in words(left_out)
    assert f'name="message" value="{first[0]}"' not in left_out.text
    assert f'name="message" value="{second[0]}"' in left_out.text
    assert "Nothing was changed" in words(admin.post(f"{PAGE}/reject", message=first))
    assert "Nothing was changed" in words(admin.post(f"{PAGE}/reject"))
    assert "Nothing was changed" in words(admin.post(f"{PAGE}/reject", message=["nonsense"]))
    back = admin.post(f"{PAGE}/reject", again=first[0])
    assert "may be chosen again" in words(back) and f'name="message" value="{first[0]}"' in back.text
    # The label that a person set counts all the while.
    assert owner.execute("SELECT count(*) FROM correction WHERE undone_at IS NULL").fetchone() == (2,)


def test_admins_publish_supervisors_check_auditors_look_and_agents_do_not_even(app, owner, desk, deps, tenant_ids):
    message = desk.teach(BLUE, held_back=False)
    boss, auditor, agent = (enter(app, owner, desk.tenant_id, role) for role in ("supervisor", "auditor", "agent"))
    stranger = enter(app, owner, tenant_ids["other"], "admin")
    assert [one.get(PAGE).status_code for one in (boss, auditor, agent)] == [200, 200, 403]
    shown = check(boss, deps)
    assert "An administrator may publish it." in words(shown) and f"{PAGE}/publish" not in shown.text
    assert 'method="post" action="/admin' not in auditor.get(PAGE).text
    for path in ("publish", "rollback"):
        assert boss.post(f"{PAGE}/{path}", basis=basis(boss), live_version="0").status_code == 403
    for path in ("check", "publish", "rollback", "reject"):
        assert auditor.post(f"{PAGE}/{path}").status_code == 403
    assert BLUE not in stranger.get(PAGE).text
    assert "Nothing was changed" in words(stranger.post(f"{PAGE}/reject", message=message))
    assert owner.execute("SELECT count(*) FROM example_rejection").fetchone() == (0,)


def test_a_version_that_never_was_is_not_brought_back(admin, desk, deps):
    desk.teach(BLUE, held_back=False)
    check(admin, deps)
    admin.post(f"{PAGE}/publish", basis=basis(admin), accept_unchecked="yes")
    work_off(deps)
    assert "cannot be brought back" in words(admin.post(f"{PAGE}/rollback", to="9", live_version="1"))
    assert "out of range" in words(admin.post(f"{PAGE}/rollback", to="x", live_version="1"))
    assert desk.live().version == 1


# As JSON


@pytest.fixture
def api(app, database, desk):
    with database.system_transaction() as conn:
        _, key = create_api_key(conn, tenant_id=desk.tenant_id, name="lab", role="admin")
    client = app.test_client()

    def call(method, path="", body=None):
        return client.open(
            f"/api/v1/examples{path}", method=method, json=body, headers={"Authorization": f"Bearer {key}"}
        )

    return call


def test_programs_read_check_publish_and_roll_back(api, desk, deps):
    desk.teach(BLUE, held_back=False, n=2)
    desk.teach(BLUE, held_back=True, n=5)
    proposal = api("GET").json
    assert proposal["added"] and proposal["held_back"] == 5 and proposal["check"] is None
    started = api("POST", "/check", {"basis": proposal["basis"]}).json
    assert (started["kind"], started["state"]) == ("check", "waiting")
    assert api("POST", "/check").json["code"] == "under_way" and api("GET").json["under_way"] == started["id"]
    work_off(deps)
    assert api("GET", f"/trials/{started['id']}").json["check"]["verdict"] == "passed"
    assert api("GET").json["check"]["held_back"]["new"] == 5
    assert api("POST", "/publish", {"basis": "0" * 32}).json["code"] == "proposal_changed"
    assert api("POST", "/publish", {"basis": proposal["basis"], "force": True}).json["code"] == "note_missing"
    published = api("POST", "/publish", {"basis": proposal["basis"], "note": "by a program"}).json
    work_off(deps)
    assert api("GET", f"/trials/{published['id']}").json["state"] == "done" and desk.live().version == 1
    assert api("POST", "/rollback", {"to": 0, "live_version": 9}).status_code == 409
    assert api("POST", "/rollback", {"to": 0, "live_version": 1}).json == {"version": 2}
    versions = api("GET", "/versions?limit=1").json
    assert [one["version"] for one in versions["versions"]] == [2]
    older = api("GET", f"/versions?cursor={versions['next_cursor']}").json
    assert [(one["version"], one["note"]) for one in older["versions"]] == [(1, "by a program")]
    assert api("GET", "/versions?cursor=nonsense").status_code == 422


def test_programs_leave_messages_out(api, desk):
    (message_id,) = desk.teach(BLUE, held_back=False)
    assert api("POST", "/reject", {"message_ids": [message_id, str(uuid4())]}).json == {"changed": 1}
    assert api("GET").json["added"] == []
    assert api("DELETE", f"/rejections/{message_id}").json == {"changed": 1}
    assert api("DELETE", f"/rejections/{message_id}").json == {"changed": 0}
    assert len(api("GET").json["added"]) == 1
