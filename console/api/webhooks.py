"""/webhooks: programs that are told of events, and what became of each event."""

from typing import cast

from flask import Response, current_app

from config.webhook_subscriptions import SubscriptionError, WantedSubscription, read_subscription
from console.api.callers import caller
from console.api.cursors import read_id, write_cursor
from console.api.paths import new_blueprint
from console.api.problems import Problem, not_found
from console.api.requests import Body
from console.api.webhook_answers import (
    DeliveryAnswer,
    DeliveryPage,
    Replayed,
    WebhookAnswer,
    WebhookList,
    WebhookRemoved,
    WebhookWithSecret,
)
from console.api.webhook_requests import (
    DeliveryPath,
    DeliveryQuery,
    NewWebhook,
    ReplaySince,
    WebhookChange,
    WebhookPath,
)
from console.api.writing import answer, database, do_once
from store.db import Connection
from store.secrets import Keyring
from store.webhook_deliveries import add_test, find_delivery, list_deliveries, replay_delivery, replay_failed
from store.webhook_subscriptions import (
    Subscription,
    add_subscription,
    change_subscription,
    find_subscription,
    list_subscriptions,
    pause_subscription,
    remove_subscription,
    resume_subscription,
    rotate_secret,
)

blueprint = new_blueprint("webhooks", __name__)


def _keyring() -> Keyring:
    return cast("Keyring", current_app.extensions["keyring"])


def _get(conn: Connection, path: WebhookPath) -> Subscription:
    found = find_subscription(conn, caller().tenant_id, str(path.webhook_id))
    if found is None:
        raise not_found("a webhook")
    return found


def _shown(found: Subscription) -> WebhookAnswer:
    """The address itself is for those who may set it: whoever has it can send there."""
    url = found.open_url(_keyring()) if caller().role == "admin" else None
    return WebhookAnswer.of(found, url=url)


def _with_secret(found: Subscription, secret: str) -> WebhookWithSecret:
    return WebhookWithSecret(**_shown(found).model_dump(), secret=secret)


def _read(given: NewWebhook) -> WantedSubscription:
    """Raises: Problem."""
    try:
        return read_subscription(
            url=given.url,
            kinds=given.kinds,
            description=given.description,
            include_text=given.include_text,
            allow_private=current_app.extensions["allow_private_urls"],
        )
    except SubscriptionError as error:
        raise Problem(422, "unusable_webhook", field=error.field, fix=error.fix) from None


@blueprint.get("/webhooks", summary="List webhooks", responses={200: WebhookList})
def list_all() -> Response:
    """Oldest first; addresses in full for admins only."""
    who = caller()
    with database().tenant_transaction(who.tenant_id) as conn:
        found = list_subscriptions(conn, who.tenant_id)
    return answer(WebhookList(webhooks=[_shown(one) for one in found]).model_dump(mode="json"))


@blueprint.post("/webhooks", summary="Have a program told of events", responses={200: WebhookWithSecret})
def add(body: NewWebhook) -> Response:
    """The answer holds the secret, this once; the same call under the same Idempotency-Key is answered without it."""
    who, wanted = caller(), _read(body)

    def work(conn: Connection) -> WebhookWithSecret:
        try:
            made, secret = add_subscription(conn, who.tenant_id, wanted, keyring=_keyring(), by=who.actor)
        except SubscriptionError as error:
            raise Problem(409, "too_many_webhooks", field=error.field, fix=error.fix) from None
        found = find_subscription(conn, who.tenant_id, made)
        assert found is not None
        return _with_secret(found, secret)

    return do_once(work, shown_once=("secret",))


@blueprint.get("/webhooks/<webhook_id>", summary="Read a webhook", responses={200: WebhookAnswer})
def read_one(path: WebhookPath) -> Response:
    """How it stands: whether it fails or rests, and how much waits for it."""
    with database().tenant_transaction(caller().tenant_id) as conn:
        found = _get(conn, path)
    return answer(_shown(found).model_dump(mode="json"))


@blueprint.patch("/webhooks/<webhook_id>", summary="Change a webhook", responses={200: WebhookAnswer})
def change(path: WebhookPath, body: WebhookChange) -> Response:
    """What is left out stays. state: "paused" stops it, "active" starts it again, also after it was switched off for failing."""
    who, key = caller(), str(path.webhook_id)

    def work(conn: Connection) -> WebhookAnswer:
        found = _get(conn, path)
        given = body.model_dump(exclude_none=True, exclude={"state"})
        if given:
            now = {
                "url": found.open_url(_keyring()),
                "kinds": list(found.kinds),
                "description": found.description,
                "include_text": found.include_text,
            }
            wanted = _read(NewWebhook.model_validate(now | given))
            change_subscription(conn, who.tenant_id, key, wanted, keyring=_keyring(), by=who.actor)
        if body.state == "paused":
            pause_subscription(conn, who.tenant_id, key, by=who.actor)
        elif body.state == "active":
            resume_subscription(conn, who.tenant_id, key, by=who.actor)
        return _shown(_get(conn, path))

    return do_once(work)


@blueprint.delete("/webhooks/<webhook_id>", summary="Remove a webhook", responses={200: WebhookRemoved})
def remove(path: WebhookPath) -> Response:
    """What waited for it is not told any more."""
    who, key = caller(), str(path.webhook_id)

    def work(conn: Connection) -> WebhookRemoved:
        if not remove_subscription(conn, who.tenant_id, key, by=who.actor):
            raise not_found("a webhook")
        return WebhookRemoved(id=key)

    return do_once(work)


@blueprint.post("/webhooks/<webhook_id>/rotate-secret", summary="Make a new secret", responses={200: WebhookWithSecret})
def rotate(path: WebhookPath, body: Body) -> Response:
    """The answer holds it, this once. For 24 hours the old one signs beside it."""
    del body
    who, key = caller(), str(path.webhook_id)

    def work(conn: Connection) -> WebhookWithSecret:
        secret = rotate_secret(conn, who.tenant_id, key, keyring=_keyring(), by=who.actor)
        if secret is None:
            raise not_found("a webhook")
        return _with_secret(_get(conn, path), secret)

    return do_once(work, shown_once=("secret",))


@blueprint.post("/webhooks/<webhook_id>/test", summary="Send a test event", responses={200: DeliveryAnswer})
def test(path: WebhookPath, body: Body) -> Response:
    """It leaves within seconds like any other event; read what became of it from the deliveries."""
    del body
    who, key = caller(), str(path.webhook_id)

    def work(conn: Connection) -> DeliveryAnswer:
        _get(conn, path)
        made = add_test(conn, who.tenant_id, key, by=who.actor)
        found = find_delivery(conn, who.tenant_id, key, made) if made else None
        if found is None:
            raise Problem(409, "not_active", field="state", fix='set the webhook\'s state to "active" first')
        return DeliveryAnswer.of(found)

    return do_once(work)


@blueprint.get(
    "/webhooks/<webhook_id>/deliveries", summary="List what was told and what waits", responses={200: DeliveryPage}
)
def list_events(path: WebhookPath, query: DeliveryQuery) -> Response:
    """Newest first. Ids and states, no words of anybody; settled ones for 30 days."""
    who = caller()
    with database().tenant_transaction(who.tenant_id) as conn:
        _get(conn, path)
        found = list_deliveries(
            conn,
            who.tenant_id,
            str(path.webhook_id),
            state=query.state,
            before_id=read_id(query.cursor),
            limit=query.limit + 1,
        )
    page = found[: query.limit]
    more = write_cursor((page[-1].id,)) if len(found) > query.limit else None
    body = DeliveryPage(deliveries=[DeliveryAnswer.of(one) for one in page], next_cursor=more)
    return answer(body.model_dump(mode="json"))


@blueprint.post("/webhooks/<webhook_id>/replay", summary="Tell again what was given up", responses={200: Replayed})
def replay_all(path: WebhookPath, body: ReplaySince) -> Response:
    """All events since then that failed for good, oldest first, under their own ids."""
    who = caller()

    def work(conn: Connection) -> Replayed:
        found = _get(conn, path)
        return Replayed(replayed=replay_failed(conn, who.tenant_id, found.id, since=body.since, by=who.actor))

    return do_once(work)


@blueprint.post(
    "/webhooks/<webhook_id>/deliveries/<delivery_id>/replay",
    summary="Tell one event again",
    responses={200: DeliveryAnswer},
)
def replay_one(path: DeliveryPath, body: Body) -> Response:
    """Under its own id, also when it arrived; one that waits is left as it is."""
    del body
    who, key = caller(), str(path.delivery_id)

    def work(conn: Connection) -> DeliveryAnswer:
        webhook = _get(conn, path)
        replay_delivery(conn, who.tenant_id, webhook.id, key, by=who.actor)
        found = find_delivery(conn, who.tenant_id, webhook.id, key)
        if found is None:
            raise not_found("a delivery")
        return DeliveryAnswer.of(found)

    return do_once(work)
