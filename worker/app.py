"""The Celery application: broker settings, queues, schedule, and nothing of the pipeline itself."""

import gc
import logging
import os
import sys
from typing import Any

from celery import Celery
from celery.signals import setup_logging, task_failure, worker_init, worker_ready
from kombu import Exchange, Queue

from config.error_reports import report
from config.logs import configure_logging
from config.observing import start_observing
from config.server_addresses import kind_of, parse_sentinels
from config.settings import SettingsError, environment_value, load_settings
from worker import amqp_transport, event_gathering, redis_transport
from worker.metrics import serve
from worker.roles import ROLES

# Upkeep that has something to do is rung for by workers themselves (worker/lookout.py). This is for whatever their looks should miss, and for
# gauges that are set on the way.
RECONCILE_ANYWAY_S, UPKEEP_ANYWAY_S = 10.0, 30.0
WATCH_EVERY_S = 60.0
RETENTION_EVERY_S = 600.0
MEASURE_EVERY_S = 10.0
COUNT_EVERY_S = 60.0
CANARIES_EVERY_S = 10.0
# Longer than any task (the analyze time-out and its retry), because a message is handed out again after this long.
VISIBILITY_TIMEOUT_S = 300

# Transport options with their reasons: measured on kombu 5.7 with Redis and Valkey.
REDIS_TRANSPORT = {
    "visibility_timeout": VISIBILITY_TIMEOUT_S,
    "unacked_restore_interval": 10,
    "unacked_restore_limit": 1000,
    # One connection per thread at most; the default of 10 starves a pool of 128.
    "max_connections": 256,
    # A frozen server must not freeze us.
    "socket_timeout": 10,
    "socket_connect_timeout": 3,
    "socket_keepalive": True,
    "health_check_interval": 25,
    # One list per queue: what KEDA and LLEN see is what waits.
    "priority_steps": [0],
    "queue_order_strategy": "round_robin",
}


# Of RabbitMQ. A publisher goes on when a majority of the nodes has its message.
AMQP_TRANSPORT = {"confirm_publish": True}
# A worker that hangs with its connection is taken for dead after two of them, and its messages go to others.
AMQP_HEARTBEAT_S = 10
# Replicated, and safe on disk before it is confirmed. RabbitMQ 4 stops redelivering at 20, RabbitMQ 3 never: here both do. What is
# dropped then, the reconciler rings again and counts.
QUORUM = {"x-queue-type": "quorum", "x-delivery-limit": 20}


def broker_url() -> str:
    """Where the broker is. Read from the environment because Celery's command line builds the application by import.

    Raises: SettingsError when no broker of ours can be there.
    """
    given = environment_value(os.environ, "BROKER_URL") or environment_value(os.environ, "REDIS_URL")
    return given or "redis://127.0.0.1:6379/0"


def broker_settings(url: str) -> dict[str, Any]:
    """What Celery is told of the broker at this address."""
    kind = kind_of(url)
    names = [name for spec in ROLES.values() for name in spec.queues]
    if kind == "amqp":
        return {
            "broker_url": url,
            "broker_transport_options": AMQP_TRANSPORT,
            "broker_heartbeat": AMQP_HEARTBEAT_S,
            "task_queues": [
                Queue(name, Exchange("earshot"), routing_key=name, queue_arguments=QUORUM) for name in names
            ],
        }
    options, queues = dict[str, Any](REDIS_TRANSPORT), [Queue(name) for name in names]
    if kind == "sentinel":
        at = parse_sentinels(url)
        asking = {"socket_timeout": 3, "socket_connect_timeout": 3, "password": at.asking_password}
        options |= {"master_name": at.master, "sentinel_kwargs": asking}
        url = at.kombu_url
    return {"broker_url": url, "broker_transport_options": options, "task_queues": queues}


# Python looks for cycles whenever 700 objects are new. A message makes thousands and leaves hardly any in a cycle: looking took 4 % of the
# analyze worker's processor, and 40 % of Flower's, which keeps ten thousand tasks. What is in cycles stays for a megabyte or so longer.
gc.set_threshold(5_000)

redis_transport.install()
amqp_transport.install()
event_gathering.install()
# Beat and Flower know tasks by name: without their code each takes 30 MB less.
_TASKS = [] if {"beat", "flower"} & set(sys.argv[1:]) else ["worker.tasks", "worker.upkeep_tasks"]
app = Celery("earshot", include=_TASKS, set_as_current=True)
app.conf.update(
    **broker_settings(broker_url()),
    # Nobody waits for a result, and a stored result would be a copy of what it returned.
    result_backend=None,
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    # A task is acknowledged when it is done: a dead worker's tasks come back. Steps are fenced, so twice is harmless.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    task_publish_retry_policy={"max_retries": 2, "interval_start": 0.05, "interval_step": 0.2, "interval_max": 0.5},
    worker_soft_shutdown_timeout=15.0,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    worker_send_task_events=True,
    task_send_sent_event=False,
    task_default_queue="maintenance",
    task_create_missing_queues=False,
    timezone="UTC",
    beat_scheduler="worker.beat_scheduler:FixedScheduler",
    beat_schedule={
        "reconcile": {
            "task": "earshot.reconcile",
            "schedule": RECONCILE_ANYWAY_S,
            "options": {"queue": "maintenance"},
        },
        "upkeep": {
            "task": "earshot.upkeep",
            "schedule": UPKEEP_ANYWAY_S,
            "options": {"queue": "maintenance", "expires": 60},
        },
        "watch_channels": {
            "task": "earshot.watch_channels",
            "schedule": WATCH_EVERY_S,
            "options": {"queue": "maintenance"},
        },
        "trends": {
            "task": "earshot.watch_trends",
            "schedule": 300.0,
            "options": {"queue": "maintenance", "expires": 300},
        },
        "recount_topics": {
            "task": "earshot.recount_topics",
            "schedule": 6 * 3600.0,
            "options": {"queue": "maintenance"},
        },
        "count_days": {
            "task": "earshot.count_days",
            "schedule": 60.0,
            "options": {"queue": "maintenance", "expires": 60},
        },
        "answer_times": {
            "task": "earshot.count_answer_times",
            "schedule": 60.0,
            "options": {"queue": "maintenance", "expires": 60},
        },
        "keep_webhooks": {
            "task": "earshot.keep_webhooks",
            "schedule": 300.0,
            "options": {"queue": "maintenance", "expires": 300},
        },
        "forget_writes": {"task": "earshot.forget_writes", "schedule": 3600.0, "options": {"queue": "maintenance"}},
        "forget_errands": {
            "task": "earshot.forget_errands",
            "schedule": 900.0,
            "options": {"queue": "maintenance", "expires": 900},
        },
        "forget_changes": {
            "task": "earshot.forget_changes",
            "schedule": 60.0,
            "options": {"queue": "maintenance", "expires": 60},
        },
        "measure": {
            "task": "earshot.measure",
            "schedule": MEASURE_EVERY_S,
            "options": {"queue": "maintenance", "expires": 60},
        },
        "send_canaries": {
            "task": "earshot.send_canaries",
            "schedule": CANARIES_EVERY_S,
            "options": {"queue": "maintenance", "expires": 10},
        },
        "count_messages": {
            "task": "earshot.count_messages",
            "schedule": COUNT_EVERY_S,
            "options": {"queue": "maintenance", "expires": 60},
        },
        "refresh_tokens": {"task": "earshot.refresh_tokens", "schedule": 3600.0, "options": {"queue": "maintenance"}},
        "partitions": {
            "task": "earshot.ensure_partitions",
            "schedule": 6 * 3600.0,
            "options": {"queue": "maintenance"},
        },
        "audits": {"task": "earshot.pick_audits", "schedule": 6 * 3600.0, "options": {"queue": "maintenance"}},
        "quiet_tenants": {
            "task": "earshot.judge_quiet_tenants",
            "schedule": 6 * 3600.0,
            "options": {"queue": "maintenance"},
        },
        "negative_counts": {
            "task": "earshot.refresh_negative_counts",
            "schedule": 3600.0,
            "options": {"queue": "maintenance"},
        },
        "watch_crms": {
            "task": "earshot.watch_crms",
            "schedule": 300.0,
            "options": {"queue": "maintenance", "expires": 300},
        },
        # By the hour, not by the month: whenever beat was away, the month's sweep is made once, at the next tick.
        "plan_sweeps": {"task": "earshot.plan_sweeps", "schedule": 3600.0, "options": {"queue": "maintenance"}},
        "retention": {
            "task": "earshot.keep_retention",
            "schedule": RETENTION_EVERY_S,
            "options": {"queue": "maintenance", "expires": RETENTION_EVERY_S},
        },
    },
)


@setup_logging.connect
def _set_up_logging(**_: Any) -> None:
    configure_logging(level=os.environ.get("LOG_LEVEL", "INFO"), log_format=os.environ.get("LOG_FORMAT", "json"))
    if os.environ.get("LOG_LEVEL") != "DEBUG":
        for name in _CHATTY_LOGGERS:
            logging.getLogger(name).setLevel(logging.WARNING)


# One line per task and per beat is what Flower shows better; they stay at DEBUG.
_CHATTY_LOGGERS = ("celery.worker.strategy", "celery.app.trace", "celery.beat")


@worker_init.connect
def _look_around(sender: Any, **_: Any) -> None:
    """End before the first task where something is wrong; Celery swallows every other exception here."""
    from worker.start_checks import check_redis, check_worker

    try:
        settings = load_settings(os.environ)
        check_redis(settings)
        start_observing("worker", settings)
    except SettingsError as error:
        raise SystemExit(f"earshot worker: {error}") from None
    check_worker(settings, threads=int(sender.concurrency or 1))


@task_failure.connect
def _report_bug(exception: BaseException, **_: Any) -> None:
    report(exception)


@worker_ready.connect
def _tell_supervisor(**_: Any) -> None:
    """Serve metrics, and touch the file a supervisor waits for."""
    port = int(os.environ.get("METRICS_PORT") or 0)
    if port:
        serve(host=os.environ.get("METRICS_HOST", "127.0.0.1"), port=port)
    path = os.environ.get("EARSHOT_READY_FILE")
    if path:
        with open(path, "w", encoding="ascii") as ready:  # noqa: PTH123 -- one line, no Path needed
            ready.write("ready\n")
