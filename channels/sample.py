"""A webhook of our own making, shaped and signed as the channel's: shows that an account is connected, and that its words are read.

Its sender exists nowhere, so that it can be told from every customer: nothing is ever sent to it, and no CRM hears of it.
"""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from channels.base import ChannelKind, IdentityKind

SAMPLE_NAME = "Earshot test"
# Of the form that each channel gives its people, and none that it could give.
_SENDERS: dict[ChannelKind, str] = {
    "whatsapp": "XX.EarshotTest",
    "instagram": "earshot-test",
    "generic": "earshot-test",
}
_IDENTITIES: dict[ChannelKind, IdentityKind] = {"whatsapp": "bsuid", "instagram": "igsid", "generic": "external"}


def sample_body(kind: ChannelKind, account_id: str, *, text: str, message_id: str, now: datetime) -> bytes:
    """The raw bytes of a webhook with one message. message_id: a new one each time, or it is taken for a repetition."""
    return json.dumps(_BODIES[kind](account_id, text, message_id, now)).encode()


def is_sample_sender(identities: Iterable[tuple[str, str]]) -> bool:
    """Whether these (kind, value) are the sample's sender. A generic account's people bear its name before their own."""
    return any(
        kind == known and (value == _SENDERS[channel] or value.endswith(f":{_SENDERS[channel]}"))
        for kind, value in identities
        for channel, known in _IDENTITIES.items()
    )


def _whatsapp(account_id: str, text: str, message_id: str, now: datetime) -> dict[str, Any]:
    sender = _SENDERS["whatsapp"]
    message = {
        "from_user_id": sender,
        "id": f"wamid.{message_id}",
        "timestamp": str(int(now.timestamp())),
        "type": "text",
        "text": {"body": text},
    }
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"phone_number_id": account_id},
        "contacts": [{"user_id": sender, "profile": {"name": SAMPLE_NAME}}],
        "messages": [message],
    }
    return {
        "object": "whatsapp_business_account",
        "entry": [{"id": "0", "changes": [{"field": "messages", "value": value}]}],
    }


def _instagram(account_id: str, text: str, message_id: str, now: datetime) -> dict[str, Any]:
    at = int(now.timestamp() * 1000)
    event = {
        "sender": {"id": _SENDERS["instagram"]},
        "recipient": {"id": account_id},
        "timestamp": at,
        "message": {"mid": message_id, "text": text},
    }
    return {"object": "instagram", "entry": [{"id": account_id, "time": at, "messaging": [event]}]}


def _generic(account_id: str, text: str, message_id: str, now: datetime) -> dict[str, Any]:
    sender = {"id": _SENDERS["generic"], "name": SAMPLE_NAME}
    message = {"id": message_id, "from": sender, "text": text, "sent_at": now.isoformat()}
    return {"account_id": account_id, "messages": [message]}


_BODIES = {"whatsapp": _whatsapp, "instagram": _instagram, "generic": _generic}
