"""What every CRM adapter promises, one body for all of them, each against its provider's stand-in."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings, load_settings
from crm_sync.base import Crm, CrmError, CrmEvent, CustomerRef, Found, StateWrite
from crm_sync.labels import CustomerLabels
from crm_sync.registry import ADAPTERS, build_crm
from devstack.providers import STANDIN_OF
from tests.crm_portals import PORTALS, SECRET, Portal
from tests.crm_specifications import violations

ROOT = Path(__file__).parents[2]
AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PHONE = "905551112233"
LABELS = CustomerLabels(
    sentiment="negative",
    score=0.91,
    intent="refund_request",
    topics=("shipping", "refund"),
    summary="<b>Late</b> parcel & no answer",
    negative_30d=4,
    last_analyzed_at=AT,
)
NOTE = CrmEvent(
    key="message-1:note", record_id="", kind="note", subject="Escalated", body="<img src=x>\nnow", due_at=AT
)
TASK = CrmEvent(key="message-1:task", record_id="", kind="task", subject="Call back", body="at 5 & 6", due_at=AT)


@pytest.fixture(scope="module")
def standins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Base URL by provider."""
    ports = tmp_path_factory.mktemp("standins") / "ports.json"
    command = [sys.executable, "-m", "devstack.standins", "--ports-file", str(ports)]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        for _ in range(200):
            if ports.exists():
                break
            assert process.poll() is None
            time.sleep(0.05)
        yield json.loads(ports.read_text())
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


@pytest.fixture(params=sorted(ADAPTERS))
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def portal(kind: str, standins: dict[str, str]) -> Iterator[Portal]:
    portal = PORTALS[kind](standins[kind])
    yield portal
    received = portal.requests()
    portal.reset()
    # In every scenario: what the adapter asked for is what the vendor's own documents allow.
    assert violations(kind, received) == []


@pytest.fixture
def waits() -> list[float]:
    """How long the adapter would have slept."""
    return []


def settings_for(standins: dict[str, str]) -> Settings:
    environ = {"DATABASE_URL": "postgresql://-", "REDIS_URL": "redis://-", "EARSHOT_KEYS": "-"}
    return load_settings(environ | {name: standins[standin] for name, standin in STANDIN_OF.items()})


@pytest.fixture
def crm(kind: str, portal: Portal, standins: dict[str, str], waits: list[float]) -> Crm:
    return build_crm(kind, portal.credentials, settings=settings_for(standins), default_region="TR", sleep=waits.append)


@pytest.fixture
def contact(portal: Portal, crm: Crm) -> str:
    """A contact in a portal that has our fields."""
    crm.provision()
    return portal.add_contact(phone=f"+{PHONE}")


def customer(number: int = 1, *phones: str) -> CustomerRef:
    return CustomerRef(customer_id=f"customer-{number}", phones=phones, display_name="Ayşe")


def linked(found: Found) -> str | None:
    """The record that would be linked."""
    return found.match.record_id if found.match else None


def seen(found: list[Found]) -> list[tuple[str, set[str], str | None]]:
    """Whom we looked for, who may be it, and who would be linked."""
    return [(one.customer_id, {other.record_id for other in one.candidates}, linked(one)) for one in found]


def write_of(record_id: str, number: int = 1) -> StateWrite:
    return StateWrite(customer_id=f"customer-{number}", record_id=record_id, labels=LABELS)


def test_every_adapter_is_tested() -> None:
    assert set(PORTALS) == set(ADAPTERS)


def test_a_kind_without_adapter_is_refused_by_name(standins: dict[str, str]) -> None:
    with pytest.raises(CrmError, match="^crm_not_supported:abacus$") as caught:
        build_crm("abacus", {}, settings=settings_for(standins))
    assert caught.value.permanent


def test_a_connection_without_credentials_names_what_is_missing(kind: str, standins: dict[str, str]) -> None:
    with pytest.raises(CrmError, match="^credential_missing:") as caught:
        build_crm(kind, {}, settings=settings_for(standins))
    assert caught.value.connection_broken


def test_good_credentials_pass_the_check(crm: Crm, kind: str) -> None:
    crm.check()
    assert crm.kind == kind


def test_provisioning_makes_every_field_once(crm: Crm) -> None:
    first, second = crm.provision(), crm.provision()
    assert first.created
    assert not first.present
    assert not first.missing
    assert second.present == first.created
    assert not second.created
    assert not second.missing


def test_labels_stand_on_the_card_and_nothing_else_changes(crm: Crm, portal: Portal, contact: str) -> None:
    before = portal.card(contact)
    [outcome] = crm.write([write_of(contact)])
    after = portal.card(contact)
    assert (outcome.ref, outcome.error) == ("customer-1", None)
    assert after["earshot_sentiment"] == "negative"
    assert after["earshot_negative_30d"] == "4"
    assert after["earshot_label"] == "4 negative messages in last 30 days"
    assert after["earshot_topics"] == "shipping; refund"
    assert after["earshot_last_summary"] == "<b>Late</b> parcel & no answer"
    assert {name: value for name, value in after.items() if not name.startswith("earshot_")} == before


def test_writing_again_is_harmless(crm: Crm, portal: Portal, contact: str) -> None:
    crm.write([write_of(contact)])
    once = portal.card(contact)
    crm.write([write_of(contact)])
    assert portal.card(contact) == once


def test_more_customers_than_one_batch_holds_are_answered_in_order(crm: Crm, portal: Portal, contact: str) -> None:
    last = portal.add_contact(phone="+905550000000")
    gone = [str(900_000 + number) for number in range(248)]
    outcomes = crm.write([write_of(one, number) for number, one in enumerate([contact, *gone, last])])
    assert [outcome.ref for outcome in outcomes] == [f"customer-{number}" for number in range(250)]
    assert [number for number, outcome in enumerate(outcomes) if outcome.error is None] == [0, 249]
    assert portal.card(last)["earshot_sentiment"] == "negative"


def test_two_customers_on_one_record_show_the_newer_labels(crm: Crm, portal: Portal, contact: str) -> None:
    newer = replace(LABELS, sentiment="positive", last_analyzed_at=AT.replace(hour=13))
    writes = [StateWrite("customer-2", contact, newer), write_of(contact)]
    assert [outcome.error for outcome in crm.write(writes)] == [None, None]
    assert portal.card(contact)["earshot_sentiment"] == "positive"


def test_a_deleted_record_fails_alone(crm: Crm, portal: Portal, contact: str) -> None:
    good, gone = crm.write([write_of(contact), write_of("999999", 2)])
    assert good.error is None
    assert gone.error is not None
    assert (gone.error.code, gone.error.permanent) == ("record_not_found", True)
    assert portal.card(contact)["earshot_sentiment"] == "negative"


def test_a_refused_record_fails_alone(crm: Crm, portal: Portal, contact: str) -> None:
    other = portal.add_contact(phone="+905550000000")
    bad = StateWrite("customer-2", other, replace(LABELS, sentiment="furious"))
    outcomes = crm.write([write_of(contact), bad])
    assert outcomes[0].error is None
    assert outcomes[1].error is not None
    assert outcomes[1].error.permanent
    assert "earshot_sentiment" not in portal.card(other)


def test_missing_fields_are_made_when_a_write_needs_them(crm: Crm, portal: Portal) -> None:
    record_id = portal.add_contact(phone=f"+{PHONE}")
    assert crm.write([write_of(record_id)])[0].error is None
    assert portal.card(record_id)["earshot_sentiment"] == "negative"


def test_missing_fields_are_made_when_an_event_needs_them(crm: Crm, portal: Portal) -> None:
    record_id = portal.add_contact(phone=f"+{PHONE}")
    assert crm.emit([replace(NOTE, record_id=record_id)])[0].error is None
    assert len(portal.events(record_id)) == 1


def test_nothing_to_do_asks_nothing(crm: Crm, portal: Portal) -> None:
    before = len(portal.requests())
    assert crm.write([]) == []
    assert crm.emit([]) == []
    assert crm.find([]) == []
    assert crm.create([]) == []
    assert crm.read_fields([], ("lifecyclestage",)) == {}
    assert len(portal.requests()) == before


@pytest.mark.parametrize(
    ("wa_id", "written"),
    [
        (PHONE, "+905551112233"),
        (PHONE, "+90 (555) 111 22 33"),
        ("5215512345678", "+525512345678"),
        ("5491123456789", "+54 11 2345-6789"),
        ("558299448232", "+5582999448232"),
    ],
)
def test_a_contact_is_found_however_its_number_is_written(crm: Crm, portal: Portal, wa_id: str, written: str) -> None:
    record_id = portal.add_contact(phone=written)
    portal.add_contact(phone="+905550000000")
    assert seen(crm.find([customer(1, wa_id)])) == [("customer-1", {record_id}, record_id)]


def test_a_contact_is_found_by_its_address(crm: Crm, portal: Portal) -> None:
    record_id = portal.add_contact(email="Ayse@Example.com")
    assert seen(crm.find([CustomerRef("customer-1", emails=("ayse@example.com",))])) == [
        ("customer-1", {record_id}, record_id)
    ]


def test_two_contacts_with_one_number_are_nobodys_guess(crm: Crm, portal: Portal) -> None:
    portal.add_contact(phone=f"+{PHONE}")
    portal.add_contact(phone=f"+{PHONE}")
    assert len(crm.find([customer(1, PHONE)])[0].candidates) == 2


def test_a_number_and_an_address_of_two_contacts_are_nobodys_guess(crm: Crm, portal: Portal) -> None:
    portal.add_contact(phone=f"+{PHONE}")
    portal.add_contact(email="ayse@example.com")
    assert len(crm.find([CustomerRef("customer-1", phones=(PHONE,), emails=("ayse@example.com",))])[0].candidates) == 2


def test_a_contact_without_number_is_no_match_and_no_obstacle(crm: Crm, portal: Portal) -> None:
    portal.add_contact(firstname="Nobody")
    record_id = portal.add_contact(phone=f"+{PHONE}")
    assert seen(crm.find([customer(1, PHONE), customer(2)])) == [
        ("customer-1", {record_id}, record_id),
        ("customer-2", set(), None),
    ]


def test_many_customers_are_found_in_order(crm: Crm, portal: Portal) -> None:
    numbers = [f"90555000{number:04}" for number in range(20)]
    records = {number: portal.add_contact(phone=f"+{number}") for number in numbers[::5]}
    found = crm.find([customer(index, number) for index, number in enumerate(numbers)])
    assert [one.customer_id for one in found] == [f"customer-{index}" for index in range(20)]
    assert [linked(one) for one in found] == [records.get(number) for number in numbers]


def test_a_created_contact_bears_number_and_name(crm: Crm, portal: Portal) -> None:
    [made] = crm.create([customer(1, PHONE)])
    assert linked(made) is not None
    card = portal.card(linked(made))
    assert card["phone"] == f"+{PHONE}"
    assert "Ayşe" in card.values()
    assert linked(crm.find([customer(1, PHONE)])[0]) == linked(made)


def test_creating_twice_makes_one_contact(crm: Crm, portal: Portal) -> None:
    first, second = crm.create([customer(1, PHONE)]), crm.create([customer(1, PHONE)])
    assert first == second
    assert portal.contacts() == 1


def test_a_customer_of_whom_nothing_is_known_gets_no_contact(crm: Crm, portal: Portal) -> None:
    assert seen(crm.create([CustomerRef("customer-1")])) == [("customer-1", set(), None)]
    assert portal.contacts() == 0


def test_notes_and_tasks_hang_on_their_contact(crm: Crm, portal: Portal, contact: str) -> None:
    outcomes = crm.emit([replace(TASK, record_id=contact), replace(NOTE, record_id=contact)])
    assert [(outcome.ref, outcome.error) for outcome in outcomes] == [(TASK.key, None), (NOTE.key, None)]
    note, task = portal.events(contact)
    assert "Call back" in task
    assert "Escalated" in note


def test_customer_text_in_a_note_is_shown_and_never_executed(crm: Crm, portal: Portal, contact: str) -> None:
    crm.emit([replace(NOTE, record_id=contact)])
    [note] = portal.events(contact)
    assert "img src=x" in note
    assert "<img" not in note


def test_the_same_event_is_written_once(crm: Crm, portal: Portal, contact: str) -> None:
    crm.emit([replace(NOTE, record_id=contact)])
    assert crm.emit([replace(NOTE, record_id=contact)])[0].error is None
    assert portal.all_events() == 1


def test_an_answer_lost_after_the_effect_makes_no_second_note(crm: Crm, portal: Portal, contact: str) -> None:
    portal.script(path=portal.emits, drop="after")
    assert crm.emit([replace(NOTE, record_id=contact)])[0].error is None
    assert portal.all_events() == 1


def test_an_event_repeated_after_an_error_makes_no_second_note(crm: Crm, portal: Portal, contact: str) -> None:
    for step in portal.lost_after_the_effect:
        portal.script(**step)
    try:
        crm.emit([replace(NOTE, record_id=contact)])
    except CrmError as error:
        # An adapter that looks for what became of it may know better.
        assert not error.permanent
    assert crm.emit([replace(NOTE, record_id=contact)])[0].error is None
    assert portal.all_events() == 1
    assert len(portal.events(contact)) == 1


def test_the_tenants_own_field_is_read(crm: Crm, portal: Portal) -> None:
    vip = portal.add_contact(phone=f"+{PHONE}", **{portal.own_field: "vip"})
    plain = portal.add_contact(phone="+905550000000")
    assert crm.read_fields([vip, plain, "999999"], (portal.own_field,)) == {
        vip: {portal.own_field: "vip"},
        plain: {portal.own_field: None},
    }


def test_a_short_limit_is_waited_out(crm: Crm, portal: Portal, contact: str, waits: list[float]) -> None:
    portal.script(path=portal.writes, status=429, headers={"Retry-After": "1"}, body={})
    assert crm.write([write_of(contact)])[0].error is None
    assert waits == [1.0]


def test_a_long_limit_is_left_to_the_worker(crm: Crm, portal: Portal, contact: str, waits: list[float]) -> None:
    portal.script(path=portal.writes, status=429, headers={"Retry-After": "120"}, body={})
    with pytest.raises(CrmError) as caught:
        crm.write([write_of(contact)])
    assert (caught.value.permanent, caught.value.retry_after_s) == (False, 120.0)
    assert waits == []


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_blip_is_waited_out(crm: Crm, portal: Portal, contact: str, waits: list[float], status: int) -> None:
    portal.script(path=portal.writes, status=status, body="<html>gateway</html>", times=2)
    assert crm.write([write_of(contact)])[0].error is None
    assert 0 < sum(waits) < 10


@pytest.mark.parametrize(
    ("step", "code"),
    [
        ({"status": 500, "body": {"message": "oops"}}, "http_500"),
        ({"status": 503, "body": {"message": "busy"}}, "http_503"),
        ({"status": 200, "body": "<html>please log in</html>"}, "answer_not_json"),
        ({"status": 200}, "answer_not_json"),
        ({"status": 403, "body": "<html>blocked</html>"}, None),
        ({"drop": "before"}, "connection_lost"),
    ],
)
def test_trouble_is_raised_as_passing(crm: Crm, portal: Portal, contact: str, step: Any, code: str | None) -> None:
    portal.script(path=portal.writes, times=3, **step)
    with pytest.raises(CrmError) as caught:
        crm.write([write_of(contact)])
    error = caught.value
    assert (error.code, error.permanent, error.connection_broken) == (code or portal.blocked, False, False)


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_break_the_connection(crm: Crm, portal: Portal, contact: str, status: int) -> None:
    # Twice: a token that runs out is renewed once.
    portal.script(path=portal.writes, status=status, body={"message": "no"}, times=2)
    with pytest.raises(CrmError) as caught:
        crm.write([write_of(contact)])
    assert caught.value.connection_broken
    assert not caught.value.permanent


def test_no_error_and_no_repr_shows_a_secret_or_a_customer(crm: Crm, portal: Portal) -> None:
    portal.script(path="/", status=401, body={"message": f"bad token {SECRET} of +{PHONE}"})
    with pytest.raises(CrmError) as caught:
        crm.find([customer(1, PHONE)])
    shown = repr(caught.value) + str(caught.value) + repr(crm) + repr(customer(1, PHONE)) + repr(NOTE)
    assert SECRET not in shown
    assert PHONE not in shown
    assert NOTE.body not in shown
    assert caught.value.__context__ is None


def test_no_request_is_sent_without_credentials(crm: Crm, portal: Portal) -> None:
    crm.check()
    assert portal.requests()[-1]["headers"].get(portal.credential_header)
