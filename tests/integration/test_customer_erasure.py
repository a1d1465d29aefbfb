"""A customer is erased: nothing of them is left or comes back, whatever is under way, and a receipt says so without naming them."""

import base64
import json
from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from store import customer_erasure
from store.customer_erasure import ask_erasure, find_erasure
from store.customer_search import find_by_channel_id, find_by_id, find_by_phone
from store.intake import keep_unparsed_body
from store.merging import merge_customers
from tests.integration.passes import now, run_all, states
from tests.webhooks import (
    instagram_event,
    whatsapp_body,
    whatsapp_echo,
    whatsapp_edit,
    whatsapp_message,
    whatsapp_value,
)
from worker import analyze_step, delivery, erasing, reconcile, steps
from worker.provisional_reading import read_provisionally
from worker.stage import Next

PHONE = "905551112233"
NAME = "Ada Lovelacia"
WORDS = "my zeppelin is late and I want my money back"
WAMID = "wamid." + base64.b64encode(b"\x1e" + PHONE.encode() + b"\x15zz").decode()
MARKS = (PHONE, NAME, "zeppelin", WAMID, "Quixotic answer")


def everything(owner):
    """All that any table holds, bytes included."""
    tables = owner.execute(
        """
        SELECT c.relname FROM pg_class AS c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
        """
    ).fetchall()
    found = []
    for (name,) in tables:
        for row in owner.execute(f"SELECT * FROM {name}").fetchall():
            found += [
                bytes(one).decode(errors="replace") if isinstance(one, bytes | memoryview) else str(one) for one in row
            ]
    return "\n".join(found)


def hits(owner):
    held = everything(owner)
    return [mark for mark in MARKS if mark in held]


@pytest.fixture
def acme(tenant_ids):
    return tenant_ids["acme"]


def wrote(text=WORDS, **more):
    return whatsapp_body(whatsapp_message(text, sender=PHONE, name=NAME, **more))


def wrote_now(**more):
    """Within the window in which it may be answered."""
    return wrote(timestamp=str(int(datetime.now(UTC).timestamp())), **more)


def customer_of(owner, phone=PHONE):
    row = owner.execute("SELECT customer_id::text FROM customer_identity WHERE value = %s", (phone,)).fetchone()
    return row and row[0]


@pytest.fixture
def ask(deps, acme, owner):
    def ask(customer_id=None):
        with deps.database.tenant_transaction(acme) as conn:
            return ask_erasure(conn, acme, customer_id or customer_of(owner), by=None)

    return ask


@pytest.fixture
def erase(deps, acme, ask):
    def erase(customer_id=None):
        erasure_id = ask(customer_id)
        assert (acme, erasure_id) in erasing.take_due(deps)
        erasing.erase_customer(deps, tenant_id=acme, erasure_id=erasure_id)
        with deps.database.tenant_transaction(acme) as conn:
            return find_erasure(conn, acme, erasure_id)

    return erase


def test_nothing_of_the_customer_is_left_in_any_table(deps, receive, owner, acme, erase):
    (ref,) = receive(wrote(message_id=WAMID))
    for action_id in run_all(deps, ref):
        delivery.deliver_action(deps, tenant_id=acme, action_id=action_id, now=now())
    receive(whatsapp_value(messages=[whatsapp_edit(WAMID, "my zeppelin came", sender=PHONE)]))
    receive(whatsapp_echo("Quixotic answer", to=PHONE))
    reconcile.place_waiting(deps)
    with deps.database.system_transaction() as conn:
        keep_unparsed_body(conn, channel="whatsapp", reason="x", body=f'{{"from": "{PHONE}"'.encode())
        keep_unparsed_body(conn, channel="whatsapp", reason="x", body=b'{"from": "449999999999"')
    owner.execute(
        "INSERT INTO channel_notice (tenant_id, notice) VALUES (%s, %s)",
        (acme, json.dumps({"people": [["phone", PHONE]], "accepts": True, "at": None, "channel": "whatsapp"})),
    )
    assert set(hits(owner)) == set(MARKS)  # the search finds what is there
    labels = owner.execute("SELECT sentiment, intent FROM message_analysis ORDER BY id").fetchall()

    receipt = erase()

    assert hits(owner) == []
    assert receipt.state == "done" and receipt.counts["messages"] >= 2 and receipt.counts["conversations"] == 1
    assert receipt.counts["unread_bodies"] == 1 and receipt.counts["notices"] == 1
    assert owner.execute("SELECT customer_id FROM customer_erasure").fetchall() == [(None,)]
    assert owner.execute("SELECT count(*) FROM customer").fetchone() == (0,)
    assert set(states(owner)) == {"erased"}
    # Labels and costs stay, without a person.
    assert owner.execute("SELECT sentiment, intent FROM message_analysis ORDER BY id").fetchall() == labels
    (deed, subject) = owner.execute("SELECT deed, subject FROM audit_log WHERE deed = 'customer_erased'").fetchone()
    assert subject == f"erasure:{receipt.id}"


def test_another_customer_loses_nothing(deps, receive, owner, erase):
    (ref,) = receive(wrote())
    (other,) = receive(whatsapp_body(whatsapp_message("where is it?", sender="905559998877", name="Bob")))
    run_all(deps, ref)
    run_all(deps, other)
    erase()
    assert owner.execute("SELECT text, state FROM message WHERE id = %s", (other.message_id,)).fetchone() == (
        "where is it?",
        "done",
    )
    assert customer_of(owner, "905559998877")


def test_a_repetition_brings_nothing_back_and_a_new_message_is_from_somebody_new(deps, receive, owner, erase):
    body = wrote(message_id=WAMID)
    (ref,) = receive(body)
    run_all(deps, ref)
    before = customer_of(owner)
    erase()
    assert receive(body) == []
    assert hits(owner) == []
    later = str(int((datetime.now(UTC) + timedelta(minutes=1)).timestamp()))
    (new,) = receive(wrote("hello, I am back", timestamp=later))
    run_all(deps, new)
    assert customer_of(owner) not in {None, before}
    assert owner.execute("SELECT count(*) FROM message WHERE state <> 'erased'").fetchone() == (1,)


@pytest.mark.parametrize("stage", ["received", "minimized", "analyzed", "persisted", "routed"])
def test_a_message_in_mid_chain_stops_without_effect(deps, receive, owner, acme, erase, stage):
    receive(wrote("hello"))
    reconcile.tick(deps)
    (first,) = receive(wrote(message_id="wamid.first"))
    steps.minimize(deps, first)
    (ref,) = receive(wrote(message_id=WAMID))
    chain = [
        lambda: steps.minimize(deps, ref),
        lambda: analyze_step.analyze(deps, ref),
        lambda: steps.persist(deps, ref),
        lambda: steps.route(deps, ref, now=now()).verdict,
        lambda: steps.crm_sync(deps, ref),
    ]
    position = ["received", "minimized", "analyzed", "persisted", "routed"].index(stage)
    for step in chain[:position]:
        assert step() is Next.GO_ON
    erase()
    for step in chain[position:]:
        assert step() is Next.STOP
    read_provisionally(deps, ref)
    assert hits(owner) == []
    assert (
        owner.execute("SELECT count(*) FROM run WHERE state <> 'dead'").fetchone()[0] <= 1
    )  # "hello", which nobody has placed
    assert owner.execute("SELECT count(*) FROM action").fetchone() == (0,)
    assert owner.execute("SELECT count(*) FROM crm_state").fetchone() == (0,)


def test_an_answer_that_is_under_way_is_not_stored(deps, receive, owner, standins, erase, monkeypatch):
    (ref,) = receive(wrote(message_id=WAMID))
    steps.minimize(deps, ref)
    analyzer = deps.analyzer
    asked = type(analyzer).analyze

    def erased_meanwhile(self, *given, **more):
        answer = asked(self, *given, **more)
        erase()
        return answer

    monkeypatch.setattr(type(analyzer), "analyze", erased_meanwhile)
    assert analyze_step.analyze(deps, ref) is Next.STOP
    assert hits(owner) == []
    assert owner.execute("SELECT count(*) FROM message_analysis").fetchone() == (0,)


def test_what_was_written_before_and_comes_late_is_not_taken_in(deps, receive, owner, erase):
    (ref,) = receive(wrote())
    run_all(deps, ref)
    erase()
    (late,) = receive(wrote("my zeppelin again", message_id=WAMID))  # sent before, delivered for the first time
    assert steps.minimize(deps, late) is Next.STOP
    receive(whatsapp_echo("Quixotic answer", to=PHONE))
    reconcile.place_waiting(deps)
    receive(
        whatsapp_value(
            field="user_preferences",
            user_preferences=[
                {
                    "wa_id": PHONE,
                    "detail": "x",
                    "category": "marketing_messages",
                    "value": "stop",
                    "timestamp": "1790000000",
                }
            ],
            contacts=[{"profile": {"name": NAME}, "wa_id": PHONE}],
        )
    )
    assert hits(owner) == []
    assert owner.execute("SELECT count(*) FROM customer").fetchone() == (0,)
    assert owner.execute("SELECT count(*) FROM run").fetchone() == (0,)


def test_a_parked_message_that_never_found_its_customer_goes_too(deps, receive, owner, erase):
    (ref,) = receive(wrote("hello"))
    run_all(deps, ref)
    (parked,) = receive(wrote(message_id=WAMID))
    steps.bury_run(deps, parked, error_code="bug_X")
    erase()
    assert hits(owner) == []
    assert owner.execute("SELECT count(*) FROM run").fetchone() == (0,)


def test_a_send_that_is_on_its_way_is_waited_for_and_leaves_nothing(deps, receive, owner, acme, ask, monkeypatch):
    (ref,) = receive(wrote_now(message_id=WAMID))
    (action_id, *_) = run_all(deps, ref)
    channel = type(deps.channels["whatsapp"])
    send = channel.send
    said = []

    def erased_meanwhile(self, *given, **more):
        erasure_id = ask()
        erasing.erase_customer(deps, tenant_id=acme, erasure_id=erasure_id)
        with deps.database.tenant_transaction(acme) as conn:
            said.append((erasure_id, find_erasure(conn, acme, erasure_id).state))
        return send(self, *given, **more)

    monkeypatch.setattr(channel, "send", erased_meanwhile)
    delivery.deliver_action(deps, tenant_id=acme, action_id=action_id, now=now())
    ((erasure_id, state),) = said
    assert state == "waiting"
    erasing.erase_customer(deps, tenant_id=acme, erasure_id=erasure_id)
    assert hits(owner) == []
    assert owner.execute("SELECT state FROM customer_erasure").fetchall() == [("done",)]


def test_a_send_that_ends_after_the_erasure_leaves_nothing(deps, receive, owner, acme, ask, monkeypatch):
    (ref,) = receive(wrote_now(message_id=WAMID))
    (action_id, *_) = run_all(deps, ref)
    channel = type(deps.channels["whatsapp"])
    send = channel.send

    def erased_meanwhile(self, *given, **more):
        erasure_id = ask()
        owner.execute("UPDATE customer_erasure SET requested_at = now() - interval '1 minute'")
        erasing.erase_customer(deps, tenant_id=acme, erasure_id=erasure_id)
        return send(self, *given, **more)

    monkeypatch.setattr(channel, "send", erased_meanwhile)
    delivery.deliver_action(deps, tenant_id=acme, action_id=action_id, now=now())
    assert owner.execute("SELECT state FROM customer_erasure").fetchall() == [("done",)]
    assert hits(owner) == []
    assert owner.execute("SELECT count(*) FROM message WHERE state <> 'erased'").fetchone() == (0,)


def test_nothing_more_is_sent_from_the_moment_somebody_asks(deps, receive, owner, acme, ask, standins):
    (ref,) = receive(wrote_now())
    actions = run_all(deps, ref)
    assert actions
    ask()
    for action_id in actions:
        delivery.deliver_action(deps, tenant_id=acme, action_id=action_id, now=now())
    received = httpx2.get(f"{standins['graph']}/_received").text
    assert "/messages" not in received


def test_merged_identities_go_together(deps, receive, owner, acme, erase):
    (one,) = receive(wrote())
    run_all(deps, one)
    body = whatsapp_body(whatsapp_message("me again", sender=PHONE, name=NAME, from_user_id="TR.9988776655"))
    (two,) = receive(body)
    run_all(deps, two)
    kinds = owner.execute("SELECT kind FROM customer_identity ORDER BY kind").fetchall()
    assert {kind for (kind,) in kinds} >= {"phone"}
    erase()
    assert owner.execute("SELECT count(*) FROM customer_identity").fetchone() == (0,)
    assert "TR.9988776655" not in everything(owner)


def test_who_turns_out_to_be_somebody_else_while_waiting_is_erased_all_the_same(deps, receive, owner, acme, ask):
    (one,) = receive(wrote(message_id=WAMID))
    steps.minimize(deps, one)
    (two,) = receive(whatsapp_body(whatsapp_message("it is me, Ada Lovelacia", sender="905550001122", name=NAME)))
    steps.minimize(deps, two)
    older, younger = customer_of(owner), customer_of(owner, "905550001122")
    erasure_id = ask(younger)
    with deps.database.tenant_transaction(acme) as conn:
        assert merge_customers(conn, acme, older, younger) == older
    erasing.erase_customer(deps, tenant_id=acme, erasure_id=erasure_id)
    assert hits(owner) == [] and "905550001122" not in everything(owner)
    assert owner.execute("SELECT state, counts ->> 'identities' FROM customer_erasure").fetchall() == [("done", "2")]


def test_a_long_history_goes_in_steps_and_a_killed_worker_loses_none(deps, receive, owner, acme, ask, monkeypatch):
    monkeypatch.setattr(customer_erasure, "MESSAGES_AT_ONCE", 2)
    for number in range(5):
        (ref,) = receive(wrote(f"zeppelin {number}"))
        steps.minimize(deps, ref)
    erasure_id = ask()
    for expected in ("more", "more", "more", "more", "done", "done"):
        with deps.database.tenant_transaction(acme) as conn:
            step = customer_erasure.erase_some(conn, acme, erasure_id, pepper=deps.dedupe_pepper)
        assert step == expected
        if expected == "more":  # a worker that dies within a step: nothing of the step is kept
            with deps.database.tenant_transaction(acme) as conn:
                customer_erasure.erase_some(conn, acme, erasure_id, pepper=deps.dedupe_pepper)
                conn.rollback()
    assert hits(owner) == []
    assert owner.execute("SELECT counts ->> 'messages' FROM customer_erasure").fetchone() == ("5",)


def test_asking_twice_is_one_request(ask, receive, deps, owner):
    (ref,) = receive(wrote())
    steps.minimize(deps, ref)
    assert ask() == ask()
    assert owner.execute("SELECT count(*) FROM audit_log WHERE deed = 'customer_erased'").fetchone() == (1,)


def test_the_crm_is_asked_and_the_receipt_says_how_far_it_is(deps, receive, owner, acme, erase):
    (ref,) = receive(wrote())
    run_all(deps, ref)
    owner.execute(
        "INSERT INTO crm_link (customer_id, tenant_id, record_id, linked_because) VALUES (%s, %s, '77', 'phone')",
        (customer_of(owner), acme),
    )
    assert erase().crm_pending == 1
    owner.execute("UPDATE crm_erasure SET state = 'done'")
    with deps.database.tenant_transaction(acme) as conn:
        (receipt,) = customer_erasure.list_erasures(conn, acme, limit=5)
    assert (receipt.crm_pending, receipt.crm_done) == (0, 1)


@pytest.mark.parametrize(
    "written", ["+90 555 111 22 33", "0090 (555) 111-2233", "0555 111 22 33", "905551112233", "٠٥٥٥١١١٢٢٣٣"]
)
def test_a_phone_is_found_however_it_is_written(deps, receive, acme, written):
    (ref,) = receive(wrote())
    steps.minimize(deps, ref)
    with deps.database.tenant_transaction(acme) as conn:
        (found,) = find_by_phone(conn, acme, written, region="TR")
        assert find_by_id(conn, acme, found.customer_id) == find_by_channel_id(conn, acme, PHONE) == [found]
        assert (found.name, found.messages) == (NAME, 1)
        assert find_by_id(conn, acme, "no id") == find_by_phone(conn, acme, "", region="TR") == []


def test_an_instagram_customer_is_found_and_erased(deps, receive, owner, acme, erase):
    (ref,) = receive(
        instagram_event({"message": {"mid": "m-zeppelin", "text": WORDS}}, sender="424242424242"), kind="instagram"
    )
    run_all(deps, ref)
    with deps.database.tenant_transaction(acme) as conn:
        (found,) = find_by_channel_id(conn, acme, "424242424242")
    erase(found.customer_id)
    held = everything(owner)
    assert "zeppelin" not in held and "424242424242" not in held


def test_another_tenant_can_neither_find_nor_erase_them(deps, receive, owner, tenant_ids):
    (ref,) = receive(wrote())
    steps.minimize(deps, ref)
    with deps.database.tenant_transaction(tenant_ids["other"]) as conn:
        assert ask_erasure(conn, tenant_ids["other"], customer_of(owner), by=None) is None
        assert find_by_phone(conn, tenant_ids["other"], PHONE, region="TR") == []
