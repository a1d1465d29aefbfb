"""Serves one subscription for a while: the oldest event first, each signed, sent, and noted before the next.

An endpoint that does not answer ends the turn and rests, longer after each failure, so that its thousands of events cost its neighbours
nothing.
"""

import threading
import time
from secrets import SystemRandom

import structlog

from channels.guarded_http import RequestFailed
from channels.signed_webhooks import failure_of, signed_headers
from config.crash_points import crash_point
from routing.webhook_schedule import rest_s, wait_s
from store.alerts import NewAlert, raise_alert
from store.audit_log import note_deed
from store.db import Connection, StoreError
from store.secrets import SecretError
from store.webhook_bodies import read_event
from store.webhook_deliveries import forget_old, give_up_old
from store.webhook_subscriptions import open_part
from store.webhook_turns import (
    Claimed,
    Endpoint,
    Failure,
    Turn,
    begin_turn,
    claim_next,
    end_turn,
    find_host,
    settle_delivered,
    settle_dropped,
    settle_failed,
    switch_off,
    take_due,
    unring,
)
from worker.deps import Deps
from worker.metrics import WEBHOOK_TRIES

log = structlog.get_logger()

# With its last call, which takes ten seconds at most, well within the lease (store.webhook_turns.BUSY_S).
TURN_S = 15.0
# Of a worker's hands: replies to customers and upkeep need the others while endpoints let us wait.
HANDS = 8
GONE = 410
RUNG_PER_TICK = 200
UPKEEP_AT_ONCE, UPKEEP_ROUNDS = 5000, 20
_hands = threading.BoundedSemaphore(HANDS)
_lot = SystemRandom()


def take_due_subscriptions(deps: Deps) -> list[tuple[int, str]]:
    """(tenant id, subscription id) of whom a worker should serve now. Raises: StoreError."""
    with deps.database.system_transaction() as conn:
        return take_due(conn, limit=RUNG_PER_TICK)


def serve_subscription(deps: Deps, *, tenant_id: int, subscription_id: str) -> None:
    """One turn; several workers may be asked for the same one, one of them does it. Raises: StoreError."""
    if not _hands.acquire(blocking=False):
        with deps.database.tenant_transaction(tenant_id) as conn:
            unring(conn, tenant_id, subscription_id)
        return
    try:
        with deps.database.tenant_transaction(tenant_id) as conn:
            turn = begin_turn(conn, tenant_id, subscription_id)
        if turn:
            crash_point("webhooks.after_turn")
            _serve(deps, turn)
    finally:
        _hands.release()


def _serve(deps: Deps, turn: Turn) -> None:
    ends_at = time.monotonic() + TURN_S
    try:
        while time.monotonic() < ends_at and _send_next(deps, turn):
            pass
    finally:
        with deps.database.tenant_transaction(turn.tenant_id) as conn:
            end_turn(conn, turn)


def _send_next(deps: Deps, turn: Turn) -> bool:
    """Tell the next event; False when there is none, or the endpoint rests from now on."""
    with deps.database.tenant_transaction(turn.tenant_id) as conn:
        found = claim_next(conn, turn)
        if found is None:
            return False
        endpoint, claimed = found
        body, failure = _compose(conn, turn, endpoint, claimed)
        if body is None and failure is None:
            settle_dropped(conn, turn, claimed.id)
            WEBHOOK_TRIES.labels("dropped").inc()
            return True
    status: int | None = None
    if body is not None:
        status, failure = _post(deps, turn, endpoint, claimed, body)
    with deps.database.tenant_transaction(turn.tenant_id) as conn:
        if failure is None:
            assert status is not None
            settle_delivered(conn, turn, claimed.id, status=status, after_failures=endpoint.failures)
            crash_point("webhooks.settle_before_commit")
            WEBHOOK_TRIES.labels("delivered").inc()
            return True
        log.info("webhook_not_taken", delivery_id=claimed.id, code=failure.code, tries=claimed.tries)
        _settle_failure(conn, turn, claimed, failure)
    WEBHOOK_TRIES.labels("failed" if failure.wait_s is None else "retried").inc()
    return failure.rest_s == 0


def _compose(conn: Connection, turn: Turn, endpoint: Endpoint, claimed: Claimed) -> tuple[bytes | None, Failure | None]:
    """(body, None), (None, why not), or (None, None) when what it was about is gone."""
    try:
        event = read_event(conn, turn.tenant_id, claimed, include_text=endpoint.include_text)
        return (event.model_dump_json().encode() if event else None), None
    except StoreError:
        raise
    except Exception as error:  # noqa: BLE001 -- a bug costs its event, not those behind it; its text may quote a customer
        code = f"bug_{type(error).__name__}"
        log.error("webhook_not_composed", code=code, delivery_id=claimed.id)  # noqa: TRY400
        return None, Failure(code, None, wait_s(claimed.tries, asked_s=None, share=_lot.random()), 0.0)


def _post(
    deps: Deps, turn: Turn, endpoint: Endpoint, claimed: Claimed, body: bytes
) -> tuple[int | None, Failure | None]:
    """(status, None) when the far side has it, else (status, why not)."""
    status: int | None = None
    asked_s: float | None = None
    try:
        url, secret, old_secret = _open(deps, turn, endpoint)
        headers = signed_headers(body, webhook_id=claimed.id, secret=secret, old_secret=old_secret, at=claimed.at)
        crash_point("webhooks.before_post")
        answer = deps.guarded_http.post(url, body=body, headers=headers)
        crash_point("webhooks.after_post")
    except SecretError:
        found = ("unreadable_secret", True)
    except RequestFailed as error:
        # "refused": the name leads into a network, or the URL is not one we may call.
        found = ("url_points_inside" if error.code == "refused" else error.code, True)
    else:
        status, asked_s, found = answer.status, answer.retry_after_s, failure_of(answer)
    if found is None:
        return status, None
    code, is_down = found
    wait = None if status == GONE else wait_s(claimed.tries, asked_s=asked_s, share=_lot.random())
    rest = rest_s(endpoint.failures + 1, refused=not is_down, asked_s=asked_s if is_down else None)
    return status, Failure(code, status, wait, rest)


def _open(deps: Deps, turn: Turn, endpoint: Endpoint) -> tuple[str, str, str | None]:
    """(url, secret, old secret). Raises: SecretError."""

    def opened(sealed: bytes, part: str) -> str:
        return open_part(
            deps.keyring, sealed, tenant_id=turn.tenant_id, subscription_id=turn.subscription_id, part=part
        )

    old = opened(endpoint.old_secret, "secret") if endpoint.old_secret is not None else None
    return opened(endpoint.url, "url"), opened(endpoint.secret, "secret"), old


def _settle_failure(conn: Connection, turn: Turn, claimed: Claimed, failure: Failure) -> None:
    failing_since = settle_failed(conn, turn, claimed.id, failure)
    if failure.status == GONE:
        switch_off(conn, turn)
        _tell_people(conn, turn, because="gone", episode=claimed.id)
    elif failing_since is not None:
        _tell_people(conn, turn, because="failing", episode=failing_since.isoformat())


def _tell_people(conn: Connection, turn: Turn, *, because: str, episode: str) -> None:
    """episode: one alert each."""
    log.warning("webhook_paused", subscription_id=turn.subscription_id, because=because)
    note_deed(
        conn, turn.tenant_id, by=None, deed="webhook_paused", subject=turn.subscription_id, details={"because": because}
    )
    raise_alert(
        conn,
        turn.tenant_id,
        NewAlert(
            kind="webhook_paused",
            key=f"webhook:{turn.subscription_id}:{episode}",
            details={
                "subscription_id": turn.subscription_id,
                "target": find_host(conn, turn),
                "because": because,
            },
        ),
    )


def keep_deliveries(deps: Deps) -> None:
    """Give up what is too old, forget what is long over, some thousands at a time. Raises: StoreError."""
    for step in (give_up_old, forget_old):
        for _ in range(UPKEEP_ROUNDS):
            with deps.database.system_transaction() as conn:
                if step(conn, limit=UPKEEP_AT_ONCE) < UPKEEP_AT_ONCE:
                    break
