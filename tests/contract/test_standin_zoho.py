"""The Zoho stand-in: an account for each refresh token, fields that are checked, batches that fail in part, credits, lag."""

import itertools

import httpx2
import pytest

CONTACTS = "/crm/v8/Contacts"
FIELDS = "/crm/v8/settings/fields"
NEW_FIELDS = [
    {"field_label": "lab_count", "data_type": "integer", "length": 9},
    {"field_label": "lab_share", "data_type": "double", "length": 16},
    {
        "field_label": "lab_mood",
        "data_type": "picklist",
        "pick_list_values": [{"display_value": "a", "actual_value": "a"}],
    },
    {"field_label": "lab_at", "data_type": "datetime"},
    {"field_label": "lab_key", "data_type": "text", "length": 20, "unique": {"casesensitive": False}},
]
numbers = itertools.count()


class Account:
    """One account with a token of its own."""

    def __init__(self, url, refresh_token):
        self.refresh_token = refresh_token
        self.http = httpx2.Client(base_url=url, trust_env=False)
        self.http.headers["Authorization"] = f"Zoho-oauthtoken {self.token().json()['access_token']}"

    def token(self, **more):
        form = {
            "grant_type": "refresh_token",
            "client_id": "1000.A",
            "client_secret": "s",
            "refresh_token": self.refresh_token,
        }
        return self.http.post("/oauth/v2/token", data=form | more)

    def add(self, module="Contacts", **values):
        values = {"Last_Name": "Kaya", **values} if module == "Contacts" else values
        return self.http.post(f"/crm/v8/{module}", json={"data": [values]})

    def added(self, module="Contacts", **values):
        answer = self.add(module, **values)
        assert answer.status_code == 201, answer.text
        return answer.json()["data"][0]["details"]["id"]

    def update(self, *data):
        return self.http.put(CONTACTS, json={"data": list(data), "trigger": []})

    def card(self, record_id):
        answer = self.http.get(f"{CONTACTS}/{record_id}")
        return answer.json()["data"][0] if answer.status_code == 200 else None

    def search(self, **params):
        answer = self.http.get(f"{CONTACTS}/search", params={"fields": "id", **params})
        if answer.status_code == 204:
            return []
        return [one["id"] for one in answer.json()["data"]] if answer.status_code == 200 else answer

    def coql(self, query):
        answer = self.http.post("/crm/v8/coql", json={"select_query": query})
        if answer.status_code == 204:
            return []
        return answer.json()["data"] if answer.status_code == 200 else answer.json()

    def make_fields(self, *fields):
        return self.http.post(FIELDS, params={"module": "Contacts"}, json={"fields": list(fields)})

    def conditions(self, **wanted):
        self.http.post("/_conditions", json=wanted).raise_for_status()


@pytest.fixture
def account(standins):
    one = Account(standins["zoho"], f"lab-{next(numbers)}")
    yield one
    one.http.delete("/_script")
    one.http.delete("/_conditions")
    one.http.close()


@pytest.fixture
def fields(account):
    assert account.make_fields(*NEW_FIELDS).status_code == 201


def test_a_refresh_token_gives_access_for_an_hour_and_the_address_of_the_api(account, standins):
    answer = account.token().json()
    assert (answer["expires_in"], answer["token_type"], answer["api_domain"]) == (3600, "Bearer", standins["zoho"])


def test_what_was_received_shows_no_credentials(account):
    account.token(client_secret="very-secret")
    received = account.http.get("/_received").text
    assert "client_secret=[redacted]" in received
    assert "very-secret" not in received
    assert account.refresh_token not in received


def test_the_eleventh_token_within_ten_minutes_is_refused(account):
    assert [account.token().status_code for _ in range(9)] == [200] * 9
    refused = account.token()
    assert (refused.status_code, refused.json()["error"]) == (400, "Access Denied")


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"refresh_token": ""}, "invalid_code"),
        ({"client_id": ""}, "invalid_client"),
        ({"client_secret": ""}, "invalid_client_secret"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
)
def test_a_wrong_request_for_a_token_is_answered_200_with_an_error(account, form, error):
    answer = account.token(**form)
    assert (answer.status_code, answer.json()) == (200, {"error": error})


def test_a_revoked_refresh_token_is_an_invalid_code(account):
    account.conditions(refresh_tokens_work=False)
    assert account.token().json() == {"error": "invalid_code"}


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "AUTHENTICATION_FAILURE"),
        ("Bearer x", "AUTHENTICATION_FAILURE"),
        ("Zoho-oauthtoken x", "INVALID_TOKEN"),
    ],
)
def test_without_a_good_token_nothing_is_answered(standins, header, code):
    headers = {"Authorization": header} if header else {}
    answer = httpx2.get(f"{standins['zoho']}/crm/v8/org", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, code)


def test_a_token_runs_out(account):
    account.conditions(token_life_s=0)
    token = account.token().json()["access_token"]
    answer = account.http.get("/crm/v8/org", headers={"Authorization": f"Zoho-oauthtoken {token}"})
    assert answer.json()["code"] == "INVALID_TOKEN"


def test_each_refresh_token_is_an_account_of_its_own(account, standins):
    record_id = account.added(Email="a@example.com")
    other = Account(standins["zoho"], "lab-other")
    assert other.card(record_id) is None
    other.added(Email=f"{account.refresh_token}@example.com")
    ids = [one.http.get("/crm/v8/org").json()["org"][0]["zgid"] for one in (account, other)]
    assert len(set(ids)) == 2


def test_what_was_written_is_given_back_and_null_empties(account):
    record_id = account.added(First_Name="Ayşe", Mobile="+905551112233")
    assert account.update({"id": record_id, "First_Name": None, "Phone": "1"}).status_code == 200
    card = account.card(record_id)
    assert (card["Mobile"], card["Phone"], "First_Name" in card) == ("+905551112233", "1", False)


def test_names_that_the_module_lacks_are_passed_over_in_silence(account):
    record_id = account.added()
    answer = account.update({"id": record_id, "lab_nowhere": "x"})
    assert (answer.status_code, answer.json()["data"][0]["code"]) == (200, "SUCCESS")
    assert "lab_nowhere" not in account.card(record_id)


@pytest.mark.parametrize(
    ("values", "code", "name"),
    [
        ({"lab_count": "4"}, "INVALID_DATA", "lab_count"),
        ({"lab_count": True}, "INVALID_DATA", "lab_count"),
        ({"lab_share": "x"}, "INVALID_DATA", "lab_share"),
        ({"lab_mood": "b"}, "INVALID_DATA", "lab_mood"),
        ({"lab_at": "2026-11-23T12:00:00.000Z"}, "INVALID_DATA", "lab_at"),
        ({"lab_key": "x" * 21}, "INVALID_DATA", "lab_key"),
        ({"lab_key": 1}, "INVALID_DATA", "lab_key"),
        ({"Email": "nobody"}, "INVALID_DATA", "Email"),
        ({"Last_Name": None}, "MANDATORY_NOT_FOUND", "Last_Name"),
        ({"Account_Name": {"id": "1"}}, "INVALID_DATA", "Account_Name"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_name(account, fields, values, code, name):
    record_id = account.added()
    answer = account.update({"id": record_id, "First_Name": "new", **values})
    [item] = answer.json()["data"]
    assert (answer.status_code, item["code"], item["status"]) == (400, code, "error")
    assert (item["details"]["api_name"], item["details"]["json_path"]) == (name, f"$.data[0].{name}")
    assert "First_Name" not in account.card(record_id)


def test_a_batch_fails_in_part_and_answers_in_order(account):
    record_id = account.added()
    answer = account.update({"id": "1", "Phone": "1"}, {"id": record_id, "Phone": "1"}, {"Phone": "1"})
    assert answer.status_code == 207
    codes = [one["code"] for one in answer.json()["data"]]
    assert codes == ["INVALID_DATA", "SUCCESS", "MANDATORY_NOT_FOUND"]
    assert answer.json()["data"][0]["details"]["api_name"] == "id"


def test_a_batch_holds_a_hundred_records(account):
    assert account.update(*[{"id": "1"}] * 101).json()["code"] == "LIMIT_EXCEEDED"


def test_a_unique_value_belongs_to_one_record(account, fields):
    first, second = account.added(lab_key="K"), account.added()
    [item] = account.update({"id": second, "lab_key": "k"}).json()["data"]
    assert (item["code"], item["details"]["api_name"], item["details"]["id"]) == ("DUPLICATE_DATA", "lab_key", first)
    account.http.delete(CONTACTS, params={"ids": first})
    assert account.update({"id": second, "lab_key": "k"}).status_code == 200


def test_upsert_makes_once_and_then_changes(account, fields):
    body = {"data": [{"Last_Name": "A", "lab_key": "k"}], "duplicate_check_fields": ["lab_key"], "trigger": []}
    first, second = (account.http.post(f"{CONTACTS}/upsert", json=body).json()["data"][0] for _ in range(2))
    assert (first["action"], second["action"], second["duplicate_field"]) == ("insert", "update", "lab_key")
    assert first["details"]["id"] == second["details"]["id"]


def test_fields_are_made_five_at_a_time_ten_in_all_two_of_them_unique(account):
    texts = [{"field_label": f"lab_{number}", "data_type": "text"} for number in range(12)]
    assert account.make_fields(*texts[:6]).status_code == 400
    unique = [{**one, "unique": {"casesensitive": False}} for one in texts[:3]]
    answer = account.make_fields(*unique)
    assert (answer.status_code, [one["status"] for one in answer.json()["fields"]]) == (
        207,
        ["success", "success", "error"],
    )
    assert account.make_fields(*texts[3:8]).status_code == 201
    codes = [one["code"] for one in account.make_fields(*texts[8:12]).json()["fields"]]
    assert codes == ["SUCCESS", "SUCCESS", "SUCCESS", "LIMIT_EXCEEDED"]
    assert account.make_fields(texts[3]).json()["fields"][0]["code"] == "DUPLICATE_DATA"


@pytest.mark.parametrize(
    "wrong", [{"data_type": "blob"}, {"field_label": "x" * 26}, {"length": 256}, {"data_type": None}]
)
def test_a_field_that_makes_no_sense_is_refused(account, wrong):
    assert account.make_fields({"field_label": "lab_x", "data_type": "text", **wrong}).status_code == 400


def test_fields_can_be_withheld_and_deleted(account, fields):
    account.conditions(may_provision=False)
    refused = account.make_fields({"field_label": "lab_x", "data_type": "text"})
    assert (refused.status_code, refused.json()["code"]) == (401, "OAUTH_SCOPE_MISMATCH")
    account.conditions(may_provision=True)
    known = account.http.get(FIELDS, params={"module": "Contacts"}).json()["fields"]
    [count] = [one for one in known if one["api_name"] == "lab_count"]
    assert account.http.delete(f"{FIELDS}/{count['id']}", params={"module": "Contacts"}).status_code == 200
    left = account.http.get(FIELDS, params={"module": "Contacts"}).json()["fields"]
    assert len(left) == len(known) - 1


def test_search_knows_criteria_telephones_and_addresses(account):
    one = account.added(Mobile="+90 (555) 111 22 33", Email="A@example.com", First_Name="x,y")
    two = account.added(Phone="0212 1")
    assert account.search(criteria="((Phone:equals:0212 1) or (Mobile:in:1,2))") == [two]
    assert account.search(criteria=r"(Mobile:in:5,+90 \(555\) 111 22 33)") == [one]
    assert account.search(criteria=r"(First_Name:equals:x\,y)") == [one]
    assert account.search(criteria="(Mobile:starts_with:+90)") == [one]
    assert account.search(phone="5551112233") == [one]
    assert account.search(email="a@example.com") == [one]
    assert account.search(criteria="(Email:equals:b@example.com)") == []


@pytest.mark.parametrize(
    "criteria", ["(Nowhere:equals:1)", "Phone=1", "(Phone:like:1)", " or ".join(["(Phone:equals:1)"] * 11)]
)
def test_criteria_that_make_no_sense_are_refused(account, criteria):
    assert account.search(criteria=criteria).json()["code"] == "INVALID_QUERY"


def test_search_lags_and_coql_does_not(account):
    account.conditions(search_lag_s=60)
    record_id = account.added(Mobile="+905551112233")
    assert account.search(phone="905551112233") == []
    assert account.coql("select id from Contacts where Mobile = '+905551112233'") == [{"id": record_id}]
    account.conditions(search_lag_s=0)
    assert account.search(phone="905551112233") == [record_id]


def test_coql_knows_its_conditions(account, fields):
    company = account.added("Accounts", Account_Name="Acme", Rating="Active")
    one = account.added(Last_Name="O'Neil", lab_count=4, Account_Name={"id": company})
    two = account.added(Email="b@example.com")

    def ids(where):
        return [row["id"] for row in account.coql(f"select id from Contacts where {where} limit 10")]

    assert ids("Last_Name = 'O\\'Neil'") == [one]
    assert ids("lab_count in ('4', '5')") == [one]
    assert ids("(Last_Name like '%nei%' or Email is not null)") == [one, two]
    assert ids("(Last_Name like 'K%' and (Email is not null and lab_count is null))") == [two]
    assert account.coql(f"select Last_Name, Account_Name.Rating from Contacts where id in ('{one}')") == [
        {"id": one, "Last_Name": "O'Neil", "Account_Name.Rating": "Active"}
    ]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("select nowhere from Contacts where id is not null", "INVALID_QUERY"),
        ("select id from Nowhere where id is not null", "INVALID_QUERY"),
        ("select id from Contacts", "SYNTAX_ERROR"),
        ("delete from Contacts", "SYNTAX_ERROR"),
        ("select id from Contacts where Phone = '1' or Phone = '2' or Phone = '3'", "SYNTAX_ERROR"),
        ("select id from Contacts where Description = 'x'", "INVALID_QUERY"),
        ("select id from Contacts where id is not null limit 2001", "LIMIT_EXCEEDED"),
        (
            f"select id from Contacts where id in ({','.join(str(number) for number in range(101))})",
            "LIMIT_EXCEEDED",
        ),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(account, query, code):
    assert account.coql(query)["code"] == code


def test_notes_and_tasks_hang_on_their_contact_and_move_when_it_is_merged(account):
    one, two = account.added(Mobile="1"), account.added(Phone="2")
    account.added("Notes", Note_Title="t", Note_Content="c", Parent_Id={"id": one})
    account.added("Tasks", Subject="s", Who_Id={"id": one}, Priority="High")
    assert account.add("Notes", Note_Content="c", Parent_Id={"id": "1"}).json()["data"][0]["code"] == "INVALID_DATA"
    assert account.add("Tasks", Subject="s", Priority="Urgent").status_code == 400
    merge = {"account": account.refresh_token, "loser": one, "winner": two}
    account.http.post("/_merge", json=merge).raise_for_status()
    assert account.card(one) is None
    assert (account.card(two)["Mobile"], account.card(two)["Phone"]) == ("1", "2")
    for related in ("Notes", "Tasks"):
        assert account.http.get(f"{CONTACTS}/{two}/{related}", params={"fields": "id"}).json()["info"]["count"] == 1
        assert account.http.get(f"{CONTACTS}/{one}/{related}", params={"fields": "id"}).status_code == 400


def test_tags_are_added_and_removed_by_name(account):
    record_id = account.added()

    def change(action, *names, ids=(record_id,)):
        body = {"tags": [{"name": name} for name in names], "ids": list(ids), "over_write": False}
        return account.http.post(f"{CONTACTS}/actions/{action}", json=body)

    assert change("add_tags", "one", "two").status_code == 200
    change("remove_tags", "one")
    assert account.card(record_id)["Tag"] == [{"name": "two"}]
    assert change("add_tags", "x" * 26).status_code == 400
    assert change("add_tags", "x", ids=["1"]).json()["data"][0]["status"] == "error"
    assert change("add_tags", "x", ids=["1"] * 501).status_code == 400


def test_deleting_twice_says_that_it_is_gone(account):
    record_id = account.added()
    assert account.http.delete(CONTACTS, params={"ids": record_id}).status_code == 200
    again = account.http.delete(CONTACTS, params={"ids": record_id})
    assert (again.status_code, again.json()["data"][0]["message"]) == (400, "record not deleted")


def test_credits_are_counted_and_told_once_half_are_used(account):
    account.conditions(day_limit=10)
    answers = [account.add() for _ in range(4)]
    ids = [one.json()["data"][0]["details"]["id"] for one in answers]
    assert not any("x-api-credits-remaining" in one.headers for one in answers)
    assert account.http.get("/crm/v8/org").headers["x-api-credits-remaining"] == "5"
    # Eleven records are two credits.
    answer = account.update(*[{"id": ids[0], "Phone": "1"}] * 11)
    assert answer.headers["x-api-credits-remaining"] == "3"
    query = {"select_query": "select id from Contacts where id is not null limit 2000"}
    assert account.http.post("/crm/v8/coql", json=query).headers["x-api-credits-remaining"] == "0"
    refused = account.http.get("/crm/v8/org")
    assert (refused.status_code, refused.json()["code"]) == (429, "TOO_MANY_REQUESTS")
    account.conditions(day_ends_in_s=0)
    assert account.http.get("/crm/v8/org").status_code == 200


@pytest.mark.parametrize("path", ["/crm/v8/Nowhere", "/crm/v9/Contacts", "/crm/v8/Contacts/1/Nowhere"])
def test_unknown_paths_and_modules_are_refused(account, path):
    assert account.http.get(path, params={"fields": "id"}).status_code in {400, 404}


@pytest.mark.parametrize("path", [CONTACTS, "/crm/v8/Notes"])
def test_a_list_needs_its_fields_named(account, path):
    assert account.http.get(path).json()["code"] == "REQUIRED_PARAM_MISSING"


def test_a_body_that_is_no_object_is_refused(account):
    assert account.http.post(CONTACTS, content=b"[1]").status_code == 400
    assert account.http.post(CONTACTS, json={"data": {}}).json()["code"] == "MANDATORY_NOT_FOUND"
