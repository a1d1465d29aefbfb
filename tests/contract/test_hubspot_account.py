"""The HubSpot adapter against the stand-in's account: rights it lacks, records that are merged, limits, companies, apps."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from config.settings import Settings, load_settings
from crm_sync.base import CrmError, CrmEvent, CustomerRef, EmittedEvent, StateWrite
from crm_sync.hubspot import HubSpot
from crm_sync.hubspot_provision import ASK_AGAIN_S, OwnFields
from crm_sync.labels import FIELDS, CustomerLabels
from crm_sync.metering import Usage
from crm_sync.registry import build_crm, has_constant_token
from tests.crm_portals.hubspot import HubSpotPortal
from tests.crm_specifications import violations

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PHONE = "905551112233"
LABELS = CustomerLabels("negative", 0.91, "refund_request", ("shipping",), "Parcel is late", 4, AT)
NOTE = CrmEvent(key="message-1:note", record_id="", kind="note", subject="Escalated", body="now", due_at=AT)
PROPERTIES = "/crm/properties/2026-09/contacts"
TOKEN = "/oauth/2026-09/token"


@pytest.fixture
def portal(standins: dict[str, str]) -> Iterator[HubSpotPortal]:
    yield from _portal(HubSpotPortal(standins["hubspot"]))


@pytest.fixture
def app_portal(standins: dict[str, str]) -> Iterator[HubSpotPortal]:
    yield from _portal(HubSpotPortal(standins["hubspot"], as_app=True))


def _portal(portal: HubSpotPortal) -> Iterator[HubSpotPortal]:
    portal.delete("/_received")
    yield portal
    received = portal.requests()
    portal.reset()
    assert violations("hubspot", received) == []


@pytest.fixture
def product(standins: dict[str, str]) -> Settings:
    environ = {
        "DATABASE_URL": "postgresql://-",
        "REDIS_URL": "redis://-",
        "EARSHOT_KEYS": "-",
        "HUBSPOT_API_URL": standins["hubspot"],
    }
    return load_settings(environ)


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def connect(product: Settings, waits: list[float]) -> Callable[..., HubSpot]:
    def connect(portal: HubSpotPortal, **more: object) -> HubSpot:
        crm = build_crm(
            "hubspot", portal.credentials, settings=product, default_region="TR", sleep=waits.append, **more
        )
        assert isinstance(crm, HubSpot)
        return crm

    return connect


@pytest.fixture
def hubspot(portal: HubSpotPortal, connect: Callable[..., HubSpot]) -> HubSpot:
    return connect(portal)


@pytest.fixture
def contact(portal: HubSpotPortal, hubspot: HubSpot) -> str:
    hubspot.provision()
    return portal.add_contact(phone=f"+{PHONE}")


def write_of(record_id: str, number: int = 1, labels: CustomerLabels | None = LABELS) -> StateWrite:
    return StateWrite(f"customer-{number}", record_id, labels)


def codes(outcomes) -> list[str | None]:
    return [one.error and one.error.code for one in outcomes]


def asked(portal: HubSpotPortal, path: str) -> int:
    return sum(path in one["path"] for one in portal.requests())


def test_a_check_names_the_account_and_what_is_left_of_the_day(portal, hubspot):
    account = hubspot.check()
    assert account.account_id.isdigit()
    assert any("requests are left today" in fact for fact in account.facts)
    assert not any("administrator must make" in fact for fact in account.facts)
    assert portal.contacts() == 0


def test_a_check_tells_that_properties_must_be_made_by_hand(portal, hubspot):
    portal.conditions(may_provision=False)
    assert any("administrator must make" in fact for fact in hubspot.check().facts)


def test_a_check_names_every_scope_that_labels_need(portal, hubspot):
    for path, scope in (("contacts", "read"), ("contacts/batch/update", "write")):
        detail = {"context": {"requiredGranularScopes": [f"crm.objects.contacts.{scope}"]}}
        body = {"category": "MISSING_SCOPES", "errors": [detail]}
        portal.script(path=f"/crm/objects/2026-09/{path}", status=403, body=body)
    with pytest.raises(CrmError) as caught:
        hubspot.check()
    assert caught.value.code == "missing_scopes:crm.objects.contacts.read:crm.objects.contacts.write"
    assert caught.value.connection_broken


def test_without_rights_every_label_says_so_and_nobody_is_asked_again_at_each_write(portal, connect):
    portal.conditions(may_provision=False)
    first, second = portal.add_contact(phone=f"+{PHONE}"), portal.add_contact(firstname="B")
    for _ in range(3):
        hubspot = connect(portal)  # as each flush does
        outcomes = hubspot.write([write_of(first), write_of(second, 2)])
        assert codes(outcomes) == ["field_missing:earshot_sentiment"] * 2
        assert all(one.error and one.error.permanent for one in outcomes)
    assert asked(portal, "/crm/properties/") <= 6
    assert asked(portal, "/batch/update") == 1


def test_properties_that_may_not_be_looked_at_are_written_all_the_same(portal, connect, contact):
    detail = {"context": {"requiredGranularScopes": ["crm.schemas.contacts.read"]}}
    body = {"category": "MISSING_SCOPES", "errors": [detail]}
    portal.script(method="GET", path="/crm/properties/", times=3, status=403, body=body)
    hubspot = connect(portal)
    assert hubspot.provision().present == ()
    assert codes(hubspot.write([write_of(contact)])) == [None]
    [note] = hubspot.emit([replace(NOTE, record_id=contact)])
    assert "Earshot " not in portal.events(contact)[0]
    assert note.error is None


def test_rights_that_are_given_later_are_used_once_we_are_told_to_provision(portal, connect):
    portal.conditions(may_provision=False)
    contact = portal.add_contact(phone=f"+{PHONE}")
    assert codes(connect(portal).write([write_of(contact)])) == ["field_missing:earshot_sentiment"]
    portal.conditions(may_provision=True)
    assert codes(connect(portal).write([write_of(contact)])) == ["field_missing:earshot_sentiment"]
    connect(portal).provision()
    assert codes(connect(portal).write([write_of(contact)])) == [None]


def test_rights_that_are_given_later_are_noticed_after_a_while(portal, hubspot):
    now = [0.0]
    client = hubspot._client
    fields = OwnFields(client, portal=lambda: portal.account, clock=lambda: now[0])
    portal.conditions(may_provision=False)
    assert fields.make()
    assert "earshot_label" in fields.absent("contacts")
    portal.conditions(may_provision=True)
    assert not fields.make()
    now[0] = ASK_AGAIN_S
    assert not fields.absent("contacts")
    assert OwnFields(client, portal=lambda: portal.account, clock=lambda: now[0]).make()
    assert not hubspot.provision(dry_run=True).missing


def test_without_rights_the_report_is_a_checklist(portal, hubspot):
    portal.conditions(may_provision=False)
    report = hubspot.provision()
    assert (report.created, report.present) == ((), ())
    sentiment = next(one for one in report.missing if one.startswith("contacts.earshot_sentiment: "))
    for part in ('option "positive"', "dropdown select", "Contact properties", "crm.schemas.contacts.write"):
        assert part in sentiment
    assert any(one.startswith("tasks.earshot_event_key: ") and "unique" in one for one in report.missing)


@pytest.mark.parametrize("kind", ["note", "task"])
def test_without_rights_notes_and_tasks_are_made_once_all_the_same(portal, hubspot, kind):
    portal.conditions(may_provision=False)
    contact = portal.add_contact(phone=f"+{PHONE}")
    event = replace(NOTE, record_id=contact, kind=kind)
    [first], [second] = hubspot.emit([event]), hubspot.emit([event])
    assert codes([first, second]) == [None, None]
    assert first.event_id == second.event_id is not None
    assert portal.all_events() == len(portal.events(contact)) == 1


def test_without_rights_a_lost_answer_makes_no_second_note(portal, hubspot):
    portal.conditions(may_provision=False)
    event = replace(NOTE, record_id=portal.add_contact(phone=f"+{PHONE}"), may_exist=False)
    portal.script(method="POST", path="/crm/objects/2026-09/notes/batch/create", drop="after")
    with pytest.raises(CrmError) as caught:
        hubspot.emit([event])
    assert caught.value.uncertain
    assert codes(hubspot.emit([replace(event, may_exist=True)])) == [None]
    assert portal.all_events() == 1


def test_without_rights_a_note_can_be_taken_back(portal, hubspot):
    portal.conditions(may_provision=False)
    contact = portal.add_contact(phone=f"+{PHONE}")
    hubspot.emit([replace(NOTE, record_id=contact), replace(NOTE, key="other", record_id=contact)])
    assert codes(hubspot.retract([EmittedEvent(NOTE.key, contact, "note", None)])) == [None]
    assert portal.all_events() == 1


@pytest.mark.parametrize("name", ["earshot_topics", "earshot_customer_id"])
def test_one_property_that_may_not_be_made_does_not_keep_the_others_from_the_card(portal, connect, contact, name):
    portal.delete(f"{PROPERTIES}/{name}")
    portal.conditions(may_provision=False)
    assert codes(connect(portal).write([write_of(contact)])) == [None]
    card = portal.card(contact)
    assert card["earshot_sentiment"] == "negative"
    assert name not in card


def test_a_customer_is_known_by_our_id_while_search_lags(portal, hubspot):
    portal.conditions(search_lag_s=60)
    [made] = hubspot.create([CustomerRef("customer-1", phones=(PHONE,))])
    [found] = hubspot.find([CustomerRef("customer-1", phones=(PHONE,))])
    assert found.match.record_id == made.match.record_id
    assert found.match.matched_on == "external_id"
    assert asked(portal, "/contacts/search") == 0
    [stranger] = hubspot.find([CustomerRef("customer-2", phones=(PHONE,))])
    assert stranger.candidates == ()


def test_creating_again_changes_nothing_that_people_changed(portal, hubspot):
    [made] = hubspot.create([CustomerRef("customer-1", phones=(PHONE,), display_name="Ayşe")])
    record_id = made.match.record_id
    change = {"inputs": [{"id": record_id, "properties": {"firstname": "Ayşegül"}}]}
    portal.post("/crm/objects/2026-09/contacts/batch/update", change)
    [again] = hubspot.create([CustomerRef("customer-1", phones=(PHONE,), display_name="Ayşe")])
    assert again == made
    assert portal.card(record_id)["firstname"] == "Ayşegül"


@pytest.mark.parametrize(
    ("card", "customer", "matched_on"),
    [
        ({"phone": "+525512345678"}, {"phones": ("5215512345678",)}, "phone_variant"),
        ({"phone": "+52 1 55 1234 5678"}, {"phones": ("5215512345678",)}, "phone"),
        ({"phone": "0555 111 22 33"}, {"phones": (PHONE,)}, "phone"),
        ({"email": "A@example.com"}, {"emails": ("a@example.com",)}, "email"),
        (
            {"phone": "+525512345678", "email": "a@example.com"},
            {"phones": ("5215512345678",), "emails": ("a@example.com",)},
            "email",
        ),
        (
            {"phone": f"+{PHONE}", "email": "a@example.com"},
            {"phones": (PHONE,), "emails": ("a@example.com",)},
            "phone",
        ),
    ],
)
def test_a_candidate_tells_what_it_was_matched_on(portal, hubspot, card, customer, matched_on):
    record_id = portal.add_contact(**card)
    [found] = hubspot.find([CustomerRef("customer-1", **customer)])
    assert [(one.record_id, one.matched_on) for one in found.candidates] == [(record_id, matched_on)]


def test_the_labels_are_written_where_our_id_stands_on_another_record(portal, hubspot, contact):
    other, third = portal.add_contact(firstname="B"), portal.add_contact(firstname="C")
    hubspot.write([write_of(contact)])
    outcomes = hubspot.write([write_of(other), write_of(third, 2)])
    assert codes(outcomes) == [None, None]
    assert portal.card(other)["earshot_sentiment"] == "negative"
    assert "earshot_customer_id" not in portal.card(other)
    assert portal.card(contact)["earshot_customer_id"] == "customer-1"
    assert portal.card(third)["earshot_customer_id"] == "customer-2"


def test_clearing_leaves_nothing_of_ours(portal, hubspot, connect, contact):
    hubspot.write([write_of(contact)])
    assert codes(connect(portal, send_summary=False).write([write_of(contact, labels=None)])) == [None]
    card = portal.card(contact)
    assert {card[name] for name in (*FIELDS, "earshot_customer_id")} == {""}
    assert hubspot.find([CustomerRef("customer-1")])[0].candidates == ()


def merge_by_the_api(portal, loser, winner):
    body = {"primaryObjectId": winner, "objectIdToMerge": loser}
    return portal.post("/crm/objects/2026-09/contacts/merge", body)["id"]


def merge_as_until_2025(portal, loser, winner):
    portal.post("/_merge", {"account": portal.account, "loser": loser, "winner": winner})
    return winner


@pytest.mark.parametrize("merge", [merge_by_the_api, merge_as_until_2025])
def test_a_merged_record_tells_its_new_id_and_gets_labels_and_notes(portal, hubspot, contact, merge):
    winner = portal.add_contact(firstname="B", lifecyclestage="vip")
    untouched = portal.add_contact(firstname="C")
    merged = merge(portal, contact, winner)
    outcomes = hubspot.write([write_of(contact), write_of(untouched, 2)])
    assert [(one.ref, one.error, one.record_id) for one in outcomes] == [
        ("customer-1", None, merged),
        ("customer-2", None, None),
    ]
    assert portal.card(merged)["earshot_sentiment"] == "negative"
    assert codes(hubspot.emit([replace(NOTE, record_id=contact)])) == [None]
    assert len(portal.events(merged)) == 1
    assert hubspot.read_fields([contact, winner], ("lifecyclestage",)) == {
        contact: {"lifecyclestage": "vip"},
        winner: {"lifecyclestage": "vip"},
    }
    [found] = hubspot.find([CustomerRef("customer-1", phones=(PHONE,))])
    assert found.match.record_id == merged


@pytest.mark.parametrize("way", ["archived", "erased"])
def test_a_record_that_was_put_away_or_erased_is_not_found(portal, hubspot, contact, way):
    if way == "archived":
        portal.delete(f"/crm/objects/2026-09/contacts/{contact}")
    else:
        portal.post("/crm/objects/2026-09/contacts/gdpr-delete", {"objectId": contact})
    assert codes(hubspot.write([write_of(contact)])) == ["record_not_found"]
    assert hubspot.find([CustomerRef("customer-1", phones=(PHONE,))])[0].candidates == ()
    assert codes(hubspot.emit([replace(NOTE, record_id=contact)])) == ["record_not_found"]


def test_an_administrators_rule_refuses_one_record_and_not_its_neighbours(portal, hubspot, contact):
    ruled = portal.add_contact(firstname="B")
    portal.post("/_validation_rules", {"account": portal.account, "required": "email", "when": {"firstname": "B"}})
    outcomes = hubspot.write([write_of(contact), write_of(ruled, 2)])
    assert codes(outcomes) == [None, "validation_error"]
    assert outcomes[1].error.permanent
    assert portal.card(contact)["earshot_sentiment"] == "negative"


def make_property(portal, name, **more):
    portal.post(PROPERTIES + "/groups", {"name": "own", "label": "Own"})
    options = [{"label": "x", "value": "negative", "displayOrder": 0, "hidden": False}]
    definition = {"name": name, "label": name, "groupName": "own", "options": options, **more}
    portal.post(PROPERTIES, definition)


def test_an_option_that_an_administrator_left_out_refuses_those_who_need_it(portal, hubspot):
    make_property(portal, "earshot_sentiment", type="enumeration", fieldType="select")
    [sentiment] = hubspot.provision().missing
    assert sentiment.endswith("(option_missing:positive,neutral)")
    first, second = portal.add_contact(firstname="A"), portal.add_contact(firstname="B")
    outcomes = hubspot.write([write_of(first), write_of(second, 2, replace(LABELS, sentiment="neutral"))])
    assert codes(outcomes) == [None, "validation_error:earshot_sentiment"]
    assert portal.card(first)["earshot_sentiment"] == "negative"


def test_a_property_of_another_type_is_named_and_the_rest_is_written(portal, hubspot):
    make_property(portal, "earshot_score", type="datetime", fieldType="date")
    record_id = portal.add_contact(firstname="A")
    assert codes(hubspot.write([write_of(record_id)])) == [None]
    card = portal.card(record_id)
    assert card["earshot_sentiment"] == "negative"
    assert "earshot_score" not in card
    assert any(one.endswith("(another_type)") for one in hubspot.provision().missing)


def test_fields_of_the_contacts_primary_company_are_read(portal, hubspot):
    rich, poor = portal.add("companies", name="Big", annualrevenue="900000"), portal.add("companies", name="Small")
    first = portal.add_contact(firstname="A", lifecyclestage="vip")
    second, alone = portal.add_contact(firstname="B"), portal.add_contact(firstname="C")
    portal.put(f"contacts/{first}/associations/default/companies/{rich}")
    portal.put(f"contacts/{first}/associations/default/companies/{poor}")
    portal.put(f"contacts/{second}/associations/default/companies/{poor}")
    names = ("lifecyclestage", "company.annualrevenue")
    assert hubspot.read_fields([first, second, alone, "999999"], names) == {
        first: {"lifecyclestage": "vip", "company.annualrevenue": "900000"},
        second: {"lifecyclestage": None, "company.annualrevenue": None},
        alone: {"lifecyclestage": None, "company.annualrevenue": None},
    }


@pytest.mark.parametrize("name", ["tier", "company.tier"])
def test_a_field_that_hubspot_does_not_have_is_named(portal, hubspot, name):
    company, contact = portal.add("companies", name="Big"), portal.add_contact(firstname="A")
    portal.put(f"contacts/{contact}/associations/default/companies/{company}")
    with pytest.raises(CrmError, match=f"^field_missing:{name}$") as caught:
        hubspot.read_fields([contact], ("lifecyclestage", name))
    assert caught.value.permanent


def test_companies_that_may_not_be_read_break_no_connection(portal, hubspot):
    company, contact = portal.add("companies", name="Big"), portal.add_contact(firstname="A")
    portal.put(f"contacts/{contact}/associations/default/companies/{company}")
    detail = {"context": {"requiredGranularScopes": ["crm.objects.companies.read"]}}
    body = {"category": "MISSING_SCOPES", "errors": [detail]}
    portal.script(path="/crm/objects/2026-09/companies", status=403, body=body)
    with pytest.raises(CrmError, match=r"^missing_scopes:crm\.objects\.companies\.read$") as caught:
        hubspot.read_fields([contact], ("company.name",))
    assert (caught.value.permanent, caught.value.connection_broken) == (True, False)


def test_events_tell_their_id_and_are_taken_back_by_id_or_by_key(portal, hubspot, contact):
    events = [replace(NOTE, key=f"k{number}", record_id=contact) for number in range(3)]
    ids = [one.event_id for one in hubspot.emit(events)]
    assert all(ids)
    assert portal.all_events() == 3
    retracted = [
        EmittedEvent("k0", contact, "note", ids[0]),
        EmittedEvent("k1", contact, "note", None),
        EmittedEvent("never-written", contact, "task", None),
        EmittedEvent("gone", contact, "note", "999999"),
    ]
    for _ in range(2):
        outcomes = hubspot.retract(retracted)
        assert [one.ref for one in outcomes] == ["k0", "k1", "never-written", "gone"]
        assert codes(outcomes) == [None] * 4
        assert portal.all_events() == 1
    assert hubspot.retract([]) == []


def test_a_hundred_notes_fit_into_ten_seconds(portal, hubspot, contact):
    gone = replace(NOTE, key="gone", record_id="999999")
    notes = [replace(NOTE, key=f"k{number}", record_id=contact) for number in range(99)]
    outcomes = hubspot.emit([*notes, gone])
    assert codes(outcomes) == [None] * 99 + ["record_not_found"]
    assert len([one for one in portal.requests() if "/properties/" not in one["path"]]) <= 5
    assert len(portal.post("/crm/associations/2026-09/contacts/notes/batch/read", {"inputs": [{"id": contact}]})["results"][0]["to"]) == 99  # fmt: skip


def test_words_of_a_customer_are_in_no_code(portal, hubspot, contact):
    message = 'Property "earshot_905551112233" does not exist'
    portal.script(path="/crm/objects/2026-09/contacts/batch/update", status=400, body={"category": "VALIDATION_ERROR", "message": message})  # fmt: skip
    assert codes(hubspot.write([write_of(contact)])) == ["validation_error"]


def test_an_event_that_was_never_tried_is_written_without_looking_for_it(portal, hubspot, contact):
    assert codes(hubspot.emit([replace(NOTE, record_id=contact, may_exist=False)])) == [None]
    assert asked(portal, "/notes/batch/read") == 0
    assert portal.all_events() == 1


@pytest.mark.parametrize("may_provision", [True, False])
@pytest.mark.parametrize("text", ["x" * 65_000, "<b>&</b>" * 8_125])
def test_the_longest_note_is_taken_and_found_again(portal, hubspot, text, may_provision):
    portal.conditions(may_provision=may_provision)
    event = replace(NOTE, record_id=portal.add_contact(phone=f"+{PHONE}"), body=text)
    assert codes(hubspot.emit([event]) + hubspot.emit([event])) == [None, None]
    [note] = portal.events(event.record_id)
    assert "<b>" not in note


def test_a_used_up_day_is_left_to_the_worker(portal, hubspot, contact, waits):
    portal.conditions(day_limit=1)
    with pytest.raises(CrmError, match="^rate_limit_daily$") as caught:
        hubspot.write([write_of(contact)])
    assert (caught.value.permanent, caught.value.connection_broken) == (False, False)
    assert caught.value.retry_after_s >= 600
    assert waits == []


def test_too_many_requests_in_ten_seconds_are_left_to_the_worker(portal, hubspot, contact):
    def asks_without_end() -> None:
        for _ in range(200):
            hubspot.read_fields([contact], ("lifecyclestage",))

    with pytest.raises(CrmError, match="^rate_limit_ten_secondly_rolling$") as caught:
        asks_without_end()
    assert caught.value.retry_after_s == 10


def test_the_meter_learns_what_is_left_and_knows_searches(portal, connect):
    learned: list[Usage] = []
    lanes: list[str] = []

    class Meter:
        def take(self, cost, *, lane):
            lanes.append(lane)

        def learn(self, usage):
            learned.append(usage)

        def rest(self, seconds):
            lanes.append(f"rest {seconds}")

    portal.conditions(day_limit=1000)
    portal.add_contact(phone=f"+{PHONE}")
    hubspot = connect(portal, meter=Meter())
    hubspot.find([CustomerRef("customer-1", phones=(PHONE,))])
    assert lanes == ["general", "search"]
    [usage] = learned
    assert (usage.day_limit, usage.window_ends_in_s) == (1000, 10)
    assert usage.day_left < 1000
    assert usage.window_left < 100
    portal.conditions(day_limit=1)
    with pytest.raises(CrmError):
        hubspot.check()
    assert lanes[-1].startswith("rest ")


def test_an_apps_token_is_fetched_and_renewed_when_it_has_run_out(app_portal, connect):
    hubspot = connect(app_portal)
    app_portal.conditions(token_life_s=0.3)
    hubspot.check()
    time.sleep(0.4)
    app_portal.conditions(token_life_s=1800)
    assert hubspot.check().account_id
    assert asked(app_portal, TOKEN) == 2
    for one in app_portal.requests():
        assert "app-secret" not in one["body"]
        assert app_portal.account not in one["body"]


def test_an_apps_token_runs_out_by_the_clock(app_portal, product):
    from crm_sync.hubspot import fetch_token

    assert not has_constant_token("hubspot", app_portal.credentials)
    token = fetch_token(app_portal.credentials, product)
    assert token.expires_in_s == 1800
    assert token.value not in repr(token)


def test_an_app_that_was_removed_breaks_the_connection(app_portal, connect):
    app_portal.conditions(refresh_tokens_work=False)
    with pytest.raises(CrmError, match="^token_refused:") as caught:
        connect(app_portal).check()
    assert caught.value.connection_broken


@pytest.mark.parametrize(
    ("step", "broken"),
    [
        (
            {"status": 400, "body": {"status": "BAD_REFRESH_TOKEN", "message": "x", "category": "VALIDATION_ERROR"}},
            True,
        ),
        ({"status": 401, "body": {"message": "x"}}, True),
        ({"status": 500, "body": {}}, False),
        ({"status": 429, "body": {}}, False),
        ({"status": 200, "body": "<html>"}, False),
        ({"drop": "before"}, False),
    ],
)
def test_only_a_refusal_for_good_breaks_an_apps_connection(app_portal, connect, step, broken):
    app_portal.script(path=TOKEN, **step)
    with pytest.raises(CrmError) as caught:
        connect(app_portal).check()
    assert caught.value.connection_broken is broken
    assert not caught.value.permanent


def test_a_service_key_that_was_revoked_is_refused_once(portal, hubspot):
    portal.script(path="/crm/", times=2, status=401, body={"category": "INVALID_AUTHENTICATION", "message": "x"})
    with pytest.raises(CrmError, match="^invalid_authentication$") as caught:
        hubspot.check()
    assert caught.value.connection_broken
