"""What calls about channels, the CRM and alert targets may say. Secrets go in only."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, SecretStr, StringConstraints

from console.api.requests import Body, Number, Strict, Text, Whole

Kind = Literal["whatsapp", "instagram", "generic"]


Given = Annotated[SecretStr, Field(max_length=5000)]


Name = Annotated[Text, StringConstraints(max_length=200)]


class AccountPath(BaseModel):
    """Which account at which channel."""

    kind: Kind
    account_id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


class TargetPath(BaseModel):
    """Which alert target."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]


class ErrandPath(BaseModel):
    """Which errand of a worker."""

    errand_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]


class ChannelBody(Strict):
    """A secret that is left out stays what it is. verify_token: one that you choose for Meta's handshake; else one is made."""

    app_secret: Given | None = None
    access_token: Given | None = None
    verify_token: Given | None = None
    waba_id: Name | None = None
    login: Literal["instagram", "facebook"] | None = None
    page_id: Name | None = None
    reply_url: Annotated[Text, StringConstraints(max_length=2000)] | None = None
    mark_read: bool = False
    max_per_s: Whole | None = Field(default=None, ge=1, le=1000)


class RotateBody(Strict):
    """app_secret: counts from now on beside the one before. drop_old: afterwards, only the newest counts."""

    app_secret: Given | None = None
    drop_old: bool = False


class CrmBody(Strict):
    """A credential that is left out stays what it is, as long as the kind does."""

    kind: Literal["hubspot", "salesforce", "zoho", "pipedrive"]
    token: Given | None = None
    domain: Name | None = None
    dc: Name | None = None
    client_id: Name | None = None
    client_secret: Given | None = None
    refresh_token: Given | None = None
    username: Name | None = None
    private_key: Given | None = None
    high_value: dict[str, Any] | None = None
    tier_field: Name | None = None
    value_field: Name | None = None
    create_contacts: bool | None = None
    send_summary: bool | None = None
    day_share: Number | None = None
    day_limit: Whole | None = None


class CheckBody(Body):
    """provision: make our missing fields, too."""

    provision: bool = False


class TargetBody(Strict):
    """to: an apprise URL; left out it stays what it is. kinds: none for all."""

    to: Given | None = None
    kinds: list[Name] = Field(default_factory=list[Name], max_length=50)
    min_severity: Literal["info", "warning", "critical"] = "warning"
    quiet_hours: Name | None = None
