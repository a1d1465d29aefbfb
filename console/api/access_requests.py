"""What calls about people, keys and the audit log may say."""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, Field, StringConstraints

from console.api.requests import MAX_ID, Body, PageQuery, Strict, Text
from console.api.scopes import Scope
from routing.work_rights import Role


class PersonPath(BaseModel):
    """Which person."""

    user_id: int = Field(ge=1, le=MAX_ID)


class KeyPath(BaseModel):
    """Which key."""

    key_id: int = Field(ge=1, le=MAX_ID)


class Invitation(Strict):
    """Somebody to be asked. display_name counts only where the person has no account yet."""

    email: Text = Field(max_length=254)
    display_name: Text = Field(default="", max_length=100)
    role: Role


class PersonChange(Body):
    """What is left out stays. active: false switches the person off here at once, true on again."""

    role: Role | None = None
    active: bool | None = None


class NewKey(Strict):
    """email: the person it acts as. scopes: what it is narrowed to; left out: all that its role allows."""

    name: Text = Field(min_length=1, max_length=100)
    role: Role
    email: Text | None = Field(default=None, max_length=320)
    scopes: list[Scope] | None = Field(default=None, min_length=1, max_length=20)


class AuditQuery(PageQuery):
    """user_id: who did it. subject: what it was done to, an id or a name, whole. since is inclusive, until is not."""

    user_id: int | None = Field(default=None, ge=1, le=MAX_ID)
    deed: Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,64}$")] | None = None
    subject: Text | None = Field(default=None, min_length=1, max_length=200)
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
