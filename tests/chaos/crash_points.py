"""All crash points of the code, in lanes: points of one lane are armed one after the other, lanes beside each other."""

import re
from pathlib import Path

from tests.conftest import ROOT

LANES: dict[str, tuple[str, ...]] = {
    "intake": (
        "intake.before_commit", "intake.after_commit", "publisher.before_ring", "publisher.after_ring",
        "reanalyze.before_commit", "sweep.after_lease", "sweep.before_call", "sweep.after_call",
    ),
    "model": (
        "analyze.before_claim", "analyze.claim_before_commit", "analyze.before_call", "analyze.after_call",
        "analyze.answer_before_commit", "analyze.after_commit", "analyze.failure_before_commit",
    ),
    "stages": (
        "minimize.before_commit", "minimize.after_commit", "fusion.before_link", "persist.before_commit",
        "persist.after_commit", "route.before_commit", "route.after_commit", "route.after_ring",
        "crm_sync.before_commit", "crm_sync.after_commit", "survey.answer_before_commit",
    ),
    "delivery": (
        "delivery.claim_before_commit", "delivery.before_send", "delivery.after_send", "delivery.settle_before_commit",
        "delivery.after_settle", "automation_webhook.before_post", "automation_webhook.after_post",
        "webhooks.after_turn", "webhooks.before_post", "webhooks.after_post", "webhooks.settle_before_commit",
    ),
    "upkeep": (
        "reconcile.before_ring", "reconcile.after_ring", "provisional.before_commit", "place.before_commit",
        "clocks.before_commit",
    ),
    "CRM": (
        "crm.after_turn", "crm_search.after_find", "crm_search.after_create", "crm_search.settle_before_commit",
        "crm_events.before_emit", "crm_events.after_emit", "crm_events.settle_before_commit",
        "crm_cards.before_write", "crm_cards.after_write", "crm_cards.settle_before_commit",
    ),
}  # fmt: skip
# Where a death would cost most if it cost anything: a message that was acknowledged, an answer that is paid, one that was sent.
DEAREST: dict[str, tuple[str, ...]] = {
    "intake": ("intake.after_commit",),
    "model": ("analyze.after_call",),
    "delivery": ("delivery.after_send",),
}
PACKAGES = ("analysis", "channels", "config", "console", "crm_sync", "routing", "store", "webhook_receiver", "worker")
_POINT = re.compile(r'crash_point\("([a-z_.]+)"\)')


def list_points_in_code() -> list[str]:
    """Every label, as often as it stands in the product's files."""
    files = [path for package in PACKAGES for path in Path(ROOT, package).rglob("*.py")]
    return sorted(label for path in files for label in _POINT.findall(path.read_text(encoding="utf-8")))
