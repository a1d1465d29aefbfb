"""Other thresholds, rules and actions over a tenant's own history, before they are saved. Nothing is stored and nothing fires."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from config.tenant import TenantConfig
from routing.playbooks import policy_for
from routing.policy_changes import describe_changes
from routing.simulation import PastDecision
from routing.simulation_report import Simulation, sentence, simulate
from store.db import Connection
from store.past_decisions import find_nth_newest_decision, iterate_past_decisions, list_human_answers, list_verdicts

# An answer to a message from before the history may still matter to the first decisions in it.
_ANSWERS_BEFORE = timedelta(days=7)
# So many decisions take a few milliseconds.
_BREATH = 25


@dataclass(frozen=True)
class Trial:
    """A simulation, what was changed in words, and all of it in one sentence.

    since: what was looked at. is_cut: there were more decisions than could be looked at, and the older ones were left out.
    """

    simulation: Simulation
    changes: tuple[str, ...]
    sentence: str
    since: datetime
    is_cut: bool = False


def try_settings(
    conn: Connection,
    tenant_id: int,
    *,
    live: TenantConfig,
    tried: TenantConfig | None,
    now: datetime,
    days: int,
    at_most: int | None = None,
) -> Trial:
    """The tried settings against the live ones over the last days; without tried ones, the live ones against what was decided.

    at_most: look at the newest so many decisions only. None: at all. The transaction must act for the tenant. Raises: StoreError.
    """
    since = now - timedelta(days=days)
    oldest = find_nth_newest_decision(conn, tenant_id, nth=at_most) if at_most else None
    is_cut = oldest is not None and oldest > since
    since = max(since, oldest or since)
    today = policy_for(live)
    before, after = (today, policy_for(tried)) if tried else (None, today)
    result = simulate(
        _breathing(iterate_past_decisions(conn, tenant_id, since=since)),
        before=before,
        after=after,
        answers=list_human_answers(conn, tenant_id, since=since - _ANSWERS_BEFORE),
        verdicts=list_verdicts(conn, tenant_id, since=since),
    )
    changes = describe_changes(before, after) if before else ()
    what = "; ".join(changes) or ("the same settings" if before else "today's settings against what was decided")
    span = "the last day" if days == 1 else f"the last {days} days"
    return Trial(result, changes, sentence(result, what=what, span=span), since, is_cut)


def _breathing(history: Iterable[PastDecision]) -> Iterator[PastDecision]:
    """The same history; other greenlets of the console have their turn meanwhile. In a process without greenlets it costs nothing."""
    for number, past in enumerate(history, start=1):
        if number % _BREATH == 0:
            time.sleep(0)
        yield past
