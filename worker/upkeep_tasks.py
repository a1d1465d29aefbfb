"""The Celery tasks beside a message's way: what beat rings, and what works on rows that are due. Each finds its work again if it fails."""

from datetime import UTC, datetime
from typing import Any

import structlog
from celery.signals import worker_ready, worker_shutting_down

from store.db import StoreError
from worker import (
    accounting,
    answer_time_reports,
    assigning,
    audits,
    canaries,
    crm_values,
    crm_watch,
    day_counting,
    delivery,
    erasing,
    errands,
    measuring,
    notify,
    reconcile,
    retaining,
    sla_watch,
    sweep_plan,
    sweeps,
    trend_watch,
    trial_work,
    watchdog,
    webhook_turns,
)
from worker.action_bugs import note_action_bug
from worker.app import app
from worker.crm_flush import flush_crm as flush
from worker.deps import deps
from worker.errors import innermost_frame
from worker.lookout import Lookout
from worker.pipeline import ring_erasure, ring_sweep, ring_trial, ring_upkeep, ring_webhooks
from worker.quiet_work import count_quietly, do_quietly

log = structlog.get_logger()


@worker_ready.connect
def keep_looking(**_: Any) -> None:
    """Where upkeep is done, look for it until the worker stops."""
    if "maintenance" in app.amqp.queues.consume_from:
        lookout = Lookout(deps(), ring=ring_upkeep)

        @worker_shutting_down.connect(weak=False)
        def stop(**_: Any) -> None:
            lookout.stop()

        lookout.start()


@app.task(name="earshot.deliver_action", queue="actions")
def deliver_action(*, tenant_id: int, action_id: str, **_: Any) -> None:
    """Carry out one planned action."""
    now = datetime.now(UTC)
    try:
        do_quietly(
            lambda: delivery.deliver_action(deps(), tenant_id=tenant_id, action_id=action_id, now=now),
            name="deliver_action",
        )
    except Exception as error:
        code = f"bug_{type(error).__name__}"
        do_quietly(
            lambda: note_action_bug(deps(), tenant_id=tenant_id, action_id=action_id, code=code, now=now),
            name="note_action_bug",
        )
        raise


@app.task(name="earshot.read_crm_values", queue="crm_flush")
def read_crm_values(*, tenant_id: int, **_: Any) -> None:
    """Read what one tenant's CRM says its customers are worth."""
    do_quietly(lambda: crm_values.read_stale_values(deps(), tenant_id=tenant_id), name="read_crm_values")


@app.task(name="earshot.watch_crms", queue="maintenance")
def watch_crms(**_: Any) -> None:
    """Try paused connections again, and have stale values read."""
    do_quietly(lambda: crm_watch.watch(deps()), name="watch_crms")


@app.task(name="earshot.check_crm", queue="crm_flush")
def check_crm(*, tenant_id: int, **_: Any) -> None:
    """Whether a paused connection works again."""
    do_quietly(lambda: crm_watch.check(deps(), tenant_id=tenant_id), name="check_crm")


@app.task(name="earshot.flush_crm", queue="crm_flush")
def flush_crm(*, tenant_id: int, **_: Any) -> None:
    """Write one tenant's due labels, notes and tasks to its CRM."""
    do_quietly(lambda: flush(deps(), tenant_id=tenant_id), name="flush_crm")


@app.task(name="earshot.reconcile", queue="maintenance")
def reconcile_tick(**_: Any) -> None:
    """Ring what has no live lease."""
    do_quietly(lambda: reconcile.tick(deps()), name="reconcile")


@app.task(name="earshot.read_waiting", queue="maintenance")
def read_waiting(**_: Any) -> None:
    """Read provisionally what waits too long for the model."""
    do_quietly(lambda: reconcile.read_waiting(deps()), name="read_waiting")


@app.task(name="earshot.place_messages", queue="maintenance")
def place_messages(**_: Any) -> None:
    """Apply what channels said about people; give echoes and history their customers."""
    do_quietly(lambda: reconcile.apply_waiting_notices(deps()), name="apply_notices")
    do_quietly(lambda: reconcile.place_waiting(deps()), name="place_messages")


@app.task(name="earshot.assign_conversations", queue="maintenance")
def assign_conversations(**_: Any) -> None:
    """Give conversations to people, take them back from those who vanished, wake what was snoozed."""
    do_quietly(lambda: assigning.tick(deps(), now=datetime.now(UTC)), name="assign_conversations")


@app.task(name="earshot.forget_writes", queue="maintenance")
def forget_writes(**_: Any) -> None:
    """Drop what programs were answered more than a day ago."""
    do_quietly(lambda: assigning.forget_old_writes(deps(), now=datetime.now(UTC)), name="forget_writes")


@app.task(name="earshot.forget_changes", queue="maintenance")
def forget_changes(**_: Any) -> None:
    """Drop what open pages of the console have heard of."""
    do_quietly(lambda: reconcile.forget_live_changes(deps()), name="forget_changes")


@app.task(name="earshot.watch_channels", queue="maintenance")
def watch_channels(**_: Any) -> None:
    """Notice accounts that fell silent, tokens that died, webhooks that were switched off."""
    do_quietly(lambda: watchdog.watch_channels(deps()), name="watch_channels")


@app.task(name="earshot.watch_trends", queue="maintenance")
def watch_trends(**_: Any) -> None:
    """Compare each topic's share of negatives with its base."""
    count_quietly(lambda: trend_watch.watch_trends(deps(), now=datetime.now(UTC)), name="watch_trends")


@app.task(name="earshot.recount_topics", queue="maintenance")
def recount_topics(**_: Any) -> None:
    """Count the base of trends anew, for corrections, sweeps and what came late."""
    count_quietly(lambda: trend_watch.recount_base(deps(), now=datetime.now(UTC)), name="recount_topics")


@app.task(name="earshot.count_days", queue="maintenance")
def count_days(**_: Any) -> None:
    """Count labels by day, where something has changed, for the console's insights."""
    count_quietly(lambda: day_counting.count_days(deps(), now=datetime.now(UTC)), name="count_days")


@app.task(name="earshot.count_answer_times", queue="maintenance")
def count_answer_times(**_: Any) -> None:
    """Compare answer times where somebody asked, and once a day for each tenant."""
    count_quietly(lambda: answer_time_reports.count_reports(deps(), now=datetime.now(UTC)), name="count_answer_times")


@app.task(name="earshot.notify", queue="maintenance")
def notify_people(**_: Any) -> None:
    """Send alerts where tenants want them."""
    do_quietly(lambda: notify.notify(deps(), now=datetime.now(UTC)), name="notify")


@app.task(name="earshot.ring_due", queue="maintenance")
def ring_due(**_: Any) -> None:
    """Have workers go on with webhooks, sweeps, erasures and trials that are due. For a trial somebody sits in front of the page."""
    for ring in (ring_trials, ring_due_webhooks, ring_erasures, ring_sweeps):
        ring()


@app.task(name="earshot.upkeep", queue="maintenance")
def do_all_upkeep(**_: Any) -> None:
    """What looks ring for, one after the other: nearly always there is nothing to do, and six tasks at once hold six connections for it."""
    bugs: list[Exception] = []
    for task in (read_waiting, place_messages, assign_conversations, ring_due, watch_clocks, notify_people):
        try:
            task()
        except Exception as bug:  # noqa: BLE001 -- raised when all have had their turn
            bugs.append(bug)
    if bugs:
        raise bugs[0]


@app.task(name="earshot.ring_webhooks", queue="maintenance")
def ring_due_webhooks(**_: Any) -> None:
    """Have workers tell tenants' programs what is due."""

    def ring() -> None:
        for tenant_id, subscription_id in webhook_turns.take_due_subscriptions(deps()):
            ring_webhooks(tenant_id=tenant_id, subscription_id=subscription_id)

    do_quietly(ring, name="ring_webhooks")


@app.task(name="earshot.serve_webhooks", queue="webhooks")
def serve_webhooks(*, tenant_id: int, subscription_id: str, **_: Any) -> None:
    """Tell one subscription what is due."""
    do_quietly(
        lambda: webhook_turns.serve_subscription(deps(), tenant_id=tenant_id, subscription_id=subscription_id),
        name="serve_webhooks",
    )


@app.task(name="earshot.keep_webhooks", queue="maintenance")
def keep_webhooks(**_: Any) -> None:
    """Give up webhooks that are too old, forget those that are long over."""
    do_quietly(lambda: webhook_turns.keep_deliveries(deps()), name="keep_webhooks")


@app.task(name="earshot.watch_clocks", queue="maintenance")
def watch_clocks(**_: Any) -> None:
    """Tell warnings and breaches of the tenants' service levels."""
    do_quietly(lambda: sla_watch.watch_clocks(deps()), name="watch_clocks")


@app.task(name="earshot.measure", queue="maintenance")
def measure(**_: Any) -> None:
    """Count what waits, for whoever is on call."""
    do_quietly(lambda: measuring.measure(deps()), name="measure")


@app.task(name="earshot.send_canaries", queue="maintenance")
def send_canaries(**_: Any) -> None:
    """Send messages of our own, and tell people of one that does not come through."""
    do_quietly(lambda: canaries.send_due(deps(), now=datetime.now(UTC)), name="send_canaries")
    do_quietly(lambda: canaries.watch(deps(), now=datetime.now(UTC)), name="watch_canaries")


@app.task(name="earshot.count_messages", queue="maintenance")
def count_messages(**_: Any) -> None:
    """Account for every message, and tell people when one can't be accounted for."""
    count_quietly(lambda: accounting.count_messages(deps(), now=datetime.now(UTC)), name="count_messages")


@app.task(name="earshot.refresh_tokens", queue="maintenance")
def refresh_tokens(**_: Any) -> None:
    """Give ageing tokens a new lifetime."""
    do_quietly(lambda: watchdog.refresh_tokens(deps()), name="refresh_tokens")


@app.task(name="earshot.ensure_partitions", queue="maintenance")
def ensure_partitions(**_: Any) -> None:
    """Make the coming months' partitions."""
    do_quietly(lambda: reconcile.make_partitions(deps(), now=datetime.now(UTC)), name="ensure_partitions")


@app.task(name="earshot.pick_audits", queue="maintenance")
def pick_audits(**_: Any) -> None:
    """Pick last week's random sample for people to judge."""
    do_quietly(lambda: audits.pick_last_week(deps(), today=datetime.now(UTC).date()), name="pick_audits")


@app.task(name="earshot.judge_quiet_tenants", queue="maintenance")
def judge_quiet_tenants(**_: Any) -> None:
    """Decide for the coming hours whose prompts are worth keeping in the provider's cache."""
    do_quietly(lambda: reconcile.judge_quiet_tenants(deps()), name="judge_quiet_tenants")


@app.task(name="earshot.refresh_negative_counts", queue="maintenance")
def refresh_negative_counts(**_: Any) -> None:
    """Let "N negative messages in last 30 days" fall with time."""
    do_quietly(lambda: reconcile.refresh_negative_counts(deps()), name="refresh_negative_counts")


@app.task(name="earshot.plan_sweeps", queue="maintenance")
def plan_sweeps(**_: Any) -> None:
    """Plan and start this month's sweeps of tenants that have none yet."""
    do_quietly(lambda: sweep_plan.plan_month(deps(), now=datetime.now(UTC)), name="plan_sweeps")


@app.task(name="earshot.ring_sweeps", queue="maintenance")
def ring_sweeps(**_: Any) -> None:
    """Have workers go on with the sweeps that are due."""

    def ring() -> None:
        for tenant_id, sweep_id in sweeps.take_due(deps()):
            ring_sweep(tenant_id=tenant_id, sweep_id=sweep_id)

    do_quietly(ring, name="ring_sweeps")


@app.task(name="earshot.advance_sweep", queue="sweep")
def advance_sweep(*, tenant_id: int, sweep_id: str, **_: Any) -> None:
    """One turn of work on one sweep."""

    def advance() -> None:
        try:
            sweeps.advance_sweep(deps(), tenant_id=tenant_id, sweep_id=sweep_id)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 -- its text may quote a customer: only its class is told
            log.error("sweep_turn_failed", code=type(error).__name__, where=innermost_frame(error), sweep_id=sweep_id)  # noqa: TRY400
            sweeps.note_bug(deps(), tenant_id=tenant_id, sweep_id=sweep_id, name=type(error).__name__)

    do_quietly(advance, name="advance_sweep")


@app.task(name="earshot.run_errand", queue="maintenance")
def run_errand(*, tenant_id: int, errand_id: str, **_: Any) -> None:
    """Look at what a person wants looked at now."""
    do_quietly(
        lambda: errands.run_errand(deps(), tenant_id=tenant_id, errand_id=errand_id, now=datetime.now(UTC)),
        name="run_errand",
    )


@app.task(name="earshot.forget_errands", queue="maintenance")
def forget_errands(**_: Any) -> None:
    """Drop what people had looked at more than an hour ago."""
    do_quietly(lambda: errands.forget_old(deps()), name="forget_errands")


@app.task(name="earshot.ring_erasures", queue="maintenance")
def ring_erasures(**_: Any) -> None:
    """Have workers go on with erasures of customers."""

    def ring() -> None:
        for tenant_id, erasure_id in erasing.take_due(deps()):
            ring_erasure(tenant_id=tenant_id, erasure_id=erasure_id)

    do_quietly(ring, name="ring_erasures")


@app.task(name="earshot.erase_customer", queue="maintenance")
def erase_customer(*, tenant_id: int, erasure_id: str, **_: Any) -> None:
    """Erase one customer, or go on with it."""
    do_quietly(
        lambda: erasing.erase_customer(deps(), tenant_id=tenant_id, erasure_id=erasure_id), name="erase_customer"
    )


@app.task(name="earshot.keep_retention", queue="maintenance")
def keep_retention(**_: Any) -> None:
    """Remove what is older than tenants keep it."""
    do_quietly(lambda: retaining.keep_retention(deps(), now=datetime.now(UTC)), name="keep_retention")


@app.task(name="earshot.ring_trials", queue="maintenance")
def ring_trials(**_: Any) -> None:
    """Have workers do what people have started to try."""

    def ring() -> None:
        for tenant_id, trial_id in trial_work.take_due(deps()):
            ring_trial(tenant_id=tenant_id, trial_id=trial_id)

    do_quietly(ring, name="ring_trials")


@app.task(name="earshot.run_trial", queue="sweep")
def run_trial(*, tenant_id: int, trial_id: str, **_: Any) -> None:
    """Ask the model about one trial."""
    do_quietly(lambda: trial_work.run_trial(deps(), tenant_id=tenant_id, trial_id=trial_id), name="run_trial")
