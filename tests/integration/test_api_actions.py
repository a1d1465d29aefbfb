"""Ruling on actions through the API: once, by those who may, on record, in one's own tenant."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.passes import now
from tests.integration.test_actions import REFUND, settings_of, write  # noqa: F401 -- fixtures
from tests.integration.test_api import acme, ann, app, boss, call, new_key  # noqa: F401 -- fixtures
from tests.integration.test_sending import deliver, state_of
from tests.integration.workplace import add_action, add_conversation
from worker import delivery


@pytest.fixture
def waiting(owner, acme):  # noqa: F811
    return add_action(owner, acme, add_conversation(owner, acme))


def test_what_waits_is_listed_agreed_to_and_leaves(deps, owner, write, settings_of, call, boss):  # noqa: F811
    settings_of("{actions,send_refund_form,mode}", "approve")
    ref, (action_id,) = write(REFUND)
    deliver(deps, ref, [action_id])
    listed = call(boss, "GET", "/actions?waiting=true")
    assert [one["id"] for one in listed.json["actions"]] == [action_id] and "parcel" not in listed.text
    agreed = call(boss, "POST", f"/actions/{action_id}/approve").json
    assert (agreed["waits_for_approval"], agreed["state"]) == (False, "pending") and agreed["approved_by"].startswith(
        "key:"
    )
    delivery.deliver_action(deps, tenant_id=ref.tenant_id, action_id=action_id, now=now())
    assert state_of(owner, action_id) == ("sent", None)
    assert call(boss, "GET", f"/actions/{action_id}").json["state"] == "sent"
    assert call(boss, "GET", "/actions?waiting=true").json["actions"] == []


def test_of_those_who_agree_or_call_off_at_once_one_does(call, new_key, ann, owner, waiting):  # noqa: F811
    keys = [new_key("supervisor") for _ in range(6)]
    deeds = ("approve", "reject")

    def rule(number):
        return deeds[number % 2], call(keys[number], "POST", f"/actions/{waiting}/{deeds[number % 2]}")

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(rule, range(6)))
    done = [deed for deed, answer in answers if answer.status_code == 200]
    # An action that was agreed to may still be called off, but each only once.
    assert done.count("approve") <= 1 and done.count("reject") == 1
    assert {answer.status_code for _, answer in answers} <= {200, 409}
    assert state_of(owner, waiting) == ("cancelled", "by_person")


def test_who_comes_second_is_told_how_it_stands(call, boss, waiting):  # noqa: F811
    by = call(boss, "POST", f"/actions/{waiting}/approve", Idempotency_Key="a").json["approved_by"]
    again = call(boss, "POST", f"/actions/{waiting}/approve", Idempotency_Key="a")
    assert again.status_code == 200 and again.headers["Idempotency-Replayed"] == "true"
    refused = call(boss, "POST", f"/actions/{waiting}/approve")
    assert (refused.status_code, refused.json["code"], refused.json["approved_by"]) == (409, "not_waiting", by)
    assert call(boss, "POST", f"/actions/{waiting}/settle", {"arrived": True}).json["code"] == "not_uncertain"
    assert call(boss, "POST", f"/actions/{waiting}/reject").json["state"] == "cancelled"
    assert call(boss, "POST", f"/actions/{waiting}/reject").json["code"] == "not_pending"
    assert call(boss, "POST", f"/actions/{waiting}/approve").json["state"] == "cancelled"


@pytest.mark.parametrize(("arrived", "became"), [(True, ("sent", None)), (False, ("failed", "not_arrived"))])
def test_a_doubt_is_settled_once_and_by_name(call, boss, ann, owner, waiting, arrived, became):  # noqa: F811
    owner.execute("UPDATE action SET state = 'uncertain' WHERE id = %s", (waiting,))
    settled = call(boss, "POST", f"/actions/{waiting}/settle", {"arrived": arrived}).json
    assert state_of(owner, waiting) == became and settled["settled_by"].startswith("key:")
    assert call(boss, "POST", f"/actions/{waiting}/settle", {"arrived": not arrived}).status_code == 409
    assert state_of(owner, waiting) == became


def test_agents_may_look_and_not_rule_even_through_a_supervisors_key(call, boss, ann, owner, waiting):  # noqa: F811
    assert call(ann[1], "GET", f"/actions/{waiting}").status_code == 200
    for deed, body in (("approve", None), ("reject", None), ("settle", {"arrived": True})):
        assert call(ann[1], "POST", f"/actions/{waiting}/{deed}", body).json["code"] == "role_may_not"
        as_ann = call(boss, "POST", f"/actions/{waiting}/{deed}", body, X_Earshot_User="ann@example.com")
        assert as_ann.json["code"] == "role_may_not"
    assert state_of(owner, waiting)[0] == "pending"


@pytest.mark.parametrize(
    "body", [{}, {"arrived": "yes"}, {"arrived": 1}, {"arrived": None}, {"arrived": True, "state": "sent"}]
)
def test_a_settlement_says_yes_or_no(call, boss, owner, waiting, body):  # noqa: F811
    owner.execute("UPDATE action SET state = 'uncertain' WHERE id = %s", (waiting,))
    assert call(boss, "POST", f"/actions/{waiting}/settle", body).status_code == 422
    assert state_of(owner, waiting)[0] == "uncertain"


def test_actions_come_in_pages(call, boss, owner, acme, tenant_ids):  # noqa: F811
    conversation = add_conversation(owner, acme)
    ids = [add_action(owner, acme, conversation, state="sent") for _ in range(5)]
    add_action(owner, tenant_ids["other"], add_conversation(owner, tenant_ids["other"]), state="sent")
    seen, cursor = [], ""
    while cursor is not None:
        page = call(boss, "GET", f"/actions?state=sent&limit=2{cursor and f'&cursor={cursor}'}").json
        seen += [one["id"] for one in page["actions"]]
        cursor = page["next_cursor"]
    assert seen == ids[::-1]
