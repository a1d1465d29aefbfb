"""Pages that follow what happens: who hears of what and how soon, and what a page's script may fetch."""

import json
import time

import pytest

from console.app import create_app
from console.live_pages import MOST_WAITING, RELOAD, LivePages
from console.visitors import SESSION_KEY
from store.db import Database
from store.live_changes import KEPT_S, find_position, forget_changes, list_changes
from store.web_sessions import begin_session, end_session
from tests.integration.passes import run_all
from tests.integration.workplace import add_action, add_clock, add_conversation, add_person
from tests.webhooks import whatsapp_body, whatsapp_message

REFUND = "The parcel is late for the third time. I want my money back!"


@pytest.fixture
def app(settings):
    app = create_app({}, settings=settings)
    yield app
    app.extensions["database"].close()


@pytest.fixture
def acme(tenant_ids):
    return tenant_ids["acme"]


@pytest.fixture
def sign_in(app, owner, database, acme):
    """A browser in which somebody is signed in."""

    def make(role="agent", *, tenant_id=None):
        user_id = add_person(owner, tenant_id or acme, role=role)
        with database.system_transaction() as conn:
            token = begin_session(conn, user_id)
        client = app.test_client()
        with client.session_transaction() as session:
            session[SESSION_KEY] = token
        client.token = token
        return client

    return make


class Stream:
    """The events of one open page."""

    def __init__(self, client, tenant_id):
        self.answer = client.get(f"/events?tenant={tenant_id}", buffered=False)
        self._chunks = iter(self.answer.response)

    def next(self):
        """(event, data) of the next one."""
        while True:
            lines = dict(line.split(": ", 1) for line in next(self._chunks).decode().strip().split("\n"))
            if "event" in lines:
                return lines["event"], json.loads(lines["data"])


@pytest.fixture
def open_page(acme):
    streams = []

    def make(client, tenant_id=None):
        stream = Stream(client, tenant_id or acme)
        streams.append(stream)
        assert stream.next() == ("hello", {})
        return stream

    yield make
    for stream in streams:
        stream.answer.close()


def changes(database, position):
    with database.system_transaction() as conn:
        return list_changes(conn, position=position, limit=100)


@pytest.fixture
def position(database):
    with database.system_transaction() as conn:
        return find_position(conn)


def test_a_decision_is_told_within_a_second_and_only_to_its_tenant(
    sign_in, open_page, deps, receive, owner, tenant_ids, times
):
    ours = open_page(sign_in())
    theirs = open_page(sign_in(tenant_id=tenant_ids["other"]), tenant_ids["other"])
    (ref,) = receive(whatsapp_body(whatsapp_message(REFUND, timestamp=next(times))))
    run_all(deps, ref)
    decided = time.monotonic()
    conversation_id = str(owner.execute("SELECT id FROM conversation").fetchone()[0])
    kinds = set()
    while "reading" not in kinds:
        event, data = ours.next()
        assert event == "changed" and [one for one, _ in data] == [conversation_id]
        kinds |= set(data[0][1])
    assert time.monotonic() - decided < 1
    # The other tenant's page hears of its own conversation first.
    own = add_conversation(owner, tenant_ids["other"])
    assert theirs.next() == ("changed", [[own, ["work"]]])


def test_what_is_told_holds_ids_and_no_words(sign_in, open_page, deps, receive, times):
    page = open_page(sign_in())
    (ref,) = receive(whatsapp_body(whatsapp_message(REFUND, timestamp=next(times), name="Ada")))
    run_all(deps, ref)
    _, data = page.next()
    assert "Ada" not in json.dumps(data) and "parcel" not in json.dumps(data)
    assert page.answer.headers["X-Accel-Buffering"] == "no" and page.answer.content_type.startswith("text/event-stream")


def test_everything_that_a_page_shows_is_told_by_the_tables_themselves(owner, database, acme, position):
    one = add_conversation(owner, acme)
    steps = {
        "UPDATE conversation SET assignee_id = 7 WHERE id = %s": "work",
        "INSERT INTO message (tenant_id, conversation_id, channel, surface, account_id, provider_message_id, direction, message_type,"
        " text, sent_at, state, sender) VALUES (1, %s, 'whatsapp', 'dm', '1', 'x', 'inbound', 'text', 'hi', now(), 'received', '{}')": "message",
        "UPDATE message SET text = 'new' WHERE conversation_id = %s": "message",
        "INSERT INTO correction (tenant_id, message_id, field, old_value, new_value) SELECT tenant_id, id, 'intent', 'other', 'spam'"
        " FROM message WHERE conversation_id = %s": "reading",
    }
    for statement, kind in steps.items():
        before = changes(database, position).position
        owner.execute(statement.replace("(1,", f"({acme},"), (one,))
        found = changes(database, before).changes
        assert [(change.conversation_id, change.kind) for change in found] == [(one, kind)], statement
    before = changes(database, position).position
    add_clock(owner, acme, one, due_in_min=5)
    add_action(owner, acme, one, kind="reply")
    assert {change.kind for change in changes(database, before).changes} == {"work", "reply"}


def test_what_changes_nothing_and_what_the_pipeline_notes_for_itself_is_not_told(owner, database, acme, position):
    one = add_conversation(owner, acme)
    owner.execute(
        "INSERT INTO message (tenant_id, conversation_id, channel, surface, account_id, provider_message_id, direction, message_type,"
        " text, sent_at, state, sender) VALUES (%s, %s, 'whatsapp', 'dm', '1', 'x', 'inbound', 'text', 'hi', now(), 'received', '{}')",
        (acme, one),
    )
    before = changes(database, position).position
    owner.execute("UPDATE message SET state = 'minimized', minimized_text = 'hi'")
    owner.execute("UPDATE conversation SET version = version")
    assert changes(database, before).changes == ()


def test_a_transaction_that_ends_late_is_told_though_later_ones_were_told_before(
    owner, app_url, database, acme, position
):
    import psycopg

    one, two = add_conversation(owner, acme), add_conversation(owner, acme)
    before = changes(database, position).position
    with psycopg.connect(app_url) as slow:
        slow.execute("SELECT set_config('earshot.tenant', %s, true)", (str(acme),))
        slow.execute("UPDATE conversation SET version = 5 WHERE id = %s", (one,))
        owner.execute("UPDATE conversation SET version = 5 WHERE id = %s", (two,))
        look = changes(database, before)
        assert [change.conversation_id for change in look.changes] == [two]
        slow.commit()
    assert [change.conversation_id for change in changes(database, look.position).changes] == [one]


def test_more_than_can_be_told_at_once_is_not_told_one_by_one(owner, database, acme, position):
    for _ in range(3):
        add_conversation(owner, acme)
    with database.system_transaction() as conn:
        assert list_changes(conn, position=position, limit=2).changes is None


def test_old_changes_go(owner, database, acme):
    add_conversation(owner, acme)
    owner.execute("UPDATE live_change SET at = now() - make_interval(secs => %s)", (KEPT_S + 1,))
    add_conversation(owner, acme)
    with database.system_transaction() as conn:
        assert forget_changes(conn) == 1


def test_a_page_that_does_not_keep_up_is_told_to_look_at_everything(app_url, acme, owner):
    pages = LivePages(lambda: Database(app_url, pool_size=1))
    with pages.open_page(acme) as page:
        for number in range(MOST_WAITING + 1):
            page.tell(str(number))
        assert page.waiting.get_nowait() == RELOAD
        # And goes on from there.
        one = add_conversation(owner, acme)
        assert json.loads(page.waiting.get(timeout=2)) == [[one, ["work"]]]


def test_one_reader_serves_all_pages_and_ends_with_the_last(app_url, acme, owner):
    import threading

    for thread in threading.enumerate():
        if thread.name == "live-pages":  # of the test before, on its way out
            thread.join(10)
    pages = LivePages(lambda: Database(app_url, pool_size=1))
    with pages.open_page(acme) as first, pages.open_page(acme) as second:
        assert [thread.name for thread in threading.enumerate()].count("live-pages") == 1
        add_conversation(owner, acme)
        assert first.waiting.get(timeout=2) == second.waiting.get(timeout=2)
    for thread in threading.enumerate():
        if thread.name == "live-pages":
            thread.join(5)
            assert not thread.is_alive()
    # Its connection goes with it; Postgres notices a moment later.
    deadline = time.monotonic() + 10
    while owner.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()").fetchone() != (1,):
        assert time.monotonic() < deadline, "its connection stays"
        time.sleep(0.05)
    with pages.open_page(acme) as again:
        add_conversation(owner, acme)
        assert again.waiting.get(timeout=2)


def test_who_is_signed_out_hears_nothing_more(sign_in, open_page, database, acme, owner, monkeypatch):
    monkeypatch.setattr("console.pages.live.CHECK_S", 0.0)
    client = sign_in()
    page = open_page(client)
    with database.system_transaction() as conn:
        end_session(conn, client.token)
    add_conversation(owner, acme)
    page.next()
    assert page.next() == ("over", {})


def test_a_script_is_told_that_nobody_is_signed_in_or_that_the_tenant_is_another(app, sign_in, tenant_ids, acme):
    for path in ("/events", "/inbox/rows"):
        assert app.test_client().get(f"{path}?tenant={acme}").status_code == 401
        assert sign_in().get(f"{path}?tenant={tenant_ids['other']}").status_code == 409


def test_what_a_script_asks_by_itself_keeps_nobody_signed_in(sign_in, owner, acme):
    client = sign_in()
    owner.execute("UPDATE web_session SET seen_at = now() - interval '11 hours'")
    assert client.get(f"/inbox/rows?tenant={acme}").status_code == 200
    assert owner.execute("SELECT seen_at < now() - interval '10 hours' FROM web_session").fetchone() == (True,)


def test_rows_are_fetched_by_id_as_far_as_they_stand_in_the_list(sign_in, owner, acme, tenant_ids):
    mine = add_conversation(owner, acme, queue="senior", priority="P1")
    elsewhere = add_conversation(owner, acme, queue="sales")
    foreign = add_conversation(owner, tenant_ids["other"], queue="senior")
    ids = f"{mine},{elsewhere},{foreign}"
    page = sign_in().get(f"/inbox/rows?tenant={acme}&queue=senior&ids={ids}").text
    assert f'data-id="{mine}"' in page
    assert elsewhere not in page and foreign not in page
    assert "<html" not in page and 'data-part="queues"' in page
    assert sign_in().get(f"/inbox/rows?tenant={acme}&ids=1;DROP").status_code == 422


def test_the_words_of_a_conversation_are_fetched_and_the_reading_is_on_record(
    sign_in, deps, receive, owner, acme, tenant_ids, times
):
    receive(whatsapp_body(whatsapp_message(REFUND, timestamp=next(times))))
    (ref,) = receive(whatsapp_body(whatsapp_message("hello?", timestamp=next(times))))
    run_all(deps, ref)
    one = owner.execute("SELECT id FROM conversation").fetchone()[0]
    page = sign_in().get(f"/conversations/{one}/messages?tenant={acme}").text
    assert "hello?" in page and 'id="stands"' in page and "<html" not in page
    assert owner.execute("SELECT count(*) FROM conversation_access").fetchone() == (1,)
    stranger = sign_in(tenant_id=tenant_ids["other"])
    assert stranger.get(f"/conversations/{one}/messages?tenant={tenant_ids['other']}").status_code == 404


def test_who_opens_a_conversation_is_told_to_its_tenants_pages_and_stands_in_it(sign_in, open_page, owner, acme):
    ana, ben, conversation = sign_in(), sign_in(), add_conversation(owner, acme)
    page = open_page(ana)
    ben.get(f"/conversations/{conversation}")
    told = page.next()
    while told[1] != [[conversation, ["viewing"]]]:
        told = page.next()
    emails = dict(
        owner.execute("SELECT split_part(email, '@', 1), id FROM app_user ORDER BY id DESC LIMIT 2").fetchall()
    )
    anas, bens = sorted(emails, key=emails.get)
    seen = ana.get(f"/conversations/{conversation}").text
    assert f"{bens} looks at it too" in seen
    assert f"{anas} looks at it too" not in seen
    # Who has not looked for a while is no longer there.
    owner.execute("UPDATE conversation_access SET at = at - interval '2 minutes'")
    assert "looks at it too" not in ana.get(f"/conversations/{conversation}").text


def test_a_colleagues_claim_changes_what_an_open_page_offers(sign_in, owner, acme):
    ana, conversation = sign_in(), add_conversation(owner, acme)
    before = ana.get(f"/conversations/{conversation}/messages?tenant={acme}").text
    assert 'value="claim"' in before
    user_id = add_person(owner, acme, email="ben@example.com")
    owner.execute("UPDATE conversation SET assignee_id = %s WHERE id = %s", (user_id, conversation))
    after = ana.get(f"/conversations/{conversation}/messages?tenant={acme}").text
    assert "ben has it" in after
    assert 'value="claim"' not in after


def test_what_a_script_fetches_leaves_the_cookie_as_it_is(sign_in, acme):
    client = sign_in()
    with client.session_transaction() as session:
        session.permanent = True
    client.get("/inbox")
    assert "Set-Cookie" not in client.get(f"/inbox/rows?tenant={acme}").headers
