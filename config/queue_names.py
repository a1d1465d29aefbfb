"""Which queues a tenant has, and what in its file names one that it does not have."""

from collections.abc import Iterable

from config.rules import nearest
from config.tenant import TenantConfig
from config.words import QUEUES

Problem = tuple[tuple[str, ...], str]


def known_queues(config: TenantConfig) -> tuple[str, ...]:
    """The names of all queues of the tenant: those that everybody has, then its own."""
    return (*QUEUES, *config.queues)


def why_unknown(names: Iterable[str], config: TenantConfig) -> str | None:
    """What is wrong with the first name that is no queue of the tenant, and the nearest that is; None when all are."""
    known = known_queues(config)
    return next((f'there is no queue "{name}"{nearest(name, known)}' for name in names if name not in known), None)


def list_queue_problems(config: TenantConfig) -> list[Problem]:
    """(path of the key, what is wrong) for queues named in [assignment] and [sla]; rules are looked at in config.rule_names."""
    problems: list[Problem] = []
    unknown = why_unknown(config.assignment.auto_assign, config)
    if unknown:
        problems.append((("assignment", "auto_assign"), unknown))
    problems += [
        (("sla", "queue", name), told) for name in config.sla.queue if (told := why_unknown([name], config)) is not None
    ]
    return problems
