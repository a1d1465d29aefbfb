"""What the beat does about clocks: computes the stale ones, tells warnings and breaches, takes back what is settled."""

from collections import defaultdict

import structlog

from config.crash_points import crash_point
from store.db import StoreError
from store.sla_alerts import (
    claim_conversation,
    count_open_clocks,
    list_due_conversations,
    list_tenants_with_settled_alerts,
    resolve_settled_alerts,
    write_due_alerts,
)
from store.sla_clocks import recompute_clocks
from worker.deps import Deps
from worker.metrics import SLA_ALERTS, SLA_OPEN_CLOCKS

log = structlog.get_logger()

CONVERSATIONS_PER_TICK = 1000
IN_ONE_TRANSACTION = 50


def watch_clocks(deps: Deps) -> None:
    """One round. Several may run at once: a conversation or clock that one of them holds is passed over. Raises: StoreError."""
    with deps.database.system_transaction() as conn:
        due = list_due_conversations(conn, limit=CONVERSATIONS_PER_TICK)
        settled = list_tenants_with_settled_alerts(conn)
        _measure(count_open_clocks(conn))
    by_tenant: dict[int, list[str]] = defaultdict(list)
    for one in due:
        by_tenant[one.tenant_id].append(one.conversation_id)
    for tenant_id in sorted({*by_tenant, *settled}):
        try:
            _watch_tenant(deps, tenant_id, by_tenant.get(tenant_id, []))
        except StoreError as error:
            log.warning("clocks_not_watched", code=error.code, tenant_id=tenant_id)


def _watch_tenant(deps: Deps, tenant_id: int, conversation_ids: list[str]) -> None:
    tenant = deps.tenants.get(tenant_id)
    for start in range(0, len(conversation_ids), IN_ONE_TRANSACTION):
        with deps.database.tenant_transaction(tenant_id) as conn:
            # What is due by its row may have been answered by an echo that found its place only now.
            for conversation_id in sorted(conversation_ids[start : start + IN_ONE_TRANSACTION]):
                if claim_conversation(conn, conversation_id):
                    recompute_clocks(conn, tenant_id, conversation_id, tenant=tenant)
            crash_point("clocks.before_commit")
    with deps.database.tenant_transaction(tenant_id) as conn:
        for kind in ("sla_breach", "sla_warning"):
            told = write_due_alerts(conn, tenant_id, kind=kind)
            SLA_ALERTS.labels(kind).inc(told)
            if told:
                log.info("clocks_told", kind=kind, clocks=told, tenant_id=tenant_id)
        resolve_settled_alerts(conn, tenant_id)


def _measure(open_clocks: dict[tuple[str, str], int]) -> None:
    for kind in ("first_answer", "next_answer", "resolution"):
        for state in ("running", "breached", "paused"):
            SLA_OPEN_CLOCKS.labels(kind, state).set(open_clocks.get((kind, state), 0))
