"""Driving messages through the stages by hand."""

from datetime import UTC, datetime

from worker import analyze_step, steps
from worker.stage import Next


def now():
    return datetime.now(UTC)


def run_all(deps, ref):
    """All five stages; returns ids of actions to carry out."""
    assert steps.minimize(deps, ref) is Next.GO_ON
    assert analyze_step.analyze(deps, ref) is Next.GO_ON
    assert steps.persist(deps, ref) is Next.GO_ON
    routed = steps.route(deps, ref, now=now())
    assert steps.crm_sync(deps, ref) is Next.GO_ON
    return routed.action_ids


def states(owner):
    """The state of every message, oldest first."""
    return [state for (state,) in owner.execute("SELECT state FROM message ORDER BY id").fetchall()]
