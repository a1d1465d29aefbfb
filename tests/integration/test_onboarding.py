"""A tenant comes to life by pages alone: who may, what is stored, what is refused and how, with two tenants."""

import json
import re
from datetime import UTC, datetime

import httpx2
import pytest

from config.industries import industry_names
from console.app import create_app
from console.pages.admin import start_settings
from console.setting_trials import TooBusyError
from crm_sync.base import CrmError
from routing.simulation_report import Simulation
from store.channel_accounts import list_receiving_accounts
from store.channel_sightings import Sighting, find_first_signs, note_sightings
from store.crm_connections import find_connection
from store.errands import add_errand, find_errand
from store.tenants import get_tenant_config
from tests.integration.console_visitor import add_visitor, signed_in, words
from tests.webhooks import signature as sign
from tests.webhooks import whatsapp_body, whatsapp_message
from worker import errands, own_receiver
from worker.errands import run_errand
from worker.simulator import Trial

APP_SECRET = "0123456789abcdef0123456789abcdef"
NEW_SECRET = "fedcba9876543210fedcba9876543210"
ACCESS_TOKEN = "EAAGm0PX4ZCpsBAKZBexample"
CRM_TOKEN = "pat-eu1-1234567890abcdef"
ALERT_URL = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
SECRETS = (APP_SECRET, NEW_SECRET, ACCESS_TOKEN, CRM_TOKEN, "TIiajkdnlazkcOXrIdevi7FQ")
NUMBER = "555000555"


@pytest.fixture
def app(settings):
    app = create_app({}, settings=settings.model_copy(update={"receiver_url": "https://hooks.acme.example"}))
    yield app
    app.extensions["database"].close()


@pytest.fixture
def acme(tenant_ids):
    return tenant_ids["acme"]


@pytest.fixture
def enter(app, owner, acme):
    def sign_in(role="admin", *, tenant_id=None):
        tenant_id = tenant_id or acme
        number = owner.execute("SELECT count(*) FROM app_user").fetchone()[0]
        user_id = add_visitor(owner, tenant_id, role=role, email=f"{role}{number}@example.com")
        return signed_in(app, user_id, tenant_id=tenant_id)

    return sign_in


@pytest.fixture
def admin(enter):
    return enter()


@pytest.fixture
def operator(app, owner):
    (user_id,) = owner.execute(
        "INSERT INTO app_user (email, password_hash, is_operator) VALUES ('op@example.com', 'x', true) RETURNING id"
    ).fetchone()
    return signed_in(app, user_id)


@pytest.fixture(autouse=True)
def rung(monkeypatch):
    """Errands that a worker was told of; none runs by itself here."""
    told = []
    monkeypatch.setattr(
        "console.errand_desk.ring_errand", lambda kind, **names: told.append((kind, names["errand_id"]))
    )
    return told


def config_of(database, tenant_id):
    with database.tenant_transaction(tenant_id) as conn:
        return get_tenant_config(conn, tenant_id)


def deeds(owner, tenant_id):
    return [
        row[0] for row in owner.execute("SELECT deed FROM audit_log WHERE tenant_id = %s ORDER BY id", (tenant_id,))
    ]


def accounts_of(database, keyring):
    with database.system_transaction() as conn:
        return {(one.kind, one.account_id): one for one in list_receiving_accounts(conn, keyring=keyring)}


def version_on(page):
    return re.search(r'name="version" value="(\d+)"', page.text)[1]


def connect(visitor, **more):
    visitor.get("/admin/channels/new", kind="whatsapp")
    fields = {"kind": "whatsapp", "account_id": NUMBER, "app_secret": APP_SECRET, "access_token": ACCESS_TOKEN, **more}
    return visitor.post("/admin/channels/new", **fields)


def do_errand(deps, database, tenant_id, told):
    kind, errand_id = told[-1]
    run_errand(deps, tenant_id=tenant_id, errand_id=errand_id, now=datetime.now(UTC))
    with database.tenant_transaction(tenant_id) as conn:
        errand = find_errand(conn, tenant_id, errand_id)
    assert errand.kind == kind and errand.state == "done"
    return errand.result


# A new tenant


def test_an_operator_makes_a_tenant_and_lands_in_its_set_up(operator, owner, database):
    operator.get("/admin/tenants/new")
    page = operator.post("/admin/tenants/new", name="  Çiçek   Küche ", slug="")
    assert page.request.path == "/admin/start" and "The tenant is made." in words(page)
    tenant_id, name, changed_in = owner.execute(
        "SELECT id, name, changed_in FROM tenant WHERE slug = 'cicek-kuche'"
    ).fetchone()
    assert (name, changed_in) == ("Çiçek Küche", "console")
    assert deeds(owner, tenant_id) == ["tenant_added"]
    # The same form again makes no second one; another business of this short name is told.
    assert operator.post("/admin/tenants/new", name="Çiçek Küche").request.path == "/admin/start"
    taken = operator.post("/admin/tenants/new", name="Another", slug="cicek-kuche")
    assert (
        taken.status_code == 422
        and "There is a tenant of this short name" in taken.text
        and 'value="Another"' in taken.text
    )
    assert owner.execute("SELECT count(*) FROM tenant").fetchone() == (3,)


@pytest.mark.parametrize(
    ("name", "slug", "told"),
    [
        ("", "", "1 to 200 characters"),
        ("w" * 4096, "x", "1 to 200 characters"),
        ("日本", "", "none could be made from the name"),
        ("Acme", "Not A Slug!", "small letters, digits"),
        ("Ac\u202eme", "acme-two", "cannot be seen"),
    ],
)
def test_a_tenant_without_a_usable_name_is_refused_with_the_fix(operator, owner, name, slug, told):
    operator.get("/admin/tenants/new")
    page = operator.post("/admin/tenants/new", name=name, slug=slug)
    assert page.status_code == 422 and told in page.text
    assert owner.execute("SELECT count(*) FROM tenant").fetchone() == (2,)


def test_only_operators_make_tenants(enter, app):
    for role in ("agent", "supervisor", "admin", "auditor"):
        visitor = enter(role)
        assert visitor.get("/admin/tenants/new").status_code == 403
        assert visitor.post("/admin/tenants/new", name="Mine").status_code == 403
    assert "/sign-in" in app.test_client().get("/admin/tenants/new").location


def test_an_operator_without_any_tenant_is_asked_to_make_one(app, owner):
    owner.execute("TRUNCATE tenant CASCADE")
    (user_id,) = owner.execute(
        "INSERT INTO app_user (email, password_hash, is_operator) VALUES ('op@example.com', 'x', true) RETURNING id"
    ).fetchone()
    operator = signed_in(app, user_id)
    assert operator.get("/inbox").location.endswith("/admin/tenants/new")
    assert "make the first one" in words(operator.get("/admin/tenants/new"))


# The five steps


def test_steps_are_done_by_what_stands_and_what_a_person_settled(operator, owner, database):
    operator.get("/admin/tenants/new")
    operator.post("/admin/tenants/new", name="Fresh")
    assert "0 of five steps" in words(operator.get("/admin"))
    page = operator.get("/admin/start/industry")
    assert all(name in page.text for name in ("banking", "fitness", "A hotel or guest house", "17 topics"))
    after = operator.post(
        "/admin/start/industry",
        version=version_on(page),
        industry="hospitality",
        default_region="TR",
        time_zone="Europe/Istanbul",
    )
    assert after.request.path == "/admin/start/topics" and "special request" in after.text
    for step in ("topics", "channel", "crm", "thresholds"):
        after = operator.post("/admin/start/skip", step=step)
    assert after.request.path == "/admin/start" and "What happens now" in after.text
    assert "Connect a channel: without one nothing comes in." in after.text and "left out" in after.text
    assert "of five steps" not in operator.get("/admin").text
    (tenant_id,) = owner.execute("SELECT id FROM tenant WHERE slug = 'fresh'").fetchone()
    config = config_of(database, tenant_id)
    assert (config.industry, config.default_region, config.hours.time_zone) == ("hospitality", "TR", "Europe/Istanbul")
    assert "settings_changed" in deeds(owner, tenant_id)
    assert operator.post("/admin/start/skip", step="nonsense").status_code == 400


def test_a_channel_that_was_removed_can_be_left_out(operator):
    operator.get("/admin/tenants/new")
    operator.post("/admin/tenants/new", name="Fresh")
    connect(operator)
    operator.post(f"/admin/channels/whatsapp/{NUMBER}/remove")
    assert "no webhook yet" not in operator.get("/admin/start/channel").text
    operator.post("/admin/start/skip", step="channel")
    assert "1 of five steps" in words(operator.get("/admin"))


def test_a_tenant_from_a_file_is_not_nagged(admin):
    assert "of five steps" not in admin.get("/admin").text
    assert "HubSpot" in admin.get("/admin/start").text


def test_a_stale_form_changes_nothing_and_keeps_what_was_typed(admin, database, acme):
    page = admin.get("/admin/start/thresholds")
    admin.post("/admin/start/thresholds", version=version_on(page), escalate="0,65", unsure="0.4", deed="save")
    assert config_of(database, acme).thresholds.escalate == 0.65
    stale = admin.post("/admin/start/thresholds", version=version_on(page), escalate="0.9", unsure="0.4", deed="save")
    assert stale.status_code == 409 and "since you opened this page" in stale.text and 'value="0.9"' in stale.text
    for version in ("", "x", "99999999999999999999"):
        assert admin.post("/admin/start/thresholds", version=version, escalate="1", unsure="0").status_code == 409
    for wrong in ("", "nan", "1.5", "w" * 4096):
        refused = admin.post("/admin/start/thresholds", version="2", escalate=wrong, unsure="0.4")
        assert refused.status_code == 422 and "number from 0 to 1" in refused.text
    assert config_of(database, acme).thresholds.escalate == 0.65


def test_a_what_if_stores_nothing(admin, database, acme):
    page = admin.get("/admin/start/thresholds")
    tried = admin.post("/admin/start/thresholds", version=version_on(page), escalate="0.2", unsure="0.1", deed="try")
    assert tried.status_code == 200 and "What would change" in tried.text
    assert config_of(database, acme).thresholds.escalate == 0.70


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("en", "In the last 30 days: 1 message would have other actions."),
        ("de", "1 Nachricht hätte andere Aktionen"),
        ("ar", "رسالة واحدة ستكون لها إجراءات أخرى"),
    ],
)
def test_a_what_if_speaks_the_visitors_language_also_where_only_actions_change(admin, monkeypatch, language, told):
    one = Simulation(messages=1)
    one.other_actions.add("m", corrected=False)
    trial = Trial(one, [], "escalate at 0.20 instead of 0.70", datetime.now(UTC), is_cut=False)
    monkeypatch.setattr(start_settings, "run_trial", lambda *_, **__: trial)
    admin.client.set_cookie("language", language)
    page = admin.get("/admin/start/thresholds")
    tried = admin.post("/admin/start/thresholds", version=version_on(page), escalate="0.2", unsure="0.1", deed="try")
    assert told in words(tried) and trial.sentence not in tried.text


def test_a_what_if_waits_while_many_are_tried(admin, monkeypatch):
    def refuse(*_, **__):
        raise TooBusyError

    monkeypatch.setattr(start_settings, "run_trial", refuse)
    page = admin.get("/admin/start/thresholds")
    tried = admin.post("/admin/start/thresholds", version=version_on(page), escalate="0.2", unsure="0.1", deed="try")
    assert tried.status_code == 503 and "has to wait" in words(tried) and 'value="0.2"' in tried.text


def test_every_industry_has_a_name_of_its_own(admin):
    names = re.findall(r"<strong>([^<]+)</strong></label>", admin.get("/admin/start/industry").text)
    assert len(names) == len(industry_names()) and "Software as a service" in names
    assert not any("industry" in name or name in industry_names() for name in names)


def test_an_unknown_industry_or_time_zone_is_refused(admin, database, acme):
    version = version_on(admin.get("/admin/start/industry"))
    for wrong in ({"industry": "alchemy"}, {"time_zone": "Mars/Base"}, {"default_region": "turkey"}):
        form = {"industry": "ecommerce", "default_region": "TR", "time_zone": "UTC", **wrong}
        refused = admin.post("/admin/start/industry", version=version, **form)
        assert refused.status_code == 422 and 'role="alert"' in refused.text
    assert config_of(database, acme).industry == "ecommerce"


# Topics


def topics_form(page, *, own=(), **changed):
    """The form as the page holds it, with these own topics in its first rows."""
    names = re.findall(r'name="topic" value="([^"]*)"', page.text)
    definitions = re.findall(r'name="definition" value="([^"]*)"', page.text)
    empty = [number for number, name in enumerate(names) if not name]
    for number, (name, definition) in zip(empty, own, strict=False):
        names[number], definitions[number] = name, definition
    for name, definition in changed.items():
        definitions[names.index(name)] = definition
    return {"version": version_on(page), "topic": names, "definition": definitions}


def test_own_topics_are_added_changed_and_removed(admin, database, acme):
    page = admin.get("/admin/start/topics")
    form = topics_form(page, own=[("Gift wrapping", "cards and ribbons")], shipping="parcels and pallets")
    saved = admin.post("/admin/start/topics", **form, deed="stay")
    assert config_of(database, acme).topics == {"gift_wrapping": "cards and ribbons", "shipping": "parcels and pallets"}
    # The template's own word again, another word for ours.
    changed = topics_form(saved, gift_wrapping="ribbons", shipping="")
    saved = admin.post("/admin/start/topics", **changed, deed="stay")
    assert config_of(database, acme).topics == {"gift_wrapping": "ribbons"}
    gone = topics_form(saved)
    admin.post("/admin/start/topics", **gone, remove=[str(gone["topic"].index("gift_wrapping"))], deed="stay")
    assert config_of(database, acme).topics == {}


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ([("Ship-ping", "twins")], "that name, or one that differs more"),
        ([("gifts", "one"), ("Gifts", "two")], "stands here twice"),
        ([("gifts", "")], "is empty"),
        ([("g" * 4096, "long")], "2 to 40 lower-case letters"),
        ([("gifts", "w" * 4096)], "shorten it to at most 200"),
        ([("<script>", "x")], "2 to 40 lower-case letters"),
    ],
)
def test_a_topic_that_cannot_be_is_refused_with_the_fix_beside_it(admin, database, acme, own, told):
    page = admin.get("/admin/start/topics")
    refused = admin.post("/admin/start/topics", **topics_form(page, own=own), deed="stay")
    assert refused.status_code == 422 and told in refused.text and "<script>" not in refused.text
    assert own[0][1] == "" or own[0][1] in refused.text
    assert config_of(database, acme).topics == {}


def test_own_topics_are_left_as_they_are_and_not_called_the_templates(admin):
    page = admin.get("/admin/start/topics")
    assert "The template’s will do" in page.text
    admin.post("/admin/start/topics", version=version_on(page), topic="gifts", definition="wrapping", deed="stay")
    page = admin.get("/admin/start/topics")
    assert "The template’s will do" not in page.text and "Leave them as they are" in page.text


def test_more_rows_store_nothing_and_keep_what_was_typed(admin, database, acme):
    page = admin.get("/admin/start/topics")
    more = admin.post("/admin/start/topics", **topics_form(page, own=[("gifts", "ribbons")]), deed="more")
    assert 'value="gifts"' in more.text and more.text.count('name="topic"') > page.text.count('name="topic"')
    assert config_of(database, acme).topics == {}


def test_a_pasted_message_is_read_by_a_worker_as_it_would_be_now(
    admin, enter, deps, database, owner, acme, rung, tenant_ids
):
    admin.get("/admin/start/topics")
    pasted = "My parcel is late again! Call +90 532 123 45 67"
    waits = admin.post("/admin/start/topics/try", text=pasted, follow=False)
    assert "A worker is at it" in waits.text and "data-poll" in waits.text
    # The words stay in the form, and only there: neither stored nor in an address.
    assert f">{pasted}</textarea>" in waits.text and waits.text.count("532") == 1 and "Location" not in waits.headers
    assert "532" not in json.dumps(owner.execute("SELECT input FROM errand").fetchone()[0])
    result = do_errand(deps, database, acme, rung)
    assert result["sentiment"] == "negative" and "shipping" in result["topics"] and "532" not in result["words"]
    page = admin.get("/admin/start/topics", errand=rung[-1][1])
    assert "shipping" in page.text and "data-poll" not in page.text and "[PHONE_1]" in page.text
    assert "532" not in page.text
    assert owner.execute("SELECT count(*) FROM message").fetchone() == (0,)
    # Nobody else's.
    stranger = enter(tenant_id=tenant_ids["other"])
    assert stranger.get(f"/admin/errands/{rung[-1][1]}").status_code == 404
    assert "[PHONE_1]" not in stranger.get("/admin/start/topics", errand=rung[-1][1]).text
    for nothing in ("", "   ", "w" * 4097):
        admin.post("/admin/start/topics/try", text=nothing)
    assert len(rung) == 1


def test_without_a_model_the_page_says_so(settings, owner, acme):
    app = create_app({}, settings=settings.model_copy(update={"anthropic_api_key": None}))
    visitor = signed_in(app, add_visitor(owner, acme, role="admin", email="a@example.com"))
    assert "No model is configured" in visitor.get("/admin/start/topics").text
    assert visitor.post("/admin/start/topics/try", text="hello").status_code == 400
    app.extensions["database"].close()


# Channels


def test_a_connected_account_is_there_for_the_receiver_and_its_secrets_never_come_back(
    admin, database, keyring, owner, acme
):
    page = connect(admin, account_id=f' "{NUMBER}"\n', app_secret=f"\u201c{APP_SECRET}\u201d ")
    assert "quotes around what you pasted were taken away" in words(page)
    stored = accounts_of(database, keyring)["whatsapp", NUMBER]
    assert (stored.tenant_id, stored.app_secrets) == (acme, (APP_SECRET,))
    assert "https://hooks.acme.example/webhooks/whatsapp" in page.text and stored.verify_token in page.text
    shown = [
        page,
        *(admin.get(f"/admin/channels{path}") for path in ("", f"/whatsapp/{NUMBER}", f"/whatsapp/{NUMBER}/edit")),
    ]
    assert not any(secret in one.text for one in shown for secret in SECRETS)
    assert "channel_added" in deeds(owner, acme)
    log = json.dumps(owner.execute("SELECT subject, details FROM audit_log").fetchall())
    assert NUMBER in log and not any(secret in log for secret in (*SECRETS, stored.verify_token))
    # The same form once more.
    again = connect(admin)
    assert again.status_code == 422 and "connected already" in again.text and APP_SECRET not in again.text


def test_the_verify_token_is_shown_to_administrators_until_it_was_used(admin, enter, database, keyring):
    connect(admin)
    token = accounts_of(database, keyring)["whatsapp", NUMBER].verify_token
    for role in ("supervisor", "auditor"):
        assert token not in enter(role).get(f"/admin/channels/whatsapp/{NUMBER}").text
    with database.system_transaction() as conn:
        note_sightings(conn, {Sighting("whatsapp", NUMBER, "handshake"): 1})
    assert token not in admin.get(f"/admin/channels/whatsapp/{NUMBER}").text
    # What a file gave is nobody's to see.
    assert "acme-verify" not in admin.get("/admin/channels/whatsapp/111000111").text
    admin.post(f"/admin/channels/whatsapp/{NUMBER}/secret", deed="token")
    assert accounts_of(database, keyring)["whatsapp", NUMBER].verify_token != token


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"account_id": "222000222"}, "Another tenant of this installation has this account already."),
        ({"account_id": ""}, "without it nobody knows whose messages"),
        ({"account_id": "not digits"}, "a blank or a line break in it"),
        ({"account_id": "abc"}, "digits that Meta shows"),
        ({"account_id": "9" * 4096}, "too long"),
        ({"app_secret": "short"}, "too short"),
        ({"app_secret": ""}, "It is needed."),
        ({"app_secret": "env:ACME_SECRET"}, "env: works in tenant files only"),
        ({"app_secret": "0123456789abcdef 0123456789abcdef"}, "a blank or a line break in it"),
        ({"access_token": ""}, "It is needed."),
        ({"kind": "telegram"}, "Choose one of the channels."),
        ({"max_per_s": "many"}, "integer"),
        ({"kind": "generic", "account_id": "web", "app_secret": "s" * 23}, "too short"),
        ({"kind": "generic", "account_id": "web", "reply_url": "https://10.0.0.8/x"}, "names an IP address"),
        ({"kind": "generic", "account_id": "web", "reply_url": "http://forms.acme.example/x"}, "must begin with https"),
        ({"kind": "generic", "account_id": "web", "reply_url": "https://printer.local/x"}, "points inside a network"),
        ({"kind": "instagram", "login": "facebook"}, "the id of the Page is needed"),
    ],
)
def test_an_account_that_cannot_be_is_refused_with_the_fix_and_without_its_secrets(admin, owner, wrong, told):
    before = owner.execute("SELECT count(*) FROM channel_account").fetchone()
    refused = connect(admin, **wrong)
    assert refused.status_code == 422 and told in words(refused)
    assert not any(secret in refused.text for secret in SECRETS) and "Other" not in words(refused).replace(
        "Other channel", ""
    )
    assert owner.execute("SELECT count(*) FROM channel_account").fetchone() == before


def test_a_change_keeps_the_secrets_that_are_left_empty(admin, database, keyring, owner, acme):
    connect(admin)
    before = accounts_of(database, keyring)["whatsapp", NUMBER]
    form = {"app_secret": "", "access_token": "", "waba_id": "777", "max_per_s": "20", "mark_read": "on"}
    admin.post(f"/admin/channels/whatsapp/{NUMBER}/edit", **form)
    after = accounts_of(database, keyring)["whatsapp", NUMBER]
    assert (after.app_secrets, after.verify_token, after.waba_id) == (before.app_secrets, before.verify_token, "777")
    assert owner.execute(
        "SELECT max_per_s, mark_read FROM channel_account WHERE account_id = %s", (NUMBER,)
    ).fetchone() == (
        20,
        True,
    )


def test_two_secrets_count_while_one_is_rotated(admin, database, keyring):
    connect(admin)
    path = f"/admin/channels/whatsapp/{NUMBER}/secret"
    for _ in range(2):  # sent twice
        admin.post(path, deed="rotate", app_secret=f"'{NEW_SECRET}'")
    assert accounts_of(database, keyring)["whatsapp", NUMBER].app_secrets == (NEW_SECRET, APP_SECRET)
    refused = admin.post(path, deed="rotate", app_secret="short")
    assert refused.status_code == 422 and "too short" in refused.text
    for told in ("Only the new secret counts", "There was but one secret"):
        assert told in words(admin.post(path, deed="drop"))
    assert accounts_of(database, keyring)["whatsapp", NUMBER].app_secrets == (NEW_SECRET,)
    assert admin.post(path, deed="nonsense").status_code == 400


def test_an_account_is_removed_after_saying_what_stops(admin, owner, acme, tenant_ids):
    connect(admin)
    assert "Its webhooks are refused at once" in words(admin.get(f"/admin/channels/whatsapp/{NUMBER}/remove"))
    for told in ("The account is removed.", "no such account any more"):
        assert told in words(admin.post(f"/admin/channels/whatsapp/{NUMBER}/remove"))
    assert "channel_removed" in deeds(owner, acme)
    # Another tenant's stays, and is not there.
    for path in ("", "/edit", "/remove", "/waiting"):
        assert admin.get(f"/admin/channels/whatsapp/222000222{path}").status_code == 404
    for path in ("/edit", "/secret", "/token", "/sample"):
        assert admin.post(f"/admin/channels/whatsapp/222000222{path}", deed="rotate").status_code == 404
    admin.post("/admin/channels/whatsapp/222000222/remove")
    assert owner.execute("SELECT count(*) FROM channel_account WHERE account_id = '222000222'").fetchone() == (1,)


def test_supervisors_see_channels_and_change_nothing(enter, rung):
    boss = enter("supervisor")
    assert "111000111" in boss.get("/admin/channels").text
    assert boss.get("/admin/channels/new").status_code == 403 and boss.get("/admin/crm/connection").status_code == 403
    for path in (
        "/channels/new", "/channels/whatsapp/111000111/edit", "/channels/whatsapp/111000111/secret", "/channels/whatsapp/111000111/remove",
        "/channels/whatsapp/111000111/token", "/channels/whatsapp/111000111/sample", "/crm/connection", "/crm/connection/check",
        "/crm/connection/remove", "/alert-targets", "/alert-targets/x/test", "/alert-targets/x/remove", "/start/industry", "/start/topics",
        "/start/topics/try", "/start/thresholds", "/start/skip",
    ):  # fmt: skip
        assert boss.post(f"/admin{path}", step="crm", escalate="0.5", unsure="0.1").status_code == 403, path
    assert rung == []


# What has come so far


def test_each_sign_of_life_is_told_and_what_is_wrong_with_its_fix(admin, database, owner, deps, receive, acme):
    connect(admin)
    waiting = f"/admin/channels/whatsapp/{NUMBER}/waiting"
    assert (
        "Waiting for the handshake" in words(admin.get(waiting))
        and "Nobody has called yet" not in admin.get(waiting).text
    )
    owner.execute(
        "UPDATE channel_account SET created_at = now() - interval '3 minutes' WHERE account_id = %s", (NUMBER,)
    )
    assert "Nobody has called yet" in words(admin.get(waiting))
    for what, detail, told in (
        ("wrong_token", None, "a verify token that no account here has"),
        ("bad_signature", None, "paste the app secret again"),
        ("unknown_account", "123456123", "made-up number of the dashboard"),
        ("unknown_account", "777", "connect it with this id"),
    ):
        account = None if what == "wrong_token" else NUMBER
        with database.system_transaction() as conn:
            note_sightings(conn, {Sighting("whatsapp", account, what, detail): 2})
        assert told in words(admin.get(waiting))
    with database.system_transaction() as conn:
        note_sightings(conn, {Sighting("whatsapp", NUMBER, "handshake"): 1})
    page = words(admin.get(waiting))
    assert "The handshake was seen" in page and "a verify token that no account" not in page
    owner.execute(
        "UPDATE channel_health SET last_webhook_at = now() FROM channel_account AS a "
        "WHERE a.id = channel_account_id AND a.account_id = %s",
        (NUMBER,),
    )
    page = words(admin.get(waiting))
    # What was wrong before something worked is no longer told.
    assert (
        "A signed webhook has come" in page
        and "Waiting for the first message" in page
        and "app secret again" not in page
    )
    assert "no message was read yet" in page
    receive(whatsapp_body(whatsapp_message("Thank you!"), account=NUMBER))
    owner.execute("UPDATE message SET state = 'done' WHERE account_id = %s", (NUMBER,))
    page = admin.get(waiting)
    assert "A message was read" in words(page) and "data-over" in page.text
    # The receiver counts webhooks some seconds late, and the page looks no more once the message is read.
    owner.execute("UPDATE channel_health SET last_webhook_at = NULL")
    assert re.search(r"A signed webhook has come</span> <span class=\"quiet\"><time", admin.get(waiting).text)


def test_a_handshake_ends_what_was_told_of_wrong_tokens_and_no_other_account_hears_of_it(database, owner, tenant_ids):
    with database.system_transaction() as conn:
        note_sightings(conn, {Sighting("whatsapp", "111000111", "handshake"): 1})
        note_sightings(conn, {Sighting("whatsapp", None, "wrong_token"): 1})
    rows = owner.execute(
        "SELECT a.account_id, s.what FROM channel_sighting AS s JOIN channel_account AS a ON a.id = s.channel_account_id "
        "ORDER BY s.what, a.account_id"
    ).fetchall()
    assert rows == [("111000111", "handshake"), ("222000222", "wrong_token")]
    with database.tenant_transaction(tenant_ids["other"]) as conn:
        assert find_first_signs(conn, tenant_ids["other"], kind="whatsapp", account_id="111000111") is None
        assert conn.execute("SELECT count(*) FROM channel_sighting").fetchone() == (1,)


# Checks


def test_a_token_is_checked_at_the_channel(admin, deps, database, acme, rung, standins):
    connect(admin)
    path = f"/admin/channels/whatsapp/{NUMBER}"
    assert "A worker is at it" in admin.post(f"{path}/token").text
    assert do_errand(deps, database, acme, rung)["token"] == "alive"
    assert "The access token works." in words(admin.get(path, errand=rung[-1][1]))
    assert rung[-1][0] == "token"


def test_a_test_message_is_signed_as_the_channel_signs(admin, deps, database, acme, rung, monkeypatch):
    connect(admin)
    posted = []

    def answer(request):
        posted.append((str(request.url), request.content, request.headers["X-Hub-Signature-256"]))
        return httpx2.Response(200)

    monkeypatch.setattr(own_receiver, "open_client", lambda: httpx2.Client(transport=httpx2.MockTransport(answer)))
    admin.post(f"/admin/channels/whatsapp/{NUMBER}/sample")
    assert do_errand(deps, database, acme, rung) == {"status": 200}
    ((url, body, signature),) = posted
    assert url == "https://hooks.acme.example/webhooks/whatsapp" and signature == sign(body, APP_SECRET)
    assert "The receiver took the test message." in words(
        admin.get(f"/admin/channels/whatsapp/{NUMBER}", errand=rung[-1][1])
    )


def test_without_a_public_address_the_page_names_the_setting(settings, owner, acme, rung):
    app = create_app({}, settings=settings)
    visitor = signed_in(app, add_visitor(owner, acme, role="admin", email="a@example.com"))
    assert "RECEIVER_URL" in visitor.get("/admin/channels/whatsapp/111000111").text
    assert "RECEIVER_URL" in words(visitor.post("/admin/channels/whatsapp/111000111/sample"))
    assert rung == []
    app.extensions["database"].close()


# CRM


def test_a_crm_is_connected_checked_provisioned_and_left(admin, deps, database, keyring, owner, acme, rung):
    page = admin.get("/admin/crm/connection", kind="hubspot")
    page = admin.post("/admin/crm/connection", kind="hubspot", token=f" '{CRM_TOKEN}' ", send_summary="on")
    assert "taken away. It is being checked now." in words(page) and CRM_TOKEN not in page.text
    with database.tenant_transaction(acme) as conn:
        known = find_connection(conn, acme, keyring=keyring)
    assert (
        known.credentials == {"token": CRM_TOKEN} and known.settings.send_summary and not known.settings.create_contacts
    )
    result = do_errand(deps, database, acme, rung)
    assert result["works"] and result["missing"] and not result["provisioned"]
    page = admin.get("/admin/crm/connection", errand=rung[-1][1])
    assert (
        "The CRM answers." in words(page)
        and "Make the missing fields there" in page.text
        and CRM_TOKEN not in page.text
    )
    admin.post("/admin/crm/connection/check", deed="provision")
    assert do_errand(deps, database, acme, rung)["missing"] == []
    # Left empty, the token stays.
    admin.post("/admin/crm/connection", kind="hubspot", token="", create_contacts="on")
    with database.tenant_transaction(acme) as conn:
        known = find_connection(conn, acme, keyring=keyring)
    assert (
        known.credentials == {"token": CRM_TOKEN} and known.settings.create_contacts and not known.settings.send_summary
    )
    assert "What was written in the CRM stays there." in words(admin.get("/admin/crm/connection/remove"))
    for told in ("The CRM is disconnected.", "No CRM is connected."):
        assert told in words(admin.post("/admin/crm/connection/remove"))
    assert [one for one in deeds(owner, acme) if one.startswith("crm")] == ["crm_changed", "crm_changed", "crm_removed"]


def test_a_crm_that_refuses_says_so_and_is_paused(admin, deps, database, acme, rung, monkeypatch):
    def refuse(*_):
        raise CrmError("authentication", permanent=True, connection_broken=True)

    monkeypatch.setattr(errands, "open_session", refuse)
    admin.post("/admin/crm/connection", kind="hubspot", token=CRM_TOKEN)
    result = do_errand(deps, database, acme, rung)
    assert not result["works"] and result["code"] == "authentication" and result["fix"]
    page = words(admin.get("/admin/crm/connection", errand=rung[-1][1]))
    assert "The CRM does not take it:" in page and "It is paused:" in page


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"kind": "sugar"}, "Choose one of the CRMs."),
        ({"kind": "zoho", "dc": "eu", "client_id": "1000.X"}, "needs"),
        ({"kind": "pipedrive", "token": "short"}, "too short"),
        ({"kind": "pipedrive", "token": "env:PIPEDRIVE"}, "env: works in tenant files only"),
        (
            {"kind": "salesforce", "domain": "a", "client_id": "b", "username": "u", "private_key": "nonsense"},
            "-----BEGIN",
        ),
    ],
)
def test_a_crm_without_what_it_needs_is_refused(admin, owner, form, told):
    before = owner.execute("SELECT kind, applied_hash FROM crm_connection ORDER BY tenant_id").fetchall()
    refused = admin.post("/admin/crm/connection", **form)
    assert refused.status_code == 422 and told in words(refused)
    assert owner.execute("SELECT kind, applied_hash FROM crm_connection ORDER BY tenant_id").fetchall() == before


# Alert targets


def test_an_alert_target_is_added_changed_tested_and_removed(
    admin, enter, deps, database, owner, acme, rung, tenant_ids
):
    admin.get("/admin/alert-targets")
    page = admin.post(
        "/admin/alert-targets",
        name="ops-room",
        to=f'"{ALERT_URL}"',
        min_severity="critical",
        kinds=["churn"],
        deed="add",
    )
    assert "quotes around the address were taken away" in words(page)
    twice = admin.post("/admin/alert-targets", name="ops-room", to=ALERT_URL, min_severity="info", deed="add")
    assert twice.status_code == 422 and "There is a target of this name" in twice.text and ALERT_URL not in twice.text
    admin.post(
        "/admin/alert-targets", name="ops-room", to="", min_severity="info", quiet_hours="22:00-07:00", deed="change"
    )
    service, config = owner.execute(
        "SELECT service, config FROM alert_target WHERE tenant_id = %s AND name = 'ops-room'", (acme,)
    ).fetchone()
    assert service == "slack" and config == {"kinds": [], "min_severity": "info", "quiet_hours": "22:00-07:00"}
    assert not any(secret in admin.get("/admin/alert-targets", edit="ops-room").text for secret in SECRETS)
    sent = []
    errands_send = errands.send_alert
    errands.send_alert = lambda url, **what: sent.append((url, what["title"]))
    try:
        admin.post("/admin/alert-targets/ops-room/test")
        assert do_errand(deps, database, acme, rung) == {"sent": True}
    finally:
        errands.send_alert = errands_send
    assert sent == [(ALERT_URL, "Earshot: a test")]
    assert "It has left." in words(admin.get("/admin/alert-targets", errand=rung[-1][1]))
    stranger = enter(tenant_id=tenant_ids["other"])
    assert "ops-room" not in words(stranger.get("/admin/alert-targets"))
    assert stranger.post("/admin/alert-targets/ops-room/test").status_code == 404
    stranger.post("/admin/alert-targets/ops-room/remove")
    for told in ("Removed. Nobody is told there", "no such target any more"):
        assert told in words(admin.post("/admin/alert-targets/ops-room/remove"))
    assert [one for one in deeds(owner, acme) if one.startswith("alert")] == [
        "alert_target_added",
        "alert_target_changed",
        "alert_target_removed",
    ]


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"to": ""}, "where should alerts go?"),
        ({"to": "telnet://host"}, "is not a service Earshot sends alerts to"),
        ({"to": "not a url"}, "a blank or a line break"),
        ({"to": "jsons://10.0.0.8/hook"}, "points inside the network"),
        ({"to": "jsons://localhost/hook"}, "points inside the network"),
        ({"to": "mailtos://u:p@example.com?smtp=127.0.0.1"}, "points inside the network"),
        ({"to": "env:SLACK"}, "env: works in tenant files only"),
        ({"to": ALERT_URL, "name": "w" * 4096}, "1 to 40 small letters"),
        ({"to": ALERT_URL, "quiet_hours": "night"}, "quiet_hours"),
        ({"to": ALERT_URL, "min_severity": "panic"}, "min_severity"),
    ],
)
def test_an_alert_target_that_cannot_be_is_refused_without_its_address(admin, owner, form, told):
    refused = admin.post("/admin/alert-targets", **{"name": "ops-room", "min_severity": "info", "deed": "add", **form})
    assert refused.status_code == 422
    assert told in words(refused) or f'id="problem-{told}"' in refused.text
    assert not any(secret in refused.text for secret in (*SECRETS, "10.0.0.8"))
    assert owner.execute("SELECT count(*) FROM alert_target").fetchone() == (0,)


def test_old_errands_are_forgotten(deps, database, owner, acme, tenant_ids):
    for tenant_id in tenant_ids.values():
        with database.tenant_transaction(tenant_id) as conn:
            add_errand(conn, tenant_id, "reading", {"text": "old"})
            add_errand(conn, tenant_id, "reading", {"text": "new"})
    owner.execute("UPDATE errand SET created_at = now() - interval '61 minutes' WHERE input ->> 'text' = 'old'")
    errands.forget_old(deps)
    assert [row[0] for row in owner.execute("SELECT input ->> 'text' FROM errand")] == ["new", "new"]


def test_an_errand_is_done_once_and_a_broken_one_says_so(deps, database, acme, monkeypatch):
    with database.tenant_transaction(acme) as conn:
        errand_id = add_errand(conn, acme, "token", {"kind": "whatsapp", "account_id": "gone"})
    for _ in range(2):
        run_errand(deps, tenant_id=acme, errand_id=errand_id, now=datetime.now(UTC))
    with database.tenant_transaction(acme) as conn:
        assert find_errand(conn, acme, errand_id).result == {"error": "no_such_account"}
