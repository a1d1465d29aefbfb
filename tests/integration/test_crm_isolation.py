"""A CRM that is dead holds up nothing but its own tenant's cards, and many tenants at once hold up each other in nothing."""

import contextlib
import gc
import random
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from config.tenant_file import parse_tenant_file
from crm_sync.base import CrmError
from crm_sync.hubspot import HubSpot
from crm_sync.metering import Usage
from store.crm_connections import list_tenants_with_work, take_turn
from store.crm_links import link_customer
from store.crm_states import mark_dirty
from store.sweeps import mark_customers
from store.tenants import apply_tenant
from tests.conftest import ACME
from tests.crm_accounts import Account, differences
from tests.crm_portals import PORTALS
from tests.integration.crm_tenants import (
    add_labelled_customers,
    add_messages,
    add_tenant,
    count_dirty,
    fill,
    link,
    make_dirty,
)
from tests.integration.passes import run_all
from tests.webhooks import whatsapp_body, whatsapp_message
from worker import crm_outbox
from worker.crm_flush import flush_crm
from worker.crm_meter import LEFT_HOLDS_S, AccountMeter
from worker.crm_seats import Seats
from worker.crm_values import read_stale_values
from worker.deps import build_deps
from worker.roles import ROLES

# Minutes together, most of it waiting: the full run has them.
pytestmark = pytest.mark.slow

HTML = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>"


class DeadServer:
    """Accepts; then says nothing, or a proxy's page. calls: how many connections it got."""

    def __init__(self, how):
        self.how, self.calls, self._kept = how, 0, []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        if how == "refuses":
            self._listener.close()
        else:
            threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.calls += 1
                self._kept.append(connection)
                if self.how == "html":
                    connection.settimeout(2)
                    connection.recv(65_536)
                    connection.sendall(HTML)
                    connection.close()

    def stop(self):
        self._listener.close()
        for connection in self._kept:
            connection.close()


@pytest.fixture
def timeout_s(request, monkeypatch):
    """How long HubSpot's adapter waits for an answer, so that tests need not wait fifteen seconds."""
    seconds = getattr(request, "param", 1.5)
    monkeypatch.setitem(HubSpot.__init__.__kwdefaults__, "timeout_s", seconds)
    return seconds


@pytest.fixture
def dead(request):
    server = DeadServer(request.param)
    yield server
    server.stop()


@pytest.fixture
def deps_with(settings, deps):
    """Dependencies of a worker for which HubSpot is at this address."""
    built = []

    def build(url):
        built.append(build_deps(settings.model_copy(update={"hubspot_api_url": url})))
        return built[-1]

    yield build
    for one in built:
        one.database.close()


@pytest.fixture
def add_ready_tenant(deps, owner, keyring, standins):
    """A tenant whose linked customers all have to be written."""

    def add(kind, slug, *, customers=10, **more):
        portal = PORTALS[kind](standins[kind])
        tenant_id = add_tenant(deps.database, keyring, slug, kind, portal.credentials, **more)
        people = add_labelled_customers(owner, tenant_id, count=customers)
        link(owner, tenant_id, dict(zip(people, fill(kind, portal, count=customers), strict=True)))
        make_dirty(owner, people)
        return tenant_id, people, portal

    return add


def connection(owner, tenant_id):
    """(tries, seconds still held, why)"""
    return owner.execute(
        "SELECT tries, extract(epoch FROM held_until - now())::float, held_because FROM crm_connection WHERE tenant_id = %s",
        (tenant_id,),
    ).fetchone()


@pytest.mark.parametrize(
    ("dead", "because"),
    [("hangs", "no_answer"), ("refuses", "no_connection"), ("html", "answer_not_json")],
    indirect=["dead"],
)
def test_a_dead_crm_waits_in_growing_pauses_and_catches_up_and_nobody_else_waits(
    deps, deps_with, dead, because, owner, keyring, receive, tenant_ids, times, timeout_s, add_ready_tenant
):
    sick_deps, sick = deps_with(dead.url), tenant_ids["acme"]
    well, _, _ = add_ready_tenant("zoho", "well")
    hubspot = PORTALS["hubspot"](deps.settings.hubspot_api_url)
    with deps.database.system_transaction() as conn:
        text = ACME.replace("acme-hubspot", hubspot.credentials["token"])
        apply_tenant(conn, parse_tenant_file(text, source="test", environ={}), keyring=keyring)
    people = add_labelled_customers(owner, sick, count=10)
    link(owner, sick, dict(zip(people, fill("hubspot", hubspot, count=10), strict=True)))
    make_dirty(owner, people)

    (ref,) = receive(whatsapp_body(whatsapp_message("Hello", timestamp=next(times))))
    run_all(deps, ref)  # what is loaded at the first message is there
    hanging = threading.Thread(target=flush_crm, args=(sick_deps,), kwargs={"tenant_id": sick})
    hanging.start()
    began = time.monotonic()
    flush_crm(deps, tenant_id=well)
    (ref,) = receive(whatsapp_body(whatsapp_message("I want my money back!", timestamp=next(times))))
    run_all(deps, ref)
    spent_s = time.monotonic() - began
    assert count_dirty(owner, well) == 0
    assert spent_s < 10, "on a busy machine; the answer that never comes is waited for longer in life"
    hanging.join(20)
    assert not hanging.is_alive()

    pauses = []
    owner.execute("UPDATE crm_connection SET held_until = now() WHERE tenant_id = %s", (sick,))
    flush_crm(sick_deps, tenant_id=sick)
    for expected_tries in (2, 3, 4, 5):
        tries, pause_s, why = connection(owner, sick)
        assert (tries, why) == (expected_tries, because)
        pauses.append(pause_s)
        # However slow this machine is, the pause is not over.
        owner.execute(
            "UPDATE crm_connection SET held_until = now() + interval '1 minute' WHERE tenant_id = %s", (sick,)
        )
        with deps.database.system_transaction() as conn:
            assert sick not in list_tenants_with_work(conn), "nobody rings a CRM that rests"
        calls = dead.calls
        flush_crm(sick_deps, tenant_id=sick)
        assert dead.calls == calls, "a CRM that rests is not asked"
        owner.execute("UPDATE crm_connection SET held_until = now() WHERE tenant_id = %s", (sick,))
        if expected_tries < 5:
            flush_crm(sick_deps, tenant_id=sick)
    assert all(later > earlier * 1.5 for earlier, later in zip(pauses, pauses[1:], strict=False)), pauses
    assert count_dirty(owner, sick) == 11, "nothing is lost"

    owner.execute("UPDATE crm_state SET next_at = now()")
    flush_crm(deps, tenant_id=sick)
    account = Account("hubspot", deps.settings.hubspot_api_url, hubspot.credentials)
    assert differences(account, owner, deps.database, sick) == []
    assert count_dirty(owner, sick) == 0
    assert connection(owner, sick) == (0, None, None)


class Ringing:
    """A worker's threads and the reconciler that rings them, as Celery would: first come, first served."""

    def __init__(self, deps, *, threads=ROLES["crm"].concurrency, every_s=0.25):
        self._deps, self._every_s = deps, every_s
        self._stopped = threading.Event()
        self._threads = ThreadPoolExecutor(threads)
        self._ringer = threading.Thread(target=self._ring)
        self.failures = []

    def _ring(self):
        while not self._stopped.wait(self._every_s):
            with self._deps.database.system_transaction() as conn:
                tenants = list_tenants_with_work(conn)
            for tenant_id in tenants:
                self._threads.submit(self._flush, tenant_id)

    def _flush(self, tenant_id):
        if self._stopped.is_set():
            return
        try:
            flush_crm(self._deps, tenant_id=tenant_id)
        except Exception as error:
            self.failures.append(error)

    def __enter__(self):
        self._ringer.start()
        return self

    def __exit__(self, *_):
        self._stopped.set()
        self._ringer.join()
        self._threads.shutdown()


@pytest.mark.slow
@pytest.mark.parametrize("dead", ["hangs"], indirect=True)
@pytest.mark.parametrize("timeout_s", [4.0], indirect=True)
def test_sixty_tenants_whose_crm_hangs_leave_threads_for_the_others(
    deps_with, dead, timeout_s, deps, owner, keyring, add_ready_tenant
):
    well, people, _ = add_ready_tenant("zoho", "well", customers=1)
    flush_crm(deps, tenant_id=well)
    for number in range(60):
        tenant_id = add_tenant(deps.database, keyring, f"sick-{number}", "hubspot", {"token": f"sick-{number}"})
        sick = add_labelled_customers(owner, tenant_id, count=1)
        link(owner, tenant_id, {sick[0]: "1"})
        make_dirty(owner, sick)
    delays = []
    with Ringing(deps_with(dead.url)) as ringing:
        until = time.monotonic() + 12
        time.sleep(0.6)  # the dead ones are first
        while time.monotonic() < until:
            add_messages(owner, well, people, sentiment=random.choice(["negative", "positive"]))
            began = time.monotonic()
            make_dirty(owner, people)
            while count_dirty(owner, well):
                time.sleep(0.02)
                assert time.monotonic() - began < 30
            delays.append(time.monotonic() - began)
            time.sleep(0.3)
    tries = owner.execute("SELECT min(tries), max(tries) FROM crm_connection WHERE kind = 'hubspot'").fetchone()
    print(
        f"{len(delays)} writes of the well tenant, the slowest after {max(delays):.2f} s; the sick ones' tries {tries}"
    )
    assert ringing.failures == []
    assert max(delays) < timeout_s / 2
    assert dead.calls >= 30, "the dead ones were tried"


def test_seats_are_limited_by_kind_and_by_trouble_and_given_back():
    seats = Seats(of_one_kind=3, in_trouble=2)
    with contextlib.ExitStack() as taken:
        for wanted in (True, True, False):
            assert taken.enter_context(seats.seat("hubspot", is_troubled=True)) is wanted
        assert taken.enter_context(seats.seat("hubspot", is_troubled=False))
        assert not taken.enter_context(seats.seat("hubspot", is_troubled=False))
        assert taken.enter_context(seats.seat("zoho", is_troubled=False))
        assert not taken.enter_context(seats.seat("zoho", is_troubled=True))
    with seats.seat("hubspot", is_troubled=True) as has_seat:
        assert has_seat


def add_notes(owner, tenant_id, people):
    """One note for each."""
    owner.execute(
        """
        INSERT INTO crm_event (tenant_id, customer_id, message_id, key, kind, subject, body, due_at)
        SELECT %s, id, uuidv7(), uuidv7() || ':note', 'note', 'P1', 'because', now() FROM unnest(%s::uuid[]) AS given (id)
        """,
        (tenant_id, people),
    )


@pytest.mark.timeout(120)
@pytest.mark.slow
def test_fifty_tenants_ringing_at_once_lose_no_row_and_lock_no_one_out(
    deps, deps_with, settings, owner, database, add_ready_tenant
):
    kinds = list(PORTALS)
    tenants = {}
    for number in range(50):
        kind = kinds[number % 4]
        tenant_id, people, portal = add_ready_tenant(kind, f"tenant-{number}", customers=8)
        add_notes(owner, tenant_id, people)
        tenants[tenant_id] = (kind, people, portal)
    (deadlocks_before,) = owner.execute(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    ).fetchone()
    lot = random.Random(7)

    def write_on(tenant_id, people):
        """Messages keep coming while the cards are written, in any order; a sweep marks all of them at once."""
        for customer_id in lot.sample(people, len(people)):
            with database.tenant_transaction(tenant_id) as conn:
                mark_dirty(conn, tenant_id, customer_id, because="message")
        with database.tenant_transaction(tenant_id) as conn:
            mark_customers(conn, tenant_id, people)

    began = time.monotonic()
    # Two worker processes, each ringing every tenant by itself.
    with Ringing(deps) as one, Ringing(deps_with(settings.hubspot_api_url)) as other:
        for tenant_id, (_, people, _) in tenants.items():
            add_messages(owner, tenant_id, people, sentiment="negative")
            write_on(tenant_id, people)
        while owner.execute(
            "SELECT (SELECT count(*) FROM crm_state WHERE version > written_version) "
            "+ (SELECT count(*) FROM crm_event WHERE state = 'pending')"
        ).fetchone()[0]:
            assert time.monotonic() - began < 60, owner.execute(
                "SELECT kind, held_because, count(*) FROM crm_connection GROUP BY 1, 2"
            ).fetchall()
            time.sleep(0.1)
    print(f"50 tenants, 400 cards and 400 notes after {time.monotonic() - began:.1f} s")
    assert one.failures == other.failures == []
    assert owner.execute("SELECT count(*) FROM crm_event WHERE state <> 'sent'").fetchone() == (0,)
    urls = {kind: getattr(portal, "_http", None) or portal.http for kind, _, portal in tenants.values()}
    for tenant_id, (kind, _, portal) in tenants.items():
        account = Account(kind, str(urls[kind].base_url), portal.credentials)
        assert differences(account, owner, database, tenant_id) == []
    (deadlocks,) = owner.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").fetchone()
    assert deadlocks == deadlocks_before


def pick_record(deps, tenant_id, customer_id, record_id):
    """A person says whose record it is."""
    with deps.database.tenant_transaction(tenant_id) as conn:
        assert link_customer(conn, tenant_id, customer_id=customer_id, record_id=record_id, matched_on="person")


def once(work):
    """The first call only."""
    done = []

    def call(*_, **__):
        if not done:
            done.append(True)
            work()

    return call


def during(monkeypatch, name, work):
    """Have `work` done once while HubSpot is busy with this."""
    real = getattr(HubSpot, name)
    call = once(work)

    def busy(self, *arguments, **more):
        result = real(self, *arguments, **more)
        call()
        return result

    monkeypatch.setattr(HubSpot, name, busy)


def test_a_record_that_a_person_picks_while_the_old_one_is_written_gets_the_labels(
    deps, owner, monkeypatch, add_ready_tenant
):
    tenant_id, (customer_id,), portal = add_ready_tenant("hubspot", "picked", customers=1)
    (other,) = fill("hubspot", portal, count=1)
    during(monkeypatch, "write", lambda: pick_record(deps, tenant_id, customer_id, other))
    flush_crm(deps, tenant_id=tenant_id)
    owner.execute("UPDATE crm_state SET next_at = now()")
    flush_crm(deps, tenant_id=tenant_id)
    account = Account("hubspot", deps.settings.hubspot_api_url, portal.credentials)
    assert differences(account, owner, deps.database, tenant_id) == []
    assert account.contacts()[other], "the picked card says what is to be said"


def test_a_record_that_a_person_picks_while_the_old_one_turns_out_gone_stays_picked(
    deps, owner, monkeypatch, add_ready_tenant
):
    tenant_id, (customer_id,), portal = add_ready_tenant("hubspot", "picked-gone", customers=1)
    add_notes(owner, tenant_id, [customer_id])
    (gone,) = owner.execute("SELECT record_id FROM crm_link WHERE tenant_id = %s", (tenant_id,)).fetchone()
    (other,) = fill("hubspot", portal, count=1)
    account = Account("hubspot", deps.settings.hubspot_api_url, portal.credentials)
    account.delete_contact(gone)
    during(monkeypatch, "emit", lambda: pick_record(deps, tenant_id, customer_id, other))
    flush_crm(deps, tenant_id=tenant_id)
    owner.execute("UPDATE crm_event SET next_at = now()")
    owner.execute("UPDATE crm_state SET next_at = now()")
    flush_crm(deps, tenant_id=tenant_id)
    assert owner.execute("SELECT record_id FROM crm_link WHERE tenant_id = %s", (tenant_id,)).fetchone() == (other,)
    assert differences(account, owner, deps.database, tenant_id) == []


def test_a_worker_that_lost_its_turn_does_not_leave_its_old_labels_on_the_card(
    deps, owner, monkeypatch, add_ready_tenant
):
    tenant_id, people, portal = add_ready_tenant("hubspot", "slow", customers=1)
    session_write, stale = HubSpot.write, []

    def another_worker_writes_newer_labels():
        owner.execute("UPDATE crm_connection SET flush_lease_until = now() - interval '1 s'")
        add_messages(owner, tenant_id, people, sentiment="positive")
        make_dirty(owner, people)
        monkeypatch.setattr(HubSpot, "write", session_write)
        flush_crm(deps, tenant_id=tenant_id)
        assert count_dirty(owner, tenant_id) == 0

    def late(self, writes):
        # The worker stood still before its request left.
        stale.append(True)
        another_worker_writes_newer_labels()
        return session_write(self, writes)

    monkeypatch.setattr(HubSpot, "write", late)
    flush_crm(deps, tenant_id=tenant_id)
    assert stale
    owner.execute("UPDATE crm_state SET next_at = now()")
    flush_crm(deps, tenant_id=tenant_id)
    account = Account("hubspot", deps.settings.hubspot_api_url, portal.credentials)
    assert differences(account, owner, deps.database, tenant_id) == []


@pytest.mark.parametrize("dead", ["refuses"], indirect=True)
def test_an_outage_uses_up_none_of_the_tries_of_a_note(deps, deps_with, dead, owner, monkeypatch, add_ready_tenant):
    tenant_id, people, portal = add_ready_tenant("hubspot", "outage", customers=1)
    flush_crm(deps, tenant_id=tenant_id)
    add_notes(owner, tenant_id, people)
    away = deps_with(dead.url)
    monkeypatch.setattr("crm_sync.client.BLIP_WAITS_S", (0.0, 0.0))
    for _ in range(crm_outbox.MAX_TRIES + 5):
        owner.execute("UPDATE crm_connection SET held_until = NULL")
        flush_crm(away, tenant_id=tenant_id)
    owner.execute("UPDATE crm_connection SET held_until = NULL")
    # The first word of a CRM that is back is no good one for this note.
    real = HubSpot.emit
    refusal = CrmError("no_result", permanent=False)
    monkeypatch.setattr(HubSpot, "emit", lambda _self, events: [crm_outbox.Outcome(one.key, refusal) for one in events])
    flush_crm(deps, tenant_id=tenant_id)
    monkeypatch.setattr(HubSpot, "emit", real)
    owner.execute("UPDATE crm_event SET next_at = now()")
    flush_crm(deps, tenant_id=tenant_id)
    assert owner.execute("SELECT state FROM crm_event WHERE tenant_id = %s", (tenant_id,)).fetchone() == ("sent",)
    account = Account("hubspot", deps.settings.hubspot_api_url, portal.credentials)
    assert differences(account, owner, deps.database, tenant_id) == []


def test_a_bug_of_ours_is_held_like_trouble_and_quotes_nothing(deps, owner, monkeypatch, capfd, add_ready_tenant):
    tenant_id, _, _ = add_ready_tenant("hubspot", "bug", customers=1)

    def broken(_self, _writes):
        raise KeyError("+905551112233 is what the customer wrote")

    monkeypatch.setattr(HubSpot, "write", broken)
    flush_crm(deps, tenant_id=tenant_id)
    tries, pause_s, why = connection(owner, tenant_id)
    assert (tries, why) == (1, "bug_KeyError")
    assert pause_s > 0
    assert "905551112233" not in "".join(capfd.readouterr())
    with deps.database.tenant_transaction(tenant_id) as conn:
        owner.execute("UPDATE crm_connection SET held_until = NULL")
        assert take_turn(conn, tenant_id), "the turn was given back"


def test_a_day_that_the_crm_called_used_up_is_asked_for_again_within_a_quarter_of_an_hour(broker, monkeypatch):
    meter = AccountMeter(broker, account="hubspot:day-used-up", day_share=1.0)
    meter.limits = HubSpot.capabilities.limits
    meter.take(1, lane="general")
    meter.learn(Usage(day_limit=100, day_left=0))
    with pytest.raises(CrmError, match="budget_used") as refused:
        meter.take(1, lane="general")
    assert 0 < refused.value.retry_after_s <= LEFT_HOLDS_S
    monkeypatch.setattr("worker.crm_meter.LEFT_HOLDS_S", 1)
    meter.learn(Usage(day_limit=100, day_left=0))
    time.sleep(1.1)
    meter.take(1, lane="general")


# HubSpot leads from the old id to the new one by itself.
@pytest.mark.parametrize("kind", ["salesforce", "zoho", "pipedrive"])
def test_an_urgent_note_follows_a_contact_that_was_merged_into_one_without_the_number(
    deps, owner, kind, add_ready_tenant
):
    tenant_id, people, portal = add_ready_tenant(kind, "merging", customers=1)
    flush_crm(deps, tenant_id=tenant_id)
    (loser,) = owner.execute("SELECT record_id FROM crm_link WHERE tenant_id = %s", (tenant_id,)).fetchone()
    (winner,) = fill(kind, portal, count=1)
    base_url = str((getattr(portal, "_http", None) or portal.http).base_url)
    account = Account(kind, base_url, portal.credentials)
    account.merge(loser, winner)
    add_notes(owner, tenant_id, people)
    for _ in range(2):
        flush_crm(deps, tenant_id=tenant_id)
        for table in ("crm_event", "crm_state", "crm_search"):
            owner.execute(f"UPDATE {table} SET next_at = now()")
    assert owner.execute("SELECT state FROM crm_event WHERE tenant_id = %s", (tenant_id,)).fetchone() == ("sent",)
    assert owner.execute("SELECT record_id FROM crm_link WHERE tenant_id = %s", (tenant_id,)).fetchone() == (winner,)
    assert differences(account, owner, deps.database, tenant_id) == []


def test_a_nightly_reading_of_values_does_not_lose_what_a_merged_contact_became(deps, owner, add_ready_tenant):
    tenant_id, (customer_id,), portal = add_ready_tenant(
        "salesforce", "valued", customers=1, more='tier_field = "Department"'
    )
    flush_crm(deps, tenant_id=tenant_id)
    (loser,) = owner.execute("SELECT record_id FROM crm_link WHERE tenant_id = %s", (tenant_id,)).fetchone()
    winner = portal.add_contact(Department="gold")
    account = Account("salesforce", str(portal.http.base_url), portal.credentials)
    account.merge(loser, winner)
    owner.execute("UPDATE conversation SET last_inbound_at = now()")
    before = len(portal.requests())
    read_stale_values(deps, tenant_id=tenant_id)
    assert len(portal.requests()) - before < 5, "a record that is gone is not asked for again and again"
    flush_crm(deps, tenant_id=tenant_id)
    assert owner.execute("SELECT record_id FROM crm_link WHERE tenant_id = %s", (tenant_id,)).fetchone() == (winner,)
    read_stale_values(deps, tenant_id=tenant_id)
    assert owner.execute("SELECT tier FROM customer WHERE id = %s", (customer_id,)).fetchone() == ("gold",)
    assert differences(account, owner, deps.database, tenant_id) == []


def test_turns_leave_no_connections_behind(deps, owner, broker, add_ready_tenant):
    tenant_id, people, _ = add_ready_tenant("zoho", "often", customers=1)
    flush_crm(deps, tenant_id=tenant_id)
    gc.collect()
    with redis.Redis.from_url(broker) as client:
        before = len(client.client_list())
        gc.disable()
        try:
            for number in range(20):
                add_messages(owner, tenant_id, people, sentiment=("negative", "positive")[number % 2])
                make_dirty(owner, people)
                flush_crm(deps, tenant_id=tenant_id)
            assert len(client.client_list()) <= before + 3
        finally:
            gc.enable()


def test_a_limit_on_new_contacts_keeps_nobody_who_has_one_from_being_linked(deps, owner, keyring, standins):
    portal = PORTALS["zoho"](standins["zoho"])
    tenant_id = add_tenant(deps.database, keyring, "limited", "zoho", portal.credentials, create_contacts=True)
    known, new = add_labelled_customers(owner, tenant_id, count=2)
    record_id = portal.add_contact(phone="+905321112233")
    for customer_id, phone in ((known, "905321112233"), (new, "905321112244")):
        owner.execute(
            "INSERT INTO customer_identity (tenant_id, customer_id, kind, value) VALUES (%s, %s, 'phone', %s)",
            (tenant_id, customer_id, phone),
        )
    make_dirty(owner, [known, new])
    owner.execute(
        "INSERT INTO crm_search (customer_id, tenant_id) SELECT customer_id, tenant_id FROM crm_state WHERE tenant_id = %s",
        (tenant_id,),
    )
    limit = {"code": "TOO_MANY_REQUESTS", "details": {}, "message": "", "status": "error"}
    portal.script(method="POST", path="/crm/v8/Contacts/upsert", status=429, headers={"Retry-After": "60"}, body=limit)
    flush_crm(deps, tenant_id=tenant_id)
    links = "SELECT customer_id::text, record_id FROM crm_link WHERE tenant_id = %s"
    assert owner.execute(links, (tenant_id,)).fetchall() == [(known, record_id)]
    outcome, in_s = owner.execute("SELECT outcome, extract(epoch FROM next_at - now())::int FROM crm_search").fetchone()
    assert outcome == "waiting"
    assert 50 < in_s <= 60


def test_a_limit_of_one_tenants_account_rests_no_other_account_of_the_same_app(deps, owner, add_ready_tenant):
    limited, _, portal = add_ready_tenant("zoho", "limited", customers=1)
    other, _, _ = add_ready_tenant("zoho", "other-account", customers=1)
    limit = {"code": "TOO_MANY_REQUESTS", "details": {}, "message": "", "status": "error"}
    portal.script(method="PUT", path="/crm/v8/Contacts", status=429, headers={"Retry-After": "30"}, body=limit)
    flush_crm(deps, tenant_id=limited)
    assert connection(owner, limited)[2] == "rate_limit_concurrency"
    flush_crm(deps, tenant_id=other)
    assert count_dirty(owner, other) == 0
    assert connection(owner, other) == (0, None, None)
