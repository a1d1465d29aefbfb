"""When a stage that failed is tried again, and by whom."""

from config.server_addresses import kind_of
from store.db import StoreError
from worker.app import app
from worker.errors import StepError

# A retry longer than this is the reconciler's business: an ETA near the visibility time-out would be delivered twice.
MAX_COUNTDOWN_S = 60.0
STORE_RETRY_S = 2.0
MODEL_RETRIES = 6
STORE_RETRIES = 5


def retry_in_s(error: StepError | StoreError, *, retries: int, max_retries: int) -> float | None:
    """Seconds until Celery's next try; None when it is left to the reconciler, whose row says when it is due. retries: so many were made.

    On RabbitMQ always None: a worker that holds a message back until its time takes a place of those that could be worked on.
    """
    if kind_of(app.conf.broker_url) == "amqp":
        return None
    countdown = error.retry_after_s or STORE_RETRY_S * 2**retries
    return None if retries >= max_retries or countdown > MAX_COUNTDOWN_S else countdown
