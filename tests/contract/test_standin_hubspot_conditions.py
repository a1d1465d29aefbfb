"""The HubSpot stand-in's accounts under conditions: lag, limits, tokens that run out, missing rights, merges, companies."""

import itertools
import time

import httpx2
import pytest

from devstack.standins.hubspot_limits import Allowance, Limited

OBJECTS = "/crm/objects/2026-09"
CONTACTS = f"{OBJECTS}/contacts"
PROPERTIES = "/crm/properties/2026-09/contacts"
TOKEN = "/oauth/2026-09/token"
AT = "2026-11-23T12:00:00.000Z"
numbers = itertools.count()


@pytest.fixture
def portal(standins):
    headers = {"Authorization": f"Bearer conditions-{next(numbers)}"}
    with httpx2.Client(base_url=standins["hubspot"], headers=headers, trust_env=False) as client:
        client.delete("/_script")
        yield client
        client.delete("/_conditions")


def token_of(portal):
    return portal.headers["authorization"].removeprefix("Bearer ")


def add(portal, kind="contacts", **properties):
    body = {"properties": properties, "associations": []}
    return portal.post(f"{OBJECTS}/{kind}", json=body).raise_for_status().json()["id"]


def card(portal, record_id):
    return portal.get(f"{CONTACTS}/{record_id}").raise_for_status().json()["properties"]


def search(portal, email):
    filters = [{"propertyName": "email", "operator": "EQ", "value": email}]
    body = {"after": "0", "limit": 10, "properties": [], "sorts": [], "filterGroups": [{"filters": filters}]}
    return portal.post(f"{CONTACTS}/search", json=body)


def found(portal, email):
    return [one["id"] for one in search(portal, email).raise_for_status().json()["results"]]


def conditions(portal, **wanted):
    portal.post("/_conditions", json=wanted).raise_for_status()


def test_search_finds_a_change_only_later_and_other_reads_at_once(portal):
    record_id = add(portal, email="a@example.com")
    conditions(portal, search_lag_s=0.4)
    portal.patch(f"{CONTACTS}/{record_id}", json={"properties": {"email": "b@example.com"}}).raise_for_status()
    assert found(portal, "b@example.com") == []
    assert portal.get(f"{CONTACTS}/b@example.com", params={"idProperty": "email"}).json()["id"] == record_id
    time.sleep(0.5)
    assert found(portal, "b@example.com") == [record_id]
    assert found(portal, "a@example.com") == []


def test_what_is_left_is_counted_truly(portal):
    first, second = portal.get(CONTACTS), portal.get(CONTACTS)
    for name, limit in (("Daily-Remaining", 250_000), ("Remaining", 100)):
        header = f"x-hubspot-ratelimit-{name}"
        assert [int(one.headers[header]) for one in (first, second)] == [limit - 1, limit - 2]


def test_a_day_that_is_used_up_is_refused_until_it_ends(portal):
    conditions(portal, day_limit=2, day_ends_in_s=0.4)
    assert [portal.get(CONTACTS).status_code for _ in range(3)] == [200, 200, 429]
    refused = search(portal, "a@example.com").json()
    assert (refused["policyName"], refused["errorType"]) == ("DAILY", "RATE_LIMIT")
    time.sleep(0.5)
    assert portal.get(CONTACTS).status_code == 200


def test_a_fifth_search_in_a_second_is_refused(portal):
    answers = [search(portal, "a@example.com") for _ in range(5)]
    assert [one.status_code for one in answers] == [200, 200, 200, 200, 429]
    assert answers[-1].json()["policyName"] == "SECONDLY"


def test_ten_seconds_hold_a_hundred_requests_or_a_few_more_of_an_app():
    for oauth, limit in ((False, 100), (True, 110)):
        now = [0.0]
        allowance = Allowance(clock=lambda now=now: now[0])
        usual = {"search": False, "oauth": oauth, "day_limit": None, "day_s": 86_400.0}
        headers = [allowance.take(**usual) for _ in range(limit)]
        assert headers[-1]["X-HubSpot-RateLimit-Remaining"] == "0"
        assert ("X-HubSpot-RateLimit-Daily" in headers[0]) is not oauth
        with pytest.raises(Limited) as caught:
            allowance.take(**usual)
        assert caught.value.answer().body["policyName"] == "TEN_SECONDLY_ROLLING"
        now[0] = 10.1
        allowance.take(**usual)


def form(**more):
    usual = {"grant_type": "refresh_token", "client_id": "c", "client_secret": "s", "refresh_token": "r"}
    return {name: value for name, value in (usual | more).items() if value}


def test_a_refresh_token_gives_access_to_its_account_for_a_while(portal):
    record_id = add(portal, firstname="A")
    conditions(portal, token_life_s=0.3)
    answer = portal.post(TOKEN, data=form(refresh_token=token_of(portal))).raise_for_status().json()
    assert (answer["token_type"], answer["refresh_token"]) == ("bearer", token_of(portal))
    headers = {"Authorization": f"Bearer {answer['access_token']}"}
    assert portal.get(f"{CONTACTS}/{record_id}", headers=headers).status_code == 200
    time.sleep(0.4)
    late = portal.get(f"{CONTACTS}/{record_id}", headers=headers)
    assert (late.status_code, late.json()["category"]) == (401, "EXPIRED_AUTHENTICATION")
    conditions(portal, token_life_s=None)
    assert portal.post(TOKEN, data=form(refresh_token=token_of(portal))).json()["expires_in"] == 1800


@pytest.mark.parametrize(
    "wrong", [{"grant_type": "password"}, {"client_secret": ""}, {"refresh_token": ""}, {"grant_type": ""}]
)
def test_a_token_is_not_given_for_less(portal, wrong):
    assert portal.post(TOKEN, data=form(**wrong)).status_code == 400


def test_refresh_tokens_can_be_revoked(portal):
    conditions(portal, refresh_tokens_work=False)
    answer = portal.post(TOKEN, data=form())
    assert (answer.status_code, answer.json()["status"]) == (400, "BAD_REFRESH_TOKEN")


def test_secrets_in_forms_are_not_shown(portal):
    portal.post(TOKEN, data=form(client_secret="very-secret", refresh_token="also-secret"))
    received = portal.get("/_received").text
    assert "grant_type=refresh_token" in received
    assert "very-secret" not in received
    assert "also-secret" not in received


def test_without_rights_properties_are_read_and_not_made(portal):
    conditions(portal, may_provision=False)
    assert portal.get(PROPERTIES).status_code == 200
    answer = portal.post(f"{PROPERTIES}/groups", json={"name": "lab", "label": "Lab"})
    assert (answer.status_code, answer.json()["category"]) == (403, "MISSING_SCOPES")
    assert "crm.schemas.contacts.write" in answer.text


@pytest.mark.parametrize("by_the_api", [True, False])
def test_both_ids_of_merged_contacts_lead_to_what_became_of_them(portal, by_the_api):
    loser = add(portal, email="a@example.com", firstname="A", lastname="K")
    winner = add(portal, email="b@example.com", firstname="B")
    note = add(portal, "notes", hs_timestamp=AT)
    portal.put(f"{OBJECTS}/notes/{note}/associations/default/contacts/{loser}").raise_for_status()
    if by_the_api:
        body = {"primaryObjectId": winner, "objectIdToMerge": loser}
        merged = portal.post(f"{CONTACTS}/merge", json=body).raise_for_status().json()["id"]
        assert merged not in {loser, winner}
    else:
        merged = winner
        body = {"account": token_of(portal), "loser": loser, "winner": winner}
        portal.post("/_merge", json=body).raise_for_status()
    inputs = [{"id": loser, "properties": {"lastname": "L"}}]
    answer = portal.post(f"{CONTACTS}/batch/update", json={"inputs": inputs})
    assert (answer.status_code, answer.json()["results"][0]["id"]) == (200, merged)
    for one in (loser, winner, merged):
        values = card(portal, one)
        assert (values["firstname"], values["lastname"], values["email"]) == ("B", "L", "b@example.com")
        assert values["hs_additional_emails"] == "a@example.com"
    assert len(portal.get(CONTACTS).json()["results"]) == 1
    assert portal.get(f"{CONTACTS}/a@example.com", params={"idProperty": "email"}).json()["id"] == merged
    links = portal.get(f"{CONTACTS}/{loser}/associations/notes").json()["results"]
    assert [one["toObjectId"] for one in links] == [note]
    assert portal.post(f"{CONTACTS}/merge", json=body | {"objectIdToMerge": merged}).status_code == 400


def test_archived_records_are_shown_on_request_and_erased_ones_never(portal):
    archived, erased = add(portal, firstname="A"), add(portal, firstname="B")
    portal.delete(f"{CONTACTS}/{archived}").raise_for_status()
    portal.post(f"{CONTACTS}/gdpr-delete", json={"objectId": erased}).raise_for_status()
    asked = {"archived": "true"}
    assert portal.get(f"{CONTACTS}/{archived}").status_code == 404
    shown = portal.get(f"{CONTACTS}/{archived}", params=asked).raise_for_status().json()
    assert shown["archived"] is True
    assert shown["archivedAt"]
    assert portal.get(f"{CONTACTS}/{erased}", params=asked).status_code == 404
    inputs = {"inputs": [{"id": archived}, {"id": erased}], "properties": [], "propertiesWithHistory": []}
    results = portal.post(f"{CONTACTS}/batch/read", params=asked, json=inputs).json()["results"]
    assert [one["id"] for one in results] == [archived]
    assert [one["id"] for one in portal.get(CONTACTS, params=asked).json()["results"]] == [archived]


def test_a_contacts_first_company_is_its_primary_one(portal):
    first, second = add(portal, "companies", name="A", annualrevenue="5"), add(portal, "companies", name="B")
    contact = add(portal, firstname="A")
    for company in (first, second):
        portal.put(f"{CONTACTS}/{contact}/associations/default/companies/{company}").raise_for_status()
    assert card(portal, contact)["associatedcompanyid"] == first
    shown = portal.get(f"{CONTACTS}/{contact}", params={"associations": "companies,notes"}).json()["associations"]
    assert shown == {"companies": {"results": [{"id": one, "type": "contact_to_company"} for one in (first, second)]}}
    types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 1}]
    body = {"properties": {}, "associations": [{"to": {"id": second}, "types": types}]}
    other = portal.post(CONTACTS, json=body).raise_for_status().json()["id"]
    assert card(portal, other)["associatedcompanyid"] == second


def test_links_are_read_and_made_many_at_a_time(portal):
    contacts = [add(portal, firstname=one) for one in "AB"]
    note = add(portal, "notes", hs_timestamp=AT)
    base = "/crm/associations/2026-09"
    inputs = {"inputs": [{"from": {"id": note}, "to": {"id": contacts[0]}}]}
    portal.post(f"{base}/notes/contacts/batch/associate/default", json=inputs).raise_for_status()
    answer = portal.post(f"{base}/contacts/notes/batch/read", json={"inputs": [{"id": one} for one in contacts]})
    assert answer.status_code == 207
    [result] = answer.json()["results"]
    assert (result["from"]["id"], [one["toObjectId"] for one in result["to"]]) == (contacts[0], [note])
    assert answer.json()["errors"][0]["context"] == {"fromObjectId": [contacts[1]]}
    assert portal.post(f"{base}/contacts/notes/batch/read", json={"inputs": [{}]}).status_code == 400


def test_an_administrators_rule_holds_for_writes_too(portal):
    record_id, other = add(portal, firstname="A"), add(portal, firstname="B")
    rule = {"account": token_of(portal), "required": "lastname", "when": {"firstname": "A"}}
    portal.post("/_validation_rules", json=rule).raise_for_status()
    answer = portal.patch(f"{CONTACTS}/{record_id}", json={"properties": {"email": "a@example.com"}})
    assert (answer.status_code, answer.json()["category"]) == (400, "VALIDATION_ERROR")
    inputs = [{"id": one, "properties": {"phone": "1"}, "objectWriteTraceId": one} for one in (record_id, other)]
    batch = portal.post(f"{CONTACTS}/batch/update", json={"inputs": inputs})
    assert (batch.status_code, [one["id"] for one in batch.json()["results"]]) == (207, [other])
    both = {"properties": {"email": "a@example.com", "lastname": "K"}}
    assert portal.patch(f"{CONTACTS}/{record_id}", json=both).status_code == 200


def test_a_text_has_at_most_64_k_characters(portal):
    record_id = add(portal, firstname="A")
    for length, status in ((65_536, 200), (65_537, 400)):
        body = {"properties": {"lastname": "x" * length}}
        assert portal.patch(f"{CONTACTS}/{record_id}", json=body).status_code == status


def test_properties_that_are_not_there_are_passed_over_when_reading(portal):
    record_id = add(portal, firstname="A")
    names = {"properties": "firstname,lastname,nowhere"}
    shown = portal.get(f"{CONTACTS}/{record_id}", params=names).json()["properties"]
    assert shown["lastname"] is None
    assert "nowhere" not in shown
