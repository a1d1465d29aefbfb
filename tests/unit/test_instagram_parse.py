"""Rules of Instagram's webhooks that no single payload file shows; the files are in tests/payloads/instagram."""

import json
from datetime import UTC, datetime

import pytest

from channels.instagram import account_hints, parse

ACCOUNT, CUSTOMER = "17841400000000001", "6543210987654321"
MS = 1790000000000


def body(**entry):
    return {"object": "instagram", "entry": [{"id": ACCOUNT, "time": MS, **entry}]}


def event(**more):
    return {"sender": {"id": CUSTOMER}, "recipient": {"id": ACCOUNT}, "timestamp": MS, **more}


def only(**entry):
    (message,) = parse(body(**entry)).messages
    return message


def comment(**value):
    return {"field": "comments", "value": {"id": "179", "from": {"id": CUSTOMER}, "text": "hm", **value}}


def press(timestamp=MS, payload="YES", sender=CUSTOMER):
    pressed = {"title": "Yes", "payload": payload}
    return only(messaging=[{"sender": {"id": sender}, "timestamp": timestamp, "postback": pressed}])


def test_the_three_shapes_say_the_same():
    change = comment()
    nested, flat = only(changes=[change]), only(**change)
    assert nested == flat
    direct = only(messaging=[event(message={"mid": "m", "text": "x"})])
    standby = only(standby=[event(message={"mid": "m", "text": "x"})])
    wrapped = only(changes=[{"field": "messages", "value": event(message={"mid": "m", "text": "x"})}])
    assert direct == standby == wrapped


def test_all_shapes_of_one_entry_are_read():
    found = parse(
        body(
            messaging=[event(message={"mid": "1", "text": "a"})],
            standby=[event(message={"mid": "2", "text": "b"})],
            changes=[comment()],
        )
    )
    assert [message.text for message in found.messages] == ["a", "b", "hm"]


def test_a_button_pressed_again_later_is_another_message():
    presses = [press(), press(MS + 1), press(payload="NO"), press(sender="1")]
    assert len({message.key_source for message in presses}) == 4


def test_the_same_press_is_the_same_message_in_whatever_unit_its_time_comes():
    assert press(MS).key_source == press(str(MS)).key_source == press(MS // 1000).key_source


def test_a_press_without_a_time_takes_the_entrys():
    pressed = press(timestamp=None)
    assert (pressed.sent_at, pressed.key_source) == (datetime.fromtimestamp(MS / 1000, UTC), press().key_source)


def test_a_comment_and_a_message_with_one_id_are_two():
    found = parse(body(messaging=[event(message={"mid": "179", "text": "x"})], changes=[comment()])).messages
    assert len({message.key_source for message in found}) == 2


@pytest.mark.parametrize("time", [1790000000, MS, "1790000000", str(MS)])
def test_a_comments_time_is_its_entrys_in_seconds_or_milliseconds(time):
    assert only(changes=[comment()], time=time).sent_at == datetime.fromtimestamp(1790000000, UTC)


def test_a_comment_with_a_time_of_its_own_keeps_it():
    timed = comment(timestamp="2026-09-21T14:00:00+0000")
    assert only(changes=[timed]).sent_at == datetime(2026, 9, 21, 14, tzinfo=UTC)


@pytest.mark.parametrize(
    ("field", "media", "surface"),
    [
        ("comments", {"media_product_type": "REELS"}, "reel_comment"),
        ("comments", {"media_product_type": "FEED"}, "comment"),
        ("comments", {"media_product_type": "STORY"}, "comment"),
        ("comments", {"media_product_type": []}, "comment"),
        ("comments", None, "comment"),
        ("live_comments", {"media_product_type": "REELS"}, "live_comment"),
        ("live_comments", None, "live_comment"),
    ],
)
def test_a_comments_surface_follows_what_it_stands_under(field, media, surface):
    assert only(changes=[comment(media=media) | {"field": field}]).surface == surface


@pytest.mark.parametrize(
    ("message", "surface"),
    [
        ({"reply_to": {"story": {"id": "1"}}}, "story_reply"),
        ({"reply_to": {"story": {}}}, "dm"),
        ({"reply_to": {"mid": "m"}}, "dm"),
        ({"attachments": [{"type": "image"}, {"type": "story_mention"}]}, "story_mention"),
        ({"attachments": {"type": "story_mention"}}, "story_mention"),
        ({"attachments": [{"type": []}, None]}, "dm"),
    ],
)
def test_a_messages_surface_follows_what_it_answers_or_carries(message, surface):
    assert only(messaging=[event(message={"mid": "m", **message})]).surface == surface


@pytest.mark.parametrize("title", ["Worst shop ever", "İade istiyorum"])
@pytest.mark.parametrize("kind", ["ig_reel", "ig_post", "share", "reel"])
def test_a_shared_posts_title_is_never_the_customers_words(kind, title):
    shared = {"mid": "m", "attachments": [{"type": kind, "payload": {"title": title, "url": "https://x.example"}}]}
    message = only(messaging=[event(message=shared)])
    assert (message.text, message.message_type) == (None, kind)


@pytest.mark.parametrize("name", ["read", "delivery", "referral", "optin"])
def test_what_is_no_message_is_counted_by_name_and_never_hides_one(name):
    assert parse(body(messaging=[event(**{name: {"mid": "m"}})])).dropped == {name: 1}
    beside = event(message={"mid": "m", "text": "x"}, **{name: None})
    assert only(messaging=[beside]).text == "x"


def test_what_the_account_writes_is_an_echo_even_when_it_is_not_marked():
    written = {"sender": {"id": ACCOUNT}, "recipient": {"id": CUSTOMER}, "message": {"mid": "m", "text": "x"}}
    message = only(messaging=[written])
    assert (message.direction, message.identities[0].value) == ("outbound", CUSTOMER)


def test_an_echo_without_a_recipient_names_no_customer():
    echo = event(message={"mid": "m", "text": "x", "is_echo": True}) | {"recipient": None}
    assert parse(body(messaging=[echo])).dropped == {"no_sender": 1}


@pytest.mark.parametrize("value", ["true", 1, None, {}])
def test_only_a_real_true_deletes_or_turns_a_message_round(value):
    message = only(messaging=[event(message={"mid": "m", "text": "x", "is_deleted": value, "is_echo": value})])
    assert (message.text, message.direction) == ("x", "inbound")


def test_raw_holds_the_event_as_it_came():
    came = event(message={"mid": "m", "text": "ü \ud83d", "later": {"field": [1]}})
    assert json.loads(only(messaging=[came]).raw.decode("ascii")) == came


def test_hints_are_digit_ids_near_the_beginning_of_unverified_bytes():
    assert account_hints(b'{"entry":[{"id":"17841400000000001"},{"id" : 17841400000000002},{"id":"abc"}]}') == {
        "17841400000000001",
        "17841400000000002",
    }
    assert account_hints(b" " * 70_000 + b'"id":"17841400000000001"') == set()
