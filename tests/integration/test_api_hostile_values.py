"""Values that no honest program sends: each is refused as wrong, none is taken for a failure of the database or of ours."""

import base64
import json

import pytest

from tests.integration.test_api import API, acme, app, boss, call, new_key  # noqa: F401 -- fixtures
from tests.integration.workplace import add_conversation

ID = "00000000-0000-0000-0000-000000000000"


def cursor(*parts):
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "query",
    [
        "tag=%00",
        f"cursor={cursor(chr(0), '2026-01-01T00:00:00+00:00', ID)}",
        f"cursor={cursor(chr(0xD800), '2026-01-01T00:00:00+00:00', ID)}",
        f"cursor={cursor('P1', '2026-01-01T00:00:00+00:00', ID + chr(0))}",
        "assignee=9223372036854775808",
        "limit=1e2",
    ],
)
def test_a_query_that_no_row_could_hold_is_refused(call, boss, query):  # noqa: F811
    assert call(boss, "GET", f"/conversations?{query}").status_code == 422


@pytest.mark.parametrize("email", ["a\0b", "ann@example.com\0", "a\nb"])
def test_a_person_with_a_control_character_is_nobody(call, boss, owner, acme, email):  # noqa: F811
    one = add_conversation(owner, acme)
    assert call(boss, "POST", f"/conversations/{one}/assign", {"email": email}).status_code == 422


def test_a_header_with_a_nul_names_nobody(call, boss):  # noqa: F811
    refused = call(boss, "GET", "/queues", X_Earshot_User="a\0b")
    assert (refused.status_code, refused.json["code"]) == (422, "unknown_person")


def test_of_thousands_of_unknown_fields_some_are_told(call, boss, owner, acme):  # noqa: F811
    one = add_conversation(owner, acme)
    refused = call(boss, "POST", f"/conversations/{one}/resolve", {f"x{number}": 1 for number in range(3000)})
    assert refused.status_code == 422 and len(refused.json["errors"]) == 20 and len(refused.data) < 4000


@pytest.mark.parametrize(
    "body",
    ["[" * 30_000 + "]" * 30_000, '{"a":' * 10_000 + "1" + "}" * 10_000, '{"version":NaN}', '{"version":1e400}',
     '{"version":' + "9" * 5_000 + "}", "null", '"x"', '{"version":99999999999999999999}'],
    ids=lambda body: body[:14],
)  # fmt: skip
def test_a_body_that_is_deep_endless_or_no_object_is_refused(app, boss, owner, acme, body):  # noqa: F811
    one = add_conversation(owner, acme)
    head = {"Authorization": f"Bearer {boss}"}
    refused = app.test_client().post(
        f"{API}/conversations/{one}/resolve", data=body, headers=head, content_type="application/json"
    )
    assert refused.status_code == 422 and refused.content_type == "application/problem+json"
    assert owner.execute("SELECT state FROM conversation").fetchone() == ("open",)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/laboratory/plan", r'{"texts":["\ud800"]}'),
        ("/laboratory/plan", r'{"texts":["a\u0000b"]}'),
        ("/laboratory/plan", r'{"texts":["x"],"tried":{"topics":{"a\u0000":"b"}}}'),
        ("/laboratory/plan", '{"texts":["x"],"tried":{"thresholds":{"unsure":NaN}}}'),
        ("/laboratory/plan", '{"texts":["x"],"tried":{"thresholds":{"unsure":1e400}}}'),
        ("/laboratory/plan", '{"texts":["x"],"max_cost_usd":NaN}'),
        ("/laboratory/plan", '{"texts":["x"],"tried":{"examples":"999999999"}}'),
        ("/laboratory/trials", r'{"texts":["x"],"tried":{"model":"\u202e\u0000"}}'),
        ("/sweeps/plan", '{"budget_usd":NaN}'),
        ("/sweeps", '{"days":1e9}'),
        ("/reanalyses", r'{"message_ids":["\u0000"]}'),
        ("/examples/reject", '{"message_ids":[]}'),
        ("/examples/publish", r'{"basis":"\u0000"}'),
        ("/examples/rollback", '{"to":99999999999999999999}'),
        (f"/messages/{ID}/corrections", r'{"field":"topics","value":["\u0000"]}'),
        (f"/samples/{ID}/judge", '{"seen_judged_at":"9999-99-99"}'),
    ],
)
def test_no_trial_sweep_or_label_is_made_of_nonsense(app, new_key, path, body):  # noqa: F811
    head = {"Authorization": f"Bearer {new_key('admin')}"}
    refused = app.test_client().post(f"{API}{path}", data=body, headers=head, content_type="application/json")
    assert refused.status_code == 422, refused.text


@pytest.mark.parametrize(
    "path", ["/corrections", "/samples", "/sweeps", "/laboratory/trials", "/examples/versions", "/samples?state=judged"]
)
def test_a_cursor_of_another_list_is_refused_or_finds_nothing(app, new_key, path):  # noqa: F811
    head = {"Authorization": f"Bearer {new_key('admin')}"}
    for given in (cursor("x"), cursor(ID + "\0"), cursor("1", "2"), "%00", "a" * 401):
        mark = "&" if "?" in path else "?"
        answer = app.test_client().get(f"{API}{path}{mark}cursor={given}", headers=head)
        assert answer.status_code == 422, (given, answer.text)
    found = app.test_client().get(f"{API}{path}{'&' if '?' in path else '?'}cursor={cursor(ID)}", headers=head)
    assert found.status_code in {200, 422}
