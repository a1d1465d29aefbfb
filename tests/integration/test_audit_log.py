"""The audit log: what gets into it, that it only grows, and how people and programs read it; with two tenants."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb

from console.app import create_app
from console.audit_words import ABOUT, SENTENCES
from store.action_desk import cancel_action
from store.audit_log import note_deed
from store.conversation_events import Actor, add_access
from store.users import create_api_key
from tests.integration.console_visitor import add_visitor, signed_in, words
from tests.integration.test_console_admin import add_egress, park
from tests.integration.workplace import add_action, add_conversation

HOSTILE = "=cmd|' /C calc'!A1<script>alert(1)</script>"


@pytest.fixture
def app(settings):
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
def note(database):
    def write(tenant_id, deed, *, by=None, subject=None, **details):
        with database.tenant_transaction(tenant_id) as conn:
            note_deed(conn, tenant_id, by=by, deed=deed, subject=subject, details=details)

    return write


def log_of(owner, tenant_id):
    return owner.execute(
        "SELECT deed, by_user_id, by_key_id, subject, details FROM audit_log WHERE tenant_id = %s ORDER BY id",
        (tenant_id,),
    ).fetchall()


def sentences(page):
    return [
        " ".join(re.sub(r"<[^>]+>", "", one).split()) for one in re.findall(r'<td class="deed">(.*?)</td>', page.text)
    ]


# It only grows


@pytest.mark.parametrize(
    "deed", ["UPDATE audit_log SET deed = 'nothing'", "DELETE FROM audit_log", "TRUNCATE audit_log"]
)
@pytest.mark.parametrize("scope", ["tenant", "system"])
def test_no_process_can_change_or_delete_a_line(app_url, note, owner, acme, deed, scope):
    note(acme, "signed_in")
    with psycopg.connect(app_url) as conn:
        conn.execute("SELECT set_config('earshot.tenant', %s, true)", (str(acme),))
        if scope == "system":
            conn.execute("SELECT set_config('earshot.scope', 'system', true)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute(deed)
    assert [row[0] for row in log_of(owner, acme)] == ["signed_in"]


@pytest.mark.parametrize("deed", ["UPDATE conversation_access SET messages = 0", "DELETE FROM conversation_access"])
def test_no_process_can_change_or_delete_a_reading(app_url, owner, database, acme, deed):
    with database.tenant_transaction(acme) as conn:
        add_access(conn, acme, add_conversation(owner, acme), actor=Actor(), messages=1)
    with psycopg.connect(app_url) as conn:
        conn.execute("SELECT set_config('earshot.tenant', %s, true)", (str(acme),))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute(deed)


def test_a_tenant_neither_reads_nor_writes_anothers_log(note, app_url, acme, other):
    note(other, "signed_in")
    with psycopg.connect(app_url) as conn:
        conn.execute("SELECT set_config('earshot.tenant', %s, true)", (str(acme),))
        assert conn.execute("SELECT count(*) FROM audit_log").fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("INSERT INTO audit_log (tenant_id, deed) VALUES (%s, 'signed_in')", (other,))


# The page


def test_deeds_stand_as_sentences_newest_first_and_lead_to_their_subject(
    boss, boss_id, note, owner, database, acme, other
):
    conversation, ann = add_conversation(owner, acme), add_visitor(owner, acme, email="ann@example.com")
    with database.system_transaction() as conn:
        key_id, _ = create_api_key(conn, tenant_id=acme, name="inbox", role="agent")
    note(acme, "role_changed", by=Actor(user_id=boss_id), subject=str(ann), before="agent", after="supervisor")
    note(acme, "key_made", by=None, subject=str(key_id), role="agent", **{"from": "command_line"})
    note(acme, "something_new", by=Actor(user_id=ann, key_id=key_id), subject="100%")
    note(acme, "sweep_started", by=None, subject=f"sweep:{uuid4()}", messages=1234)
    note(other, "signed_out", by=Actor(user_id=ann), subject=str(ann))
    with database.tenant_transaction(acme) as conn:
        add_access(conn, acme, conversation, actor=Actor(user_id=ann), messages=7)
    page = boss.get("/admin/audit-log")
    assert sentences(page) == [
        "ann@example.com read a conversation (7 messages).",
        "Earshot started a sweep of 1,234 messages.",
        "ann@example.com, by the key inbox: something new (100%)",
        "The command line made the API key inbox with the role agent.",
        "boss@example.com changed the role of ann@example.com from agent to supervisor.",
    ]
    for link in (f"/conversations/{conversation}", f"/admin/people/{ann}", '/admin/people"', "/admin/sweeps/"):
        assert f'href="{link}' in page.text


def test_hostile_subjects_and_details_do_nothing(boss, note, acme):
    note(acme, "something", subject=HOSTILE)
    note(acme, "settings_changed", subject="version:2", paths=[HOSTILE, "%(who)s %s %"])
    note(acme, "50%_of(%)s", subject=None)
    page = boss.get("/admin/audit-log")
    assert page.status_code == 200 and "<script>alert" not in page.text and len(sentences(page)) == 3


@pytest.mark.parametrize("language", ["de", "tr", "ar"])
def test_the_page_works_in_every_language(boss, note, acme, language):
    boss.client.set_cookie("language", language)
    for deed in SENTENCES:
        note(acme, deed, subject="1" if ABOUT.get(deed) in {"person", "key"} else "x")
    page = boss.get("/admin/audit-log")
    assert page.status_code == 200 and len(sentences(page)) == len(SENTENCES)


def test_the_address_narrows_the_log_and_pages_through_it_without_a_gap(boss, boss_id, note, owner, acme):
    ann = add_visitor(owner, acme, email="ann@example.com")
    owner.execute(
        "INSERT INTO audit_log (tenant_id, deed, by_user_id, subject) SELECT %s, 'link_made', %s, n::text FROM generate_series(1000, 1239) AS n",
        (acme, boss_id),
    )
    note(acme, "signed_out", by=Actor(user_id=ann), subject=str(ann))
    assert len(sentences(boss.get("/admin/audit-log", person=ann))) == 1
    assert len(sentences(boss.get("/admin/audit-log", deed="signed_out"))) == 1
    assert len(sentences(boss.get("/admin/audit-log", subject="1003"))) == 1
    assert len(sentences(boss.get("/admin/audit-log", subject="ann@example.com"))) == 1
    assert "Nothing fits" in boss.get("/admin/audit-log", subject="nothing").text
    seen, path = [], "/admin/audit-log?deed=link_made"
    while path:
        page = boss.get(path)
        seen += re.findall(r"#(1\d{3})\b", page.text)
        note(acme, "link_made", subject="1")  # what comes meanwhile moves nothing
        more = re.search(r'href="(/admin/audit-log\?before=[^"]+)"', page.text)
        path = more[1].replace("&amp;", "&") if more else None
    assert seen == [str(n) for n in range(1239, 999, -1)]


def test_days_are_the_tenants_own(boss, owner, database, acme):
    hours = {"time_zone": "Pacific/Kiritimati", "weekdays": {"mon": "09:00-18:00"}}  # UTC+14
    owner.execute("UPDATE tenant SET config = config || %s WHERE id = %s", (Jsonb({"hours": hours}), acme))
    day = datetime(2026, 3, 10, 11, 0, tzinfo=UTC)  # the 11th there
    owner.execute(
        "INSERT INTO audit_log (id, tenant_id, deed, at) VALUES (uuid_floor(%s::timestamptz), %s, 'signed_out', %s)",
        (day, acme, day),
    )
    assert len(sentences(boss.get("/admin/audit-log", since="2026-03-11", until="2026-03-11"))) == 1
    assert sentences(boss.get("/admin/audit-log", until="2026-03-10")) == []
    for wrong in ("yesterday", "0001-01-01", "9999-12-31", "2026-02-30"):
        assert boss.get("/admin/audit-log", since=wrong).status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        "before=x",
        "person=%00",
        "person=99999999999999999999",
        "person=-1",
        "deed=%00",
        "subject=%00",
        "subject=" + "x" * 5000,
        "deed=%F0%9F%98%80",
    ],
)
def test_addresses_that_make_no_sense_show_a_page(boss, query):
    assert boss.get(f"/admin/audit-log?{query}").status_code == 200


def test_the_file_holds_no_formula_and_its_reading_is_noted(boss, boss_id, note, owner, acme, other):
    note(acme, "something", subject=HOSTILE, why="+1")
    note(other, "something", subject="theirs")
    answer = boss.get("/admin/audit-log/log.csv", deed="something")
    assert answer.text.startswith("\ufeff") and answer.mimetype == "text/csv"
    (header, row) = csv.reader(io.StringIO(answer.text.removeprefix("\ufeff")))
    assert header == ["at", "who", "deed", "subject", "sentence", "details"]
    assert row[1:4] == ["Earshot", "something", "'" + HOSTILE] and datetime.fromisoformat(row[0]).tzinfo
    assert ("audit_log_exported", boss_id, None, None, {}) in log_of(owner, acme)


@pytest.mark.parametrize(("role", "status"), [("agent", 403), ("supervisor", 200), ("admin", 200), ("auditor", 200)])
def test_leaders_and_auditors_read_it(app, owner, acme, role, status):
    visitor = signed_in(app, add_visitor(owner, acme, role=role))
    assert visitor.get("/admin/audit-log").status_code == status
    assert visitor.get("/admin/audit-log/log.csv").status_code == status
    assert visitor.post("/admin/audit-log").status_code == 405


# The API


def test_programs_page_through_it(app, note, database, owner, acme, other, boss_id):
    with database.system_transaction() as conn:
        _, key = create_api_key(conn, tenant_id=acme, name="siem", role="auditor", scopes=["privacy"])
    for number in range(5):
        note(acme, "link_made", by=Actor(user_id=boss_id), subject=str(number))
    note(other, "link_made", subject="theirs")
    with database.tenant_transaction(acme) as conn:
        add_access(conn, acme, add_conversation(owner, acme), actor=Actor(user_id=boss_id), messages=2)
    client, head = app.test_client(), {"Authorization": f"Bearer {key}"}

    def read(**query):
        answer = client.get("/api/v1/audit-log", query_string=query, headers=head)
        return answer.json if answer.status_code == 200 else answer.status_code

    seen, cursor = [], {}
    while True:
        page = read(limit=2, **cursor)
        seen += page["deeds"]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert [one["deed"] for one in seen] == ["conversation_read"] + ["link_made"] * 5
    assert [one["subject"] for one in seen[1:]] == ["4", "3", "2", "1", "0"]
    assert {one["user_email"] for one in seen} == {"boss@example.com"}
    assert len(read(deed="conversation_read")["deeds"]) == 1 and len(read(subject="3")["deeds"]) == 1
    assert len(read(user_id=boss_id)["deeds"]) == 6 and read(user_id=boss_id + 1000)["deeds"] == []
    now = datetime.now(UTC)
    assert read(since=(now + timedelta(hours=1)).isoformat())["deeds"] == []
    assert len(read(until=(now + timedelta(hours=1)).isoformat())["deeds"]) == 6
    for wrong in (
        {"since": "2026-01-01"},
        {"cursor": "x"},
        {"limit": 0},
        {"deed": "x;y"},
        {"user_id": 0},
        {"colour": "red"},
    ):
        assert read(**wrong) == 422


# What gets into it


def test_what_people_do_on_the_pages_is_noted(app, boss, boss_id, owner, acme, other):
    conversation = add_conversation(owner, acme)
    actions = [add_action(owner, acme, conversation, state=state) for state in ("pending", "pending", "uncertain")]
    message_id, _ = park(owner, acme)
    park(owner, acme)
    entry = add_egress(owner, acme, message_id=message_id)
    boss.get("/admin/privacy")
    boss.get("/admin/privacy", message=message_id)
    boss.get(f"/admin/privacy/ledger/{entry}")
    boss.get("/admin/privacy/ledger.csv")
    for action_id, deed in zip(actions, ("approve", "reject", "arrived"), strict=True):
        for _ in range(2):  # what was settled before is not noted again
            boss.post(f"/admin/alerts/actions/{action_id}", deed=deed)
    boss.post(f"/admin/dead-letters/{message_id}")
    boss.post("/admin/dead-letters")
    boss.post("/admin/dead-letters")
    noted = [(row[0], row[3]) for row in log_of(owner, acme)]
    assert noted == [
        ("egress_searched", message_id),
        ("egress_read", entry),
        ("egress_exported", None),
        ("action_approved", actions[0]),
        ("action_rejected", actions[1]),
        ("action_settled", actions[2]),
        ("dead_letters_replayed", message_id),
        ("dead_letters_replayed", None),
    ]
    assert {row[1] for row in log_of(owner, acme)} == {boss_id} and log_of(owner, other) == []


def test_sweeps_are_noted_when_something_changes(boss, owner, acme):
    from tests.integration.sweeps.sweeping import seed

    seed(owner, acme, messages=3)
    page = boss.get("/admin/sweeps/plan")
    (period,) = re.findall(r'name="period" value="([^"]+)"', page.text)
    for _ in range(2):
        boss.post("/admin/sweeps", period=period)
    (sweep_id,) = owner.execute("SELECT id::text FROM sweep").fetchone()
    for deed in ("pause", "pause", "resume", "cancel"):
        boss.post(f"/admin/sweeps/{sweep_id}", deed=deed)
    assert [(row[0], row[3]) for row in log_of(owner, acme)] == [
        (deed, f"sweep:{sweep_id}") for deed in ("sweep_started", "sweep_paused", "sweep_resumed", "sweep_cancelled")
    ]


def test_what_is_done_at_the_machine_is_noted_without_a_name(database, owner, acme):
    action_id = add_action(owner, acme, add_conversation(owner, acme))
    with database.tenant_transaction(acme) as conn:
        assert cancel_action(conn, acme, action_id)
    ((deed, user_id, key_id, subject, details),) = log_of(owner, acme)
    assert (deed, user_id, key_id, subject) == ("action_rejected", None, None, action_id)
    assert details == {"kind": "send_refund_form", "from": "command_line"}


def test_a_reading_on_the_page_of_a_conversation_is_in_the_log(boss, owner, acme):
    conversation = add_conversation(owner, acme)
    boss.get(f"/conversations/{conversation}")
    assert "boss@example.com read a conversation" in words(boss.get("/admin/audit-log", deed="conversation_read"))
