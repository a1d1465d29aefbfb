"""Rules of WhatsApp's webhooks that no single payload file shows; the files are in tests/payloads/whatsapp."""

import json
from datetime import UTC, datetime

import pytest

from channels.base import MAX_TEXT_CHARS
from channels.whatsapp import account_hints, message_text, parse

SENDER = "15550001111"


def body(*items, **value):
    value = {"metadata": {"phone_number_id": "111"}, "messages": list(items), **value}
    return {"object": "whatsapp_business_account", "entry": [{"changes": [{"field": "messages", "value": value}]}]}


def item(text="hi", **more):
    return {"from": SENDER, "id": "wamid.1", "timestamp": "1790000000", "type": "text", "text": {"body": text}, **more}


def only(*items, **value):
    (message,) = parse(body(*items, **value)).messages
    return message


def identities(message):
    return [(identity.kind, identity.value) for identity in message.identities]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("x" * 5000, "x" * MAX_TEXT_CHARS),
        ("a\x00b", "a\ufffdb"),
        ("\ud83d", "\ufffd"),
        ("👍🏽", "👍🏽"),
        ("\u202eمرحبا", "\u202eمرحبا"),
        (" two  spaces ", " two  spaces "),
        (None, None),
        ({"body": "nested"}, None),
        (["list"], None),
    ],
)
def test_words_are_kept_as_written_where_postgres_can_take_them(text, kept):
    assert only(item(text)).text == kept


def test_the_original_is_kept_beside_the_cleaned_text():
    original = item("ü \x00 \ud83d" + "x" * 5000)
    assert json.loads(only(original).raw.decode("ascii")) == original


def test_a_thousand_messages_are_kept_in_order_with_their_names():
    people = [str(15550000000 + number) for number in range(1000)]
    items = [item(f"m{number}", id=f"wamid.{number}") | {"from": person} for number, person in enumerate(people)]
    contacts = [{"wa_id": person, "profile": {"name": f"N{person}"}} for person in reversed(people)]
    found = parse(body(*items, contacts=contacts)).messages
    assert [message.text for message in found] == [f"m{number}" for number in range(1000)]
    assert [message.display_name for message in found] == [f"N{person}" for person in people]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1790000000", 1790000000),
        (1790000000, 1790000000),
        (1790000000.5, 1790000000.5),
        ("1790000000000", 1790000000),
        (1790000000000, 1790000000),
        ("2026-09-21T14:13:20Z", 1790000000),
        ("2026-09-21T14:13:20+0000", 1790000000),
        ("2026-09-21T17:13:20+03:00", 1790000000),
        ("2026-09-21T14:13:20", 1790000000),
    ],
)
def test_a_time_is_read_in_every_unit(value, expected):
    assert only(item(timestamp=value)).sent_at == datetime.fromtimestamp(expected, UTC)


@pytest.mark.parametrize(
    "value", [None, "", "soon", True, [], {}, 0, -5, 10**20, 10**400, "9" * 30, "99999999999", 1e300, "0001-01-01"]
)
def test_an_absurd_time_is_absent_and_the_message_is_kept(value):
    assert only(item(timestamp=value)).sent_at is None


@pytest.mark.parametrize(
    ("sender", "expected"),
    [
        ("+15550001111", ("phone", SENDER)),
        (" 15550001111 ", ("phone", SENDER)),
        (15550001111, ("phone", SENDER)),
        ("US.ABC123", ("bsuid", "US.ABC123")),
        ("²²²", ("bsuid", "²²²")),
    ],
)
def test_a_phone_is_digits_and_all_else_an_id(sender, expected):
    assert identities(only(item() | {"from": sender})) == [expected]


def test_the_plus_of_a_phone_does_not_hide_its_contact():
    message = only(item() | {"from": "+" + SENDER}, contacts=[{"wa_id": SENDER, "profile": {"name": "Ada"}}, {}])
    assert message.display_name == "Ada"


def test_a_contact_with_another_scoped_id_is_another_person():
    contact = {"user_id": "US.2", "profile": {"name": "Bob", "username": "bob"}}
    message = only(item(from_user_id="US.1"), contacts=[contact])
    assert (identities(message), message.display_name) == ([("phone", SENDER), ("bsuid", "US.1")], None)


@pytest.mark.parametrize("username", ["@Ada", "ada", "ADA"])
def test_a_username_is_one_however_it_is_written(username):
    contact = {"wa_id": SENDER, "profile": {"username": username}}
    assert identities(only(item(), contacts=[contact])) == [("phone", SENDER), ("username", "ada")]


@pytest.mark.parametrize("username", ["@", "", " ", None, 7.5, []])
def test_a_username_of_nothing_is_none(username):
    contact = {"wa_id": SENDER, "profile": {"username": username}}
    assert identities(only(item(), contacts=[contact])) == [("phone", SENDER)]


def test_an_id_too_long_is_no_id_rather_than_the_beginning_of_one():
    first, second = item(id="w" * 600 + "1"), item(id="w" * 600 + "2")
    assert parse(body(first, second)).dropped == {"no_id": 2}


@pytest.mark.parametrize("kind", ["a\x00b", "\ud800", "Two Words", "x" * 41, 7])
def test_a_type_that_is_no_word_is_unknown(kind):
    assert only(item(type=kind)).message_type == "unknown"


@pytest.mark.parametrize("kind", ["", None, [], {}])
def test_a_message_without_a_type_is_what_it_holds(kind):
    assert (only(item(type=kind)).message_type, only(item(type=kind)).text) == ("text", "hi")


def test_bodies_in_an_array_are_all_read():
    parsed = parse([body(item(id="wamid.1")), None, body(item(id="wamid.2"))])
    assert [message.provider_message_id for message in parsed.messages] == ["wamid.1", "wamid.2"]
    assert parsed.dropped == {"bad_item": 1}


def test_a_change_without_its_envelope_is_read_as_the_dashboard_shows_its_samples():
    assert len(parse(body(item())["entry"][0]["changes"][0]).messages) == 1


def test_a_change_that_names_no_field_is_known_by_what_it_holds():
    payload = body(item())
    del payload["entry"][0]["changes"][0]["field"]
    assert len(parse(payload).messages) == 1


def test_a_tenants_invented_fields_make_one_reason_however_many():
    changes = [{"field": f"made_up_{number}", "value": {}} for number in range(1000)]
    assert parse({"entry": [{"changes": changes}]}).dropped == {"unknown_field:other": 1000}


@pytest.mark.parametrize(
    ("response", "text"),
    [
        ({"a": "one", "b": "two", "flow_token": "t", "n": 1, "deep": {"c": "three"}}, "one\ntwo"),
        ({"flow_token": "t"}, None),
        ({"a": "  "}, None),
        ([], None),
        (None, None),
    ],
)
def test_a_forms_words_are_the_texts_typed_into_it(response, text):
    form = {"type": "nfm_reply", "nfm_reply": {"body": "Sent", "response_json": json.dumps(response)}}
    assert message_text({"type": "interactive", "interactive": form}) == text


@pytest.mark.parametrize("response", ["[" * 100_000, "9" * 5000, "", 7, None, []])
def test_a_form_that_cannot_be_read_has_no_words(response):
    form = {"type": "nfm_reply", "nfm_reply": {"response_json": response}}
    assert message_text({"type": "interactive", "interactive": form}) is None


def test_a_lone_object_counts_as_a_list_of_one():
    value = {"metadata": {"phone_number_id": "111"}, "messages": item("hi")}
    assert [m.text for m in parse({"entry": {"changes": {"field": "messages", "value": value}}}).messages] == ["hi"]


def test_hints_come_from_the_beginning_of_unverified_bytes():
    assert account_hints(b'{"phone_number_id" : "123456", "phone_number_id":789, "phone_number_id":"x"}') == {
        "123456",
        "789",
    }
    assert account_hints(b" " * 300_000 + b'"phone_number_id":"123456"') == set()
    assert account_hints(b"\xff\x00") == set()
