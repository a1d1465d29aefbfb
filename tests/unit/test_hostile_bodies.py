"""Bodies, headers and words that no program would send: the parsers, the minimization and the signature take all of them."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.effort import examples
from tests.fuzz.targets import TARGETS, parse

PAYLOADS = Path(__file__).parents[1] / "payloads"
KINDS = ("whatsapp", "instagram", "generic")
FILES = {kind: sorted((PAYLOADS / kind).glob("*.json")) for kind in KINDS}
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=40),
    st.sampled_from(
        ["\x00", "\ud800", "\u202e", "\U000e0041", "9" * 50, "", " ", "-1", "1e999", "__proto__", "' OR 1=1 --"]
    ),
    st.lists(st.none(), max_size=2),
    st.dictionaries(st.text(max_size=5), st.none(), max_size=2),
)


def places(value, path=()):
    """Paths of everything in a decoded body."""
    yield path
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in entries:
        yield from places(child, (*path, key))


def replaced(value, path, by):
    if not path:
        return by
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], by)
    return copy


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=examples(2000))
def test_a_real_body_with_anything_anywhere_in_it_is_read(kind, data):
    body = json.loads(data.draw(st.sampled_from(FILES[kind])).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        path = data.draw(st.sampled_from(sorted(places(body), key=str)))
        body = replaced(body, path, data.draw(ODD))
    parse(kind, json.dumps(body).encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("name", TARGETS)
@given(data=st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
@settings(max_examples=examples(2000))
def test_any_bytes_are_taken(name, data):
    TARGETS[name](data)


@given(
    body=st.binary(max_size=200),
    header=st.text(max_size=80) | st.binary(min_size=32, max_size=32).map(lambda raw: "sha256=" + raw.hex()),
)
@settings(max_examples=examples(2000))
def test_no_made_up_header_is_a_signature(body, header):
    TARGETS["signature"](header.encode("utf-8", "replace") + b"\n" + body)


@pytest.mark.parametrize("name", ["whatsapp", "instagram", "generic"])
def test_every_payload_file_is_a_seed_that_is_read(name):
    assert len(FILES[name]) >= 3
    for file in FILES[name]:
        TARGETS[name](file.read_bytes())
