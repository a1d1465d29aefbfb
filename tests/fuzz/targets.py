"""One function a target: takes any bytes and raises only where Earshot has a fault."""

import hashlib
import hmac
import json
from pathlib import Path

from analysis.minimize import minimize
from channels.base import ChannelError, InboundMessage
from channels.body import decode_body
from channels.registry import HINTS, PARSERS
from channels.signature import challenge_is_safe, first_matching_secret, verify_token_matches

SECRETS = ("acme-secret", "other-secret", "ü")
MAX_TEXT_CHARS = 65_536


def bodies(kind):
    """Real-shaped bodies of a channel, to begin with."""
    files = sorted((Path(__file__).parents[1] / "payloads" / kind).glob("*.json"))
    return [json.loads(file.read_text(encoding="utf-8"))["body"] for file in files]


def parse(kind, body):
    """As the receiver does: the decoded body or a ChannelError, and only records that can be stored."""
    assert all(isinstance(one, str) for one in HINTS[kind](body))
    try:
        parsed = PARSERS[kind](decode_body(body))
    except ChannelError as error:
        assert error.permanent and str(error).replace("_", "").isalnum()
        return None
    for message in parsed.messages:
        assert isinstance(message, InboundMessage) and message.account_id
        for text in (message.text or "", message.account_id, message.provider_message_id):
            assert "\x00" not in text
            text.encode()  # no lone surrogate: Postgres takes none
        assert len(message.text or "") <= MAX_TEXT_CHARS
    assert all(count > 0 for count in parsed.dropped.values())
    return parsed


def whatsapp(data):
    parse("whatsapp", data)


def instagram(data):
    parse("instagram", data)


def generic(data):
    parse("generic", data)


def minimizing(data):
    """Nothing that was asked to be hidden comes through, whatever stands around it."""
    text = data.decode("utf-8", "replace")[:8192]
    done = minimize(text, region="TR")
    again = minimize(text, region="TR")
    assert done == again
    str(done).encode()


def signature(data):
    """No header but the true one fits."""
    header, _, body = data.partition(b"\n")
    given = header.decode("latin-1")
    found = first_matching_secret(body, given, SECRETS)
    if found is not None:
        assert given.lower() == "sha256=" + hmac.new(found.encode(), body, hashlib.sha256).hexdigest()
    loose = data.decode("utf-8", "surrogateescape")
    assert verify_token_matches(loose, "acme-verify") is (loose == "acme-verify")
    assert not challenge_is_safe(loose) or (
        loose.isascii() and loose.replace("-", "").replace("_", "").isalnum() or set(loose) <= set("-_")
    )


TARGETS = {one.__name__: one for one in (whatsapp, instagram, generic, minimizing, signature)}
