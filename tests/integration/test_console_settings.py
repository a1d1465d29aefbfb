"""Settings changed in the console: every form, who may, what is refused, what is kept, and how soon it counts."""

import re
from uuid import uuid4

import pytest

from config.tenant import TenantConfig
from console.app import create_app
from console.setting_tables import PAGES
from store.action_secrets import find_action_secret
from store.web_sessions import begin_session
from tests.integration.console_visitor import words
from tests.integration.settings_forms import config, fields_of, kept_fields, send, send_fields, version
from tests.integration.workplace import add_person

FORMS = tuple(f"/admin/settings/{name}" for name in PAGES)
OTHER_PAGES = (
    "/admin/settings", "/admin/settings/actions", "/admin/settings/actions/webhook", "/admin/settings/actions/send_refund_form",
    "/admin/settings/history", "/admin/settings/sla/senior", "/admin/rules",
)  # fmt: skip


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


@pytest.mark.parametrize("path", [*FORMS, *OTHER_PAGES])
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
    "keeping": ({"retention.raw_days": "14", "retention.text_days": "90"}, {"retention": {"raw_days": 14, "text_days": 90, "history_days": 0}}),
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


def test_every_setting_has_a_form_or_a_reason():
    """A new field of TenantConfig needs a line in console/setting_tables.py, or a reason here."""
    elsewhere = {
        "slug": "names the tenant for good",
        "channels": "forms of their own",
        "crm": "a form of its own",
        "alerts": "forms of their own",
        "rules": "the rule editor",
        "actions": "a form for each kind",
        "sla.queue": "a page for each queue",
    }
    written = {one.path for page in PAGES.values() for one in page.fields}

    def paths(model, prefix=""):
        for name, info in model.model_fields.items():
            path = f"{prefix}{name}"
            kind = info.annotation
            if path in written or path in elsewhere:
                yield path
            elif hasattr(kind, "model_fields"):
                yield from paths(kind, f"{path}.")
            elif path == "hours.weekdays":
                yield from (f"{path}.{day}" for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun"))
            else:
                yield path

    everything = set(paths(TenantConfig))
    assert everything - written - set(elsewhere) == set(), "no form, and no reason"
    assert written - everything == set(), "a form for what is no setting"


def test_every_part_of_an_action_and_of_a_rule_has_a_field():
    from config.actions import ActionConfig
    from config.rules import RuleThen, RuleWhen
    from console.action_form import KINDS, sections_of
    from console.rule_form import PATHS

    acme = TenantConfig.model_validate({"slug": "acme", "name": "Acme"})
    written = {
        one.path.split(".")[2] for kind in KINDS for section in sections_of(kind, acme) for one in section.fields
    }
    # mode says what enabled says; the secret has a way of its own.
    assert set(ActionConfig.model_fields) - written == {"enabled", "mode", "secret"}
    assert {f"when.{name}" for name in RuleWhen.model_fields} | {
        f"then.{name}" for name in RuleThen.model_fields
    } <= set(PATHS)


def test_what_leaves_or_costs_is_an_administrators_alone(enter, database, acme):
    boss = enter("supervisor")
    assert "Saved." in words(send(boss, "/admin/settings/thresholds", **{"thresholds.escalate": "0.9"}))
    assert "Saved." in words(send(boss, "/admin/settings/reading", tone="warm"))
    shown = boss.get("/admin/settings/reading").text
    assert re.search(r'id="name"[^>]*readonly', shown) and not re.search(r'id="tone"[^>]*readonly', shown)
    token = fields_of(shown)["csrf_token"]
    for path, given in (
        ("/admin/settings/reading", {"name": "Other name"}),
        ("/admin/settings/costs", {"budget.daily_usd": "1"}),
        ("/admin/settings/automation", {"automation.quiet_hours": "21:00-08:00"}),
        ("/admin/settings/actions/tag", {"actions.tag.mode": "auto"}),
    ):
        answer = boss.post(path, data={**fields_of(shown), "csrf_token": token, "seen": "3", "do": "save", **given})
        assert answer.status_code in {302, 403}, path
    stands = config(database, acme)
    assert (stands.name, stands.budget.daily_usd, stands.automation.quiet_hours) == ("Acme", None, None)
    assert "tag" not in stands.actions and version(database, acme) == 3


def test_who_is_second_is_told_what_the_first_one_changed_and_keeps_what_they_typed(admin, enter, database, acme):
    path = "/admin/settings/thresholds"
    mine = fields_of(admin.get(path).text)
    send(enter("supervisor"), path, **{"thresholds.unsure": "0.3"})
    answer = send_fields(admin, path, mine, **{"thresholds.escalate": "0.9"})
    assert answer.status_code == 409 and "thresholds.unsure 0.5 0.3" in words(answer), words(answer)[:1200]
    again = fields_of(answer.text)
    assert (again["thresholds.escalate"], again["thresholds.unsure"]) == (["0.9"], ["0.3"]), (
        "the colleague's word is not taken back"
    )
    assert "Saved." in words(send_fields(admin, path, again))
    thresholds = config(database, acme).thresholds
    assert (thresholds.escalate, thresholds.unsure) == (0.9, 0.3)


def test_a_slider_counts_when_it_was_moved_and_the_number_when_it_was_typed(admin, database, acme):
    path = "/admin/settings/thresholds"
    send(admin, path, **{"thresholds.escalate.slider": "0.81"})
    assert config(database, acme).thresholds.escalate == 0.81
    send(admin, path, **{"thresholds.escalate": "0.6", "thresholds.escalate.slider": "0.9"})
    assert config(database, acme).thresholds.escalate == 0.6


def test_a_threshold_is_tried_on_history_and_nothing_is_stored(admin, deps, owner, receive, database, acme):
    from tests.integration.histories import Player, any_events, set_config

    set_config(owner, deps, acme, industry="ecommerce")
    Player(deps, owner, receive, slug="acme", account="111000111", tenant_id=acme).play(any_events(1, count=60))
    answer = send(admin, "/admin/settings/thresholds", do="try", **{"thresholds.escalate": "0.99"})
    assert answer.status_code == 200 and "Nothing was stored" in words(answer)
    assert re.search(r"In the last 30 days: .*[1-9]\d* fewer P1", words(answer)), words(answer)[:1500]
    assert fields_of(answer.text)["thresholds.escalate"] == ["0.99"] and version(database, acme) == 1
    admin.set_cookie("language", "de")
    assert send(admin, "/admin/settings/thresholds", do="try", days="7").status_code == 200
    for wrong in ("1.5", "nan", "high"):
        answer = send(admin, "/admin/settings/thresholds", do="try", **{"thresholds.escalate": wrong})
        assert answer.status_code == 422 and 'id="thresholds-escalate-wrong"' in answer.text
        assert fields_of(answer.text)["thresholds.escalate"] == [wrong]


def test_auditors_try_a_threshold_and_change_nothing(enter, deps, owner, receive, database, acme):
    from tests.integration.histories import Player, any_events, set_config

    set_config(owner, deps, acme, industry="ecommerce")
    Player(deps, owner, receive, slug="acme", account="111000111", tenant_id=acme).play(any_events(1, count=60))
    auditor = enter("auditor")
    shown = words(auditor.get("/admin/settings/thresholds?escalate=0,99"))
    assert re.search(r"[1-9]\d* fewer P1", shown) and version(database, acme) == 1
    for wrong in ("1.5", "nan", "high", "9" * 5000, "<script>alert(1)</script>"):
        answer = auditor.get(f"/admin/settings/thresholds?escalate={wrong}")
        assert (
            answer.status_code == 200
            and 'id="thresholds-escalate-wrong"' in answer.text
            and "<script>alert" not in answer.text
        )


def test_a_queue_has_targets_of_its_own(admin, database, acme):
    answer = send(admin, "/admin/settings/sla/senior", **{"sla.queue.senior.P1.first_answer_min": "5"})
    assert "Saved." in words(answer)
    assert config(database, acme).sla.target_of("senior", "P1").first_answer_min == 5
    assert config(database, acme).sla.target_of("sales", "P1").first_answer_min == 15
    assert admin.get("/admin/settings/sla/no_such").status_code == 404
    answer = send(admin, "/admin/settings/sla/senior", **{"sla.queue.senior.P1.resolution_min": "1"})
    assert answer.status_code == 422 and "nobody resolves before they answer" in words(answer)


# Actions


def test_an_action_is_switched_on_with_its_words(admin, database, acme):
    path = "/admin/settings/actions/follow_up"
    words_path = "actions.follow_up.texts.en"
    answer = send(admin, path, do="preview", **{words_path: "Hello {customer_name}, {business_name} here."})
    assert "Hello Ada, Acme here." in words(answer) and version(database, acme) == 1
    answer = send_fields(
        admin, path, fields_of(answer.text),
        **{"actions.follow_up.mode": "approve", "actions.follow_up.per_customer_per_day": "2", "other.language": "fr", "other.text": "Bonjour"},
    )  # fmt: skip
    assert "Saved." in words(answer)
    stands = config(database, acme).actions["follow_up"]
    assert (stands.mode, stands.per_customer_per_day) == ("approve", 2)
    assert stands.texts == {"en": "Hello {customer_name}, {business_name} here.", "fr": "Bonjour"}
    assert "Nothing was different" in words(send(admin, path))
    for wrong in (
        {words_path: "ö" * 501},
        {words_path: "{nobody}"},
        {"actions.follow_up.mode": "always"},
        {"other.language": "../x", "other.text": "x"},
    ):
        assert send(admin, path, **wrong).status_code == 422, wrong
    assert "Saved." in words(send(admin, path, **{words_path: ""}))
    assert config(database, acme).actions["follow_up"].texts == {"fr": "Bonjour"}


def test_a_template_comes_and_goes_as_a_whole(admin, database, acme):
    path, template = "/admin/settings/actions/follow_up", "actions.follow_up.template"
    send(
        admin,
        path,
        **{
            f"{template}.name": "we_are_on_it",
            f"{template}.languages": "en: en_US\ntr: tr",
            f"{template}.parameters": "{customer_name}",
        },
    )
    stands = config(database, acme).actions["follow_up"].template
    assert (stands.name, stands.languages, stands.parameters) == (
        "we_are_on_it",
        {"en": "en_US", "tr": "tr"},
        ("{customer_name}",),
    )
    assert send(admin, path, **{f"{template}.name": "No Name"}).status_code == 422
    send(admin, path, **{f"{template}.name": "", f"{template}.languages": "", f"{template}.parameters": ""})
    assert config(database, acme).actions["follow_up"].template is None


def test_the_webhooks_address_and_secret_are_written_and_never_shown(admin, enter, owner, database, acme, keyring):
    path = "/admin/settings/actions/webhook"
    url, secret = "https://hooks.acme.example/T0KEN?key=K3Y", "s" * 30
    answer = send(
        admin, path, **{"actions.webhook.mode": "auto", "actions.webhook.url": url, "actions.webhook.secret": "short"}
    )
    assert answer.status_code == 422 and 'value="short"' not in answer.text
    answer = send(admin, path, **{"actions.webhook.mode": "auto", "actions.webhook.url": url})
    assert answer.status_code == 422 and "needs secret" in words(answer)
    answer = send(
        admin, path, **{"actions.webhook.mode": "auto", "actions.webhook.url": url, "actions.webhook.secret": secret}
    )
    assert "Saved." in words(answer)
    with database.system_transaction() as conn:
        assert find_action_secret(conn, acme, "webhook", keyring=keyring) == secret
    assert config(database, acme).actions["webhook"].url == url
    for page in (path, "/admin/settings", "/admin/settings/history", "/admin/settings/actions"):
        for client in (admin, enter("auditor")):
            shown = client.get(page).text
            assert secret not in shown and "T0KEN" not in shown and "K3Y" not in shown
    assert "hooks.acme.example" in words(admin.get(path))
    # Sent again as it is shown, both stay.
    assert "Nothing was different" in words(send(admin, path))
    assert config(database, acme).actions["webhook"].url == url
    assert ("action_secret_set", "actions.webhook.secret") in owner.execute(
        "SELECT deed, subject FROM audit_log"
    ).fetchall()
    assert secret not in str(owner.execute("SELECT * FROM audit_log").fetchall())
    assert send(admin, path, **{"actions.webhook.url": "http://10.0.0.1/x"}).status_code == 422


def test_a_secret_of_settings_that_are_refused_is_not_stored(admin, database, acme, keyring):
    path = "/admin/settings/actions/webhook"
    answer = send(
        admin,
        path,
        **{
            "actions.webhook.mode": "auto",
            "actions.webhook.url": "https://localhost/",
            "actions.webhook.secret": "s" * 30,
        },
    )
    assert answer.status_code == 422
    with database.system_transaction() as conn:
        assert find_action_secret(conn, acme, "webhook", keyring=keyring) is None


# History


def test_what_was_changed_is_listed_with_who_and_comes_back(admin, enter, database, acme):
    for value in ("0.8", "0.9"):
        send(admin, "/admin/settings/thresholds", **{"thresholds.escalate": value})
    shown = words(admin.get("/admin/settings/history"))
    assert "thresholds.escalate 0.8 0.9" in shown and "thresholds.escalate 0.7 0.8" in shown and "@example.com" in shown
    compared = admin.get("/admin/settings/history?compare=1")
    assert "thresholds.escalate 0.9 0.7" in words(compared)
    token = re.search(r'name="csrf_token" value="([^"]*)"', compared.text)[1]
    stale = admin.post(
        "/admin/settings/history/1/restore", data={"csrf_token": token, "seen": "2"}, follow_redirects=True
    )
    assert "Somebody has changed the settings" in words(stale)
    done = admin.post(
        "/admin/settings/history/1/restore", data={"csrf_token": token, "seen": "3"}, follow_redirects=True
    )
    assert "Restored" in words(done)
    assert config(database, acme).thresholds.escalate == 0.7 and version(database, acme) == 4
    for number in ("9", "2147483648", "99999999999999999999"):
        answer = admin.post(f"/admin/settings/history/{number}/restore", data={"csrf_token": token, "seen": "4"})
        assert answer.status_code == 404, number
    for query in ("before=x", "before=-1", "before=99999999999", "compare=0", "compare=4", "before=2"):
        assert admin.get(f"/admin/settings/history?{query}").status_code == 200


def test_a_supervisor_restores_nothing_that_is_an_administrators(admin, enter, database, acme):
    send(admin, "/admin/settings/costs", **{"budget.daily_usd": "10"})
    boss = enter("supervisor")
    page = boss.get("/admin/settings/history?compare=1")
    token = re.search(r'name="csrf_token" value="([^"]*)"', page.text)[1]
    answer = boss.post(
        "/admin/settings/history/1/restore", data={"csrf_token": token, "seen": "2"}, follow_redirects=True
    )
    assert "administrator’s to change" in words(answer) and config(database, acme).budget.daily_usd == 10


def test_a_version_of_another_tenant_is_not_there(admin, enter, database, tenant_ids):
    stranger = enter("admin", tenant_id=tenant_ids["other"])
    send(stranger, "/admin/settings/thresholds", **{"thresholds.escalate": "0.11"})
    assert "0.11" not in words(admin.get("/admin/settings/history"))
    token = fields_of(admin.get("/admin/settings/thresholds").text)["csrf_token"]
    assert admin.post("/admin/settings/history/2/restore", data={"csrf_token": token, "seen": "1"}).status_code == 404


# What is typed is not lost, and what is hostile does no harm


def test_a_form_of_somebody_who_was_signed_out_meanwhile_is_kept(app, admin, owner, database, acme):
    path = "/admin/settings/reading"
    fields = fields_of(admin.get(path).text)
    owner.execute("DELETE FROM web_session")
    given = {**fields, "tone": "warm & <b>kind</b>", "do": "save", "actions.webhook.secret": "s" * 30}
    elsewhere = admin.post(path, data=given, headers={"Origin": "https://evil.example"})
    assert elsewhere.status_code in {302, 400} and "warm" not in elsewhere.text
    answer = admin.post(path, data=given, headers={"Origin": "http://localhost"})
    assert answer.status_code == 401 and "What you typed is still here" in words(answer)
    assert "warm &amp; &lt;b&gt;kind&lt;/b&gt;" in answer.text and "s" * 30 not in answer.text
    # In the other tab they sign in, which makes a new token: the page asks once more, and then it is stored.
    with database.system_transaction() as conn:
        token = begin_session(conn, add_person(owner, acme, role="admin", email="again@example.com"))
    with admin.session_transaction() as session:
        session.clear()
        session["earshot"] = token
    given = kept_fields(answer.text)
    answer = admin.post(path, data=given, headers={"Origin": "http://localhost"})
    assert answer.status_code == 401
    answer = admin.post(
        path, data=kept_fields(answer.text), headers={"Origin": "http://localhost"}, follow_redirects=True
    )
    assert "Saved." in words(answer) and config(database, acme).tone == "warm & <b>kind</b>"


HOSTILE = [
    "<script>alert(1)</script>",
    "\u202egnisrever\u2066",
    "w" * 4096,
    "9" * 500,
    "a\x00b",
    "1e999",
    "-1",
    "{0}%(n)s",
]


@pytest.mark.parametrize("name", PAGES)
def test_hostile_words_are_refused_beside_their_field_or_stand_as_words(admin, database, acme, name):
    path = f"/admin/settings/{name}"
    fields = fields_of(admin.get(path).text)
    seen = fields["seen"]
    for text in HOSTILE:
        given = {key: text for key in fields if key not in {"csrf_token", "seen"} and not key.endswith(".was")}
        answer = admin.post(path, data={**fields, **given, "do": "save", "seen": seen})
        assert answer.status_code in ({302, 413, 422} if len(text) > 1000 else {302, 422}), (
            text[:20],
            answer.status_code,
        )
        assert "<script>alert" not in answer.text
        if answer.status_code == 302:
            seen = fields_of(admin.get(path).text)["seen"]
        assert admin.get(path).status_code == 200 and admin.get("/admin/settings").status_code == 200
    assert admin.post(path, data={**fields, "do": "save", "seen": "w" * 60_000}).status_code in {409, 302}
    for seen in ("", "-1", "1.5", "9" * 30, "\u0661"):
        assert admin.post(path, data={**fields, "do": "save", "seen": seen}).status_code in {302, 409}


def test_what_is_saved_counts_in_workers_within_seconds(admin, deps, database, acme, monkeypatch):
    from worker import deps as worker_deps

    assert worker_deps.TENANT_CACHE_S <= 5
    configs = worker_deps.TenantConfigs(database)
    now = [100.0]
    monkeypatch.setattr(worker_deps.time, "monotonic", lambda: now[0])
    assert configs.get(acme).thresholds.escalate == 0.7
    send(admin, "/admin/settings/thresholds", **{"thresholds.escalate": "0.9"})
    now[0] += worker_deps.TENANT_CACHE_S
    assert configs.get(acme).thresholds.escalate == 0.9
