"""Carry out one planned action: claim it, check that it is still right, choose its form, send it once, settle it."""

from dataclasses import dataclass
from datetime import datetime

import structlog

from channels.base import (
    Channel,
    ChannelError,
    ChannelKind,
    OutboundMessage,
    SendingAccount,
)
from channels.clean_text import clean_text
from channels.sample import is_sample_sender
from config.actions import ActionConfig
from config.crash_points import crash_point
from config.surveys import consent_to
from config.tenant import TenantConfig
from routing.actions import INVITATIONS, WAITED_FOR
from routing.person_replies import REPLY, TEMPLATE_OF
from routing.reply_forms import Form, Occasion, choose_form
from routing.wording import MissingValueError
from store.action_people import hand_to_person, wait_for_approval
from store.actions import (
    ClaimedAction,
    claim_action,
    hold_action,
    note_departure,
    put_back_action,
    settle_action,
)
from store.analyses import find_newest_sentiment
from store.channel_accounts import SenderAccount, block_sends, get_sending_account
from store.customers import Conversation, lock_conversation
from store.db import Connection, StoreError
from store.messages import StoredMessage, get_message
from store.outbound import OwnMessage, add_own_message, author_of, hash_of_sent, note_replies, own_key
from store.sla_clocks import recompute_clocks
from store.survey_invitations import note_resolved
from worker.action_writing import write_action
from worker.departure_checks import Wait, find_refusal
from worker.deps import Deps
from worker.late_answers import place_after_answer
from worker.metrics import ACTIONS
from worker.rate_budget import Bucket
from worker.reply_writing import choose_reply_form
from worker.webhook_delivery import prepare_webhook, send_webhook

log = structlog.get_logger()

MAX_TRIES = 6
# Meta's limits: one message in 6 s to one person, some at once; a number's messages a second, in and out together.
PAIR_PER_S, PAIR_BURST = 1 / 6, 3
SHARE_FOR_SENDING = 0.5
PAIR_LIMITED = "graph_131056"
# Somebody has given the one private reply that a comment may have.
ALREADY_ANSWERED = "already_answered"
# A private reply is limited to 750 an hour and account.
PRIVATE_REPLIES_PER_S, PRIVATE_REPLIES_BURST = 750 / 3600, 50
# Forms in which the customer sees that their message was read.
_IN_DIALOGUE = {"text", "link", "choices", "human_agent"}


@dataclass(frozen=True)
class _Departure:
    """A message that is ready to leave."""

    channel: Channel
    kind: ChannelKind
    account: SendingAccount
    outbound: OutboundMessage
    form: Form
    marks_read: str | None
    """The customer's message to mark as read first."""
    conversation: Conversation
    message: StoredMessage


def deliver_action(deps: Deps, *, tenant_id: int, action_id: str, now: datetime) -> None:
    """Send what is pending and still allowed. Repeating this is harmless: only a `pending` row is ever claimed.

    Raises: StoreError.
    """
    tenant = deps.tenants.get(tenant_id)
    with deps.database.tenant_transaction(tenant_id) as conn:
        action = claim_action(conn, tenant_id, action_id)
        if action is None:
            return
        wording = TEMPLATE_OF if action.kind == REPLY else action.kind
        config = consent_to(wording, actions=tenant.actions, surveys=tenant.surveys) or ActionConfig()
        departure = request = None
        if action.kind == "webhook":
            request = prepare_webhook(conn, deps, action, config=config)
        else:
            departure = _prepare(conn, deps, action, config=config, tenant=tenant, now=now)
        crash_point("delivery.claim_before_commit")
    if request is not None:
        send_webhook(deps, action, request, now=now)
    if departure is not None:
        _send(deps, action, departure, now=now)


def _prepare(
    conn: Connection, deps: Deps, action: ClaimedAction, *, config: ActionConfig, tenant: TenantConfig, now: datetime
) -> _Departure | None:
    """What to send and from where; None when it was settled, or put back, without sending."""
    conversation = lock_conversation(conn, action.conversation_id)
    message = get_message(conn, action.message_id)
    if is_sample_sender(message.sender.get("identities", ())):
        _withdraw(conn, action, reason="test_message", tenant=tenant, now=now)
        return None
    occasion = Occasion(
        channel=conversation.channel,
        surface=message.surface,
        now=now,
        written_at=message.sent_at,
        last_inbound_at=conversation.last_inbound_at,
        sentiment=find_newest_sentiment(conn, message.id),
    )
    if action.kind == REPLY:
        reason, form = choose_reply_form(conn, action, occasion, config=config, now=now)
    else:
        reason = find_refusal(
            conn, action, conversation=conversation, message=message, config=config, tenant=tenant, now=now
        )
        if isinstance(reason, Wait):
            _put_off(conn, action, reason)
            return None
        form = choose_form(action.kind, occasion, config=config)
    if reason or form is None:
        _withdraw(conn, action, reason=reason or "window_closed", tenant=tenant, now=now)
        return None
    sender = get_sending_account(
        conn, action.tenant_id, kind=conversation.channel, account_id=conversation.account_id, keyring=deps.keyring
    )
    if sender.blocked_because:
        because = f"account_blocked:{sender.blocked_because}"
        put_back_action(conn, action.id, retry_in_s=300, error_code=because, counts_as_try=False)
        return None
    wait_s = deps.rate_budget.take(_buckets(conversation, sender, form=form))
    if wait_s > 0:
        put_back_action(conn, action.id, retry_in_s=wait_s, error_code="rate_budget", counts_as_try=False)
        return None
    try:
        outbound = write_action(
            conn, action, form, config=config, tenant=tenant, conversation=conversation, message=message
        )
    except MissingValueError as missing:
        _withdraw(conn, action, reason=f"missing_{missing}", tenant=tenant, now=now)
        return None
    # Asked last: who is let through to try whether the channel is back does try.
    wait_s = deps.breaker.wait_s(_breaker_name(conversation.channel, conversation.account_id))
    if wait_s > 0:
        put_back_action(conn, action.id, retry_in_s=wait_s, error_code="channel_down", counts_as_try=False)
        return None
    note_departure(
        conn, action.id, form=form, sent_hash=hash_of_sent(outbound.text), sent_text=clean_text(outbound.text)
    )
    if action.kind in INVITATIONS:
        note_resolved(conn, action.id, resolved=conversation.state == "resolved")
    kind: ChannelKind = conversation.channel  # pyright: ignore[reportAssignmentType]
    return _Departure(
        channel=deps.channels[kind],
        kind=kind,
        account=sender.account,
        outbound=outbound,
        form=form,
        marks_read=message.provider_message_id if sender.mark_read and form in _IN_DIALOGUE else None,
        conversation=conversation,
        message=message,
    )


def _put_off(conn: Connection, action: ClaimedAction, wait: Wait) -> None:
    if wait.seconds is None:
        wait_for_approval(conn, action)
    else:
        put_back_action(conn, action.id, retry_in_s=wait.seconds, error_code=wait.code, counts_as_try=False)


# Its time is over, or we have no words for it: when somebody waits for it, a person answers. Everything else is off for good.
_OVER = {"too_old", "window_closed", "no_template", "not_approved", "quiet_hours"}


def _withdraw(conn: Connection, action: ClaimedAction, *, reason: str, tenant: TenantConfig, now: datetime) -> None:
    is_over = reason in _OVER or reason.startswith("missing_")
    outcome = "expired" if is_over else "cancelled"
    settle_action(conn, action.id, state=outcome, error_code=reason)
    ACTIONS.labels(action.kind, outcome).inc()
    if is_over and action.kind in WAITED_FOR:
        hand_to_person(conn, action, because=reason, now=now, auto_queues=tenant.assignment.auto_assign)


def _breaker_name(channel: str, account_id: str) -> str:
    """While a channel is broken inside, every try would only be one more send that nobody knows the fate of."""
    return f"send:{channel}:{account_id}"


def _buckets(conversation: Conversation, sender: SenderAccount, *, form: Form) -> list[Bucket]:
    """The limits a send counts against: the channel's account, and the pair of account and customer."""
    account = f"{conversation.channel}:{conversation.account_id}"
    buckets = [Bucket(account, per_s=sender.max_per_s * SHARE_FOR_SENDING, burst=max(1, sender.max_per_s // 4))]
    if conversation.channel != "generic":
        buckets.append(Bucket(f"{account}:{conversation.customer_id}", per_s=PAIR_PER_S, burst=PAIR_BURST))
    if form == "private_reply":
        buckets.append(Bucket(f"{account}:private", per_s=PRIVATE_REPLIES_PER_S, burst=PRIVATE_REPLIES_BURST))
    return buckets


def _send(deps: Deps, action: ClaimedAction, departure: _Departure, *, now: datetime) -> None:
    pepper = deps.dedupe_pepper
    if departure.marks_read:
        try:
            departure.channel.mark_read(
                departure.marks_read, recipient=departure.outbound.recipient, account=departure.account
            )
        except ChannelError as error:  # a courtesy: the answer leaves without it
            log.info("not_marked_read", action_id=action.id, code=error.code)
    failure: ChannelError | None = None
    provider_message_id = ""
    try:
        crash_point("delivery.before_send")
        provider_message_id = departure.channel.send(departure.outbound, account=departure.account)
        crash_point("delivery.after_send")
    except ChannelError as error:
        failure = error
    deps.breaker.report(
        _breaker_name(departure.kind, departure.account.account_id),
        failed=failure is not None and failure.channel_down,
    )
    tenant = deps.tenants.get(action.tenant_id)
    with deps.database.tenant_transaction(action.tenant_id) as conn:
        if not hold_action(conn, action.id):  # the customer was erased meanwhile, and nothing of this may stay
            return
        if failure is None:
            settle_action(conn, action.id, state="sent", provider_message_id=provider_message_id)
            ACTIONS.labels(action.kind, "sent").inc()
            _keep_own_message(conn, pepper, action, departure, provider_message_id=provider_message_id, now=now)
            if action.kind == REPLY:
                note_replies(conn, [action.id])
        else:
            log.warning("action_not_sent", action_id=action.id, code=failure.code, uncertain=failure.uncertain)
            _settle_failure(conn, action, departure, failure, tenant=tenant, now=now)
        crash_point("delivery.settle_before_commit")
    crash_point("delivery.after_settle")
    if failure is None and action.kind == REPLY:
        _follow_answer(deps, action, tenant=tenant)


def _follow_answer(deps: Deps, action: ClaimedAction, *, tenant: TenantConfig) -> None:
    """Clocks and place after a person's answer, at once. What fails here must not touch the send: its time comes with the next tick."""
    try:
        with deps.database.tenant_transaction(action.tenant_id) as conn:
            place_after_answer(conn, action.conversation_id, tenant=tenant)
            recompute_clocks(conn, action.tenant_id, action.conversation_id, tenant=tenant)
    except StoreError as error:
        log.info("answer_followed_later", action_id=action.id, code=error.code)


def _settle_failure(
    conn: Connection,
    action: ClaimedAction,
    departure: _Departure,
    failure: ChannelError,
    *,
    tenant: TenantConfig,
    now: datetime,
) -> None:
    if failure.account_blocked:
        account_id = departure.account.account_id
        block_sends(conn, action.tenant_id, kind=departure.kind, account_id=account_id, because=failure.code)
    if failure.code == ALREADY_ANSWERED:
        settle_action(conn, action.id, state="cancelled", error_code=failure.code)
        ACTIONS.labels(action.kind, "cancelled").inc()
    elif failure.uncertain:
        settle_action(conn, action.id, state="uncertain", error_code=failure.code)
        ACTIONS.labels(action.kind, "uncertain").inc()
    elif failure.permanent or action.tries >= MAX_TRIES:
        settle_action(conn, action.id, state="failed", error_code=failure.code)
        ACTIONS.labels(action.kind, "failed").inc()
        if action.kind in WAITED_FOR:
            because = "window_closed" if failure.window_closed else "not_accepted"
            hand_to_person(conn, action, because=because, now=now, auto_queues=tenant.assignment.auto_assign)
    else:
        wait_s = failure.retry_after_s or 2.0 * 2**action.tries
        if failure.code == PAIR_LIMITED:  # Meta asks for 4^X seconds at the Xth try
            wait_s = 4.0**action.tries
        put_back_action(conn, action.id, retry_in_s=wait_s, error_code=failure.code)
        ACTIONS.labels(action.kind, "retried").inc()


def _keep_own_message(
    conn: Connection,
    pepper: bytes,
    action: ClaimedAction,
    departure: _Departure,
    *,
    provider_message_id: str,
    now: datetime,
) -> None:
    """What we sent stands in the conversation too, and its echo is recognised as ours."""
    key = own_key(
        pepper,
        channel=departure.kind,
        account_id=departure.account.account_id,
        form=departure.form,
        provider_message_id=provider_message_id,
    )
    add_own_message(
        conn,
        action.tenant_id,
        OwnMessage(
            key=key,
            channel=departure.kind,
            account_id=departure.account.account_id,
            surface=departure.message.surface if departure.form == "public_reply" else "dm",
            provider_message_id=provider_message_id,
            text=departure.outbound.text,
            message_type="template" if departure.form == "template" else "text",
            customer_id=departure.conversation.customer_id,
            conversation_id=departure.conversation.id,
            action_id=action.id,
            sent_at=now,
            author=author_of(action.kind),
        ),
    )
