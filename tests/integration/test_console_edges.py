"""The console as a stranger tries it: guessing, forging, framing, spoofing, and asking for what lies outside."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from console import passwords
from console.api.failed_keys import PER_ADDRESS, PER_PREFIX, WINDOW_S, FailedKeys
from console.app import HEADERS, create_app
from console.visitors import SESSION_KEY, is_ours
from tests.integration.console_visitor import PASSWORD, ConsoleVisitor, add_visitor, forget_failures, signed_in
from tests.integration.page_table import PAGES

HTTPS = "https://desk.acme.example"
METRICS_TOKEN = "a-token-of-sixteen"


@pytest.fixture
def make_app(settings, broker):
    forget_failures(broker)
    apps = []

    def make(**changes):
        apps.append(create_app({}, settings=settings.model_copy(update=changes)))
        return apps[-1]

    yield make
    forget_failures(broker)
    for app in apps:
        app.extensions["database"].close()


@pytest.fixture
def app(make_app):
    return make_app()


@pytest.fixture
def email(owner, tenant_ids):
    add_visitor(owner, tenant_ids["acme"], role="admin", email="ann@example.com")
    return "ann@example.com"


def try_in(app, email, password="wrong", *, source="203.0.113.9", forwarded=None):
    """The status of one try to sign in from there."""
    stranger = ConsoleVisitor(app)
    stranger.get("/sign-in")
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    fields = {"csrf_token": stranger.token, "email": email, "password": password}
    return stranger.client.post(
        "/sign-in", data=fields, headers=headers, environ_base={"REMOTE_ADDR": source}
    ).status_code


# Guessing


@pytest.fixture
def quick(monkeypatch):
    """Sixty argon2 hashes take longer than what is tested here: how tries are counted."""
    monkeypatch.setattr("console.pages.sign_in.fits", lambda known, given: known is not None and given == PASSWORD)


def test_sixty_guesses_at_once_are_sixty(app, email, monkeypatch):
    """Each is counted before it is looked at: else all that come before the first failure is written down are let through."""
    looked_at = []

    def slow(password_hash, password):
        looked_at.append(password)
        time.sleep(0.05)
        return False

    monkeypatch.setattr("console.pages.sign_in.fits", slow)
    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(lambda _: try_in(app, email), range(60)))
    assert len(looked_at) == PER_PREFIX and statuses.count(429) == 60 - PER_PREFIX


def test_an_address_that_tries_many_people_waits_and_another_does_not(app, email, quick):
    assert {try_in(app, f"nobody{number}@example.com") for number in range(PER_ADDRESS)} == {401}
    assert try_in(app, email, PASSWORD) == 429
    assert try_in(app, email, PASSWORD, source="198.51.100.7") == 302


def test_signing_in_rightly_is_never_counted(app, email, quick):
    assert {try_in(app, email, PASSWORD) for _ in range(PER_PREFIX + 3)} == {302}


@pytest.mark.parametrize(("proxies", "status"), [(0, 429), (1, 302)])
def test_a_made_up_address_helps_nobody_and_our_own_proxys_word_counts(make_app, email, proxies, status, quick):
    app = make_app(trusted_proxies=proxies)
    for number in range(PER_ADDRESS):
        try_in(app, f"no{number}@example.com", source="10.0.0.1", forwarded=f"1.1.1.{number}, 203.0.113.50")
    assert try_in(app, email, PASSWORD, source="10.0.0.1", forwarded="9.9.9.9, 203.0.113.50") == 429
    assert try_in(app, email, PASSWORD, source="10.0.0.1", forwarded="203.0.113.50, 203.0.113.51") == status


def test_without_redis_passwords_are_counted_in_the_process(make_app, settings, email, quick):
    app = make_app(redis_url=type(settings.redis_url)("redis://127.0.0.1:1/0"))
    assert [try_in(app, email) for _ in range(PER_PREFIX + 2)] == [401] * PER_PREFIX + [429] * 2
    assert try_in(app, email, PASSWORD) == 429


def test_what_a_process_remembers_is_bounded_and_forgotten(monkeypatch):
    monkeypatch.setattr("console.api.failed_keys._MOST_REMEMBERED", 50)
    now = [1000.0]
    monkeypatch.setattr("console.api.failed_keys.time.monotonic", lambda: now[0])
    tries = FailedKeys("amqp://elsewhere", secret=b"s")
    for number in range(200):
        tries.claim(f"10.0.0.{number}", f"person {number}")
    assert len(tries._here) == 50
    assert [tries.claim("1.1.1.1", "ann") for _ in range(PER_PREFIX + 1)][-1] == WINDOW_S
    now[0] += WINDOW_S + 1
    assert tries.claim("1.1.1.1", "ann") == 0


@pytest.mark.parametrize("who", ["ann", "nobody", "switched off", "no password"])
def test_whoever_is_meant_the_same_work_is_done(app, owner, email, who, monkeypatch):
    """The time would tell who has an account."""
    verified = []
    monkeypatch.setattr(passwords, "_verify", lambda password_hash, password: verified.append(password_hash) or False)
    if who == "switched off":
        owner.execute("UPDATE app_user SET disabled_at = now()")
    if who == "no password":
        owner.execute("UPDATE app_user SET password_hash = NULL")
    assert try_in(app, "nobody@example.com" if who == "nobody" else email) == 401
    assert len(verified) == 1 and verified[0].startswith("$argon2id$")
    assert who == "ann" or verified == [passwords._NOBODY]


# Sessions and cookies


def test_signing_in_makes_a_new_session_and_ends_the_one_that_was_there(app, email, owner, tenant_ids):
    planted = add_visitor(owner, tenant_ids["acme"], email="mallory@example.com")
    browser = signed_in(app, planted)
    with browser.client.session_transaction() as session:
        before = session[SESSION_KEY]
    browser.get("/sign-in")
    browser.sign_in(email)
    with browser.client.session_transaction() as session:
        after = session[SESSION_KEY]
    assert after != before
    old = ConsoleVisitor(app)
    with old.client.session_transaction() as session:
        session[SESSION_KEY] = before
    assert old.get("/inbox").status_code == 302


def test_a_cookie_that_somebody_changed_or_signed_otherwise_lets_nobody_in(app, make_app, email, settings):
    elsewhere = make_app(secret_key=SecretStr("another"))
    browser = ConsoleVisitor(elsewhere)
    browser.sign_in(email)
    (cookie,) = [browser.client.get_cookie("earshot")]
    for value in (cookie.value, cookie.value[:-1] + "A", "", "x" * 4000, "eyJlYXJzaG90Ijp7fX0.aaaa.bbbb"):
        client = app.test_client()
        client.set_cookie("earshot", value)
        assert client.get("/inbox").status_code == 302


def test_behind_https_cookies_are_for_this_host_and_https_alone(make_app, email):
    browser = ConsoleVisitor(make_app(console_url=HTTPS))
    browser.client.get("/sign-in", base_url=HTTPS)
    page = browser.client.get("/sign-in", base_url=HTTPS)
    token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1]
    fields = {"csrf_token": token, "email": email, "password": PASSWORD}
    answers = [browser.client.post("/sign-in", data=fields, base_url=HTTPS)]
    token = re.search(r'name="csrf_token" value="([^"]+)"', browser.client.get("/inbox", base_url=HTTPS).text)[1]
    answers.append(browser.client.post("/look", data={"csrf_token": token, "theme": "dark"}, base_url=HTTPS))
    cookies = [cookie for answer in answers for cookie in answer.headers.getlist("Set-Cookie")]
    assert any(cookie.startswith("__Host-earshot=") for cookie in cookies) and len(cookies) >= 2
    for cookie in cookies:
        assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; ")) and "Domain" not in cookie
    assert answers[0].headers["Strict-Transport-Security"].startswith("max-age=63072000")


# Forged forms: every unsafe route there is, also those that come next year


def test_no_unsafe_route_listens_to_a_cookie_alone(app, owner, tenant_ids):
    admin = signed_in(app, add_visitor(owner, tenant_ids["acme"], role="admin"))
    unsafe = [
        (method, re.sub(r"<[^>]*>", "1", re.sub(r"<uuid:[^>]*>", "00000000-0000-7000-8000-000000000000", str(rule))))
        for rule in app.url_map.iter_rules()
        for method in sorted(rule.methods - {"GET", "HEAD", "OPTIONS"})
    ]
    assert len([one for one in unsafe if not one[1].startswith("/api/")]) >= 40
    headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    got = {
        one: admin.client.open(one[1], method=one[0], data={"x": "1"}, headers=headers).status_code for one in unsafe
    }
    expected = {one: 401 if one[1].startswith("/api/") else 400 for one in unsafe}
    assert {one: status for one, status in got.items() if status != expected[one]} == {}


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"])
def test_a_get_never_becomes_anything_else(app, owner, tenant_ids, header):
    admin = signed_in(app, add_visitor(owner, tenant_ids["acme"], role="admin"))
    assert admin.client.get("/sign-out?_method=POST", headers={header: "POST"}).status_code == 405
    assert admin.get("/inbox").status_code == 200


# Redirects, hosts, paths

LURES = (
    "https://evil.example/", "//evil.example", "///evil.example", "/\\evil.example", "\\/evil.example", "/\t/evil.example",
    "/%09/evil.example", "/%5cevil.example", "javascript:alert(1)", "data:text/html,x", "/.//evil.example", "https:/evil.example",
    "@evil.example", "/\u2028/evil.example", "/\uff0fevil.example", "http:evil.example", "?//evil.example", "\x01//evil.example",
)  # fmt: skip


def test_no_parameter_of_any_page_leads_away(app, email, owner, tenant_ids):
    browser, visited = ConsoleVisitor(app), []
    for lure in LURES:
        visited += [browser.sign_in(email, back=lure), browser.post("/look", follow=False, next=lure, theme="dark")]
        strange = {"Referer": f"http://localhost{lure}".encode("latin-1", "replace").decode("latin-1")}
        visited.append(browser.client.post("/inbox", data={"next": lure}, headers=strange))
    visited += [
        browser.client.get(
            path, query_string=dict.fromkeys(("next", "back", "return_to", "redirect", "url", "to"), lure)
        )
        for path in ("/", "/inbox", "/sign-in", "/go", "/me")
        for lure in LURES
    ]
    for answer in visited:
        target = urlsplit(answer.headers.get("Location", "/"))
        assert not target.netloc and not target.scheme and target.path.startswith("/"), answer.headers["Location"]
        assert not re.match(r"/[/\\]", answer.headers.get("Location", "/"))


@pytest.mark.parametrize("lure", LURES)
def test_what_counts_as_ours_stays_on_this_host_in_a_browsers_reading(lure):
    if is_ours(lure):
        # As the URL standard reads it: controls dropped, backslashes are slashes.
        read = re.sub(r"[\t\r\n]", "", lure).replace("\\", "/")
        assert read.startswith("/") and not read.startswith("//")


def test_a_made_up_host_gets_into_no_answer(make_app, email):
    app = make_app(console_url=HTTPS)
    headers = {
        "Host": "evil.example",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "gopher",
        "Forwarded": "host=evil.example",
    }
    client = app.test_client()
    for path in (
        "/",
        "/sign-in",
        "/inbox",
        "/nothing",
        "/healthz",
        "/static/console.css",
        "/api/v1/queues",
        "/welcome/x",
    ):
        answer = client.get(path, headers=headers, buffered=True)
        assert "evil.example" not in answer.text and "evil.example" not in str(answer.headers), path


OUTSIDE = (
    "/static/../app.py", "/static/..%2fapp.py", "/static/%2e%2e/app.py", "/static/....//app.py", "/static//etc/passwd", "/static/..\\app.py",
    "/static/%00", "/static/console.css%00.txt", "/static/", "/static/vendor/../../app.py", "/insights/files/../../etc/passwd.csv",
    "/admin/settings/../../../etc/passwd", "/.git/config", "/.env",
)  # fmt: skip
NUMBERS = ("0", "-1", "9" * 19, "9" * 400, "1e9", "0x1", "\u0661", "1\x00", "%00", "+1", " 1")


def test_nothing_outside_has_an_address(app, owner, tenant_ids):
    admin = signed_in(app, add_visitor(owner, tenant_ids["acme"], role="admin"))
    for path in OUTSIDE:
        answer = admin.client.get(path, follow_redirects=True, buffered=True)
        assert answer.status_code in {400, 404, 405}, path
        assert "import" not in answer.text and "root:" not in answer.text


def test_a_number_that_no_row_has_is_not_found(app, owner, tenant_ids):
    admin = signed_in(app, add_visitor(owner, tenant_ids["acme"], role="admin"))
    paths = [path for method, path in PAGES if "<int:" in path or "<uuid:" in path]
    for number in NUMBERS:
        for path in paths:
            answer = admin.client.get(re.sub(r"<[^>]*>", number, path), buffered=True)
            assert answer.status_code in {404, 405}, (number, path, answer.status_code)


# Headers and figures


def test_every_answer_of_every_kind_carries_the_headers(app, owner, tenant_ids, monkeypatch):
    admin = signed_in(app, add_visitor(owner, tenant_ids["acme"], role="admin"))
    static = re.search(r'(?:href|src)="(/static/[^"]+)"', admin.get("/inbox").text)[1]
    answers = {
        "page": admin.client.get("/inbox"),
        "redirect": ConsoleVisitor(app).get("/inbox"),
        "sign-in": ConsoleVisitor(app).get("/sign-in"),
        "static": admin.client.get(static),
        "static 304": admin.client.get(static, headers={"If-None-Match": admin.client.get(static).headers["ETag"]}),
        "400": admin.client.post("/inbox"),
        "404": admin.client.get("/nothing"),
        "405": admin.client.put("/inbox"),
        "413": admin.client.post("/sign-in", data={"email": "x" * 100_000}),
        "api 401": admin.client.get("/api/v1/queues"),
        "api 404": admin.client.get("/api/v1/nothing"),
        "document": admin.client.get("/api/openapi.json"),
        "healthz": admin.client.get("/healthz"),
        "metrics": admin.client.get("/metrics"),
        "metrics 403": admin.client.get("/metrics", environ_base={"REMOTE_ADDR": "203.0.113.9"}),
        "file": admin.client.get("/admin/privacy/ledger.csv", buffered=True),
    }
    monkeypatch.setattr("console.pages.sign_in.page", lambda **_: 1 / 0)
    answers["500"] = app.test_client().get("/sign-in")
    assert answers["500"].status_code == 500 and answers["413"].status_code == 413
    for kind, answer in answers.items():
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS, kind
        assert kind.startswith("static") or answer.headers["Cache-Control"] == "no-store", kind
        assert "Access-Control-Allow-Origin" not in answer.headers, kind


def test_the_consoles_figures_are_closed_to_strangers(make_app):
    near = make_app(metrics_token=None).test_client()
    assert near.get("/metrics").status_code == 200
    for asked in (
        {"environ_base": {"REMOTE_ADDR": "203.0.113.9"}},
        {"headers": {"X-Forwarded-For": "127.0.0.1"}},
        {"headers": {"Host": "evil.example"}},
    ):
        assert near.get("/metrics", **asked).status_code == 403
    told = make_app(metrics_token=SecretStr(METRICS_TOKEN)).test_client()
    assert told.get("/metrics").status_code == 403
    there = {"REMOTE_ADDR": "203.0.113.9"}
    allowed = told.get("/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"}, environ_base=there)
    assert allowed.status_code == 200 and "earshot_console_seconds" in allowed.text
