"""A tenant's own configuration: the TOML file an admin writes, checked field by field."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from config.industries import find_industry_name, industry_names, load_industry, nearest_industry_name
from config.rules_versions import RULES_VERSIONS
from config.topics import Topics, check_number, find_twin

ENV_PREFIX = "env:"
ActionKind = Literal[
    "escalate_to_human",
    "send_refund_form",
    "schedule_callback",
    "close_with_thanks",
    "follow_up",
    "request_screenshot",
    "send_nps_invite",
    "assign",
    "notify",
    "tag",
    "webhook",
]
Intent = Literal[
    "order_status",
    "refund_request",
    "price_inquiry",
    "technical_support",
    "complaint",
    "compliment",
    "callback_request",
    "cancellation",
    "spam",
    "other",
]
Sentiment = Literal["positive", "neutral", "negative"]
Priority = Literal["P1", "P2", "P3", "P4"]
Surface = Literal["dm", "story_reply", "story_mention", "reel_comment", "comment", "live_comment"]
QUEUES = ("senior", "support", "engineering", "sales", "customer_success", "review", "not_yet_analysed", "auto")
MAX_LIVE_APP_SECRETS = 2
MAX_ACTION_TEXT_BYTES = 1000


class TenantFileError(Exception):
    """A tenant file cannot be used; the text names the file, the key, the line where known, and the fix."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


class ChannelConfig(_Part):
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


class Thresholds(_Part):
    """Where the tenant draws its lines. Scores are the model's confidence in its label, 0.0 to 1.0."""

    escalate: float = Field(default=0.70, ge=0, le=1)
    unsure: float = Field(default=0.50, ge=0, le=1)
    debounce_s: float = Field(default=0, ge=0, le=60)
    """A burst of one customer within this many seconds becomes one analysis; 0: every message has its own."""
    debounce_urgent: bool = False
    """Let messages wait too that hold an urgent word."""


class TemplateConfig(_Part):
    """A WhatsApp template of the tenant's that says the same when the 24-hour window is over."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,512}$")]
    languages: dict[str, Annotated[str, Field(pattern=r"^[a-z]{2,3}(_[A-Z]{2,3})?$")]] = Field(min_length=1)
    """Customer's language code to the template's: `{ en = "en_US", tr = "tr" }`; the first one serves all others."""


def _fits_instagram(text: str) -> str:
    if len(text.encode()) > MAX_ACTION_TEXT_BYTES:
        message = f"is longer than {MAX_ACTION_TEXT_BYTES} bytes, which is all that Instagram takes"
        raise ValueError(message)
    return text


class ActionConfig(_Part):
    """The tenant's consent to one kind of action. Without it the action is only recorded as `shadow`."""

    enabled: bool = False
    url: Annotated[str, Field(pattern=r"^https://\S+$", max_length=2000)] | None = None
    texts: dict[str, Annotated[str, Field(min_length=1), AfterValidator(_fits_instagram)]] = {}
    """Wording by language code ("en", "tr", …); a language without one uses Earshot's own wording."""
    per_customer_per_day: int = Field(default=1, ge=1, le=100)
    max_age_min: int = Field(default=30, ge=1, le=24 * 60)
    """The customer's message is older than this when it would leave: expired, and a person decides instead."""
    template: TemplateConfig | None = None
    """WhatsApp: what leaves when the 24-hour window is over. Without it: expired."""
    on_comments: Literal["auto", "private", "public", "never"] = "auto"
    """How a comment is answered. auto: thanks for praise in public, everything else in private."""


class HighValue(_Part):
    """Which CRM field makes a customer high-value."""

    field: str
    is_one_of: tuple[str, ...] = Field(min_length=1)


class CrmConfig(_Part):
    """The tenant's CRM and its credentials."""

    kind: Literal["hubspot", "salesforce", "zoho", "pipedrive"]
    token: SecretStr | None = None
    domain: str | None = None
    dc: str | None = None
    client_id: str | None = None
    client_secret: SecretStr | None = None
    refresh_token: SecretStr | None = None
    high_value: HighValue | None = None
    create_contacts: bool = False
    """Create a contact when none matches. Off: the customer stays unlinked until a person picks one."""
    send_summary: bool = True

    @model_validator(mode="after")
    def _has_the_credentials_of_its_kind(self) -> Self:
        needed = {
            "hubspot": ("token",),
            "pipedrive": ("token",),
            "salesforce": ("domain", "client_id", "client_secret"),
            "zoho": ("dc", "client_id", "client_secret", "refresh_token"),
        }[self.kind]
        missing = [name for name in needed if getattr(self, name) is None]
        if missing:
            message = f'kind = "{self.kind}" needs {", ".join(missing)}'
            raise ValueError(message)
        return self


class SlaTarget(_Part):
    """Targets of one priority, in minutes of business time."""

    first_answer_min: int | None = Field(default=None, ge=1)
    next_answer_min: int | None = Field(default=None, ge=1)
    resolution_min: int | None = Field(default=None, ge=1)


class Hours(_Part):
    """When the tenant's people work."""

    time_zone: str = "UTC"
    weekdays: dict[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], str] = {}
    """`"09:00-18:00"` by day; a day that is not named is closed. Nothing named: open around the clock."""
    holidays: tuple[str, ...] = ()


class SweepConfig(_Part):
    """How the tenant's messages are judged again, month by month."""

    enabled: bool = True
    """One sweep each calendar month, begun on its first day. Off: only when somebody runs `earshot sweep run`."""
    days: int = Field(default=90, ge=1, le=366)
    """How far back it looks, by the provider's time of a message."""
    customers: int = Field(default=500, ge=1, le=1_000_000)
    """Whose messages: those the CRM calls high-value first, then those who write most."""
    budget_usd: float = Field(default=5.0, ge=0, le=100_000, allow_inf_nan=False)
    """A sweep pauses before it would spend more."""
    batches: bool = True
    """Use the provider's batches: half the price, but requests and answers lie there until we have read and deleted them."""
    approve_labels: bool = False
    """The CRM's labels stay as they are until somebody runs `earshot sweep approve`."""


class RuleWhen(_Part):
    """Conditions of a rule; all that are given must hold, a list holds when any of its values does."""

    sentiment: tuple[Sentiment, ...] | None = None
    intent: tuple[Intent, ...] | None = None
    topics: tuple[str, ...] | None = None
    surface: tuple[Surface, ...] | None = None
    language: tuple[str, ...] | None = None
    message_type: tuple[str, ...] | None = None
    """The channel's word for what came ("image", "audio", "order" …). The one condition that also fits messages without words."""
    high_value: bool | None = None
    min_score: float | None = Field(default=None, ge=0, le=1)
    max_score: float | None = Field(default=None, ge=0, le=1)


class RuleThen(_Part):
    """What a rule decides."""

    queue: Literal["senior", "support", "engineering", "sales", "customer_success", "review", "auto"]
    priority: Priority
    actions: tuple[ActionKind, ...] = ()


class Rule(_Part):
    """One routing rule: the first whose conditions all hold decides."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,64}$")]
    because: Annotated[str, Field(min_length=1, max_length=200)]
    """Why, as an agent reads it beside the conversation."""
    when: RuleWhen
    then: RuleThen


def _known_industry(name: str) -> str:
    """The template's own name, which is what is stored, for a name or an alias of it."""
    known = find_industry_name(name)
    if known:
        return known
    nearest = nearest_industry_name(name)
    hint = f'; the nearest is "{nearest}"' if nearest else ""
    raise ValueError(f'"{name}" is unknown; one of: {", ".join(industry_names())}{hint}')


ModelName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{2,99}$")]


class ModelConfig(_Part):
    """Which models read the tenant's messages; None: what the installation uses."""

    default: ModelName | None = None
    escalation: ModelName | None = None
    """Reads again what the default model is unsure of, finds sarcastic, or contradicts itself in."""
    escalate_below: float = Field(default=0.55, ge=0, le=1)
    """Answers with a lower score are read again."""
    rules: Literal[RULES_VERSIONS] | None = None  # pyright: ignore[reportInvalidTypeForm]
    """A version of the global rules to keep to; None: always the newest."""
    max_escalation_share: float = Field(default=0.05, ge=0, le=1)
    """Of a day's calls; 0 switches second readings off. They cost some twenty times as much."""


class BudgetConfig(_Part):
    """What the tenant's analyses may cost. When it is used up they wait, and people see their messages all the same."""

    daily_usd: float | None = Field(default=None, gt=0)
    monthly_usd: float | None = Field(default=None, gt=0)


class TenantConfig(_Part):
    """All that one tenant may set."""

    slug: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    name: Annotated[str, Field(min_length=1, max_length=200)]
    industry: Annotated[str, AfterValidator(_known_industry)] = "general"
    tone: Annotated[str, Field(max_length=200)] = ""
    default_region: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] = "US"
    context_turns: int = Field(default=5, ge=0, le=20)
    channels: tuple[ChannelConfig, ...] = ()
    topics: Annotated[Topics, AfterValidator(check_number)] = {}
    """On top of the template's; the same name gives a template's topic another definition."""
    thresholds: Thresholds = Thresholds()
    model: ModelConfig = ModelConfig()
    budget: BudgetConfig = BudgetConfig()
    actions: dict[ActionKind, ActionConfig] = {}
    crm: CrmConfig | None = None
    sla: dict[Priority, SlaTarget] = {}
    hours: Hours = Hours()
    sweep: SweepConfig = SweepConfig()
    rules: tuple[Rule, ...] = ()

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        accounts = [(channel.kind, channel.account_id) for channel in self.channels]
        if len(accounts) != len(set(accounts)):
            message = "two [[channels]] have the same kind and account_id"
            raise ValueError(message)
        refund_form = self.actions.get("send_refund_form")
        if refund_form and refund_form.enabled and not refund_form.url:
            message = "actions.send_refund_form needs url while it is enabled"
            raise ValueError(message)
        return self


def _resolve_env(value: Any, environ: Mapping[str, str], *, path: str) -> Any:
    if isinstance(value, dict):
        return {key: _resolve_env(item, environ, path=f"{path}.{key}" if path else key) for key, item in value.items()}
    if isinstance(value, list):
        return [_resolve_env(item, environ, path=f"{path}[{number}]") for number, item in enumerate(value)]
    if isinstance(value, str) and value.startswith(ENV_PREFIX):
        name = value.removeprefix(ENV_PREFIX)
        if not environ.get(name):
            message = f"{path} asks for the environment variable {name}, which is not set"
            raise TenantFileError(message)
        return environ[name]
    return value


def _line_of(text: str, loc: tuple[int | str, ...]) -> int | None:
    """The line where the key at `loc` most likely stands, or None. TOML parsers keep no positions."""
    lines = text.splitlines()
    start = 0
    names = [part for part in loc if isinstance(part, str)]
    for depth, part in enumerate(loc):
        table = ".".join(names[: depth + 1])
        if isinstance(part, int):
            header = re.compile(rf"^\s*\[\[\s*{re.escape(str(loc[depth - 1]))}\s*\]\]")
            found = [number for number, line in enumerate(lines) if header.match(line)]
            start = found[part] if part < len(found) else start
        else:
            header = re.compile(rf"^\s*\[\[?\s*{re.escape(table)}\s*\]\]?")
            key = re.compile(rf"""^\s*["']?{re.escape(part)}["']?\s*[.=]""")
            for number in range(start, len(lines)):
                if header.match(lines[number]) or key.match(lines[number]):
                    start = number
                    break
            else:
                return start + 1 if start else None
    return start + 1


_FRIENDLY = {"extra_forbidden": "is not a key Earshot knows (a typo?)", "missing": "is missing"}


def _explain(error: ValidationError, *, source: str, text: str) -> str:
    problems: list[str] = []
    for item in error.errors(include_input=False, include_url=False, include_context=False):
        loc = tuple(part for part in item["loc"] if part != "[key]")
        where = ".".join(str(part) for part in loc) or "the file"
        line = _line_of(text, loc) if loc else None
        place = f"{source}:{line}" if line else source
        reason = _FRIENDLY.get(item["type"], item["msg"].removeprefix("Value error, "))
        problems.append(f"{place}: {where}: {reason}")
    return "\n".join(problems)


def _topic_twins(config: TenantConfig, *, source: str, text: str) -> list[str]:
    """One line per topic of the tenant's whose name another one has but for capitals, - or _.

    Looked for in files only: a template that grows must not lock out the tenants that are stored.
    """
    known = tuple(load_industry(config.industry).all_topics())
    problems: list[str] = []
    for number, name in enumerate(config.topics):
        twin = find_twin(name, (*known, *tuple(config.topics)[:number]))
        if twin:
            origin = "the template's" if twin in known else "another of yours,"
            place = f"{source}:{_line_of(text, ('topics', name))}"
            problems.append(
                f'{place}: topics.{name}: reads like {origin} "{twin}"; use that name, or one that differs more'
            )
    return problems


def _toml_problem(error: tomllib.TOMLDecodeError, *, source: str, text: str) -> str:
    """The parser's words with the line in front, and in ours when the same key or table stands there twice."""
    told = str(error)
    at = re.search(r"at line (\d+)", told)
    line = int(at[1]) if at else len(text.splitlines())
    twice = "Cannot overwrite" in told or "Cannot declare" in told
    hint = f": a key or table stands here for the second time (line {line}); keep one of the two" if twice else ""
    return f"{source}:{line}: not valid TOML: {told}{hint}"


def parse_tenant_file(text: str, *, source: str, environ: Mapping[str, str]) -> TenantConfig:
    """A checked TenantConfig from TOML text; `env:NAME` strings are read from `environ`.

    Raises: TenantFileError with one line per problem: file, line, key, and what to do. No value is quoted.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TenantFileError(_toml_problem(error, source=source, text=text)) from None
    try:
        config = TenantConfig.model_validate(_resolve_env(document, environ, path=""))
    except TenantFileError as error:
        message = f"{source}: {error}"
        raise TenantFileError(message) from None
    except ValidationError as error:
        raise TenantFileError(_explain(error, source=source, text=text)) from None
    twins = _topic_twins(config, source=source, text=text)
    if twins:
        raise TenantFileError("\n".join(twins))
    return config


def load_tenant_file(path: Path, *, environ: Mapping[str, str]) -> TenantConfig:
    """Read and check one tenant file.

    Raises: TenantFileError, also when the file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path}: cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}"
        raise TenantFileError(message) from None
    return parse_tenant_file(text, source=str(path), environ=environ)
