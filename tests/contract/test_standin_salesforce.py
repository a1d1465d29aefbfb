"""The Salesforce stand-in: an org per client id, fields that are checked and hidden, batches that fail in part."""

import itertools
from contextlib import closing

import httpx2
import pytest

DATA = "/services/data/v64.0"
COLLECTION = f"{DATA}/composite/sobjects"
FIELDS = {
    "Lab_Mood__c": {
        "type": "Picklist",
        "valueSet": {"restricted": True, "valueSetDefinition": {"value": [{"fullName": "a"}, {"fullName": "b"}]}},
    },
    "Lab_Key__c": {"type": "Text", "length": 20, "externalId": True, "unique": True},
    "Lab_Count__c": {"type": "Number", "precision": 4, "scale": 1},
    "Lab_At__c": {"type": "DateTime"},
    "Lab_Text__c": {"type": "LongTextArea", "length": 256, "visibleLines": 3},
}
numbers = itertools.count(1)


def org_of(standins, client_id, secret="s"):
    client = httpx2.Client(base_url=standins["salesforce"], trust_env=False, verify=False)
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    answer = client.post("/services/oauth2/token", data=form).raise_for_status().json()
    client.headers["Authorization"] = f"Bearer {answer['access_token']}"
    client.account = client_id
    return client


@pytest.fixture
def org(standins):
    """An empty org."""
    with closing(org_of(standins, f"lab-org-{next(numbers)}")) as client:
        yield client
        client.delete("/_conditions")
        client.delete("/_script")


def make(org, name, owner="Contact", **metadata):
    body = {"FullName": f"{owner}.{name}", "Metadata": {"label": name, **metadata}}
    return org.post(f"{DATA}/tooling/sobjects/CustomField", json=body)


def grant(org, *names, kind="Contact", edit=True):
    set_id = add(org, "PermissionSet", Name=f"Lab{next(numbers)}", Label="Lab").json()["id"]
    user_id = org.get("/services/oauth2/userinfo").json()["user_id"]
    add(org, "PermissionSetAssignment", AssigneeId=user_id, PermissionSetId=set_id).raise_for_status()
    for name in names:
        rights = {"PermissionsRead": True, "PermissionsEdit": edit}
        field = {"ParentId": set_id, "SobjectType": kind, "Field": f"{kind}.{name}"}
        add(org, "FieldPermissions", **field, **rights).raise_for_status()


@pytest.fixture
def fields(org):
    for name, metadata in FIELDS.items():
        assert make(org, name, **metadata).status_code == 201
    grant(org, *FIELDS)


def add(org, kind, **values):
    return org.post(f"{DATA}/sobjects/{kind}", json=values)


def added(org, kind="Contact", **values):
    return add(org, kind, **({"LastName": "A"} if kind == "Contact" else {}), **values).raise_for_status().json()["id"]


def card(org, record_id, kind="Contact"):
    return org.get(f"{DATA}/sobjects/{kind}/{record_id}").raise_for_status().json()


def batch(org, method, *records, path=COLLECTION, kind="Contact"):
    body = {"allOrNone": False, "records": [{"attributes": {"type": kind}, **one} for one in records]}
    return org.request(method, path, json=body)


def change(org, record_id, **values):
    [outcome] = batch(org, "PATCH", {"id": record_id, **values}).raise_for_status().json()
    return outcome


def query(org, soql, resource="query"):
    answer = org.get(f"{DATA}/{resource}", params={"q": soql})
    return answer.json()["records"] if answer.status_code == 200 else answer.json()[0]["errorCode"]


def search(org, sosl):
    answer = org.get(f"{DATA}/search", params={"q": sosl})
    ok = answer.status_code == 200
    return [one["Id"] for one in answer.json()["searchRecords"]] if ok else answer.json()[0]["errorCode"]


def code(answer):
    [error] = answer.json()
    return answer.status_code, error["errorCode"]


def test_each_client_id_is_an_org_of_its_own(standins, org):
    record_id = added(org)
    with closing(org_of(standins, f"lab-org-{next(numbers)}")) as other:
        assert code(other.get(f"{DATA}/sobjects/Contact/{record_id}"))[1] == "INVALID_CROSS_REFERENCE_KEY"
        assert added(other) != record_id
    assert len(record_id) == 18
    assert card(org, record_id[:15])["Id"] == record_id


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, "invalid_client_id"),
        ({"grant_type": "client_credentials", "client_secret": "wrong"}, "invalid_client"),
        ({"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "a.b.c"}, "invalid_grant"),
    ],
)
def test_wrong_credentials_get_no_token(org, form, error):
    form = {**form, **({"client_id": org.account} if "client_secret" in form else {})}
    answer = org.post("/services/oauth2/token", data=form)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_a_token_names_its_host_and_not_how_long_it_lives(org):
    form = {"grant_type": "client_credentials", "client_id": org.account, "client_secret": "s"}
    answer = org.post("/services/oauth2/token", data=form).json()
    assert answer["instance_url"] == str(org.base_url).rstrip("/")
    assert "expires_in" not in answer
    assert "client_secret=[redacted]" in org.get("/_received").text


def test_tokens_run_out_and_new_ones_can_be_withheld(standins, org):
    assert code(httpx2.get(f"{standins['salesforce']}{DATA}/limits")) == (401, "INVALID_SESSION_ID")
    org.post("/_conditions", json={"token_life_s": 0.0})
    with closing(org_of(standins, org.account)) as ended:
        assert code(ended.get(f"{DATA}/limits")) == (401, "INVALID_SESSION_ID")
    org.post("/_conditions", json={"refresh_tokens_work": False})
    form = {"grant_type": "client_credentials", "client_id": org.account, "client_secret": "s"}
    assert org.post("/services/oauth2/token", data=form).json()["error"] == "invalid_grant"


def test_every_call_counts_one_until_the_day_is_used_up(org):
    org.post("/_conditions", json={"day_limit": 3})
    seen = [org.get(f"{DATA}/limits").headers["sforce-limit-info"] for _ in range(3)]
    assert seen == ["api-usage=1/3", "api-usage=2/3", "api-usage=3/3"]
    answer = org.get(f"{DATA}/limits")
    assert code(answer) == (403, "REQUEST_LIMIT_EXCEEDED")
    assert answer.headers["sforce-limit-info"] == "api-usage=3/3"
    assert "retry-after" not in answer.headers
    org.post("/_conditions", json={"day_ends_in_s": 0.0})
    assert org.get(f"{DATA}/limits").json() == {"DailyApiRequests": {"Max": 3, "Remaining": 2}}


def test_a_new_field_is_seen_by_nobody_until_it_is_granted(org):
    assert make(org, "Lab_Text__c", type="Text", length=9).status_code == 201
    assert code(make(org, "Lab_Text__c", type="Text", length=9)) == (400, "DUPLICATE_DEVELOPER_NAME")
    assert code(add(org, "Contact", LastName="A", Lab_Text__c="x")) == (400, "INVALID_FIELD")
    grant(org, "Lab_Text__c")
    described = {one["name"]: one for one in org.get(f"{DATA}/sobjects/Contact/describe").json()["fields"]}
    assert (described["Lab_Text__c"]["type"], described["Lab_Text__c"]["length"]) == ("string", 9)
    assert card(org, added(org, Lab_Text__c="x"))["Lab_Text__c"] == "x"


def test_a_field_may_be_granted_for_reading_only(org):
    make(org, "Lab_Text__c", type="Text", length=9)
    grant(org, "Lab_Text__c", edit=False)
    record_id = added(org)
    refused = change(org, record_id, Lab_Text__c="x")["errors"][0]
    assert (refused["statusCode"], refused["fields"]) == ("INVALID_FIELD_FOR_INSERT_UPDATE", ["Lab_Text__c"])
    grant(org, "Lab_Text__c")
    assert change(org, record_id, Lab_Text__c="x")["success"]


def test_fields_of_activities_are_tasks_fields(org):
    assert make(org, "Lab_Key__c", owner="Activity", **FIELDS["Lab_Key__c"]).status_code == 201
    grant(org, "Lab_Key__c", kind="Task")
    record = {"Lab_Key__c": "k", "Subject": "A"}
    path = f"{COLLECTION}/Task/Lab_Key__c"
    [first], [second] = (batch(org, "PATCH", record, path=path, kind="Task").json() for _ in range(2))
    assert (first["created"], second["created"], first["id"]) == (True, False, second["id"])


def test_the_right_to_make_fields_can_be_withheld(org):
    org.post("/_conditions", json={"may_provision": False})
    assert code(make(org, "Lab_Text__c", type="Text", length=9))[0] == 403
    [refused] = batch(org, "POST", {"Name": "X", "Label": "X"}, kind="PermissionSet").json()
    assert refused["errors"][0]["statusCode"] == "INSUFFICIENT_ACCESS_OR_READONLY"


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "Text"},
        {"type": "Text", "length": 256},
        {"type": "LongTextArea", "length": 500},
        {"type": "Picklist"},
        {"type": "Number", "precision": 30, "scale": 1},
        {"type": "DateTime", "unique": True},
        {"type": "Text", "length": 9, "label": ""},
    ],
)
def test_a_field_that_makes_no_sense_is_refused(org, wrong):
    assert code(make(org, "Lab_X__c", **wrong)) == (400, "FIELD_INTEGRITY_EXCEPTION")


@pytest.mark.parametrize(
    ("name", "good", "shown", "bad", "refusal"),
    [
        ("Lab_Mood__c", "b", "b", "c", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        ("Lab_Key__c", "k", "k", "k" * 21, "STRING_TOO_LONG"),
        ("Lab_Count__c", 4.25, 4.2, 1_000, "NUMBER_OUTSIDE_VALID_RANGE"),
        ("Email", "a@example.com", "a@example.com", "a at example", "INVALID_EMAIL_ADDRESS"),
        ("LeadSource", "Somewhere new", "Somewhere new", "x" * 256, "STRING_TOO_LONG"),
        ("LastName", "B", "B", "", "REQUIRED_FIELD_MISSING"),
        ("Name", None, None, "x", "INVALID_FIELD_FOR_INSERT_UPDATE"),
    ],
)
def test_values_fit_their_fields_or_fail_alone(org, fields, name, good, shown, bad, refusal):
    first, second = added(org), added(org)
    if good is not None:
        assert change(org, first, **{name: good})["success"]
        assert card(org, first)[name] == shown
    outcomes = batch(org, "PATCH", {"id": first, name: bad}, {"id": second, "Title": "x"}).json()
    assert outcomes[0]["errors"][0]["statusCode"] == refusal
    assert (outcomes[1], card(org, second)["Title"]) == ({"success": True, "errors": [], "id": second}, "x")


@pytest.mark.parametrize(
    ("values", "refusal"),
    [
        ({"Nothing__c": "x"}, "INVALID_FIELD"),
        ({"Lab_Count__c": "four"}, "JSON_PARSER_ERROR"),
        ({"Lab_At__c": "yesterday"}, "JSON_PARSER_ERROR"),
        ({"Title": 4}, "JSON_PARSER_ERROR"),
    ],
)
def test_what_is_no_such_field_or_type_refuses_the_whole_call(org, fields, values, refusal):
    first, second = added(org), added(org)
    assert code(batch(org, "PATCH", {"id": first, **values}, {"id": second, "Title": "x"})) == (400, refusal)


def test_a_batch_holds_two_hundred_records(org):
    people = [{"LastName": "A"}] * 201
    assert code(batch(org, "POST", *people)) == (400, "EXCEEDED_ID_LIMIT")
    ids = [one["id"] for one in batch(org, "POST", *people[:200]).json()]
    assert len(set(ids)) == 200
    twice = {"id": ids[0], "Title": "x"}
    assert code(batch(org, "PATCH", twice, twice))[0] == 400


def test_records_that_are_not_there_fail_alone_and_say_how(org):
    record_id = added(org)
    gone = added(org)
    params = {"ids": f"{gone},{gone},51", "allOrNone": "false"}
    deleted = org.delete(COLLECTION, params=params).json()
    assert [one["success"] for one in deleted] == [True, False, False]
    outcomes = batch(org, "PATCH", *({"id": one} for one in (record_id, gone, "003000000000000AAA", "51"))).json()
    found = [one["success"] or one["errors"][0]["statusCode"] for one in outcomes]
    assert found == [True, "ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY", "MALFORMED_ID"]


def test_a_unique_value_belongs_to_one_record_that_is_not_deleted(org, fields):
    first, second = added(org, Lab_Key__c="k"), added(org)
    assert change(org, first, Lab_Key__c="k")["success"]
    error = change(org, second, Lab_Key__c="K")["errors"][0]
    assert error["statusCode"] == "DUPLICATE_VALUE"
    assert first[:15] in error["message"]
    org.delete(f"{DATA}/sobjects/Contact/{first}").raise_for_status()
    assert change(org, second, Lab_Key__c="k")["success"]


def test_upsert_wants_an_external_id_and_finds_by_it(org, fields):
    path = f"{COLLECTION}/Contact/Lab_Key__c"
    [made] = batch(org, "PATCH", {"Lab_Key__c": "k", "LastName": "A"}, path=path).json()
    changed, twice, without = batch(
        org, "PATCH", {"Lab_Key__c": "k", "LastName": "B"}, {"Lab_Key__c": "k"}, {"LastName": "C"}, path=path
    ).json()
    assert (made["created"], changed["created"], changed["id"]) == (True, False, made["id"])
    assert (twice["success"], without["success"]) == (False, False)
    assert card(org, made["id"])["LastName"] == "B"
    for name in ("Title", "Nothing__c"):
        assert code(batch(org, "PATCH", {name: "k"}, path=f"{COLLECTION}/Contact/{name}")) == (404, "NOT_FOUND")


def test_a_validation_rule_refuses_only_whom_it_means(org):
    rule = {"account": org.account, "object": "Contact", "field": "Title", "value": "x"}
    org.post("/_validation_rule", json=rule).raise_for_status()
    record_id = added(org)
    assert change(org, record_id, Title="x")["errors"][0]["statusCode"] == "FIELD_CUSTOM_VALIDATION_EXCEPTION"
    assert change(org, record_id, Title="y")["success"]


def test_a_task_hangs_on_a_contact_that_is_there(org):
    record_id, gone = added(org), added(org)
    org.delete(f"{DATA}/sobjects/Contact/{gone}")
    task = card(org, added(org, "Task", WhoId=record_id[:15], Subject="A"), "Task")
    assert (task["WhoId"], task["Status"], task["IsClosed"]) == (record_id, "Not Started", False)
    for wrong in (gone, "003000000000000AAA", "51"):
        assert add(org, "Task", WhoId=wrong).json()[0]["fields"] == ["WhoId"]


def test_a_merged_contact_names_its_master_and_leaves_it_its_tasks(org):
    loser, winner = added(org, Title="old"), added(org)
    task = added(org, "Task", WhoId=loser)
    merge = {"account": org.account, "loser": loser, "winner": winner}
    org.post("/_merge", json=merge).raise_for_status()
    assert card(org, task, "Task")["WhoId"] == winner
    assert card(org, winner)["Title"] is None
    assert query(org, f"SELECT Id FROM Contact WHERE Id = '{loser}'") == []
    [deleted] = query(org, f"SELECT MasterRecordId FROM Contact WHERE Id = '{loser}'", "queryAll")
    assert deleted["MasterRecordId"] == winner


def test_queries_know_conditions_and_parents(org):
    account = added(org, "Account", Name="Acme", Rating="Hot")
    one, two = added(org, Title="It's", AccountId=account), added(org, Title="B_b", Phone="+1")
    ask = "SELECT Id FROM Contact WHERE "
    ids = lambda where: [row["Id"] for row in query(org, ask + where)]  # noqa: E731
    assert ids(r"Title = 'IT\'S'") == [one]
    assert ids("Title LIKE '%_b' AND Phone != null") == [two]
    assert ids(f"Id IN ('{one}','{two}') AND (Phone = '+1' OR Account.Name = 'acme')") == [one, two]
    assert ids("IsDeleted = false LIMIT 1") == [one]
    [row, other] = query(org, "SELECT Id, account.rating, Account.Name FROM Contact")
    assert (row["Account"]["Rating"], row["Account"]["Name"], other["Account"]) == ("Hot", "Acme", None)
    assert org.get(f"{DATA}/query", params={"q": "SELECT COUNT() FROM Contact"}).json()["totalSize"] == 2


@pytest.mark.parametrize(
    ("soql", "error"),
    [
        ("SELECT Nothing FROM Contact", "INVALID_FIELD"),
        ("SELECT Firm.Name FROM Contact", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE Description = 'x'", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE Id IN ('51')", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT Id FROM Nothing", "INVALID_TYPE"),
        ("SELECT Id FROM Contact WHERE Title = 'it's'", "MALFORMED_QUERY"),
        ("SELECT Id", "MALFORMED_QUERY"),
        ("", "MALFORMED_QUERY"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(org, soql, error):
    assert query(org, soql) == error


def test_long_answers_come_in_pages_and_long_addresses_do_not_arrive(org):
    for _ in range(11):
        batch(org, "POST", *[{"LastName": "A"}] * 200)
    first = org.get(f"{DATA}/query", params={"q": "SELECT Id FROM Contact"}).json()
    rest = org.get(first["nextRecordsUrl"]).json()
    assert (first["totalSize"], first["done"], len(first["records"])) == (2_200, False, 2_000)
    assert (rest["done"], len(rest["records"])) == (True, 200)
    assert org.get(f"{DATA}/query", params={"q": "x" * 16_000}).status_code == 400
    assert org.get(f"{DATA}/query", params={"q": "x" * 17_000}).status_code == 414


def test_search_finds_numbers_by_their_digits(org):
    one = added(org, Phone="+90 (555) 111-22-33")
    two = added(org, OtherPhone="0555 111 22 33")
    find = "FIND {%s} IN PHONE FIELDS RETURNING Contact(Id, Phone) LIMIT 9"
    assert search(org, find % "905551112233") == [one]
    assert search(org, find % "05551112233 OR 999") == [two]
    assert search(org, find % "5551112233") == [one, two]
    assert search(org, find % "1112233") == []
    assert search(org, find % "0555*") == [two]
    assert search(org, find % "+90") == "MALFORMED_SEARCH"
    assert search(org, "FIND 5") == "MALFORMED_SEARCH"


def test_search_lags_and_queries_do_not(org):
    org.post("/_conditions", json={"search_lag_s": 60.0})
    record_id = added(org, Phone="905551112233")
    find = "FIND {905551112233} IN PHONE FIELDS RETURNING Contact(Id)"
    assert search(org, find) == []
    assert len(query(org, "SELECT Id FROM Contact WHERE Phone = '905551112233'")) == 1
    org.delete("/_conditions")
    assert search(org, find) == [record_id]


@pytest.mark.parametrize("path", ["/services/data/v20.0/limits", f"{DATA}/nothing", "/x", f"{DATA}/sobjects/Lead/1"])
def test_unknown_paths_are_not_found(org, path):
    assert code(org.get(path)) == (404, "NOT_FOUND")


@pytest.mark.parametrize("body", ["{", "[]", '{"records": 4}', '{"records": [{"attributes": {"type": "Lead"}}]}'])
def test_a_broken_body_is_refused(org, body):
    assert org.post(COLLECTION, content=body).status_code == 400


@pytest.mark.parametrize(("drop", "made"), [("before", 0), ("after", 1)])
def test_a_dropped_creation_was_done_or_not(org, drop, made):
    org.post("/_script", json={"steps": [{"method": "POST", "path": COLLECTION, "drop": drop}]})
    with pytest.raises(httpx2.TransportError):
        batch(org, "POST", {"LastName": "A"})
    assert len(query(org, "SELECT Id FROM Contact")) == made
