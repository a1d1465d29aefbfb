"""A tenant's CRM."""

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from config.tenant_part import TenantPart


class HighValue(TenantPart):
    """Which CRM field makes a customer high-value."""

    field: str
    is_one_of: tuple[str, ...] = Field(min_length=1)


class CrmConfig(TenantPart):
    """The tenant's CRM and its credentials."""

    kind: Literal["hubspot", "salesforce", "zoho", "pipedrive"]
    token: SecretStr | None = None
    domain: str | None = None
    dc: str | None = None
    client_id: str | None = None
    client_secret: SecretStr | None = None
    refresh_token: SecretStr | None = None
    username: str | None = None
    private_key: SecretStr | None = None
    """PEM, of the certificate that a Salesforce app knows; with `username`, instead of `client_secret`."""
    high_value: HighValue | None = None
    create_contacts: bool = False
    """Create a contact when none matches. Off: the customer stays unlinked until a person picks one."""
    send_summary: bool = True

    @model_validator(mode="after")
    def _has_the_credentials_of_its_kind(self) -> Self:
        needed = {
            "hubspot": ("token",),
            "pipedrive": ("token",),
            "salesforce": ("domain", "client_id", *self._salesforce_secrets()),
            "zoho": ("dc", "client_id", "client_secret", "refresh_token"),
        }[self.kind]
        missing = [name for name in needed if getattr(self, name) is None]
        if missing:
            message = f'kind = "{self.kind}" needs {", ".join(missing)}'
            raise ValueError(message)
        return self

    def _salesforce_secrets(self) -> tuple[str, ...]:
        return ("username", "private_key") if self.private_key is not None else ("client_secret",)
