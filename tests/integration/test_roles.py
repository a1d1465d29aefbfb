"""Roles at /admin/people, people switched off and on, their sessions, and who may do that; with two tenants."""

import re
import threading

import pytest

from console.app import create_app
from store.agents import find_colleague
from store.users import create_api_key, find_api_key
from tests.integration.console_visitor import ConsoleVisitor, add_visitor, forget_failures, signed_in, words
from tests.integration.people_page import NEW_PASSWORD, deeds, invite, is_in, link_on, standing


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


# Roles


def test_another_role_counts_from_the_next_page(app, boss, owner, acme, ann):
    her = signed_in(app, ann)
    assert her.get("/admin").status_code == 403
    boss.get(f"/admin/people/{ann}")
    assert "The role is changed" in boss.post(f"/admin/people/{ann}/role", role="supervisor", seen="agent").text
    assert her.get("/admin").status_code == 200
    assert "was so before" in boss.post(f"/admin/people/{ann}/role", role="supervisor", seen="supervisor").text
    assert deeds(owner, acme)[-1:] == ["role_changed"]
    assert boss.post(f"/admin/people/{ann}/role", role="operator", seen="supervisor").status_code == 400


def test_a_stale_form_changes_nothing(boss, owner, acme, ann):
    boss.post(f"/admin/people/{ann}/role", role="auditor", seen="agent")
    answer = boss.post(f"/admin/people/{ann}/role", role="admin", seen="agent")
    assert "has changed since you looked" in words(answer)
    assert standing(owner, acme, "ann@example.com") == ("auditor", None, None)


def test_nobody_changes_or_switches_off_themselves(boss, owner, acme, boss_id):
    add_visitor(owner, acme, role="admin")
    page = boss.get(f"/admin/people/{boss_id}").text
    assert f"/admin/people/{boss_id}/role" not in page and f"/admin/people/{boss_id}/off" not in page
    for path, fields in (("role", {"role": "agent", "seen": "admin"}), ("off", {})):
        assert "Ask another administrator" in words(boss.post(f"/admin/people/{boss_id}/{path}", **fields))
    assert standing(owner, acme, "boss@example.com") == ("admin", None, None) and is_in(boss)


def test_the_last_administrator_who_can_sign_in_stays_one(app, boss, boss_id, owner, acme):
    owner.execute("UPDATE app_user SET is_operator = true WHERE id = %s", (boss_id,))
    owner.execute("DELETE FROM membership WHERE user_id = %s", (boss_id,))
    last = add_visitor(owner, acme, role="admin", email="last@example.com")
    invite(boss, "not-yet@example.com", role="admin")  # cannot sign in yet, so does not count
    disabled = add_visitor(owner, acme, role="admin")
    owner.execute("UPDATE app_user SET disabled_at = now() WHERE id = %s", (disabled,))
    for path, fields in (("role", {"role": "agent", "seen": "admin"}), ("off", {})):
        assert "last administrator" in words(boss.post(f"/admin/people/{last}/{path}", **fields))
    assert standing(owner, acme, "last@example.com") == ("admin", None, None)
    add_visitor(owner, acme, role="admin")
    assert "Out, at once" in words(boss.post(f"/admin/people/{last}/off"))


@pytest.mark.parametrize("deed", ["off", "role"])
def test_two_administrators_cannot_take_away_each_other_at_once(app, boss, boss_id, owner, acme, deed):
    second_id = add_visitor(owner, acme, role="admin", email="second@example.com")
    second = signed_in(app, second_id)
    barrier = threading.Barrier(2)
    fields = {"role": "agent", "seen": "admin"} if deed == "role" else {}

    def take(visitor, victim):
        barrier.wait()
        visitor.post(f"/admin/people/{victim}/{deed}", follow=False, **fields)

    threads = [threading.Thread(target=take, args=pair) for pair in ((boss, second_id), (second, boss_id))]
    [one.start() for one in threads]
    [one.join() for one in threads]
    admins = owner.execute(
        "SELECT count(*) FROM membership WHERE tenant_id = %s AND role = 'admin'", (acme,)
    ).fetchone()
    assert admins == (1,)


# Off and on


def test_who_is_switched_off_is_out_at_once_with_their_keys_and_comes_back_with_the_role(
    app, boss, owner, acme, ann, database
):
    her = signed_in(app, ann)
    with database.system_transaction() as conn:
        _, key = create_api_key(conn, tenant_id=acme, name="hers", role="agent", user_id=ann)
    assert "Out, at once" in boss.post(f"/admin/people/{ann}/off").text
    assert her.get("/inbox").status_code == 302 and "/sign-in" in her.get("/inbox").location
    assert owner.execute("SELECT count(*) FROM web_session WHERE user_id = %s", (ann,)).fetchone() == (0,)
    with database.system_transaction() as conn:
        assert find_api_key(conn, key) is None
        assert find_colleague(conn, acme, user_id=ann) is None
    her.sign_in("ann@example.com")
    assert not is_in(her)
    assert "switched off" in boss.get("/admin/people").text
    assert "was so before" in boss.post(f"/admin/people/{ann}/off").text
    assert "switch them on first" in words(boss.post(f"/admin/people/{ann}/link"))
    assert "with the role they had" in boss.post(f"/admin/people/{ann}/on").text
    assert "was so before" in boss.post(f"/admin/people/{ann}/on").text
    her.sign_in("ann@example.com")
    assert is_in(her) and standing(owner, acme, "ann@example.com") == ("agent", None, None)
    assert [one for one in deeds(owner, acme) if "person" in one] == ["person_switched_off", "person_switched_on"]


def test_another_tenant_keeps_a_person_who_is_switched_off_here(app, boss, owner, acme, other, ann):
    owner.execute("INSERT INTO membership (tenant_id, user_id, role) VALUES (%s, %s, 'supervisor')", (other, ann))
    there = signed_in(app, ann, tenant_id=other)
    here = signed_in(app, ann, tenant_id=acme)
    boss.post(f"/admin/people/{ann}/off")
    assert there.get("/admin").status_code == 200
    assert not is_in(here) and standing(owner, other, "ann@example.com") == ("supervisor", None, None)


def test_a_password_link_of_somebody_who_is_switched_off_ends(app, boss, owner, ann):
    path = link_on(boss.post(f"/admin/people/{ann}/link"))
    boss.post(f"/admin/people/{ann}/off")
    boss.post(f"/admin/people/{ann}/on")
    assert ConsoleVisitor(app).get(path).status_code == 404


def test_a_new_password_by_link_ends_every_session(app, boss, owner, ann):
    her = signed_in(app, ann)
    path = link_on(boss.post(f"/admin/people/{ann}/link"))
    assert is_in(her)
    guest = ConsoleVisitor(app)
    guest.get(path)
    guest.post(f"{path}/password", password=NEW_PASSWORD, again=NEW_PASSWORD)
    assert not is_in(her)
    assert guest.sign_in("ann@example.com").status_code == 401
    assert guest.sign_in("ann@example.com", NEW_PASSWORD).status_code == 302


# Sessions


def test_sessions_of_a_person_are_listed_and_ended(app, boss, owner, acme, other, ann):
    owner.execute("INSERT INTO membership (tenant_id, user_id, role) VALUES (%s, %s, 'agent')", (other, ann))
    first, second, there = (signed_in(app, ann, tenant_id=one) for one in (acme, acme, other))
    owner.execute(
        "UPDATE web_session SET user_agent = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0' WHERE user_id = %s",
        (ann,),
    )
    page = boss.get(f"/admin/people/{ann}")
    assert page.text.count("Firefox, Linux</bdi>") == 2
    (one, _) = re.findall(r'name="session" value="([0-9a-f-]{36})"', page.text)
    assert "Signed out there" in boss.post(f"/admin/people/{ann}/sessions", session=one).text
    assert sorted((is_in(first), is_in(second))) == [False, True] and is_in(there)
    assert "no such session" in boss.post(f"/admin/people/{ann}/sessions", session=one).text
    boss.post(f"/admin/people/{ann}/sessions")
    assert not is_in(first) and not is_in(second) and is_in(there)
    assert boss.post(f"/admin/people/{ann}/sessions", session="x' OR 1").status_code == 400


def test_a_session_of_somebody_else_cannot_be_ended_in_their_name(app, boss, owner, acme, ann):
    victim_id = add_visitor(owner, acme)
    victim = signed_in(app, victim_id)
    (session_id,) = owner.execute("SELECT id::text FROM web_session WHERE user_id = %s", (victim_id,)).fetchone()
    boss.post(f"/admin/people/{ann}/sessions", session=session_id)
    assert is_in(victim)


# Who may


@pytest.mark.parametrize(("role", "reads"), [("agent", 403), ("supervisor", 200), ("auditor", 200)])
def test_only_administrators_change_people(app, owner, acme, ann, role, reads):
    visitor = signed_in(app, add_visitor(owner, acme, role=role))
    assert visitor.get("/admin/people").status_code == reads
    assert visitor.get(f"/admin/people/{ann}").status_code == reads
    if reads == 200:
        assert 'method="post" action="/admin' not in visitor.get(f"/admin/people/{ann}").text
    for path, fields in (
        ("", {"email": "x@example.com", "role": "agent"}), (f"/{ann}/role", {"role": "auditor"}), (f"/{ann}/off", {}), (f"/{ann}/on", {}),
        (f"/{ann}/link", {}), (f"/{ann}/sessions", {}),
    ):  # fmt: skip
        assert visitor.post(f"/admin/people{path}", **fields).status_code == 403
    assert standing(owner, acme, "ann@example.com") == ("agent", None, None)


def test_people_of_another_tenant_are_not_there(boss, owner, other):
    stranger = add_visitor(owner, other, email="stranger@example.com")
    assert "stranger@" not in boss.get("/admin/people").text
    assert boss.get(f"/admin/people/{stranger}").status_code == 404
    for path in ("role", "off", "on", "link", "sessions"):
        assert boss.post(f"/admin/people/{stranger}/{path}", role="admin").status_code == 404
    assert standing(owner, other, "stranger@example.com") == ("agent", None, None)
