"""Signatures and the handshake: vectors from Meta's pages, and what an attacker tries."""

import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.signature import challenge_is_safe, first_matching_secret, sign, signature_matches, verify_token_matches

SECRET = "acme-app-secret"
# As Meta sends it: escaped, so that the bytes differ from what any serialiser of ours would write.
BODY = rb'{"text":"Saarbr\u00fccken 50\u0025 a\/b \u003C3 me\u0040acme.example \ud83d\ude1e"}'
HEADER = sign(BODY, SECRET)
DIGEST = HEADER.removeprefix("sha256=")


def test_the_signature_is_the_published_one():
    """RFC 4231, test case 2: one that this code did not make."""
    expected = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert sign(b"what do ya want for nothing?", "Jefe") == expected


@pytest.mark.parametrize("header", [HEADER, "sha256=" + DIGEST.upper()])
def test_the_right_signature_fits(header):
    assert signature_matches(BODY, header, SECRET)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "sha256=",
        DIGEST,
        "sha256:" + DIGEST,
        "SHA256=" + DIGEST,
        " " + HEADER,
        HEADER + " ",
        HEADER + "\n",
        HEADER + "\x00",
        HEADER[:-1],
        HEADER + "0",
        HEADER + "," + HEADER,
        "sha256=" + "g" * 64,
        "sha256=" + "٠" * 64,
        "sha256=" + "\ud800" * 64,
        "sha256=" + "0" * 64,
        "sha1=" + hmac.new(SECRET.encode(), BODY, "sha1").hexdigest(),
        "sha1=" + DIGEST,
    ],
)
def test_any_other_header_fits_nothing(header):
    assert not signature_matches(BODY, header, SECRET)
    assert first_matching_secret(BODY, header, [SECRET]) is None


@pytest.mark.parametrize("secret", ["", "acme-app-secre", "ACME-APP-SECRET", SECRET + " ", "ü", "\ud800", "\x00"])
def test_another_secret_does_not_fit(secret):
    assert not signature_matches(BODY, HEADER, secret)


def test_an_empty_secret_fits_not_even_its_own_signature():
    assert not signature_matches(BODY, sign(BODY, ""), "")


@pytest.mark.parametrize(
    "body", [BODY + b" ", BODY[:-1], b"", b"\xef\xbb\xbf" + BODY, json.dumps(json.loads(BODY)).encode()]
)
def test_other_bytes_do_not_fit(body):
    assert not signature_matches(body, HEADER, SECRET)


@given(st.binary(max_size=100), st.text(min_size=1, max_size=20))
def test_every_secret_fits_what_it_signed(body, secret):
    header = sign(body, secret)
    assert signature_matches(body, header, secret)
    assert not signature_matches(body + b" ", header, secret)
    assert not signature_matches(body, header, secret + "x")


@given(st.binary(max_size=20), st.none() | st.text(max_size=80), st.text(max_size=10))
def test_checking_never_raises(body, header, secret):
    assert signature_matches(body, header, secret) in {True, False}
    assert verify_token_matches(header or "", secret) in {True, False}
    assert challenge_is_safe(header or "") in {True, False}


def test_the_first_secret_that_fits_is_found():
    assert first_matching_secret(BODY, HEADER, ["", "old", SECRET, "newer"]) == SECRET
    assert first_matching_secret(BODY, HEADER, ["old", "newer"]) is None
    assert first_matching_secret(BODY, HEADER, []) is None


def test_no_secret_is_tried_for_a_header_that_is_none():
    def secrets():
        pytest.fail("a secret was tried")
        yield SECRET

    assert first_matching_secret(BODY, "sha256=short", secrets()) is None


@pytest.mark.parametrize(
    ("given", "expected", "fits"),
    [
        ("token", "token", True),
        ("tökén", "tökén", True),
        ("", "", False),
        ("", "token", False),
        ("token", "", False),
        ("Token", "token", False),
        ("token\n", "token", False),
        ("tökén", "token", False),
        ("\ud800", "?", False),
        ("\ud800", "\ufffd", False),
    ],
)
def test_a_verify_token_fits_only_itself(given, expected, fits):
    assert verify_token_matches(given, expected) is fits


@pytest.mark.parametrize("challenge", ["1158201444", "a-b_C9", "x" * 128])
def test_a_plain_challenge_may_be_echoed(challenge):
    assert challenge_is_safe(challenge)


@pytest.mark.parametrize(
    "challenge", ["", "x" * 129, "1\n", "1 2", "<script>", "a.b", "é", "١", "1\x00", "%3Cscript%3E"]
)
def test_a_challenge_that_could_be_markup_is_not_echoed(challenge):
    assert not challenge_is_safe(challenge)
