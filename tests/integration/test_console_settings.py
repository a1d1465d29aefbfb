"""Settings changed in the console: every form, who may, what is refused, what is kept, and how soon it counts."""

import re
from uuid import uuid4

import pytest

from config.tenant import TenantConfig
from console.app import create_app
from console.setting_tables import PAGES
from store.action_secrets import find_action_secret
from store.tenant_settings import get_settings
from store.web_sessions import begin_session
from tests.integration.console_visitor import words
from tests.integration.workplace import add_person

FORMS = tuple(f"/admin/settings/{name}" for name in PAGES)
OTHER_PAGES = (
    "/admin/settings", "/admin/settings/actions", "/admin/settings/actions/webhook", "/admin/settings/actions/send_refund_form",
    "/admin/settings/history", "/admin/settings/sla/senior", "/admin/rules",
)  # fmt: skip
TOKEN = "form-token"


@pytest.fixture
def app(settings):
    app = create_app({}, settings=settings)
    yield app
    app.extensions["database"].close()


@pytest.fixture
def acme(tenant_ids):
    return tenant_ids["acme"]


@pytest.fixture
def enter(app, owner, database, acme):
    """A browser in which somebody of this role is signed in."""

    def sign_in(role="admin", *, tenant_id=None):
        user_id = add_person(owner, tenant_id or acme, role=role, email=f"{role}{uuid4().hex[:6]}@example.com")
        with database.system_transaction() as conn:
            token = begin_session(conn, user_id)
        client = app.test_client()
        client.get("/sign-in")
        with client.session_transaction() as session:
            session["earshot"] = token
        return client

    return sign_in


@pytest.fixture
def admin(enter):
    return enter()


def fields_of(html):
    """What the page's settings form would send as it stands, the token with it."""
    found, form = {}, re.search(r'<form method="post" action="[^"]*"[^>]*class="settings".*?</form>|<form method="post" action="/admin/rules">.*?</form>', html, re.DOTALL)
    assert form, "no form"
    for tag in re.finditer(r"<(input|textarea|select)\b([^>]*)>(.*?)(?=<(?:input|textarea|select)\b|</form>)", form[0], re.DOTALL):
        kind, attributes, rest = tag.groups()
        name = re.search(r'name="([^"]*)"', attributes)
        if not name or "disabled" in attributes:
            continue
        value = re.search(r'value="([^"]*)"', attributes)
        if 'type="checkbox"' in attributes or 'type="radio"' in attributes:
            if "checked" in attributes:
                found.setdefault(name[1], []).append(value[1])
        elif kind == "textarea":
            found[name[1]] = [unescaped(rest.partition("</textarea>")[0].removeprefix("\n"))]
        elif kind == "select":
            chosen = re.search(r'<option value="([^"]*)" selected', rest)
            found[name[1]] = [unescaped(chosen[1]) if chosen else unescaped(re.search(r'value="([^"]*)"', rest)[1])]
        else:
            found.setdefault(name[1], []).append(unescaped(value[1] if value else ""))
    return found


def unescaped(text):
    import html

    return html.unescape(text)


def send(client, path, *, do="save", follow=True, **changed):
    """Load the page, change some of its fields (a list, a text, or None to leave it out), and send the form."""
    fields = fields_of(client.get(path).text)
    return send_fields(client, path, fields, do=do, follow=follow, **changed)


def send_fields(client, path, fields, *, do="save", follow=True, **changed):
    given = {**fields, **{name.replace("__", "."): value for name, value in changed.items()}}
    given = {name: value for name, value in given.items() if value is not None}
    return client.post(path, data={**given, "do": do}, follow_redirects=follow)


def config(database, tenant_id):
    with database.tenant_transaction(tenant_id) as conn:
        return get_settings(conn, tenant_id).config


def version(database, tenant_id):
    with database.tenant_transaction(tenant_id) as conn:
        return get_settings(conn, tenant_id).version


@pytest.mark.parametrize("path", (*FORMS, *OTHER_PAGES))
def test_leaders_and_auditors_see_every_page_and_agents_none(enter, path):
    assert {role: enter(role).get(path).status_code for role in ("agent", "supervisor", "admin", "auditor")} == {
        "agent": 403, "supervisor": 200, "admin": 200, "auditor": 200,
    }  # fmt: skip
    assert f'method="post" action="{path}"' not in enter("auditor").get(path).text


@pytest.mark.parametrize("path", FORMS)
def test_a_form_that_is_sent_as_it_stands_changes_nothing(admin, database, acme, path):
    answer = send(admin, path)
    assert answer.status_code == 200 and "Nothing was different" in words(answer), words(answer)[:800]
    assert version(database, acme) == 1


CHANGES = {
    "thresholds": ({"thresholds.escalate": "0,82", "thresholds.debounce_urgent": ["yes"]}, {"thresholds": {"escalate": 0.82, "debounce_urgent": True}}),
    "reading": (
        {"name": "Acme & <b>Sons</b>", "tone": "warm", "context_turns": "7", "topics": "gift_wrapping: ribbons\nengraving: names on rings",
         "floor.safety": "epipen\ngas smell", "model.escalate_below": "0.6", "model.rules": "g1"},
        {"name": "Acme & <b>Sons</b>", "tone": "warm", "context_turns": 7, "topics": {"gift_wrapping": "ribbons", "engraving": "names on rings"},
         "floor": {"safety": ["epipen", "gas smell"]}, "model": {"escalate_below": 0.6, "rules": "g1"}},
    ),
    "hours": (
        {"hours.time_zone": "Europe/Berlin", "hours.weekdays.mon": "09:00-12:00,13:00-18:00", "hours.holidays": "12-25\n2026-12-31"},
        {"hours": {"time_zone": "Europe/Berlin", "weekdays": {"mon": "09:00-12:00,13:00-18:00"}, "holidays": ["12-25", "2026-12-31"]}},
    ),
    "sla": (
        {"sla.P1.first_answer_min": "10", "sla.P1.counts": "always", "sla.warn_at_share": "0.5"},
        {"sla": {"P1": {"first_answer_min": 10, "counts": "always"}, "warn_at_share": 0.5}},
    ),
    "queues": (
        {"queues": "returns: parcels that come back", "assignment.auto_assign": ["senior", "support"], "assignment.default_capacity": "9"},
        {"queues": {"returns": {"about": "parcels that come back"}}, "assignment": {"auto_assign": ["senior", "support"], "default_capacity": 9}},
    ),
    "surveys": (
        {"surveys.nps.ask_reason": ["yes"], "surveys.csat.on_channels": ["whatsapp"], "surveys.csat.enabled": None},
        {"surveys": {"nps": {"ask_reason": True}, "csat": {"on_channels": ["whatsapp"], "enabled": False}}},
    ),
    "watching": ({"churn.within_days": "14", "trends.ignore": ["shipping"]}, {"churn": {"within_days": 14}, "trends": {"ignore": ["shipping"]}}),
    "automation": ({"automation.quiet_hours": "21:00-08:00"}, {"automation": {"quiet_hours": "21:00-08:00"}}),
    "costs": ({"budget.daily_usd": "12.5", "sweep.batches": None, "sweep.days": "30"}, {"budget": {"daily_usd": 12.5}, "sweep": {"batches": False, "days": 30}}),
}  # fmt: skip


def contains(whole, part):
    if isinstance(part, dict):
        return all(contains(whole[name], value) for name, value in part.items())
    return whole == part


@pytest.mark.parametrize("name", PAGES)
def test_every_form_saves_what_it_says_and_shows_it_again(admin, database, owner, acme, tenant_ids, name):
    typed, expected = CHANGES[name]
    answer = send(admin, f"/admin/settings/{name}", **{key.replace(".", "__"): value for key, value in typed.items()})
    assert "Saved." in words(answer), words(answer)[:1500]
    stored = config(database, acme).model_dump(mode="json")
    assert contains(stored, expected), stored
    assert "Nothing was different" in words(send(admin, f"/admin/settings/{name}")), "what is shown is what stands"
    assert version(database, tenant_ids["other"]) == 1
    deeds = owner.execute("SELECT tenant_id, deed, subject, details ->> 'changed_in' FROM audit_log").fetchall()
    assert deeds == [(acme, "settings_changed", "version:2", "console")]
    assert "<b>Sons</b>" not in answer.text
