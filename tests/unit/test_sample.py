"""The test message of our own: shaped as its channel's, and told from every customer's."""

import json
from datetime import UTC, datetime

import pytest

from channels.registry import PARSERS
from channels.sample import is_sample_sender, sample_body
from tests.webhooks import instagram_event, whatsapp_body, whatsapp_message

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.mark.parametrize(("kind", "account"), [("whatsapp", "123"), ("instagram", "17841"), ("generic", "web-forms")])
def test_each_channel_reads_it_as_one_message_of_nobody(kind, account):
    body = sample_body(kind, account, text="Hello 👋", message_id="earshot-test-1", now=NOW)
    (message,) = PARSERS[kind](json.loads(body)).messages
    assert (message.account_id, message.text, message.direction, message.sent_at) == (
        account,
        "Hello 👋",
        "inbound",
        NOW,
    )
    assert is_sample_sender((one.kind, one.value) for one in message.identities)


def test_nobody_else_is_taken_for_it():
    for kind, body in (
        ("whatsapp", whatsapp_body(whatsapp_message("hi"))),
        ("instagram", instagram_event({"message": {"mid": "m", "text": "hi"}})),
    ):
        (message,) = PARSERS[kind](json.loads(body)).messages
        assert not is_sample_sender((one.kind, one.value) for one in message.identities)
    assert not is_sample_sender(
        [("external", "web:earshot-tester"), ("phone", "earshot-test"), ("igsid", "earshot-testing")]
    )
