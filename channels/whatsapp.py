"""WhatsApp Business (Cloud API) webhooks: where the customer's words are, and only those.

Shapes: Meta's webhook reference for the `messages`, `smb_message_echoes` and `history` fields, 2026.
"""

import json
import re
from collections import Counter
from typing import Any

from channels.base import DeliveryStatus, Identity, InboundMessage, ParsedWebhook
from channels.reading import as_id, as_object, as_objects, as_raw, as_text, as_time

_PHONE_NUMBER_ID = re.compile(rb'"phone_number_id"\s*:\s*"?(\d{3,32})')
_MEDIA_WITH_CAPTION = ("image", "video", "document")
# Not a message of the customer's: counted by name.
_NOT_MESSAGES = {"system", "request_welcome", "reaction", "edit", "revoke"}
_DELIVERY_STATES = {"sent": "sent", "delivered": "delivered", "read": "read", "played": "read", "failed": "failed"}


def account_hints(body: bytes) -> set[str]:
    """Phone number ids that the unverified bytes seem to name."""
    return {match.decode() for match in _PHONE_NUMBER_ID.findall(body[: 256 * 1024])}


def parse(payload: Any) -> ParsedWebhook:
    """Every entry × change × message of the body, in order. One odd item never stops its neighbours."""
    collector = _Collector()
    for entry in as_objects(as_object(payload).get("entry")):
        for change in as_objects(entry.get("changes")):
            collector.read_change(change)
    return ParsedWebhook(tuple(collector.messages), tuple(collector.statuses), dict(collector.dropped))


def message_text(item: dict[str, Any]) -> str | None:
    """The customer's own words in one message; None when it has none (voice, sticker, location, contact card …)."""
    kind = item.get("type")
    content = as_object(item.get(kind)) if isinstance(kind, str) else {}
    if kind == "text":
        return as_text(content.get("body"))
    if kind in _MEDIA_WITH_CAPTION:
        caption = as_text(content.get("caption"))
        # Many clients send a document's file name as its caption.
        return None if caption is not None and caption == content.get("filename") else caption
    if kind == "button":
        return as_text(content.get("text"))
    if kind == "order":
        return as_text(content.get("text"))
    return _interactive_text(content) if kind == "interactive" else None


def _interactive_text(content: dict[str, Any]) -> str | None:
    """The title a customer chose, or the words typed into a form; the form's own body is always "Sent"."""
    for key in ("button_reply", "list_reply"):
        reply = as_object(content.get(key))
        if reply:
            return as_text(reply.get("title"))
    form = as_object(content.get("nfm_reply")).get("response_json")
    if not isinstance(form, str):
        return None
    try:
        answers = as_object(json.loads(form))
    except (ValueError, RecursionError):
        return None
    words = [
        value for key, value in answers.items() if isinstance(value, str) and value.strip() and key != "flow_token"
    ]
    return as_text("\n".join(words))


class _Contacts:
    """The `contacts` of one value, found by phone or business-scoped id: a body may hold a thousand of them."""

    def __init__(self, value: Any) -> None:
        contacts = list(as_objects(value)) if value is not None else []
        self._by_id: dict[str, dict[str, Any]] = {}
        for contact in contacts:
            for known in (as_id(contact.get("wa_id")), as_id(contact.get("user_id"))):
                if known:
                    self._by_id.setdefault(known, contact)
        # `from` can differ from wa_id by a country's mobile prefix; with one contact there is nobody else it could be.
        self._only = contacts[0] if len(contacts) == 1 else {}

    def find(self, *ids: str | None) -> dict[str, Any]:
        """The contact with one of these ids, else the only one, else an empty one."""
        return next((self._by_id[known] for known in ids if known in self._by_id), self._only)


def _identities(item: dict[str, Any], contacts: _Contacts, *, role: str) -> tuple[Identity, ...]:
    """What names the customer. role: "from" for their messages, "to" for echoes. A phone may be missing since usernames came."""
    found: dict[tuple[str, str], Identity] = {}

    def note(kind: Any, value: str | None) -> None:
        if value:
            found.setdefault((kind, value), Identity(kind, value))

    phone, user_id = as_id(item.get(role)), as_id(item.get(f"{role}_user_id"))
    parent_id = as_id(item.get(f"{role}_parent_user_id"))
    contact = contacts.find(phone, user_id)
    phone = phone or as_id(contact.get("wa_id"))
    # A business-scoped id ("US.13491…") can stand where the phone was.
    note("phone" if (phone or "").isdigit() else "bsuid", phone)
    note("bsuid", user_id or as_id(contact.get("user_id")))
    note("parent_bsuid", parent_id or as_id(contact.get("parent_user_id")))
    username = as_id(as_object(contact.get("profile")).get("username"))
    note("username", username.removeprefix("@").lower() if username else None)
    return tuple(found.values())


class _Collector:
    """Gathers what one body holds."""

    def __init__(self) -> None:
        self.messages: list[InboundMessage] = []
        self.statuses: list[DeliveryStatus] = []
        self.dropped: Counter[str] = Counter()

    def read_change(self, change: dict[str, Any]) -> None:
        field, value = change.get("field"), as_object(change.get("value"))
        if field not in {"messages", "smb_message_echoes"}:
            self.dropped["history" if field == "history" else "unknown_field"] += 1
            return
        account_id = as_id(as_object(value.get("metadata")).get("phone_number_id"))
        if account_id is None:
            self.dropped["no_account"] += 1
            return
        contacts = _Contacts(value.get("contacts"))
        for item in _items(value.get("messages"), self.dropped):
            self._read_message(item, account_id=account_id, contacts=contacts, echo=False)
        for item in _items(value.get("message_echoes"), self.dropped):
            self._read_message(item, account_id=account_id, contacts=contacts, echo=True)
        for item in _items(value.get("statuses"), self.dropped):
            self._read_status(item, account_id=account_id)

    def _read_message(self, item: dict[str, Any], *, account_id: str, contacts: _Contacts, echo: bool) -> None:
        kind = item.get("type") if isinstance(item.get("type"), str) else "unknown"
        if kind in _NOT_MESSAGES:
            self.dropped[str(kind)] += 1
            return
        provider_id = as_id(item.get("id"))
        identities = _identities(item, contacts, role="to" if echo else "from")
        if provider_id is None or not identities:
            self.dropped["no_id" if provider_id is None else "no_sender"] += 1
            return
        name = as_text(
            as_object(contacts.find(as_id(item.get("from")), as_id(item.get("from_user_id"))).get("profile")).get(
                "name"
            )
        )
        self.messages.append(
            InboundMessage(
                channel="whatsapp",
                account_id=account_id,
                provider_message_id=provider_id,
                key_source=provider_id,
                direction="outbound" if echo else "inbound",
                surface="dm",
                message_type=str(kind)[:40],
                identities=identities,
                sent_at=as_time(item.get("timestamp")),
                text=message_text(item),
                raw=as_raw(item),
                display_name=None if echo else name,
                reply_to_provider_id=as_id(as_object(item.get("context")).get("id")),
            )
        )

    def _read_status(self, item: dict[str, Any], *, account_id: str) -> None:
        provider_id, state = as_id(item.get("id")), _DELIVERY_STATES.get(str(item.get("status")))
        if provider_id is None or state is None:
            self.dropped["unknown_status"] += 1
            return
        error = next(as_objects(item.get("errors")), {})
        self.statuses.append(
            DeliveryStatus(
                channel="whatsapp",
                account_id=account_id,
                provider_message_id=provider_id,
                callback=as_id(item.get("biz_opaque_callback_data")),
                state=state,  # pyright: ignore[reportArgumentType] -- the table's values are the states
                error_code=as_id(error.get("code")),
            )
        )


def _items(value: Any, dropped: Counter[str]) -> list[dict[str, Any]]:
    """The objects of a list of items; what is no object is counted as a bad item."""
    if value is None:
        return []
    items: list[Any] = value if isinstance(value, list) else [value]
    dropped.update({"bad_item": bad} if (bad := sum(not isinstance(item, dict) for item in items)) else {})
    return list(as_objects(items))
