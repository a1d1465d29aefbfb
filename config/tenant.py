"""All that one tenant may set."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from config.actions import ActionConfig
from config.alerting import AlertTarget, Churn, Trends, check_names
from config.assignment import AssignmentConfig
from config.automation import Automation
from config.canary import CanaryConfig
from config.channel_account import ChannelConfig
from config.crm import CrmConfig
from config.floor import FloorWords
from config.hours import Hours
from config.industries import find_industry_name, industry_names, nearest_industry_name
from config.model import BudgetConfig, ModelConfig
from config.queues import OwnQueues
from config.retention import Retention
from config.rules import Rule
from config.sla import Sla
from config.surveys import Surveys
from config.sweep import SweepConfig
from config.tenant_part import TenantPart
from config.thresholds import Thresholds
from config.topics import Topics, check_number
from config.words import ActionKind


def _known_industry(name: str) -> str:
    """The template's own name, which is what is stored, for a name or an alias of it."""
    known = find_industry_name(name)
    if known:
        return known
    nearest = nearest_industry_name(name)
    hint = f'; the nearest is "{nearest}"' if nearest else ""
    raise ValueError(f'"{name}" is unknown; one of: {", ".join(industry_names())}{hint}')


class TenantConfig(TenantPart):
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
    automation: Automation = Automation()
    crm: CrmConfig | None = None
    sla: Sla = Sla()
    hours: Hours = Hours()
    sweep: SweepConfig = SweepConfig()
    retention: Retention = Retention()
    surveys: Surveys = Surveys()
    churn: Churn = Churn()
    trends: Trends = Trends()
    alerts: Annotated[tuple[AlertTarget, ...], Field(max_length=20), AfterValidator(check_names)] = ()
    """Where alerts are sent. Stored encrypted beside the rest, so what is read back from the database holds none."""
    assignment: AssignmentConfig = AssignmentConfig()
    queues: OwnQueues = {}
    floor: FloorWords = FloorWords()
    canary: CanaryConfig = CanaryConfig()
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
