"""Choosing examples beside the event loop, and once as long as nobody says anything new."""

import hashlib
from collections.abc import Sequence

import gevent

from analysis.examples import Choice
from config.tenant import TenantConfig
from console.remembered import Remembered
from store.example_candidates import JudgedMessage
from worker.example_proposals import choose_from

_choices = Remembered[Choice](kept=16)


def choose_aside(judged: Sequence[JudgedMessage], tenant: TenantConfig) -> Choice:
    """What `choose_from` gives. In a thread, so that every other page goes on meanwhile."""
    said = [list(vars(one).values()) for one in judged]
    topics = [tenant.industry, tenant.default_region, sorted(tenant.topics)]
    key = hashlib.sha256(repr([said, topics]).encode()).digest()
    return _choices.get(key, lambda: gevent.get_hub().threadpool.apply(choose_from, (judged, tenant)))
