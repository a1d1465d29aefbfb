"""WhatsApp Business (Cloud API) webhooks: messages, echoes, edits, deletions, reactions, statuses, changes of identity.

Shapes: Meta's webhook reference for the `messages`, `smb_message_echoes`, `history`, `user_preferences` and
`user_id_update` fields, 2026.
"""

import re
from collections import Counter
from typing import Any

from channels.base import (
    Author,
    DeliveryState,
    DeliveryStatus,
    IdentityChange,
    InboundMessage,
    MarketingChoice,
    MessageEdit,
    MessageErasure,
    ParsedWebhook,
    Reaction,
)
from channels.reading import as_emoji, as_id, as_object, as_objects, as_raw, as_text, as_time, as_word, list_items
from channels.whatsapp_people import (
    Contacts,
    announced_change,
    as_wa_id,
    customer_ids,
    identities,
    preference_identities,
    recipient_in_status,
    updated_user_id,
)
from channels.whatsapp_words import chosen_id, has_content, message_text, message_type

OBJECT = "whatsapp_business_account"

_PHONE_NUMBER_ID = re.compile(rb'"phone_number_id"\s*:\s*"?(\d{1,32})')
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
    template_correct_category_detection tracking_events""".split()  # noqa: SIM905 -- a list of 30 would hide the parser
)
_READ_FIELDS = ("messages", "smb_message_echoes", "history", "user_preferences", "user_id_update")
# What may stand beside messages in one value.
_BESIDE_MESSAGES = ("calls", "errors")
# Written by Meta's own bot in the business's name, so no person has answered.
_BY_META_BOT = "created_by_1p_bot"


def account_hints(body: bytes) -> set[str]:
    """Phone number ids that the unverified bytes seem to name."""
    return {match.decode() for match in _PHONE_NUMBER_ID.findall(body[: 256 * 1024])}


def parse(payload: Any) -> ParsedWebhook:
    """Every entry × change × item of the body, in order. One odd item never stops its neighbours."""
    collector = _Collector()
    collector.read_body(payload)
    return collector.collected()


def _field_of(value: dict[str, Any]) -> str | None:
    """What a change that does not name its field is about."""
    return "messages" if "messages" in value or "statuses" in value else None


def _quoted(item: dict[str, Any]) -> str | None:
    return as_id(as_object(item.get("context")).get("id"))


def _was_sent_by(own: str | None, item: dict[str, Any]) -> bool:
    """Whether a message among the customers' is one of the business's own."""
    return own is not None and as_wa_id(item.get("from")) == own and as_wa_id(item.get("to")) not in {None, own}


def _is_from_business(item: dict[str, Any], customer: str | None, *, own: str | None) -> bool:
    """Who wrote an old message. The business's number can be spelled otherwise than as a sender (Brazil, Mexico)."""
    sender, to = as_wa_id(item.get("from")), as_wa_id(item.get("to"))
    if own is not None and sender == own:
        return True
    if customer is not None and customer in {sender, to}:
        return customer == to
    return to is not None and to != own and "from_user_id" not in item


class _Collector:
    """Gathers what one body holds."""

    def __init__(self) -> None:
        self._messages: list[InboundMessage] = []
        self._statuses: list[DeliveryStatus] = []
        self._edits: list[MessageEdit] = []
        self._erasures: list[MessageErasure] = []
        self._reactions: list[Reaction] = []
        # A set in order: a thousand statuses of one customer say the same thing.
        self._identity_changes: dict[tuple[object, ...], IdentityChange] = {}
        self._marketing_choices: list[MarketingChoice] = []
        self._dropped: Counter[str] = Counter()

    def collected(self) -> ParsedWebhook:
        return ParsedWebhook(
            messages=tuple(self._messages),
            statuses=tuple(self._statuses),
            edits=tuple(self._edits),
            erasures=tuple(self._erasures),
            reactions=tuple(self._reactions),
            identity_changes=tuple(self._identity_changes.values()),
            marketing_choices=tuple(self._marketing_choices),
            dropped=dict(self._dropped),
        )

    def read_body(self, payload: Any) -> None:
        if isinstance(payload, list) and payload:
            for body in list_items(payload, dropped=self._dropped):
                self.read_body(body)
            return
        body = as_object(payload)
        if not body or body.get("object", OBJECT) != OBJECT:
            self._dropped["unknown_object" if body else "bad_item"] += 1
            return
        if "field" in body:  # a change alone, as the dashboard shows its samples
            self._read_change(body)
        for entry in list_items(body.get("entry"), dropped=self._dropped):
            for change in list_items(entry.get("changes"), dropped=self._dropped):
                self._read_change(change)

    def _read_change(self, change: dict[str, Any]) -> None:
        value = as_object(change.get("value"))
        field = as_word(change.get("field") or _field_of(value), otherwise="other")
        if field not in _READ_FIELDS:
            self._dropped[f"unknown_field:{field if field in _OTHER_FIELDS else 'other'}"] += 1
            return
        metadata = as_object(value.get("metadata"))
        account_id = as_id(metadata.get("phone_number_id"))
        if account_id is None:
            self._dropped["no_account"] += 1
            return
        own = as_wa_id(metadata.get("display_phone_number"))
        if field == "history":
            self._read_history(value, account_id=account_id, own=own)
            return
        for name in _BESIDE_MESSAGES:
            if value.get(name):
                self._dropped[name] += 1
        self._read_items(value, key="messages", account_id=account_id, own=own)
        self._read_items(value, key="message_echoes", account_id=account_id, own=own)
        for item in list_items(value.get("statuses"), dropped=self._dropped):
            self._read_status(item, account_id=account_id)
        for item in list_items(value.get("user_preferences"), dropped=self._dropped):
            self._read_preference(item, account_id=account_id)
        for item in list_items(value.get("user_id_update"), dropped=self._dropped):
            self._note_change(updated_user_id(item, account_id=account_id), otherwise="user_id_update")

    def _read_items(self, value: dict[str, Any], *, key: str, account_id: str, own: str | None) -> None:
        """own: the business's number."""
        # role: where an item names the customer.
        items = [
            (item, "to" if key == "message_echoes" or _was_sent_by(own, item) else "from")
            for item in list_items(value.get(key), dropped=self._dropped)
        ]
        people = {customer_ids(item, role=role) for item, role in items}
        contacts = Contacts(list(as_objects(value.get("contacts"))), people=len(people))
        for item, role in items:
            contact = contacts.find(*customer_ids(item, role=role))
            match message_type(item):
                case "system":
                    self._note_change(announced_change(item, account_id=account_id), otherwise="system")
                case "request_welcome":  # somebody opened the chat and wrote nothing
                    self._dropped["request_welcome"] += 1
                case "edit":
                    self._read_edit(item, account_id=account_id, contact=contact, role=role)
                case "revoke":
                    self._read_revocation(item, account_id=account_id, contact=contact, role=role)
                case "reaction":
                    self._read_reaction(item, account_id=account_id, contact=contact, role=role)
                case _:
                    self._read_message(item, account_id=account_id, contact=contact, role=role)

    def _read_message(self, item: dict[str, Any], *, account_id: str, contact: dict[str, Any], role: str) -> None:
        message = self._message(item, item, account_id=account_id, contact=contact, role=role)
        if message and not message.identities and (message.direction == "outbound" or message.text is None):
            self._dropped["no_sender"] += 1
        elif message:
            self._messages.append(message)

    def _read_edit(self, item: dict[str, Any], *, account_id: str, contact: dict[str, Any], role: str) -> None:
        edit = as_object(item.get("edit"))
        content = as_object(edit.get("message")) or edit
        original_id = edit.get("original_message_id")
        if not has_content(content):  # Meta could not show the new words: no reason to forget the old ones
            self._dropped["edit_without_content"] += 1
            return
        message = self._message(
            item, content, account_id=account_id, contact=contact, role=role, original_id=original_id
        )
        if message:
            self._edits.append(MessageEdit(message, edited_at=message.sent_at))

    def _read_revocation(self, item: dict[str, Any], *, account_id: str, contact: dict[str, Any], role: str) -> None:
        original_id = as_object(item.get("revoke")).get("original_message_id")
        message = self._message(item, {}, account_id=account_id, contact=contact, role=role, original_id=original_id)
        if message:
            self._erasures.append(MessageErasure(message))

    def _message(
        self,
        item: dict[str, Any],
        content: dict[str, Any],
        *,
        account_id: str,
        contact: dict[str, Any],
        role: str,
        original_id: Any = None,
    ) -> InboundMessage | None:
        """content: where type and words stand. original_id: the message that an edit or a revocation is about.

        identities may be empty: the words of somebody without a name or number are words too.
        """
        about_another = content is not item
        provider_id = as_id(original_id) if about_another else as_id(item.get("id"))
        if provider_id is None:
            self._dropped["no_id"] += 1
            return None
        is_echo = role == "to"
        author: Author = "customer"
        if is_echo:
            author = "bot" if item.get("message_creation_type") == _BY_META_BOT else "human"
        return InboundMessage(
            channel="whatsapp",
            account_id=account_id,
            provider_message_id=provider_id,
            key_source=provider_id,
            direction="outbound" if is_echo else "inbound",
            surface="dm",
            message_type=message_type(content),
            identities=identities(item, contact, role=role),
            sent_at=as_time(item.get("timestamp")),
            text=message_text(content),
            raw=as_raw(item),
            display_name=None if is_echo else as_text(as_object(contact.get("profile")).get("name")),
            reply_to_provider_id=_quoted(content) or _quoted(item),
            author=author,
            group_id=as_id(item.get("group_id")),
            choice_id=chosen_id(content),
        )

    def _read_reaction(self, item: dict[str, Any], *, account_id: str, contact: dict[str, Any], role: str) -> None:
        reaction = as_object(item.get("reaction"))
        target = as_id(reaction.get("message_id"))
        people = identities(item, contact, role=role)
        if target is None or not people:
            self._dropped["no_id" if target is None else "no_sender"] += 1
            return
        by_business = role == "to"
        self._reactions.append(
            Reaction(
                channel="whatsapp",
                account_id=account_id,
                target_source=target,
                # A person's phone comes and goes; what is the same each time tells one person's reactions apart.
                actor="business" if by_business else next((p for p in people if p.kind == "bsuid"), people[0]).value,
                by_business=by_business,
                emoji=as_emoji(reaction.get("emoji")),
                reacted_at=as_time(item.get("timestamp")),
            )
        )

    def _read_history(self, value: dict[str, Any], *, account_id: str, own: str | None) -> None:
        """Up to 180 days of old chat, uploaded when a number is connected: thousands of messages in one body.

        Pictures of old messages come in a value of their own, shaped like live ones.
        """
        for chunk in list_items(value.get("history"), dropped=self._dropped):
            if "errors" in chunk:  # the business declined to share its history
                self._dropped["errors"] += 1
            for thread in list_items(chunk.get("threads"), dropped=self._dropped):
                customer, contact = as_wa_id(thread.get("id")), as_object(thread.get("context"))
                for item in list_items(thread.get("messages"), dropped=self._dropped):
                    self._read_old_message(item, customer, account_id=account_id, own=own, contact=contact)
        items = list_items(value.get("messages"), dropped=self._dropped)
        people = {customer_ids(item, role="from") for item in items}
        contacts = Contacts(list(as_objects(value.get("contacts"))), people=len(people))
        for item in items:
            contact = contacts.find(*customer_ids(item, role="from"))
            self._read_old_message(item, None, account_id=account_id, own=own, contact=contact)
        for item in list_items(value.get("message_echoes"), dropped=self._dropped):
            self._read_old_message(item, None, account_id=account_id, own=own, contact={}, is_echo=True)

    def _read_old_message(
        self,
        item: dict[str, Any],
        customer: str | None,
        *,
        account_id: str,
        own: str | None,
        contact: dict[str, Any],
        is_echo: bool = False,
    ) -> None:
        """customer: whom the thread is with, where it says so. own: the business's number, never a customer's identity."""
        is_ours = is_echo or _is_from_business(item, customer, own=own)
        role = "to" if is_ours else "from"
        named = {key: value for key, value in item.items() if not (key == role and as_wa_id(value) == own)}
        if customer:
            named[role] = customer
        found = identities(named, contact, role=role)
        people = tuple(one for one in found if one.value != own)
        kind, provider_id = message_type(item), as_id(item.get("id"))
        if provider_id is None or not people or kind in {"system", "reaction", "edit", "revoke"}:
            self._dropped["history"] += 1
            return
        self._messages.append(
            InboundMessage(
                channel="whatsapp",
                account_id=account_id,
                provider_message_id=provider_id,
                key_source=provider_id,
                direction="outbound" if is_ours else "inbound",
                surface="dm",
                message_type=kind,
                identities=people,
                sent_at=as_time(item.get("timestamp")),
                text=message_text(item),
                raw=as_raw(item),
                display_name=None if is_ours else as_text(as_object(contact.get("profile")).get("name")),
                reply_to_provider_id=_quoted(item),
                author="human" if is_ours else "customer",
                is_history=True,
            )
        )

    def _read_status(self, item: dict[str, Any], *, account_id: str) -> None:
        if item.get("type") == "payment":  # what became of a payment, not of a message
            self._dropped["payment_status"] += 1
            return
        provider_id = as_id(item.get("id"))
        state = _DELIVERY_STATES.get(as_word(item.get("status"), otherwise="unknown"))
        if provider_id is None or state is None:
            self._dropped["no_id" if provider_id is None else "unknown_status"] += 1
            return
        codes = (as_id(error.get("code")) for error in as_objects(item.get("errors")))
        self._statuses.append(
            DeliveryStatus(
                channel="whatsapp",
                account_id=account_id,
                provider_message_id=provider_id,
                callback=as_id(item.get("biz_opaque_callback_data")),
                state=state,
                error_code=next((code for code in codes if code), None),
            )
        )
        self._note_change(recipient_in_status(item, account_id=account_id), otherwise=None)

    def _read_preference(self, item: dict[str, Any], *, account_id: str) -> None:
        people, choice = preference_identities(item), as_word(item.get("value"), otherwise="other")
        if not people or choice not in {"stop", "resume"}:
            self._dropped["user_preferences"] += 1
            return
        self._marketing_choices.append(
            MarketingChoice(
                channel="whatsapp",
                account_id=account_id,
                identities=people,
                accepts=choice == "resume",
                chosen_at=as_time(item.get("timestamp")),
            )
        )

    def _note_change(self, change: IdentityChange | None, *, otherwise: str | None) -> None:
        """otherwise: what is counted when the item says nothing about anybody's identity."""
        if change:
            self._identity_changes.setdefault((change.account_id, change.before, change.after), change)
        elif otherwise:
            self._dropped[otherwise] += 1
