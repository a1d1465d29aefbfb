"""The Celery tasks: names, queues and retry policies. What they do is in steps.py and its neighbours."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog
from celery import Task
from kombu.exceptions import OperationalError

from config.crash_points import crash_point
from store.db import StoreError
from store.runs import RunRef
from worker import (
    accounting,
    analyze_step,
    answer_time_reports,
    assigning,
    audits,
    canaries,
    canary_steps,
    crm_values,
    crm_watch,
    day_counting,
    delivery,
    erasing,
    errands,
    fusion,
    measuring,
    notify,
    reconcile,
    retaining,
    sla_watch,
    steps,
    sweep_plan,
    sweeps,
    trend_watch,
    trial_work,
    watchdog,
    webhook_turns,
)
from worker.app import app
from worker.crm_flush import flush_crm as flush
from worker.deps import deps
from worker.errors import StepError
from worker.metrics import LAST_UPKEEP, STAGE_FAILURES, STAGE_SECONDS
from worker.pipeline import ring_action, ring_erasure, ring_sweep, ring_trial, ring_webhooks
from worker.stage import Next

log = structlog.get_logger()

if TYPE_CHECKING:
    StageTask = Task[Any, Any]
else:  # the class takes no type arguments at run time
    StageTask = Task

# A retry longer than this is the reconciler's business: an ETA near the visibility time-out would be delivered twice.
MAX_COUNTDOWN_S = 60.0
STORE_RETRY_S = 2.0
MODEL_RETRIES = 6
STORE_RETRIES = 5


def _run_stage(task: StageTask, ref: RunRef, *, is_suspect: bool = False) -> None:
    """Run one stage; stop the chain when the stage says so, retry what another try may cure, park what none will.

    is_suspect: see begin_try. Not for analyze, whose lease counts every try.
    """
    stages = CANARY_STAGES if ref.is_canary else STAGES
    structlog.contextvars.bind_contextvars(
        task=task.name, task_id=task.request.id, tenant_id=ref.tenant_id, message_id=ref.message_id
    )
    try:
        is_suspect = is_suspect and task.name != "earshot.analyze"
        if is_suspect and not steps.begin_try(deps(), ref):
            task.request.chain = None
            log.error("run_parked", code="poison", run_id=ref.run_id)
            return
        with STAGE_SECONDS.labels(_stage_name(task)).time():
            verdict = stages[task.name](ref)
        if verdict is Next.STOP:
            task.request.chain = None
        else:
            fusion.run_following(task.request, ref, stages=stages)
    except (StepError, StoreError) as error:
        if is_suspect:
            _quietly(lambda: steps.end_try(deps(), ref), name="end_try")
        _retry_or_park(task, ref, error)
    except Exception as error:  # noqa: BLE001 -- a bug must park its message with a reason, not loop
        # The text of an unknown exception may quote the customer: only its class is told.
        _retry_or_park(task, ref, StepError(f"bug_{type(error).__name__}", permanent=False))
        log.error("stage_failed", code=type(error).__name__, where=_where(error))  # noqa: TRY400
    finally:
        structlog.contextvars.unbind_contextvars("task", "task_id", "tenant_id", "message_id")


def _stage_name(task: StageTask) -> str:
    return task.name.removeprefix("earshot.")


def _where(error: Exception) -> str:
    """File and line of the innermost frame: enough to find a bug without its values."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}" if trace else ""


def _retry_or_park(task: StageTask, ref: RunRef, error: StepError | StoreError) -> None:
    retries: int = task.request.retries
    is_bug = error.code.startswith("bug_")
    if error.permanent or (is_bug and retries >= 2):
        (canary_steps.give_up if ref.is_canary else steps.bury_run)(deps(), ref, error_code=error.code)
        task.request.chain = None
        STAGE_FAILURES.labels(_stage_name(task), "parked").inc()
        log.error("run_parked", code=error.code, run_id=ref.run_id)
        return
    countdown = error.retry_after_s or STORE_RETRY_S * 2**retries
    if retries >= (task.max_retries or 0) or countdown > MAX_COUNTDOWN_S:
        # The run's row says when it is due again; the reconciler rings it then.
        task.request.chain = None
        STAGE_FAILURES.labels(_stage_name(task), "left_to_reconciler").inc()
        log.warning("stage_left_to_reconciler", code=error.code, run_id=ref.run_id)
        return
    STAGE_FAILURES.labels(_stage_name(task), "retried").inc()
    log.info("stage_retried", code=error.code, retries=retries, run_id=ref.run_id)
    raise task.retry(exc=StepError(error.code, permanent=False), countdown=countdown) from None


def _route_and_ring(ref: RunRef) -> Next:
    routed = steps.route(deps(), ref, now=datetime.now(UTC))
    for action_id in routed.action_ids:
        ring_action(tenant_id=ref.tenant_id, action_id=action_id)
    crash_point("route.after_ring")
    return routed.verdict


STAGES: dict[str, Callable[[RunRef], Next]] = {
    "earshot.minimize": lambda ref: steps.minimize(deps(), ref),
    "earshot.analyze": lambda ref: analyze_step.analyze(deps(), ref),
    "earshot.persist": lambda ref: steps.persist(deps(), ref),
    "earshot.route": _route_and_ring,
    "earshot.crm_sync": lambda ref: steps.crm_sync(deps(), ref),
}


def _lane(said: dict[str, Any]) -> dict[str, bool]:
    return {name: bool(said.get(name)) for name in ("is_flood", "is_canary")}


CANARY_STAGES: dict[str, Callable[[RunRef], Next]] = {
    "earshot.minimize": lambda ref: canary_steps.minimize(deps(), ref),
    "earshot.analyze": lambda ref: canary_steps.analyze(deps(), ref),
    "earshot.persist": lambda ref: canary_steps.persist(deps(), ref),
    "earshot.route": lambda ref: canary_steps.route(deps(), ref, now=datetime.now(UTC)),
    "earshot.crm_sync": lambda ref: canary_steps.crm_sync(deps(), ref),
}


@app.task(name="earshot.minimize", queue="minimize", bind=True, max_retries=STORE_RETRIES)
def minimize(self: StageTask, *, tenant_id: int, message_id: str, run_id: str, **said: Any) -> None:
    """Strip personal data."""
    _run_stage(self, RunRef(tenant_id, message_id, run_id, **_lane(said)), is_suspect=bool(said.get("is_suspect")))


@app.task(name="earshot.analyze", queue="analyze", bind=True, max_retries=MODEL_RETRIES)
def analyze(self: StageTask, *, tenant_id: int, message_id: str, run_id: str, **said: Any) -> None:
    """Ask the model."""
    _run_stage(self, RunRef(tenant_id, message_id, run_id, **_lane(said)), is_suspect=bool(said.get("is_suspect")))


@app.task(name="earshot.persist", queue="persist", bind=True, max_retries=STORE_RETRIES)
def persist(self: StageTask, *, tenant_id: int, message_id: str, run_id: str, **said: Any) -> None:
    """Append the analysis."""
    _run_stage(self, RunRef(tenant_id, message_id, run_id, **_lane(said)), is_suspect=bool(said.get("is_suspect")))


@app.task(name="earshot.route", queue="route", bind=True, max_retries=STORE_RETRIES)
def route(self: StageTask, *, tenant_id: int, message_id: str, run_id: str, **said: Any) -> None:
    """Decide, and ring the actions that were planned."""
    _run_stage(self, RunRef(tenant_id, message_id, run_id, **_lane(said)), is_suspect=bool(said.get("is_suspect")))


@app.task(name="earshot.crm_sync", queue="crm_sync", bind=True, max_retries=STORE_RETRIES)
def crm_sync(self: StageTask, *, tenant_id: int, message_id: str, run_id: str, **said: Any) -> None:
    """Record what the CRM must say."""
    _run_stage(self, RunRef(tenant_id, message_id, run_id, **_lane(said)), is_suspect=bool(said.get("is_suspect")))


def _quietly(work: Callable[[], object], *, name: str) -> None:
    """Work whose rows are found again by the next tick: an unreachable database or broker is a log line, not an exception."""
    try:
        work()
    except StoreError as error:
        log.warning("left_to_next_tick", what=name, code=error.code)
    except OperationalError as error:  # of the broker
        log.warning("broker_unreachable", what=name, code=type(error).__name__)
    else:
        LAST_UPKEEP.labels(name).set_to_current_time()


@app.task(name="earshot.deliver_action", queue="actions")
def deliver_action(*, tenant_id: int, action_id: str, **_: Any) -> None:
    """Carry out one planned action."""
    _quietly(
        lambda: delivery.deliver_action(deps(), tenant_id=tenant_id, action_id=action_id, now=datetime.now(UTC)),
        name="deliver_action",
    )


@app.task(name="earshot.read_crm_values", queue="crm_flush")
def read_crm_values(*, tenant_id: int, **_: Any) -> None:
    """Read what one tenant's CRM says its customers are worth."""
    _quietly(lambda: crm_values.read_stale_values(deps(), tenant_id=tenant_id), name="read_crm_values")


@app.task(name="earshot.watch_crms", queue="maintenance")
def watch_crms(**_: Any) -> None:
    """Try paused connections again, and have stale values read."""
    _quietly(lambda: crm_watch.watch(deps()), name="watch_crms")


@app.task(name="earshot.check_crm", queue="crm_flush")
def check_crm(*, tenant_id: int, **_: Any) -> None:
    """Whether a paused connection works again."""
    _quietly(lambda: crm_watch.check(deps(), tenant_id=tenant_id), name="check_crm")


@app.task(name="earshot.flush_crm", queue="crm_flush")
def flush_crm(*, tenant_id: int, **_: Any) -> None:
    """Write one tenant's due labels, notes and tasks to its CRM."""
    _quietly(lambda: flush(deps(), tenant_id=tenant_id), name="flush_crm")


@app.task(name="earshot.reconcile", queue="maintenance")
def reconcile_tick(**_: Any) -> None:
    """Ring what has no live lease."""
    _quietly(lambda: reconcile.tick(deps()), name="reconcile")


@app.task(name="earshot.read_waiting", queue="maintenance")
def read_waiting(**_: Any) -> None:
    """Read provisionally what waits too long for the model."""
    _quietly(lambda: reconcile.read_waiting(deps()), name="read_waiting")


@app.task(name="earshot.place_messages", queue="maintenance")
def place_messages(**_: Any) -> None:
    """Apply what channels said about people; give echoes and history their customers."""
    _quietly(lambda: reconcile.apply_waiting_notices(deps()), name="apply_notices")
    _quietly(lambda: reconcile.place_waiting(deps()), name="place_messages")


@app.task(name="earshot.assign_conversations", queue="maintenance")
def assign_conversations(**_: Any) -> None:
    """Give conversations to people, take them back from those who vanished, wake what was snoozed."""
    _quietly(lambda: assigning.tick(deps(), now=datetime.now(UTC)), name="assign_conversations")


@app.task(name="earshot.forget_writes", queue="maintenance")
def forget_writes(**_: Any) -> None:
    """Drop what programs were answered more than a day ago."""
    _quietly(lambda: assigning.forget_old_writes(deps(), now=datetime.now(UTC)), name="forget_writes")


@app.task(name="earshot.forget_changes", queue="maintenance")
def forget_changes(**_: Any) -> None:
    """Drop what open pages of the console have heard of."""
    _quietly(lambda: reconcile.forget_live_changes(deps()), name="forget_changes")


@app.task(name="earshot.watch_channels", queue="maintenance")
def watch_channels(**_: Any) -> None:
    """Notice accounts that fell silent, tokens that died, webhooks that were switched off."""
    _quietly(lambda: watchdog.watch_channels(deps()), name="watch_channels")


@app.task(name="earshot.watch_trends", queue="maintenance")
def watch_trends(**_: Any) -> None:
    """Compare each topic's share of negatives with its base."""
    _quietly(lambda: trend_watch.watch_trends(deps(), now=datetime.now(UTC)), name="watch_trends")


@app.task(name="earshot.recount_topics", queue="maintenance")
def recount_topics(**_: Any) -> None:
    """Count the base of trends anew, for corrections, sweeps and what came late."""
    _quietly(lambda: trend_watch.recount_base(deps(), now=datetime.now(UTC)), name="recount_topics")


@app.task(name="earshot.count_days", queue="maintenance")
def count_days(**_: Any) -> None:
    """Count labels by day, where something has changed, for the console's insights."""
    _quietly(lambda: day_counting.count_days(deps(), now=datetime.now(UTC)), name="count_days")


@app.task(name="earshot.count_answer_times", queue="maintenance")
def count_answer_times(**_: Any) -> None:
    """Compare answer times where somebody asked, and once a day for each tenant."""
    _quietly(lambda: answer_time_reports.count_reports(deps(), now=datetime.now(UTC)), name="count_answer_times")


@app.task(name="earshot.notify", queue="maintenance")
def notify_people(**_: Any) -> None:
    """Send alerts where tenants want them."""
    _quietly(lambda: notify.notify(deps(), now=datetime.now(UTC)), name="notify")


@app.task(name="earshot.ring_webhooks", queue="maintenance")
def ring_due_webhooks(**_: Any) -> None:
    """Have workers tell tenants' programs what is due."""

    def ring() -> None:
        for tenant_id, subscription_id in webhook_turns.take_due_subscriptions(deps()):
            ring_webhooks(tenant_id=tenant_id, subscription_id=subscription_id)

    _quietly(ring, name="ring_webhooks")


@app.task(name="earshot.serve_webhooks", queue="webhooks")
def serve_webhooks(*, tenant_id: int, subscription_id: str, **_: Any) -> None:
    """Tell one subscription what is due."""
    _quietly(
        lambda: webhook_turns.serve_subscription(deps(), tenant_id=tenant_id, subscription_id=subscription_id),
        name="serve_webhooks",
    )


@app.task(name="earshot.keep_webhooks", queue="maintenance")
def keep_webhooks(**_: Any) -> None:
    """Give up webhooks that are too old, forget those that are long over."""
    _quietly(lambda: webhook_turns.keep_deliveries(deps()), name="keep_webhooks")


@app.task(name="earshot.watch_clocks", queue="maintenance")
def watch_clocks(**_: Any) -> None:
    """Tell warnings and breaches of the tenants' service levels."""
    _quietly(lambda: sla_watch.watch_clocks(deps()), name="watch_clocks")


@app.task(name="earshot.measure", queue="maintenance")
def measure(**_: Any) -> None:
    """Count what waits, for whoever is on call."""
    _quietly(lambda: measuring.measure(deps()), name="measure")


@app.task(name="earshot.send_canaries", queue="maintenance")
def send_canaries(**_: Any) -> None:
    """Send messages of our own, and tell people of one that does not come through."""
    _quietly(lambda: canaries.send_due(deps(), now=datetime.now(UTC)), name="send_canaries")
    _quietly(lambda: canaries.watch(deps(), now=datetime.now(UTC)), name="watch_canaries")


@app.task(name="earshot.count_messages", queue="maintenance")
def count_messages(**_: Any) -> None:
    """Account for every message, and tell people when one can't be accounted for."""
    _quietly(lambda: accounting.count_messages(deps(), now=datetime.now(UTC)), name="count_messages")


@app.task(name="earshot.refresh_tokens", queue="maintenance")
def refresh_tokens(**_: Any) -> None:
    """Give ageing tokens a new lifetime."""
    _quietly(lambda: watchdog.refresh_tokens(deps()), name="refresh_tokens")


@app.task(name="earshot.ensure_partitions", queue="maintenance")
def ensure_partitions(**_: Any) -> None:
    """Make the coming months' partitions."""
    _quietly(lambda: reconcile.make_partitions(deps(), now=datetime.now(UTC)), name="ensure_partitions")


@app.task(name="earshot.pick_audits", queue="maintenance")
def pick_audits(**_: Any) -> None:
    """Pick last week's random sample for people to judge."""
    _quietly(lambda: audits.pick_last_week(deps(), today=datetime.now(UTC).date()), name="pick_audits")


@app.task(name="earshot.judge_quiet_tenants", queue="maintenance")
def judge_quiet_tenants(**_: Any) -> None:
    """Decide for the coming hours whose prompts are worth keeping in the provider's cache."""
    _quietly(lambda: reconcile.judge_quiet_tenants(deps()), name="judge_quiet_tenants")


@app.task(name="earshot.refresh_negative_counts", queue="maintenance")
def refresh_negative_counts(**_: Any) -> None:
    """Let "N negative messages in last 30 days" fall with time."""
    _quietly(lambda: reconcile.refresh_negative_counts(deps()), name="refresh_negative_counts")


@app.task(name="earshot.plan_sweeps", queue="maintenance")
def plan_sweeps(**_: Any) -> None:
    """Plan and start this month's sweeps of tenants that have none yet."""
    _quietly(lambda: sweep_plan.plan_month(deps(), now=datetime.now(UTC)), name="plan_sweeps")


@app.task(name="earshot.ring_sweeps", queue="maintenance")
def ring_sweeps(**_: Any) -> None:
    """Have workers go on with the sweeps that are due."""

    def ring() -> None:
        for tenant_id, sweep_id in sweeps.take_due(deps()):
            ring_sweep(tenant_id=tenant_id, sweep_id=sweep_id)

    _quietly(ring, name="ring_sweeps")


@app.task(name="earshot.advance_sweep", queue="sweep")
def advance_sweep(*, tenant_id: int, sweep_id: str, **_: Any) -> None:
    """One turn of work on one sweep."""

    def advance() -> None:
        try:
            sweeps.advance_sweep(deps(), tenant_id=tenant_id, sweep_id=sweep_id)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 -- its text may quote a customer: only its class is told
            log.error("sweep_turn_failed", code=type(error).__name__, where=_where(error), sweep_id=sweep_id)  # noqa: TRY400
            sweeps.note_bug(deps(), tenant_id=tenant_id, sweep_id=sweep_id, name=type(error).__name__)

    _quietly(advance, name="advance_sweep")


@app.task(name="earshot.run_errand", queue="maintenance")
def run_errand(*, tenant_id: int, errand_id: str, **_: Any) -> None:
    """Look at what a person wants looked at now."""
    _quietly(
        lambda: errands.run_errand(deps(), tenant_id=tenant_id, errand_id=errand_id, now=datetime.now(UTC)),
        name="run_errand",
    )


@app.task(name="earshot.forget_errands", queue="maintenance")
def forget_errands(**_: Any) -> None:
    """Drop what people had looked at more than an hour ago."""
    _quietly(lambda: errands.forget_old(deps()), name="forget_errands")


@app.task(name="earshot.ring_erasures", queue="maintenance")
def ring_erasures(**_: Any) -> None:
    """Have workers go on with erasures of customers."""

    def ring() -> None:
        for tenant_id, erasure_id in erasing.take_due(deps()):
            ring_erasure(tenant_id=tenant_id, erasure_id=erasure_id)

    _quietly(ring, name="ring_erasures")


@app.task(name="earshot.erase_customer", queue="maintenance")
def erase_customer(*, tenant_id: int, erasure_id: str, **_: Any) -> None:
    """Erase one customer, or go on with it."""
    _quietly(lambda: erasing.erase_customer(deps(), tenant_id=tenant_id, erasure_id=erasure_id), name="erase_customer")


@app.task(name="earshot.keep_retention", queue="maintenance")
def keep_retention(**_: Any) -> None:
    """Remove what is older than tenants keep it."""
    _quietly(lambda: retaining.keep_retention(deps(), now=datetime.now(UTC)), name="keep_retention")


@app.task(name="earshot.ring_trials", queue="maintenance")
def ring_trials(**_: Any) -> None:
    """Have workers do what people have started to try."""

    def ring() -> None:
        for tenant_id, trial_id in trial_work.take_due(deps()):
            ring_trial(tenant_id=tenant_id, trial_id=trial_id)

    _quietly(ring, name="ring_trials")


@app.task(name="earshot.run_trial", queue="sweep")
def run_trial(*, tenant_id: int, trial_id: str, **_: Any) -> None:
    """Ask the model about one trial."""
    _quietly(lambda: trial_work.run_trial(deps(), tenant_id=tenant_id, trial_id=trial_id), name="run_trial")
