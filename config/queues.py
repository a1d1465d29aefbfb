"""Queues of a tenant's own, beside those that every tenant has."""

from typing import Annotated

from pydantic import AfterValidator, Field

from config.tenant_part import TenantPart
from config.words import QUEUES

QueueName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,39}$")]
MAX_OWN_QUEUES = 40


def _not_one_of_ours(name: str) -> str:
    if name in QUEUES:
        raise ValueError("is a queue that every tenant has; give yours another name")
    return name


class QueueConfig(TenantPart):
    """One queue of the tenant's own."""

    about: Annotated[str, Field(min_length=1, max_length=200)]
    """What stands in it, as agents read it."""


OwnQueues = Annotated[
    dict[Annotated[QueueName, AfterValidator(_not_one_of_ours)], QueueConfig], Field(max_length=MAX_OWN_QUEUES)
]
