"""/me: what a person changes about themselves, and signing in and out."""

import re

import pytest

from console.api.failed_keys import PER_PREFIX
from console.app import create_app
from console.devices import device_of
from tests.integration.console_visitor import PASSWORD, ConsoleVisitor, add_visitor, forget_failures, signed_in, words
from tests.integration.workplace import add_person

NEW_PASSWORD = "purple lamps under the harbour"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


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
def ann(owner, acme):
    return add_visitor(owner, acme, email="ann@example.com")


@pytest.fixture
def her(app, ann):
    return signed_in(app, ann)


def is_in(visitor):
    return visitor.get("/inbox").status_code == 200


def deeds(owner, deed):
    return owner.execute(
        "SELECT tenant_id, by_user_id, subject, details FROM audit_log WHERE deed = %s ORDER BY id", (deed,)
    ).fetchall()


def test_name_language_look_and_shortcuts_are_kept_with_the_account(app, her, ann):
    answer = her.post("/me", display_name=" Ann <b>Example</b> ", language="de", theme="dark")
    assert '<html lang="de" dir="ltr" data-theme="dark" data-letters="off">' in answer.text
    assert "Ann &lt;b&gt;Example&lt;/b&gt;" in answer.text and "<b>Example" not in answer.text
    elsewhere = ConsoleVisitor(app)
    elsewhere.sign_in("ann@example.com", follow=True)
    page = elsewhere.get("/me").text
    assert '<html lang="de" dir="ltr" data-theme="dark" data-letters="off">' in page
    elsewhere.post("/me", display_name="", letters="on", language="ar", theme="light")
    assert '<html lang="ar" dir="rtl" data-theme="light" data-letters="on">' in elsewhere.get("/inbox").text


def test_what_the_menu_chooses_is_kept_with_the_account_too(app, her, owner, ann):
    her.post("/look", language="tr", theme="light", next="/inbox")
    assert owner.execute("SELECT language, theme FROM app_user WHERE id = %s", (ann,)).fetchone() == ("tr", "light")
    her.post("/look", language="klingon", theme="plaid")
    assert owner.execute("SELECT language, theme FROM app_user WHERE id = %s", (ann,)).fetchone() == ("tr", "light")


def test_the_keyboards_help_switches_single_letters_for_the_account(her, owner, ann):
    assert her.post("/me/letters", letters="off").status_code == 204
    assert owner.execute("SELECT uses_letters FROM app_user WHERE id = %s", (ann,)).fetchone() == (False,)
    assert 'data-letters="off"' in her.get("/inbox").text
    her.post("/me/letters", letters="on")
    assert 'data-letters="on"' in her.get("/inbox").text


@pytest.mark.parametrize("name", ["x" * 101, "a\u202eb", "a\x00b", "a\nb"])
def test_a_name_that_cannot_be_shown_is_refused_and_nothing_else_is_kept(her, owner, ann, name):
    answer = her.post("/me", display_name=name, language="de", theme="dark")
    assert answer.status_code == 422 and "signs that cannot be shown" in words(answer)
    assert owner.execute("SELECT display_name, language FROM app_user WHERE id = %s", (ann,)).fetchone() == ("", None)


def test_the_old_password_is_asked_and_every_other_session_ends(app, her, ann, owner, acme):
    other = signed_in(app, ann)
    her.get("/me")
    answer = her.post("/me/password", old=PASSWORD, password=NEW_PASSWORD, again=NEW_PASSWORD)
    assert "The password is changed" in answer.text
    assert is_in(her) and not is_in(other)
    assert ConsoleVisitor(app).sign_in("ann@example.com").status_code == 401
    assert ConsoleVisitor(app).sign_in("ann@example.com", NEW_PASSWORD).status_code == 302
    assert deeds(owner, "password_changed") == [(acme, ann, str(ann), {"sessions": 1})]
    stored = owner.execute("SELECT password_hash FROM app_user WHERE id = %s", (ann,)).fetchone()[0]
    assert stored.startswith("$argon2id$")


EASY = ("passwordpassword", "Password12345!", "qwertyuiop[]", "aaaaaaaaaaaa", "12.11.198012.11.1980")


@pytest.mark.parametrize(
    ("old", "new", "again", "told"),
    [
        ("wrong", NEW_PASSWORD, NEW_PASSWORD, "old password is wrong"),
        ("", NEW_PASSWORD, NEW_PASSWORD, "old password is wrong"),
        (PASSWORD, "short", "short", "at least 12"),
        (PASSWORD, NEW_PASSWORD, "", "do not agree"),
        (PASSWORD, "ann@example.com", "ann@example.com", "too easy"),
        *((PASSWORD, easy, easy, "too easy") for easy in EASY),
    ],
)
def test_a_change_that_will_not_do_is_refused_with_the_reason(app, her, ann, old, new, again, told):
    other = signed_in(app, ann)
    answer = her.post("/me/password", old=old, password=new, again=again)
    assert answer.status_code == 422 and told in words(answer)
    assert is_in(other) and ConsoleVisitor(app).sign_in("ann@example.com").status_code == 302


def test_too_many_wrong_old_passwords_have_to_wait_also_at_the_sign_in(app, her):
    for _ in range(PER_PREFIX):
        assert her.post("/me/password", old="wrong", password=NEW_PASSWORD, again=NEW_PASSWORD).status_code == 422
    assert her.post("/me/password", old=PASSWORD, password=NEW_PASSWORD, again=NEW_PASSWORD).status_code == 429
    assert ConsoleVisitor(app).sign_in("ann@example.com").status_code == 429


def test_a_form_that_is_sent_twice_changes_the_password_once(her, owner):
    her.post("/me/password", old=PASSWORD, password=NEW_PASSWORD, again=NEW_PASSWORD)
    assert her.post("/me/password", old=PASSWORD, password=NEW_PASSWORD, again=NEW_PASSWORD).status_code == 422
    assert len(deeds(owner, "password_changed")) == 1


def test_own_sessions_are_told_apart_and_ended(app, her, ann, owner, acme):
    first, second = ConsoleVisitor(app), ConsoleVisitor(app)
    for one in (first, second):
        one.client.environ_base["HTTP_USER_AGENT"] = FIREFOX + "\u202e<script>"
        one.sign_in("ann@example.com")
    page = her.get("/me")
    assert page.text.count("<bdi>Firefox, Linux</bdi>") == 2 and "<script>" not in page.text.partition("<main")[2]
    (one, _) = re.findall(r'name="session" value="([0-9a-f-]{36})"', page.text)
    assert "Signed out there" in her.post("/me/sessions", session=one).text
    assert sorted((is_in(first), is_in(second))) == [False, True]
    assert "no such session" in her.post("/me/sessions", session=one).text
    her.post("/me/sessions")
    assert is_in(her) and not is_in(first) and not is_in(second)
    assert [one[3] for one in deeds(owner, "own_sessions_ended")] == [{"sessions": 1}, {"sessions": 1}]


def test_somebody_elses_session_is_not_ended(app, her, owner, acme):
    other = signed_in(app, add_visitor(owner, acme, email="other@example.com"))
    (session_id,) = owner.execute(
        "SELECT s.id::text FROM web_session AS s JOIN app_user AS u ON u.id = s.user_id WHERE u.email = 'other@example.com'"
    ).fetchone()
    assert "no such session" in her.post("/me/sessions", session=session_id).text
    her.post("/me/sessions", session="x' OR 1=1")
    assert is_in(other)


def test_nobody_sees_anybodys_account_without_being_signed_in(app):
    visitor = ConsoleVisitor(app)
    assert visitor.get("/me").status_code == 302
    for path in ("", "/letters", "/password", "/sessions"):
        assert visitor.post(f"/me{path}", follow=False).status_code == 302


@pytest.mark.parametrize("role", ["agent", "supervisor", "admin", "auditor"])
def test_everybody_has_an_account_page_and_forged_forms_change_nothing(app, owner, acme, role):
    visitor = signed_in(app, add_visitor(owner, acme, role=role))
    assert visitor.get("/me").status_code == 200
    for path in ("", "/letters", "/password", "/sessions"):
        visitor.token = "forged"
        assert visitor.post(f"/me{path}").status_code == 400


def test_signing_in_and_out_is_noted_wherever_the_person_has_a_role(app, ann, owner, acme, tenant_ids):
    owner.execute(
        "INSERT INTO membership (tenant_id, user_id, role) VALUES (%s, %s, 'agent')", (tenant_ids["other"], ann)
    )
    visitor = ConsoleVisitor(app)
    visitor.sign_in("ann@example.com", "wrong")
    visitor.sign_in("ann@example.com", follow=True)
    visitor.post("/sign-out")
    both = {acme, tenant_ids["other"]}
    for deed, by in (("sign_in_failed", None), ("signed_in", ann), ("signed_out", ann)):
        rows = deeds(owner, deed)
        assert {row[0] for row in rows} == both and {row[1:3] for row in rows} == {(by, str(ann))}


def test_what_was_typed_for_an_unknown_account_is_noted_nowhere(app, ann, owner):
    visitor = ConsoleVisitor(app)
    answer = visitor.sign_in("secret-name@example.com", "secret-password")
    known = visitor.sign_in("ann@example.com", "secret-password")
    assert answer.status_code == known.status_code == 401
    told = [re.sub(r'name="(csrf_token|email)"[^>]*', "", one.text) for one in (answer, known)]
    assert re.sub(r'value="[^"]*"', "", told[0]) == re.sub(r'value="[^"]*"', "", told[1])
    assert deeds(owner, "sign_in_failed")[0] == (None, None, None, {"how": "password"})
    assert "secret" not in str(owner.execute("SELECT * FROM audit_log").fetchall())


def test_who_has_no_password_cannot_guess_one(app, owner, acme):
    user_id = add_person(owner, acme, email="no-password@example.com")
    owner.execute("UPDATE app_user SET password_hash = NULL WHERE id = %s", (user_id,))
    for guess in ("nobody", "", "None"):
        assert ConsoleVisitor(app).sign_in("no-password@example.com", guess).status_code == 401
    visitor = signed_in(app, user_id)
    assert "you sign in through your organisation" in visitor.get("/me").text
    assert visitor.post("/me/password", old="nobody", password=NEW_PASSWORD, again=NEW_PASSWORD).status_code == 422


def test_devices_are_told_in_a_few_words():
    agents = {
        FIREFOX: "Firefox, Linux",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 Edg/140.0": "Edge, Windows",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1 Version/19.0 Mobile/15E148 Safari/604.1": "Safari, iPhone",
        "Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Mobile Safari/537.36": "Chrome, Android",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 15_0) AppleWebKit/605.1 Version/19.0 Safari/605.1": "Safari, macOS",
        "curl/8.5": None,
        "": None,
    }
    assert {agent: device_of(agent) for agent in agents} == agents
