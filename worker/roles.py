"""Which worker does what: the same names in Procfile, compose file and `earshot up`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RoleSpec:
    """A kind of worker process: the queues it serves and how many tasks it works on at a time."""

    queues: tuple[str, ...]
    concurrency: int


# Short database-only stages; the stage that waits for the model; replies, webhooks and upkeep; CRMs, of which one that hangs must
# hold up neither a reply nor another tenant's CRM.
ROLES = {
    "stages": RoleSpec(queues=("minimize", "minimize_flood", "persist", "route", "crm_sync"), concurrency=6),
    "analyze": RoleSpec(queues=("analyze", "analyze_flood", "sweep"), concurrency=128),
    "delivery": RoleSpec(queues=("actions", "webhooks", "maintenance"), concurrency=24),
    "crm": RoleSpec(queues=("crm_flush",), concurrency=32),
}


def worker_arguments(role: str, *, number: int = 1) -> list[str]:
    """Arguments of `celery` that start a worker of this role. Raises: KeyError for an unknown role."""
    spec = ROLES[role]
    return [
        "--app", "worker.app", "worker",
        "--pool", "threads", "--concurrency", str(spec.concurrency),
        "--queues", ",".join(spec.queues),
        "--hostname", f"{role}-{number}@%h",
        "--without-gossip", "--without-mingle", "--task-events",
    ]  # fmt: skip
