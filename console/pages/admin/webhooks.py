"""/admin/webhooks: programs that are told of events, and what became of each event."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast, get_args

from flask import abort, current_app, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from config.webhook_subscriptions import (
    EVENT_KINDS,
    MAX_DESCRIPTION_CHARS,
    MAX_URL_CHARS,
    SubscriptionError,
    WantedSubscription,
    read_subscription,
)
from console.pages.admin.gate import new_blueprint, only_admins, read_day, read_id
from console.pages.notices import give_notice
from console.visitors import database, speech, visitor
from console.webhook_sample import SAMPLE, VERIFY
from store.db import Connection
from store.secrets import Keyring
from store.webhook_deliveries import DeliveryState, add_test, list_deliveries, replay_delivery, replay_failed
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

blueprint = new_blueprint("webhooks", path="/webhooks")
SHOWN = 50
STATES: tuple[str, ...] = get_args(DeliveryState)


@dataclass(frozen=True)
class _Form:
    """What stands in the form. problem: the field that is wrong."""

    url: str = ""
    description: str = ""
    kinds: tuple[str, ...] = EVENT_KINDS[:3]
    include_text: bool = False
    problem: str | None = None


def _keyring() -> Keyring:
    return cast("Keyring", current_app.extensions["keyring"])


def _is_admin() -> bool:
    return visitor().place.role == "admin"


def _sent_form(problem: str | None = None) -> _Form:
    given = request.form
    return _Form(
        url=given.get("url", "")[:MAX_URL_CHARS],
        description=given.get("description", "")[:MAX_DESCRIPTION_CHARS],
        kinds=tuple(given.getlist("kinds")),
        include_text="include_text" in given,
        problem=problem,
    )


def _read_form() -> WantedSubscription:
    """Raises: SubscriptionError."""
    given = request.form
    return read_subscription(
        url=given.get("url", ""),
        kinds=given.getlist("kinds"),
        description=given.get("description", ""),
        include_text="include_text" in given,
        allow_private=current_app.extensions["allow_private_urls"],
    )


@blueprint.get("")
def show() -> str:
    """All of the tenant's, oldest first."""
    with database().tenant_transaction(visitor().tenant_id) as conn:
        return _list_page(conn, _Form())


def _list_page(conn: Connection, form: _Form) -> str:
    return render_template(
        "admin/webhooks.html",
        webhooks=list_subscriptions(conn, visitor().tenant_id),
        form=form,
        kinds=EVENT_KINDS,
        sample=SAMPLE,
        verify=VERIFY,
        may_change=_is_admin(),
    )


@blueprint.post("")
def add() -> str | tuple[str, int]:
    """Add one and show its secret, this once. A form that is sent again adds none."""
    only_admins()
    who = visitor()
    with database().tenant_transaction(who.tenant_id) as conn:
        try:
            wanted = _read_form()
            if any(_is_same(one, wanted) for one in list_subscriptions(conn, who.tenant_id)):
                return _list_page(conn, _sent_form("twice")), 409
            made, secret = add_subscription(conn, who.tenant_id, wanted, keyring=_keyring(), by=who.actor)
        except SubscriptionError as error:
            return _list_page(conn, _sent_form(error.field)), 422
        return _page(conn, _get(conn, made), secret=secret)


def _is_same(one: Subscription, wanted: WantedSubscription) -> bool:
    return (one.host, one.description) == (wanted.host, wanted.description) and one.open_url(_keyring()) == wanted.url


def _get(conn: Connection, webhook_id: object) -> Subscription:
    found = find_subscription(conn, visitor().tenant_id, str(webhook_id))
    if found is None:
        abort(404)
    return found


def _page(conn: Connection, found: Subscription, *, form: _Form | None = None, secret: str | None = None) -> str:
    state = request.args.get("state")
    state = state if state in STATES else None
    deliveries = list_deliveries(
        conn,
        found.tenant_id,
        found.id,
        state=state,
        before_id=read_id(request.args.get("before")),
        limit=SHOWN + 1,
    )
    url = found.open_url(_keyring()) if _is_admin() else ""
    week_ago = (datetime.now(UTC) - timedelta(days=7)).astimezone(speech().zone)
    return render_template(
        "admin/webhook.html",
        one=found,
        form=form or _Form(url, found.description, found.kinds, found.include_text),
        secret=secret,
        kinds=EVENT_KINDS,
        deliveries=deliveries[:SHOWN],
        there_are_more=len(deliveries) > SHOWN,
        state=state,
        states=STATES,
        since=week_ago.date(),
        verify=VERIFY,
        may_change=_is_admin(),
    )


@blueprint.get("/<uuid:webhook_id>")
def show_one(webhook_id: object) -> str:
    """How it stands, and its deliveries, newest first; ?state= only those, ?before= older ones."""
    with database().tenant_transaction(visitor().tenant_id) as conn:
        return _page(conn, _get(conn, webhook_id))


@blueprint.post("/<uuid:webhook_id>")
def change(webhook_id: object) -> str | tuple[str, int] | Response:
    """Make it what the form says."""
    only_admins()
    who = visitor()
    with database().tenant_transaction(who.tenant_id) as conn:
        found = _get(conn, webhook_id)
        try:
            wanted = _read_form()
        except SubscriptionError as error:
            return _page(conn, found, form=_sent_form(error.field)), 422
        change_subscription(conn, who.tenant_id, found.id, wanted, keyring=_keyring(), by=who.actor)
    give_notice("webhook changed")
    return _back(found)


def _back(found: Subscription) -> Response:
    return redirect(url_for("admin_webhooks.show_one", webhook_id=found.id))


@blueprint.post("/<uuid:webhook_id>/secret")
def rotate(webhook_id: object) -> str | Response:
    """Make a new secret and show it, this once. A form that is sent again makes none: it has seen another one."""
    only_admins()
    who = visitor()
    with database().tenant_transaction(who.tenant_id) as conn:
        found = _get(conn, webhook_id)
        if request.form.get("seen", "") != str(found.old_secret_until or ""):
            give_notice("refused changed_meanwhile")
            return _back(found)
        secret = rotate_secret(conn, who.tenant_id, found.id, keyring=_keyring(), by=who.actor)
        return _page(conn, _get(conn, webhook_id), secret=secret)


@blueprint.post("/<uuid:webhook_id>/deed")
def do(webhook_id: object) -> Response:
    """Pause, resume, test or remove it. What is so already is left as it is, and said."""
    only_admins()
    who, deed = visitor(), request.form.get("deed", "")
    with database().tenant_transaction(who.tenant_id) as conn:
        found = _get(conn, webhook_id)
        deeds = {
            "pause": lambda: pause_subscription(conn, who.tenant_id, found.id, by=who.actor),
            "resume": lambda: resume_subscription(conn, who.tenant_id, found.id, by=who.actor),
            "test": lambda: add_test(conn, who.tenant_id, found.id, by=who.actor) is not None,
            "remove": lambda: remove_subscription(conn, who.tenant_id, found.id, by=who.actor),
        }
        if deed not in deeds:
            abort(400)
        give_notice("webhook" if deeds[deed]() else "webhook_unchanged", deed=deed)
    return redirect(url_for("admin_webhooks.show")) if deed == "remove" else _back(found)


@blueprint.post("/<uuid:webhook_id>/replay")
def replay(webhook_id: object) -> Response:
    """Tell one event again (`delivery`), or all that were given up of those since a day (`since`)."""
    only_admins()
    who = visitor()
    with database().tenant_transaction(who.tenant_id) as conn:
        found = _get(conn, webhook_id)
        if "delivery" in request.form:
            delivery_id = read_id(request.form["delivery"])
            done = delivery_id and replay_delivery(conn, who.tenant_id, found.id, delivery_id, by=who.actor)
            give_notice("webhook_replayed" if done else "webhook_unchanged")
            return _back(found)
        since = read_day(request.form.get("since"), speech().zone)
        if since is None:
            give_notice("webhook_no_day")
            return _back(found)
        replayed = replay_failed(conn, who.tenant_id, found.id, since=since, by=who.actor)
        give_notice("webhook_replayed" if replayed else "webhook_none_failed")
    return _back(found)
