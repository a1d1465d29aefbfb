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


# So much later than Celery's try comes the reconciler's, for when that one is lost.
RECONCILER_AFTER_S = 10.0


def has_countdowns() -> bool:
    """Whether the broker's workers hold messages back until their time. On RabbitMQ none does: such a message would take the place of one
    that could be worked on, and its row says as well when it is due.
    """
    return kind_of(app.conf.broker_url) != "amqp"


def reconciler_in_s(retry_in_s: float) -> float:
    """Seconds until the reconciler rings what is to be tried again in retry_in_s."""
    return retry_in_s + (RECONCILER_AFTER_S if has_countdowns() else 0.0)


def retry_in_s(error: StepError | StoreError, *, retries: int, max_retries: int) -> float | None:
    """Seconds until Celery's next try; None when it is left to the reconciler, whose row says when it is due. retries: so many were made."""
    if not has_countdowns():
        return None
    countdown = error.retry_after_s or STORE_RETRY_S * 2**retries
    return None if retries >= max_retries or countdown > MAX_COUNTDOWN_S else countdown
