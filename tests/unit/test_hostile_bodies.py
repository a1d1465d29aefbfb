"""Bodies, headers and words that no program would send: the parsers, the minimization and the signature take all of them."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.effort import examples
from tests.fuzz.targets import TARGETS, bodies, parse

KINDS = ("whatsapp", "instagram", "generic")
BODIES = {kind: bodies(kind) for kind in KINDS}
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


PLACES = {kind: [list(places(body)) for body in found] for kind, found in BODIES.items()}


def replaced(value, path, by):
    """What was replaced above it meanwhile stays as it is."""
    if not path:
        return by
    known = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    if path[0] not in known:
        return value
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], by)
    return copy


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=examples(600))
def test_a_real_body_with_anything_anywhere_in_it_is_read(kind, data):
    number = data.draw(st.integers(0, len(BODIES[kind]) - 1))
    body, known = BODIES[kind][number], PLACES[kind][number]
    for _ in range(data.draw(st.integers(1, 4))):
        body = replaced(body, known[data.draw(st.integers(0, len(known) - 1))], data.draw(ODD))
    parse(kind, json.dumps(body).encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("name", TARGETS)
@given(data=st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
@settings(max_examples=examples(600))
def test_any_bytes_are_taken(name, data):
    TARGETS[name](data)


@given(
    body=st.binary(max_size=200),
    header=st.text(max_size=80) | st.binary(min_size=32, max_size=32).map(lambda raw: "sha256=" + raw.hex()),
)
@settings(max_examples=examples(600))
def test_no_made_up_header_is_a_signature(body, header):
    TARGETS["signature"](header.encode("utf-8", "replace") + b"\n" + body)


@pytest.mark.parametrize("kind", KINDS)
def test_the_real_bodies_that_all_begins_with_are_read(kind):
    read = [parse(kind, json.dumps(body).encode()) for body in BODIES[kind]]
    assert len(read) >= 3 and all(read) and sum(len(one.messages) for one in read) >= 3
