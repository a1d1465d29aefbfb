"""The HubSpot stand-in: state per portal, properties that are checked, batches that fail in part."""

import itertools
import time

import httpx2
import pytest

CONTACTS = "/crm/objects/2026-09/contacts"
NOTES = "/crm/objects/2026-09/notes"
TASKS = "/crm/objects/2026-09/tasks"
PROPERTIES = "/crm/properties/2026-09/contacts"
GROUP = {"name": "lab", "label": "Lab"}
OPTIONS = [{"label": one, "value": one, "displayOrder": order, "hidden": False} for order, one in enumerate("ab")]
FIELDS = [
    {"name": "lab_mood", "label": "Mood", "type": "enumeration", "fieldType": "select", "options": OPTIONS},
    {"name": "lab_moods", "label": "Moods", "type": "enumeration", "fieldType": "checkbox", "options": OPTIONS},
    {"name": "lab_count", "label": "Count", "type": "number", "fieldType": "number"},
    {"name": "lab_at", "label": "At", "type": "datetime", "fieldType": "date"},
    {"name": "lab_flag", "label": "Flag", "type": "bool", "fieldType": "booleancheckbox"},
    {"name": "lab_key", "label": "Key", "type": "string", "fieldType": "text", "hasUniqueValue": True},
]
AT = "2026-11-23T12:00:00.000Z"
numbers = itertools.count()


def portal_of(standins, token):
    headers = {"Authorization": f"Bearer {token}"}
    return httpx2.Client(base_url=standins["hubspot"], headers=headers, trust_env=False)


@pytest.fixture
def portal(standins):
    """An empty account."""
    with portal_of(standins, f"lab-{next(numbers)}") as client:
        client.delete("/_script")
        yield client


@pytest.fixture
def fields(portal):
    portal.post(f"{PROPERTIES}/groups", json=GROUP).raise_for_status()
    inputs = [{**one, "groupName": "lab"} for one in FIELDS]
    portal.post(f"{PROPERTIES}/batch/create", json={"inputs": inputs}).raise_for_status()


def add(portal, path=CONTACTS, *, links=(), **properties):
    return portal.post(path, json={"properties": properties, "associations": list(links)})


def added(portal, path=CONTACTS, **more):
    return add(portal, path, **more).raise_for_status().json()["id"]


def card(portal, record_id, path=CONTACTS):
    return portal.get(f"{path}/{record_id}").raise_for_status().json()["properties"]


def batch(portal, verb, *inputs, path=CONTACTS, **more):
    return portal.post(f"{path}/batch/{verb}", json={"inputs": list(inputs), **more})


def find(portal, name, operator, value=None, **more):
    one = {"propertyName": name, "operator": operator}
    one |= {"values": value} if isinstance(value, list) else {"value": value}
    body = {"after": "0", "limit": 10, "properties": [], "sorts": [], "filterGroups": [{"filters": [one]}], **more}
    answer = portal.post(f"{CONTACTS}/search", json=body)
    while answer.status_code == 429:  # four searches a second
        time.sleep(0.3)
        answer = portal.post(f"{CONTACTS}/search", json=body)
    return [result["id"] for result in answer.json()["results"]] if answer.status_code == 200 else answer


def test_what_was_written_is_given_back(portal):
    record_id = added(portal, email="a@example.com", firstname="Ayşe")
    assert card(portal, record_id)["firstname"] == "Ayşe"
    changed = portal.patch(f"{CONTACTS}/{record_id}", json={"properties": {"firstname": "", "lastname": "K"}})
    assert changed.status_code == 200
    assert (card(portal, record_id)["firstname"], card(portal, record_id)["lastname"]) == ("", "K")
    by_email = portal.get(f"{CONTACTS}/A@example.com", params={"idProperty": "email", "properties": "lastname"}).json()
    assert by_email["id"] == record_id
    assert by_email["properties"]["lastname"] == "K"
    assert "email" not in by_email["properties"]
    assert {"createdAt", "updatedAt", "archived"} <= set(by_email)


def test_each_token_is_a_portal_of_its_own(standins, portal):
    record_id = added(portal, email="a@example.com")
    with portal_of(standins, "lab-other") as other:
        assert other.get(f"{CONTACTS}/{record_id}").status_code == 404
        added(other, email="a@example.com")
        ours, theirs = (one.get("/account-info/2026-09/details").json()["portalId"] for one in (portal, other))
    assert ours != theirs


def test_without_token_nothing_is_answered(standins):
    answer = httpx2.get(standins["hubspot"] + CONTACTS)
    assert (answer.status_code, answer.json()["category"]) == (401, "INVALID_AUTHENTICATION")


def test_answers_tell_the_rate_limit_but_searches_do_not(portal):
    assert "x-hubspot-ratelimit-remaining" in portal.get(CONTACTS).headers
    search = portal.post(f"{CONTACTS}/search", json={})
    assert "x-hubspot-ratelimit-remaining" not in search.headers


@pytest.mark.parametrize("body", ["{", "[]", '"x"'])
def test_a_broken_body_is_refused(portal, body):
    for path in (CONTACTS, f"{CONTACTS}/batch/upsert", f"{CONTACTS}/search", PROPERTIES):
        assert portal.post(path, content=body).status_code == 400


def test_unknown_paths_and_records_are_not_found(portal):
    for path in ("/crm/objects/2025-01/contacts", f"{CONTACTS}/1", f"{CONTACTS}/1/associations/notes", "/x"):
        answer = portal.get(path)
        assert (answer.status_code, answer.json()["category"]) == (404, "OBJECT_NOT_FOUND")


def test_a_second_contact_with_one_address_is_a_conflict_that_names_the_first(portal):
    record_id = added(portal, email="a@example.com")
    answer = add(portal, email="A@Example.com")
    assert (answer.status_code, answer.json()["category"]) == (409, "CONFLICT")
    assert answer.json()["message"] == f"Contact already exists. Existing ID: {record_id}"


def test_properties_are_made_once(portal, fields):
    assert portal.get(f"{PROPERTIES}/lab_mood").json()["options"] == OPTIONS
    names = {one["name"] for one in portal.get(PROPERTIES).json()["results"]}
    assert {"email", *(one["name"] for one in FIELDS)} <= names
    assert {one["name"] for one in portal.get(f"{PROPERTIES}/groups").json()["results"]} >= {"lab"}
    assert portal.post(f"{PROPERTIES}/groups", json=GROUP).status_code == 409
    assert portal.post(PROPERTIES, json={**FIELDS[0], "groupName": "lab"}).status_code == 409
    assert portal.delete(f"{PROPERTIES}/lab_mood").status_code == 204
    assert portal.get(f"{PROPERTIES}/lab_mood").status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": None},
        {"name": "Lab Mood"},
        {"type": "text"},
        {"fieldType": "x"},
        {"groupName": "nowhere"},
        {"options": []},
    ],
)
def test_a_property_that_makes_no_sense_is_refused(portal, fields, wrong):
    body = {**FIELDS[0], "name": "lab_new", "groupName": "lab", **wrong}
    answer = portal.post(PROPERTIES, json={name: value for name, value in body.items() if value is not None})
    assert answer.status_code == 400
    assert portal.get(f"{PROPERTIES}/lab_new").status_code == 404


def test_notes_and_tasks_have_properties_of_their_own(portal):
    names = {one["name"] for one in portal.get("/crm/properties/2026-09/tasks").json()["results"]}
    assert "hs_task_subject" in names
    assert "email" not in names


def test_an_unknown_property_is_refused_by_name(portal):
    answer = add(portal, lab_mood="a")
    assert (answer.status_code, answer.json()["category"]) == (400, "VALIDATION_ERROR")
    assert '"error": "PROPERTY_DOESNT_EXIST"' in answer.json()["message"]
    assert answer.json()["errors"][0]["context"] == {"propertyName": ["lab_mood"]}
    assert portal.get(CONTACTS).json()["results"] == []


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("lab_mood", "b", "c"),
        ("lab_moods", "a;b", "a;c"),
        ("lab_count", "-4.5", "four"),
        ("lab_at", AT, "yesterday"),
        ("lab_at", "1795435200000", "12:00"),
        ("lab_flag", "true", "yes"),
        ("email", "a@example.com", "a at example"),
        ("lab_count", "", 4),
    ],
)
def test_values_are_texts_that_fit_their_type(portal, fields, name, good, bad):
    record_id = added(portal, firstname="A")
    for value, status in ((good, 200), (bad, 400)):
        answer = portal.patch(f"{CONTACTS}/{record_id}", json={"properties": {name: value, "lastname": str(value)}})
        assert answer.status_code == status
    assert (card(portal, record_id)[name], card(portal, record_id)["lastname"]) == (good, good)


def test_calculated_properties_are_read_only(portal):
    assert add(portal, hs_calculated_phone_number="+1").status_code == 400


def test_a_unique_value_belongs_to_one_record(portal, fields):
    added(portal, lab_key="k1")
    answer = add(portal, lab_key="k1")
    assert answer.status_code == 400
    assert "CONFLICTING_UNIQUE_VALUE" in answer.json()["message"]


def test_upsert_makes_once_and_then_changes(portal, fields):
    one = {"id": "k1", "idProperty": "lab_key", "properties": {"firstname": "A"}}
    first = batch(portal, "upsert", one).json()["results"][0]
    second = batch(portal, "upsert", {**one, "properties": {"firstname": "B"}}).json()["results"][0]
    assert (first["new"], second["new"]) == (True, False)
    assert first["id"] == second["id"]
    assert (card(portal, first["id"])["firstname"], card(portal, first["id"])["lab_key"]) == ("B", "k1")


@pytest.mark.parametrize("name", ["firstname", "nowhere"])
def test_upsert_wants_a_unique_property(portal, name):
    answer = batch(portal, "upsert", {"id": "k1", "idProperty": name, "properties": {}})
    assert answer.status_code == 400
    assert "non-unique" in answer.json()["message"]


def test_a_batch_fails_in_part_where_records_are_missing(portal):
    record_id = added(portal, firstname="A")
    inputs = [{"id": one, "properties": {"lastname": "B"}} for one in ("77", record_id, "88")]
    answer = batch(portal, "update", *inputs)
    assert answer.status_code == 207
    assert [one["id"] for one in answer.json()["results"]] == [record_id]
    (error,) = answer.json()["errors"]
    assert (error["category"], error["context"]) == ("OBJECT_NOT_FOUND", {"ids": ["77", "88"]})
    assert card(portal, record_id)["lastname"] == "B"


def test_one_wrong_value_fails_a_batch_and_changes_nothing(portal):
    ids = [added(portal, firstname="A") for _ in range(2)]
    wrong = {"id": ids[1], "properties": {"nowhere": "x"}}
    assert batch(portal, "update", {"id": ids[0], "properties": {"lastname": "B"}}, wrong).status_code == 400
    assert "lastname" not in card(portal, ids[0])


def test_with_traces_one_wrong_value_fails_alone_and_is_named(portal):
    ids = [added(portal, firstname="A") for _ in range(2)]
    good = {"id": ids[0], "properties": {"lastname": "B"}, "objectWriteTraceId": "t1"}
    wrong = {"id": ids[1], "properties": {"nowhere": "x"}, "objectWriteTraceId": "t2"}
    answer = batch(portal, "update", good, wrong)
    assert answer.status_code == 207
    assert answer.json()["results"][0]["objectWriteTraceId"] == "t1"
    (error,) = answer.json()["errors"]
    assert error["context"]["objectWriteTraceId"] == ["t2"]
    assert "PROPERTY_DOESNT_EXIST" in error["message"]


def test_a_conflict_in_a_batch_fails_alone(portal):
    added(portal, email="a@example.com")
    answer = batch(portal, "create", *({"properties": {"email": one}} for one in ("b@example.com", "a@example.com")))
    assert answer.status_code == 207
    assert (len(answer.json()["results"]), answer.json()["errors"][0]["category"]) == (1, "CONFLICT")


def test_a_batch_holds_a_hundred_different_inputs(portal):
    assert batch(portal, "create", *[{"properties": {}}] * 100).status_code == 201
    assert batch(portal, "create", *[{"properties": {}}] * 101).status_code == 400
    assert batch(portal, "update", *[{"id": "1", "properties": {}}] * 2).status_code == 400


def test_batch_read_finds_by_id_and_by_key(portal, fields):
    record_id = added(portal, email="a@example.com", lab_key="k1")
    asked = {"properties": ["lab_key"], "propertiesWithHistory": []}
    by_id = batch(portal, "read", {"id": record_id}, **asked).json()["results"][0]
    assert set(by_id["properties"]) == {"lab_key", "hs_object_id", "createdate", "lastmodifieddate"}
    answer = batch(portal, "read", {"id": "k1"}, {"id": "k2"}, idProperty="lab_key", **asked)
    assert answer.status_code == 207
    assert [one["id"] for one in answer.json()["results"]] == [record_id]
    assert batch(portal, "read", {"id": record_id}).status_code == 400


@pytest.mark.parametrize(
    ("written", "full", "national"),
    [
        ("+90 (555) 111 22 33", "+905551112233", "5551112233"),
        ("0049 30 901820", "+4930901820", "30901820"),
        ("+971501234567", "+971501234567", "501234567"),
        ("905551112233", "+905551112233", "5551112233"),
        ("0555 111 22 33", "", "5551112233"),
    ],
)
def test_telephone_numbers_are_calculated_and_searchable(portal, written, full, national):
    for source, calculated in (("phone", "phone_number"), ("mobilephone", "mobile_number")):
        record_id = added(portal, **{source: written})
        assert card(portal, record_id)[f"hs_calculated_{calculated}"] == full
        assert find(portal, f"hs_searchable_calculated_{calculated}", "EQ", national) == [record_id]


def test_search_knows_its_operators(portal):
    one = added(portal, firstname="Ayşe", phone="+905551112233")
    two = added(portal, firstname="Bob Dylan", email="b@example.com")
    assert find(portal, "firstname", "EQ", "ayşe") == [one]
    assert find(portal, "firstname", "IN", ["AYŞE", "bob dylan"]) == [one, two]
    assert find(portal, "firstname", "CONTAINS_TOKEN", "dyl*") == [two]
    assert find(portal, "firstname", "CONTAINS_TOKEN", "dyl") == []
    assert find(portal, "phone", "CONTAINS_TOKEN", "*5551112233") == [one]
    assert find(portal, "email", "HAS_PROPERTY") == [two]
    assert find(portal, "email", "NOT_HAS_PROPERTY") == [one]


def test_search_gives_pages_in_order(portal):
    ids = [added(portal, firstname="A", lastname=str(number)) for number in range(5)]
    body = {"after": "0", "limit": 2, "properties": ["lastname"], "filterGroups": []}
    body["sorts"] = [{"propertyName": "lastname", "direction": "DESCENDING"}]
    seen = []
    while body["after"]:
        answer = portal.post(f"{CONTACTS}/search", json=body).json()
        assert answer["total"] == 5
        seen += [one["id"] for one in answer["results"]]
        body["after"] = answer.get("paging", {}).get("next", {}).get("after")
    assert seen == ids[::-1]


@pytest.mark.parametrize(
    "wrong",
    [{"limit": 201}, {"after": "x"}, {"filterGroups": [{"filters": []}]}, {"filterGroups": [{}] * 6}, {"sorts": None}],
)
def test_a_search_that_makes_no_sense_is_refused(portal, wrong):
    assert find(portal, "email", "EQ", "x", **wrong).status_code == 400


def test_a_search_for_an_unknown_property_is_refused(portal):
    assert find(portal, "nowhere", "EQ", "x").status_code == 400
    assert find(portal, "email", "LIKE", "x").status_code == 400


def link_to(contact_id, type_id):
    types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": type_id}]
    return {"to": {"id": contact_id}, "types": types}


def linked(portal, record_id, kind):
    results = portal.get(f"{CONTACTS}/{record_id}/associations/{kind}").json()["results"]
    return [one["toObjectId"] for one in results]


def test_a_note_and_a_task_hang_on_the_contact_they_were_made_for(portal):
    record_id = added(portal, firstname="A")
    note = added(portal, NOTES, links=[link_to(record_id, 202)], hs_timestamp=AT, hs_note_body="<b>x</b>")
    task = added(portal, TASKS, links=[link_to(record_id, 204)], hs_timestamp=AT, hs_task_subject="Call")
    assert (linked(portal, record_id, "notes"), linked(portal, record_id, "tasks")) == ([note], [task])
    assert card(portal, note, NOTES)["hs_note_body"] == "<b>x</b>"


def test_linking_twice_is_one_link(portal):
    record_id, note = added(portal, firstname="A"), added(portal, NOTES, hs_timestamp=AT)
    for _ in range(2):
        portal.put(f"{NOTES}/{note}/associations/default/contacts/{record_id}").raise_for_status()
    assert linked(portal, record_id, "notes") == [note]
    assert portal.put(f"{NOTES}/{note}/associations/default/contacts/9").status_code == 404


def test_a_note_needs_a_time_and_an_existing_contact(portal):
    record_id = added(portal, firstname="A")
    assert add(portal, NOTES, hs_note_body="x").status_code == 400
    for wrong in (link_to("999999", 202), link_to(record_id, 204), {"to": {"id": record_id}}):
        assert add(portal, NOTES, links=[wrong], hs_timestamp=AT).status_code == 400
    assert portal.get(NOTES).json()["results"] == []
    assert add(portal, TASKS, hs_timestamp=AT, hs_task_priority="URGENT").status_code == 400


@pytest.mark.parametrize("way", ["one", "batch", "gdpr"])
def test_a_deleted_contact_is_gone_with_its_keys_and_links(portal, way):
    record_id = added(portal, email="a@example.com")
    added(portal, NOTES, links=[link_to(record_id, 202)], hs_timestamp=AT)
    answer = {
        "one": lambda: portal.delete(f"{CONTACTS}/{record_id}"),
        "batch": lambda: batch(portal, "archive", {"id": record_id}),
        "gdpr": lambda: portal.post(
            f"{CONTACTS}/gdpr-delete", json={"objectId": "a@example.com", "idProperty": "email"}
        ),
    }[way]()
    assert answer.status_code == 204
    assert portal.get(f"{CONTACTS}/{record_id}").status_code == 404
    assert added(portal, email="a@example.com") != record_id


def test_the_list_has_pages(portal):
    ids = [added(portal, firstname="A") for _ in range(3)]
    first = portal.get(CONTACTS, params={"limit": 2}).json()
    rest = portal.get(CONTACTS, params={"limit": 2, "after": first["paging"]["next"]["after"]}).json()
    assert [one["id"] for one in first["results"] + rest["results"]] == ids
    assert "paging" not in rest
    assert portal.get(CONTACTS, params={"limit": "x"}).status_code == 400


@pytest.mark.parametrize(("drop", "made"), [("before", 0), ("after", 1)])
def test_a_dropped_creation_was_done_or_not(portal, drop, made):
    portal.post("/_script", json={"steps": [{"method": "POST", "path": CONTACTS, "drop": drop}]})
    with pytest.raises(httpx2.TransportError):
        add(portal, firstname="A")
    assert len(portal.get(CONTACTS).json()["results"]) == made
