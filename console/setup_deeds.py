"""What the set-up changes of a tenant's settings: industry, country, time zone, topics and thresholds, checked like a tenant file."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from config.industries import load_industry
from config.tenant import TenantConfig
from console.channel_deeds import ChannelWriter
from routing.settings_check import SettingProblem, SettingsError, patch_settings
from store.action_secrets import list_kinds_with_secret
from store.db import Connection
from store.onboarding import Step, settle_step
from store.tenant_settings import change_settings, get_settings


def _(text: str) -> str:
    """Marks a text for the catalogs."""
    return text


def change_setup(
    conn: Connection, who: ChannelWriter, patch: Mapping[str, Any], *, step: Step, seen_version: int | None
) -> bool:
    """Store it and note that a person has settled the step. False: the settings have changed since that version. Raises: SettingsError."""
    stands = get_settings(conn, who.tenant_id)
    if seen_version is not None and stands.version != seen_version:
        return False
    changed = patch_settings(
        stands.config,
        patch,
        allow_private_urls=who.allow_private_urls,
        stored_secrets=list_kinds_with_secret(conn, who.tenant_id),
    )
    stored = change_settings(
        conn, who.tenant_id, changed=changed, seen_version=stands.version, by=who.by, changed_in=who.changed_in
    )
    if stored is None:
        return False
    settle_step(conn, who.tenant_id, step, settled_as="done", by=who.by)
    return True


@dataclass(frozen=True)
class TopicRow:
    """A topic as it stands in the form. told: the definition of the template, None for one of the tenant's own."""

    name: str
    definition: str
    template: str | None
    is_removed: bool = False
    problem: str | None = None


def topic_rows(config: TenantConfig) -> list[TopicRow]:
    """The template's topics by name, then the tenant's own."""
    known = load_industry(config.industry).all_topics()
    rows = [TopicRow(name, config.topics.get(name, about), about) for name, about in sorted(known.items())]
    return rows + [TopicRow(name, about, None) for name, about in config.topics.items() if name not in known]


def name_of_topic(typed: str) -> str:
    """As it is stored: "Gift wrapping" is gift_wrapping."""
    return re.sub(r"[\s_-]+", "_", typed.strip()).lower()


def patch_topics(config: TenantConfig, rows: Sequence[TopicRow]) -> dict[str, Any]:
    """The merge patch that makes the tenant's topics those of the form. Raises: SettingsError when one stands there twice."""
    wanted: dict[str, str] = {}
    for row in rows:
        if row.is_removed or (not row.name and not row.definition):
            continue
        if row.template is not None and row.definition in {"", row.template}:
            continue
        if row.name in wanted:
            problem = SettingProblem(f"topics.{row.name}", _("stands here twice; keep one of the two"))
            raise SettingsError([problem])
        wanted[row.name] = row.definition
    gone = dict.fromkeys(name for name in config.topics if name not in wanted)
    return {"topics": {**gone, **wanted}}
