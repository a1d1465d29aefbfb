"""What calls about the settings may say, and what they are answered."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field, SecretStr

from console.api.requests import Strict, Whole

MAX_VERSION = 2**31 - 1


class SettingsPatch(Strict):
    """version: the one that was read. changes: a JSON merge patch (RFC 7396): null takes a key back to its default, lists are replaced."""

    version: Whole = Field(ge=1, le=MAX_VERSION)
    changes: dict[str, Any]


class TriedSettings(Strict):
    """changes: as in a patch. days: of history, by the time of the decision."""

    changes: dict[str, Any]
    days: Whole = Field(default=30, ge=1, le=366)


class VersionPath(BaseModel):
    """Which version."""

    version: int = Field(ge=1, le=MAX_VERSION)


class VersionQuery(Strict):
    """before: only versions older than this one, as next_before gives it."""

    before: int | None = Field(default=None, ge=1, le=MAX_VERSION)
    limit: int = Field(default=20, ge=1, le=100)


class Restoring(Strict):
    """version: the one that stands, as it was read."""

    version: Whole = Field(ge=1, le=MAX_VERSION)


class SecretBody(Strict):
    """secret: 24 to 200 visible ASCII characters. It is stored encrypted and never given back."""

    secret: SecretStr


class SettingsAnswer(BaseModel):
    """settings: as in the tenant file, without channels, CRM, alert targets and secrets; the webhook's address by its host only.

    secrets: kinds of action that have one.
    """

    version: int
    changed_in: str
    settings: dict[str, Any]
    secrets: list[str]
    webhook_host: str | None


class SecretAnswer(BaseModel):
    """kind: whose secret was set."""

    kind: str


class ChangeAnswer(BaseModel):
    """path: as in the tenant file. before, after: null where the key is not there."""

    path: str
    before: Any
    after: Any


class SettingsVersionAnswer(BaseModel):
    """One version: who made it, where, and what it changed. by: an e-mail, or a key's name; null for the file."""

    version: int
    at: datetime
    changed_in: str
    by: str | None
    changes: list[ChangeAnswer]


class SettingsVersionPage(BaseModel):
    """Newest first. next_before: null on the last page."""

    versions: list[SettingsVersionAnswer]
    next_before: int | None


class MovedAnswer(BaseModel):
    """Messages that would go elsewhere. corrected: of these, how many people have corrected. examples: ids of the first ones."""

    from_priority: str
    from_queue: str
    to_priority: str
    to_queue: str
    messages: int
    corrected: int
    examples: list[str]


class CountAnswer(BaseModel):
    """Messages, how many of these people have corrected, and ids of the first ones."""

    messages: int
    corrected: int
    examples: list[str]


class SettingsTrialAnswer(BaseModel):
    """What would have been decided otherwise. sentence: all of it, in English. since: what was looked at.

    is_cut: there were more decisions than are looked at at once, and the older ones were left out.
    """

    sentence: str
    since: datetime
    is_cut: bool
    messages: int
    moved: int
    more_p1: CountAnswer
    fewer_p1: CountAnswer
    other_actions: CountAnswer
    kinds_of_change: list[MovedAnswer]
