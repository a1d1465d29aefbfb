"""A tenant with a million messages, written straight into the tables by the server itself: takes minutes, not hours.

The rollups are then counted by the product's own code, so that they say what they would say.
"""

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, LiteralString, cast

import psycopg

from benchmarks.history import any_facts
from config.tenant import TenantConfig
from routing.playbooks import policy_for
from routing.policy_snapshot import take_snapshot
from routing.stored_facts import facts_to_json
from routing.trends import LOOK_BACK
from store.db import Database
from worker.answer_time_reports import count_tenant_reports
from worker.day_counting import count_tenant
from worker.deps import Deps, TenantConfigs
from worker.trend_watch import CHUNK, recount

DAYS = 400
FACTS = 2_000
# In this order; each file is named for what it fills.
_STEPS = ("people", "messages", "readings", "decisions", "work", "promises", "effects", "crm", "webhooks", "upkeep")


@dataclass(frozen=True)
class Size:
    """How much a tenant has. open: conversations that wait or are worked on; the rest is resolved."""

    messages: int
    customers: int
    open: int


def fill_tenant(
    owner_url: str, tenant_id: int, *, config: TenantConfig, size: Size, say: Callable[[str], None]
) -> None:
    """Everything but the rollups. The same size gives much the same rows each time."""
    snapshot = take_snapshot(policy_for(config))
    rng = random.Random(1)  # noqa: S311 -- the same facts each time
    facts = [json.dumps(facts_to_json(any_facts(rng))) for _ in range(FACTS)]
    values: dict[str, Any] = {
        "tenant": tenant_id,
        "days": DAYS,
        "facts": facts,
        "policy_hash": snapshot.policy_hash,
        "policy": snapshot.text,
        **vars(size),
    }
    with psycopg.connect(owner_url, autocommit=True) as conn:
        # Nothing listens yet: triggers that tell open pages and the CRM of each row would tell of millions.
        conn.execute("SET session_replication_role = replica")
        conn.execute("SET synchronous_commit = off")
        conn.execute("SET work_mem = '256MB'")
        conn.execute("SET maintenance_work_mem = '256MB'")
        conn.execute(
            "SELECT ensure_month_partitions((now() - make_interval(days => %s))::date, %s)", (DAYS, DAYS // 28 + 3)
        )
        for step in _STEPS:
            began = time.perf_counter()
            conn.execute("SELECT setseed(0.42)")
            for statement in _statements(step):
                conn.execute(statement, values if "%(" in statement else None)
            say(f"{step} {time.perf_counter() - began:.0f} s")
        conn.execute("DROP TABLE IF EXISTS new_person, new_talk, new_message, new_reading")


def _statements(step: str) -> list[LiteralString]:
    text = (files("benchmarks") / "rows" / f"{step}.sql").read_text(encoding="utf-8")
    return [cast("LiteralString", one) for one in text.split(";\n") if one.strip()]


def settle_tables(owner_url: str) -> None:
    """What autovacuum does within the hour."""
    with psycopg.connect(owner_url, autocommit=True) as conn:
        conn.execute("VACUUM (ANALYZE)")


def count_rollups(database: Database, tenant_id: int) -> None:
    """Labels by day and hour, and answer times, as the workers count them."""
    deps = cast("Deps", _CountingDeps(database, TenantConfigs(database)))
    now = datetime.now(UTC)
    while count_tenant(deps, tenant_id, now=now):
        pass
    recount(deps, tenant_id, span=LOOK_BACK + CHUNK, now=now)
    count_tenant_reports(deps, tenant_id, now=now)


@dataclass(frozen=True)
class _CountingDeps:
    """Of what a worker holds, only what counting needs."""

    database: Database
    tenants: TenantConfigs
