"""Which of a tenant's settings are an administrator's alone: what lets something leave, what costs money, what deletes, and its name."""

from collections.abc import Iterable

ADMINS_ONLY = frozenset(
    {"name", "industry", "default_region", "model", "budget", "sweep", "actions", "automation", "retention"}
)
"""Keys of the tenant file. The others (rules, thresholds, topics, hours, targets, queues, surveys …) are a supervisor's too."""


def list_admins_only(paths: Iterable[str]) -> list[str]:
    """Those of the paths ("actions.webhook.url") that only an administrator may change, in their order."""
    return [path for path in paths if path.partition(".")[0] in ADMINS_ONLY]
