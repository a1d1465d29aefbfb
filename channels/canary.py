"""A message of our own that takes the whole way of a customer's: its words, and how it is recognised when it comes back in."""

import re
from datetime import datetime

from channels.base import ChannelKind, InboundMessage
from channels.body import decode_body
from channels.registry import PARSERS
from channels.sample import sample_body

# Nothing that a rule could take for urgent, and no customer's word: it may leave for the model.
CANARY_TEXT = "This is a test message of Earshot. The parcel has arrived, everything is fine, thank you."
_ID = re.compile(r"(?:wamid\.)?earshot-canary-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


def canary_body(kind: ChannelKind, account_id: str, *, canary_id: str, now: datetime) -> bytes:
    """The raw bytes of the webhook that brings it."""
    return sample_body(kind, account_id, text=CANARY_TEXT, message_id=f"earshot-canary-{canary_id}", now=now)


def canary_message(kind: ChannelKind, account_id: str, *, canary_id: str, now: datetime) -> InboundMessage:
    """The same as the channel's parser reads it."""
    body = canary_body(kind, account_id, canary_id=canary_id, now=now)
    return PARSERS[kind](decode_body(body)).messages[0]


def canary_id_of(message: InboundMessage) -> str | None:
    """The id that stands in a message which calls itself a canary. Whether it is one, its row says."""
    match = _ID.fullmatch(message.provider_message_id)
    return match[1] if match else None
