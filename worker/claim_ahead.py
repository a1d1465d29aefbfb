"""Minimizing a message and claiming the call to the model for it in one transaction, where that call can be made at once."""

from collections.abc import Callable

from config.tenant import TenantConfig
from store.db import Connection
from store.messages import StoredMessage, try_share_context
from store.runs import LockedRun, RunRef
from worker import analyze_step, steps
from worker.deps import Deps
from worker.model_call import ClaimedCall
from worker.stage import Next


def minimize_and_claim(deps: Deps, ref: RunRef) -> tuple[Next, ClaimedCall | None]:
    """`steps.minimize`, and what `analyze_step.analyze` need not claim any more; None where it has to look for itself.

    Raises: what either raises; nothing is minimized then.
    """
    tenant = deps.tenants.get(ref.tenant_id)
    made: list[ClaimedCall] = []
    taken: list[str] = []

    def claim(conn: Connection, run: LockedRun, message: StoredMessage) -> None:
        claimed = _claim(deps, ref, conn, run=run, message=message, tenant=tenant, note_turn=taken.append)
        made.extend([claimed] if claimed else [])

    try:
        verdict = steps.minimize(deps, ref, claim=claim)
    except BaseException:
        for model in taken:
            deps.provider_gate.give_back(model)
        raise
    return verdict, made[0] if made else None


def _claim(
    deps: Deps,
    ref: RunRef,
    conn: Connection,
    *,
    run: LockedRun,
    message: StoredMessage,
    tenant: TenantConfig,
    note_turn: Callable[[str], None],
) -> ClaimedCall | None:
    """None where the message has failed before, or the tenant's budget, the provider or an erasure has to be asked or waited for."""
    analyzer = deps.analyzer
    if analyzer is None or tenant.budget.is_limited or run.leased or run.crashes or run.error_code:
        return None
    assert message.conversation_id is not None
    # Rows are locked: whoever holds the context now may wait for them, so it is not waited for.
    if not try_share_context(conn, message.conversation_id):
        return None
    model = analyze_step.choose_model(deps, analyzer, tenant)
    if not deps.provider_gate.take_now(model):
        return None
    note_turn(model)
    return analyze_step.claim_locked(conn, ref, analyzer, run=run, message=message, tenant=tenant, model=model)
