"""Every page of the console for every kind of visitor and every kind of id: nobody sees or changes what isn't theirs."""

import itertools

import pytest

from console.app import create_app
from console.forged_forms import KEY
from console.visitors import SESSION_KEY
from store.web_sessions import begin_session
from tests.integration.page_table import MAY, PAGES, TALK, TEXT_ID, TOLD_ON_THE_NEXT_PAGE
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
_periods = itertools.count(100_000)


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
            f"SELECT tenant_id, '{name}', md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {name} AS t GROUP BY tenant_id"
            for name in names
        )

    def _fill(self, slug, keyring):
        tenant_id = self.tenants[slug]
        ids = fill(self.owner, tenant_id, slug) | add_links(self.owner, tenant_id, slug)
        ids |= add_webhook(self.database, tenant_id, keyring=keyring) | add_trials(
            self.owner, tenant_id, ids["message"]
        )
        return {**ids, "tenant": str(tenant_id)}

    def fingerprints(self):
        """Of all rows of both tenants, by table."""
        found = {"acme": {}, "other": {}}
        slugs = {tenant_id: slug for slug, tenant_id in self.tenants.items()}
        for tenant_id, name, digest in self.owner.execute(self._all_rows):
            if tenant_id in slugs:  # what is nobody's stands without a tenant
                found[slugs[tenant_id]][name] = digest
        return found

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
    if which == "malformed" and asked.takes_id and not TEXT_ID.search(path):
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
        before = world.fingerprints() if route[0] == "POST" else {}
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
        after = world.fingerprints() if route[0] == "POST" else {}
        for one in before:
            has_no_business = one == slug or role not in MAY[asked.rights]
            if has_no_business or asked.is_secret or (role == "auditor" and route in TOLD_ON_THE_NEXT_PAGE):
                changed = {name for name, _ in before[one].items() ^ after[one].items()}
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
    before = world.fingerprints()["other"]
    told = {
        (method, path): world.ask(client, method, path, asked, who="admin", which="own", named="other")
        for (method, path), asked in PAGES.items()
        if method == "POST" and asked.takes_id and any(one.startswith("@") for one in asked.sends.values())
    }
    stand_as_before(world.owner)
    assert len(told) >= 4 and all(status < 500 for status, _ in told.values())
    assert not any(mark in text for _, text in told.values() for mark in marks("other"))
    assert world.fingerprints()["other"] == before


def test_no_form_of_any_page_works_without_its_token(world):
    clients = {who: world.enter(who) for who in ("none", "admin")}
    before = world.fingerprints()["acme"]
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
    assert world.fingerprints()["acme"] == before
