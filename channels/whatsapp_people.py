"""Who is meant in a WhatsApp webhook: phone numbers, business-scoped ids, and what Meta says about their changes.

Rules: Meta's page on business-scoped user ids, 2026. A phone number may be missing anywhere since usernames came.
"""

import re
from typing import Any

from channels.base import Identity, IdentityChange, IdentityKind
from channels.reading import as_id, as_object, as_time, as_username, as_word

# Both spellings of the same two events are in use.
_CHANGES = {
    "user_changed_number",
    "customer_changed_number",
    "user_changed_user_id",
    "customer_changed_user_id",
}


_BSUID = re.compile(r"[A-Z]{2}\.[A-Za-z0-9._-]+")
_WRITTEN_PHONE = re.compile(r"[+(]?[0-9][0-9 ()/.-]*")


def as_wa_id(value: Any) -> str | None:
    """A phone number's digits, however somebody has written them, or a business-scoped id."""
    wa_id = as_id(value)
    if wa_id and wa_id.isascii() and _WRITTEN_PHONE.fullmatch(wa_id):
        return re.sub(r"[^0-9]", "", wa_id)
    return wa_id


def customer_ids(item: dict[str, Any], *, role: str) -> tuple[str | None, str | None]:
    """The customer's phone (or what stands in its place) and business-scoped id, as the item names them.

    role: where an item names the customer: "from" for their messages, "to" for echoes.
    """
    return as_wa_id(item.get(role)), as_id(item.get(f"{role}_user_id"))


class Contacts:
    """The `contacts` of one value, found by phone or business-scoped id: a body may hold a thousand of them."""

    def __init__(self, contacts: list[dict[str, Any]], *, people: int) -> None:
        """people: how many customers the value's items name."""
        self._by_id: dict[str, dict[str, Any]] = {}
        for contact in contacts:
            for known in (as_wa_id(contact.get("wa_id")), as_id(contact.get("user_id"))):
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


def _distinct(*named: tuple[IdentityKind, str | None]) -> tuple[Identity, ...]:
    found = {(kind, value): Identity(kind, value) for kind, value in named if value}
    return tuple(found.values())


def _phone_or_bsuid(wa_id: str | None) -> tuple[IdentityKind, str | None]:
    """A business-scoped id ("US.13491…") can stand where the phone was."""
    return ("phone" if _is_phone(wa_id) else "bsuid"), wa_id


def _is_phone(wa_id: str | None) -> bool:
    return wa_id is not None and wa_id.isascii() and wa_id.isdigit()


def _sound(named: tuple[Identity, ...]) -> tuple[Identity, ...]:
    """Without what is neither a phone nor of a business-scoped id's form: made up by a program in between."""
    return tuple(one for one in named if one.kind != "bsuid" or _BSUID.fullmatch(one.value))


def identities(item: dict[str, Any], contact: dict[str, Any], *, role: str) -> tuple[Identity, ...]:
    """What names the customer, most direct first. role: see `customer_ids`.

    What is neither a phone nor of a business-scoped id's form counts only when nothing better is there: such ids are made up by
    programs in between, and a wrong one would tie two customers together.
    """
    direct, of_contact = as_wa_id(item.get(role)), as_wa_id(contact.get("wa_id"))
    # Two phones: the contact's is how Meta spells the same number (Brazil, Mexico), and the sender's is what answers go to.
    second = None if _is_phone(direct) and _is_phone(of_contact) else of_contact
    named = _distinct(
        _phone_or_bsuid(direct),
        _phone_or_bsuid(second),
        ("bsuid", as_id(item.get(f"{role}_user_id")) or as_id(contact.get("user_id"))),
        ("parent_bsuid", as_id(item.get(f"{role}_parent_user_id")) or as_id(contact.get("parent_user_id"))),
        ("username", as_username(as_object(contact.get("profile")).get("username") or contact.get("username"))),
    )
    sound = _sound(named)
    return sound if any(one.kind != "username" for one in sound) else named


def preference_identities(item: dict[str, Any]) -> tuple[Identity, ...]:
    """Who made a choice in `user_preferences`."""
    return _sound(
        _distinct(
            _phone_or_bsuid(as_wa_id(item.get("wa_id"))),
            ("bsuid", as_id(item.get("user_id"))),
            ("parent_bsuid", as_id(item.get("parent_user_id"))),
        )
    )


def announced_change(item: dict[str, Any], *, account_id: str) -> IdentityChange | None:
    """A `system` message that says a customer's number or business-scoped id is another one now; None for all others."""
    system = as_object(item.get("system"))
    if as_word(system.get("type"), otherwise="other") not in _CHANGES:
        return None
    new_phone = as_wa_id(system.get("wa_id")) or as_wa_id(system.get("new_wa_id"))
    new_user_id, new_parent = as_id(system.get("user_id")), as_id(system.get("parent_user_id"))
    sender_id = as_id(item.get("from_user_id"))
    old_user_id = as_id(system.get("previous_user_id")) or (sender_id if sender_id != new_user_id else None)
    before = _distinct(
        _phone_or_bsuid(as_wa_id(system.get("previous_wa_id"))),
        _phone_or_bsuid(as_wa_id(item.get("from"))),
        _phone_or_bsuid(as_wa_id(system.get("customer"))),
        ("bsuid", old_user_id),
        ("parent_bsuid", as_id(system.get("previous_parent_user_id")) or as_id(item.get("from_parent_user_id"))),
    )
    if new_phone is None and old_user_id is None:
        # Only a new scoped id is told, and no old one: the phone it came with is as good as before.
        new_phone = as_wa_id(item.get("from"))
    after = _distinct(_phone_or_bsuid(new_phone), ("bsuid", new_user_id), ("parent_bsuid", new_parent))
    return _change(before, after, item=item, account_id=account_id)


def updated_user_id(item: dict[str, Any], *, account_id: str) -> IdentityChange | None:
    """One entry of the `user_id_update` field, which Meta no longer promises but some numbers still get."""
    user_id, parent = as_object(item.get("user_id")), as_object(item.get("parent_user_id"))
    phone = _phone_or_bsuid(as_wa_id(item.get("wa_id")))
    before = _distinct(
        ("bsuid", as_id(user_id.get("previous"))), ("parent_bsuid", as_id(parent.get("previous"))), phone
    )
    after = _distinct(("bsuid", as_id(user_id.get("current"))), ("parent_bsuid", as_id(parent.get("current"))), phone)
    return _change(before, after, item=item, account_id=account_id)


def recipient_in_status(item: dict[str, Any], *, account_id: str) -> IdentityChange | None:
    """A status that names one recipient by phone and by business-scoped id: Meta says that both are the same person."""
    phone = _phone_or_bsuid(as_wa_id(item.get("recipient_id")))
    user_id = as_id(item.get("recipient_user_id"))
    if phone[0] != "phone" or phone[1] is None or user_id is None or not _BSUID.fullmatch(user_id):
        return None
    parent = as_id(item.get("recipient_parent_user_id")) or as_id(item.get("parent_recipient_user_id"))
    return IdentityChange(
        channel="whatsapp",
        account_id=account_id,
        before=_distinct(phone),
        after=_distinct(phone, ("bsuid", user_id), ("parent_bsuid", parent)),
        changed_at=as_time(item.get("timestamp")),
        replaces=False,
    )


def _change(
    before: tuple[Identity, ...], after: tuple[Identity, ...], *, item: dict[str, Any], account_id: str
) -> IdentityChange | None:
    before, after = _sound(before), _sound(after)
    if not before or not after or set(before) == set(after):
        return None
    return IdentityChange(
        channel="whatsapp",
        account_id=account_id,
        before=before,
        after=after,
        changed_at=as_time(item.get("timestamp")),
        notice_id=as_id(item.get("id")),
    )
