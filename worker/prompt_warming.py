"""After a tenant's prompt changed: have the provider keep it, before a burst of messages finds it cold all at once."""

import uuid
from dataclasses import replace

import structlog

from analysis.base import AnalysisError, MinimizedText
from store.examples import get_published_examples
from store.spend import is_quiet
from store.trials import add_trial, settle_trial
from worker.analysis_request import request_for_words
from worker.deps import Deps

log = structlog.get_logger()


def warm_prompt(deps: Deps, tenant_id: int) -> bool:
    """One call without a message and without an answer, in the ledger like any other. True when it was made.

    A courtesy to the next messages: what goes wrong is a log line. Quiet tenants' prompts are not kept, so they are not warmed.
    """
    analyzer = deps.analyzer
    tenant = deps.tenants.get(tenant_id)
    model = tenant.model.default or (analyzer.model if analyzer else "")
    if analyzer is None:
        return False
    with deps.database.tenant_transaction(tenant_id) as conn:
        if is_quiet(conn, tenant_id) or deps.provider_gate.wait_s(model) > 0:
            return False
        request = request_for_words(MinimizedText(""), tenant, get_published_examples(conn, tenant_id))
        call = replace(analyzer.prepare(request, model=model), user_turn="{}", max_tokens=0)
        egress_id = add_trial(conn, tenant_id, call, trial_id=str(uuid.uuid4()), message_id=None, context_ids=())
    outcome, usage = "warmed", None
    try:
        usage = analyzer.warm(call)
        deps.provider_gate.note_answer(model, requests_per_min=None)
    except AnalysisError as error:
        deps.provider_gate.note_failure(model, error)
        outcome, usage = error.code, error.usage
        log.info("prompt_not_warmed", code=error.code, tenant_id=tenant_id)
    with deps.database.tenant_transaction(tenant_id) as conn:
        settle_trial(conn, tenant_id, egress_id, outcome=outcome, usage=usage, request_id=None, latency_ms=None)
    return outcome == "warmed"
