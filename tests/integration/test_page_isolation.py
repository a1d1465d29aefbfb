"""Every page of the console for every kind of visitor and every kind of id: nobody sees or changes what isn't theirs."""

import itertools
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from console.app import create_app
from console.forged_forms import KEY
from console.visitors import SESSION_KEY
from store.web_sessions import begin_session
from tests.integration.trials_bench import add_trials
from tests.integration.two_tenants import (
    MALFORMED,
    RANDOM,
    ROLES,
    add_links,
    add_webhook,
    fill,
    fill_path,
    marks,
    stand_as_before,
)
from tests.integration.workplace import add_agent

VISITORS = ("none", *ROLES, "stranger")
IDS = ("own", "other", "random", "malformed")
MAY = {
    "public": {"none", *ROLES},
    "all": set(ROLES),
    "workers": {"agent", "supervisor", "admin"},
    "overseers": {"supervisor", "admin", "auditor"},
    "leaders": {"supervisor", "admin"},
    "admins": {"admin"},
    # Of the installation: no role in a tenant makes somebody one.
    "operators": set(),
}
# What may stand there is any text: an id that is none is one that nobody has.
_TEXT_ID = re.compile(r"<(account_id|name)>")
_periods = itertools.count(100_000)


@dataclass(frozen=True)
class Page:
    """rights: who may. takes_id: the path names something of a tenant. sends: what the form or the address names, "@kind" for an id of
    that kind. done: the status when it works. malformed: when such an id is none, where that is an error. signed_out: for who is not
    signed in; None: led to the form. absent: when what is named is nothing of this tenant; None: 404 where the path names it.
    is_secret: the path holds a link's token, and whoever knows it may.
    """

    rights: str
    takes_id: bool = False
    sends: dict = field(default_factory=dict)
    done: int = 200
    signed_out: int | None = None
    malformed: int | None = None
    absent: int | None = None
    is_secret: bool = False


def form(rights, *, takes_id=False, done=302, signed_out=None, absent=None, **sends):
    return Page(rights, takes_id, sends, done, signed_out, absent=absent)


def link(*, done=200, **sends):
    return Page("public", takes_id=True, sends=sends, done=done, is_secret=True)


def page(rights, *, takes_id=False, signed_out=None, **sends):
    return Page(rights, takes_id, sends, 200, signed_out)


TALK = "/conversations/<uuid:conversation_id>"
ACCOUNT = "/admin/channels/<kind>/<account_id>"
PERSON = "/admin/people/<int:user_id>"
SWEEP = "/admin/sweeps/<uuid:sweep_id>"
TARGET = "/admin/alert-targets/<name>"
TRIAL = "/admin/laboratory/<uuid:trial_id>"
WEBHOOK = "/admin/webhooks/<uuid:webhook_id>"
SLACK, SECRET = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", "s" * 32
PAGES = {
    ("GET", "/"): Page("public", done=302),
    ("GET", "/healthz"): page("public"),
    ("GET", "/metrics"): page("public"),
    ("GET", "/sign-in"): page("public"),
    ("GET", "/nowhere"): Page("public", done=403),
    ("POST", "/sign-in"): form("public", email="nobody-knows@example.com", password="wrong", done=401),
    ("POST", "/sign-out"): form("all"),
    ("POST", "/look"): form("all", theme="dark"),
    ("POST", "/tenant"): form("all", tenant_id="@tenant"),
    ("GET", "/inbox"): page("all", tag="x"),
    ("POST", "/inbox"): form("all", deed="claim", conversation="@conversation"),
    ("GET", "/inbox/rows"): Page("all", sends={"ids": "@conversation", "tenant": "@here"}, signed_out=401, malformed=422),
    ("GET", "/events"): page("all", signed_out=401, tenant="@here"),
    ("GET", TALK): page("all", takes_id=True, message="@message"),
    ("GET", f"{TALK}/messages"): page("all", takes_id=True, signed_out=401, tenant="@here"),
    ("GET", f"{TALK}/sent/<uuid:message_id>"): page("all", takes_id=True),
    ("POST", f"{TALK}/do"): form("all", takes_id=True, deed="snooze"),
    ("POST", f"{TALK}/correct"): form("workers", takes_id=True, message="@message", field="sentiment", value="positive"),
    ("POST", f"{TALK}/reanalyze"): form("leaders", takes_id=True, message="@message"),
    ("POST", f"{TALK}/reply"): form("workers", takes_id=True, text="We are looking.", once="x"),
    ("POST", f"{TALK}/reply/rule"): form("workers", takes_id=True, reply="@reply", verdict="cancel"),
    ("GET", "/insights"): page("all"),
    ("GET", "/insights/messages"): page("all"),
    ("GET", "/insights/answers"): page("all"),
    ("POST", "/insights/answers"): form("all", since=(datetime.now(UTC) - timedelta(days=2)).date().isoformat()),
    ("GET", "/insights/load"): page("all"),
    ("GET", "/insights/surveys"): page("all"),
    ("GET", "/insights/accuracy"): page("all"),
    ("GET", "/insights/cost"): page("all"),
    ("GET", "/insights/files/<name>.csv"): page("all"),
    ("GET", "/admin"): page("overseers"),
    ("GET", "/admin/alerts"): page("overseers", state="all"),
    ("POST", "/admin/alerts/<uuid:alert_id>"): form("leaders", takes_id=True, deed="acknowledge"),
    ("POST", "/admin/alerts/actions/<uuid:action_id>"): form("leaders", takes_id=True, deed="approve"),
    ("GET", "/admin/crm"): page("overseers", customer="@customer"),
    ("POST", "/admin/crm/customers/<uuid:customer_id>/record"): form("leaders", takes_id=True, other="77"),
    ("GET", "/admin/dead-letters"): page("overseers"),
    ("POST", "/admin/dead-letters"): form("leaders"),
    ("POST", "/admin/dead-letters/<uuid:message_id>"): form("leaders", takes_id=True),
    ("GET", "/admin/people"): page("overseers"),
    ("POST", "/admin/people/keys"): form("admins", name="@new", role="agent", done=200),
    ("POST", "/admin/people/keys/<int:key_id>/revoke"): form("admins", takes_id=True),
    ("GET", "/admin/privacy"): page("overseers", message="@message"),
    ("GET", "/admin/privacy/ledger.csv"): page("overseers", message="@message"),
    ("GET", "/admin/privacy/ledger/<uuid:egress_id>"): page("overseers", takes_id=True),
    ("GET", "/admin/settings"): page("overseers"),
    ("GET", "/admin/settings/<name>"): page("overseers"),
    ("POST", "/admin/settings/<name>"): form("leaders", do="try", done=200),
    ("GET", "/admin/settings/sla/<queue>"): page("overseers"),
    # Nothing was seen before: another version stands.
    ("POST", "/admin/settings/sla/<queue>"): form("leaders", done=409),
    ("GET", "/admin/settings/actions"): page("overseers"),
    ("GET", "/admin/settings/actions/<kind>"): page("overseers"),
    ("POST", "/admin/settings/actions/<kind>"): form("admins", done=422),
    ("GET", "/admin/settings/history"): page("overseers"),
    ("POST", "/admin/settings/history/<int:version>/restore"): form("leaders"),
    ("GET", "/admin/rules"): page("overseers"),
    ("POST", "/admin/rules"): form("leaders", done=200),
    ("GET", "/admin/rules/new-rule"): page("leaders"),
    ("POST", "/admin/rules/new-rule"): form("leaders", done=200),
    ("POST", "/admin/rules/read-back"): form("leaders", done=200),
    # A rule that neither tenant has.
    ("GET", "/admin/rules/<name>"): Page("overseers", done=404),
    ("POST", "/admin/rules/<name>"): form("leaders", done=200),
    ("GET", "/admin/rules/message/<uuid:message_id>"): Page("overseers", takes_id=True, done=302),
    ("GET", "/admin/sweeps"): page("overseers"),
    ("GET", "/admin/sweeps/plan"): page("overseers"),
    ("GET", SWEEP): page("overseers", takes_id=True),
    ("POST", "/admin/sweeps"): form("leaders", period="@period"),
    ("POST", SWEEP): form("leaders", takes_id=True, deed="cancel"),
    ("GET", f"{SWEEP}/flips"): page("overseers", takes_id=True),
    ("GET", f"{SWEEP}/flips.csv"): page("overseers", takes_id=True),
    ("GET", f"{SWEEP}/progress"): page("overseers", takes_id=True),
    ("POST", "/admin/sweeps/schedule"): form("admins", days="30", customers="10", budget_usd="1", version="1"),
    # This installation has no provider.
    ("GET", "/sign-in/provider"): Page("public", done=404),
    ("GET", "/sign-in/provider/back"): Page("public", done=404),
    ("GET", "/welcome/<token>"): link(),
    # Too short, so that the link is there for whoever comes next.
    ("POST", "/welcome/<token>/password"): link(password="short", again="short", done=422),
    # Shown again to everybody but the person whom it is for.
    ("POST", "/welcome/<token>/join"): link(),
    ("GET", "/me"): page("all"),
    ("POST", "/me"): form("all", display_name="Ann"),
    ("POST", "/me/letters"): form("all", letters="on", done=204),
    ("POST", "/me/password"): form("all", old="wrong", done=422),
    ("POST", "/me/sessions"): form("all"),
    ("GET", "/go"): page("all", conversation="@conversation"),
    ("GET", "/go/choices"): page("all", conversation="@conversation"),
    ("GET", "/insights/trend"): page("all"),
    ("GET", "/sample"): page("all", after="@message"),
    ("GET", "/sample/<uuid:message_id>"): page("all", takes_id=True),
    ("POST", "/sample/<uuid:message_id>"): form("workers", takes_id=True, deed="right"),
    ("POST", "/sample/pick"): form("leaders"),
    ("GET", "/admin/audit-log"): page("overseers", subject="@conversation", person="@agent"),
    ("GET", "/admin/audit-log/log.csv"): page("overseers", subject="@conversation"),
    ("GET", PERSON): page("overseers", takes_id=True),
    ("POST", "/admin/people"): form("admins", email="@email", role="agent", done=200),
    ("POST", f"{PERSON}/role"): form("admins", takes_id=True, role="supervisor"),
    ("POST", f"{PERSON}/link"): form("admins", takes_id=True, done=200),
    ("POST", f"{PERSON}/sessions"): form("admins", takes_id=True),
    ("POST", f"{PERSON}/off"): form("admins", takes_id=True),
    ("POST", f"{PERSON}/on"): form("admins", takes_id=True),
    ("GET", "/admin/examples"): page("overseers"),
    ("POST", "/admin/examples/check"): form("leaders"),
    ("POST", "/admin/examples/publish"): form("admins"),
    ("POST", "/admin/examples/rollback"): form("admins", live_version="0"),
    ("POST", "/admin/examples/reject"): form("leaders", message="@message"),
    ("GET", "/admin/laboratory"): page("overseers", **{"message": "@message", "from": "@trial"}),
    ("POST", "/admin/laboratory"): form("leaders", message="@message", absent=422),
    ("GET", TRIAL): page("overseers", takes_id=True),
    ("POST", TRIAL): form("leaders", takes_id=True),
    ("GET", "/admin/webhooks"): page("overseers"),
    ("POST", "/admin/webhooks"): form("admins", url="https://hooks.example.com/new", kinds="alert.raised", done=200),
    ("GET", WEBHOOK): page("overseers", takes_id=True, before="@delivery"),
    ("POST", WEBHOOK): form("admins", takes_id=True, url="https://hooks.example.com/other", kinds="alert.raised"),
    ("POST", f"{WEBHOOK}/secret"): form("admins", takes_id=True, done=200),
    ("POST", f"{WEBHOOK}/deed"): form("admins", takes_id=True, deed="pause"),
    ("POST", f"{WEBHOOK}/replay"): form("admins", takes_id=True, delivery="@delivery"),
    ("GET", "/admin/start"): page("overseers"),
    ("GET", "/admin/start/industry"): page("overseers"),
    ("GET", "/admin/start/topics"): page("overseers", errand="@errand"),
    ("GET", "/admin/start/channel"): page("overseers"),
    ("GET", "/admin/start/crm"): page("overseers"),
    ("GET", "/admin/start/thresholds"): page("overseers"),
    ("POST", "/admin/start/skip"): form("admins", step="crm"),
    # Made from no version: another one stands.
    ("POST", "/admin/start/industry"): form("admins", done=409),
    ("POST", "/admin/start/topics"): form("admins", done=409),
    ("POST", "/admin/start/topics/try"): form("admins", text="hello"),
    ("POST", "/admin/start/thresholds"): form("admins", deed="try", escalate="0.8", unsure="0.5", done=200),
    ("GET", "/admin/tenants/new"): page("operators"),
    ("POST", "/admin/tenants/new"): form("operators", name="Newcomers"),
    ("GET", "/admin/errands/<uuid:errand_id>"): page("overseers", takes_id=True),
    ("GET", "/admin/alert-targets"): page("overseers", edit="@target", errand="@errand"),
    ("POST", "/admin/alert-targets"): form("admins", name="night", to=SLACK),
    ("GET", f"{TARGET}/remove"): page("admins", takes_id=True),
    ("POST", f"{TARGET}/test"): form("admins", takes_id=True),
    # Sent twice they say so: what isn't there is gone already.
    ("POST", f"{TARGET}/remove"): form("admins", takes_id=True, absent=302),
    ("GET", "/admin/channels"): page("overseers"),
    ("GET", "/admin/channels/new"): page("admins"),
    ("POST", "/admin/channels/new"): form("admins", kind="whatsapp", account_id="@fresh", app_secret=SECRET, access_token=SECRET),
    ("GET", ACCOUNT): page("overseers", takes_id=True, errand="@errand"),
    ("GET", f"{ACCOUNT}/waiting"): page("overseers", takes_id=True),
    ("GET", f"{ACCOUNT}/edit"): page("admins", takes_id=True),
    ("POST", f"{ACCOUNT}/edit"): form("admins", takes_id=True),
    ("POST", f"{ACCOUNT}/secret"): form("admins", takes_id=True, deed="rotate", app_secret=SECRET),
    ("POST", f"{ACCOUNT}/token"): form("admins", takes_id=True),
    ("POST", f"{ACCOUNT}/sample"): form("admins", takes_id=True),
    ("GET", f"{ACCOUNT}/remove"): page("admins", takes_id=True),
    ("POST", f"{ACCOUNT}/remove"): form("admins", takes_id=True, absent=302),
    ("GET", "/admin/crm/connection"): page("admins", errand="@errand"),
    ("POST", "/admin/crm/connection"): form("admins", kind="hubspot", token=SECRET),
    ("POST", "/admin/crm/connection/check"): form("admins"),
    ("GET", "/admin/crm/connection/remove"): page("admins"),
    ("POST", "/admin/crm/connection/remove"): form("admins"),
}  # fmt: skip
# Refused with a notice on the next page instead of a status: what nobody may do there is done by nobody all the same.
TOLD_ON_THE_NEXT_PAGE = {("POST", "/inbox"), ("POST", f"{TALK}/do")}


@pytest.fixture
def app(settings, monkeypatch):
    monkeypatch.setattr("console.replies.ring_action", lambda **_: None)
    app = create_app({}, settings=settings)
    yield app
    app.extensions["database"].close()


def test_every_page_stands_in_the_table(app):
    walked = {
        (method, str(rule))
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if not str(rule).startswith(("/api/", "/static/"))
    }
    assert walked == set(PAGES)


class World:
    """Two tenants with one of everything each, and people of every role in the first."""

    def __init__(self, app, database, owner, tenant_ids, keyring):
        self.app, self.database, self.owner, self.tenants = app, database, owner, tenant_ids
        self.ids = {
            "own": self._fill("acme", keyring),
            "other": self._fill("other", keyring),
            "random": {**RANDOM, "tenant": "987654"},
            "malformed": {**MALFORMED, "tenant": "1;DROP"},
        }
        self.people = {role: add_agent(owner, tenant_ids["acme"], role=role) for role in ROLES}
        self.people["stranger"] = add_agent(owner, tenant_ids["other"], role="admin", email="stranger@example.com")
        tables = owner.execute(
            """
            SELECT c.relname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
            WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace
            """
        ).fetchall()
        # Open pages are told of what the test itself sets back.
        names = sorted(name for (name,) in tables if name != "live_change")
        self._all_rows = " UNION ALL ".join(
            f"SELECT '{name}', md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {name} AS t WHERE tenant_id = %(id)s"
            for name in names
        )

    def _fill(self, slug, keyring):
        tenant_id = self.tenants[slug]
        ids = fill(self.owner, tenant_id, slug) | add_links(self.owner, tenant_id, slug)
        ids |= add_webhook(self.database, tenant_id, keyring=keyring) | add_trials(
            self.owner, tenant_id, ids["message"]
        )
        return {**ids, "tenant": str(tenant_id)}

    def fingerprint(self, slug):
        """Of all rows of a tenant, by table."""
        return dict(self.owner.execute(self._all_rows, {"id": self.tenants[slug]}).fetchall())

    def enter(self, who):
        client = self.app.test_client()
        with client.session_transaction() as session:
            session[KEY] = "token"
            if who != "none":
                with self.database.system_transaction() as conn:
                    session[SESSION_KEY] = begin_session(conn, self.people[who])
        return client

    def ask(self, client, method, path, asked, *, who, which, named=None):
        """Returns (status, text). named: whose ids the form names, unless the path's. Streams are not waited for."""
        ids, fixed = self.ids[which], {
            "@here": str(self.tenants["other" if who == "stranger" else "acme"]),
            "@new": f"key {next(_periods)}",
            "@email": f"new{next(_periods)}@example.com",
            "@fresh": f"333000{next(_periods)}",
            "@period": f"manual-2026-11-25T{next(_periods)}.000001",
        }  # fmt: skip
        sends = {
            name: fixed.get(value) or (self.ids[named or which][value[1:]] if value.startswith("@") else value)
            for name, value in asked.sends.items()
        }
        filled = fill_path(path, ids)
        stand_as_before(self.owner)
        if method == "POST":
            answer = client.post(filled, data={"csrf_token": "token", **sends})
        else:
            answer = client.get(filled, query_string=sends)
        text = "" if answer.mimetype == "text/event-stream" else answer.text
        answer.close()
        return answer.status_code, text


@pytest.fixture
def world(app, database, owner, tenant_ids, keyring):
    return World(app, database, owner, tenant_ids, keyring)


def expected(who, which, route):
    """The status; several: any of them."""
    method, path = route
    asked = PAGES[route]
    if asked.is_secret:
        return {asked.done if which in {"own", "other"} else 404}
    if who == "none" and asked.rights != "public":
        return {asked.signed_out or 302, *_lost(which, asked, method)}
    if which == "malformed" and asked.takes_id and not _TEXT_ID.search(path):
        return {404}
    role = "admin" if who == "stranger" else who
    if role not in MAY[asked.rights]:
        return {403}
    theirs = "other" if who == "stranger" else "own"
    if which != theirs and (asked.takes_id or asked.absent):
        return {asked.absent or 404}
    return {asked.malformed if which == "malformed" and asked.malformed else asked.done}


def _lost(which, asked, method):
    """A path that fits no page is none for anybody."""
    return {404} if which == "malformed" and asked.takes_id and method == "GET" else set()


def _check(world, route):
    """What is wrong with a page, by visitor and id."""
    asked, wrong = PAGES[route], {}
    for who in VISITORS:
        mine, theirs, slug = ("other", "own", "acme") if who == "stranger" else ("own", "other", "other")
        role = "admin" if who == "stranger" else who
        client = world.enter(who)
        stand_as_before(world.owner)
        before = {one: world.fingerprint(one) for one in ("acme", "other")} if route[0] == "POST" else {}
        for which in IDS if asked.takes_id or any(one.startswith("@") for one in asked.sends.values()) else ("own",):
            status, text = world.ask(client, *route, asked, who=who, which=which)
            if status not in expected(who, which, route):
                wrong[who, which] = status
            leaks = [f"{slug}@example.com", *marks(slug)]
            leaks += [one for kind, one in world.ids[theirs].items() if kind not in {"agent", "key", "tenant"}]
            if which != theirs:  # an address that names an id may stand in the page
                wrong.update({(who, which, leak): "leaked" for leak in leaks if leak in text})
            else:
                wrong.update({(who, which, leak): "leaked" for leak in leaks[:6] if leak in text})
            if (who, which) == (role, mine) and route == ("GET", TALK) and who in ROLES:
                assert all(one in text for one in marks("acme")[:2]), "the walk sees what is there"
        stand_as_before(world.owner)
        for one in before:
            has_no_business = one == slug or role not in MAY[asked.rights]
            if has_no_business or asked.is_secret or (role == "auditor" and route in TOLD_ON_THE_NEXT_PAGE):
                changed = {name for name, digest in world.fingerprint(one).items() if before[one][name] != digest}
                if changed:
                    wrong[who, one] = sorted(changed)
    return wrong


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_each_visitor_sees_and_changes_what_is_theirs_and_nothing_else(world, method):
    wrong = {route: found for route in PAGES if route[0] == method and (found := _check(world, route))}
    assert wrong == {}


def test_a_form_on_ones_own_that_names_something_of_another_tenant_changes_nothing_there(world):
    client = world.enter("admin")
    stand_as_before(world.owner)
    before = world.fingerprint("other")
    told = {
        (method, path): world.ask(client, method, path, asked, who="admin", which="own", named="other")
        for (method, path), asked in PAGES.items()
        if method == "POST" and asked.takes_id and any(one.startswith("@") for one in asked.sends.values())
    }
    stand_as_before(world.owner)
    assert len(told) >= 4 and all(status < 500 for status, _ in told.values())
    assert not any(mark in text for _, text in told.values() for mark in marks("other"))
    assert world.fingerprint("other") == before


def test_no_form_of_any_page_works_without_its_token(world):
    clients = {who: world.enter(who) for who in ("none", "admin")}
    before = world.fingerprint("acme")
    got = {
        (who, path): client.post(fill_path(path, world.ids["own"]), data=PAGES[method, path].sends).status_code
        for who, client in clients.items()
        for method, path in PAGES
        if method == "POST"
    }
    assert {status for (who, _), status in got.items() if who == "admin"} == {400}
    links = {path for (_, path), asked in PAGES.items() if asked.is_secret and path != "/welcome/<token>"}
    without = {path for (who, path), status in got.items() if who == "none" and status != 302}
    assert without == {"/sign-in", "/sign-out", "/look", *links} and {got["none", path] for path in without} == {400}
    assert world.fingerprint("acme") == before
