"""Inviting people at /admin/people: one-time links, people of several tenants, and the same through the API."""

import re
import threading

import pytest

from console.app import create_app
from store.one_time_links import AGE_H, find_link, make_link, use_link
from store.users import create_api_key, find_api_key
from tests.integration.console_visitor import PASSWORD, ConsoleVisitor, add_visitor, forget_failures, signed_in, words
from tests.integration.people_page import NEW_PASSWORD, deeds, invite, is_in, link_on, standing
from tests.integration.workplace import add_person

HOSTILE = "<script>alert(1)</script>\"'><b>Ann"


@pytest.fixture
def app(settings, broker):
    forget_failures(broker)
    app = create_app({}, settings=settings)
    yield app
    app.extensions["database"].close()


@pytest.fixture
def acme(tenant_ids):
    return tenant_ids["acme"]


@pytest.fixture
def other(tenant_ids):
    return tenant_ids["other"]


@pytest.fixture
def boss_id(owner, acme):
    return add_visitor(owner, acme, role="admin", email="boss@example.com")


@pytest.fixture
def boss(app, boss_id):
    return signed_in(app, boss_id)


@pytest.fixture
def ann(owner, acme):
    return add_visitor(owner, acme, email="ann@example.com")


@pytest.fixture
def their_boss(app, owner, other):
    return signed_in(app, add_visitor(owner, other, role="admin", email="their-boss@example.com"))


# Inviting


def test_somebody_new_chooses_a_password_through_the_link_and_comes_in(app, boss, owner, acme):
    page = invite(boss, "New.Person@Example.com ", role="supervisor", name="Neu Älter")
    path = link_on(page)
    assert page.status_code == 200 and page.headers["Cache-Control"] == "no-store"
    assert "/welcome/" not in boss.get("/admin/people").text
    hashed = owner.execute("SELECT encode(token_hash, 'hex') FROM one_time_link").fetchone()[0]
    assert path.rpartition("/")[2] not in hashed
    guest = ConsoleVisitor(app)
    assert "new.person@example.com" in guest.get(path).text
    assert guest.get(path).status_code == 200  # looking at it uses nothing up
    done = guest.post(f"{path}/password", password=NEW_PASSWORD, again=NEW_PASSWORD)
    assert "The password is set" in done.text and not is_in(guest)
    assert guest.sign_in("new.person@example.com", NEW_PASSWORD).status_code == 302 and is_in(guest)
    assert guest.get("/admin/people").status_code == 200
    assert (
        guest.get(path).status_code == 404
        and guest.post(f"{path}/password", password="another good one", again="another good one").status_code == 404
    )
    assert standing(owner, acme, "new.person@example.com") == ("supervisor", None, None)
    assert deeds(owner, acme) == ["person_invited", "password_chosen", "signed_in"]


def test_nobody_comes_in_before_a_password_is_chosen(app, boss):
    invite(boss)
    for guess in ("", "x", PASSWORD):
        assert ConsoleVisitor(app).sign_in("new@example.com", guess).status_code == 401
    assert "has not chosen a password yet" in boss.get("/admin/people").text


@pytest.mark.parametrize(
    ("password", "again", "told"),
    [
        ("short", "short", "at least 12"),
        ("aaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaa", "too easy"),
        ("new@example.com", "new@example.com", "too easy"),
        (NEW_PASSWORD, NEW_PASSWORD + "x", "do not agree"),
        ("ab cd ef gh " * 100, "ab cd ef gh " * 100, "at most"),
    ],
)
def test_a_password_that_will_not_do_is_refused_with_the_reason_and_the_link_stays(app, boss, password, again, told):
    path = link_on(invite(boss))
    guest = ConsoleVisitor(app)
    guest.get(path)
    answer = guest.post(f"{path}/password", password=password, again=again)
    assert answer.status_code == 422 and told in words(answer)
    assert guest.post(f"{path}/password", password=NEW_PASSWORD, again=NEW_PASSWORD).status_code == 200


def test_a_link_ends_with_its_time_and_with_the_next_one(app, boss, owner):
    first = link_on(invite(boss))
    (user_id,) = owner.execute("SELECT id FROM app_user WHERE email = 'new@example.com'").fetchone()
    second = link_on(boss.post(f"/admin/people/{user_id}/link"))
    guest = ConsoleVisitor(app)
    assert guest.get(first).status_code == 404 and guest.get(second).status_code == 200
    owner.execute("UPDATE one_time_link SET expires_at = expires_at - make_interval(hours => %s)", (AGE_H,))
    answer = guest.post(f"{second}/password", password=NEW_PASSWORD, again=NEW_PASSWORD)
    assert answer.status_code == 404 and "This link is over" in answer.text
    assert "the link is over" in boss.get("/admin/people").text


def test_of_two_who_use_a_link_at_once_one_sets_the_password(app, boss, database):
    token = link_on(invite(boss)).rpartition("/")[2]
    used, barrier = [], threading.Barrier(2)

    def use():
        with database.system_transaction() as conn:
            barrier.wait()
            used.append(use_link(conn, token))

    threads = [threading.Thread(target=use) for _ in range(2)]
    [one.start() for one in threads]
    [one.join() for one in threads]
    assert sorted(used) == [False, True]


@pytest.mark.parametrize(
    "email",
    [
        "",
        "ann",
        "@example.com",
        "ann@",
        "ann@host",
        "a b@example.com",
        "ann@exämple.com",
        "ann@example.com\u202e",
        "x" * 250 + "@example.com",
        HOSTILE + "@example.com",
    ],
)
def test_what_is_no_address_is_refused_and_what_was_typed_stays(boss, owner, email):
    before = owner.execute("SELECT count(*) FROM app_user").fetchone()
    answer = invite(boss, email, name="Typed Name", role="auditor")
    assert answer.status_code == 422 and "no e-mail address" in words(answer)
    assert 'value="Typed Name"' in answer.text and '<option value="auditor" selected>' in answer.text
    assert owner.execute("SELECT count(*) FROM app_user").fetchone() == before


def test_hostile_names_are_shown_as_they_are_and_do_nothing(boss, owner, acme):
    answer = invite(boss, "'or''='@example.com", name=HOSTILE)
    assert answer.status_code == 200
    shown = boss.get("/admin/people").text
    assert "<script>alert" not in shown and "&lt;script&gt;alert(1)" in shown and "&#39;or&#39;" in shown
    assert "<script>alert" not in boss.get("/admin/audit-log").text
    for name in ("x" * 101, "a\u202eb", "a\x00b", "a\nb"):
        assert invite(boss, "second@example.com", name=name).status_code == 422
    assert standing(owner, acme, "second@example.com") is None


def test_a_form_that_is_sent_twice_invites_once(boss, owner):
    invite(boss)
    answer = invite(boss)
    assert (
        answer.status_code == 409
        and "on the list already" in words(answer)
        and 'value="new@example.com"' in answer.text
    )
    assert owner.execute("SELECT count(*) FROM one_time_link").fetchone() == (1,)


# A person of several tenants


def test_who_has_an_account_agrees_with_it_and_keeps_password_and_tenants(app, their_boss, owner, acme, other, ann):
    path = link_on(invite(their_boss, "ann@example.com", role="auditor", name="Another Name"))
    assert standing(owner, other, "ann@example.com") == (None, "auditor", "invited")
    listed = their_boss.get("/admin/people").text
    assert "invited" in listed and "Another Name" not in listed
    guest = ConsoleVisitor(app)
    page = guest.get(path)
    assert "Other" in page.text and "ann@example.com" not in page.text and "Accept" not in page.text
    assert guest.post(f"{path}/password", password=NEW_PASSWORD, again=NEW_PASSWORD).status_code == 404
    guest.sign_in("ann@example.com", back=path)
    assert "Accept" in guest.get(path).text
    assert "Welcome." in guest.post(f"{path}/join").text
    assert standing(owner, other, "ann@example.com") == ("auditor", None, None)
    assert standing(owner, acme, "ann@example.com") == ("agent", None, None)
    assert guest.get("/admin/people").status_code == 200  # she works there now, as an auditor
    assert guest.post(f"{path}/join").status_code == 404


def test_an_invitation_is_not_for_whoever_else_is_signed_in(app, their_boss, boss, owner, other, ann):
    path = link_on(invite(their_boss, "ann@example.com"))
    assert "another account" in boss.get(path).text
    assert "another account" in boss.post(f"{path}/join").text
    assert ConsoleVisitor(app).post(f"{path}/join").status_code in {200, 400}
    assert standing(owner, other, "ann@example.com") == (None, "agent", "invited")
    assert standing(owner, other, "boss@example.com") == (None, None, None)


def test_no_tenant_gives_a_new_password_to_an_account_that_is_also_anothers(
    boss, their_boss, owner, acme, other, ann, database
):
    add = "INSERT INTO membership (tenant_id, user_id, role) VALUES (%s, %s, 'agent')"
    owner.execute(add, (other, ann))
    answer = boss.post(f"/admin/people/{ann}/link")
    assert "used elsewhere" in words(answer) and "/welcome/" not in answer.text
    assert owner.execute("SELECT count(*) FROM one_time_link").fetchone() == (0,)
    operator = add_person(owner, acme, email="operator@example.com")
    owner.execute("UPDATE app_user SET is_operator = true WHERE id = %s", (operator,))
    assert "used elsewhere" in words(boss.post(f"/admin/people/{operator}/link"))


def test_agreeing_elsewhere_ends_the_links_with_which_the_account_could_be_taken(app, boss, their_boss, ann, database):
    password_link = link_on(boss.post(f"/admin/people/{ann}/link"))
    path = link_on(invite(their_boss, "ann@example.com"))
    guest = ConsoleVisitor(app)
    assert guest.get(password_link).status_code == 200
    guest.sign_in("ann@example.com")
    guest.get(path)
    guest.post(f"{path}/join")
    assert guest.get(password_link).status_code == 404


def test_an_invitation_that_was_not_agreed_to_tells_the_other_tenant_nothing(boss, their_boss, ann):
    invite(their_boss, "ann@example.com")
    assert link_on(boss.post(f"/admin/people/{ann}/link"))


def test_taking_an_invitation_back_ends_its_link(app, their_boss, owner, other, ann):
    path = link_on(invite(their_boss, "ann@example.com"))
    their_boss.post(f"/admin/people/{ann}/off")
    assert standing(owner, other, "ann@example.com") == (None, None, None)
    assert ConsoleVisitor(app).get(path).status_code == 404
    assert deeds(owner, other) == ["person_invited", "invitation_withdrawn"]


# The same through the API


@pytest.fixture
def call(app, database, acme):
    with database.system_transaction() as conn:
        _, key = create_api_key(conn, tenant_id=acme, name="hr", role="admin")

    def send(method, path, *, key=key, idempotency=None, **body):
        head = {"Authorization": f"Bearer {key}", **({"Idempotency-Key": idempotency} if idempotency else {})}
        return app.test_client().open(f"/api/v1{path}", method=method, headers=head, json=body or None)

    return send


def test_programs_invite_change_and_switch_off(app, call, boss_id, owner, acme):
    made = call("POST", "/people", email="New@example.com", display_name="Neu", role="agent", idempotency="one")
    assert made.status_code == 200 and made.json["person"]["standing"] == "no_password"
    assert ConsoleVisitor(app).get(made.json["link"]).status_code == 200
    again = call("POST", "/people", email="New@example.com", display_name="Neu", role="agent", idempotency="one")
    assert again.json["link"] is None and again.json["person"] == made.json["person"]
    assert made.json["link"].rpartition("/")[2] not in str(owner.execute("SELECT answer FROM api_write").fetchall())
    user_id = made.json["person"]["user_id"]
    assert call("POST", "/people", email="new@example.com", role="agent").json["code"] == "already_here"
    assert call("PATCH", f"/people/{user_id}", role="auditor").json["role"] == "auditor"
    assert call("PATCH", f"/people/{user_id}", active=False).json["standing"] == "off"
    assert call("PATCH", f"/people/{user_id}", active=True, role="agent").json["standing"] == "no_password"
    assert call("PATCH", f"/people/{boss_id}", role="agent").json["code"] == "last_admin"
    assert call("POST", f"/people/{user_id}/link").json["link"].startswith("/welcome/")
    assert [one["email"] for one in call("GET", "/people").json["people"]] == ["boss@example.com", "new@example.com"]
    for wrong in (
        {"email": "x", "role": "agent"},
        {"email": "a@b.example", "role": "operator"},
        {"role": "agent"},
        {"email": "a@b.example", "role": "agent", "x": 1},
    ):
        assert call("POST", "/people", **wrong).status_code == 422


def test_programs_make_and_revoke_keys_no_wider_than_their_own(call, database, owner, acme, ann):
    made = call(
        "POST",
        "/api-keys",
        name="inbox",
        role="supervisor",
        scopes=["read", "work"],
        email="ann@example.com",
        idempotency="k",
    )
    again = call(
        "POST",
        "/api-keys",
        name="inbox",
        role="supervisor",
        scopes=["read", "work"],
        email="ann@example.com",
        idempotency="k",
    )
    assert made.json["key"].startswith("esk_") and again.json == {**made.json, "key": None}
    assert made.json["key"] not in str(owner.execute("SELECT answer FROM api_write").fetchall())
    listed = next(one for one in call("GET", "/api-keys").json["keys"] if one["name"] == "inbox")
    assert listed["scopes"] == ["read", "work"] and listed["email"] == "ann@example.com"
    assert call("POST", "/api-keys", name="inbox", role="agent").json["code"] == "name_taken"
    assert (
        call("POST", "/api-keys", name="x", role="agent", email="nobody@example.com").json["code"] == "unknown_person"
    )
    narrow = call("POST", "/api-keys", name="narrow", role="admin", scopes=["people"]).json["key"]
    for scopes in ({}, {"scopes": ["people", "read"]}):
        assert (
            call("POST", "/api-keys", key=narrow, name="wider", role="admin", **scopes).json["code"] == "scope_missing"
        )
    assert call("POST", "/api-keys", key=narrow, name="as narrow", role="agent", scopes=["people"]).status_code == 200
    assert call("POST", "/api-keys", name="none", role="agent", scopes=[]).status_code == 422
    assert call("POST", "/api-keys", name="none", role="agent", scopes=["everything"]).status_code == 422
    assert call("DELETE", f"/api-keys/{made.json['id']}").json["revoked"] is True
    assert call("DELETE", f"/api-keys/{made.json['id']}").json["revoked"] is False
    with database.system_transaction() as conn:
        assert find_api_key(conn, made.json["key"]) is None


def test_the_page_narrows_a_key_and_shows_to_what(boss, database):
    page = boss.post("/admin/people/keys", name="reader", role="agent", scope=["read", "insights"])
    (key,) = re.findall(r"esk_[\w-]{43}", page.text)
    with database.system_transaction() as conn:
        assert find_api_key(conn, key).scopes == ["read", "insights"]
    shown = boss.get("/admin/people").text
    assert '<code class="tag" dir="ltr">insights</code>' in shown
    assert boss.post("/admin/people/keys", name="x", role="agent", scope=["everything"]).status_code == 400


def test_a_link_of_the_command_line_opens_every_account(app, owner, ann, database):
    with database.system_transaction() as conn:
        token = make_link(conn, tenant_id=None, user_id=ann, purpose="password")
        assert find_link(conn, token).tenant_id is None
    guest = ConsoleVisitor(app)
    guest.get(f"/welcome/{token}")
    guest.post(f"/welcome/{token}/password", password=NEW_PASSWORD, again=NEW_PASSWORD)
    assert guest.sign_in("ann@example.com", NEW_PASSWORD).status_code == 302
