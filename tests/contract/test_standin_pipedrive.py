"""The Pipedrive stand-in: companies apart, fields with keys of their own, a day in tokens, search that lags."""

import itertools

import httpx2
import pytest

PERSONS = "/api/v2/persons"
FIELDS = "/api/v2/personFields"
ACTIVITIES = "/api/v2/activities"
NOTES = "/api/v1/notes"
ME = "/api/v1/users/me"
numbers = itertools.count()


def company_of(standins, token):
    return httpx2.Client(base_url=standins["pipedrive"], headers={"x-api-token": token}, trust_env=False)


@pytest.fixture
def company(standins):
    """An empty account under the usual conditions."""
    with company_of(standins, f"lab-{next(numbers)}") as client:
        for path in ("/_script", "/_conditions", "/_received"):
            client.delete(path)
        yield client
        client.delete("/_conditions")


def data(answer):
    assert answer.json()["success"] is True
    return answer.raise_for_status().json()["data"]


def added(company, **values):
    return data(company.post(PERSONS, json={"name": "A", **values}))["id"]


def phone(value):
    return {"phones": [{"value": value, "primary": True, "label": "work"}]}


def field(company, kind="varchar", name="Lab", **more):
    return data(company.post(FIELDS, json={"field_name": name, "field_type": kind, **more}))


def search(company, term, where, *, exact=False):
    params = {"term": term, "fields": where, "exact_match": str(exact).lower()}
    return [one["item"]["id"] for one in data(company.get(f"{PERSONS}/search", params=params))["items"]]


def token(company, *, refresh_token="r1", auth=("app", "secret"), **form):
    body = {"grant_type": "refresh_token", "refresh_token": refresh_token, **form}
    return httpx2.post(f"{company.base_url}/oauth/token", data=body, auth=auth, trust_env=False)


def refused(answer, status):
    body = answer.json()
    assert (answer.status_code, body["success"]) == (status, False)
    return body


def test_companies_are_apart_and_nobody_gets_in_without_a_token(company, standins):
    record_id = added(company)
    with company_of(standins, f"other-{next(numbers)}") as other:
        refused(other.get(f"{PERSONS}/{record_id}"), 404)
        assert data(other.get(ME))["company_id"] != data(company.get(ME))["company_id"]
    with httpx2.Client(base_url=standins["pipedrive"], trust_env=False) as nobody:
        assert refused(nobody.get(ME), 401)["error"] == "unauthorized access"
        refused(nobody.get(ME, params={"api_token": "lab-0"}), 401)


def test_a_refresh_token_opens_the_same_company_again(company):
    first = token(company, refresh_token="again").json()
    second = token(company, refresh_token=first["refresh_token"]).json()
    assert first["api_domain"] == str(company.base_url).rstrip("/")
    assert first["access_token"] != second["access_token"]
    seen = {
        data(httpx2.get(f"{company.base_url}{ME}", headers={"Authorization": f"Bearer {one}"}, trust_env=False))[
            "company_id"
        ]
        for one in (first["access_token"], second["access_token"])
    }
    assert len(seen) == 1


@pytest.mark.parametrize(("life_s", "status"), [(60.0, 200), (0.0, 401)])
def test_an_access_token_runs_out(company, life_s, status):
    company.post("/_conditions", json={"token_life_s": life_s})
    headers = {"Authorization": f"Bearer {token(company).json()['access_token']}"}
    assert httpx2.get(f"{company.base_url}{ME}", headers=headers, trust_env=False).status_code == status


def test_a_token_is_not_given_for_nothing(company):
    assert token(company, auth=None).json()["error"] == "invalid_client"
    assert token(company, refresh_token="").json()["error"] == "invalid_grant"
    assert token(company, grant_type="password").json()["error"] == "unsupported_grant_type"
    company.post("/_conditions", json={"refresh_tokens_work": False})
    assert token(company).json()["error"] == "invalid_grant"


def test_no_secret_is_shown_in_what_was_received(company):
    token(company, refresh_token="refresh-secret", auth=("app", "client-secret"))
    company.get(ME)
    received = company.get("/_received").text
    assert "grant_type=refresh_token" in received
    for secret in ("refresh-secret", "client-secret", company.headers["x-api-token"]):
        assert secret not in received


def test_a_person_is_written_and_read(company):
    key = field(company)["field_code"]
    record_id = added(company, **phone("+905551112233"), custom_fields={key: "x"})
    changed = data(company.patch(f"{PERSONS}/{record_id}", json={"label_ids": [6], "custom_fields": {key: None}}))
    assert (changed["label_ids"], changed["custom_fields"], changed["name"]) == ([6], {key: None}, "A")
    assert data(company.get(f"{PERSONS}/{record_id}"))["phones"][0]["value"] == "+905551112233"


@pytest.mark.parametrize(
    "wrong",
    [
        {"telephone": "1"},
        {"name": ""},
        {"label_ids": [999]},
        {"phones": ["+905551112233"]},
        {"custom_fields": {"f" * 40: "x"}},
        {"custom_fields": "x"},
    ],
)
def test_what_makes_no_sense_changes_nothing(company, wrong):
    record_id = added(company)
    before = data(company.get(f"{PERSONS}/{record_id}"))
    assert refused(company.patch(f"{PERSONS}/{record_id}", json=wrong), 400)["code"] == "ERR_SCHEMA_VALIDATION_FAILED"
    assert data(company.get(f"{PERSONS}/{record_id}")) == before


def test_a_new_person_needs_a_name_and_an_organization_that_is_there(company):
    refused(company.post(PERSONS, json=phone("+905551112233")), 400)
    refused(company.post(PERSONS, json={"name": "A", "org_id": 1}), 404)
    refused(company.post(PERSONS, content=b"{"), 400)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("varchar", "x" * 255, "x" * 256),
        ("text", "x" * 65_000, "x" * 65_001),
        ("double", 0.5, "0.5"),
        ("date", "2026-11-23", "23.11.2026"),
        ("varchar", "4", 4),
    ],
)
def test_a_field_takes_values_of_its_type(company, kind, good, bad):
    key, record_id = field(company, kind)["field_code"], added(company)
    refused(company.patch(f"{PERSONS}/{record_id}", json={"custom_fields": {key: bad}}), 400)
    data(company.patch(f"{PERSONS}/{record_id}", json={"custom_fields": {key: good}}))


def test_options_are_written_as_numbers_and_shown_with_their_labels(company):
    made = field(company, "set", options=[{"label": "a"}, {"label": "b"}])
    record_id, (one, two) = added(company), made["options"]
    for bad in ([], [999], one["id"], "a", ["a"]):
        answer = company.patch(f"{PERSONS}/{record_id}", json={"custom_fields": {made["field_code"]: bad}})
        refused(answer, 400)
    both = {"custom_fields": {made["field_code"]: [one["id"], two["id"]]}}
    data(company.patch(f"{PERSONS}/{record_id}", json=both))
    shown = data(company.get(f"{PERSONS}/{record_id}", params={"include_option_labels": "true"}))
    assert [option["label"] for option in shown["custom_fields"][made["field_code"]]] == ["a", "b"]


def test_fields_are_listed_with_keys_that_no_other_company_has(company, standins):
    made = field(company)
    assert len(made["field_code"]) == 40
    with company_of(standins, f"other-{next(numbers)}") as other:
        assert field(other)["field_code"] != made["field_code"]
    names = [one["field_name"] for one in data(company.get(FIELDS))]
    assert {"Name", "Labels", "Lab"} <= set(names)


@pytest.mark.parametrize(
    "wrong",
    [
        {"field_type": "varchar"},
        {"field_name": "x", "field_type": "dropdown"},
        {"field_name": "x", "field_type": "enum"},
        {"field_name": "x", "field_type": "varchar", "options": [{"label": "a"}]},
        {"field_name": "x" * 256, "field_type": "varchar"},
        {"field_name": "x", "field_type": "varchar", "unique": True},
        {"field_name": "x", "field_type": "enum", "options": ["a"]},
    ],
)
def test_a_field_that_makes_no_sense_is_refused(company, wrong):
    refused(company.post(FIELDS, json=wrong), 400)


def test_fields_are_renamed_and_deleted_and_so_are_options(company):
    made = field(company, "enum", options=[{"label": "a"}])
    path = f"{FIELDS}/{made['field_code']}"
    [more] = data(company.post(f"{path}/options", json=[{"label": "b"}]))
    refused(company.request("DELETE", f"{path}/options", json=[{"id": more["id"]}, {"id": 999}]), 400)
    data(company.request("DELETE", f"{path}/options", json=[{"id": more["id"]}]))
    assert data(company.patch(path, json={"field_name": "Mood"}))["field_name"] == "Mood"
    assert [one["label"] for one in data(company.get(path))["options"]] == ["a"]
    data(company.delete(path))
    refused(company.get(path), 404)
    refused(company.delete(f"{FIELDS}/name"), 400)


def test_the_right_to_make_fields_can_be_withheld(company):
    company.post("/_conditions", json={"may_provision": False})
    answer = company.post(FIELDS, json={"field_name": "x", "field_type": "varchar"})
    assert refused(answer, 403)["error"] == "Scope and URL mismatch"
    data(company.get(FIELDS))


def test_custom_fields_are_capped(company):
    for number in range(100):
        field(company, name=f"f{number}")
    answer = company.post(FIELDS, json={"field_name": "x", "field_type": "varchar"})
    assert refused(answer, 403)["code"] == "feature_capping_custom_fields_limit"


@pytest.mark.parametrize(
    ("term", "where", "exact", "hit"),
    [
        ("5551112233", "phone", False, True),
        ("5551112233", "phone", True, False),
        ("+90 (555) 111 22 33", "phone", True, True),
        ("a@example.com", "email", True, True),
        ("example.com", "email", True, False),
        ("customer-1", "custom_fields", True, True),
        ("customer-1", "email", True, False),
        ("ayşe", "name", False, True),
    ],
)
def test_search_looks_into_the_named_fields(company, term, where, exact, hit):
    key = field(company)["field_code"]
    emails = [{"value": "A@example.com", "primary": True, "label": "work"}]
    record_id = added(
        company, name="Ayşe", emails=emails, **phone("+90 (555) 111 22 33"), custom_fields={key: "customer-1"}
    )
    added(company, **phone("+905550000000"))
    assert search(company, term, where, exact=exact) == ([record_id] if hit else [])


def test_options_are_not_searched(company):
    made = field(company, "enum", options=[{"label": "gold"}])
    added(company, custom_fields={made["field_code"]: made["options"][0]["id"]})
    assert search(company, "gold", "custom_fields") == []


@pytest.mark.parametrize("params", [{"term": "a"}, {"term": ""}, {"term": "abc", "fields": "telephone"}])
def test_a_search_that_makes_no_sense_is_refused(company, params):
    refused(company.get(f"{PERSONS}/search", params=params), 400)


def test_search_lags_and_reading_does_not(company):
    record_id = added(company, **phone("+905551112233"))
    company.post("/_conditions", json={"search_lag_s": 30})
    data(company.patch(f"{PERSONS}/{record_id}", json=phone("+905550000000")))
    assert search(company, "5550000000", "phone") == []
    assert data(company.get(PERSONS, params={"ids": str(record_id)}))[0]["phones"][0]["value"] == "+905550000000"
    company.post("/_conditions", json={"search_lag_s": 0})
    assert search(company, "5550000000", "phone") == [record_id]


def test_persons_are_listed_by_ids_and_in_pages(company):
    ids = [added(company) for _ in range(3)]
    assert [one["id"] for one in data(company.get(PERSONS, params={"ids": f"{ids[2]},999999,{ids[0]}"}))] == [
        ids[0],
        ids[2],
    ]
    first = company.get(PERSONS, params={"limit": 2, "sort_by": "add_time", "sort_direction": "desc"}).json()
    assert [one["id"] for one in first["data"]] == ids[:0:-1]
    cursor = first["additional_data"]["next_cursor"]
    rest = company.get(PERSONS, params={"limit": 2, "sort_by": "add_time", "sort_direction": "desc", "cursor": cursor})
    assert [one["id"] for one in data(rest)] == [ids[0]]
    assert rest.json()["additional_data"]["next_cursor"] is None
    refused(company.get(PERSONS, params={"ids": ",".join(map(str, range(101)))}), 400)
    refused(company.get(PERSONS, params={"limit": 501}), 400)


def test_counts_come_when_they_are_asked_for(company):
    record_id = added(company)
    data(company.post("/api/v2/deals", json={"title": "x", "person_id": record_id, "status": "won"}))
    plain = data(company.get(f"{PERSONS}/{record_id}"))
    asked = data(company.get(f"{PERSONS}/{record_id}", params={"include_fields": "won_deals_count,notes_count"}))
    assert "won_deals_count" not in plain
    assert (asked["won_deals_count"], asked["notes_count"]) == (1, 0)
    refused(company.get(f"{PERSONS}/{record_id}", params={"include_fields": "shoe_size"}), 400)


def test_notes_hang_on_persons(company):
    record_id = added(company)
    made = company.post(NOTES, json={"content": "<b>x</b><script>y</script>", "person_id": record_id})
    assert made.status_code == 201
    assert data(made)["content"] == "<b>x</b>"
    for number in range(3):
        data(company.post(NOTES, json={"content": str(number), "person_id": record_id}))
    params = {"person_id": record_id, "sort": "add_time DESC", "limit": 3}
    first = company.get(NOTES, params=params).json()
    assert [one["content"] for one in first["data"]] == ["2", "1", "0"]
    assert first["additional_data"]["pagination"]["next_start"] == 3
    assert len(data(company.get(NOTES, params={**params, "start": 3}))) == 1
    assert data(company.delete(f"{NOTES}/{data(made)['id']}")) is True
    refused(company.delete(f"{NOTES}/{data(made)['id']}"), 404)
    assert data(company.get(NOTES, params={"person_id": added(company)})) is None


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"content": "x"}, 400),
        ({"content": "", "person_id": 1}, 400),
        ({"content": "x", "person_id": 999_999}, 404),
        ({"content": "x" * 100_001, "person_id": 1}, 413),
    ],
)
def test_a_note_that_makes_no_sense_is_refused(company, wrong, status):
    assert refused(company.post(NOTES, json=wrong), status)["errorCode"] == status


def test_activities_belong_to_their_primary_participant(company):
    record_id = added(company)
    people = [{"person_id": record_id, "primary": True}]
    body = {"subject": "Call", "type": "call", "due_date": "2026-11-23", "due_time": "12:00", "participants": people}
    made = data(company.post(ACTIVITIES, json=body))
    assert [one["id"] for one in data(company.get(ACTIVITIES, params={"person_id": record_id}))] == [made["id"]]
    assert data(company.delete(f"{ACTIVITIES}/{made['id']}")) == {"id": made["id"]}
    refused(company.get(f"{ACTIVITIES}/{made['id']}"), 404)


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"person_id": 1}, 400),
        ({"type": "callback"}, 400),
        ({"due_date": "23.11.2026"}, 400),
        ({"due_time": "noon"}, 400),
        ({"subject": "x" * 256}, 400),
        ({"title": "x"}, 400),
        ({"participants": [{"person_id": 999_999, "primary": True}]}, 404),
    ],
)
def test_an_activity_that_makes_no_sense_is_refused(company, wrong, status):
    refused(company.post(ACTIVITIES, json={"subject": "Call", **wrong}), status)


def left(answer):
    return int(answer.headers["x-daily-ratelimit-token-remaining"])


def test_the_day_is_counted_in_tokens(company):
    record_id = added(company)
    start = left(company.get(ME))
    costs = [
        (company.get(f"{PERSONS}/{record_id}"), 1),
        (company.patch(f"{PERSONS}/{record_id}", json={"name": "B"}), 5),
        (company.get(PERSONS), 10),
        (company.get(f"{PERSONS}/search", params={"term": "abc"}), 20),
        (company.get(FIELDS), 10),
        (company.post(NOTES, json={"content": "x", "person_id": record_id}), 10),
        (company.get(NOTES), 20),
        (company.delete(f"{NOTES}/999999"), 6),
        (company.post(ACTIVITIES, json={"subject": "x"}), 5),
        (company.get(ACTIVITIES), 10),
        (company.delete(f"{ACTIVITIES}/999999"), 3),
        (company.get(ME), 2),
    ]
    for answer, cost in costs:
        assert left(answer) == start - cost, answer.request.url
        start -= cost


def test_a_day_that_is_used_up_refuses_until_it_ends(company):
    company.post("/_conditions", json={"day_limit": 11, "day_ends_in_s": 3600})
    data(company.get(PERSONS))
    answer = company.get(PERSONS)
    refused(answer, 429)
    assert left(answer) == 0
    assert 3500 < int(answer.headers["retry-after"]) <= 3600


def test_a_new_day_begins_with_all_tokens(company):
    company.post("/_conditions", json={"day_limit": 11, "day_ends_in_s": 0})
    assert [left(company.get(PERSONS)) for _ in range(3)] == [1, 1, 1]


def test_merging_leaves_one_person_with_both_numbers(company):
    loser, winner = added(company, **phone("+905551112233")), added(company, **phone("+905550000000"))
    data(company.post(NOTES, json={"content": "x", "person_id": loser}))
    account = company.headers["x-api-token"]
    company.post("/_merge", json={"account": account, "loser": str(loser), "winner": str(winner)}).raise_for_status()
    refused(company.patch(f"{PERSONS}/{loser}", json={"name": "B"}), 404)
    assert len(data(company.get(f"{PERSONS}/{winner}"))["phones"]) == 2
    assert len(data(company.get(NOTES, params={"person_id": winner}))) == 1
    assert search(company, "5551112233", "phone") == [winner]


def test_a_deleted_person_is_gone_everywhere(company):
    record_id = added(company, **phone("+905551112233"))
    data(company.delete(f"{PERSONS}/{record_id}"))
    refused(company.get(f"{PERSONS}/{record_id}"), 404)
    assert data(company.get(PERSONS, params={"ids": str(record_id)})) == []
    assert search(company, "5551112233", "phone") == []


@pytest.mark.parametrize("path", ["/api/v1/persons", "/v1/notes", "/api/v2/leads", "/api/v2/persons/1/followers"])
def test_what_is_not_there_is_said_to_be_unknown(company, path):
    refused(company.get(path), 404)


@pytest.mark.parametrize(("drop", "made"), [("before", 0), ("after", 1)])
def test_a_dropped_creation_was_done_or_not(company, drop, made):
    company.post("/_script", json={"steps": [{"method": "POST", "path": PERSONS, "drop": drop}]})
    with pytest.raises(httpx2.TransportError):
        added(company)
    assert len(data(company.get(PERSONS))) == made
