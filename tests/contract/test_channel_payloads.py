"""One body for every channel's parser: real-shaped payloads, one file per event kind, with what must come of them."""

import copy
import itertools
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.base import MAX_TEXT_CHARS, ChannelError
from channels.body import MAX_DEPTH, decode_body
from channels.registry import HINTS, PARSERS

PAYLOADS = Path(__file__).parent.parent / "payloads"
FILES = [(kind, path) for kind in PARSERS for path in sorted((PAYLOADS / kind).glob("*.json"))]
NOT_IN_FILES = {"channel", "raw", "key_source", "ad_twin"}
# Stands in a file only where it says something.
SAID_WHEN_UNUSUAL = {"author": ("customer", "human"), "group_id": (None,), "is_history": (False,), "choice_id": (None,)}


def load(path):
    sample = json.loads(path.read_text())
    return sample["body"], sample["expect"]


def id_of(case):
    kind, path = case
    return f"{kind}-{path.stem}"


@pytest.fixture(params=FILES, ids=id_of)
def sample(request):
    kind, path = request.param
    return kind, *load(path)


def time_of(moment):
    return moment.isoformat() if moment else None


def people_of(identities):
    return [[identity.kind, identity.value] for identity in identities]


def message_in_file(message):
    fields = {name: value for name, value in asdict(message).items() if name not in NOT_IN_FILES}
    for name, usual in SAID_WHEN_UNUSUAL.items():
        if fields[name] in usual:
            del fields[name]
    return fields | {"identities": people_of(message.identities), "sent_at": time_of(message.sent_at)}


def as_expected(parsed):
    said = {
        "messages": [message_in_file(message) for message in parsed.messages],
        "statuses": [
            {name: value for name, value in asdict(status).items() if name != "channel"} for status in parsed.statuses
        ],
        "dropped": parsed.dropped,
        "edits": [
            {"message": message_in_file(edit.message), "edited_at": time_of(edit.edited_at)} for edit in parsed.edits
        ],
        "erasures": [message_in_file(erasure.message) for erasure in parsed.erasures],
        "reactions": [
            {name: value for name, value in asdict(reaction).items() if name != "channel"}
            | {"reacted_at": time_of(reaction.reacted_at)}
            for reaction in parsed.reactions
        ],
        "identity_changes": [
            {
                "account_id": change.account_id,
                "before": people_of(change.before),
                "after": people_of(change.after),
                "changed_at": time_of(change.changed_at),
                "replaces": change.replaces,
            }
            for change in parsed.identity_changes
        ],
        "marketing_choices": [
            {
                "account_id": choice.account_id,
                "identities": people_of(choice.identities),
                "accepts": choice.accepts,
                "chosen_at": time_of(choice.chosen_at),
            }
            for choice in parsed.marketing_choices
        ],
    }
    always = {"messages", "statuses", "dropped"}
    return {name: value for name, value in said.items() if name in always or value}


def assert_storable(parsed):
    """What Postgres, a metric's label and the dedupe key can take."""
    for message in (*parsed.messages, *(item.message for item in (*parsed.edits, *parsed.erasures))):
        texts = [message.text, message.display_name, message.message_type, message.reply_to_provider_id]
        texts += [message.account_id, message.provider_message_id, message.key_source]
        texts += [identity.value for identity in message.identities]
        assert all("\x00" not in text and text.encode() for text in texts if text is not None)
        assert message.key_source.strip() and message.account_id
        assert message.text is None or len(message.text) <= MAX_TEXT_CHARS
        assert message.sent_at is None or message.sent_at.utcoffset().total_seconds() == 0
        json.loads(message.raw.decode("ascii"), parse_constant=pytest.fail)
    # Who writes may be unknown; whom we wrote to is not.
    assert all(message.identities for message in parsed.messages if message.direction == "outbound")
    for reaction in parsed.reactions:
        texts = [reaction.target_source, reaction.actor, reaction.emoji]
        assert all("\x00" not in text and text.encode() for text in texts if text is not None)
    for change in parsed.identity_changes:
        assert change.before and change.after and all(one.value.encode() for one in (*change.before, *change.after))
    assert all(count > 0 and len(reason) <= 64 and reason.isascii() for reason, count in parsed.dropped.items())


def test_every_channel_has_payload_files():
    assert {kind for kind, _ in FILES} == set(PARSERS) == set(HINTS)


def test_a_payload_becomes_what_its_file_says(sample):
    kind, body, expected = sample
    parsed = PARSERS[kind](body)
    assert as_expected(parsed) == expected
    assert {item.channel for item in (*parsed.messages, *parsed.statuses)} <= {kind}
    assert_storable(parsed)


def test_a_payload_says_the_same_after_the_wire(sample):
    kind, body, _ = sample
    assert PARSERS[kind](decode_body(json.dumps(body).encode())) == PARSERS[kind](body)


def twice(body):
    """All events of a body, and all of them again. A lone event counts as an array of one."""
    arrays = {key: value if isinstance(value, list) else [value] for key, value in body.items()}
    return {key: arrays[key] * 2 if isinstance(value, (list, dict)) else value for key, value in body.items()}


def test_the_same_message_in_another_batch_has_the_same_key(sample):
    kind, body, _ = sample
    alone = PARSERS[kind](body).messages
    again = PARSERS[kind](twice(body)).messages
    assert [message.key_source for message in again] == [message.key_source for message in (*alone, *alone)]


def test_no_two_messages_of_a_body_share_a_key(sample):
    kind, body, _ = sample
    keys = [(message.account_id, message.key_source) for message in PARSERS[kind](body).messages]
    assert len(keys) == len(set(keys))


def test_the_hints_name_every_account(sample):
    kind, body, expected = sample
    accounts = {item["account_id"] for item in (*expected["messages"], *expected["statuses"])}
    assert accounts <= HINTS[kind](json.dumps(body, separators=(",", ":")).encode())


def test_another_objects_webhook_holds_nothing(sample):
    kind, body, _ = sample
    parsed = PARSERS[kind]({**body, "object": "page"})
    assert as_expected(parsed) == {"messages": [], "statuses": [], "dropped": {"unknown_object": 1}}


def test_a_body_that_does_not_name_its_object_is_read(sample):
    kind, body, expected = sample
    assert as_expected(PARSERS[kind]({key: value for key, value in body.items() if key != "object"})) == expected


@pytest.mark.parametrize("kind", PARSERS)
@pytest.mark.parametrize("body", [None, [], {}, 7, "text", True])
def test_a_body_that_is_no_webhook_is_counted(kind, body):
    assert as_expected(PARSERS[kind](body)) == {"messages": [], "statuses": [], "dropped": {"bad_item": 1}}


@pytest.mark.parametrize("kind", PARSERS)
def test_words_and_numbers_stay_out_of_the_repr(kind):
    for path in (PAYLOADS / kind).glob("*.json"):
        body, expected = load(path)
        shown = repr(PARSERS[kind](body))
        for message in expected["messages"]:
            secret = [message["text"], message["display_name"], message["provider_message_id"]]
            secret += [value for _, value in message["identities"]]
            assert not any(word in shown for word in secret if word and len(word) > 3)


def test_parsing_needs_no_http_client():
    code = "import sys, channels.registry; sys.exit('httpx2' in sys.modules or 'httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=PAYLOADS.parent.parent, check=False).returncode == 0


# Anything JSON can hold where anything else was expected.
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**41), 10**41),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(["\ud800", "a\x00b", "", " ", "x" * 600, "9" * 30, "-1", "1e999", "2026-11-23T00:00:00+0000"]),
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def places(value, path=()):
    """The path of every value inside a body."""
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from places(child, (*path, key))


PLACES = [(kind, path, place) for kind, path in FILES for place in places(load(path)[0]) if place]


@given(st.sampled_from(PLACES), anything)
def test_whatever_stands_anywhere_in_a_payload_never_raises(where, value):
    kind, path, place = where
    body = copy.deepcopy(load(path)[0])
    holder = body
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = value
    assert_storable(PARSERS[kind](body))


@pytest.mark.parametrize("value", [None, [], {}, [[]], [{}], 0, 1.5, True, "", "\x00", "\ud800"], ids=repr)
def test_no_place_of_any_payload_is_a_trap(value):
    """The same without luck: every place of every file, once with each odd value."""
    for kind, cases in itertools.groupby(PLACES, key=lambda case: case[0]):
        for _, path, place in cases:
            body = load(path)[0]
            holder = body
            for key in place[:-1]:
                holder = holder[key]
            holder[place[-1]] = value
            assert_storable(PARSERS[kind](body))


@given(anything, st.sampled_from(sorted(PARSERS)))
def test_parsing_any_json_never_raises(payload, kind):
    PARSERS[kind](payload)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "body_not_json"),
        (b"{", "body_not_json"),
        (b"7", "body_not_json"),
        (b"null", "body_not_json"),
        (b'"text"', "body_not_json"),
        (b"9" * 6000, "body_not_json"),
        (b"[01]", "body_not_json"),
        (b"{} {}", "body_not_json"),
        (b'"\xff"', "body_not_json"),
        (b'"\xed\xa0\x80"', "body_not_json"),
        ('{"a":1}'.encode("utf-16"), "body_not_json"),
        ('{"a":1}'.encode("utf-16-le"), "body_not_json"),
        ('{"a":1}'.encode("utf-32"), "body_not_json"),
        (b"[" * 100_000, "body_too_deep"),
    ],
)
def test_a_body_that_cannot_be_read_has_a_code(body, code):
    with pytest.raises(ChannelError) as caught:
        decode_body(body)
    assert (caught.value.code, caught.value.permanent, caught.value.__cause__) == (code, True, None)


@pytest.mark.parametrize("constant", [b"NaN", b"Infinity", b"-Infinity"])
def test_what_is_no_json_number_is_absent_and_its_neighbours_are_read(constant):
    assert decode_body(b'{"a": ' + constant + b', "b": 1}') == {"a": None, "b": 1}


@pytest.mark.parametrize("brackets", [(b"[", b"]"), (b'{"a":', b"}")])
def test_what_lies_too_deep_is_cut_and_its_neighbours_are_read(brackets):
    before, after = brackets
    deep = before * (MAX_DEPTH * 2) + b"1" + after * (MAX_DEPTH * 2)
    value = decode_body(b'{"deep": ' + deep + b', "near": "hello"}')
    assert value["near"] == "hello"
    assert json.dumps(value).count(brackets[0].decode()[0]) <= MAX_DEPTH + 2


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'\xef\xbb\xbf{"a":1}', {"a": 1}),
        (b'{"a":1,"a":2}', {"a": 2}),
        (b'["\\ud83d","ok"]', ["\ud83d", "ok"]),
        (b'["\\ud83d\\ude1e \\/ \\u00e4"]', ["😞 / ä"]),
        (b"[1e999, -1e999, 2.5]", [None, None, 2.5]),
        (b"[" + b"9" * 5000 + b", 7]", [None, 7]),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), ...),
    ],
)
def test_an_odd_body_harms_only_its_odd_part(body, value):
    assert decode_body(body) == value or value is ...


@given(st.binary(max_size=300) | anything.map(lambda value: json.dumps(value).encode()))
def test_decoding_raises_nothing_but_its_own_error(body):
    try:
        decode_body(body)
    except ChannelError as error:
        assert error.permanent
