"""What the receiver counts. The tenant is never a label."""

import os

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

RECEIVED = Counter("earshot_messages_received_total", "New messages stored", ["channel"])
DUPLICATES = Counter("earshot_messages_duplicate_total", "Messages that were stored before", ["channel"])
REJECTED = Counter("earshot_webhook_rejected_total", "Webhooks answered with an error", ["channel", "reason"])
DROPPED = Counter("earshot_webhook_dropped_total", "Items acknowledged and not kept as messages", ["channel", "reason"])
RINGS_LOST = Counter("earshot_rings_lost_total", "Chains not published at once; the reconciler starts them")


def render() -> tuple[bytes, str]:
    """The metrics page of all processes of this receiver, and its content type."""
    registry = REGISTRY
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
    return generate_latest(registry), CONTENT_TYPE_LATEST
