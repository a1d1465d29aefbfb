"""An action that a bug of ours keeps from leaving: tried a few more times, then given up, and people hear of it."""

from datetime import datetime

import structlog

from routing.actions import WAITED_FOR
from store.action_people import hand_to_person
from store.actions import claim_action, put_back_action, settle_action
from worker.delivery import MAX_TRIES
from worker.deps import Deps
from worker.metrics import ACTIONS

log = structlog.get_logger()


def note_action_bug(deps: Deps, *, tenant_id: int, action_id: str, code: str, now: datetime) -> None:
    """Count a try that ended in a bug before anything left; the bug undid what counted it. One that was on its way is left to its lease.

    code: "bug_" and the exception's class. Raises: StoreError.
    """
    auto_queues = deps.tenants.get(tenant_id).assignment.auto_assign
    with deps.database.tenant_transaction(tenant_id) as conn:
        action = claim_action(conn, tenant_id, action_id)
        if action is None:
            return
        if action.tries < MAX_TRIES:
            put_back_action(conn, action.id, retry_in_s=2.0 * 2**action.tries, error_code=code)
            return
        settle_action(conn, action.id, state="failed", error_code=code)
        ACTIONS.labels(action.kind, "failed").inc()
        if action.kind in WAITED_FOR:
            hand_to_person(conn, action, because="not_accepted", now=now, auto_queues=auto_queues)
    log.error("action_given_up", action_id=action_id, code=code)
