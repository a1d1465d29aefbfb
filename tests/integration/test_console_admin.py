"""The administration's pages: who sees them, what they tell, and what a person may do there, with two tenants."""

import csv
import io
import re
from uuid import uuid4

import pytest

from config.tenant_file import parse_tenant_file
from console.app import create_app
from store.alerts import NewAlert, raise_alert
from store.tenants import apply_tenant
from store.users import create_api_key, find_api_key
from store.web_sessions import begin_session
from tests.conftest import ACME
from tests.integration.sweeps.sweeping import seed
from tests.integration.workplace import add_action, add_conversation, add_person

PAGES = (
    "",
    "/crm",
    "/people",
    "/audit-log",
    "/privacy",
    "/sweeps",
    "/sweeps/plan",
    "/dead-letters",
    "/alerts",
    "/settings",
    "", "/crm", "/people", "/privacy", "/sweeps", "/sweeps/plan", "/dead-letters", "/alerts", "/settings", "/start", "/start/industry",
    "/start/topics", "/start/channel", "/start/crm", "/start/thresholds", "/channels", "/channels/whatsapp/111000111", "/alert-targets",
    "/examples",
    "/laboratory",
    "/settings/actions",
    "/settings/actions/webhook",
    "/settings/reading",
    "/settings/history",
    "/rules",
    "/webhooks",
)  # fmt: skip
RICH = (
    ACME
    + """
[actions.webhook]
enabled = true
url = "https://hooks.acme.example/T0KEN-IN-PATH?key=T0KEN-IN-QUERY"
secret = "acme-webhook-secret-of-24-characters"
[hours]
time_zone = "Europe/Istanbul"
weekdays = { mon = "09:00-18:00" }
[topics]
gift_wrapping = "wrapping, cards and ribbons"
[[alerts]]
to = "slack://xoxb-acme-slack-token/AAA/BBB/CCC"
name = "desk"
[[rules]]
name = "vip_first"
because = "Our best customers come first."
when = { high_value = true }
then = { queue = "senior", priority = "P1" }
"""
)
SECRETS = (
    "acme-secret", "acme-verify", "acme-token", "acme-hubspot", "acme-webhook-secret-of-24-characters", "T0KEN-IN-PATH", "T0KEN-IN-QUERY",
    "xoxb-acme-slack-token",
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
        with client.session_transaction() as session:
            session.update(earshot=token, form="form-token")
        return client

    return sign_in


@pytest.fixture
def admin(enter):
    return enter()


def post(client, path, **form):
    return client.post(f"/admin{path}", data={"csrf_token": "form-token", **form})


def page(client, path=""):
    answer = client.get(f"/admin{path}")
    assert answer.status_code == 200, (path, answer.status_code)
    return answer.text


def add_egress(owner, tenant_id, *, message_id=None, text="where is it", model="claude-haiku-5-5"):
    (egress_id,) = owner.execute(
        """
        INSERT INTO egress (tenant_id, message_id, run_id, provider, model, prompt_version, prompt_hash, minimized_text, outcome,
                            input_tokens, output_tokens, cost_microusd)
        VALUES (%s, %s, uuidv7(), 'anthropic', %s, 'g1.s1', 'abcdef', %s, 'answered', 100, 20, 250)
        RETURNING id::text
        """,
        (tenant_id, message_id, model, text),
    ).fetchone()
    return egress_id


def park(owner, tenant_id, *, error_code="too_many_crashes"):
    """A message whose run is parked; returns (message id, run id)."""
    (message_id,) = seed(owner, tenant_id, messages=1)
    (run_id,) = owner.execute(
        """
        INSERT INTO run (tenant_id, message_id, kind, state, error_code) VALUES (%s, %s, 'reanalyze', 'dead', %s)
        RETURNING id::text
        """,
        (tenant_id, message_id, error_code),
    ).fetchone()
    return message_id, run_id


def run_state(owner, run_id):
    return owner.execute("SELECT state FROM run WHERE id = %s", (run_id,)).fetchone()[0]


def alert_of(database, tenant_id, **more):
    with database.tenant_transaction(tenant_id) as conn:
        return raise_alert(conn, tenant_id, NewAlert("needs_person", key=uuid4().hex, **more))


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(("role", "status"), [("agent", 403), ("supervisor", 200), ("admin", 200), ("auditor", 200)])
def test_leaders_and_auditors_see_every_page_and_agents_none(enter, role, status, path):
    assert enter(role).get(f"/admin{path}").status_code == status


def test_who_is_not_signed_in_is_asked_to(app):
    for path in PAGES:
        answer = app.test_client().get(f"/admin{path}")
        assert answer.status_code == 302 and "/sign-in?next=" in answer.location


def test_auditors_see_no_form_that_they_may_not_send(enter, owner, database, acme):
    conversation = add_conversation(owner, acme)
    add_action(owner, acme, conversation)
    add_action(owner, acme, conversation, state="uncertain")
    alert_of(database, acme)
    park(owner, acme)
    with database.system_transaction() as conn:
        create_api_key(conn, tenant_id=acme, name="inbox", role="agent")
    auditor, admin = enter("auditor"), enter("admin")
    form = 'method="post" action="/admin'
    assert all(form not in page(auditor, path) for path in PAGES)
    assert all(form in page(admin, path) for path in ("/people", "/dead-letters", "/alerts"))


def test_only_those_who_may_see_it_are_shown_the_way_there(enter):
    assert "/admin" in enter("auditor").get("/inbox").text
    assert "/admin" not in enter("agent").get("/inbox").text


@pytest.mark.in_turns
@pytest.mark.parametrize("language", ["en", "de", "tr", "ar"])
def test_no_page_shows_a_secret(admin, enter, owner, database, acme, keyring, language):
    with database.system_transaction() as conn:
        apply_tenant(conn, parse_tenant_file(RICH, source="test", environ={}), keyring=keyring)
        _, key = create_api_key(conn, tenant_id=acme, name="inbox", role="agent")
    alert_of(database, acme)
    park(owner, acme)
    sealed = owner.execute("SELECT encode(key_hash, 'hex') FROM api_key").fetchall()
    for client in (admin, enter("auditor")):
        client.set_cookie("language", language)
        for path in PAGES:
            shown = page(client, path)
            for secret in (*SECRETS, key, *(row[0] for row in sealed)):
                assert secret not in shown, (path, secret)
    told = page(admin, "/settings")
    assert "hooks.acme.example" in told and "Europe/Istanbul" in told and "111000111" in told and "desk" in told
    assert "Our best customers come first." in page(admin, "/rules")
    assert "gift_wrapping: wrapping, cards and ribbons" in page(admin, "/settings/reading")


def test_the_overview_counts_what_waits(admin, owner, database, acme, tenant_ids):
    conversation = add_conversation(owner, acme)
    add_action(owner, acme, conversation)
    add_action(owner, acme, conversation, state="uncertain", needs_approval=False)
    alert_of(database, acme)
    park(owner, acme)
    add_egress(owner, acme)
    for tenant_id in (tenant_ids["other"],):
        park(owner, tenant_id)
        alert_of(database, tenant_id)
        add_egress(owner, tenant_id)
    shown = page(admin)
    for told in (
        "1 open alert",
        "1 action waits",
        "1 is uncertain",
        "1 message is parked",
        "1 call to the AI",
        "$0.0003",
    ):
        assert told in shown, told


# People and keys


def test_a_key_is_shown_once_works_and_is_revoked_at_once(admin, database, acme):
    made = post(admin, "/people/keys", name="inbox", role="supervisor")
    (key,) = re.findall(r"esk_[\w-]{43}", made.text)
    assert made.status_code == 200 and made.headers["Cache-Control"] == "no-store"
    with database.system_transaction() as conn:
        found = find_api_key(conn, key)
    assert (found.tenant_id, found.role, found.user_id) == (acme, "supervisor", None)
    later = page(admin, "/people")
    assert "inbox" in later and "esk_" not in later
    assert post(admin, f"/people/keys/{found.id}/revoke").status_code == 302
    assert "is revoked" in page(admin, "/people")
    with database.system_transaction() as conn:
        assert find_api_key(conn, key) is None
    assert post(admin, f"/people/keys/{found.id}/revoke").status_code == 302
    assert "was revoked before" in page(admin, "/people")


def test_a_form_that_is_sent_twice_makes_one_key(admin, owner):
    for _ in range(2):
        answer = post(admin, "/people/keys", name="inbox", role="agent")
    assert answer.status_code == 409 and "live key of this name" in answer.text and 'value="inbox"' in answer.text
    assert owner.execute("SELECT count(*) FROM api_key").fetchone() == (1,)


def test_a_key_of_a_person_acts_as_them_and_only_as_a_colleague(admin, owner, database, acme, tenant_ids):
    ann = add_person(owner, acme, email="ann@example.com")
    add_person(owner, tenant_ids["other"], email="stranger@example.com")
    (key,) = re.findall(
        r"esk_[\w-]{43}", post(admin, "/people/keys", name="hers", role="admin", email="ann@example.com").text
    )
    with database.system_transaction() as conn:
        assert find_api_key(conn, key).user_id == ann
    assert post(admin, "/people/keys", name="x", role="agent", email="stranger@example.com").status_code == 422
    for wrong in (
        {"name": "", "role": "agent"},
        {"name": "y", "role": "operator"},
        {"name": "y" * 101, "role": "agent"},
    ):
        post(admin, "/people/keys", **wrong)
    assert owner.execute("SELECT count(*) FROM api_key").fetchone() == (1,)
    assert "ann@example.com" in page(admin, "/people") and "stranger@" not in page(admin, "/people")


def test_keys_are_made_and_revoked_by_admins_only_and_in_their_own_tenant(admin, enter, owner, database, tenant_ids):
    with database.system_transaction() as conn:
        foreign, key = create_api_key(conn, tenant_id=tenant_ids["other"], name="of the others", role="admin")
    assert post(enter("supervisor"), "/people/keys", name="mine", role="admin").status_code == 403
    assert post(enter("supervisor"), f"/people/keys/{foreign}/revoke").status_code == 403
    assert post(admin, f"/people/keys/{foreign}/revoke").status_code == 404
    with database.system_transaction() as conn:
        assert find_api_key(conn, key) is not None
    assert "of the others" not in page(admin, "/people")


# CRM


def test_a_person_picks_the_record_and_the_card_goes_there(crm_desk, enter, owner):
    desk = crm_desk("hubspot")
    records = sorted(desk.portal.add_contact(phone="+905551112233") for _ in range(2))
    customer = desk.customer("905551112233")
    desk.flush()
    boss = enter("supervisor", tenant_id=desk.tenant_id)
    shown = page(boss, "/crm")
    assert all(f'value="{record}"' in shown for record in records) and "Ada" in shown
    assert post(boss, f"/crm/customers/{customer}/record", record="a b/c").status_code == 302
    assert "Choose a record" in page(boss, "/crm") and desk.link(customer) is None
    assert post(boss, f"/crm/customers/{customer}/record", record=records[1]).status_code == 302
    assert "Picked." in page(boss, "/crm")
    assert desk.link(customer) == (records[1], "person")
    # Again: the same; another record than a colleague's: nothing.
    post(boss, f"/crm/customers/{customer}/record", record=records[1])
    assert "Picked." in page(boss, "/crm")
    post(boss, f"/crm/customers/{customer}/record", record=records[0])
    assert "Another record stands there" in page(boss, "/crm")
    assert desk.link(customer) == (records[1], "person")
    desk.due()
    desk.flush()
    told = page(boss, "/crm")
    assert records[1] in told and "earshot_negative_30d" in told and "Nobody waits for that" in told
    assert records[1] in page(boss, f"/crm?customer={customer}")
    assert records[1] not in page(boss, f"/crm?customer={uuid4()}")


def test_another_tenants_customer_is_not_there_to_be_picked(crm_desk, admin):
    desk = crm_desk("hubspot")
    customer = desk.customer("905551112233")
    assert post(admin, f"/crm/customers/{customer}/record", record="1").status_code == 404
    assert desk.link(customer) is None


def test_the_crm_page_tells_what_failed_and_which_fields_are_to_be_made(admin, owner, acme):
    owner.execute(
        "UPDATE crm_connection SET fields_missing = %s, paused_because = 'http_401' WHERE tenant_id = %s",
        (["Contact.earshot_label: single-line text"], acme),
    )
    shown = page(admin, "/crm")
    assert "Contact.earshot_label: single-line text" in shown and "http_401" in shown and "paused" in shown


def test_writes_of_one_batch_are_paged_through_without_a_gap(admin, owner, acme):
    owner.execute(
        """
        WITH who AS (INSERT INTO customer (tenant_id, display_name) VALUES (%s, 'Ada') RETURNING id)
        INSERT INTO crm_write (tenant_id, customer_id, record_id, because, version, fields)
        SELECT %s, who.id, 'R' || n, 'nightly', 1, '{}' FROM who, generate_series(1000, 1119) AS n
        """,
        (acme, acme),
    )
    seen, path = [], "/crm"
    while path:
        shown = page(admin, path)
        seen += re.findall(r"R1\d{3}", shown)
        more = re.search(r'href="/admin(/crm\?before=[^"]+)"', shown)
        path = more[1].replace("&amp;", "&") if more else None
    assert len(seen) == len(set(seen)) == 120


# Privacy


def test_the_ledger_is_searched_by_message_and_day_and_shows_the_exact_text(admin, owner, acme, tenant_ids):
    (message_id,) = seed(owner, acme, messages=1)
    mine = add_egress(owner, acme, message_id=message_id, text='{"message": "call me on [PHONE_1]"}')
    tried = add_egress(owner, acme, text="pasted words", model="claude-sonnet-5-5")
    foreign = add_egress(owner, tenant_ids["other"], text="of somebody else")
    everything = page(admin, "/privacy")
    assert mine in everything and tried in everything and foreign not in everything
    assert "call me on" not in everything
    found = page(admin, f"/privacy?message={message_id}")
    assert mine in found and tried not in found
    assert "Nothing left that fits" in page(admin, "/privacy?message=not-an-id")
    assert "Nothing left that fits" in page(admin, "/privacy?until=2020-01-01")
    assert mine in page(admin, "/privacy?since=2020-01-01&until=2098-12-31")
    assert mine in page(admin, "/privacy?since=yesterday&until=0001-01-01&before=x")
    exact = page(admin, f"/privacy/ledger/{mine}")
    assert "call me on [PHONE_1]" in exact and message_id in exact
    reads = owner.execute("SELECT count(*) FROM conversation_access WHERE by_user_id IS NOT NULL").fetchone()
    assert reads == (1,), "who reads a customer's words is noted"
    assert admin.get(f"/admin/privacy/ledger/{foreign}").status_code == 404


def test_the_ledger_is_exported_without_the_text_and_safe_for_spreadsheets(enter, owner, acme, tenant_ids):
    mine = add_egress(owner, acme, text="call me", model="=HYPERLINK(1)")
    add_egress(owner, tenant_ids["other"])
    answer = enter("auditor").get("/admin/privacy/ledger.csv")
    assert answer.content_type == "text/csv; charset=utf-8" and "attachment" in answer.headers["Content-Disposition"]
    assert answer.data.startswith(b"\xef\xbb\xbf")
    (row,) = csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig")))
    assert (row["id"], row["model"], row["cost_microusd"]) == (mine, "'=HYPERLINK(1)", "250")
    assert "call me" not in answer.text and "minimized_text" not in row


def test_the_export_is_whole_however_many_pages_it_takes(enter, owner, acme, monkeypatch):
    monkeypatch.setattr("console.pages.admin.privacy.CSV_ROWS_AT_ONCE", 3)
    ids = {add_egress(owner, acme) for _ in range(10)}
    rows = list(csv.DictReader(io.StringIO(enter("auditor").get("/admin/privacy/ledger.csv").data.decode("utf-8-sig"))))
    assert len(rows) == 10 and {row["id"] for row in rows} == ids


# Sweeps


def test_a_sweep_is_planned_started_once_paused_resumed_and_cancelled(admin, owner, acme):
    seed(owner, acme, messages=12, analyzed=True)
    planned = page(admin, "/sweeps/plan?days=30&customers=10&budget_usd=2")
    form = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', planned.partition("<main")[2]))
    assert re.search(r"Messages</dt><dd>12<", planned) and "about <span" in planned
    assert (form["days"], form["customers"], form["budget_usd"]) == ("30", "10", "2.0")
    form.pop("csrf_token")
    for _ in range(2):
        assert post(admin, "/sweeps", **form).status_code == 302
        assert "Started." in page(admin, "/sweeps")
    (sweep_id, messages), *others = owner.execute("SELECT id::text, messages FROM sweep").fetchall()
    assert (messages, others) == (12, [])
    one = f"/sweeps/{sweep_id}"
    assert 'max="12"' in page(admin, one)
    for deed, told, state in [
        ("approve", "nothing was changed", "running"),
        ("pause", "Paused.", "paused"),
        ("pause", "nothing was changed", "paused"),
        ("resume", "It goes on.", "running"),
        ("resume", "nothing was changed", "running"),
        ("cancel", "Cancelled.", "cancelled"),
        ("cancel", "nothing was changed", "cancelled"),
    ]:
        assert post(admin, one, deed=deed, budget_usd="3").status_code == 302
        assert told in page(admin, one), deed
        assert owner.execute("SELECT state FROM sweep").fetchone() == (state,)
    assert owner.execute("SELECT budget_microusd FROM sweep").fetchone() == (3_000_000,)
    assert post(admin, one, deed="shred").status_code == 400


def test_one_sweep_runs_at_a_time_and_numbers_must_be_numbers(admin, owner, acme):
    seed(owner, acme, messages=3, analyzed=True)
    assert post(admin, "/sweeps", period="2026-11").status_code == 400
    for given, field in (
        ("days=0", "Days back"),
        ("customers=x", "Customers"),
        ("budget_usd=nan", "Budget in dollars"),
    ):
        refused = admin.get(f"/admin/sweeps/plan?{given}")
        assert refused.status_code == 422 and f"{field}: give a number up to" in refused.text
        assert f'value="{given.partition("=")[2]}" aria-invalid' in refused.text
    post(admin, "/sweeps", period="manual-2026-11-01T000000.000001")
    post(admin, "/sweeps", period="manual-2026-11-01T000000.000002")
    assert "Another sweep is running" in page(admin, "/sweeps")
    assert owner.execute("SELECT count(*) FROM sweep").fetchone() == (1,)


def test_labels_that_wait_are_approved_once_and_the_report_says_what_changed(admin, owner, acme):
    (message_id,) = seed(owner, acme, messages=1, analyzed=True)
    post(admin, "/sweeps", period="manual-2026-11-01T000000.000001")
    (sweep_id,) = owner.execute(
        "UPDATE sweep SET state = 'done', finished_at = now(), needs_approval = true RETURNING id::text"
    ).fetchone()
    owner.execute(
        """
        WITH a AS (
            INSERT INTO message_analysis (tenant_id, message_id, run_id, run_kind, sentiment, score, summary, intent, topics,
                                          suggested_action, analyzer, model, prompt_version)
            SELECT %s, message_id, run_id, 'sweep', 'negative', 0.9, '', 'complaint', '{shipping}', 'none', 'stand-in', 'm', 'g1.s1'
            FROM sweep_item RETURNING id
        )
        UPDATE sweep_item SET state = 'done', analysis_id = a.id, before_analysis_id = b.id
        FROM a, message_analysis AS b WHERE b.run_kind = 'initial'
        """,
        (acme,),
    )
    shown = page(admin, f"/sweeps/{sweep_id}")
    assert "1 changed" in shown and "neutral → negative: 1" in shown and "Approve the labels" in shown
    assert message_id in page(admin, f"/sweeps/{sweep_id}/flips")
    for told in ("Approved.", "nothing was changed"):
        post(admin, f"/sweeps/{sweep_id}", deed="approve")
        assert told in page(admin, f"/sweeps/{sweep_id}")


def test_another_tenants_sweep_is_not_there(admin, enter, owner, tenant_ids):
    other = tenant_ids["other"]
    seed(owner, other, messages=2, analyzed=True)
    post(enter(tenant_id=other), "/sweeps", period="manual-2026-11-01T000000.000001")
    (sweep_id,) = owner.execute("SELECT id::text FROM sweep").fetchone()
    assert admin.get(f"/admin/sweeps/{sweep_id}").status_code == 404
    assert post(admin, f"/sweeps/{sweep_id}", deed="cancel").status_code == 404
    assert sweep_id not in page(admin, "/sweeps")


# Dead letters


def test_a_parked_message_goes_back_to_work_and_another_tenants_stays(admin, owner, acme, tenant_ids):
    message_id, run_id = park(owner, acme)
    foreign_message, foreign_run = park(owner, tenant_ids["other"])
    shown = page(admin, "/dead-letters")
    assert message_id in shown and "too_many_crashes" in shown and foreign_message not in shown
    assert post(admin, f"/dead-letters/{foreign_message}").status_code == 404
    for told in ("Back to work.", "parked any more"):
        assert post(admin, f"/dead-letters/{message_id}").status_code == 302
        assert told in page(admin, "/dead-letters")
    assert run_state(owner, run_id) == "minimized" and run_state(owner, foreign_run) == "dead"


def test_all_parked_messages_of_the_tenant_go_back_together(admin, owner, acme, tenant_ids):
    mine = [park(owner, acme)[1] for _ in range(3)]
    _, foreign = park(owner, tenant_ids["other"])
    post(admin, "/dead-letters")
    assert {run_state(owner, one) for one in mine} == {"minimized"} and run_state(owner, foreign) == "dead"
    assert "Nothing is parked." in page(admin, "/dead-letters")


# Alerts and actions


def test_an_alert_is_taken_once_or_put_away(enter, database, owner, acme, tenant_ids):
    boss, first, second = enter("supervisor"), alert_of(database, acme), alert_of(database, acme)
    foreign = alert_of(database, tenant_ids["other"])
    for told in ("You are on it.", "on it already"):
        post(boss, f"/alerts/{first}", deed="acknowledge")
        assert told in page(boss, "/alerts")
    post(boss, f"/alerts/{second}", deed="snooze", hours="4")
    shown = page(boss, "/alerts")
    assert "Put away." in shown and first not in shown and second not in shown
    assert first in page(boss, "/alerts?state=all") or "somebody is on it" in page(boss, "/alerts?state=all")
    (hours,) = owner.execute(
        "SELECT round(extract(epoch FROM snoozed_until - now()) / 3600) FROM alert WHERE id = %s", (second,)
    ).fetchone()
    assert hours == 4
    assert post(boss, f"/alerts/{second}", deed="snooze", hours="9999").status_code == 400
    for deed in ("acknowledge", "snooze"):
        assert post(boss, f"/alerts/{foreign}", deed=deed, hours="4").status_code == 404


@pytest.mark.parametrize(
    ("deed", "before", "after"),
    [("reject", "pending", "cancelled"), ("arrived", "uncertain", "sent"), ("not_arrived", "uncertain", "failed")],
)
def test_a_persons_word_on_an_action_counts_once(admin, owner, acme, tenant_ids, deed, before, after):
    mine = add_action(owner, acme, add_conversation(owner, acme), state=before)
    other = tenant_ids["other"]
    foreign = add_action(owner, other, add_conversation(owner, other), state=before)
    assert mine in page(admin, "/alerts") and foreign not in page(admin, "/alerts")
    assert post(admin, f"/alerts/actions/{foreign}", deed=deed).status_code == 404
    post(admin, f"/alerts/actions/{mine}", deed=deed)
    assert mine not in page(admin, "/alerts")
    post(admin, f"/alerts/actions/{mine}", deed=deed)
    assert "settled before" in page(admin, "/alerts")
    state, by = owner.execute("SELECT state, settled_by FROM action WHERE id = %s", (mine,)).fetchone()
    assert state == after and re.fullmatch(r"user:\d+", by)
    assert owner.execute("SELECT state FROM action WHERE id = %s", (foreign,)).fetchone() == (before,)


def test_an_approved_action_is_due_at_once_and_says_who_agreed(admin, owner, acme):
    mine = add_action(owner, acme, add_conversation(owner, acme))
    post(admin, f"/alerts/actions/{mine}", deed="approve")
    assert "Approved." in page(admin, "/alerts")
    is_due, by = owner.execute("SELECT next_at <= now(), approved_by FROM action WHERE id = %s", (mine,)).fetchone()
    assert is_due and by.startswith("user:")
    post(admin, f"/alerts/actions/{mine}", deed="approve")
    assert "settled before" in page(admin, "/alerts")


# Settings
