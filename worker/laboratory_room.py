"""What is to be tried in the laboratory, and the requests that would leave for it: live ones and tried ones side by side."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from analysis.base import AnalysisRequest, MinimizedText
from analysis.minimize import minimize
from config.industries import load_industry
from config.tenant import TenantConfig
from config.topics import find_twin
from store.db import Connection
from store.effective_labels import ModelReading, find_model_reading
from store.examples import PublishedExamples, add_proposal, find_snapshot, get_published_examples, lock_snapshots
from store.messages import get_message
from store.trials import can_be_tried
from worker.analysis_request import build_request, request_for_words
from worker.example_proposals import Chooser, choose_examples, choose_from
from worker.trials import TrialError

MAX_MESSAGES = 50


@dataclass(frozen=True)
class LabSetup:
    """What is to be tried; None leaves what is live.

    topics: instead of the tenant's own, on top of the template's. examples: a version, "none" or "proposed".
    rules: a version of the global rules.
    """

    topics: Mapping[str, str] | None = None
    industry: str | None = None
    tone: str | None = None
    examples: str | None = None
    model: str | None = None
    rules: str | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def asks_differently(self) -> bool:
        """Whether the model is told something else than live. Thresholds alone need no call."""
        changes = (self.topics, self.industry, self.tone, self.examples, self.model, self.rules)
        return any(change is not None for change in changes)


def tried_config(tenant: TenantConfig, setup: LabSetup) -> TenantConfig:
    """The tenant's configuration with what is to be tried, checked as a tenant file is. Raises: TrialError."""
    document: dict[str, Any] = tenant.model_dump(mode="json", exclude={"channels", "crm"})
    if setup.topics is not None:
        document["topics"] = dict(setup.topics)
    if setup.industry is not None:
        document["industry"] = setup.industry
    if setup.tone is not None:
        document["tone"] = setup.tone
    document["model"] = {
        **document["model"],
        **{name: value for name, value in (("default", setup.model), ("rules", setup.rules)) if value is not None},
    }
    document["thresholds"] = {**document["thresholds"], **setup.thresholds}
    try:
        config = TenantConfig.model_validate(document)
    except ValidationError as error:
        problems = [
            f"{'.'.join(str(part) for part in item['loc'] if part != '[key]')}: {item['msg'].removeprefix('Value error, ')}"
            for item in error.errors(include_input=False, include_url=False, include_context=False)
        ]
        raise TrialError("; ".join(problems)) from None
    known = tuple(load_industry(config.industry).all_topics())
    for number, name in enumerate(config.topics):
        twin = find_twin(name, (*known, *tuple(config.topics)[:number]))
        if twin:
            raise TrialError(f'topics.{name}: reads like "{twin}"; use that name, or one that differs more')
    return config


@dataclass(frozen=True)
class Requests:
    """What would be asked about one message, live and tried. message_id: None for pasted words. stored: its analysis so far."""

    message_id: str | None
    live: AnalysisRequest
    trial: AnalysisRequest
    context_ids: tuple[str, ...]
    stored: ModelReading | None


def is_uuid(text: str) -> bool:
    """Whether it could be a message's id."""
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


@dataclass(frozen=True)
class Room:
    """What messages are brought into. configs and examples: live, tried."""

    conn: Connection
    tenant_id: int
    configs: tuple[TenantConfig, TenantConfig]
    examples: tuple[PublishedExamples, PublishedExamples]

    @classmethod
    def open(
        cls,
        conn: Connection,
        tenant_id: int,
        *,
        tenant: TenantConfig,
        setup: LabSetup,
        chooser: Chooser = choose_from,
    ) -> "Room":
        """With the examples that the setup names; "proposed" numbers a proposal. Raises: TrialError."""
        configs = (tenant, tried_config(tenant, setup))
        return cls(conn, tenant_id, configs, _examples(conn, tenant_id, tenant=tenant, setup=setup, chooser=chooser))

    def stored(self, message_id: str) -> Requests:
        """A message of the tenant with the context it had. Raises: TrialError."""
        if not is_uuid(message_id) or not can_be_tried(self.conn, self.tenant_id, message_id):
            raise TrialError(f"this tenant has no message {message_id[:40]} whose words could be read")
        message = get_message(self.conn, message_id)
        live, trial = (
            build_request(self.conn, message, tenant_id=self.tenant_id, tenant=config, examples=examples)
            for config, examples in zip(self.configs, self.examples, strict=True)
        )
        reading = find_model_reading(self.conn, message_id)
        return Requests(message_id, live.request, trial.request, live.context_ids, reading)

    def pasted(self, text: str) -> Requests:
        """Words that somebody pasted: stripped like a message, without context. Raises: TrialError."""
        if not text.strip():
            raise TrialError("there are no words in a pasted message")
        words = self.strip(text)
        live, trial = (
            request_for_words(words, config, examples)
            for config, examples in zip(self.configs, self.examples, strict=True)
        )
        return Requests(None, live, trial, (), None)

    def strip(self, text: str) -> MinimizedText:
        """Pasted words without what names or numbers a person."""
        return minimize(text, region=self.configs[0].default_region).text


def _examples(
    conn: Connection, tenant_id: int, *, tenant: TenantConfig, setup: LabSetup, chooser: Chooser
) -> tuple[PublishedExamples, PublishedExamples]:
    """The live examples and those to be tried. Raises: TrialError."""
    live = get_published_examples(conn, tenant_id)
    if setup.examples is None:
        return live, live
    if setup.examples == "none":
        return live, PublishedExamples()
    version = (
        _proposed(conn, tenant_id, tenant=tenant, live=live, chooser=chooser)
        if setup.examples == "proposed"
        else setup.examples
    )
    snapshot = find_snapshot(conn, tenant_id, version=int(version)) if str(version).isdecimal() else None
    if snapshot is None:
        raise TrialError(
            f'examples: there is no version {setup.examples}; give the number of one, "none" or "proposed"'
        )
    return live, snapshot.as_published()


def _proposed(
    conn: Connection, tenant_id: int, *, tenant: TenantConfig, live: PublishedExamples, chooser: Chooser
) -> int:
    lock_snapshots(conn, tenant_id)
    choice = choose_examples(conn, tenant_id, tenant=tenant, chooser=chooser)
    if not choice.chosen:
        raise TrialError("examples: the corrections give no example yet, so nothing is proposed")
    return add_proposal(conn, tenant_id, choice.chosen, based_on=live.version)
