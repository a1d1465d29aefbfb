"""Meta's Graph API as far as Earshot calls it: WhatsApp and Instagram sends, and the signed webhooks that follow them."""

import base64
import hashlib
import hmac
import itertools
import json
import re
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import gevent

from devstack.standins.recording import Answer, Request, StandIn

_MESSAGES = re.compile(r"^/v\d+\.\d+/([0-9]+)/messages$")
_REPLIES = re.compile(r"^/v\d+\.\d+/([0-9]+)/replies$")
_SUBSCRIBED = re.compile(r"^/v\d+\.\d+/([0-9]+)/subscribed_apps$")
STATUS_AFTER_S = (("sent", 0.05), ("delivered", 0.1))
WEBHOOK_TRIES = 12


@dataclass(frozen=True)
class _Account:
    kind: str
    account_id: str
    app_secret: str
    webhook_url: str


class Graph(StandIn):
    """One application for all accounts. Accounts that were registered get webhooks back."""

    def __init__(self, *, accounts_file: Path | None = None, receiver_url: str | None = None) -> None:
        """accounts_file: where registered accounts survive a restart. receiver_url: replaces the host of their webhooks."""
        super().__init__()
        self._receiver_url = receiver_url
        self._accounts_file = accounts_file
        self._accounts: dict[str, _Account] = {}
        if accounts_file and accounts_file.exists():
            self._register(json.loads(accounts_file.read_text(encoding="utf-8")))
        self._sends: list[dict[str, Any]] = []
        self._answered_comments: set[str] = set()
        self._numbers = itertools.count(1)

    def handle(self, request: Request) -> Answer:
        """One Graph API call."""
        if not (request.bearer or request.query.get("access_token")):
            return _error(401, 190, "Invalid OAuth access token.", kind="OAuthException")
        if match := _MESSAGES.match(request.path):
            payload = request.json()
            if request.method != "POST" or not isinstance(payload, dict):
                return _error(400, 100, "Invalid parameter")
            if payload.get("messaging_product") == "whatsapp":
                return self._send_whatsapp(match[1], payload)
            return self._send_instagram(match[1], payload)
        if _REPLIES.match(request.path):
            return Answer({"id": str(17_900_000_000_000_000 + next(self._numbers))})
        if _SUBSCRIBED.match(request.path):
            return Answer({"success": True} if request.method == "POST" else {"data": [{"id": "1"}]})
        if request.path == "/refresh_access_token":
            return Answer({"access_token": "refreshed", "token_type": "bearer", "expires_in": 5_184_000})
        return _error(400, 100, "Unsupported request")

    def control(self, request: Request) -> Answer | None:
        """`POST /_accounts` registers who gets webhooks; `GET /_sends` lists accepted sends."""
        if (request.method, request.path) == ("POST", "/_accounts"):
            self._register(request.json()["accounts"])
            if self._accounts_file:
                kept = json.dumps([asdict(account) for account in self._accounts.values()])
                self._accounts_file.touch(mode=0o600)
                self._accounts_file.write_text(kept, encoding="utf-8")
            return Answer({"ok": True, "accounts": len(self._accounts)})
        if (request.method, request.path) == ("GET", "/_sends"):
            return Answer(list(self._sends))
        return None

    def _register(self, items: list[dict[str, str]]) -> None:
        for item in items:
            url = item["webhook_url"]
            if self._receiver_url:
                url = self._receiver_url + urlsplit(url).path
            account = _Account(item["kind"], item["account_id"], item["app_secret"], url)
            self._accounts[account.account_id] = account

    def _send_whatsapp(self, account_id: str, payload: dict[str, Any]) -> Answer:
        if payload.get("status") == "read":
            return Answer({"success": True}) if payload.get("message_id") else _missing("message_id")
        to = payload.get("to") or payload.get("recipient")
        if not isinstance(to, str) or not to:
            return _missing("to")
        problem = _whatsapp_problem(payload)
        if problem:
            return _error(400, problem[0], problem[1])
        wamid = "wamid." + base64.b64encode(f"\x1c\x18{to}\x15\x02\x11{next(self._numbers):016x}".encode()).decode()
        self._keep("whatsapp", account_id, to, payload, wamid)
        account = self._accounts.get(account_id)
        if account:
            gevent.spawn(self._report_statuses, account, to, wamid, payload.get("biz_opaque_callback_data"))
        contact = {"input": to, "wa_id": to} if payload.get("to") else {"input": to, "user_id": to}
        return Answer({"messaging_product": "whatsapp", "contacts": [contact], "messages": [{"id": wamid}]})

    def _send_instagram(self, account_id: str, payload: dict[str, Any]) -> Answer:
        recipient, message = payload.get("recipient"), payload.get("message")
        if not isinstance(recipient, dict) or not isinstance(message, dict):
            return _error(400, 100, "(#100) The parameter recipient is required")
        text = message.get("text")
        if text is not None and len(str(text).encode()) > 1000:
            return _error(400, 100, "(#100) Length of param message[text] must be less than or equal to 1000")
        if text is None and not message.get("attachment"):
            return _error(400, 100, "(#100) Message cannot be empty")
        comment_id = recipient.get("comment_id")
        if comment_id:
            if comment_id in self._answered_comments:
                return _error(400, 10900, "Activity already replied to", subcode=2534014)
            self._answered_comments.add(comment_id)
        to = str(recipient.get("id") or _igsid_of(str(comment_id)))
        mid = "aWdf" + base64.b64encode(f"ig_dm_item:1:{account_id}:{next(self._numbers)}".encode()).decode()
        self._keep("instagram", account_id, comment_id or to, payload, mid)
        account = self._accounts.get(account_id)
        if account:
            gevent.spawn(self._report_echo, account, to, mid, str(text or "attachment"))
        return Answer({"recipient_id": to, "message_id": mid})

    def _keep(self, kind: str, account_id: str, recipient: str, payload: dict[str, Any], provider_id: str) -> None:
        with self.lock:
            self._sends.append(
                {
                    "kind": kind,
                    "account_id": account_id,
                    "recipient": recipient,
                    "id": provider_id,
                    "at": time.time(),
                    "body": payload,
                }
            )

    def _report_statuses(self, account: _Account, to: str, wamid: str, callback: str | None) -> None:
        for status, pause_s in STATUS_AFTER_S:
            gevent.sleep(pause_s)
            item: dict[str, Any] = {
                "id": wamid,
                "status": status,
                "timestamp": str(int(time.time())),
                "recipient_id": to,
            }
            if callback is not None:
                item["biz_opaque_callback_data"] = callback
            metadata = {"display_phone_number": "15550000000", "phone_number_id": account.account_id}
            value = {"messaging_product": "whatsapp", "metadata": metadata, "statuses": [item]}
            entry = {"id": "0", "changes": [{"value": value, "field": "messages"}]}
            self._deliver(account, {"object": "whatsapp_business_account", "entry": [entry]})

    def _report_echo(self, account: _Account, to: str, mid: str, text: str) -> None:
        gevent.sleep(0.3)
        moment = int(time.time() * 1000)
        event = {
            "sender": {"id": account.account_id},
            "recipient": {"id": to},
            "timestamp": moment,
            "message": {"mid": mid, "text": text, "is_echo": True},
        }
        entry = {"id": account.account_id, "time": moment, "messaging": [event]}
        self._deliver(account, {"object": "instagram", "entry": [entry]})

    @staticmethod
    def _deliver(account: _Account, payload: dict[str, Any]) -> None:
        """POST it signed, again and again with growing gaps until it is taken, as Meta does."""
        body = meta_bytes(payload)
        signature = "sha256=" + hmac.new(account.app_secret.encode(), body, hashlib.sha256).hexdigest()
        for attempt in range(WEBHOOK_TRIES):
            webhook = urllib.request.Request(
                account.webhook_url,
                data=body,
                headers={"Content-Type": "application/json", "X-Hub-Signature-256": signature},
            )
            try:
                with urllib.request.urlopen(webhook, timeout=10) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                pass
            gevent.sleep(min(0.5 * 2**attempt, 10))


def meta_bytes(payload: Any) -> bytes:
    r"""JSON bytes as Meta writes them: non-ASCII as \uXXXX and / as \/, so that re-serialising would break the signature."""
    return json.dumps(payload, separators=(",", ":")).replace("/", "\\/").encode("ascii")


def _igsid_of(comment_id: str) -> str:
    """The same person for the same comment."""
    return str(int(hashlib.sha256(comment_id.encode()).hexdigest()[:13], 16))


def _whatsapp_problem(payload: dict[str, Any]) -> tuple[int, str] | None:
    """Meta's error code and message for a message it would refuse, or None."""
    kind = payload.get("type")
    content = payload.get(kind) if isinstance(kind, str) else None
    if kind not in {"text", "template", "interactive"} or not isinstance(content, dict):
        return 131009, "(#131009) Parameter value is not valid"
    if kind == "text" and not 1 <= len(str(content.get("body", ""))) <= 4096:
        return 131009, "(#131009) text.body must have 1 to 4096 characters"
    if kind == "template" and not (content.get("name") and content.get("language", {}).get("code")):
        return 131008, "(#131008) Required parameter is missing"
    return _interactive_problem(content) if kind == "interactive" else None


def _interactive_problem(content: dict[str, Any]) -> tuple[int, str] | None:
    body = content.get("body", {}).get("text", "")
    action = content.get("action", {})
    if not 1 <= len(body) <= 1024:
        return 131009, "(#131009) interactive.body.text must have 1 to 1024 characters"
    if content.get("type") == "cta_url":
        parameters = action.get("parameters", {})
        fits = action.get("name") == "cta_url" and 1 <= len(parameters.get("display_text", "")) <= 20
        return (
            None
            if fits and str(parameters.get("url", "")).startswith("http")
            else (131009, "(#131009) cta_url is not valid")
        )
    if content.get("type") == "button":
        buttons = action.get("buttons", [])
        ids = {button.get("reply", {}).get("id") for button in buttons}
        fits = 1 <= len(buttons) <= 3 and len(ids) == len(buttons)
        fits = fits and all(1 <= len(button.get("reply", {}).get("title", "")) <= 20 for button in buttons)
        return None if fits else (131009, "(#131009) buttons are not valid")
    return 131009, "(#131009) interactive.type is not valid"


def _missing(name: str) -> Answer:
    return _error(400, 100, f"(#100) The parameter {name} is required.")


def _error(status: int, code: int, message: str, *, kind: str = "OAuthException", subcode: int | None = None) -> Answer:
    error: dict[str, Any] = {"message": message, "type": kind, "code": code, "fbtrace_id": "StandIn"}
    if subcode:
        error["error_subcode"] = subcode
    return Answer({"error": error}, status)
