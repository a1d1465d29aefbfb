"""WhatsApp Business (Cloud API) webhooks: where the customer's words are, and only those.

Shapes: Meta's webhook reference for the `messages`, `smb_message_echoes` and `history` fields, 2026.
"""

import json
import re
from collections import Counter
from typing import Any

from channels.base import DeliveryState, DeliveryStatus, Identity, IdentityKind, InboundMessage, ParsedWebhook
from channels.reading import as_id, as_object, as_objects, as_raw, as_text, as_time, as_username, as_word, list_items

OBJECT = "whatsapp_business_account"

_PHONE_NUMBER_ID = re.compile(rb'"phone_number_id"\s*:\s*"?(\d{3,32})')
_MEDIA_WITH_CAPTION = ("image", "video", "document")
# Not a message of the customer's: counted by name.
_NOT_MESSAGES = {"system", "request_welcome", "reaction", "edit", "revoke"}
_DELIVERY_STATES: dict[str, DeliveryState] = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "read",
    "played": "read",
    "failed": "failed",
}
# What an app may subscribe to beside messages. Only these are counted by name: a reason is a metric's label, and a
# tenant that makes up names must not fill the receiver's memory.
_OTHER_FIELDS = frozenset(
    """account_alerts account_review_update account_settings_update account_update automatic_events
    business_capability_update business_status_update business_username_update business_username_updates calls flows
    group_lifecycle_update group_participant_update group_participants_update group_settings_update group_status_update
    message_template_components_update message_template_quality_update message_template_status_update
    messaging_handovers partner_solutions payment_configuration_update phone_number_name_update
    phone_number_quality_update security smb_app_state_sync standby template_category_update
    template_correct_category_detection tracking_events user_id_update user_preferences""".split()  # noqa: SIM905 -- a list of 32 would hide the parser
)
# What may stand beside messages in one value.
_BESIDE_MESSAGES = ("calls", "errors", "user_preferences")


def account_hints(body: bytes) -> set[str]:
    """Phone number ids that the unverified bytes seem to name."""
    return {match.decode() for match in _PHONE_NUMBER_ID.findall(body[: 256 * 1024])}


def parse(payload: Any) -> ParsedWebhook:
    """Every entry × change × message of the body, in order. One odd item never stops its neighbours."""
    collector = _Collector()
    collector.read_body(payload)
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


def _as_wa_id(value: Any) -> str | None:
    """A phone number's digits without the plus that some senders write, or a business-scoped id."""
    wa_id = as_id(value)
    return wa_id.removeprefix("+") or None if wa_id else None


class _Contacts:
    """The `contacts` of one value, found by phone or business-scoped id: a body may hold a thousand of them."""

    def __init__(self, contacts: list[dict[str, Any]], *, people: int) -> None:
        """people: how many customers the value's items name."""
        self._by_id: dict[str, dict[str, Any]] = {}
        for contact in contacts:
            for known in (_as_wa_id(contact.get("wa_id")), as_id(contact.get("user_id"))):
                if known:
                    self._by_id.setdefault(known, contact)
        # `from` can differ from wa_id by a country's mobile prefix (Brazil, Mexico). With one customer and one contact
        # there is nobody else it could be; with more a guess would hand one customer's name to another.
        self._only = contacts[0] if len(contacts) == 1 and people <= 1 else {}

    def find(self, phone: str | None, user_id: str | None) -> dict[str, Any]:
        """The customer's contact, else an empty one."""
        for known in (phone, user_id):
            if known in self._by_id:
                return self._by_id[known]
        is_another = user_id is not None and as_id(self._only.get("user_id")) is not None
        return {} if is_another else self._only


def _identities(item: dict[str, Any], contact: dict[str, Any], *, role: str) -> tuple[Identity, ...]:
    """What names the customer. role: "from" for their messages, "to" for echoes. A phone may be missing since usernames came."""
    found: dict[tuple[IdentityKind, str], Identity] = {}

    def note(kind: IdentityKind, value: str | None) -> None:
        if value:
            found.setdefault((kind, value), Identity(kind, value))

    wa_id = _as_wa_id(item.get(role)) or _as_wa_id(contact.get("wa_id"))
    # A business-scoped id ("US.13491…") can stand where the phone was.
    note("phone" if wa_id and wa_id.isascii() and wa_id.isdigit() else "bsuid", wa_id)
    note("bsuid", as_id(item.get(f"{role}_user_id")) or as_id(contact.get("user_id")))
    note("parent_bsuid", as_id(item.get(f"{role}_parent_user_id")) or as_id(contact.get("parent_user_id")))
    note("username", as_username(as_object(contact.get("profile")).get("username")))
    return tuple(found.values())


class _Collector:
    """Gathers what one body holds."""

    def __init__(self) -> None:
        self.messages: list[InboundMessage] = []
        self.statuses: list[DeliveryStatus] = []
        self.dropped: Counter[str] = Counter()

    def read_body(self, payload: Any) -> None:
        body = as_object(payload)
        if not body or body.get("object", OBJECT) != OBJECT:
            self.dropped["unknown_object" if body else "bad_item"] += 1
            return
        for entry in list_items(body.get("entry"), dropped=self.dropped):
            for change in list_items(entry.get("changes"), dropped=self.dropped):
                self._read_change(change)

    def _read_change(self, change: dict[str, Any]) -> None:
        field, value = as_word(change.get("field"), otherwise="other"), as_object(change.get("value"))
        if field == "history":  # months of old chat at onboarding: never live traffic
            self.dropped["history"] += 1
            return
        if field not in {"messages", "smb_message_echoes"}:
            self.dropped[f"unknown_field:{field if field in _OTHER_FIELDS else 'other'}"] += 1
            return
        account_id = as_id(as_object(value.get("metadata")).get("phone_number_id"))
        if account_id is None:
            self.dropped["no_account"] += 1
            return
        for name in _BESIDE_MESSAGES:
            if name in value:
                self.dropped[name] += 1
        self._read_messages(value, key="messages", role="from", account_id=account_id)
        self._read_messages(value, key="message_echoes", role="to", account_id=account_id)
        for item in list_items(value.get("statuses"), dropped=self.dropped):
            self._read_status(item, account_id=account_id)

    def _read_messages(self, value: dict[str, Any], *, key: str, role: str, account_id: str) -> None:
        """role: where an item names the customer."""
        items = list_items(value.get(key), dropped=self.dropped)
        people = {_customer_ids(item, role=role) for item in items}
        contacts = _Contacts(list(as_objects(value.get("contacts"))), people=len(people))
        for item in items:
            self._read_message(item, account_id=account_id, contacts=contacts, role=role)

    def _read_message(self, item: dict[str, Any], *, account_id: str, contacts: _Contacts, role: str) -> None:
        kind = as_word(item.get("type"), otherwise="unknown")
        if kind in _NOT_MESSAGES:
            self.dropped[kind] += 1
            return
        provider_id, contact = as_id(item.get("id")), contacts.find(*_customer_ids(item, role=role))
        identities = _identities(item, contact, role=role)
        if provider_id is None or not identities:
            self.dropped["no_id" if provider_id is None else "no_sender"] += 1
            return
        is_echo = role == "to"
        self.messages.append(
            InboundMessage(
                channel="whatsapp",
                account_id=account_id,
                provider_message_id=provider_id,
                key_source=provider_id,
                direction="outbound" if is_echo else "inbound",
                surface="dm",
                message_type=kind,
                identities=identities,
                sent_at=as_time(item.get("timestamp")),
                text=message_text(item),
                raw=as_raw(item),
                display_name=None if is_echo else as_text(as_object(contact.get("profile")).get("name")),
                reply_to_provider_id=as_id(as_object(item.get("context")).get("id")),
            )
        )

    def _read_status(self, item: dict[str, Any], *, account_id: str) -> None:
        provider_id = as_id(item.get("id"))
        state = _DELIVERY_STATES.get(as_word(item.get("status"), otherwise="unknown"))
        if provider_id is None or state is None:
            self.dropped["no_id" if provider_id is None else "unknown_status"] += 1
            return
        error = next(as_objects(item.get("errors")), {})
        self.statuses.append(
            DeliveryStatus(
                channel="whatsapp",
                account_id=account_id,
                provider_message_id=provider_id,
                callback=as_id(item.get("biz_opaque_callback_data")),
                state=state,
                error_code=as_id(error.get("code")),
            )
        )


def _customer_ids(item: dict[str, Any], *, role: str) -> tuple[str | None, str | None]:
    """The customer's phone (or what stands in its place) and business-scoped id, as the item names them."""
    return _as_wa_id(item.get(role)), as_id(item.get(f"{role}_user_id"))
