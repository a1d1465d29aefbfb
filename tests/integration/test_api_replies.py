"""Answering from a program: by the rules of the page, once, in a person's name."""

import pytest

from tests.integration.test_api import acme, ann, app, boss, call, new_key  # noqa: F401 -- fixtures
from tests.integration.test_console_reply import close_window, configure, deliver, rung, sent, talk  # noqa: F401 -- fixtures
from tests.integration.workplace import add_agent, field

WORDS = {"text": "We are looking for it now."}


@pytest.fixture(autouse=True)
def before_the_app(rung):  # noqa: F811
    """What is rung is caught before an application is made."""


def desk(call, key, one):  # noqa: F811
    return call(key, "GET", f"/conversations/{one}/replies").json


def test_an_answer_leaves_once_in_the_persons_name(call, ann, talk, deps, owner, acme, sent, rung):  # noqa: F811
    one, (user_id, key) = talk(), ann
    before = desk(call, key, one)
    assert (before["may_reply"], before["window"]["form"], before["replies"]) == (True, "text", [])
    made = [call(key, "POST", f"/conversations/{one}/replies", WORDS, Idempotency_Key="first") for _ in range(2)]
    assert made[0].json == made[1].json and made[0].json["written_by"] == "ann@example.com"
    assert rung == [made[0].json["id"]] and field(owner, one, "assignee_id") == user_id
    assert field(owner, one, "taken_over") is True
    deliver(deps, acme, *rung)
    assert [body["text"]["body"] for body in sent()] == [WORDS["text"]]
    (reply,) = desk(call, key, one)["replies"]
    assert reply["state"] == "sent" and reply["message_id"]
    call(key, "POST", f"/conversations/{one}/replies", WORDS, Idempotency_Key="second")
    assert len(rung) == 2


def test_only_a_person_answers_and_only_on_what_is_theirs(call, ann, boss, talk, owner, acme, new_key):  # noqa: F811
    one, path = talk(), "/conversations/{}/replies"
    assert call(boss, "POST", path.format(one), WORDS).json["code"] == "no_person"
    assert desk(call, boss, one)["may_reply"] is False
    assert call(boss, "POST", path.format(one), WORDS, X_Earshot_User="ann@example.com").status_code == 200
    bob = new_key("agent", user_id=add_agent(owner, acme))
    assert call(bob, "POST", path.format(one), WORDS).json["code"] == "not_yours"
    auditor = new_key("auditor")
    assert (
        call(auditor, "POST", path.format(one), WORDS).status_code == 403 and not desk(call, auditor, one)["may_reply"]
    )
    (reply,) = desk(call, bob, one)["replies"]
    assert call(bob, "POST", f"{path.format(one)}/{reply['id']}/cancel").json["code"] == "not_yours"


def test_the_window_and_the_template_are_those_of_the_page(call, ann, talk, owner, rung):  # noqa: F811
    one, key = talk(), ann[1]
    assert call(key, "POST", f"/conversations/{one}/replies", {"kind": "template"}).json["code"] == "no_template"
    close_window(owner)
    assert desk(call, key, one)["window"]["form"] is None
    assert call(key, "POST", f"/conversations/{one}/replies", WORDS).json["code"] == "window_closed"
    template = '{"template": {"name": "come_back", "languages": {"en": "en_US"}}}'
    configure(owner, "{actions,follow_up}", template)
    shown = desk(call, key, one)["template"]
    assert shown["name"] == "come_back" and shown["text"]
    made = call(key, "POST", f"/conversations/{one}/replies", {"kind": "template"})
    assert (made.status_code, made.json["form"]) == (200, "template"), made.text
    for wrong in ({}, {"text": "x" * 4097}, {"kind": "template", "text": "x"}, {"text": "a\0b"}):
        assert call(key, "POST", f"/conversations/{one}/replies", wrong).status_code == 422
    assert len(rung) == 1


def test_an_answer_is_called_off_or_settled(call, ann, talk, owner):  # noqa: F811
    one, key = talk(), ann[1]
    path = f"/conversations/{one}/replies"
    first = call(key, "POST", path, WORDS).json["id"]
    assert call(key, "POST", f"{path}/{first}/settle", {"arrived": True}).json["code"] == "not_uncertain"
    assert call(key, "POST", f"{path}/{first}/cancel").json["state"] == "cancelled"
    again = call(key, "POST", f"{path}/{first}/cancel")
    assert (again.status_code, again.json["code"], again.json["state"]) == (409, "not_pending", "cancelled")
    second = call(key, "POST", path, WORDS).json["id"]
    owner.execute("UPDATE action SET state = 'uncertain' WHERE id = %s", (second,))
    assert call(key, "POST", f"{path}/{second}/settle", {"arrived": False}).json["state"] == "failed"
