"""The order of the stages, and how a message is put on its way: by task name, with ids only."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from celery import chain

from config.tracing import carried_trace, continued, span
from store.errands import ErrandKind
from store.intake import StartedRun
from store.runs import RunRef, RunState
from worker.app import app
from worker.chain_messages import ChainMessages
from worker.lanes import SHARE_AT_ONCE, Lanes, queue_of, share_of

STAGES = ("minimize", "analyze", "persist", "route", "crm_sync")

# Which stage comes next for a run in this state.
_NEXT_STAGE: dict[RunState, int] = {"received": 0, "minimized": 1, "analyzed": 2, "persisted": 3, "routed": 4}


def next_stage(state: RunState) -> str:
    """The stage that a run in this state waits for."""
    return STAGES[_NEXT_STAGE[state]]


def is_fused() -> bool:
    """Whether links run where the one before them ended; see worker/fusion.py."""
    return os.environ.get("EARSHOT_FUSE", "1") != "0"


def _stage_signature(stage: str, ref: RunRef, *, queue_as: str | None = None, **flags: bool) -> Any:
    # Only what is so: a worker of an older release knows none of it.
    flags |= {name: True for name in ("is_flood", "is_canary") if getattr(ref, name)}
    return app.signature(
        f"earshot.{stage}",
        kwargs={
            "tenant_id": ref.tenant_id,
            "message_id": ref.message_id,
            "run_id": ref.run_id,
            **flags,
            **carried_trace(),
        },
        queue=queue_of(queue_as or stage, is_flood=ref.is_flood),
        immutable=True,
    )


def start(ref: RunRef, *, state: RunState = "received", is_suspect: bool = False, queue_as: str | None = None) -> None:
    """Send the chain of what is left to do from `state`. Sending twice is harmless: each stage is fenced.

    is_suspect: it was rung several times and has not moved: its tries are counted. queue_as: the first stage waits in this stage's queue.
    Raises: kombu.exceptions.OperationalError when the broker can't be reached.
    """
    flags = {"is_suspect": True} if is_suspect else {}
    chain(*_links(ref, state=state, queue_as=queue_as, **flags)).apply_async()


def _links(ref: RunRef, *, state: RunState = "received", queue_as: str | None = None, **flags: bool) -> list[Any]:
    """What is left to do from `state`, each for itself; the flags are for the first."""
    first, *others = STAGES[_NEXT_STAGE[state] :]
    return [
        _stage_signature(first, ref, queue_as=queue_as, **flags),
        *(_stage_signature(stage, ref) for stage in others),
    ]


def _new_links(ref: RunRef, is_short: bool = False) -> list[Any]:  # noqa: FBT001, FBT002 -- as ChainMessages calls it
    """Of a new message. One that is no flood, or of one that the workers keep up with (is_short), begins where the model is asked: its
    whole way is one trip through the broker.
    """
    return _links(ref, queue_as="analyze" if is_fused() and (is_short or not ref.is_flood) else None)


_messages = ChainMessages(_new_links)


def start_all(runs: Iterable[StartedRun], *, lanes: Lanes, traces: Mapping[str, str | None] | None = None) -> None:
    """Start new messages, in order: where the model is asked, so that the whole way is one trip through the broker. One that waits
    there too long, behind a slow provider, the reconciler starts in its own queue. A flood of which many wait begins in a queue of its own, before
    which few hands stand: a hundred of its messages at once would take the processor from everybody else's. traces: by run, what it belongs to.

    Raises: kombu.exceptions.OperationalError when the broker can't be reached or takes nothing.
    """
    refs = [RunRef(run.tenant_id, run.message_id, run.run_id, is_canary=run.is_canary) for run in runs]
    # Where work is traced each message has a span of its own, which it carries along.
    is_plain = is_fused() and not any(traces.values() if traces else ())
    if is_plain and _messages.are_sent_to(lanes.budget.redis_url):
        _start_counted(refs, lanes)
        return
    refs = _with_lanes(refs, lanes)
    if is_plain and _messages.publish(refs):
        return
    for ref in refs:
        trace = traces.get(ref.run_id) if traces else None
        with continued(trace), span("ring", tenant_id=ref.tenant_id, message_id=ref.message_id, run_id=ref.run_id):
            chain(*_new_links(ref)).apply_async()


def _start_counted(refs: Sequence[RunRef], lanes: Lanes) -> None:
    """Count messages in their tenants' shares and start them, all in one trip as long as a tenant does what it did before: floods, or not."""
    waiting: defaultdict[tuple[int, bool], list[RunRef]] = defaultdict(list)
    for ref in refs:
        waiting[ref.tenant_id, ref.is_canary].append(replace(ref, is_flood=ref.tenant_id in lanes.flooding))
    # Of a tenant that does not flood no more than a share can hold: the others would travel in vain.
    shares = [
        (share_of(tenant_id), own if own[0].is_flood else own[:SHARE_AT_ONCE])
        for (tenant_id, _), own in waiting.items()
    ]
    left: list[RunRef] = []
    for ((tenant_id, _), own), given in zip(waiting.items(), _messages.publish_counted(shares), strict=True):
        lanes.note(tenant_id, wanted=len(own), given=given)
        others = own[:given] if own[0].is_flood else own[given:]
        left += [replace(ref, is_flood=not ref.is_flood) for ref in others]
    _messages.publish(left)


def _with_lanes(refs: Sequence[RunRef], lanes: Lanes) -> list[RunRef]:
    """Each tenant's first ones are within its share, its others a flood."""
    left = {
        tenant_id: lanes.within_share(tenant_id, messages)
        for tenant_id, messages in Counter(ref.tenant_id for ref in refs).items()
    }
    told: list[RunRef] = []
    for ref in refs:
        left[ref.tenant_id] -= 1
        told.append(replace(ref, is_flood=True) if left[ref.tenant_id] < 0 else ref)
    return told


def ring_action(*, tenant_id: int, action_id: str) -> None:
    """Ask a worker to carry out one action now. The outbox row is the promise; a lost ring costs seconds."""
    app.signature(
        "earshot.deliver_action", kwargs={"tenant_id": tenant_id, "action_id": action_id}, queue="actions"
    ).apply_async()


def ring_crm_task(name: str, *, tenant_id: int) -> None:
    """Have something else than a flush done with one tenant's CRM. Raises: kombu OperationalError."""
    app.signature(name, kwargs={"tenant_id": tenant_id}, queue="crm_flush").apply_async()


def ring_crm(*, tenant_id: int) -> None:
    """Ask a worker to write what is due at one tenant's CRM."""
    app.signature("earshot.flush_crm", kwargs={"tenant_id": tenant_id}, queue="crm_flush").apply_async()


def ring_erasure(*, tenant_id: int, erasure_id: str) -> None:
    """Ask a worker to go on with one erasure. Its row is the promise; a lost ring costs seconds."""
    app.signature(
        "earshot.erase_customer", kwargs={"tenant_id": tenant_id, "erasure_id": erasure_id}, queue="maintenance"
    ).apply_async()


def ring_webhooks(*, tenant_id: int, subscription_id: str) -> None:
    """Ask a worker to tell one subscription what is due."""
    app.signature(
        "earshot.serve_webhooks", kwargs={"tenant_id": tenant_id, "subscription_id": subscription_id}, queue="webhooks"
    ).apply_async()


def ring_upkeep(name: str) -> None:
    """Ask a worker for a round of upkeep. One that waits longer than its next ring is none any more."""
    app.signature(f"earshot.{name}", queue="maintenance", expires=10).apply_async()


def ring_sweep(*, tenant_id: int, sweep_id: str) -> None:
    """Ask a worker for one turn of work on a sweep."""
    app.signature(
        "earshot.advance_sweep", kwargs={"tenant_id": tenant_id, "sweep_id": sweep_id}, queue="sweep"
    ).apply_async()


# Where each kind of errand is done: readings where the model's SDK is loaded, a CRM where one that hangs holds up nobody.
_ERRAND_QUEUES: dict[ErrandKind, str] = {"reading": "analyze", "crm": "crm_flush"}


def ring_errand(kind: ErrandKind, *, tenant_id: int, errand_id: str) -> None:
    """Ask a worker to do an errand now. Raises: kombu OperationalError."""
    app.signature(
        "earshot.run_errand",
        kwargs={"tenant_id": tenant_id, "errand_id": errand_id},
        queue=_ERRAND_QUEUES.get(kind, "maintenance"),
    ).apply_async()


def ring_trial(*, tenant_id: int, trial_id: str) -> None:
    """Ask a worker for one trial. Its row is the promise; a lost ring costs seconds."""
    app.signature(
        "earshot.run_trial", kwargs={"tenant_id": tenant_id, "trial_id": trial_id}, queue="sweep"
    ).apply_async()
