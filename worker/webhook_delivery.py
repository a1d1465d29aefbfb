"""Tell a tenant's own endpoint about a decision: signed, repeated under the same id until it is taken or given up."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from secrets import SystemRandom

import structlog

from channels.guarded_http import RequestFailed
from channels.signed_webhooks import failure_of, signed_headers
from config.actions import ActionConfig
from config.crash_points import crash_point
from routing.webhook_payload import retry_wait_s, webhook_payload
from store.action_secrets import find_action_secret
from store.actions import ClaimedAction, put_back_action, settle_action
from store.db import Connection
from store.webhook_events import get_webhook_event
from worker.deps import Deps
from worker.metrics import ACTIONS

log = structlog.get_logger()

# With pauses that double up to an hour: about four hours.
MAX_WEBHOOK_TRIES = 12
_lot = SystemRandom()


@dataclass(frozen=True)
class WebhookRequest:
    """A request that is ready to leave."""

    url: str = field(repr=False)
    body: bytes = field(repr=False)
    secret: str = field(repr=False)


def prepare_webhook(
    conn: Connection, deps: Deps, action: ClaimedAction, *, config: ActionConfig
) -> WebhookRequest | None:
    """What to POST; None when it was settled without."""
    secret = find_action_secret(conn, action.tenant_id, action.kind, keyring=deps.keyring)
    if not config.enabled:
        settle_action(conn, action.id, state="cancelled", error_code="not_enabled")
        return None
    if not config.url or not secret:
        settle_action(conn, action.id, state="failed", error_code="no_secret" if config.url else "no_url")
        return None
    payload = webhook_payload(get_webhook_event(conn, action), include_text=config.include_text)
    return WebhookRequest(config.url, json.dumps(payload).encode("ascii"), secret)


def send_webhook(deps: Deps, action: ClaimedAction, request: WebhookRequest, *, now: datetime) -> None:
    """POST it once and settle the action by what comes back. Raises: StoreError."""
    headers = signed_headers(request.body, webhook_id=action.id, secret=request.secret, at=now)
    asked_s: float | None = None
    try:
        crash_point("automation_webhook.before_post")
        answer = deps.guarded_http.post(request.url, body=request.body, headers=headers)
        crash_point("automation_webhook.after_post")
    except RequestFailed as error:
        # "refused": the name leads into a network, or the URL is not one we may call. Its text is never told.
        failure = ("url_points_inside", False) if error.code == "refused" else (error.code, True)
    else:
        failure, asked_s = failure_of(answer), answer.retry_after_s
    with deps.database.tenant_transaction(action.tenant_id) as conn:
        if failure is None:
            settle_action(conn, action.id, state="sent")
            ACTIONS.labels(action.kind, "sent").inc()
            return
        code, may_repeat = failure
        log.warning("webhook_not_taken", action_id=action.id, code=code)
        if not may_repeat or action.tries >= MAX_WEBHOOK_TRIES:
            settle_action(conn, action.id, state="failed", error_code=code)
            ACTIONS.labels(action.kind, "failed").inc()
        else:
            wait_s = retry_wait_s(action.tries, asked_s=asked_s, share=_lot.random())
            put_back_action(conn, action.id, retry_in_s=wait_s, error_code=code)
            ACTIONS.labels(action.kind, "retried").inc()
