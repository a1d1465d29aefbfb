"""Minimizing a message and claiming the call to the model for it in one transaction, where that call can be made at once."""

from config.tenant import TenantConfig
from store.analyses import place_and_claim
from store.db import Connection
from store.runs import LockedRun, RunRef
from worker import analyze_step, steps
from worker.analysis_request import build_request_of
from worker.deps import Deps
from worker.model_call import ClaimedCall
from worker.stage import Next


def minimize_and_claim(deps: Deps, ref: RunRef) -> tuple[Next, ClaimedCall | None]:
    """`steps.minimize`, and what `analyze_step.analyze` need not claim any more; None where it has to look for itself.

    Raises: what either raises; nothing is minimized then.
    """
    ahead = _Ahead(deps, ref, deps.tenants.get(ref.tenant_id))
    try:
        with deps.flood_hands.turn(is_flood=ref.is_flood):
            verdict = steps.minimize(deps, ref, claim=ahead)
    except BaseException:
        if ahead.turn_taken_at:
            deps.provider_gate.give_back(ahead.turn_taken_at)
        raise
    return verdict, ahead.claimed


class _Ahead:
    """Claims a message's call with its minimizing. turn_taken_at: the model at whose gate a turn was taken for it."""

    claimed: ClaimedCall | None = None
    turn_taken_at: str | None = None

    def __init__(self, deps: Deps, ref: RunRef, tenant: TenantConfig) -> None:
        self._deps, self._ref, self._tenant = deps, ref, tenant

    def advance_and_claim(self, conn: Connection, run: LockedRun, drafted: steps.Drafted) -> bool:
        """False where the message has failed before, or the tenant's budget, the provider or an erasure has to be asked or waited for."""
        analyzer = self._deps.analyzer
        if analyzer is None or self._tenant.budget.is_limited or run.leased or run.crashes or run.error_code:
            return False
        # Rows are locked: whoever holds the context now may wait for them, so it is not waited for.
        if not drafted.shares_context:
            return False
        model = analyze_step.choose_model(self._deps, analyzer, self._tenant)
        if not self._deps.provider_gate.take_now(model, bulk=self._ref.is_flood):
            return False
        self.turn_taken_at = model
        message, material = drafted.message, drafted.material
        built = build_request_of(
            conn,
            message,
            tenant=self._tenant,
            turns=material.turns,
            examples=material.examples,
            is_quiet=material.is_quiet,
        )
        call = analyze_step.prepare_call(analyzer, built, run=run, model=model)
        lease_token, egress_id = place_and_claim(
            conn,
            self._ref,
            drafted.place,
            call,
            words=drafted.words,
            context_ids=built.context_ids,
            purpose=analyze_step.purpose_of(run),
        )
        self.claimed = analyze_step.claimed_call(call, egress_id, lease_token, built, message)
        return True
