"""What calls about webhooks may say."""

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, StrictBool

from config.webhook_subscriptions import MAX_DESCRIPTION_CHARS, MAX_URL_CHARS, EventKind
from console.api.requests import Body, PageQuery, Strict, Text
from store.webhook_deliveries import DeliveryState


class WebhookPath(BaseModel):
    """Which webhook."""

    webhook_id: UUID


class DeliveryPath(WebhookPath):
    """Which event on its way to it."""

    delivery_id: UUID


class NewWebhook(Strict):
    """url: https with a public name. include_text: also the minimized words and the summary."""

    url: Text = Field(max_length=MAX_URL_CHARS)
    kinds: list[EventKind] = Field(min_length=1, max_length=20)
    description: Text = Field(default="", max_length=MAX_DESCRIPTION_CHARS)
    include_text: StrictBool = False


class WebhookChange(Body):
    """What is left out stays."""

    url: Text | None = Field(default=None, max_length=MAX_URL_CHARS)
    kinds: list[EventKind] | None = Field(default=None, min_length=1, max_length=20)
    description: Text | None = Field(default=None, max_length=MAX_DESCRIPTION_CHARS)
    include_text: StrictBool | None = None
    state: Literal["active", "paused"] | None = None


class DeliveryQuery(PageQuery):
    """state: only those."""

    state: DeliveryState | None = None


class ReplaySince(Strict):
    """since: events from then on, a time with an offset."""

    since: AwareDatetime
