"""Signing in through an OpenID provider, honest and not, with real tokens."""

import importlib.util
import re
from urllib.parse import urlsplit

import pytest

from config.settings import SettingsError, load_settings
from console.app import create_app
from console.visitors import SESSION_KEY
from store.one_time_links import find_link, make_link
from tests.integration.console_visitor import ConsoleVisitor, add_visitor, forget_failures, signed_in, words
from tests.openid_provider import CLIENT_ID, CLIENT_SECRET, OpenIdProvider

LIES = {
    "wrong state": "another window",
    "refused": "did not let you in",
    "other issuer answers": "could not be trusted",
    "wrong nonce": "could not be trusted",
    "no nonce": "could not be trusted",
    "wrong audience": "could not be trusted",
    "several audiences": "could not be trusted",
    "expired": "could not be trusted",
    "from the future": "could not be trusted",
    "other issuer": "could not be trusted",
    "wrong access token": "could not be trusted",
    "no subject": "could not be trusted",
    "no token": "could not be trusted",
    "no signature": "could not be trusted",
    "signed with the secret": "could not be trusted",
    "signed with the public key": "could not be trusted",
    "signed by a stranger": "could not be trusted",
}


@pytest.fixture(scope="module")
def provider():
    provider = OpenIdProvider()
    yield provider
    provider.stop()


@pytest.fixture
def make_app(settings, provider, broker):
    forget_failures(broker)
    provider.claims, provider.lies, provider.userinfo = {}, set(), {}
    apps = []

    def make(**more):
        known = {
            "oidc_issuer": provider.url,
            "oidc_client_id": CLIENT_ID,
            "oidc_client_secret": CLIENT_SECRET,
            "oidc_name": "Acme ID",
        }
        dumped = {
            name: value.get_secret_value() if hasattr(value, "get_secret_value") else value
            for name, value in vars(settings).items()
        }
        apps.append(create_app({}, settings=type(settings).model_validate({**dumped, **known, **more})))
        return apps[-1]

    yield make
    for app in apps:
        app.extensions["database"].close()


@pytest.fixture
def ann(owner, tenant_ids):
    return add_visitor(owner, tenant_ids["acme"], email="ann@example.com")


def come_in(app, provider, *, visitor=None, follow=False, back=""):
    """The whole way; returns (visitor, the answer to the browser that came back)."""
    visitor = visitor or ConsoleVisitor(app)
    leaving = visitor.get("/sign-in/provider", next=back)
    assert leaving.status_code == 302, leaving.text
    parts = urlsplit(provider.agree(leaving.location))
    return visitor, visitor.client.get(f"{parts.path}?{parts.query}", follow_redirects=follow)


def is_in(visitor):
    return visitor.get("/inbox").status_code == 200


def test_a_person_comes_in_and_is_known_by_the_subject_from_then_on(make_app, provider, ann, owner):
    app = make_app()
    page = ConsoleVisitor(app).get("/sign-in")
    assert "Sign in with" in page.text and "Acme ID" in page.text
    visitor, answer = come_in(app, provider, back="/inbox?queue=senior")
    assert (answer.status_code, answer.location) == (302, "/inbox?queue=senior")
    assert is_in(visitor)
    provider.claims = {"email": "new-address@example.com"}
    again, answer = come_in(app, provider)
    assert answer.status_code == 302 and is_in(again)
    deeds = owner.execute(
        "SELECT deed, details ->> 'how' FROM audit_log WHERE by_user_id = %s ORDER BY id", (ann,)
    ).fetchall()
    assert deeds == [("account_bound", None), ("signed_in", "provider"), ("signed_in", "provider")]


@pytest.mark.parametrize("lie", LIES)
def test_what_cannot_be_trusted_lets_nobody_in_and_says_why(make_app, provider, ann, lie):
    app = make_app()
    provider.lies = {lie}
    visitor, answer = come_in(app, provider)
    assert answer.status_code == 401 and LIES[lie] in words(answer)
    with visitor.client.session_transaction() as session:
        assert SESSION_KEY not in session
    assert not is_in(visitor)


@pytest.mark.parametrize(
    ("claims", "told"),
    [
        ({"email_verified": False}, "has not checked your e-mail"),
        ({"email_verified": None}, "has not checked your e-mail"),
        ({"email_verified": "yes"}, "has not checked your e-mail"),
        ({"email": None}, "Nobody has invited this account"),
        ({"email": "stranger@example.com"}, "Nobody has invited this account"),
        ({"email": "ann@example.com\u202e"}, "Nobody has invited this account"),
        ({"sub": "x" * 256}, "could not be trusted"),
        ({"sub": 7}, "could not be trusted"),
    ],
)
def test_only_a_checked_address_of_somebody_invited_counts(make_app, provider, ann, owner, claims, told):
    app = make_app()
    provider.claims = claims
    _, answer = come_in(app, provider)
    assert answer.status_code == 401 and told in words(answer)
    assert owner.execute("SELECT count(*) FROM app_user WHERE oidc_subject IS NOT NULL").fetchone() == (0,)
    assert owner.execute("SELECT tenant_id, details ->> 'how', subject FROM audit_log").fetchall() == [
        (None, "provider", None)
    ]


def test_an_address_that_stands_only_in_the_user_info_counts_when_it_is_the_same_subject(make_app, provider, ann):
    app = make_app()
    provider.claims = {"email": None, "email_verified": None}
    provider.userinfo = {"email": "ANN@example.com", "email_verified": True}
    visitor, answer = come_in(app, provider)
    assert answer.status_code == 302 and is_in(visitor)
    provider.userinfo |= {"sub": "somebody else"}
    _, answer = come_in(app, provider)
    assert answer.status_code == 401 and "could not be trusted" in words(answer)


def test_addresses_of_other_domains_are_not_let_in(make_app, provider, ann):
    app = make_app(oidc_allowed_domains="acme.example, acme.test")
    _, answer = come_in(app, provider)
    assert answer.status_code == 401 and "this domain" in words(answer)
    provider.claims = {"email": "ann@example.com@acme.example.evil.test"}
    _, answer = come_in(app, provider)
    assert answer.status_code == 401 and "this domain" in words(answer)


def test_nobody_signs_up_unless_the_settings_name_a_tenant_and_a_role(make_app, provider, owner, tenant_ids):
    provider.claims = {"name": "Ann\u202e Example"}
    _, answer = come_in(make_app(), provider)
    assert answer.status_code == 401
    app = make_app(oidc_allowed_domains="example.com", oidc_default_tenant="acme", oidc_default_role="agent")
    visitor, answer = come_in(app, provider)
    assert answer.status_code == 302 and is_in(visitor)
    rows = owner.execute(
        "SELECT u.email, u.display_name, m.tenant_id, m.role FROM app_user AS u JOIN membership AS m ON m.user_id = u.id"
    ).fetchall()
    assert rows == [("ann@example.com", "", tenant_ids["acme"], "agent")]
    assert owner.execute("SELECT count(*) FROM audit_log WHERE deed = 'person_signed_up'").fetchone() == (1,)


def test_the_first_time_ends_whatever_another_could_hold_of_the_account(
    make_app, provider, ann, owner, database, tenant_ids
):
    app = make_app()
    holder = signed_in(app, ann)
    with database.system_transaction() as conn:
        token = make_link(conn, tenant_id=tenant_ids["acme"], user_id=ann, purpose="password")
    come_in(app, provider)
    assert not is_in(holder)
    with database.system_transaction() as conn:
        assert find_link(conn, token) is None
    assert ConsoleVisitor(app).sign_in("ann@example.com").status_code == 401
    assert owner.execute("SELECT password_hash FROM app_user WHERE id = %s", (ann,)).fetchone() == (None,)


def test_an_account_that_is_bound_already_is_nobody_elses(make_app, provider, ann):
    app = make_app()
    come_in(app, provider)
    provider.claims = {"sub": "subject-2"}
    _, answer = come_in(app, provider)
    assert answer.status_code == 401 and "Nobody has invited" in words(answer)


def test_who_is_switched_off_stays_out(make_app, provider, ann, owner):
    app = make_app()
    come_in(app, provider)
    owner.execute("UPDATE app_user SET disabled_at = now() WHERE id = %s", (ann,))
    _, answer = come_in(app, provider)
    assert answer.status_code == 401


def test_an_answer_counts_once_and_only_in_the_browser_that_asked(make_app, provider, ann):
    app = make_app()
    visitor, other = ConsoleVisitor(app), ConsoleVisitor(app)
    parts = urlsplit(provider.agree(visitor.get("/sign-in/provider").location))
    address = f"{parts.path}?{parts.query}"
    assert other.get(address).status_code == 401 and not is_in(other)
    assert visitor.client.get(address).status_code == 302 and is_in(visitor)
    assert visitor.client.get(address).status_code == 401


def test_a_sign_in_that_takes_too_long_is_begun_again(make_app, provider, ann):
    app = make_app()
    visitor = ConsoleVisitor(app)
    parts = urlsplit(provider.agree(visitor.get("/sign-in/provider").location))
    with visitor.client.session_transaction() as session:
        session["oidc"] = {**session["oidc"], "at": session["oidc"]["at"] - 601}
    answer = visitor.client.get(f"{parts.path}?{parts.query}")
    assert answer.status_code == 401 and "too long ago" in words(answer)


def test_nothing_leads_away_from_here_afterwards(make_app, provider, ann):
    app = make_app()
    _, answer = come_in(app, provider, back="https://evil.example/")
    assert answer.location == "/inbox"


@pytest.mark.parametrize("lie", ["away", "moved", "other issuer's metadata", "plain endpoint"])
def test_a_provider_that_does_not_answer_as_it_should_is_told_and_a_password_still_works(make_app, provider, ann, lie):
    app = make_app()
    provider.lies = {lie}
    answer = ConsoleVisitor(app).get("/sign-in/provider")
    assert answer.status_code in {401, 503} and "Tell the operator" in words(answer).replace("tell", "Tell")
    assert ConsoleVisitor(app).sign_in("ann@example.com").status_code == 302
    provider.lies = set()
    asked = len(provider.asked)
    assert ConsoleVisitor(app).get("/sign-in/provider").status_code == 503 and len(provider.asked) == asked
    app.extensions["oidc"]._silent_until = 0.0
    assert come_in(app, provider)[1].status_code == 302


def test_new_keys_of_the_provider_are_fetched_when_a_token_needs_them(make_app, provider, ann, monkeypatch):
    app = make_app()
    come_in(app, provider)
    monkeypatch.setattr("console.oidc.REFETCH_S", 0.0)
    monkeypatch.setattr(provider, "key", provider.wrong_key)
    assert come_in(app, provider)[1].status_code == 302


def test_where_nobody_set_one_up_there_is_no_way_to_a_provider(settings):
    app = create_app({}, settings=settings)
    visitor = ConsoleVisitor(app)
    assert "Sign in with" not in visitor.get("/sign-in").text
    assert visitor.get("/sign-in/provider").status_code == 404
    assert visitor.get("/sign-in/provider/back").status_code == 404
    app.extensions["database"].close()


def test_without_the_extra_the_process_says_what_to_install(make_app, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "authlib" else found(name, *more)
    )
    with pytest.raises(SettingsError, match=re.escape("pip install 'earshot[oidc]'")):
        make_app()


def test_half_a_provider_is_refused_with_what_is_missing():
    good = {"DATABASE_URL": "postgresql://x", "REDIS_URL": "redis://x", "EARSHOT_KEYS": "k1:abc"}
    whole = {
        **good,
        "OIDC_ISSUER": "https://id.example/realms/acme",
        "OIDC_CLIENT_ID": "a",
        "OIDC_CLIENT_SECRET": "s3cret",
    }
    assert load_settings(whole).oidc_issuer == "https://id.example/realms/acme"
    assert "s3cret" not in repr(load_settings(whole))
    for spoiled, told in (
        ({**whole, "OIDC_CLIENT_SECRET": ""}, "OIDC_CLIENT_SECRET"),
        ({**whole, "OIDC_ISSUER": "id.example"}, "OIDC_ISSUER"),
        ({**whole, "OIDC_DEFAULT_TENANT": "acme"}, "OIDC_DEFAULT_ROLE"),
        ({**whole, "OIDC_DEFAULT_TENANT": "acme", "OIDC_DEFAULT_ROLE": "agent"}, "OIDC_ALLOWED_DOMAINS"),
        ({**whole, "OIDC_DEFAULT_TENANT": "acme", "OIDC_DEFAULT_ROLE": "admin"}, "OIDC_DEFAULT_ROLE"),
    ):
        with pytest.raises(SettingsError, match=told) as caught:
            load_settings(spoiled)
        assert "s3cret" not in str(caught.value)


def test_an_unprotected_address_of_a_provider_is_refused(make_app):
    with pytest.raises(SettingsError, match="https"):
        make_app(oidc_issuer="http://id.example")
