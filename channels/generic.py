"""The generic channel: a plain signed JSON webhook for web forms, chat widgets and e-mail gateways.

Shape: docs/generic-channel.md.
"""

import re
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal, TypeVar

from channels.base import (
    Author,
    DeliveryState,
    DeliveryStatus,
    Identity,
    InboundMessage,
    MessageEdit,
    MessageErasure,
    ParsedWebhook,
    Reaction,
    Surface,
)
from channels.reading import as_emoji, as_id, as_object, as_raw, as_text, as_time, as_word, list_items

Read = TypeVar("Read")

_KEYS = frozenset({"account_id", "messages", "edits", "deletes", "reactions", "statuses"})
_DIRECTIONS: dict[str, Literal["inbound", "outbound"]] = {"inbound": "inbound", "outbound": "outbound"}
_DELIVERY_STATES: dict[str, DeliveryState] = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "read",
    "failed": "failed",
}
_ACCOUNT_ID = re.compile(rb'"account_id"\s*:\s*"?\s*([a-z0-9][a-z0-9_-]{0,63})')
# The name may stand before or after the messages.
_HINT_BYTES = 64 * 1024
# What a sender's own error code may look like; it is shown to people and counted, so it must be no sentence.
_ERROR_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_EMAIL = re.compile(r"""[^@\s<>(),;:"]+@[^@\s<>(),;:"]+""")
MAX_EMAIL_CHARS = 254
# E.164 has at most 15 digits, and no country code begins with 0.
_PHONE = re.compile(r"(?:\+|00)([1-9][0-9]{6,14})")
_BETWEEN_DIGITS = re.compile(r"\(0\)|[\s().\u2010-\u2015/-]")
# All that is kept of a deletion: a sender that repeats the deleted words in it must not make us keep them.
_OF_A_DELETION = ("id", "from", "to", "direction", "surface")


class _Unusable(Exception):
    """An item lacks what it can't do without; the text is the reason it is counted under."""


def account_hints(body: bytes) -> set[str]:
    """Account ids that the unverified bytes seem to name."""
    ends = (body[:_HINT_BYTES], body[_HINT_BYTES:][-_HINT_BYTES:])
    return {match.decode() for end in ends for match in _ACCOUNT_ID.findall(end)}


def external_id(account_id: str, value: str) -> str:
    """A sender's own id of a person: means that person at this account only."""
    return f"{account_id}:{value}"


def parse(payload: Any) -> ParsedWebhook:
    """Everything in the body. One odd item never stops its neighbours."""
    body = as_object(payload)
    if not body or "object" in body:  # Meta names one: its webhooks were pointed at the wrong URL
        return ParsedWebhook(dropped={"unknown_object" if body else "bad_item": 1})
    account_id = as_id(body.get("account_id"))
    if account_id is None:
        return ParsedWebhook(dropped={"no_account": 1})
    dropped: Counter[str] = Counter()
    if unknown := body.keys() - _KEYS:
        dropped["unknown_field"] += len(unknown)

    def each(key: str, read: Callable[[dict[str, Any], str], Read]) -> tuple[Read, ...]:
        found: list[Read] = []
        for item in list_items(body.get(key), dropped=dropped):
            try:
                found.append(read(item, account_id))
            except _Unusable as reason:
                dropped[str(reason)] += 1
        return tuple(found)

    messages, edits, erasures = each("messages", _message), each("edits", _edit), each("deletes", _erasure)
    reactions, statuses = each("reactions", _reaction), each("statuses", _status)
    return ParsedWebhook(
        messages=messages,
        statuses=statuses,
        edits=edits,
        erasures=erasures,
        reactions=reactions,
        dropped=dict(dropped),
    )


def _key_source(account_id: str, message_id: str) -> str:
    return f"generic:{account_id}:{message_id}"


def _id(item: dict[str, Any], key: str = "id") -> str:
    found = as_id(item.get(key))
    if found is None:
        raise _Unusable("no_id")
    return found


def _direction(item: dict[str, Any]) -> Literal["inbound", "outbound"]:
    """A word we don't know is not taken for "inbound": an agent's words would be judged as the customer's."""
    named = as_word(item.get("direction", "inbound") or "inbound", otherwise="unknown")
    if named not in _DIRECTIONS:
        raise _Unusable("unknown_direction")
    return _DIRECTIONS[named]


def _as_email(value: Any) -> str | None:
    email = as_id(value)
    return email.lower() if email and len(email) <= MAX_EMAIL_CHARS and _EMAIL.fullmatch(email) else None


def _as_phone(value: Any) -> str | None:
    """Digits of a number written with its country code; without one it could be anybody's in another country."""
    match = _PHONE.fullmatch(_BETWEEN_DIGITS.sub("", value)) if isinstance(value, str) and as_id(value) else None
    return match[1] if match else None


def _identities(person: dict[str, Any], *, account_id: str) -> tuple[Identity, ...]:
    """The sender's own id of the person first; for one without, the address stands in, at this account only."""
    email, phone = _as_email(person.get("email")), _as_phone(person.get("phone"))
    own_id = as_id(person.get("id")) or (f"mailto:{email}" if email else f"tel:+{phone}" if phone else None)
    found: list[Identity] = []
    if own_id:
        found.append(Identity("external", external_id(account_id, own_id)))
    if email:
        found.append(Identity("email", email))
    if phone:
        found.append(Identity("phone", phone))
    return tuple(found)


def _customer(item: dict[str, Any], *, account_id: str, must_be_named: bool = True) -> tuple[Identity, ...]:
    is_inbound = _direction(item) == "inbound"
    people = _identities(as_object(item.get("from" if is_inbound else "to")), account_id=account_id)
    if must_be_named and not people:
        raise _Unusable("no_sender" if is_inbound else "no_recipient")
    return people


def _message(item: dict[str, Any], account_id: str) -> InboundMessage:
    people = _customer(item, account_id=account_id)
    return _built(item, account_id=account_id, people=people, text=as_text(item.get("text")))


def _built(
    item: dict[str, Any],
    *,
    account_id: str,
    people: tuple[Identity, ...],
    text: str | None,
    sent_at: datetime | None = None,
) -> InboundMessage:
    """sent_at: the time that stands in for a `sent_at` of the item's own."""
    message_id, direction = _id(item), _direction(item)
    surface: Surface = "comment" if item.get("surface") == "comment" else "dm"
    author: Author = "customer"
    if direction == "outbound":
        author = "bot" if item.get("written_by") == "automation" else "human"
    return InboundMessage(
        channel="generic",
        account_id=account_id,
        provider_message_id=message_id,
        key_source=_key_source(account_id, message_id),
        direction=direction,
        surface=surface,
        message_type=as_word(item.get("type"), otherwise="text" if text else "unsupported"),
        identities=people,
        sent_at=as_time(item.get("sent_at")) or sent_at,
        text=text,
        raw=as_raw(item),
        display_name=as_text(as_object(item.get("from")).get("name")) if direction == "inbound" else None,
        reply_to_provider_id=as_id(item.get("reply_to")),
        author=author,
        is_history=item.get("is_history") is True,
        choice_id=as_id(item.get("choice")),
    )


def _edit(item: dict[str, Any], account_id: str) -> MessageEdit:
    text, edited_at = as_text(item.get("text")), as_time(item.get("edited_at"))
    people = _customer(item, account_id=account_id)
    if text is None:  # a forgotten key must not wipe out a message; taking it back is a deletion
        raise _Unusable("no_text")
    message = _built(item, account_id=account_id, people=people, text=text, sent_at=edited_at)
    return MessageEdit(message, edited_at=edited_at)


def _erasure(item: dict[str, Any], account_id: str) -> MessageErasure:
    kept = {key: item[key] for key in _OF_A_DELETION if key in item}
    if item.get("direction") not in _DIRECTIONS.values():  # who wrote it is no reason to keep it
        kept.pop("direction", None)
    people = _customer(kept, account_id=account_id, must_be_named=False)
    return MessageErasure(_built(kept, account_id=account_id, people=people, text=None))


def _reaction(item: dict[str, Any], account_id: str) -> Reaction:
    by_business = _direction(item) == "outbound"
    target_id = _id(item, "target_id")
    actor = "business" if by_business else _customer(item, account_id=account_id)[0].value
    return Reaction(
        channel="generic",
        account_id=account_id,
        target_source=_key_source(account_id, target_id),
        actor=actor,
        by_business=by_business,
        emoji=as_emoji(item.get("emoji")),
        reacted_at=as_time(item.get("reacted_at")),
    )


def _status(item: dict[str, Any], account_id: str) -> DeliveryStatus:
    callback = as_id(item.get("idempotency_key"))
    # A sender without ids of its own knows our message by the key it came with.
    provider_id = as_id(item.get("id")) or callback
    if provider_id is None:
        raise _Unusable("no_id")
    state = _DELIVERY_STATES.get(as_word(item.get("status"), otherwise="unknown"))
    if state is None:
        raise _Unusable("unknown_status")
    return DeliveryStatus(
        channel="generic",
        account_id=account_id,
        provider_message_id=provider_id,
        callback=callback,
        state=state,
        error_code=_error_code(item.get("error_code")),
    )


def _error_code(value: Any) -> str | None:
    code = as_id(value)
    if code is None:
        return None
    return code if _ERROR_CODE.fullmatch(code) else "other"
