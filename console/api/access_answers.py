"""What calls about people, keys and the audit log are answered with."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from store.deed_lists import ListedDeed
from store.people import ListedPerson
from store.users import ListedKey


class PersonAnswer(BaseModel):
    """A person. standing: active, no_password (has not chosen one), invited (has not agreed), off."""

    user_id: int
    email: str
    display_name: str
    role: str
    standing: str
    link_until: datetime | None
    seen_at: datetime | None

    @classmethod
    def of(cls, one: ListedPerson) -> "PersonAnswer":
        """As it stands."""
        return cls(**{name: value for name, value in vars(one).items() if name in cls.model_fields})


class PeopleList(BaseModel):
    """Everybody with a role, also one that is not in force, by e-mail."""

    people: list[PersonAnswer]


class OneTimeLinkAnswer(BaseModel):
    """A person with their one-time link. link: a path at the console's address, which lets its holder in once within 72 hours; null
    when the call is repeated under its Idempotency-Key: it is not stored.
    """

    person: PersonAnswer
    link: str | None


class KeyAnswer(BaseModel):
    """A key. scopes: null for all that the role allows. email: the person it acts as."""

    id: int
    name: str
    role: str
    scopes: list[str] | None
    email: str | None
    created_at: datetime
    revoked_at: datetime | None

    @classmethod
    def of(cls, one: ListedKey) -> "KeyAnswer":
        """As it stands."""
        return cls(**vars(one))


class KeyList(BaseModel):
    """Live ones first, then newest first."""

    keys: list[KeyAnswer]


class NewKeyAnswer(BaseModel):
    """A new key. key: shown this once; null when the call is repeated under its Idempotency-Key: it is not stored."""

    id: int
    name: str
    key: str | None


class RevokedAnswer(BaseModel):
    """revoked: false when it was revoked before."""

    id: int
    revoked: bool


class DeedAnswer(BaseModel):
    """What was done. user_id, key_id: by whom; neither: the command line or Earshot itself."""

    id: str
    at: datetime
    deed: str
    user_id: int | None
    user_email: str | None
    key_id: int | None
    key_name: str | None
    subject: str | None
    details: dict[str, Any]

    @classmethod
    def of(cls, one: ListedDeed, *, emails: Mapping[int, str], keys: Mapping[int, str]) -> "DeedAnswer":
        """With the names of those who did it."""
        return cls(
            id=one.id,
            at=one.at,
            deed=one.deed,
            user_id=one.by_user_id,
            user_email=emails.get(one.by_user_id) if one.by_user_id is not None else None,
            key_id=one.by_key_id,
            key_name=keys.get(one.by_key_id) if one.by_key_id is not None else None,
            subject=one.subject,
            details=dict(one.details),
        )


class DeedPage(BaseModel):
    """Newest first."""

    deeds: list[DeedAnswer]
    next_cursor: str | None
