"""Looks after channel accounts: silence, dead or ageing tokens, webhooks that were switched off. People hear of it first."""

import structlog

from channels.base import ChannelError, ChannelKind, RefreshedToken
from store.channel_accounts import get_sending_account
from store.channel_health import (
    WatchedAccount,
    count_accounts,
    learn_usual_gaps,
    list_unwell,
    store_inspection,
    store_refreshed_token,
    take_due_inspections,
    take_due_refreshes,
    update_alerts,
)
from store.db import StoreError
from worker.deps import Deps
from worker.metrics import CHANNEL_ACCOUNTS, CHANNEL_ALERTS

log = structlog.get_logger()

INSPECTED_PER_TICK = 20
REFRESHED_PER_TICK = 20
PROBLEMS = ("channel_silent", "webhooks_disabled", "token_dead", "token_expiring", "sends_blocked")


def watch_channels(deps: Deps) -> None:
    """One round: ask about accounts whose turn it is, then compare all with what is usual. Raises: StoreError."""
    with deps.database.system_transaction() as conn:
        due = take_due_inspections(conn, limit=INSPECTED_PER_TICK)
    for account in due:
        _inspect(deps, account)
    with deps.database.system_transaction() as conn:
        learn_usual_gaps(conn)
        unwell = list_unwell(conn)
        new = update_alerts(conn, unwell)
        accounts = count_accounts(conn)
    for one in new:
        CHANNEL_ALERTS.labels(one.problem).inc()
        log.warning(
            "channel_account_unwell", problem=one.problem, tenant_id=one.tenant_id, account=one.channel_account_id
        )
    for problem in PROBLEMS:
        CHANNEL_ACCOUNTS.labels(problem).set(sum(one.problem == problem for one in unwell))
    CHANNEL_ACCOUNTS.labels("ok").set(accounts - len({one.channel_account_id for one in unwell}))


def _inspect(deps: Deps, account: WatchedAccount) -> None:
    try:
        with deps.database.tenant_transaction(account.tenant_id) as conn:
            sender = get_sending_account(
                conn, account.tenant_id, kind=account.kind, account_id=account.account_id, keyring=deps.keyring
            )
        # No transaction is open while Meta is asked.
        state = _channel(deps, account).inspect(sender.account)
        with deps.database.system_transaction() as conn:
            store_inspection(conn, account, state)
    except StoreError as error:  # the account is gone, or the next round comes
        log.warning("not_inspected", code=error.code, account=account.channel_account_id)


def _channel(deps: Deps, account: WatchedAccount):  # noqa: ANN202 -- what deps holds
    kind: ChannelKind = account.kind  # pyright: ignore[reportAssignmentType]
    return deps.channels[kind]


def refresh_tokens(deps: Deps) -> None:
    """Give ageing tokens a new lifetime. One that can't be refreshed comes again in some hours. Raises: StoreError."""
    with deps.database.system_transaction() as conn:
        due = take_due_refreshes(conn, limit=REFRESHED_PER_TICK)
    for account in due:
        _refresh(deps, account)


def _refresh(deps: Deps, account: WatchedAccount) -> None:
    with deps.database.tenant_transaction(account.tenant_id) as conn:
        sender = get_sending_account(
            conn, account.tenant_id, kind=account.kind, account_id=account.account_id, keyring=deps.keyring
        )
    refreshed: RefreshedToken | None = None
    try:
        refreshed = _channel(deps, account).refresh_token(sender.account)
    except ChannelError as error:
        log.warning("token_not_refreshed", code=error.code, account=account.channel_account_id)
    if refreshed is None:
        return
    with deps.database.system_transaction() as conn:
        kept = store_refreshed_token(
            conn, account, refreshed, replaces=sender.account.access_token, keyring=deps.keyring
        )
    log.info("token_refreshed", account=account.channel_account_id, kept=kept)
