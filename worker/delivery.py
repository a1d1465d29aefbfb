"""Carry out one planned action: claim it, check that it is still right, send it once, settle it."""

from datetime import datetime

import structlog

from channels.base import Channel, ChannelError, ChannelKind, Identity, OutboundMessage, SendingAccount
from config.tenant import ActionConfig
from routing.actions import link_for, outbound_text, refusal
from routing.rules import COMMENT_SURFACES
from store.actions import ClaimedAction, claim_action, is_contradicted, put_back_action, settle_action
from store.channel_accounts import block_sends, get_sending_account
from store.customers import list_identities, lock_conversation
from store.db import Connection
from store.messages import get_message
from worker.deps import Deps

log = structlog.get_logger()

MAX_TRIES = 6


def deliver_action(deps: Deps, *, tenant_id: int, action_id: str, now: datetime) -> None:
    """Send what is pending and still allowed. Repeating this is harmless: only a `pending` row is ever claimed.

    Raises: StoreError.
    """
    tenant = deps.tenants.get(tenant_id)
    with deps.database.tenant_transaction(tenant_id) as conn:
        action = claim_action(conn, tenant_id, action_id)
        if action is None:
            return
        config = next((config for kind, config in tenant.actions.items() if kind == action.kind), ActionConfig())
        prepared = _prepare(conn, deps, action, config=config, now=now)
    if prepared is not None:
        _send(deps, action, *prepared)


def _prepare(
    conn: Connection, deps: Deps, action: ClaimedAction, *, config: ActionConfig, now: datetime
) -> tuple[Channel, OutboundMessage, SendingAccount, ChannelKind] | None:
    """What to send and from where; None when it was settled without sending."""
    conversation = lock_conversation(conn, action.conversation_id)
    reason = refusal(
        action.kind,
        now=now,
        created_at=action.created_at,
        last_inbound_at=conversation.last_inbound_at,
        human_took_over=conversation.taken_over,
        config=config,
        contradicted=is_contradicted(conn, action),
    )
    if reason:
        state = "expired" if reason in {"too_old", "window_closed"} else "cancelled"
        settle_action(conn, action.id, state=state, error_code=reason)
        return None
    kind: ChannelKind = conversation.channel  # pyright: ignore[reportAssignmentType]
    account, blocked = get_sending_account(
        conn, action.tenant_id, kind=kind, account_id=conversation.account_id, keyring=deps.keyring
    )
    if blocked:
        put_back_action(conn, action.id, retry_in_s=300, error_code=f"account_blocked:{blocked}")
        return None
    message = get_message(conn, action.message_id)
    outbound = OutboundMessage(
        recipient=tuple(
            Identity(identity_kind, value)  # pyright: ignore[reportArgumentType]
            for identity_kind, value in list_identities(conn, action.customer_id)
        ),
        text=outbound_text(action.kind, language=action.language, config=config),
        link=link_for(action.kind, language=action.language, config=config),
        reply_to_comment_id=message.provider_message_id if message.surface in COMMENT_SURFACES else None,
        callback=action.id,
    )
    return deps.channels[kind], outbound, account, kind


def _send(
    deps: Deps,
    action: ClaimedAction,
    channel: Channel,
    outbound: OutboundMessage,
    account: SendingAccount,
    kind: ChannelKind,
) -> None:
    failure: ChannelError | None = None
    provider_message_id: str | None = None
    try:
        provider_message_id = channel.send(outbound, account=account)
    except ChannelError as error:
        failure = error
    with deps.database.tenant_transaction(action.tenant_id) as conn:
        if failure is None:
            settle_action(conn, action.id, state="sent", provider_message_id=provider_message_id)
            return
        log.warning("action_not_sent", action_id=action.id, code=failure.code, uncertain=failure.uncertain)
        if failure.account_blocked:
            block_sends(conn, action.tenant_id, kind=kind, account_id=account.account_id, because=failure.code)
        if failure.uncertain:
            settle_action(conn, action.id, state="uncertain", error_code=failure.code)
        elif failure.permanent or action.tries >= MAX_TRIES:
            settle_action(conn, action.id, state="failed", error_code=failure.code)
        else:
            wait_s = failure.retry_after_s or 2.0 * 2**action.tries
            put_back_action(conn, action.id, retry_in_s=wait_s, error_code=failure.code)
