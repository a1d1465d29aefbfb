"""Sends messages of our own the whole way, signed and posted like a channel's, and tells people when one does not come through."""

from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

import structlog

from channels.canary import canary_body
from store.alert_episodes import keep_episodes
from store.canaries import (
    DueCanary,
    LateCanary,
    give_up_canaries,
    list_alarmed_tenants,
    list_late_canaries,
    note_trouble,
    take_due_canaries,
    take_in,
)
from store.channel_accounts import get_sending_account
from store.db import StoreError
from worker.deps import Deps
from worker.metrics import CANARIES_LATE
from worker.pipeline import start_all

if TYPE_CHECKING:
    from channels.base import ChannelKind

log = structlog.get_logger()

LATE = "canary_late"
PER_TICK = 20


def send_due(deps: Deps, *, now: datetime) -> int:
    """Send what is due; returns how many. Raises: StoreError; kombu OperationalError when the broker can't be reached."""
    settings = deps.settings
    if not settings.canary_every_s:
        return 0
    with deps.database.system_transaction() as conn:
        give_up_canaries(conn)
        due = take_due_canaries(
            conn,
            every_s=settings.canary_every_s,
            model_every_s=settings.canary_model_every_s,
            via="receiver" if settings.canary_url else "inbox",
            limit=PER_TICK,
        )
    for canary in due:
        if settings.canary_url:
            code = _post(deps, canary, url=settings.canary_url, now=now)
            if code:
                _note(deps, canary, code=code)
        else:
            with deps.database.tenant_transaction(canary.tenant_id) as conn:
                run = take_in(conn, canary.tenant_id, canary.id)
            start_all([run] if run else [], lanes=deps.lanes)
    return len(due)


def _post(deps: Deps, canary: DueCanary, *, url: str, now: datetime) -> str | None:
    """Post it as the channel would. None when it was taken, else why not."""
    kind = cast("ChannelKind", canary.channel)
    try:
        with deps.database.tenant_transaction(canary.tenant_id) as conn:
            sender = get_sending_account(
                conn, canary.tenant_id, kind=kind, account_id=canary.account_id, keyring=deps.keyring
            )
    except StoreError as error:  # the account is gone since a moment
        return error.code
    body = canary_body(kind, canary.account_id, canary_id=canary.id, now=now)
    answer = deps.own_receiver.post(url, kind, body, secret=sender.account.signing_secret)
    if isinstance(answer, str):
        return answer
    return None if answer == HTTPStatus.OK else f"http_{answer}"


def _note(deps: Deps, canary: DueCanary, *, code: str) -> None:
    with deps.database.tenant_transaction(canary.tenant_id) as conn:
        note_trouble(conn, canary.id, code=code)
    log.warning("canary_not_taken", code=code, tenant_id=canary.tenant_id)


def watch(deps: Deps, *, now: datetime) -> None:
    """Tell of late canaries, and that it is over. Raises: StoreError."""
    with deps.database.system_transaction() as conn:
        late = list_late_canaries(conn, late_after_s=deps.settings.canary_late_after_s)
        tenants = {one.tenant_id for one in late} | set(list_alarmed_tenants(conn))
    for tenant_id in sorted(tenants):
        going_on = {_about(one): _details(one) for one in late if one.tenant_id == tenant_id}
        with deps.database.tenant_transaction(tenant_id) as conn:
            new = keep_episodes(conn, tenant_id, kind=LATE, going_on=going_on, now=now)
        for about in new:
            log.error("canary_late", tenant_id=tenant_id, **going_on[about])
    CANARIES_LATE.set(len(late))


def _about(one: LateCanary) -> str:
    return "with the model" if one.asks_model else "without the model"


def _details(one: LateCanary) -> dict[str, Any]:
    """stage: the last it has passed; `sent` is none."""
    return {
        "channel": one.channel,
        "stage": one.stage,
        "because": one.error_code,
        "asks_model": one.asks_model,
        "via": one.via,
    }
