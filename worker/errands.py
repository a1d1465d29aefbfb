"""What a person wants looked at now, and waits for: done once, by a worker, within bounded time; the answer stands in the errand's row."""

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

import structlog

from channels.alert_services import AlertSendError, send_alert
from channels.sample import sample_body
from crm_sync.advice import fix_for
from crm_sync.base import CrmError
from store.alert_target_settings import find_target
from store.channel_accounts import get_sending_account
from store.channel_health import note_inspection
from store.crm_connections import find_connection, note_check, note_provisioned, pause_and_tell
from store.db import StoreError
from store.errands import ErrandKind, forget_old_errands, settle_errand, take_errand
from store.secrets import SecretError
from store.tenants import list_tenants
from worker.crm_session import open_session
from worker.deps import Deps
from worker.laboratory import LabSetup, run_lab
from worker.trials import TrialError

if TYPE_CHECKING:
    from channels.base import ChannelKind

log = structlog.get_logger()


def run_errand(deps: Deps, *, tenant_id: int, errand_id: str, now: datetime) -> None:
    """Do it, once, and write down what came out. Raises: StoreError."""
    with deps.database.tenant_transaction(tenant_id) as conn:
        taken = take_errand(conn, tenant_id, errand_id)
    if taken is None:
        return
    kind, given = taken
    try:
        result = _do(deps, tenant_id, kind, given, now=now)
    except StoreError as error:
        result = {"error": error.code}
    except SecretError:
        result = {"error": "unreadable_secret"}
    except Exception as error:  # noqa: BLE001 -- its text may quote what was given: only its class is told
        log.error("errand_failed", code=type(error).__name__, kind=kind)  # noqa: TRY400
        result = {"error": f"bug_{type(error).__name__}"}
    with deps.database.tenant_transaction(tenant_id) as conn:
        settle_errand(conn, tenant_id, errand_id, result)


def forget_old(deps: Deps) -> None:
    """All tenants' errands that nobody waits for any more. Raises: StoreError."""
    with deps.database.system_transaction() as conn:
        tenants = list_tenants(conn)
    for tenant in tenants:
        with deps.database.tenant_transaction(tenant.id) as conn:
            forget_old_errands(conn, tenant.id)


def _do(deps: Deps, tenant_id: int, kind: ErrandKind, given: Mapping[str, Any], *, now: datetime) -> dict[str, object]:
    match kind:
        case "reading":
            return _read(deps, tenant_id, str(given["text"]))
        case "token":
            return _check_token(deps, tenant_id, given)
        case "crm":
            return _check_crm(deps, tenant_id, provision=bool(given.get("provision")))
        case "alert":
            return _send_test_alert(deps, tenant_id, str(given["name"]))
        case "sample":
            return _post_sample(deps, tenant_id, given, now=now)


def _read(deps: Deps, tenant_id: int, text: str) -> dict[str, object]:
    """As the laboratory reads it with what is live. {"error"} is a sentence here."""
    try:
        (row,) = run_lab(deps, tenant_id, setup=LabSetup(), texts=[text])
    except TrialError as error:
        return {"error": str(error)}
    live = row.live
    return {
        "words": row.words,
        "sentiment": live.sentiment,
        "score": live.score,
        "intent": live.intent,
        "topics": list(live.topics),
        "suggested_action": live.suggested_action,
        "priority": live.priority,
        "queue": live.queue,
        "reasons": list(live.reasons),
        **({"error": live.error_code} if live.error_code else {}),
    }


def _check_token(deps: Deps, tenant_id: int, given: Mapping[str, Any]) -> dict[str, object]:
    """{"token": alive, dead or unknown, "subscribed": None where that is not known, "code": what the channel said}."""
    kind, account_id = cast("ChannelKind", given["kind"]), str(given["account_id"])
    with deps.database.tenant_transaction(tenant_id) as conn:
        sender = get_sending_account(conn, tenant_id, kind=kind, account_id=account_id, keyring=deps.keyring)
    state = deps.channels[kind].inspect(sender.account)
    with deps.database.system_transaction() as conn:
        note_inspection(conn, tenant_id, kind=kind, account_id=account_id, state=state)
    return {"token": state.token, "subscribed": state.subscribed, "code": state.error_code}


def _check_crm(deps: Deps, tenant_id: int, *, provision: bool) -> dict[str, object]:
    """{"works", "account_id", "facts", "present", "missing"}, or {"works": False, "code", "fix"}. provision: make our fields too."""
    with deps.database.tenant_transaction(tenant_id) as conn:
        connection = find_connection(conn, tenant_id, keyring=deps.keyring)
    if connection is None:
        return {"works": False, "code": "no_crm", "fix": "connect one first"}
    try:
        session = open_session(deps, tenant_id, connection)
        account = session.crm.check()
        report = session.crm.provision(dry_run=not provision)
    except CrmError as error:
        if error.connection_broken:
            with deps.database.tenant_transaction(tenant_id) as conn:
                pause_and_tell(conn, tenant_id, connection.kind, code=error.code)
                note_check(conn, tenant_id, works=False, because=error.code)
        return {"works": False, "code": error.code, "fix": fix_for(error.code)}
    with deps.database.tenant_transaction(tenant_id) as conn:
        note_check(conn, tenant_id, works=True, account_id=account.account_id)
        if provision:
            note_provisioned(conn, tenant_id, missing=report.missing)
    return {
        "works": True,
        "account_id": account.account_id,
        "facts": list(account.facts),
        "created": list(report.created),
        "present": len(report.present),
        "missing": list(report.missing),
        "provisioned": provision,
    }


def _send_test_alert(deps: Deps, tenant_id: int, name: str) -> dict[str, object]:
    """{"sent": True}, or {"sent": False, "code"}."""
    with deps.database.tenant_transaction(tenant_id) as conn:
        target = find_target(conn, tenant_id, name=name)
    if target is None:
        return {"sent": False, "code": "no_such_target"}
    try:
        send_alert(
            target.open_url(deps.keyring),
            title="Earshot: a test",
            body=f'This is a test of the alert target "{name}". Nothing has happened.',
            severity="info",
            allow_private=deps.settings.allow_private_urls,
        )
    except AlertSendError as error:
        return {"sent": False, "code": error.code}
    return {"sent": True}


def _post_sample(deps: Deps, tenant_id: int, given: Mapping[str, Any], *, now: datetime) -> dict[str, object]:
    """{"status": what our receiver answered}, or {"code"} when it could not be reached."""
    kind, account_id = cast("ChannelKind", given["kind"]), str(given["account_id"])
    with deps.database.tenant_transaction(tenant_id) as conn:
        sender = get_sending_account(conn, tenant_id, kind=kind, account_id=account_id, keyring=deps.keyring)
    message_id = f"earshot-test-{secrets.token_hex(12)}"
    body = sample_body(kind, account_id, text=str(given["text"]), message_id=message_id, now=now)
    answer = deps.own_receiver.post(str(given["receiver_url"]), kind, body, secret=sender.account.signing_secret)
    return {"code": answer} if isinstance(answer, str) else {"status": answer}
