"""Webhooks as Meta sends them, and as nobody should."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.base import ChannelError
from channels.body import decode_body
from channels.graph import error_from
from channels.reading import as_time
from channels.registry import PARSERS
from channels.sending import cut_to_bytes
from channels.signature import challenge_is_safe, sign, signature_matches, verify_token_matches


def whatsapp(*items, **value):
    value = {"metadata": {"phone_number_id": "111"}, "messages": list(items), **value}
    return PARSERS["whatsapp"]({"entry": [{"changes": [{"field": "messages", "value": value}]}]})


def item(kind="text", **content):
    return {"from": "905551112233", "id": "wamid.1", "timestamp": "1790000000", "type": kind, **content}


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (item(text={"body": "hi"}), "hi"),
        (item("image", image={"caption": "look", "id": "1"}), "look"),
        (item("document", document={"caption": "a.pdf", "filename": "a.pdf"}), None),
        (item("document", document={"caption": "see page 2", "filename": "a.pdf"}), "see page 2"),
        (item("button", button={"text": "Yes", "payload": "Y"}), "Yes"),
        (
            item("interactive", interactive={"type": "button_reply", "button_reply": {"id": "1", "title": "Refund"}}),
            "Refund",
        ),
        (
            item("interactive", interactive={"type": "list_reply", "list_reply": {"id": "1", "title": "Size 41"}}),
            "Size 41",
        ),
        (
            item(
                "interactive", interactive={"type": "nfm_reply", "nfm_reply": {"body": "Sent", "response_json": "{bad"}}
            ),
            None,
        ),
        (
            item(
                "interactive",
                interactive={"nfm_reply": {"body": "Sent", "response_json": '{"flow_token":"x","why":"late"}'}},
            ),
            "late",
        ),
        (item("order", order={"text": "gift wrap", "product_items": []}), "gift wrap"),
        (item("audio", audio={"id": "1"}), None),
        (item("sticker", sticker={"id": "1"}), None),
        (item("location", location={"latitude": 1}), None),
        (item("contacts", contacts=[{"name": {"formatted_name": "Third Person"}}]), None),
        (item("unsupported", errors=[{"code": 131051}]), None),
        (item("something_new", something_new={"text": "x"}), None),
        (item(text={"body": "hi"}, referral={"headline": "Ad!", "body": "Buy!"}), "hi"),
    ],
)
def test_text_is_taken_from_where_the_customers_words_are(message, text):
    (parsed,) = whatsapp(message).messages
    assert parsed.text == text


@pytest.mark.parametrize("kind", ["system", "reaction", "edit", "revoke", "request_welcome"])
def test_what_is_no_message_is_counted_by_name(kind):
    parsed = whatsapp(item(kind, **{kind: {"body": "x"}}))
    assert (parsed.messages, parsed.dropped) == ((), {kind: 1})


def test_a_sender_without_a_phone_is_known_by_the_business_scoped_id():
    message = {**item(text={"body": "hi"}), "from_user_id": "US.123", "from_parent_user_id": "US.ENT.9"}
    del message["from"]
    (parsed,) = whatsapp(
        message, contacts=[{"user_id": "US.123", "profile": {"name": "Ada", "username": "@Ada.L"}}]
    ).messages
    assert [(i.kind, i.value) for i in parsed.identities] == [
        ("bsuid", "US.123"),
        ("parent_bsuid", "US.ENT.9"),
        ("username", "ada.l"),
    ]
    assert parsed.display_name == "Ada"


def test_ids_that_come_as_numbers_are_ids():
    (parsed,) = whatsapp({**item(text={"body": "x"}), "from": 905551112233}, metadata={"phone_number_id": 111}).messages
    assert parsed.account_id == "111"
    assert parsed.identities[0].value == "905551112233"


def test_history_is_not_live_traffic():
    parsed = PARSERS["whatsapp"]({"entry": [{"changes": [{"field": "history", "value": {"history": []}}]}]})
    assert parsed.dropped == {"history": 1}


def test_statuses_bring_back_what_we_sent_with_them():
    status = {"id": "wamid.9", "status": "failed", "biz_opaque_callback_data": "abc", "errors": [{"code": 131047}]}
    (parsed,) = whatsapp(statuses=[status]).statuses
    assert (parsed.state, parsed.callback, parsed.error_code) == ("failed", "abc", "131047")


def instagram(*events, **entry):
    return PARSERS["instagram"]({"entry": [{"id": "222", "time": 1790000000000, "messaging": list(events), **entry}]})


def dm(message, sender="9", recipient="222"):
    return {"sender": {"id": sender}, "recipient": {"id": recipient}, "timestamp": 1790000000000, "message": message}


@pytest.mark.parametrize(
    ("message", "surface", "text"),
    [
        ({"mid": "m", "text": "hi"}, "dm", "hi"),
        ({"mid": "m", "text": "love", "reply_to": {"story": {"id": "1", "url": "x"}}}, "story_reply", "love"),
        ({"mid": "m", "attachments": [{"type": "story_mention", "payload": {"url": "x"}}]}, "story_mention", None),
        (
            {"mid": "m", "attachments": [{"type": "ig_reel", "payload": {"title": "someone else's caption"}}]},
            "dm",
            None,
        ),
    ],
)
def test_instagram_messages_keep_their_surface(message, surface, text):
    (parsed,) = instagram(dm(message)).messages
    assert (parsed.surface, parsed.text, parsed.identities[0].value) == (surface, text, "9")


def test_an_instagram_echo_is_outbound_and_names_the_customer():
    (parsed,) = instagram(dm({"mid": "m", "text": "x", "is_echo": True}, sender="222", recipient="9")).messages
    assert (parsed.direction, parsed.identities[0].value) == ("outbound", "9")


def comment(field="comments", **value):
    value = {
        "id": "178",
        "from": {"id": "9", "username": "ada"},
        "text": "wow",
        "media": {"media_product_type": "REELS"},
        **value,
    }
    return {"field": field, "value": value}


@pytest.mark.parametrize(
    ("change", "surface"),
    [
        (comment(), "reel_comment"),
        (comment(media={"media_product_type": "FEED"}), "comment"),
        (comment("live_comments"), "live_comment"),
    ],
)
def test_comments_have_three_surfaces(change, surface):
    (parsed,) = instagram(changes=[change]).messages
    assert (parsed.surface, parsed.sent_at) == (surface, datetime.fromtimestamp(1790000000, UTC))


def test_the_flat_shape_and_the_other_id_field_are_read_too():
    flat = PARSERS["instagram"]({"entry": [{"id": "222", "time": 1790000000, **comment(id="", comment_id="179")}]})
    assert flat.messages[0].provider_message_id == "179"


def test_our_own_comments_come_back_and_are_dropped():
    assert instagram(changes=[comment(**{"from": {"id": "222"}})]).dropped == {"own_comment": 1}


def test_a_postback_is_the_customers_choice():
    event = {
        "sender": {"id": "9"},
        "recipient": {"id": "222"},
        "timestamp": 1,
        "postback": {"title": "Talk to us", "payload": "P"},
    }
    (parsed,) = instagram(event).messages
    assert parsed.text == "Talk to us"
    assert parsed.key_source


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                "entry changes field value messages statuses message_echoes metadata phone_number_id id from type text body timestamp "
                "messaging sender recipient message mid postback comments contacts profile name errors interactive".split()
            )
            | st.text(max_size=5),
            inner,
            max_size=5,
        )
    ),
    max_leaves=40,
)


@given(anything, st.sampled_from(["whatsapp", "instagram"]))
def test_parsing_never_raises(payload, kind):
    PARSERS[kind](payload)
    PARSERS[kind](
        {"entry": [{"id": "1", "changes": [{"field": "messages", "value": payload}], "messaging": [payload]}]}
    )


@given(st.binary(max_size=300))
def test_decoding_raises_nothing_but_its_own_error(body):
    try:
        decode_body(body)
    except ChannelError as error:
        assert error.permanent


def test_a_lone_surrogate_harms_no_neighbour():
    assert decode_body(b'["\\ud83d", "ok"]')[1] == "ok"


@given(st.binary(max_size=200), st.text(min_size=1, max_size=20))
def test_only_the_right_secret_over_the_right_bytes_fits(body, secret):
    header = sign(body, secret) if secret.isprintable() else None
    if header:
        assert signature_matches(body, header, secret)
        assert not signature_matches(body + b" ", header, secret)
        assert not signature_matches(body, header, secret + "x")


@pytest.mark.parametrize(
    "header", [None, "", "sha256=", "sha1=" + "a" * 40, "sha256=" + "g" * 64, "SHA256=" + "a" * 64]
)
def test_odd_headers_fit_nothing(header):
    assert not signature_matches(b"x", header, "secret")


def test_an_empty_secret_or_token_fits_nothing():
    assert not signature_matches(b"x", sign(b"x", ""), "")
    assert not verify_token_matches("", "")
    assert not challenge_is_safe("")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("1790000000", 1790000000), (1790000000, 1790000000), (1790000000000, 1790000000), ("1790000000000", 1790000000),
     ("2026-09-21T13:33:20Z", None), (None, None), ("soon", None), (True, None), (10**20, None),
     (float("inf"), None), (-5, None)],
)  # fmt: skip
def test_times_are_read_in_every_unit_and_absurd_ones_are_absent(value, seconds):
    found = as_time(value)
    if value == "2026-09-21T13:33:20Z":
        assert found == datetime(2026, 9, 21, 13, 33, 20, tzinfo=UTC)
    else:
        assert (found.timestamp() if found else None) == seconds


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        (400, {"code": 131047}, {"permanent": True, "window_closed": True}),
        (400, {"code": 10, "error_subcode": 2534022}, {"permanent": True, "window_closed": True}),
        (400, {"code": 131056}, {"permanent": False, "uncertain": False}),
        (429, {"code": 130429}, {"permanent": False}),
        (401, {"code": 190}, {"account_blocked": True}),
        (403, {"code": 200}, {"account_blocked": True}),
        (400, {"code": 131009}, {"permanent": True, "uncertain": False}),
        (500, {}, {"uncertain": True}),
        (500, {"code": 131000}, {"permanent": False, "uncertain": False}),
        (404, {}, {"permanent": True, "uncertain": False}),
    ],
)
def test_the_error_table_of_the_graph_api(status, error, expected):
    found = error_from(status, error)
    assert {key: getattr(found, key) for key in expected} == expected


def test_a_cut_ends_at_a_character():
    assert cut_to_bytes("aü", 2) == "a"
    assert len(cut_to_bytes("😀" * 400, 1000).encode()) <= 1000


def test_raw_items_are_kept_as_ascii():
    (parsed,) = whatsapp(item(text={"body": "ü\ud800"})).messages
    assert json.loads(parsed.raw)["text"]["body"] == "ü\ud800"
