"""What a tenant's endpoint gets: a signature its own library can check, and pauses that never hammer it."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime

import pytest

from channels.guarded_http import Answer
from channels.signed_webhooks import failure_of, signed_headers
from routing.webhook_payload import WebhookEvent, retry_wait_s, webhook_payload

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_the_example_of_the_standard_comes_out_with_its_signature():
    """From https://github.com/standard-webhooks/standard-webhooks, the libraries' shared example."""
    headers = signed_headers(
        b'{"test": 2432232314}',
        webhook_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        at=datetime.fromtimestamp(1614265330, UTC),
    )
    assert headers["webhook-id"] == "msg_p5jXN8AQM9LWM0D4loKWxJek"
    assert headers["webhook-timestamp"] == "1614265330"
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_secret_without_the_prefix_signs_as_it_is_written():
    headers = signed_headers(b"{}", webhook_id="1", secret="plain words of a secret", at=AT)
    signed = f"1.{int(AT.timestamp())}.{{}}".encode()
    expected = base64.b64encode(hmac.new(b"plain words of a secret", signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (200, None),
        (204, None),
        (302, ("redirected", False)),
        (400, ("400", False)),
        (410, ("410", False)),
        (408, ("408", True)),
        (429, ("429", True)),
        (500, ("500", True)),
        (503, ("503", True)),
    ],
)
def test_only_what_another_try_may_cure_is_tried_again(status, failure):
    assert failure_of(Answer(status=status, headers={}, body=b"")) == failure


def test_pauses_double_up_to_an_hour_and_are_drawn_by_lot():
    assert [retry_wait_s(tries, asked_s=None, share=1.0) for tries in (1, 2, 5, 20)] == [10, 20, 160, 3600]
    assert retry_wait_s(5, asked_s=None, share=0.25) == 40
    assert retry_wait_s(5, asked_s=None, share=0.0) == 1


def test_what_the_endpoint_asks_for_is_kept_to_within_reason():
    assert retry_wait_s(1, asked_s=120, share=0.0) == 120
    assert retry_wait_s(1, asked_s=10**9, share=1.0) == 3605


def event(**more):
    ids = {"action_id": "a", "conversation_id": "c", "message_id": "m", "customer_id": "u"}
    placed = {"priority": "P1", "queue": "senior", "rule": "own", "reasons": ("Why.",), "tags": ("vip",)}
    told = {"channel": "whatsapp", "surface": "dm", "sent_at": AT, "decided_at": AT, "label": {"sentiment": "negative"}}
    return WebhookEvent(**{**ids, **placed, **told, "text": "my words", **more})


def test_the_payload_names_its_version_and_holds_no_words_without_consent():
    payload = webhook_payload(event(), include_text=False)
    assert (payload["type"], payload["version"]) == ("message.routed", 1)
    assert payload["data"]["label"] == {"sentiment": "negative"} and payload["data"]["tags"] == ["vip"]
    assert "my words" not in str(payload)
    assert webhook_payload(event(), include_text=True)["data"]["text"] == "my words"
    assert "my words" not in repr(event())
