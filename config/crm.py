"""A tenant's CRM."""

from decimal import Decimal
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from config.tenant_part import TenantPart

CrmKind = Literal["hubspot", "salesforce", "zoho", "pipedrive"]
ZohoDataCentre = Literal["com", "eu", "in", "com.au", "jp", "ca", "com.cn", "sa"]
# Per kind: the sets of credentials of which one must be complete, the simplest first.
CREDENTIALS: dict[str, tuple[tuple[str, ...], ...]] = {
    "hubspot": (("token",), ("client_id", "client_secret", "refresh_token")),
    "pipedrive": (("token",), ("client_id", "client_secret", "refresh_token")),
    "salesforce": (("domain", "client_id", "client_secret"), ("domain", "client_id", "username", "private_key")),
    "zoho": (("dc", "client_id", "client_secret", "refresh_token"),),
}


class HighValue(TenantPart):
    """Which CRM field makes a customer high-value: a text among some, or a number from some amount up."""

    field: str = Field(min_length=1, max_length=120)
    is_one_of: tuple[str, ...] = ()
    at_least: Decimal | None = None

    @model_validator(mode="after")
    def _says_when(self) -> Self:
        if bool(self.is_one_of) == (self.at_least is not None):
            message = 'give either is_one_of = ["…"] or at_least = a number'
            raise ValueError(message)
        return self


class CrmSettings(TenantPart):
    """The tenant's choices that are no secrets."""

    high_value: HighValue | None = None
    tier_field: str | None = Field(default=None, min_length=1, max_length=120)
    """Whose text is the customer's tier in rules."""
    value_field: str | None = Field(default=None, min_length=1, max_length=120)
    """Whose number says what the customer is worth: a sweep with a small budget takes the most valuable ones first."""
    create_contacts: bool = False
    """Create a contact when none matches. Off: the customer stays unlinked until a person picks one."""
    send_summary: bool = True
    day_share: float = Field(default=0.30, gt=0, le=1)
    """How much of the account's daily allowance Earshot may use."""
    day_limit: int | None = Field(default=None, ge=100)
    """The account's daily allowance, where the CRM's answers do not tell and the plan is larger than the smallest."""

    @property
    def fields_read(self) -> tuple[str, ...]:
        """The tenant's own fields that are read, each once."""
        named = (self.high_value.field if self.high_value else None, self.tier_field, self.value_field)
        return tuple(dict.fromkeys(name for name in named if name))


class CrmConfig(CrmSettings):
    """The tenant's CRM and its credentials."""

    kind: CrmKind
    token: SecretStr | None = None
    domain: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]{0,200}$")
    dc: ZohoDataCentre | None = None
    client_id: str | None = None
    client_secret: SecretStr | None = None
    refresh_token: SecretStr | None = None
    username: str | None = None
    private_key: SecretStr | None = None
    """PEM, of the certificate that a Salesforce app knows; with `username`, instead of `client_secret`."""

    @model_validator(mode="after")
    def _has_the_credentials_of_its_kind(self) -> Self:
        missing = [[name for name in names if not getattr(self, name)] for names in CREDENTIALS[self.kind]]
        if all(missing):
            options = " or ".join(", ".join(names) for names in CREDENTIALS[self.kind])
            # The set that lacks least; of two that lack as much, the one of which more was given.
            _, nearest = min(
                zip(CREDENTIALS[self.kind], missing, strict=True), key=lambda one: (len(one[1]), -len(one[0]))
            )
            message = f'kind = "{self.kind}" needs {", ".join(nearest)} (of: {options})'
            raise ValueError(message)
        return self

    def credentials(self) -> dict[str, str]:
        """What was given, in plain."""
        names = sorted({name for names in CREDENTIALS[self.kind] for name in names} | {"domain"})
        given = {name: getattr(self, name) for name in names}
        return {name: _plain(value) for name, value in given.items() if value}

    def settings(self) -> CrmSettings:
        """Everything but the credentials."""
        return CrmSettings.model_validate(self.model_dump(include=set(CrmSettings.model_fields)))


def _plain(value: str | SecretStr) -> str:
    return value if isinstance(value, str) else value.get_secret_value()
