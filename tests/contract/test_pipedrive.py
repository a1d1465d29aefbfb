"""What Pipedrive alone does: keys that differ per account, no batch write, no key for notes, a day counted in tokens."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest

from config.settings import Settings, load_settings
from crm_sync import client as crm_client
from crm_sync.base import CrmError, CrmEvent, CustomerRef, EmittedEvent, StateWrite
from crm_sync.labels import CustomerLabels
from crm_sync.metering import Usage
from crm_sync.pipedrive import Pipedrive, base_url
from crm_sync.pipedrive_answers import Answers
from crm_sync.pipedrive_api import THREADS
from crm_sync.pipedrive_events import event_reference
from crm_sync.pipedrive_fields import FIELD_TYPES
from crm_sync.pipedrive_finding import search_term
from crm_sync.registry import build_crm
from crm_sync.tokens import ConstantToken
from tests.crm_portals import PORTALS
from tests.crm_portals.pipedrive import PipedrivePortal
from tests.crm_specifications import violations

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PHONE = "905551112233"
PERSONS = "/api/v2/persons"
FIELDS = "/api/v2/personFields"
LABELS = CustomerLabels(
    sentiment="negative",
    score=0.91,
    intent="refund_request",
    topics=("shipping",),
    summary="Late.",
    negative_30d=4,
    last_analyzed_at=AT,
)
NOTE = CrmEvent(key="m1:note", record_id="", kind="note", subject="Escalated", body="now", due_at=AT)
TASK = CrmEvent(key="m1:task", record_id="", kind="task", subject="Call back", body="at 5", due_at=AT)


@pytest.fixture
def portal(standins: dict[str, str]) -> Iterator[PipedrivePortal]:
    portal = PipedrivePortal(standins["pipedrive"])
    portal.reset_script()
    yield portal
    received = portal.requests()
    portal.reset()
    assert violations("pipedrive", received) == []


@pytest.fixture
def waits() -> list[float]:
    return []


def adapter(portal: PipedrivePortal, waits: list[float], **more: Any) -> Pipedrive:
    tokens = ConstantToken(portal.credentials["token"])
    return Pipedrive(tokens=tokens, base_url=portal.url, default_region="TR", sleep=waits.append, **more)


@pytest.fixture
def crm(portal: PipedrivePortal, waits: list[float]) -> Pipedrive:
    return adapter(portal, waits)


def settings_of(**environ: str) -> Settings:
    return load_settings({"DATABASE_URL": "postgresql://-", "REDIS_URL": "redis://-", "EARSHOT_KEYS": "-", **environ})


def write_of(record_id: str, number: int = 1, **changed: Any) -> StateWrite:
    return StateWrite(f"customer-{number}", record_id, replace(LABELS, **changed))


def sent(portal: PipedrivePortal, method: str, path: str) -> list[dict[str, Any]]:
    return [one for one in portal.requests() if one["method"] == method and one["path"].startswith(path)]


def codes(outcomes: list[Any]) -> list[str | None]:
    return [one.error.code if one.error else None for one in outcomes]


def test_the_portal_is_the_one_of_the_shared_tests() -> None:
    assert PORTALS["pipedrive"] is PipedrivePortal


# Credentials


def test_an_app_gets_its_token_and_the_address_of_the_api(portal: PipedrivePortal) -> None:
    credentials = {"client_id": "app", "client_secret": "s3cret", "refresh_token": f"refresh-{time.monotonic_ns()}"}
    crm = build_crm("pipedrive", credentials, settings=settings_of(PIPEDRIVE_OAUTH_URL=portal.url))
    account = crm.check()
    assert account.account_id
    received = portal.http.get("/_received").text
    assert "s3cret" not in received
    assert credentials["refresh_token"] not in received


def test_an_app_whose_token_ran_out_renews_it_once(portal: PipedrivePortal) -> None:
    portal.conditions(token_life_s=0.0)
    credentials = {"client_id": "app", "client_secret": "s", "refresh_token": f"refresh-{time.monotonic_ns()}"}
    crm = build_crm("pipedrive", credentials, settings=settings_of(PIPEDRIVE_OAUTH_URL=portal.url))
    with pytest.raises(CrmError, match="^http_401$"):
        crm.check()
    portal.conditions(token_life_s=60.0)
    assert crm.check().account_id


def test_a_revoked_app_breaks_the_connection(portal: PipedrivePortal) -> None:
    portal.conditions(refresh_tokens_work=False)
    credentials = {"client_id": "app", "client_secret": "s", "refresh_token": "gone"}
    crm = build_crm("pipedrive", credentials, settings=settings_of(PIPEDRIVE_OAUTH_URL=portal.url))
    with pytest.raises(CrmError, match="^token_refused:invalid_grant$") as caught:
        crm.check()
    assert caught.value.connection_broken


@pytest.mark.parametrize(
    ("credentials", "environ", "expected"),
    [
        ({"token": "t"}, {}, "https://api.pipedrive.com"),
        ({"token": "t", "domain": "acme"}, {}, "https://acme.pipedrive.com"),
        ({"token": "t", "domain": "https://Acme.pipedrive.com/"}, {}, "https://acme.pipedrive.com"),
        ({"token": "t", "domain": "acme"}, {"PIPEDRIVE_API_URL": "http://127.0.0.1:9"}, "http://127.0.0.1:9"),
        ({"client_id": "c", "client_secret": "s", "refresh_token": "r"}, {}, None),
    ],
)
def test_where_the_api_is(credentials: dict[str, str], environ: dict[str, str], expected: str | None) -> None:
    assert base_url(credentials, settings_of(**environ)) == expected


@pytest.mark.parametrize("domain", ["evil.example", "a/b", "acme.pipedrive.com.evil.example", "a@b", "acme:80"])
def test_a_token_goes_only_to_pipedrive(domain: str) -> None:
    with pytest.raises(CrmError, match="^domain_unusable$") as caught:
        build_crm("pipedrive", {"token": "t", "domain": domain}, settings=settings_of())
    assert caught.value.connection_broken


def test_all_missing_scopes_are_named_at_once(crm: Pipedrive, portal: PipedrivePortal) -> None:
    refusal = {"success": False, "error": "Scope and URL mismatch", "errorCode": 403}
    portal.script(path="/api/v2/activities", status=403, body=refusal)
    portal.script(path=f"{PERSONS}/search", status=403, body=refusal)
    with pytest.raises(CrmError, match=r"^missing_scopes:activities:full:search:read$") as caught:
        crm.check()
    assert caught.value.connection_broken


def test_a_check_tells_account_plan_and_what_is_to_be_made(crm: Pipedrive) -> None:
    account = crm.check()
    assert account.account_id
    assert any("API tokens a day" in fact for fact in account.facts)
    assert f"fields to be made: {len(FIELD_TYPES)}" in account.facts


# Fields


def test_labels_go_by_keys_that_differ_per_account(crm: Pipedrive, portal: PipedrivePortal) -> None:
    record_id = portal.add_contact(phone=f"+{PHONE}")
    assert codes(crm.write([write_of(record_id)])) == [None]
    card = portal.card(record_id)
    assert card["earshot_sentiment"] == "negative"
    assert card["earshot_score"] == "0.91"
    assert card["earshot_last_analyzed_at"] == "2026-11-23T12:00:00.000Z"
    assert card["earshot_customer_id"] == "customer-1"
    assert len(sent(portal, "PATCH", PERSONS)) == 1


def test_a_card_that_is_cleared_bears_nothing_of_ours(crm: Pipedrive, portal: PipedrivePortal) -> None:
    record_id = portal.add_contact(phone=f"+{PHONE}")
    crm.write([write_of(record_id)])
    assert codes(crm.write([StateWrite("customer-1", record_id, None)])) == [None]
    assert not any(name.startswith("earshot_") for name in portal.card(record_id))


def test_the_fields_are_read_once(crm: Pipedrive, portal: PipedrivePortal) -> None:
    crm.provision()
    before = len(sent(portal, "GET", FIELDS))
    ids = [portal.add_contact(phone=f"+{PHONE}") for _ in range(3)]
    for record_id in ids:
        crm.write([write_of(record_id)])
    assert len(sent(portal, "GET", FIELDS)) == before


@pytest.mark.parametrize("name", ["earshot_sentiment", "earshot_label", "earshot_topics"])
def test_a_deleted_field_is_noticed_and_made_again(crm: Pipedrive, portal: PipedrivePortal, name: str) -> None:
    record_id = portal.add_contact(phone=f"+{PHONE}")
    crm.provision()
    portal.http.delete(f"{FIELDS}/{portal.code_of(name)}").raise_for_status()
    assert codes(crm.write([write_of(record_id)])) == [None]
    assert name in portal.card(record_id)


def test_a_renamed_field_is_another_one_to_the_next_worker(
    crm: Pipedrive, portal: PipedrivePortal, waits: list[float]
) -> None:
    record_id = portal.add_contact(phone=f"+{PHONE}")
    crm.provision()
    code = portal.code_of("earshot_label")
    portal.http.patch(f"{FIELDS}/{code}", json={"field_name": "Mood"}).raise_for_status()
    assert codes(adapter(portal, waits).write([write_of(record_id)])) == [None]
    assert portal.card(record_id)["earshot_label"] == "4 negative messages in last 30 days"


def test_a_key_that_is_taken_without_a_word_but_not_shown_is_a_missing_field(
    crm: Pipedrive, portal: PipedrivePortal
) -> None:
    record_id = portal.add_contact(phone=f"+{PHONE}")
    crm.provision()
    portal.script(method="PATCH", path=PERSONS, status=200, body={
        "success": True, "data": {"id": int(record_id), "custom_fields": {"f" * 40: None}},
    })  # fmt: skip
    [outcome] = crm.write([write_of(record_id)])
    assert outcome.error is not None
    assert outcome.error.code.startswith("field_missing:earshot_")


def test_a_text_field_under_our_name_holds_our_number(crm: Pipedrive, portal: PipedrivePortal) -> None:
    portal.post(FIELDS, {"field_name": "earshot_score", "field_type": "varchar"})
    record_id = portal.add_contact(phone=f"+{PHONE}")
    assert codes(crm.write([write_of(record_id)])) == [None]
    assert portal.card(record_id)["earshot_score"] == "0.91"


def test_a_field_of_a_type_that_cannot_hold_it_is_left_out_and_reported(
    crm: Pipedrive, portal: PipedrivePortal
) -> None:
    portal.post(FIELDS, {"field_name": "earshot_score", "field_type": "date"})
    record_id = portal.add_contact(phone=f"+{PHONE}")
    assert codes(crm.write([write_of(record_id)])) == [None]
    card = portal.card(record_id)
    assert "earshot_score" not in card
    assert card["earshot_sentiment"] == "negative"
    [line] = crm.provision().missing
    assert line.startswith("persons.earshot_score (Company settings > Data fields > Person > Custom field: ")
    assert "Numerical; the field there is of type date" in line


def test_an_option_that_was_deleted_is_made_again(crm: Pipedrive, portal: PipedrivePortal) -> None:
    record_id = portal.add_contact(phone=f"+{PHONE}")
    crm.provision()
    _delete_option(portal, "earshot_sentiment", "negative")
    assert codes(crm.write([write_of(record_id)])) == [None]
    assert portal.card(record_id)["earshot_sentiment"] == "negative"


def test_without_the_option_and_the_right_the_rest_is_written(
    crm: Pipedrive, portal: PipedrivePortal, waits: list[float]
) -> None:
    record_id = portal.add_contact(phone=f"+{PHONE}")
    crm.provision()
    _delete_option(portal, "earshot_sentiment", "negative")
    portal.conditions(may_provision=False)
    assert codes(adapter(portal, waits).write([write_of(record_id)])) == [None]
    card = portal.card(record_id)
    assert "earshot_sentiment" not in card
    assert card["earshot_negative_30d"] == "4"


def test_an_administrators_own_spelling_of_an_option_is_taken(crm: Pipedrive, portal: PipedrivePortal) -> None:
    options = [{"label": one} for one in ("Positive", "Neutral", "Negative")]
    portal.post(FIELDS, {"field_name": "earshot_sentiment", "field_type": "enum", "options": options})
    record_id = portal.add_contact(phone=f"+{PHONE}")
    assert codes(crm.write([write_of(record_id)])) == [None]
    assert portal.card(record_id)["earshot_sentiment"] == "Negative"


def _delete_option(portal: PipedrivePortal, name: str, label: str) -> None:
    [known] = [one for one in portal.fields() if one["field_name"] == name]
    ids = [{"id": one["id"]} for one in known["options"] if one["label"] == label]
    portal.http.request("DELETE", f"{FIELDS}/{known['field_code']}/options", json=ids).raise_for_status()


# Where fields may not be made


def test_without_the_right_the_fields_are_listed_to_be_made_by_hand(crm: Pipedrive, portal: PipedrivePortal) -> None:
    portal.conditions(may_provision=False)
    report = crm.provision()
    assert not report.created
    assert len(report.missing) == len(FIELD_TYPES)
    assert report.missing[0] == (
        "persons.earshot_sentiment (Company settings > Data fields > Person > Custom field: type Single option, "
        "options positive, neutral, negative) (missing_scopes:contact-fields:full)"
    )


def test_a_user_who_is_no_administrator_gets_the_same_list(crm: Pipedrive, portal: PipedrivePortal) -> None:
    refusal = {"success": False, "error": "Forbidden", "errorCode": 403}
    portal.script(method="POST", path=FIELDS, status=403, body=refusal, times=len(FIELD_TYPES))
    report = crm.provision()
    assert len(report.missing) == len(FIELD_TYPES)
    assert report.missing[-1].endswith("type Text) (forbidden)")


def test_a_dry_run_makes_nothing(crm: Pipedrive, portal: PipedrivePortal) -> None:
    assert len(crm.provision(dry_run=True).missing) == len(FIELD_TYPES)
    assert sent(portal, "POST", FIELDS) == []


def test_without_fields_and_labels_there_is_nothing_to_write_to(crm: Pipedrive, portal: PipedrivePortal) -> None:
    record_id = portal.add_contact(phone=f"+{PHONE}")
    portal.conditions(may_provision=False)
    with pytest.raises(CrmError, match="^field_missing:earshot_label$") as caught:
        crm.write([write_of(record_id)])
    assert caught.value.permanent
    assert codes(crm.emit([replace(NOTE, record_id=record_id), replace(TASK, record_id=record_id)])) == [None, None]
    assert codes(crm.write([StateWrite("customer-1", record_id, None)])) == [None]


def test_labels_of_persons_stand_in_for_fields_and_others_stay(crm: Pipedrive, portal: PipedrivePortal) -> None:
    names = ("Earshot: negative", "Earshot: positive", "Earshot: neutral")
    portal.post(f"{FIELDS}/label_ids/options", [{"label": one} for one in names])
    record_id = portal.add_contact(phone=f"+{PHONE}")
    portal.http.patch(f"{PERSONS}/{record_id}", json={"label_ids": [6]}).raise_for_status()
    portal.conditions(may_provision=False)
    assert codes(crm.write([write_of(record_id)])) == [None]
    assert portal.labels(record_id) == ["Hot lead", "Earshot: negative"]
    crm.write([write_of(record_id, sentiment="positive")])
    assert portal.labels(record_id) == ["Hot lead", "Earshot: positive"]
    crm.write([StateWrite("customer-1", record_id, None)])
    assert portal.labels(record_id) == ["Hot lead"]
    gone = crm.write([write_of("999999")])
    assert codes(gone) == ["record_not_found"]


def test_an_account_that_is_full_of_fields_gets_our_labels_instead(crm: Pipedrive, portal: PipedrivePortal) -> None:
    full = {"success": False, "error": "Custom fields limit reached.", "code": "feature_capping_custom_fields_limit"}
    portal.script(method="POST", path=FIELDS, status=403, body=full, times=len(FIELD_TYPES))
    record_id = portal.add_contact(phone=f"+{PHONE}")
    assert codes(crm.write([write_of(record_id)])) == [None]
    assert portal.labels(record_id) == ["Earshot: negative"]


# Writing


def test_an_administrators_rule_refuses_one_person_and_its_neighbours_are_written(
    crm: Pipedrive, portal: PipedrivePortal
) -> None:
    crm.provision()
    ids = [portal.add_contact(phone=f"+{PHONE}") for _ in range(3)]
    rule = {"success": False, "error": f"Required: +{PHONE}", "code": "ERR_REQUIRED_FIELDS"}
    portal.script(method="PATCH", path=f"{PERSONS}/{ids[1]}", status=400, body=rule)
    outcomes = crm.write([write_of(one, number) for number, one in enumerate(ids)])
    assert codes(outcomes) == [None, "err_required_fields", None]
    assert outcomes[1].error is not None
    assert outcomes[1].error.permanent
    assert [("earshot_sentiment" in portal.card(one)) for one in ids] == [True, False, True]


def test_a_person_that_is_withheld_from_our_user_is_that_persons_trouble(
    crm: Pipedrive, portal: PipedrivePortal
) -> None:
    crm.provision()
    ids = [portal.add_contact(phone=f"+{PHONE}") for _ in range(3)]
    refusal = {"success": False, "error": "You do not have permission to do this", "errorCode": 403}
    portal.script(method="PATCH", path=f"{PERSONS}/{ids[0]}", status=403, body=refusal)
    portal.script(method="POST", path="/api/v1/notes", status=403, body=refusal)
    outcomes = crm.write([write_of(one, number) for number, one in enumerate(ids)])
    assert codes(outcomes) == ["forbidden", None, None]
    assert codes(crm.emit([replace(NOTE, record_id=ids[0])])) == ["forbidden"]
    portal.script(path=f"{PERSONS}/search", status=403, body=refusal)
    with pytest.raises(CrmError, match="^forbidden$") as caught:
        crm.find([CustomerRef("c", phones=(PHONE,))])
    assert caught.value.connection_broken


def test_one_persons_bad_answer_is_its_own(crm: Pipedrive, portal: PipedrivePortal) -> None:
    crm.provision()
    ids = [portal.add_contact(phone=f"+{PHONE}") for _ in range(5)]
    portal.script(method="PATCH", path=f"{PERSONS}/{ids[2]}", status=500, body="<html>oops</html>")
    outcomes = crm.write([write_of(one, number) for number, one in enumerate(ids)])
    assert codes(outcomes) == [None, None, "http_500", None, None]
    assert outcomes[2].error is not None
    assert not outcomes[2].error.permanent


def test_a_limit_in_the_middle_leaves_what_was_written_as_written(crm: Pipedrive, portal: PipedrivePortal) -> None:
    crm.provision()
    ids = [portal.add_contact(phone=f"+{PHONE}") for _ in range(60)]
    portal.conditions(day_limit=_used(portal) + 20 * 5)
    outcomes = crm.write([write_of(one, number) for number, one in enumerate(ids)])
    written = [index for index, one in enumerate(outcomes) if one.error is None]
    assert len(written) == 20
    portal.conditions(day_limit=None)
    assert [index for index, one in enumerate(ids) if "earshot_label" in portal.card(one)] == written
    errors = [one.error for one in outcomes if one.error]
    assert {(one.code, one.permanent) for one in errors} == {("rate_limit_daily", False)}
    assert all(one.retry_after_s is not None and 80_000 < one.retry_after_s <= 86_400 for one in errors)
    # Nobody hammers an account whose day is over.
    assert len(sent(portal, "PATCH", PERSONS)) <= 20 + THREADS


def test_a_limit_at_the_start_is_raised(crm: Pipedrive, portal: PipedrivePortal) -> None:
    crm.provision()
    record_id = portal.add_contact(phone=f"+{PHONE}")
    portal.conditions(day_limit=1)
    with pytest.raises(CrmError, match="^rate_limit_daily$"):
        crm.write([write_of(record_id), write_of(record_id, 2)])


def _used(portal: PipedrivePortal) -> int:
    headers = portal.http.get("/api/v1/users/me").headers
    return int(headers["x-daily-ratelimit-token-limit"]) - int(headers["x-daily-ratelimit-token-remaining"])


def test_a_page_of_the_firewall_is_a_limit_and_no_broken_connection(crm: Pipedrive, portal: PipedrivePortal) -> None:
    crm.provision()
    record_id = portal.add_contact(phone=f"+{PHONE}")
    portal.script(method="PATCH", path=PERSONS, status=403, body="<html>Attention required | Cloudflare</html>")
    with pytest.raises(CrmError, match="^rate_limit_blocked$") as caught:
        crm.write([write_of(record_id)])
    assert (caught.value.connection_broken, caught.value.retry_after_s) == (False, 300.0)


def test_many_failures_in_a_row_stop_the_rest(crm: Pipedrive, portal: PipedrivePortal) -> None:
    crm.provision()
    ids = [portal.add_contact(phone=f"+{PHONE}") for _ in range(60)]
    portal.script(method="PATCH", path=PERSONS, status=500, body={}, times=60)
    with pytest.raises(CrmError, match="^http_500$"):
        crm.write([write_of(one, number) for number, one in enumerate(ids)])
    assert len(sent(portal, "PATCH", PERSONS)) <= 3 * THREADS


@pytest.mark.parametrize(
    "body", ['{"success": true, "da', "[]", '{"success": true}', '{"success": true, "data": null}']
)
def test_half_an_answer_is_no_success(crm: Pipedrive, portal: PipedrivePortal, body: str) -> None:
    crm.provision()
    record_id = portal.add_contact(phone=f"+{PHONE}")
    portal.script(method="PATCH", path=PERSONS, status=200, body=body)
    with pytest.raises(CrmError) as caught:
        crm.write([write_of(record_id)])
    assert not caught.value.permanent
    assert not caught.value.connection_broken


def test_an_answer_of_200_that_says_no_is_a_refusal(crm: Pipedrive, portal: PipedrivePortal) -> None:
    crm.provision()
    record_id = portal.add_contact(phone=f"+{PHONE}")
    portal.script(method="PATCH", path=PERSONS, status=200, body={"success": False, "error": f"no +{PHONE}"})
    assert codes(crm.write([write_of(record_id)])) == ["refused"]


@pytest.mark.parametrize("record_id", ["", "abc", "1/merge", "12 34", "٣"])
def test_what_can_be_no_id_gets_into_no_path(crm: Pipedrive, portal: PipedrivePortal, record_id: str) -> None:
    crm.provision()
    assert codes(crm.write([write_of(record_id)])) == ["record_not_found"]
    assert codes(crm.emit([replace(NOTE, record_id=record_id)])) == ["record_not_found"]
    assert sent(portal, "PATCH", PERSONS) == []


def test_a_merged_person_is_gone_and_the_other_one_is_found(crm: Pipedrive, portal: PipedrivePortal) -> None:
    crm.provision()
    loser, winner = portal.add_contact(phone=f"+{PHONE}"), portal.add_contact(phone="+905550000000")
    crm.write([write_of(loser)])
    portal.merge(loser, winner)
    assert codes(crm.write([write_of(loser)])) == ["record_not_found"]
    [found] = crm.find([CustomerRef("customer-1", phones=(PHONE,))])
    assert found.match is not None
    assert (found.match.record_id, found.match.matched_on) == (winner, "external_id")


def test_a_tenant_that_sends_no_summaries_sends_none(portal: PipedrivePortal, waits: list[float]) -> None:
    record_id = portal.add_contact(phone=f"+{PHONE}")
    adapter(portal, waits, send_summary=False).write([write_of(record_id)])
    assert "earshot_last_summary" not in portal.card(record_id)


def test_long_texts_are_cut_to_what_a_field_holds(crm: Pipedrive, portal: PipedrivePortal) -> None:
    record_id = portal.add_contact(phone=f"+{PHONE}")
    write = write_of(record_id, summary="ş" * 70_000, intent="x" * 300, topics=tuple(f"topic-{n}" for n in range(99)))
    assert codes(crm.write([write])) == [None]
    card = portal.card(record_id)
    assert (len(card["earshot_last_summary"]), len(card["earshot_last_intent"])) == (65_000, 255)
    assert card["earshot_topics"].endswith("topic-98")


@pytest.mark.parametrize(
    ("shown", "code", "stands_on"),
    [({"id": 77}, None, "77"), ({"id": 51, "is_deleted": True}, "record_not_found", None), ({"id": 51}, None, None)],
)
def test_an_answer_about_another_or_a_deleted_person_is_heard(
    crm: Pipedrive, portal: PipedrivePortal, shown: dict[str, Any], code: str | None, stands_on: str | None
) -> None:
    crm.provision()
    portal.script(method="PATCH", path=f"{PERSONS}/51", status=200, body={"success": True, "data": shown})
    [outcome] = crm.write([write_of("51")])
    assert (codes([outcome]), outcome.record_id) == ([code], stands_on)


def test_an_account_that_was_not_paid_for_is_a_broken_connection(crm: Pipedrive, portal: PipedrivePortal) -> None:
    portal.script(path="/api/v1/users/me", status=402, body={"success": False, "error": "Payment required"})
    with pytest.raises(CrmError, match="^payment_required$") as caught:
        crm.check()
    assert caught.value.connection_broken


# Limits


class _Meter:
    """Lets so many units through, then asks to wait."""

    def __init__(self, units: int, *, wait_s: float, code: str = "budget_used") -> None:
        self.units, self.wait_s, self.code = units, wait_s, code
        self.taken: list[tuple[int, str]] = []
        self.learned: list[Usage] = []
        self.rested: list[float] = []

    def take(self, cost: int, *, lane: str) -> None:
        if cost > self.units:
            raise CrmError(self.code, permanent=False, retry_after_s=self.wait_s)
        self.units -= cost
        self.taken.append((cost, lane))

    def learn(self, usage: Usage) -> None:
        self.learned.append(usage)

    def rest(self, seconds: float) -> None:
        self.rested.append(seconds)


def test_each_call_is_paid_as_pipedrive_counts_it(portal: PipedrivePortal, waits: list[float]) -> None:
    record_id = portal.add_contact(phone=f"+{PHONE}")
    meter = _Meter(1_000_000, wait_s=1.0)
    crm = adapter(portal, waits, meter=meter)
    before = _used(portal)
    crm.check()
    crm.provision()
    crm.write([write_of(record_id)])
    crm.find([CustomerRef("c", phones=(PHONE,), emails=("a@example.com",))])
    crm.create([CustomerRef("c2", phones=("905550000000",))])
    emitted = crm.emit([replace(NOTE, record_id=record_id), replace(TASK, record_id=record_id)])
    crm.retract(
        [
            EmittedEvent(one.ref, record_id, kind, one.event_id)
            for one, kind in zip(emitted, ("note", "task"), strict=True)
        ]
    )
    crm.read_fields([record_id], ("won_deals_count",))
    # Reading the account's own count costs 2.
    assert sum(cost for cost, _ in meter.taken) == _used(portal) - before - 2
    assert {cost for cost, lane in meter.taken if lane == "search"} == {20}
    assert meter.learned[-1].day_limit == 2_100_000


@pytest.mark.parametrize("code", ["budget_used", "rate_limit_wait"])
def test_a_short_wait_for_the_meter_tears_no_batch_apart(portal: PipedrivePortal, code: str) -> None:
    meter = _Meter(0, wait_s=0.5, code=code)

    def sleep(seconds: float) -> None:
        meter.units += 20

    crm = Pipedrive(tokens=ConstantToken(portal.credentials["token"]), base_url=portal.url, meter=meter, sleep=sleep)
    ids = [portal.add_contact(phone=f"+{PHONE}") for _ in range(20)]
    assert codes(crm.write([write_of(one, number) for number, one in enumerate(ids)])) == [None] * 20


@pytest.mark.parametrize("wait_s", [0.5, 3600.0])
def test_a_meter_that_gives_nothing_is_not_waited_for_for_ever(
    portal: PipedrivePortal, waits: list[float], wait_s: float
) -> None:
    crm = adapter(portal, waits, meter=_Meter(0, wait_s=wait_s))
    with pytest.raises(CrmError, match="^budget_used$"):
        crm.find([CustomerRef("c", phones=(PHONE,))])
    assert sum(waits) <= 10


def test_the_burst_is_kept_before_pipedrive_must_refuse(
    crm: Pipedrive, portal: PipedrivePortal, waits: list[float]
) -> None:
    crm.provision()
    record_id = portal.add_contact(phone=f"+{PHONE}")
    spent = {"x-ratelimit-limit": "20", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "2"}
    done = {"success": True, "data": {"id": int(record_id)}}
    portal.script(method="PATCH", path=PERSONS, status=200, body=done, headers=spent)
    crm.write([write_of(record_id)])
    assert waits == []
    crm.write([write_of(record_id)])
    assert len(waits) == 1
    assert 0 < waits[0] <= 2


@pytest.mark.parametrize(
    ("headers", "retry_after_s", "code", "wait_s"),
    [
        ({}, None, "rate_limit_burst", 10.0),
        ({}, 30.0, "rate_limit_burst", 30.0),
        ({"x-ratelimit-reset": "4"}, None, "rate_limit_burst", 4.0),
        ({"x-daily-ratelimit-token-remaining": "900"}, None, "rate_limit_burst", 10.0),
        ({"x-daily-ratelimit-token-remaining": "3"}, None, "rate_limit_daily", 3600.0),
        ({"x-daily-ratelimit-token-remaining": "0"}, 50_000.0, "rate_limit_daily", 50_000.0),
    ],
)
def test_the_limit_that_was_hit_says_how_long_to_wait(
    headers: dict[str, str], retry_after_s: float | None, code: str, wait_s: float
) -> None:
    answers = Answers(clock=lambda: AT.timestamp())
    answers.read_usage(headers)
    error = answers.read_refusal(429, {"success": False, "error": "x"}, retry_after_s)
    assert error is not None
    assert (error.code, error.retry_after_s, error.permanent) == (code, wait_s, False)


def test_shortly_before_midnight_the_day_is_nearly_over() -> None:
    answers = Answers(clock=lambda: datetime(2026, 11, 23, 23, 50, tzinfo=UTC).timestamp())
    answers.read_usage({"x-daily-ratelimit-token-remaining": "0"})
    error = answers.read_refusal(429, {}, None)
    assert error is not None
    assert error.retry_after_s == 600.0


def test_ten_thousand_customers_cost_ten_thousand_updates(monkeypatch: pytest.MonkeyPatch) -> None:
    patches: set[str] = set()
    under_way: list[int] = []
    busy = threading.Semaphore(THREADS)
    fields = [
        {"field_code": f"{number:040x}", "field_name": name, "field_type": kind, "is_custom_field": True,
         "is_optional_response_field": False,
         "options": [{"id": n, "label": one} for n, one in enumerate(("positive", "neutral", "negative"), 1)]}
        for number, (name, kind) in enumerate(FIELD_TYPES.items())
    ]  # fmt: skip

    def answer(request: httpx2.Request) -> httpx2.Response:
        assert busy.acquire(blocking=False)
        try:
            if request.method == "PATCH":
                under_way.append(1)
                patches.add(request.url.path)
                return httpx2.Response(
                    200, json={"success": True, "data": {"id": int(request.url.path.rsplit("/")[-1])}}
                )
            return httpx2.Response(
                200, json={"success": True, "data": fields, "additional_data": {"next_cursor": None}}
            )
        finally:
            busy.release()

    monkeypatch.setattr(crm_client, "shared_transport", lambda: httpx2.MockTransport(answer))
    crm = Pipedrive(tokens=ConstantToken("t"), base_url="http://pipedrive.invalid")
    outcomes = crm.write([write_of(str(number), number) for number in range(1, 10_001)])
    assert not any(one.error for one in outcomes)
    assert (len(under_way), len(patches)) == (10_000, 10_000)


# Finding and creating


@pytest.mark.parametrize(
    ("wa_id", "term"),
    [
        (PHONE, "5551112233"),
        ("5215512345678", "5512345678"),
        ("5491123456789", "1123456789"),
        ("558299448232", "99448232"),
        ("999", "999"),
    ],
)
def test_one_search_serves_all_spellings(wa_id: str, term: str) -> None:
    assert search_term(wa_id) == term


@pytest.mark.parametrize(
    ("wa_id", "written", "matched_on"),
    [
        (PHONE, "0555 111 22 33", "phone"),
        ("5215512345678", "+52 55 1234 5678", "phone_variant"),
        ("525512345678", "+52 55 1234 5678", "phone"),
        ("558299448232", "+55 82 99944-8232", "phone_variant"),
    ],
)
def test_what_matched_is_told(
    crm: Pipedrive, portal: PipedrivePortal, wa_id: str, written: str, matched_on: str
) -> None:
    record_id = portal.add_contact(phone=written)
    [found] = crm.find([CustomerRef("c", phones=(wa_id,))])
    assert [(one.record_id, one.matched_on) for one in found.candidates] == [(record_id, matched_on)]


def test_our_own_id_decides_between_two_with_one_number(crm: Pipedrive, portal: PipedrivePortal) -> None:
    crm.provision()
    portal.add_contact(phone=f"+{PHONE}")
    ours = portal.add_contact(phone=f"+{PHONE}", earshot_customer_id="c")
    [found] = crm.find([CustomerRef("c", phones=(PHONE,))])
    assert found.match is not None
    assert (found.match.record_id, found.match.matched_on) == (ours, "external_id")


def test_our_own_id_finds_who_changed_the_number_and_who_has_none(crm: Pipedrive, portal: PipedrivePortal) -> None:
    crm.provision()
    moved = portal.add_contact(phone="+905550000000", earshot_customer_id="c1")
    instagram = portal.add_contact(earshot_customer_id="c2")
    portal.add_contact(earshot_customer_id="c22")
    found = crm.find([CustomerRef("c1", phones=(PHONE,)), CustomerRef("c2"), CustomerRef("c3")])
    assert [one.match and (one.match.record_id, one.match.matched_on) for one in found] == [
        (moved, "external_id"),
        (instagram, "external_id"),
        None,
    ]


def test_a_number_that_is_found_at_once_costs_one_search(crm: Pipedrive, portal: PipedrivePortal) -> None:
    crm.provision()
    portal.add_contact(phone=f"+{PHONE}")
    crm.find([CustomerRef("c", phones=(PHONE,))])
    assert len(sent(portal, "GET", f"{PERSONS}/search")) == 1


def test_somebody_elses_number_that_ends_alike_is_no_match(crm: Pipedrive, portal: PipedrivePortal) -> None:
    portal.add_contact(phone="+49 5551112233")
    [found] = crm.find([CustomerRef("c", phones=(PHONE,))])
    assert found.candidates == ()


def test_a_flood_of_hits_is_that_customers_own_trouble(crm: Pipedrive, portal: PipedrivePortal) -> None:
    mine = portal.add_contact(phone="+905550000000")
    more = {"success": True, "data": {"items": []}, "additional_data": {"next_cursor": "c500"}}
    portal.script(path=f"{PERSONS}/search", status=200, body=more)
    found = crm.find([CustomerRef("c1", phones=(PHONE,)), CustomerRef("c2", phones=("905550000000",))])
    assert codes(found) == ["too_many_matches", None]
    assert found[1].match is not None
    assert found[1].match.record_id == mine


def test_creating_again_within_the_lag_of_search_makes_no_second_person(
    crm: Pipedrive, portal: PipedrivePortal, waits: list[float]
) -> None:
    portal.conditions(search_lag_s=60.0)
    customer = CustomerRef("c1", phones=(PHONE,), emails=("a@example.com",), display_name="Ayşe")
    first = crm.create([customer])
    assert adapter(portal, waits).create([customer]) == first
    assert portal.contacts() == 1


def test_a_creation_whose_answer_was_lost_makes_one_person(crm: Pipedrive, portal: PipedrivePortal) -> None:
    portal.script(method="POST", path=PERSONS, drop="after")
    [made] = crm.create([CustomerRef("c1", phones=(PHONE,))])
    assert made.match is not None
    assert portal.contacts() == 1


def test_a_creation_that_nobody_can_say_was_done_is_raised_as_uncertain(
    crm: Pipedrive, portal: PipedrivePortal
) -> None:
    crm.provision()
    portal.script(method="POST", path=PERSONS, drop="before")
    with pytest.raises(CrmError) as caught:
        crm.create([CustomerRef("c1", phones=(PHONE,))])
    assert (caught.value.uncertain, caught.value.permanent) == (True, False)
    assert portal.contacts() == 0


def test_a_person_made_long_ago_is_found_by_search(crm: Pipedrive, portal: PipedrivePortal) -> None:
    crm.provision()
    ours = portal.add_contact(phone="+905550000000", earshot_customer_id="c1")
    for _ in range(100):
        portal.add_contact(phone="+905550000001")
    [made] = crm.create([CustomerRef("c1", phones=(PHONE,))])
    assert made.match is not None
    assert made.match.record_id == ours
    assert portal.contacts() == 100 + 1


def test_a_refused_person_and_a_limit_leave_the_others_as_they_are(crm: Pipedrive, portal: PipedrivePortal) -> None:
    crm.provision()
    customers = [CustomerRef(f"c{number}", emails=(f"c{number}@example.com",)) for number in range(4)]
    rule = {"success": False, "error": "a rule", "code": "ERR_REQUIRED_FIELDS"}
    portal.script(method="POST", path=PERSONS, status=400, body=rule)
    portal.script(method="POST", path=PERSONS, status=200, body={"success": True, "data": {"id": 51}})
    portal.script(method="POST", path=PERSONS, status=429, body={}, headers={"Retry-After": "60"})
    made = crm.create([*customers, CustomerRef("nobody")])
    assert codes(made) == ["err_required_fields", None, "rate_limit_burst", "rate_limit_burst", None]
    assert [bool(one.match) for one in made] == [False, True, False, False, False]
    assert len(sent(portal, "POST", PERSONS)) == 3


def test_an_address_alone_makes_a_person_too(crm: Pipedrive, portal: PipedrivePortal) -> None:
    [made] = crm.create([CustomerRef("c1", emails=("a@example.com",))])
    assert made.match is not None
    assert portal.card(made.match.record_id)["name"] == "a@example.com"


def test_without_our_key_nobody_is_created_and_nothing_is_raised(crm: Pipedrive, portal: PipedrivePortal) -> None:
    portal.conditions(may_provision=False)
    made = crm.create([CustomerRef("c1", phones=(PHONE,)), CustomerRef("c2")])
    assert codes(made) == ["field_missing:earshot_customer_id", None]
    assert portal.contacts() == 0


# Notes and activities


def test_a_note_bears_a_reference_that_tells_nothing(crm: Pipedrive, portal: PipedrivePortal) -> None:
    record_id = portal.add_contact(phone=f"+{PHONE}")
    [outcome] = crm.emit([replace(NOTE, record_id=record_id)])
    [text] = portal.events(record_id)
    assert text.endswith(event_reference(NOTE.key))
    assert NOTE.key not in text
    assert outcome.event_id


def test_a_first_try_does_not_pay_for_looking(crm: Pipedrive, portal: PipedrivePortal) -> None:
    record_id = portal.add_contact(phone=f"+{PHONE}")
    crm.emit([replace(one, record_id=record_id, may_exist=False) for one in (NOTE, TASK)])
    assert [one["method"] for one in portal.requests()] == ["POST", "POST"]


@pytest.mark.parametrize("event", [NOTE, TASK])
def test_an_event_whose_answer_was_lost_is_found_and_not_doubled(
    crm: Pipedrive, portal: PipedrivePortal, event: CrmEvent
) -> None:
    record_id = portal.add_contact(phone=f"+{PHONE}")
    path = "/api/v1/notes" if event.kind == "note" else "/api/v2/activities"
    portal.script(method="POST", path=path, drop="after")
    [outcome] = crm.emit([replace(event, record_id=record_id, may_exist=False)])
    assert outcome.error is None
    assert outcome.event_id
    assert portal.all_events() == 1


def test_an_event_that_was_not_made_is_left_to_the_worker(crm: Pipedrive, portal: PipedrivePortal) -> None:
    record_id = portal.add_contact(phone=f"+{PHONE}")
    portal.script(method="POST", path="/api/v1/notes", drop="before")
    with pytest.raises(CrmError) as caught:
        crm.emit([replace(NOTE, record_id=record_id)])
    assert (caught.value.uncertain, caught.value.permanent) == (True, False)
    assert portal.all_events() == 0


def test_that_nobody_could_look_leaves_an_event_uncertain(crm: Pipedrive, portal: PipedrivePortal) -> None:
    record_id = portal.add_contact(phone=f"+{PHONE}")
    portal.script(method="POST", path="/api/v1/notes", drop="after")
    portal.script(method="GET", path="/api/v1/notes", drop="before", times=3)
    with pytest.raises(CrmError) as caught:
        crm.emit([replace(NOTE, record_id=record_id, may_exist=False)])
    assert caught.value.uncertain


def test_one_event_among_a_persons_many_notes_is_found(crm: Pipedrive, portal: PipedrivePortal) -> None:
    record_id = portal.add_contact(phone=f"+{PHONE}")
    crm.emit([replace(NOTE, record_id=record_id)])
    for number in range(510):
        portal.post("/api/v1/notes", {"content": f"note {number}", "person_id": int(record_id)})
    assert codes(crm.emit([replace(NOTE, record_id=record_id)])) == [None]
    assert len(sent(portal, "POST", "/api/v1/notes")) == 1


def test_a_note_of_65000_characters_keeps_its_reference(crm: Pipedrive, portal: PipedrivePortal) -> None:
    record_id = portal.add_contact(phone=f"+{PHONE}")
    assert codes(crm.emit([replace(NOTE, record_id=record_id, body="&" * 65_000)])) == [None]
    [text] = portal.events(record_id)
    assert len(text) <= 65_000
    assert text.endswith(f"&amp;<br><br>{event_reference(NOTE.key)}")


def test_a_callback_has_its_time_its_person_and_its_priority(crm: Pipedrive, portal: PipedrivePortal) -> None:
    record_id = portal.add_contact(phone=f"+{PHONE}")
    task = replace(TASK, record_id=record_id, high_priority=True, subject="x" * 300, body="<script>1</script>")
    crm.emit([task])
    [activity] = portal.get("/api/v2/activities", person_id=record_id)
    assert (activity["type"], activity["due_date"], activity["due_time"]) == ("call", "2026-11-23", "12:00")
    assert activity["subject"].startswith("High priority: xxx")
    assert len(activity["subject"]) == 255
    assert "&lt;script&gt;" in activity["note"]


def test_an_event_for_a_person_that_is_gone_fails_alone(crm: Pipedrive, portal: PipedrivePortal) -> None:
    record_id = portal.add_contact(phone=f"+{PHONE}")
    events = [replace(NOTE, key="a", record_id="999999"), replace(NOTE, key="b", record_id=record_id)]
    assert codes(crm.emit(events)) == ["record_not_found", None]


@pytest.mark.parametrize("told", [True, False])
def test_what_was_emitted_is_retracted_by_id_or_by_reference(
    crm: Pipedrive, portal: PipedrivePortal, told: bool
) -> None:
    record_id = portal.add_contact(phone=f"+{PHONE}")
    others = portal.post("/api/v1/notes", {"content": "by hand", "person_id": int(record_id)})
    emitted = crm.emit([replace(NOTE, record_id=record_id), replace(TASK, record_id=record_id)])
    gone = [
        EmittedEvent(one.ref, record_id, kind, one.event_id if told else None)
        for one, kind in zip(emitted, ("note", "task"), strict=True)
    ]
    assert codes(crm.retract(gone)) == [None, None]
    assert codes(crm.retract(gone)) == [None, None]
    assert [one["id"] for one in portal.get("/api/v1/notes")] == [others["id"]]


def test_what_may_not_be_deleted_is_its_own_trouble(crm: Pipedrive, portal: PipedrivePortal) -> None:
    record_id = portal.add_contact(phone=f"+{PHONE}")
    emitted = crm.emit([replace(NOTE, record_id=record_id)])
    portal.script(method="DELETE", path="/api/v1/notes", status=400, body={"success": False, "errorCode": 400})
    assert codes(crm.retract([EmittedEvent(NOTE.key, record_id, "note", emitted[0].event_id)])) == ["http_400"]
    assert codes(crm.retract([EmittedEvent(NOTE.key, "gone/1", "note", None)])) == [None]


# Reading


def test_fields_are_read_by_name_or_key_and_the_organizations_with_a_dot(
    crm: Pipedrive, portal: PipedrivePortal
) -> None:
    org = portal.post(
        "/api/v2/organizations", {"name": "Acme", "annual_revenue": 900, "custom_fields": {"a" * 40: "x"}}
    )
    options = [{"label": one} for one in ("Gold", "Silver")]
    tier = portal.post(FIELDS, {"field_name": "Tier", "field_type": "enum", "options": options})
    rich, plain = (
        portal.add_contact(phone=f"+{PHONE}", email="a@example.com"),
        portal.add_contact(phone="+905550000000"),
    )
    changes = {"org_id": org["id"], "label_ids": [6], "custom_fields": {tier["field_code"]: tier["options"][0]["id"]}}
    portal.http.patch(f"{PERSONS}/{rich}", json=changes).raise_for_status()
    portal.post("/api/v2/deals", {"title": "won", "person_id": int(rich), "status": "won"})
    names = ("tier", "Labels", "won_deals_count", "lost_deals_count", "Email", "org.annual_revenue", f"org.{'a' * 40}")
    assert crm.read_fields([rich, plain, "999999"], names) == {
        rich: dict(zip(names, ("Gold", "Hot lead", "1", "0", "a@example.com", "900", "x"), strict=True)),
        plain: dict(zip(names, (None, None, "0", "0", None, None, None), strict=True)),
    }
    assert crm.read_fields([rich], (tier["field_code"],)) == {rich: {tier["field_code"]: "Gold"}}


def test_the_organization_is_read_once_and_one_that_is_gone_is_empty(crm: Pipedrive, portal: PipedrivePortal) -> None:
    org = portal.post("/api/v2/organizations", {"name": "Acme"})
    ids = [portal.add_contact(phone=f"+{PHONE}") for _ in range(2)]
    for record_id in ids:
        portal.http.patch(f"{PERSONS}/{record_id}", json={"org_id": org["id"]}).raise_for_status()
    portal.script(path="/api/v2/organizations", status=404, body={"success": False, "error": "not found"})
    assert crm.read_fields(ids, ("org.won_deals_count", "org.name")) == {
        one: {"org.won_deals_count": None, "org.name": None} for one in ids
    }
    assert crm.read_fields(ids, ("org.name",)) == {one: {"org.name": "Acme"} for one in ids}
    assert len(sent(portal, "GET", "/api/v2/organizations")) == 2


def test_more_fields_than_one_page_are_all_known(crm: Pipedrive, portal: PipedrivePortal) -> None:
    portal.script(method="GET", path=FIELDS, status=200, body={
        "success": True, "data": [], "additional_data": {"next_cursor": "c0"},
    })  # fmt: skip
    assert len(crm.provision(dry_run=True).missing) == len(FIELD_TYPES)
    assert len(sent(portal, "GET", FIELDS)) == 2
    assert crm.read_fields([portal.add_contact(phone=f"+{PHONE}")], ("name",))


@pytest.mark.parametrize("name", ["shoe_size", "org.shoe_size"])
def test_a_field_that_the_account_lacks_is_named(crm: Pipedrive, portal: PipedrivePortal, name: str) -> None:
    org = portal.post("/api/v2/organizations", {"name": "Acme"})
    record_id = portal.add_contact(phone=f"+{PHONE}")
    portal.http.patch(f"{PERSONS}/{record_id}", json={"org_id": org["id"]}).raise_for_status()
    with pytest.raises(CrmError, match=f"^field_missing:{name}$") as caught:
        crm.read_fields([record_id], (name,))
    assert caught.value.permanent


def test_a_field_made_a_moment_ago_is_read(crm: Pipedrive, portal: PipedrivePortal) -> None:
    crm.provision()
    record_id = portal.add_contact(phone=f"+{PHONE}", shoe_size="43")
    assert crm.read_fields([record_id], ("shoe_size",)) == {record_id: {"shoe_size": "43"}}


def test_a_hundred_persons_are_read_at_a_time(crm: Pipedrive, portal: PipedrivePortal) -> None:
    ids = [portal.add_contact(phone=f"+{PHONE}") for _ in range(101)]
    assert list(crm.read_fields(ids, ("name",))) == ids
    assert len(sent(portal, "GET", f"{PERSONS}?")) == 2
