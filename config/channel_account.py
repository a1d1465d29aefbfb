"""One account of a tenant at a channel."""

import re
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from config.tenant_part import TenantPart

MAX_LIVE_APP_SECRETS = 2


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


class ChannelConfig(TenantPart):
    """One account of the tenant at a channel."""

    kind: Literal["whatsapp", "instagram", "generic"]
    account_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
    """WhatsApp: the phone_number_id. Instagram: the professional account's id. Generic: a name of the tenant's own."""
    app_secret: Annotated[
        tuple[SecretStr, ...], BeforeValidator(_as_list), Field(min_length=1, max_length=MAX_LIVE_APP_SECRETS)
    ]
    """One secret, or two while it is being rotated."""
    verify_token: SecretStr = SecretStr("")
    access_token: SecretStr = SecretStr("")
    waba_id: str | None = None
    login: Literal["instagram", "facebook"] | None = None
    page_id: str | None = None
    reply_url: Annotated[str, Field(pattern=r"^https?://\S+$", max_length=2000)] | None = None
    """Generic only: where answers are POSTed, signed. Without it nothing can be sent."""
    mark_read: bool = False
    """Show the customer that the message was read, and that somebody types, before an answer leaves."""
    max_per_s: int = Field(default=80, ge=1, le=1000)
    """Messages a second that the channel lets this account send; 20 for a number that also lives in the WhatsApp Business app."""

    @model_validator(mode="after")
    def _has_what_its_kind_needs(self) -> Self:
        if self.kind != "generic":
            if not re.fullmatch(r"[0-9]{1,32}", self.account_id):
                message = "account_id must be the 1 to 32 digits that Meta shows"
                raise ValueError(message)
            missing = [name for name in ("verify_token", "access_token") if not getattr(self, name).get_secret_value()]
            if missing:
                message = f'kind = "{self.kind}" needs {", ".join(missing)}'
                raise ValueError(message)
        if self.kind != "generic" and self.reply_url:
            message = 'reply_url is for kind = "generic" only'
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _login_belongs_to_instagram(self) -> Self:
        if self.kind != "instagram" and (self.login or self.page_id):
            message = 'login and page_id are for kind = "instagram" only'
            raise ValueError(message)
        if self.login == "facebook" and not self.page_id:
            message = 'login = "facebook" needs page_id, the Page that the Instagram account is linked to'
            raise ValueError(message)
        return self
