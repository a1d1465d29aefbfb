"""Everything somebody without the secret can send to the receiver: none of it gets in."""

import base64
import hashlib
import hmac
import json

import pytest

from tests.integration.receivers import accept_nothing, posted  # noqa: F401
from tests.webhooks import signature, whatsapp_body, whatsapp_message, whatsapp_value

ACME, OTHER = "acme-secret", "other-secret"
BODY = whatsapp_body(whatsapp_message("forged", message_id="wamid.forged"))
GENUINE = signature(BODY, ACME)
HEX = GENUINE.removeprefix("sha256=")


def mac(name, body=BODY, secret=ACME):
    return hmac.new(secret.encode(), body, getattr(hashlib, name)).hexdigest()


def flipped(text):
    return ("0" if text[0] != "0" else "1") + text[1:]


# What stands in X-Hub-Signature-256 for BODY; lists are sent as several headers.
SIGNATURES = {
    "none": None,
    "empty": "",
    "prefix alone": "sha256=",
    "hex alone": HEX,
    "zeros": "sha256=" + "0" * 64,
    "wrong secret": signature(BODY, "wrong"),
    "empty secret": signature(BODY, ""),
    "the verify token": signature(BODY, "acme-verify"),
    "the access token": signature(BODY, "acme-token"),
    "secret in capitals": signature(BODY, ACME.upper()),
    "secret with a space": signature(BODY, ACME + " "),
    "secret with a line end": signature(BODY, ACME + "\n"),
    "secret in hex": signature(BODY, ACME.encode().hex()),
    "sha1 of the right secret": "sha1=" + mac("sha1"),
    "sha1 under another name": "sha256=" + mac("sha1"),
    "sha512 of the right secret": "sha512=" + mac("sha512"),
    "sha512 under another name": "sha256=" + mac("sha512"),
    "md5": "md5=" + mac("md5"),
    "plain hash without a key": "sha256=" + hashlib.sha256(BODY).hexdigest(),
    "hash of secret and body": "sha256=" + hashlib.sha256(ACME.encode() + BODY).hexdigest(),
    "cut by one": GENUINE[:-1],
    "cut in half": "sha256=" + HEX[:32],
    "one too many": GENUINE + "0",
    "twice": GENUINE + HEX,
    "first digit changed": "sha256=" + flipped(HEX),
    "last digit changed": GENUINE[:-1] + flipped(GENUINE[-1]),
    "reversed": "sha256=" + HEX[::-1],
    "prefix in capitals": "SHA256=" + HEX,
    "two prefixes": "sha256=sha256=" + HEX,
    "space before": " sha256= " + HEX,
    "space within": "sha256=" + HEX[:32] + " " + HEX[32:],
    "comma and another": GENUINE + ",sha256=" + "0" * 64,
    "another and comma": "sha256=" + "0" * 64 + ", " + GENUINE,
    "two headers, genuine first": [GENUINE, "sha256=" + "0" * 64],
    "two headers, genuine last": ["sha256=" + "0" * 64, GENUINE],
    "two genuine headers": [GENUINE, GENUINE],
    "wide digits": "sha256=" + "\uff10" * 64,
    "arabic digits": "sha256=" + "\u0660" * 64,
    "an umlaut": "sha256=\u00fc" + HEX[1:],
    "base64": "sha256=" + base64.b64encode(bytes.fromhex(HEX)).decode(),
    "no hex": "sha256=" + "g" * 64,
    "wildcard": "sha256=*",
    "null": "sha256=null",
    "sql": "sha256=' OR 1=1 --",
    "10,000 digits": "sha256=" + "0" * 10_000,
    "signature of the empty body": signature(b"", ACME),
    "signature of the same JSON written otherwise": signature(json.dumps(json.loads(BODY), indent=1).encode(), ACME),
    "signature of the body and a line end": signature(BODY + b"\n", ACME),
}
# Bodies beside BODY, each under the genuine signature of BODY.
TAMPERED = {
    "a word changed": BODY.replace(b"forged", b"f0rged"),
    "a byte more": BODY + b" ",
    "a byte less": BODY[:-1],
    "a mark before": b"\xef\xbb\xbf" + BODY,
    "empty": b"",
    "another account": BODY.replace(b"111000111", b"222000222"),
}
# Wrong handshakes: what is asked beside the right challenge.
HANDSHAKES = {
    "no token": {"hub.mode": "subscribe"},
    "empty token": {"hub.mode": "subscribe", "hub.verify_token": ""},
    "wrong token": {"hub.mode": "subscribe", "hub.verify_token": "wrong"},
    "token in capitals": {"hub.mode": "subscribe", "hub.verify_token": "ACME-VERIFY"},
    "token cut": {"hub.mode": "subscribe", "hub.verify_token": "acme-verif"},
    "token and more": {"hub.mode": "subscribe", "hub.verify_token": "acme-verify2"},
    "token with a space": {"hub.mode": "subscribe", "hub.verify_token": "acme-verify "},
    "the app's secret": {"hub.mode": "subscribe", "hub.verify_token": ACME},
    "no mode": {"hub.verify_token": "acme-verify"},
    "another mode": {"hub.mode": "unsubscribe", "hub.verify_token": "acme-verify"},
    "mode in capitals": {"hub.mode": "SUBSCRIBE", "hub.verify_token": "acme-verify"},
    "two tokens, wrong first": {"hub.mode": "subscribe", "hub.verify_token": ["wrong", "acme-verify"]},
    "underscores": {"hub_mode": "subscribe", "hub_verify_token": "acme-verify"},
}


@pytest.fixture
def client(settings, accept_nothing, start_receiver):  # noqa: F811
    return start_receiver(settings)


def rows(owner):
    return owner.execute("SELECT (SELECT count(*) FROM message), (SELECT count(*) FROM unparsed_body)").fetchone()


def test_forty_and_more_forgeries_and_none_accepted(client, owner):
    tries = {f"signature: {name}": (BODY, header) for name, header in SIGNATURES.items()}
    tries |= {f"body: {name}": (body, GENUINE) for name, body in TAMPERED.items()}
    answers = {name: posted(client, body, header).status_code for name, (body, header) in tries.items()}
    assert {name: status for name, status in answers.items() if status != 401} == {}
    asked = {
        name: client.get("/webhooks/whatsapp", query_string={"hub.challenge": "42", **query})
        for name, query in HANDSHAKES.items()
    }
    assert {name: answer.status_code for name, answer in asked.items() if answer.status_code != 403} == {}
    assert not any(b"42" in answer.data for answer in asked.values())
    assert len(tries) + len(asked) >= 40
    assert rows(owner) == (0, 0)
    # The set is worth something only while the genuine one is let in.
    assert posted(client, BODY, GENUINE).status_code == 200
    assert rows(owner) == (1, 0)


def test_a_signature_in_capital_hex_is_the_same_signature(client, owner):
    assert posted(client, BODY, "sha256=" + HEX.upper()).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        whatsapp_body(whatsapp_message("from B in A's name"), account="111000111"),
        whatsapp_value(
            account="111000111", statuses=[{"id": "wamid.x", "status": "failed", "timestamp": "1790000000"}]
        ),
        whatsapp_value(account="111000111", field="smb_message_echoes", message_echoes=[whatsapp_message("echo")]),
        b'{"object":"whatsapp_business_account","phone_number_id":"111000111","entry":[]}',
    ],
)
def test_what_one_app_signs_in_another_tenants_name_is_acknowledged_and_kept_nowhere(client, owner, body):
    assert posted(client, body, signature(body, OTHER)).status_code == 200
    assert rows(owner) == (0, 0)


def test_a_genuine_body_at_another_channels_door_is_refused_or_adds_nothing(client, owner):
    for kind, allowed in (("instagram", {200, 401}), ("generic", {401}), ("telegram", {404}), ("", {404})):
        assert posted(client, BODY, GENUINE, kind=kind).status_code in allowed, kind
    assert rows(owner)[0] == 0


def test_a_genuine_body_that_is_played_again_is_one_message(client, owner):
    answers = [
        client.post(path, data=BODY, headers={"X-Hub-Signature-256": GENUINE}).status_code
        for path in ("/webhooks/whatsapp", "/webhooks/whatsapp?again=1", "//webhooks/whatsapp", "/webhooks/./whatsapp")
    ]
    assert answers[:2] == [200, 200] and all(status in {200, 308, 404} for status in answers)
    assert rows(owner) == (1, 0)


def test_the_comparison_is_the_constant_time_one_over_bytes(monkeypatch):
    import channels.signature

    compared, compare = [], hmac.compare_digest

    def spy(one, other):
        compared.append((type(one), type(other), len(one), len(other)))
        return compare(one, other)

    monkeypatch.setattr(channels.signature.hmac, "compare_digest", spy)
    assert channels.signature.signature_matches(BODY, GENUINE, ACME)
    assert not channels.signature.signature_matches(BODY, signature(BODY, "wrong"), ACME)
    assert set(compared) == {(bytes, bytes, 32, 32)} and len(compared) == 2
