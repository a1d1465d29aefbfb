"""What calls about webhooks are answered with."""

from dataclasses import asdict
from datetime import datetime
from typing import Self

from pydantic import BaseModel

from store.webhook_deliveries import Delivery
from store.webhook_subscriptions import Subscription


class WebhookAnswer(BaseModel):
    """A program that is told of events. url: for admins only. failures: in a row. waiting: events that are still to be told, at most
    10001. rests_until: nothing is sent before. old_secret_until: the secret before this one signs beside it until then.
    """

    id: str
    description: str
    host: str
    url: str | None
    kinds: list[str]
    include_text: bool
    state: str
    paused_because: str | None
    created_at: datetime
    failures: int
    failing_since: datetime | None
    delivered_at: datetime | None
    rests_until: datetime | None
    old_secret_until: datetime | None
    waiting: int

    @classmethod
    def of(cls, found: Subscription, *, url: str | None) -> Self:
        """url: opened, where the caller may see it."""
        known = {name: getattr(found, name) for name in cls.model_fields if hasattr(found, name)}
        return cls.model_validate(known | {"url": url, "kinds": list(found.kinds)})


class WebhookWithSecret(WebhookAnswer):
    """secret: shown this once; null when the same call is answered again."""

    secret: str | None = None


class WebhookList(BaseModel):
    """All of the tenant's, oldest first."""

    webhooks: list[WebhookAnswer]


class WebhookRemoved(BaseModel):
    """It is told nothing any more."""

    id: str


class DeliveryAnswer(BaseModel):
    """One event on its way. id: the webhook-id. subject_id: the row it is about. status: of the last answer; answers are not kept.

    error_code: why the last try failed, or "erased" or "too_old".
    """

    id: str
    kind: str
    subject_id: str
    message_id: str | None
    conversation_id: str | None
    state: str
    tries: int
    status: int | None
    error_code: str | None
    created_at: datetime
    tried_at: datetime | None
    next_at: datetime
    settled_at: datetime | None

    @classmethod
    def of(cls, found: Delivery) -> Self:
        """From the row."""
        return cls(**asdict(found))


class DeliveryPage(BaseModel):
    """A page of deliveries, newest first. next_cursor: None on the last one."""

    deliveries: list[DeliveryAnswer]
    next_cursor: str | None


class Replayed(BaseModel):
    """replayed: how many are told again; at most 10000 at once: call again while it is that many."""

    replayed: int
