"""Choosing examples beside the event loop, and once as long as nobody says anything new."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import gevent

from analysis.examples import Choice, Conflict
from config.tenant import TenantConfig
from console.remembered import Remembered
from store.example_candidates import JudgedMessage
from worker.example_proposals import choose_from

_choices = Remembered[Choice](kept=16)
# Five hundred people may write the same words; a few of each reading settle which is right.
SHOWN_OF_A_VALUE = 3


@dataclass(frozen=True)
class ShownConflict:
    """What a page says of a conflict. messages: pairs of id and value; more: how many others it has."""

    field: str
    messages: tuple[tuple[str, str], ...]
    more: int


def show_conflict(conflict: Conflict) -> ShownConflict:
    """Some messages of each value."""
    shown: list[tuple[str, str]] = []
    of_value: Counter[str] = Counter()
    for message_id, value in conflict.messages.items():
        of_value[value] += 1
        if of_value[value] <= SHOWN_OF_A_VALUE:
            shown.append((message_id, value))
    return ShownConflict(conflict.field, tuple(shown), len(conflict.messages) - len(shown))


def choose_aside(judged: Sequence[JudgedMessage], tenant: TenantConfig) -> Choice:
    """What `choose_from` gives. In a thread, so that every other page goes on meanwhile."""
    said = [list(vars(one).values()) for one in judged]
    topics = [tenant.industry, tenant.default_region, sorted(tenant.topics)]
    key = hashlib.sha256(repr([said, topics]).encode()).digest()
    return _choices.get(key, lambda: gevent.get_hub().threadpool.apply(choose_from, (judged, tenant)))
