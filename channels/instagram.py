"""Instagram webhooks: direct messages, story replies and mentions, comments; three entry shapes.

Shapes: Meta's Instagram webhook reference and real deliveries of Graph API v24 to v26.
"""

import re
from collections import Counter
from datetime import datetime
from typing import Any, Literal

from channels.base import DeliveryStatus, Identity, InboundMessage, ParsedWebhook, Surface
from channels.reading import as_id, as_object, as_objects, as_raw, as_text, as_time

_ENTRY_ID = re.compile(rb'"id"\s*:\s*"?(\d{3,32})')
_COMMENT_FIELDS = {"comments": "comment", "live_comments": "live_comment"}
_NOT_MESSAGES = (
    "read",
    "delivery",
    "reaction",
    "message_edit",
    "referral",
    "optin",
    "pass_thread_control",
    "take_thread_control",
)


def account_hints(body: bytes) -> set[str]:
    """Account ids that the unverified bytes seem to name."""
    return {match.decode() for match in _ENTRY_ID.findall(body[: 64 * 1024])}


def parse(payload: Any) -> ParsedWebhook:
    """Everything in the body, in order. One odd item never stops its neighbours."""
    collector = _Collector()
    for entry in as_objects(as_object(payload).get("entry")):
        collector.read_entry(entry)
    return ParsedWebhook(tuple(collector.messages), tuple(collector.statuses), dict(collector.dropped))


def _surface_of_message(message: dict[str, Any]) -> Surface:
    if as_object(as_object(message.get("reply_to")).get("story")):
        return "story_reply"
    kinds = {attachment.get("type") for attachment in as_objects(message.get("attachments"))}
    return "story_mention" if "story_mention" in kinds else "dm"


def _type_of_message(message: dict[str, Any]) -> str:
    if as_text(message.get("text")):
        return "text"
    attachment = next(as_objects(message.get("attachments")), {})
    return str(attachment.get("type") or "unsupported")[:40]


class _Collector:
    """Gathers what one body holds."""

    def __init__(self) -> None:
        self.messages: list[InboundMessage] = []
        self.statuses: list[DeliveryStatus] = []
        self.dropped: Counter[str] = Counter()

    def read_entry(self, entry: dict[str, Any]) -> None:
        account_id = as_id(entry.get("id"))
        if account_id is None:
            self.dropped["no_account"] += 1
            return
        for key in ("messaging", "standby"):
            for event in self._items(entry.get(key)):
                self._read_event(event, account_id=account_id)
        for change in self._items(entry.get("changes")):
            self._read_change(change, account_id=account_id, entry_time=as_time(entry.get("time")))
        if "field" in entry:  # the flat shape of Instagram Login's documentation
            self._read_change(entry, account_id=account_id, entry_time=as_time(entry.get("time")))

    def _items(self, value: Any) -> list[dict[str, Any]]:
        if value is None:
            return []
        items: list[Any] = value if isinstance(value, list) else [value]
        bad = sum(not isinstance(item, dict) for item in items)
        if bad:
            self.dropped["bad_item"] += bad
        return list(as_objects(items))

    def _read_change(self, change: dict[str, Any], *, account_id: str, entry_time: datetime | None) -> None:
        field, value = change.get("field"), as_object(change.get("value"))
        if field in _COMMENT_FIELDS:
            self._read_comment(value, field=str(field), account_id=account_id, entry_time=entry_time)
        elif field in {"messages", "message_echoes"}:  # the dashboard's test button wraps events like this
            self._read_event(value, account_id=account_id)
        else:
            self.dropped["unknown_field"] += 1

    def _read_comment(self, value: dict[str, Any], *, field: str, account_id: str, entry_time: datetime | None) -> None:
        comment_id = as_id(value.get("id")) or as_id(value.get("comment_id"))
        sender = as_object(value.get("from"))
        sender_id, username = as_id(sender.get("id")), as_id(sender.get("username"))
        if comment_id is None:
            self.dropped["no_id"] += 1
            return
        if sender_id == account_id:  # our own replies come back
            self.dropped["own_comment"] += 1
            return
        if sender_id is None and username is None:
            self.dropped["no_sender"] += 1
            return
        media_type = as_object(value.get("media")).get("media_product_type")
        surface: Surface = (
            "live_comment" if field == "live_comments" else "reel_comment" if media_type == "REELS" else "comment"
        )
        text = as_text(value.get("text"))
        self.messages.append(
            InboundMessage(
                channel="instagram",
                account_id=account_id,
                provider_message_id=comment_id,
                key_source=f"comment:{comment_id}",
                direction="inbound",
                surface=surface,
                message_type="text" if text else "unsupported",
                identities=_sender_identities(sender_id, username),
                sent_at=as_time(value.get("timestamp")) or entry_time,
                text=text,
                raw=as_raw(value),
                display_name=username,
                reply_to_provider_id=as_id(value.get("parent_id")),
            )
        )

    def _read_event(self, event: dict[str, Any], *, account_id: str) -> None:
        for name in _NOT_MESSAGES:
            if name in event:
                self.dropped[name] += 1
                return
        message, postback = as_object(event.get("message")), as_object(event.get("postback"))
        if message.get("is_deleted") is True:
            self.dropped["deleted"] += 1
            return
        if not message and not postback:
            self.dropped["unknown_event"] += 1
            return
        echo = message.get("is_echo") is True
        customer_id = as_id(as_object(event.get("recipient" if echo else "sender")).get("id"))
        if customer_id is None or customer_id == account_id:
            self.dropped["no_sender"] += 1
            return
        self._add_message(event, message or postback, account_id=account_id, customer_id=customer_id, echo=echo)

    def _add_message(
        self, event: dict[str, Any], message: dict[str, Any], *, account_id: str, customer_id: str, echo: bool
    ) -> None:
        provider_id = as_id(message.get("mid"))
        is_postback = "message" not in event
        if provider_id is None and is_postback:  # postbacks may come without an id of their own
            provider_id = f"postback:{customer_id}:{as_id(event.get('timestamp'))}:{as_id(message.get('payload'))}"
        if provider_id is None:
            self.dropped["no_id"] += 1
            return
        direction: Literal["inbound", "outbound"] = "outbound" if echo else "inbound"
        self.messages.append(
            InboundMessage(
                channel="instagram",
                account_id=account_id,
                provider_message_id=provider_id,
                key_source=provider_id,
                direction=direction,
                surface=_surface_of_message(message),
                message_type="postback" if is_postback else _type_of_message(message),
                identities=(Identity("igsid", customer_id),),
                sent_at=as_time(event.get("timestamp")),
                # A button's title is the customer's choice. A shared post's caption is not theirs and stays out.
                text=as_text(message.get("title") if is_postback else message.get("text")),
                raw=as_raw(event),
                reply_to_provider_id=as_id(as_object(message.get("reply_to")).get("mid")),
            )
        )


def _sender_identities(sender_id: str | None, username: str | None) -> tuple[Identity, ...]:
    found: list[Identity] = []
    if sender_id:
        found.append(Identity("igsid", sender_id))
    if username:
        found.append(Identity("username", username.removeprefix("@").lower()))
    return tuple(found)
