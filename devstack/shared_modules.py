"""What the programs of a stack have in common, read once for all of them (devstack/fork_server.py)."""

from collections.abc import Mapping

# Two worlds: workers, beat and Flower run in threads; the receiver and the console in gevent's greenlets, whose patches must come before all else.
THREADS, GREENLETS = "threads", "greenlets"

SHARED_MODULES: Mapping[str, tuple[str, ...]] = {
    THREADS: (
        "billiard.dummy", "billiard.pool", "celery.bin.celery", "celery.app.amqp", "celery.app.control", "celery.app.events", "celery.app.log",
        "celery.apps.beat", "celery.apps.worker", "celery.concurrency.thread", "celery.worker.autoscale", "celery.worker.components",
        "celery.worker.consumer", "celery.worker.consumer.delayed_delivery", "celery.worker.loops", "celery.worker.strategy",
        "flower.command", "worker.start_checks", "worker.tasks", "worker.upkeep_tasks", "worker.bound_tasks",
    ),
    # Without prometheus_client: whether its counts are one process's or several's is settled by the program's own environment, while it is read.
    GREENLETS: (
        "config.gevent_patches", "gunicorn.app.wsgiapp", "gunicorn.arbiter", "gunicorn.glogging", "gunicorn.workers.ggevent",
        "celery.app.amqp", "celery.canvas", "celery.worker", "kombu.transport.pyamqp", "kombu.transport.redis",
        "cryptography.hazmat.primitives.ciphers.aead", "flask", "phonenumbers", "psycopg.types.json", "psycopg_pool", "pydantic", "redis", "structlog",
        "channels.registry", "channels.signature", "config.error_reports", "config.logs", "config.observing", "config.request_time",
        "config.settings", "store.canaries", "store.channel_sightings", "store.edits", "store.echoes", "store.erasure", "store.intake",
        "store.outbound", "store.server_health", "store.survey_answers", "store.tenants",
    ),
}  # fmt: skip
