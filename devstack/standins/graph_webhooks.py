"""The webhooks that Meta sends after a message was accepted: built, signed and delivered until they are taken."""

import hashlib
import hmac
import json
import re
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any

import gevent

# Status and the pause before it.
STATUS_AFTER_S = (("sent", 0.05), ("delivered", 0.1))
ECHO_AFTER_S = 0.3
GIVE_UP_AFTER_S = 60.0
# No proxy of this machine may stand between two of its own ports.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Account:
    """An account whose sends are followed by webhooks."""

    kind: str
    account_id: str
    app_secret: str = field(repr=False)
    webhook_url: str


@dataclass(frozen=True)
class AcceptedSend:
    """A message that was accepted for an account. recipient: a phone number, BSUID or IGSID."""

    account: Account
    recipient: str
    provider_id: str
    payload: dict[str, Any] = field(repr=False)


def follow_whatsapp(send: AcceptedSend) -> None:
    """Report `sent`, then `delivered`."""
    for status, pause_s in STATUS_AFTER_S:
        gevent.sleep(pause_s)
        deliver(send.account, status_webhook(send, status=status, at=time.time()))


def follow_instagram(send: AcceptedSend) -> None:
    """Report the echo."""
    gevent.sleep(ECHO_AFTER_S)
    deliver(send.account, echo_webhook(send, at=time.time()))


def status_webhook(send: AcceptedSend, *, status: str, at: float) -> dict[str, Any]:
    """A body that reports one status."""
    by_phone = bool(send.payload.get("to"))
    item: dict[str, Any] = {
        "id": send.provider_id,
        "status": status,
        "timestamp": str(int(at)),
        "recipient_id" if by_phone else "recipient_user_id": send.recipient,
        "pricing": {"billable": False, "pricing_model": "PMP", "category": "service", "type": "free_customer_service"},
    }
    if (callback := send.payload.get("biz_opaque_callback_data")) is not None:
        item["biz_opaque_callback_data"] = callback
    metadata = {"display_phone_number": "15550000000", "phone_number_id": send.account.account_id}
    value = {"messaging_product": "whatsapp", "metadata": metadata, "statuses": [item]}
    entry = {"id": "100000000000001", "changes": [{"value": value, "field": "messages"}]}
    return {"object": "whatsapp_business_account", "entry": [entry]}


def echo_webhook(send: AcceptedSend, *, at: float) -> dict[str, Any]:
    """A body that reports what the account itself has sent."""
    message = send.payload["message"]
    event = {
        "sender": {"id": send.account.account_id},
        "recipient": {"id": send.recipient},
        "timestamp": int(at * 1000),
        "message": {"mid": send.provider_id, "is_echo": True, **_echoed_content(message)},
    }
    entry = {"id": send.account.account_id, "time": int(at * 1000), "messaging": [event]}
    return {"object": "instagram", "entry": [entry]}


def _echoed_content(message: dict[str, Any]) -> dict[str, Any]:
    if message.get("text"):
        return {"text": message["text"]}
    attachment = message["attachment"]
    if attachment.get("type") != "template":
        return {"attachments": [{"type": attachment.get("type"), "payload": {}}]}
    template = attachment.get("payload") or {}
    elements = [{"title": template.get("text", ""), "buttons": template.get("buttons", [])}]
    return {"attachments": [{"type": "template", "payload": {"generic": {"elements": elements}}}]}


def meta_bytes(payload: Any) -> bytes:
    r"""JSON bytes as Meta writes them: non-ASCII as \uXXXX, and `/`, `<`, `%` and `@` escaped, so that a receiver that
    parses and serialises again gets other bytes and another signature.
    """
    escapes = {"/": r"\/", "<": r"\u003C", "%": r"\u0025", "@": r"\u0040"}
    text = json.dumps(payload, separators=(",", ":"))
    return re.sub(r"[/<%@]", lambda match: escapes[match[0]], text).encode("ascii")


def signature(body: bytes, secret: str) -> str:
    """The value of `X-Hub-Signature-256`."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def deliver(account: Account, payload: dict[str, Any]) -> bool:
    """POST it signed, again and again with growing pauses until it is answered with 200; False when we gave up."""
    body = meta_bytes(payload)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "facebookexternalua",
        "X-Hub-Signature-256": signature(body, account.app_secret),
    }
    started, pause_s = time.monotonic(), 0.5
    while not _post(account.webhook_url, body, headers):
        if time.monotonic() - started + pause_s > GIVE_UP_AFTER_S:
            return False
        gevent.sleep(pause_s)
        pause_s = min(pause_s * 2, 10.0)
    return True


def _post(url: str, body: bytes, headers: dict[str, str]) -> bool:
    try:
        with _opener.open(urllib.request.Request(url, data=body, headers=headers), timeout=10) as answer:
            return answer.status == 200
    except urllib.error.HTTPError as error:
        error.close()
        return False
    except OSError:
        return False
