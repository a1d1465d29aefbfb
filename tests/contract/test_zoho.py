"""What Zoho CRM says and does in ways of its own, against its stand-in."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from config.settings import Settings, load_settings
from crm_sync.base import CrmError, CrmEvent, CustomerRef, EmittedEvent, StateWrite
from crm_sync.labels import CustomerLabels
from crm_sync.metering import Usage
from crm_sync.registry import build_crm, fetch_token
from crm_sync.zoho import Zoho
from crm_sync.zoho_fields import FIELDS, MAX_NOTE_CHARS, MAX_SUMMARY_CHARS, note_of, reference, task_of
from crm_sync.zoho_find import spellings
from crm_sync.zoho_known_fields import KnownFields
from crm_sync.zoho_queries import quoted
from crm_sync.zoho_token import DATA_CENTRES, accounts_url
from tests.crm_portals.zoho import ZohoPortal
from tests.crm_specifications import violations

AT = datetime(2026, 11, 23, 17, 0, tzinfo=UTC)
PHONE = "905551112233"
LABELS = CustomerLabels(
    sentiment="negative",
    score=0.91,
    intent="refund_request",
    topics=("shipping", "refund"),
    summary="Late parcel",
    negative_30d=4,
    last_analyzed_at=AT,
)
NOTE = CrmEvent(key="message-1:note", record_id="", kind="note", subject="Escalated", body="now", due_at=AT)
TASK = replace(NOTE, key="message-1:task", kind="task", subject="Call back")
WRITES = "/crm/v8/Contacts"
FIELDS_PATH = "/crm/v8/settings/fields"


class NotedUsage:
    """A meter that remembers what it is told."""

    def __init__(self) -> None:
        self.taken: list[tuple[int, str]] = []
        self.learnt: list[Usage] = []
        self.rests: list[float] = []

    def take(self, cost: int, *, lane: str) -> None:
        self.taken.append((cost, lane))

    def learn(self, usage: Usage) -> None:
        self.learnt.append(usage)

    def rest(self, seconds: float) -> None:
        self.rests.append(seconds)


@pytest.fixture
def portal(standins: dict[str, str]) -> Iterator[ZohoPortal]:
    portal = ZohoPortal(standins["zoho"])
    portal.http.delete("/_received")
    yield portal
    received = portal.requests()
    portal.reset()
    assert violations("zoho", received) == []


@pytest.fixture
def settings(standins: dict[str, str]) -> Settings:
    return settings_with(ZOHO_ACCOUNTS_URL=standins["zoho"])


def settings_with(**more: str) -> Settings:
    return load_settings({"DATABASE_URL": "postgresql://-", "REDIS_URL": "redis://-", "EARSHOT_KEYS": "-", **more})


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def meter() -> NotedUsage:
    return NotedUsage()


@pytest.fixture
def zoho(portal: ZohoPortal, settings: Settings, waits: list[float], meter: NotedUsage) -> Any:
    """Built with the accounts server's address only: the API's comes with the token."""
    return build_crm(
        "zoho", portal.credentials, settings=settings, default_region="TR", sleep=waits.append, meter=meter
    )


@pytest.fixture
def contact(portal: ZohoPortal, zoho: Zoho) -> str:
    zoho.provision()
    return portal.add_contact(phone=f"+{PHONE}")


def write_of(record_id: str, number: int = 1, **changed: Any) -> StateWrite:
    return StateWrite(f"customer-{number}", record_id, replace(LABELS, **changed))


def customer(number: int = 1, *phones: str, **more: Any) -> CustomerRef:
    return CustomerRef(f"customer-{number}", phones=phones, **more)


def paths(portal: ZohoPortal, method: str) -> list[str]:
    return [one["path"].partition("?")[0] for one in portal.requests() if one["method"] == method]


def bodies(portal: ZohoPortal, method: str, path: str) -> list[Any]:
    sent = [one for one in portal.requests() if one["method"] == method and one["path"].partition("?")[0] == path]
    return [json.loads(one["body"]) for one in sent]


def drop_field(portal: ZohoPortal, name: str) -> None:
    fields = portal.http.get(FIELDS_PATH, params={"module": "Contacts"}).json()["fields"]
    [field] = [one for one in fields if one["api_name"] == name]
    portal.http.delete(f"{FIELDS_PATH}/{field['id']}", params={"module": "Contacts"}).raise_for_status()


# Connecting


def test_a_check_tells_account_and_edition(zoho: Zoho) -> None:
    account = zoho.check()
    assert account.account_id is not None
    assert account.account_id.isdigit()
    assert account.facts == ("edition standard", "1 users")


def test_all_missing_scopes_are_named_at_once(zoho: Zoho, portal: ZohoPortal) -> None:
    refusal = {"code": "OAUTH_SCOPE_MISMATCH", "details": {}, "message": "invalid oauth scope", "status": "error"}
    for path in ("/crm/v8/coql", "/crm/v8/Notes", "/crm/v8/Contacts/search"):
        portal.script(path=path, status=401, body=refusal)
    with pytest.raises(CrmError) as caught:
        zoho.check()
    assert caught.value.connection_broken
    assert caught.value.code == (
        "missing_scopes:ZohoCRM.coql.READ:ZohoCRM.modules.notes.READ:ZohoSearch.securesearch.READ"
    )
    # A new token would have no more scopes.
    assert paths(portal, "POST").count("/oauth/v2/token") == 1


def test_a_refresh_token_of_another_data_centre_names_the_one_that_was_asked(zoho: Zoho, portal: ZohoPortal) -> None:
    portal.conditions(refresh_tokens_work=False)
    with pytest.raises(CrmError, match="^token_refused:invalid_code:dc_com$") as caught:
        zoho.check()
    assert caught.value.connection_broken


def test_an_api_that_knows_no_token_of_ours_names_the_data_centre(zoho: Zoho, portal: ZohoPortal) -> None:
    body = {"code": "INVALID_TOKEN", "details": {}, "message": "invalid oauth token", "status": "error"}
    portal.script(path="/crm/v8/org", status=401, body=body, times=2)
    with pytest.raises(CrmError, match="^invalid_token:dc_com$") as caught:
        zoho.check()
    assert caught.value.connection_broken
    assert paths(portal, "POST").count("/oauth/v2/token") == 2


def test_a_token_that_ran_out_is_renewed_once(zoho: Zoho, portal: ZohoPortal, contact: str) -> None:
    body = {"code": "INVALID_TOKEN", "details": {}, "message": "invalid oauth token", "status": "error"}
    portal.script(method="PUT", path=WRITES, status=401, body=body)
    assert zoho.write([write_of(contact)])[0].error is None


def test_too_many_tokens_are_a_limit_and_no_broken_connection(portal: ZohoPortal, settings: Settings) -> None:
    for _ in range(9):
        fetch_token("zoho", portal.credentials, settings=settings)
    with pytest.raises(CrmError, match="^rate_limit_tokens$") as caught:
        fetch_token("zoho", portal.credentials, settings=settings)
    assert (caught.value.retry_after_s, caught.value.connection_broken, caught.value.permanent) == (600.0, False, False)


def test_the_address_of_the_api_comes_with_the_token_or_from_the_data_centre(
    portal: ZohoPortal, settings: Settings, standins: dict[str, str]
) -> None:
    assert fetch_token("zoho", portal.credentials, settings=settings).api_base == standins["zoho"]
    portal.script(path="/oauth/v2/token", status=200, body={"access_token": "a", "expires_in": 3600})
    token = fetch_token("zoho", {**portal.credentials, "dc": "com.au"}, settings=settings)
    assert (token.api_base, token.expires_in_s) == ("https://www.zohoapis.com.au", 3600.0)


def test_every_data_centre_has_its_own_accounts_server() -> None:
    known = {dc: accounts_url(dc, settings_with()) for dc in DATA_CENTRES}
    assert known["eu"] == "https://accounts.zoho.eu"
    assert known["com.cn"] == "https://accounts.zoho.com.cn"
    assert known["ca"] == "https://accounts.zohocloud.ca"
    assert len(set(known.values())) == len(DATA_CENTRES)


def test_an_unknown_data_centre_lists_those_there_are(settings: Settings) -> None:
    credentials = {"dc": "us", "client_id": "c", "client_secret": "s", "refresh_token": "r"}
    with pytest.raises(CrmError, match="^data_centre_unknown:use_com_or_eu_or_") as caught:
        build_crm("zoho", credentials, settings=settings)
    assert caught.value.connection_broken


def test_no_token_error_shows_a_secret(portal: ZohoPortal, settings: Settings) -> None:
    portal.script(path="/oauth/v2/token", status=200, body={"error": "invalid_client_secret"})
    with pytest.raises(CrmError) as caught:
        fetch_token("zoho", portal.credentials, settings=settings)
    assert caught.value.code == "token_refused:invalid_client_secret:dc_com"
    assert caught.value.__context__ is None


# Fields


def test_our_fields_fit_the_smallest_edition(zoho: Zoho, portal: ZohoPortal) -> None:
    assert len(FIELDS) <= 10
    assert sum("unique" in one for one in FIELDS) <= 2
    zoho.provision()
    assert [len(body["fields"]) for body in bodies(portal, "POST", FIELDS_PATH)] == [5, 4]


def test_a_dry_run_makes_nothing(zoho: Zoho, portal: ZohoPortal) -> None:
    report = zoho.provision(dry_run=True)
    assert (report.created, len(report.missing)) == ((), len(FIELDS))
    assert bodies(portal, "POST", FIELDS_PATH) == []


def test_without_the_right_an_administrator_gets_a_list(zoho: Zoho, portal: ZohoPortal) -> None:
    portal.conditions(may_provision=False)
    report = zoho.provision()
    where = "Setup > Customization > Modules and Fields > Contacts (oauth_scope_mismatch)"
    assert (report.created, report.present) == ((), ())
    assert f"Contacts.earshot_sentiment: Pick List; options positive, neutral, negative; {where}" in report.missing
    assert (
        f"Contacts.earshot_customer_id: Single Line; 100 characters; do not allow duplicate values; {where}"
        in report.missing
    )
    assert f"Contacts.earshot_last_summary: Multi-Line (Small); {where}" in report.missing


@pytest.mark.parametrize(("own", "created"), [(4, 6), (10, 0)])
def test_a_full_module_takes_what_fits_and_reports_the_rest(
    zoho: Zoho, portal: ZohoPortal, own: int, created: int
) -> None:
    for number in range(own):
        others = [{"field_label": f"own_{number}", "data_type": "text"}]
        portal.post("settings/fields", {"fields": others}, module="Contacts")
    report = zoho.provision()
    assert len(report.created) == created
    assert len(report.missing) == len(FIELDS) - created
    assert all(line.endswith("(limit_exceeded)") for line in report.missing)


def test_a_field_of_another_type_or_without_our_options_is_reported_and_left_alone(
    zoho: Zoho, portal: ZohoPortal
) -> None:
    wrong = [
        {"field_label": "earshot_score", "data_type": "text"},
        {
            "field_label": "earshot_sentiment",
            "data_type": "picklist",
            "pick_list_values": [{"display_value": "good", "actual_value": "good"}],
        },
    ]
    portal.post("settings/fields", {"fields": wrong}, module="Contacts")
    report = zoho.provision()
    assert [line.rpartition(" ")[2] for line in report.missing] == ["(options_missing)", "(another_type)"]
    record_id = portal.add_contact(phone=f"+{PHONE}")
    assert zoho.write([write_of(record_id)])[0].error is None
    card = portal.card(record_id)
    assert card["earshot_label"] == "4 negative messages in last 30 days"
    assert not {"earshot_score", "earshot_sentiment"} & set(card)


def test_a_deleted_field_is_made_again_by_the_next_connection(
    zoho: Zoho, portal: ZohoPortal, contact: str, settings: Settings
) -> None:
    drop_field(portal, "earshot_topics")
    assert zoho.write([write_of(contact)])[0].error is None
    assert portal.card(contact)["earshot_topics"] == "shipping; refund"


def test_workers_of_one_account_read_its_fields_once_in_a_while(
    zoho: Zoho, portal: ZohoPortal, contact: str, settings: Settings
) -> None:
    portal.http.delete("/_received")
    for _ in range(3):
        build_crm("zoho", portal.credentials, settings=settings).write([write_of(contact)])
    assert paths(portal, "GET") == [FIELDS_PATH]


def test_fields_are_known_for_five_minutes_each_accounts_own() -> None:
    now = [0.0]
    known = KnownFields(clock=lambda: now[0])
    known.keep("one", frozenset({"a"}))
    now[0] = 299.0
    assert (known.find("one"), known.find("two")) == (frozenset({"a"}), None)
    now[0] = 300.0
    assert known.find("one") is None


# Without fields


def test_without_fields_a_label_becomes_a_tag_and_others_stay(zoho: Zoho, portal: ZohoPortal) -> None:
    portal.conditions(may_provision=False)
    one, two = portal.add_contact(phone="+1"), portal.add_contact(phone="+2")
    portal.post("Contacts/actions/add_tags", {"tags": [{"name": "VIP"}], "ids": [one], "over_write": False})
    writes = [write_of(one), write_of(two, 2, sentiment="positive"), write_of("999999", 3)]
    outcomes = zoho.write(writes)
    assert [outcome.error and outcome.error.code for outcome in outcomes] == [None, None, "record_not_found"]
    assert (portal.tags(one), portal.tags(two)) == (["VIP", "Earshot: negative"], ["Earshot: positive"])
    zoho.write([write_of(one, sentiment="neutral")])
    assert portal.tags(one) == ["VIP", "Earshot: neutral"]
    zoho.write([StateWrite("customer-1", one, None)])
    assert portal.tags(one) == ["VIP"]


def test_without_fields_notes_and_tasks_work_and_contacts_are_not_made(zoho: Zoho, portal: ZohoPortal) -> None:
    portal.conditions(may_provision=False)
    record_id = portal.add_contact(phone=f"+{PHONE}")
    outcomes = zoho.emit([replace(NOTE, record_id=record_id), replace(TASK, record_id=record_id)])
    assert [outcome.error for outcome in outcomes] == [None, None]
    assert zoho.find([customer(1, PHONE)])[0].match is not None
    [refused] = zoho.create([customer(2, "905550000000")])
    assert refused.error is not None
    assert refused.error.code == "field_missing:earshot_customer_id"
    assert portal.contacts() == 1


# Labels


def test_labels_have_zohos_types_and_start_no_workflow(zoho: Zoho, portal: ZohoPortal, contact: str) -> None:
    zoho.write([write_of(contact)])
    [body] = bodies(portal, "PUT", WRITES)
    assert body["trigger"] == []
    assert body["data"] == [
        {
            "id": contact,
            "earshot_sentiment": "negative",
            "earshot_score": 0.91,
            "earshot_last_intent": "refund_request",
            "earshot_topics": "shipping; refund",
            "earshot_negative_30d": 4,
            "earshot_label": "4 negative messages in last 30 days",
            "earshot_last_analyzed_at": "2026-11-23T17:00:00+00:00",
            "earshot_last_summary": "Late parcel",
            "earshot_customer_id": "customer-1",
        }
    ]


def test_no_labels_clear_all_of_ours_and_nothing_else(zoho: Zoho, portal: ZohoPortal, contact: str) -> None:
    before = portal.card(contact)
    zoho.write([write_of(contact)])
    assert zoho.write([StateWrite("customer-1", contact, None)])[0].error is None
    after = portal.card(contact)
    assert not any(name.startswith("earshot_") for name in after)
    assert {name: after[name] for name in before} == before


def test_a_summary_that_is_not_to_be_sent_stays_here(
    portal: ZohoPortal, settings: Settings, zoho: Zoho, contact: str
) -> None:
    silent = build_crm("zoho", portal.credentials, settings=settings, send_summary=False)
    silent.write([write_of(contact)])
    assert "earshot_last_summary" not in portal.card(contact)


def test_long_and_odd_texts_fit(zoho: Zoho, portal: ZohoPortal, contact: str) -> None:
    labels = replace(LABELS, summary="ş" * 65_000, topics=tuple(f"topic-{number}" for number in range(900)))
    assert zoho.write([StateWrite("customer-1", contact, labels)])[0].error is None
    assert len(portal.card(contact)["earshot_last_summary"]) == MAX_SUMMARY_CHARS


def test_our_id_on_another_contact_does_not_keep_the_labels_away(zoho: Zoho, portal: ZohoPortal, contact: str) -> None:
    other, third = portal.add_contact(phone="+2"), portal.add_contact(phone="+3")
    zoho.write([write_of(other, 1)])
    outcomes = zoho.write([write_of(third, 3), write_of(contact, 1)])
    assert [outcome.error for outcome in outcomes] == [None, None]
    card = portal.card(contact)
    assert (card["earshot_sentiment"], "earshot_customer_id" in card) == ("negative", False)
    assert portal.card(other)["earshot_customer_id"] == "customer-1"


def test_a_validation_rule_refuses_one_and_its_neighbours_are_written(
    zoho: Zoho, portal: ZohoPortal, contact: str
) -> None:
    rule = {
        "code": "NOT_ALLOWED",
        "details": {"api_name": "earshot_label", "json_path": "$.data[1].earshot_label"},
        "message": f"Field cannot be updated, call +{PHONE}",
        "status": "error",
    }
    locked = {"code": "RECORD_LOCKED", "details": {}, "message": "…", "status": "error"}
    done = {"code": "SUCCESS", "details": {"id": contact}, "message": "record updated", "status": "success"}
    portal.script(method="PUT", path=WRITES, status=207, body={"data": [done, rule, locked]})
    first, second, third = zoho.write([write_of(contact), write_of("2", 2), write_of("3", 3)])
    assert first.error is None
    assert second.error is not None
    assert (second.error.code, second.error.permanent) == ("not_allowed:earshot_label", True)
    assert third.error is not None
    assert (third.error.code, third.error.permanent) == ("record_locked", False)


@pytest.mark.parametrize("body", [{}, {"data": []}, {"data": "x"}, [], {"status": "success"}])
def test_an_answer_that_does_not_speak_of_each_record_is_not_believed(
    zoho: Zoho, portal: ZohoPortal, contact: str, body: Any
) -> None:
    portal.script(method="PUT", path=WRITES, status=200, body=body)
    with pytest.raises(CrmError, match="^answer_incomplete$") as caught:
        zoho.write([write_of(contact)])
    assert not caught.value.permanent


def test_half_a_body_is_passing(zoho: Zoho, portal: ZohoPortal, contact: str) -> None:
    portal.script(method="PUT", path=WRITES, status=200, body='{"data": [{"code": "SUCC')
    with pytest.raises(CrmError, match="^answer_not_json$"):
        zoho.write([write_of(contact)])


def test_a_merged_contact_is_gone(zoho: Zoho, portal: ZohoPortal, contact: str) -> None:
    winner = portal.add_contact(phone="+2")
    zoho.write([write_of(contact)])
    merge = {"account": portal.credentials["refresh_token"], "loser": contact, "winner": winner}
    portal.http.post("/_merge", json=merge).raise_for_status()
    [outcome] = zoho.write([write_of(contact)])
    assert outcome.error is not None
    assert outcome.error.code == "record_not_found"
    found = zoho.find([customer(1, PHONE)])[0].match
    assert found is not None
    assert (found.record_id, found.matched_on) == (winner, "external_id")


# Limits


def test_an_exhausted_day_is_left_to_the_worker(
    zoho: Zoho, portal: ZohoPortal, contact: str, meter: NotedUsage, waits: list[float]
) -> None:
    portal.conditions(day_limit=1)
    with pytest.raises(CrmError, match="^rate_limit_day$") as caught:
        zoho.write([write_of(contact)])
    assert (caught.value.retry_after_s, caught.value.permanent) == (3600.0, False)
    assert meter.learnt[-1] == Usage(day_left=0)
    assert meter.rests == [3600.0]
    assert waits == []


def test_too_many_calls_at_once_are_a_short_limit(zoho: Zoho, portal: ZohoPortal, contact: str) -> None:
    body = {"code": "TOO_MANY_REQUESTS", "details": {}, "message": "…", "status": "error"}
    portal.script(method="PUT", path=WRITES, status=429, body=body)
    with pytest.raises(CrmError, match="^rate_limit_concurrency$") as caught:
        zoho.write([write_of(contact)])
    assert caught.value.retry_after_s == 10.0


def test_ten_records_written_cost_one_credit(zoho: Zoho, contact: str, meter: NotedUsage) -> None:
    meter.taken.clear()
    zoho.write([write_of(contact), *[write_of(str(number), number) for number in range(2, 26)]])
    assert meter.taken == [(1, "general"), (3, "general")]
    meter.taken.clear()
    zoho.find([customer(1, PHONE)])
    assert meter.taken[0] == (1, "general")
    assert set(meter.taken[1:]) <= {(1, "search")}


def test_ten_thousand_customers_take_a_hundred_updates(zoho: Zoho, portal: ZohoPortal) -> None:
    zoho.provision()
    ids: list[str] = []
    for _ in range(100):
        answer = portal.post("Contacts", {"data": [{"Last_Name": "K"}] * 100, "trigger": []})
        ids += [one["details"]["id"] for one in answer["data"]]
    portal.http.delete("/_received")
    outcomes = zoho.write([write_of(one, number) for number, one in enumerate(ids)])
    assert [outcome.error for outcome in outcomes] == [None] * 10_000
    assert paths(portal, "PUT") == [WRITES] * 100
    assert len(portal.requests()) <= 101


# Finding


def test_our_own_id_wins_while_search_still_lags(zoho: Zoho, portal: ZohoPortal, contact: str) -> None:
    portal.add_contact(phone=f"+{PHONE}")
    zoho.write([write_of(contact)])
    portal.conditions(search_lag_s=60)
    found = zoho.find([customer(1, PHONE), customer(2, "905550000000")])
    assert [one.match and (one.match.record_id, one.match.matched_on) for one in found] == [
        (contact, "external_id"),
        None,
    ]


@pytest.mark.parametrize(
    ("wa_id", "written", "matched_on"),
    [
        (PHONE, f"+{PHONE}", "phone"),
        (PHONE, "0 (555) 111-22-33", "phone"),
        (PHONE, "0090 555 111 22 33", "phone"),
        ("5215512345678", "+52 55 1234 5678", "phone_variant"),
        ("558299448232", "+5582999448232", "phone_variant"),
    ],
)
def test_a_match_says_how_it_was_made(
    zoho: Zoho, portal: ZohoPortal, wa_id: str, written: str, matched_on: str
) -> None:
    portal.add_contact(phone=written)
    match = zoho.find([customer(1, wa_id)])[0].match
    assert match is not None
    assert match.matched_on == matched_on


def test_a_second_number_and_a_second_address_count(zoho: Zoho, portal: ZohoPortal) -> None:
    one = portal.add_contact(Other_Phone=f"+{PHONE}")
    two = portal.add_contact(email="o'neil@example.com")
    portal.add_contact(Asst_Phone=f"+{PHONE}")
    found = zoho.find([customer(1, PHONE), customer(2, emails=("o'neil@example.com",))])
    assert [match.match and match.match.record_id for match in found] == [one, two]
    assert found[1].candidates[0].matched_on == "email"


def test_a_flood_of_duplicates_hides_nobody(zoho: Zoho, portal: ZohoPortal) -> None:
    flood = {"data": [{"Last_Name": "K", "Phone": "+905550000000"}] * 100, "trigger": []}
    for _ in range(3):
        portal.post("Contacts", flood)
    mine = portal.add_contact(phone=f"+{PHONE}")
    found = zoho.find([customer(1, "905550000000"), customer(2, PHONE)])
    assert (len(found[0].candidates), found[0].match) == (200, None)
    assert found[1].match is not None
    assert found[1].match.record_id == mine


def test_criteria_stay_within_zohos_limits(zoho: Zoho, portal: ZohoPortal) -> None:
    zoho.find([customer(number, f"521551234{number:04}", emails=(f"{number}@example.com",)) for number in range(20)])
    searches = [one["path"] for one in portal.requests() if "criteria=" in one["path"]]
    assert len(searches) == 7
    assert all(len(path) < 6000 for path in searches)


def test_an_answer_that_holds_no_records_is_not_taken_for_nobody(zoho: Zoho, portal: ZohoPortal) -> None:
    portal.script(path="/crm/v8/Contacts/search", status=200, body={"info": {}})
    with pytest.raises(CrmError, match="^answer_incomplete$"):
        zoho.find([customer(1, PHONE)])


def test_numbers_are_sought_as_people_write_them() -> None:
    assert {"+905551112233", "05551112233", "5551112233", "+90 555 111 22 33", "0555 111 22 33"} <= spellings(PHONE)


def test_texts_in_queries_stay_texts() -> None:
    assert quoted("a' or 'b\\") == "'a\\' or \\'b\\\\'"


# Creating


def test_a_contact_without_a_name_is_made_under_its_number(zoho: Zoho, portal: ZohoPortal) -> None:
    [found] = zoho.create([customer(1, PHONE)])
    assert found.match is not None
    assert portal.card(found.match.record_id)["Last_Name"] == f"+{PHONE}"


def test_an_answer_lost_while_creating_makes_no_second_contact(zoho: Zoho, portal: ZohoPortal) -> None:
    portal.script(method="POST", path="/crm/v8/Contacts/upsert", drop="after")
    assert zoho.create([customer(1, PHONE)])[0].match is not None
    assert portal.contacts() == 1


def test_what_people_changed_on_a_contact_of_ours_is_left(zoho: Zoho, portal: ZohoPortal) -> None:
    [made] = zoho.create([customer(1, PHONE, display_name="Ayşe")])
    assert made.match is not None
    change = {"data": [{"id": made.match.record_id, "Last_Name": "Yılmaz"}], "trigger": []}
    portal.http.put("/crm/v8/Contacts", json=change).raise_for_status()
    zoho.create([customer(1, PHONE, display_name="Ayşe")])
    assert portal.card(made.match.record_id)["Last_Name"] == "Yılmaz"


def test_a_refused_contact_fails_alone(zoho: Zoho, portal: ZohoPortal) -> None:
    bad, good = zoho.create([customer(1, emails=("not an address",)), customer(2, PHONE)])
    assert bad.error is not None
    assert bad.error.permanent
    assert good.match is not None


# Notes and tasks


def test_a_task_says_when_it_is_due_and_starts_no_workflow(zoho: Zoho, portal: ZohoPortal, contact: str) -> None:
    zoho.emit([replace(TASK, record_id=contact, high_priority=True)])
    [body] = bodies(portal, "POST", "/crm/v8/Tasks")
    assert body["trigger"] == []
    assert body["data"] == [
        {
            "Subject": f"Call back ({reference(TASK.key)})",
            "Description": "now\n\nDue: 2026-11-23 17:00 UTC",
            "Due_Date": "2026-11-23",
            "Priority": "High",
            "Status": "Not Started",
            "Who_Id": {"id": contact},
        }
    ]


def test_a_first_try_asks_nothing_before(zoho: Zoho, portal: ZohoPortal, contact: str) -> None:
    portal.http.delete("/_received")
    zoho.emit([replace(NOTE, record_id=contact, may_exist=False)])
    assert paths(portal, "GET") == []
    assert paths(portal, "POST") == ["/crm/v8/Notes"]


@pytest.mark.parametrize("event", [NOTE, TASK], ids=["note", "task"])
def test_a_lost_answer_makes_no_second_one_although_search_lags(
    zoho: Zoho, portal: ZohoPortal, contact: str, event: CrmEvent
) -> None:
    portal.conditions(search_lag_s=60)
    path = "/crm/v8/Notes" if event.kind == "note" else "/crm/v8/Tasks"
    portal.script(method="POST", path=path, drop="after")
    [first] = zoho.emit([replace(event, record_id=contact, may_exist=False)])
    [second] = zoho.emit([replace(event, record_id=contact)])
    assert (first.error, second.error) == (None, None)
    assert first.event_id == second.event_id
    assert first.event_id
    assert portal.all_events() == 1


@pytest.mark.parametrize("event", [NOTE, TASK], ids=["note", "task"])
def test_an_answer_lost_before_the_effect_is_raised_as_uncertain(
    zoho: Zoho, portal: ZohoPortal, contact: str, event: CrmEvent
) -> None:
    path = "/crm/v8/Notes" if event.kind == "note" else "/crm/v8/Tasks"
    portal.script(method="POST", path=path, drop="before")
    with pytest.raises(CrmError) as caught:
        zoho.emit([replace(event, record_id=contact, may_exist=False)])
    assert (caught.value.uncertain, caught.value.permanent) == (True, False)
    assert zoho.emit([replace(event, record_id=contact)])[0].error is None
    assert portal.all_events() == 1


def test_many_events_are_looked_for_together_and_made_once(zoho: Zoho, portal: ZohoPortal, contact: str) -> None:
    events = [replace(TASK, key=f"k{number}", record_id=contact) for number in range(130)]
    zoho.emit(events[::2])
    outcomes = zoho.emit(events)
    assert [outcome.ref for outcome in outcomes] == [event.key for event in events]
    assert not any(outcome.error for outcome in outcomes)
    assert portal.all_events() == 130


def test_a_note_among_many_is_found_again(zoho: Zoho, portal: ZohoPortal, contact: str) -> None:
    zoho.emit([replace(NOTE, record_id=contact)])
    others = {"data": [{"Note_Content": "x", "Parent_Id": {"id": contact}}] * 100}
    for _ in range(3):
        portal.post("Notes", others)
    zoho.emit([replace(NOTE, record_id=contact)])
    assert bodies(portal, "POST", "/crm/v8/Notes")[1:] == []


def test_an_event_of_a_contact_that_is_gone_fails_alone(zoho: Zoho, portal: ZohoPortal, contact: str) -> None:
    events = [
        replace(event, key=f"{event.key}{record_id}", record_id=record_id, may_exist=may_exist)
        for event in (NOTE, TASK)
        for record_id, may_exist in (("999999", True), ("999998", False), (contact, True))
    ]
    codes = [outcome.error and outcome.error.code for outcome in zoho.emit(events)]
    assert codes == ["record_not_found", "record_not_found", None] * 2
    assert portal.all_events() == 2


def test_a_long_note_is_cut_and_markup_is_shown_and_never_executed(
    zoho: Zoho, portal: ZohoPortal, contact: str
) -> None:
    body = "<script>alert(1)</script>" + "x" * 65_000
    events = [replace(event, record_id=contact, subject="<b>" + "y" * 400, body=body) for event in (NOTE, TASK)]
    assert [outcome.error for outcome in zoho.emit(events)] == [None, None]
    note = note_of(events[0])
    assert len(note["Note_Content"]) == MAX_NOTE_CHARS
    assert note["Note_Content"].startswith("‹script›alert(1)‹/script›")
    assert reference(NOTE.key) in note["Note_Title"]
    task = task_of(events[1])
    assert len(task["Description"]) == MAX_NOTE_CHARS
    assert task["Description"].endswith("Due: 2026-11-23 17:00 UTC")
    assert "<" not in portal.events(contact)[0]


def test_what_we_wrote_is_taken_away_and_taking_it_away_twice_is_harmless(
    zoho: Zoho, portal: ZohoPortal, contact: str
) -> None:
    note, task = zoho.emit([replace(NOTE, record_id=contact), replace(TASK, record_id=contact)])
    assert note.event_id and task.event_id
    events = [
        EmittedEvent(NOTE.key, contact, "note", note.event_id),
        EmittedEvent(TASK.key, contact, "task", None),
        EmittedEvent("never", contact, "note", None),
        EmittedEvent("gone", "999999", "note", None),
    ]
    for _ in range(2):
        assert [(one.ref, one.error) for one in zoho.retract(events)] == [(one.key, None) for one in events]
    assert portal.all_events() == 0


# The tenant's own fields


def test_fields_of_the_company_are_read_with_the_contacts_own(zoho: Zoho, portal: ZohoPortal) -> None:
    company = portal.post("Accounts", {"data": [{"Account_Name": "Acme", "Rating": "Active", "Annual_Revenue": 1.5}]})
    company_id = company["data"][0]["details"]["id"]
    contact = {"Last_Name": "K", "Email": "k@example.com", "Account_Name": {"id": company_id}}
    one = portal.post("Contacts", {"data": [contact]})["data"][0]["details"]["id"]
    two = portal.add_contact(phone="+2")
    names = ("Email", "Account_Name.Rating", "Account_Name.Annual_Revenue", "Account_Name")
    values = zoho.read_fields([one, two, "999999", "not-an-id"], names)
    assert values == {
        one: dict(zip(names, ("k@example.com", "Active", "1.5", company_id), strict=True)),
        two: dict.fromkeys(names),
    }


@pytest.mark.parametrize("name", ["Nowhere", "Account_Name.Nowhere", "Nowhere.Rating", "id from Leads"])
def test_a_field_that_is_not_there_is_named(zoho: Zoho, portal: ZohoPortal, name: str) -> None:
    record_id = portal.add_contact(phone="+1")
    with pytest.raises(CrmError) as caught:
        zoho.read_fields([record_id], ("Email", name))
    assert (caught.value.code, caught.value.permanent) == (f"field_missing:{name}", True)


def test_more_contacts_than_one_query_holds_are_read(zoho: Zoho, portal: ZohoPortal) -> None:
    made = [portal.post("Contacts", {"data": [{"Last_Name": "K"}] * 100}) for _ in range(3)]
    ids = [one["details"]["id"] for answer in made for one in answer["data"]]
    assert len(zoho.read_fields(ids, ("Last_Name",))) == 300


# Trouble


EVERY_CALL: dict[str, Any] = {
    "/crm/v8/org": lambda zoho, _: zoho.check(),
    "/crm/v8/settings/fields": lambda zoho, _: zoho.provision(),
    "/crm/v8/Contacts/search": lambda zoho, _: zoho.find([customer(1, PHONE)]),
    "/crm/v8/coql": lambda zoho, _: zoho.find([customer(1, PHONE)]),
    "/crm/v8/Contacts/upsert": lambda zoho, _: zoho.create([customer(1, PHONE)]),
    "/crm/v8/Contacts": lambda zoho, contact: zoho.write([write_of(contact)]),
    "/crm/v8/Notes": lambda zoho, contact: zoho.emit([replace(NOTE, record_id=contact)]),
    "/crm/v8/Tasks": lambda zoho, contact: zoho.emit([replace(TASK, record_id=contact)]),
}


@pytest.mark.parametrize("path", EVERY_CALL)
def test_trouble_at_any_step_is_raised_and_never_an_outcome(
    zoho: Zoho, portal: ZohoPortal, contact: str, path: str
) -> None:
    body = {"code": "INTERNAL_ERROR", "details": {}, "message": f"of +{PHONE}", "status": "error"}
    portal.script(path=path, status=500, body=body)
    with pytest.raises(CrmError, match="^http_500$") as caught:
        EVERY_CALL[path](zoho, contact)
    assert not caught.value.permanent


def test_a_profile_without_the_right_breaks_the_connection(zoho: Zoho, portal: ZohoPortal, contact: str) -> None:
    body = {
        "code": "NO_PERMISSION",
        "details": {"permissions": ["Crm_Implied_Api_Access"]},
        "message": "permission denied",
    }
    portal.script(method="PUT", path=WRITES, status=403, body=body)
    with pytest.raises(CrmError, match="^no_permission$") as caught:
        zoho.write([write_of(contact)])
    assert caught.value.connection_broken


def test_the_accounts_server_may_be_down(portal: ZohoPortal, zoho: Zoho) -> None:
    portal.script(path="/oauth/v2/token", status=502, body="<html>bad gateway</html>")
    with pytest.raises(CrmError, match="^token_answer_not_json$") as caught:
        zoho.check()
    assert not caught.value.connection_broken


def refusal(code: str, **details: Any) -> dict[str, Any]:
    return {"code": code, "details": details, "message": f"about +{PHONE}", "status": "error"}


@pytest.mark.parametrize("status", [400, 403])
def test_fields_refused_as_a_whole_are_listed_with_the_reason(zoho: Zoho, portal: ZohoPortal, status: int) -> None:
    body = refusal("NO_PERMISSION") if status == 403 else refusal("LIMIT_EXCEEDED", limit=0)
    portal.script(method="POST", path=FIELDS_PATH, status=status, body=body, times=20)
    report = zoho.provision()
    assert len(report.missing) == len(FIELDS)
    assert all(line.endswith(f"({body['code'].lower()})") for line in report.missing)


def test_trouble_while_making_fields_is_raised(zoho: Zoho, portal: ZohoPortal) -> None:
    portal.script(method="POST", path=FIELDS_PATH, status=500, body=refusal("INTERNAL_ERROR"))
    with pytest.raises(CrmError, match="^http_500$"):
        zoho.provision()


def test_an_account_that_shows_no_fields_is_not_believed(zoho: Zoho, portal: ZohoPortal) -> None:
    portal.script(method="GET", path=FIELDS_PATH, status=200, body={"fields": []})
    with pytest.raises(CrmError, match="^answer_incomplete$"):
        zoho.provision()


def test_a_customer_id_that_is_not_unique_is_reported_and_not_used(zoho: Zoho, portal: ZohoPortal) -> None:
    key = {"field_label": "earshot_customer_id", "data_type": "text"}
    portal.post("settings/fields", {"fields": [key]}, module="Contacts")
    [line] = zoho.provision().missing
    assert line.endswith(
        "do not allow duplicate values; Setup > Customization > Modules and Fields > Contacts (not_unique)"
    )
    record_id = portal.add_contact(phone="+1")
    assert zoho.write([write_of(record_id)])[0].error is None
    assert "earshot_customer_id" not in portal.card(record_id)


def test_tags_that_never_were_are_no_obstacle_and_trouble_with_tags_is_raised(
    zoho: Zoho, portal: ZohoPortal, contact: str
) -> None:
    clear = [StateWrite("customer-1", contact, None)]
    portal.script(
        path="/crm/v8/Contacts/actions/remove_tags", status=400, body=refusal("INVALID_DATA", api_name="name")
    )
    assert zoho.write(clear)[0].error is None
    portal.script(path="/crm/v8/Contacts/actions/remove_tags", status=500, body=refusal("INTERNAL_ERROR"))
    with pytest.raises(CrmError, match="^http_500$"):
        zoho.write(clear)


def test_a_search_that_zoho_refuses_is_its_customers_alone(zoho: Zoho, portal: ZohoPortal) -> None:
    search = "/crm/v8/Contacts/search"
    both = refusal("INVALID_QUERY", reason=f"+{PHONE}")
    # Together, then the first alone, then the second; then the first by its digits.
    for status, body in ((400, both), (204, None), (400, both), (204, None)):
        portal.script(path=search, status=status, body=body)
    found = zoho.find([customer(1, "905550000000"), customer(2, PHONE)])
    assert [one.error and one.error.code for one in found] == [None, "invalid_query"]


def test_a_search_by_digits_that_zoho_refuses_is_its_customers_alone(zoho: Zoho, portal: ZohoPortal) -> None:
    search = "/crm/v8/Contacts/search"
    portal.script(path=search, status=204)
    portal.script(path=search, status=400, body=refusal("INVALID_DATA", param_name="phone"))
    found = zoho.find([customer(1, "99"), customer(2, PHONE)])
    assert [one.error and one.error.code for one in found] == ["invalid_data", None]
    portal.script(path=search, status=204)
    portal.script(path=search, status=500, body=refusal("INTERNAL_ERROR"))
    with pytest.raises(CrmError, match="^http_500$"):
        zoho.find([customer(1, PHONE)])


def test_a_limit_while_a_note_is_written_is_raised_as_it_is(zoho: Zoho, portal: ZohoPortal, contact: str) -> None:
    portal.script(method="POST", path="/crm/v8/Notes", status=429, body=refusal("TOO_MANY_REQUESTS"))
    with pytest.raises(CrmError, match="^rate_limit_concurrency$") as caught:
        zoho.emit([replace(NOTE, record_id=contact, may_exist=False)])
    assert not caught.value.uncertain


def test_trouble_while_looking_for_a_note_is_raised(zoho: Zoho, portal: ZohoPortal, contact: str) -> None:
    portal.script(path=f"/crm/v8/Contacts/{contact}/Notes", status=500, body=refusal("INTERNAL_ERROR"))
    with pytest.raises(CrmError, match="^http_500$"):
        zoho.emit([replace(NOTE, record_id=contact)])
    assert portal.all_events() == 0


def test_a_note_that_may_not_be_deleted_is_said_so(zoho: Zoho, portal: ZohoPortal, contact: str) -> None:
    body = {"data": [refusal("NO_PERMISSION", id="1")]}
    portal.script(method="DELETE", path="/crm/v8/Notes", status=400, body=body)
    [outcome] = zoho.retract([EmittedEvent(NOTE.key, contact, "note", "1")])
    assert outcome.error is not None
    assert (outcome.error.code, outcome.error.permanent) == ("no_permission", True)


def test_values_of_any_kind_are_read_as_text(zoho: Zoho, portal: ZohoPortal) -> None:
    record = {"id": "1", "A": True, "B": ["x", {"name": "y", "id": "2"}], "C": 1.5, "D": [], "E": ""}
    portal.script(path="/crm/v8/coql", status=200, body={"data": [record]})
    assert zoho.read_fields(["1"], ("A", "B", "C", "D", "E")) == {
        "1": {"A": "true", "B": "x; y", "C": "1.5", "D": None, "E": None}
    }
