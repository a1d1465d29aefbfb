"""What the environment says, read once by each entry point and passed on."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, model_validator

from config.environment import SettingsError, environment_value

# Three turns of upkeep (store/db.py, sole_turn) hold a connection each while they begin further transactions.
LEAST_POOL_SIZE = 4


def _split_urls(value: object) -> object:
    return value.rstrip("/") if isinstance(value, str) else value


def _split_words(value: object) -> object:
    return tuple(word.strip().lower() for word in value.split(",") if word.strip()) if isinstance(value, str) else value


BaseUrl = Annotated[str, BeforeValidator(_split_urls), Field(pattern=r"^https?://[^\s/]+$")]


class Settings(BaseModel):
    """Every setting of every process. Field names are the environment's names in lower case.

    URLs of providers are scheme, host and port without a version path, so that the real clients can be pointed anywhere.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    database_url: SecretStr
    redis_url: SecretStr
    """What processes share (limits, lanes, counters), and the queues too unless broker_url says where they are."""
    broker_url: SecretStr | None = None
    """What carries the queues: Redis, Redis behind Sentinel, or RabbitMQ (docs/brokers.md). Unset: redis_url."""
    earshot_keys: SecretStr
    """Keys for encryption at rest: `id:base64(32 bytes)`, comma-separated, newest first; two may be live at a time."""
    secret_key: SecretStr | None = None
    anthropic_api_key: SecretStr | None = None
    anthropic_base_url: BaseUrl = "https://api.anthropic.com"
    anthropic_model: str = "claude-haiku-5-5"
    anthropic_escalation_model: str = "claude-sonnet-5-5"
    analyzer_label: Literal["claude", "stand-in"] = "claude"
    """What `message_analysis.analyzer` records; `earshot up` sets "stand-in" when it points the client at its own."""
    graph_api_url: BaseUrl = "https://graph.facebook.com"
    graph_api_version: str = "v26.0"
    instagram_api_url: BaseUrl = "https://graph.instagram.com"
    hubspot_api_url: BaseUrl = "https://api.hubapi.com"
    salesforce_login_url: BaseUrl | None = None
    zoho_api_url: BaseUrl | None = None
    zoho_accounts_url: BaseUrl | None = None
    pipedrive_api_url: BaseUrl | None = None
    pipedrive_oauth_url: BaseUrl = "https://oauth.pipedrive.com"
    anthropic_requests_per_min: int | None = Field(default=None, ge=1)
    """What the provider allows this key, all workers together; unset: what its answers say, and no limit until then."""
    analyze_timeout_s: float = Field(default=20.0, gt=0, le=120)
    provisional_after_s: float = Field(default=3.0, gt=0)
    """A message without an analysis after this long gets a provisional reading."""
    allow_private_urls: bool = False
    """Let a tenant's own URLs (generic channel, alerts) lead into this network, and be http: for development and closed networks."""
    console_url: BaseUrl | None = None
    """Where people open the console; alerts link to it when it is set."""
    receiver_url: BaseUrl | None = None
    """Where the channels reach the receiver from outside, such as https://hooks.acme.example; shown to people who connect a channel."""
    canary_url: BaseUrl | None = None
    """Where this network reaches the receiver: test messages are posted there. Unset: they begin in the inbox, behind the receiver."""
    canary_every_s: float = Field(default=300.0, ge=0)
    """How often each tenant gets a test message; 0: never. They are ours, and never stand among customers' messages."""
    canary_model_every_s: float = Field(default=900.0, ge=0)
    """How often one of them asks the model, which costs a call; 0: never. The others take the whole way but this."""
    canary_late_after_s: float = Field(default=120.0, gt=0)
    """A test message that has not come through by then is an alarm."""
    trusted_proxies: int = Field(default=0, ge=0, le=10)
    """How many proxies of ours stand before console and receiver: the address of a call is what the outermost of them saw."""
    api_calls_per_min: int = Field(default=600, ge=0)
    """How often each key may call the API in a minute; 0: as often as it likes. Not counted while Redis is away."""
    oidc_issuer: Annotated[str, Field(pattern=r"^https?://[^\s?#]+$")] | None = None
    """People may sign in through this OpenID provider, whose own settings stand below it; needs the extra `oidc`."""
    oidc_client_id: str | None = None
    oidc_client_secret: SecretStr | None = None
    oidc_name: str | None = Field(default=None, max_length=60)
    """What the button says; unset: the provider's host."""
    oidc_allowed_domains: Annotated[tuple[str, ...], BeforeValidator(_split_words)] = ()
    """Only e-mail addresses of these, separated by commas; none: of all."""
    oidc_default_tenant: str | None = None
    """Whoever comes from there and has no account gets one with oidc_default_role in the tenant of this slug; unset: nobody does."""
    oidc_default_role: Literal["agent", "supervisor", "auditor"] | None = None
    database_pool_size: int = Field(default=8, ge=LEAST_POOL_SIZE, le=200)
    """Connections of each process."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "console"] = "json"
    metrics_token: SecretStr | None = Field(default=None, min_length=16)
    """Who sends it (`Authorization: Bearer …`) may read /metrics of receiver and console; unset: only processes of this machine may."""
    otel_exporter_otlp_endpoint: Annotated[str, Field(pattern=r"^https?://[^\s?#]+$")] | None = None
    """Spans go to this collector, by OTLP over HTTP (port 4318); unset: none are made. Needs the extra `otel`."""
    otel_exporter_otlp_headers: SecretStr | None = None
    """What the collector wants to be told, such as a key: `name=value`, separated by commas."""
    sentry_dsn: SecretStr | None = None
    """Bugs are reported there; unset: only logged. Needs the extra `sentry`."""
    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(default=0, ge=0, le=65535)
    """Where a worker serves /metrics, which asks nobody who they are: a network of your own only; 0 switches it off."""

    @property
    def queues_url(self) -> str:
        """Where the queues are."""
        return (self.broker_url or self.redis_url).get_secret_value()

    @model_validator(mode="after")
    def _has_whole_provider(self) -> Self:
        if self.oidc_issuer and not (self.oidc_client_id and self.oidc_client_secret):
            message = "OIDC_ISSUER also needs OIDC_CLIENT_ID and OIDC_CLIENT_SECRET"
            raise ValueError(message)
        if (self.oidc_default_tenant is None) != (self.oidc_default_role is None):
            message = "OIDC_DEFAULT_TENANT and OIDC_DEFAULT_ROLE go together"
            raise ValueError(message)
        if self.oidc_default_tenant and not self.oidc_allowed_domains:
            message = "OIDC_DEFAULT_TENANT also needs OIDC_ALLOWED_DOMAINS, or everybody whom the provider knows could come in"
            raise ValueError(message)
        return self


def load_settings(environ: Mapping[str, str], **overrides: Any) -> Settings:
    """Settings from the environment.

    Raises: SettingsError naming every variable that is missing or wrong, and how to fix it.
    """
    values: dict[str, Any] = {}
    for field in Settings.model_fields:
        value = environment_value(environ, field.upper())
        if value is not None:
            values[field] = value
    values.update(overrides)
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(
            (f"{str(item['loc'][0]).upper()}: " if item["loc"] else "")
            + ("is not set (or set <NAME>_FILE to a file that holds it)" if item["type"] == "missing" else item["msg"])
            for item in error.errors(include_input=False, include_url=False)
        )
        message = f"the environment is not usable: {problems}"
        raise SettingsError(message) from None
