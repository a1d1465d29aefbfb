"""Choosing examples beside the event loop, and once as long as nobody says anything new."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence

import gevent

from analysis.examples import Choice
from config.tenant import TenantConfig
from store.example_candidates import JudgedMessage
from worker.example_proposals import choose_from

KEPT = 16
_lock = threading.Lock()
_known: OrderedDict[bytes, Choice] = OrderedDict()


def choose_aside(judged: Sequence[JudgedMessage], tenant: TenantConfig) -> Choice:
    """What `choose_from` gives. In a thread, so that every other page goes on meanwhile."""
    said = [list(vars(one).values()) for one in judged]
    topics = [tenant.industry, tenant.default_region, sorted(tenant.topics)]
    key = hashlib.sha256(repr([said, topics]).encode()).digest()
    with _lock:
        if key in _known:
            _known.move_to_end(key)
            return _known[key]
    choice = gevent.get_hub().threadpool.apply(choose_from, (judged, tenant))
    with _lock:
        _known[key] = choice
        while len(_known) > KEPT:
            _known.popitem(last=False)
    return choice
