"""Meta's Graph API as far as Earshot calls it: WhatsApp and Instagram sends, and the signed webhooks that follow them."""

import base64
import hashlib
import itertools
import json
import re
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import gevent

from devstack.private_file import write_private
from devstack.standins.exchange import Answer, Request
from devstack.standins.graph_checks import INVALID_PARAMETER, Refusal, instagram_problem, whatsapp_problem
from devstack.standins.graph_webhooks import AcceptedSend, Account, follow_instagram, follow_whatsapp
from devstack.standins.recording import StandIn

_PATH = re.compile(r"^/v\d+\.\d+/([^/]+)/(messages|replies|subscribed_apps)$")
_NODE = re.compile(r"^/v\d+\.\d+/([^/]+)$")
# Tokens that begin so are refused everywhere, as one whose time is over.
EXPIRED_TOKEN = "expired-"  # noqa: S105 -- not a secret
_MEANINGS = {
    100: "Invalid parameter",
    131008: "Required parameter is missing",
    131009: "Parameter value is not valid",
    10900: "Activity already replied to",
}
# Asked for a second private reply to one comment.
_ALREADY_ANSWERED = Refusal(10900, "This comment has been answered in private", subcode=2534014)
TOKEN_LIFETIME_S = 60 * 24 * 3600


class Graph(StandIn):
    """One application for all accounts. Accounts that were registered get webhooks back."""

    def __init__(self, *, accounts_file: Path | None = None, receiver_url: str | None = None) -> None:
        """accounts_file: where registered accounts survive a restart. receiver_url: replaces the host of their webhooks."""
        super().__init__()
        self._receiver_url = receiver_url
        self._accounts_file = accounts_file
        self._accounts: dict[str, Account] = {}
        if accounts_file and accounts_file.exists():
            self._register(json.loads(accounts_file.read_text(encoding="utf-8")))
        self._sends: list[dict[str, Any]] = []
        self._answered_comments: set[str] = set()
        self._unsubscribed: set[str] = set()
        self._numbers = itertools.count(1)

    def control(self, request: Request) -> Answer | None:
        """`POST /_accounts` registers who gets webhooks; `GET /_sends` lists accepted sends, oldest first."""
        route = (request.method, request.path)
        if route == ("GET", "/_sends"):
            return Answer(list(self._sends))
        if route != ("POST", "/_accounts"):
            return None
        try:
            self._register(request.json_object()["accounts"])
        except (KeyError, TypeError):
            return Answer({"error": "each account needs kind, account_id, app_secret and webhook_url"}, 400)
        if self._accounts_file:
            kept = json.dumps([asdict(account) for account in self._accounts.values()])
            write_private(self._accounts_file, kept)
        return Answer({"ok": True, "accounts": len(self._accounts)})

    def _register(self, items: list[dict[str, str]]) -> None:
        for item in items:
            url = item["webhook_url"]
            if self._receiver_url:
                url = self._receiver_url + urlsplit(url).path
            account = Account(item["kind"], str(item["account_id"]), item["app_secret"], url)
            self._accounts[account.account_id] = account

    def handle(self, request: Request) -> Answer:
        """One Graph API call."""
        if not (request.bearer or request.query.get("access_token")):
            return _error(401, 190, "Invalid OAuth access token - Cannot parse access token")
        if (request.bearer or request.query["access_token"]).startswith(EXPIRED_TOKEN):
            return _error(401, 190, "Error validating access token: Session has expired")
        if request.method == "GET" and (node := _NODE.match(request.path)):
            return Answer({"id": node[1]})
        if request.path == "/refresh_access_token":
            return _refreshed(request)
        match = _PATH.match(request.path)
        if not match:
            return _error(400, INVALID_PARAMETER, "Unsupported request")
        node, edge = match.groups()
        if edge == "subscribed_apps":
            return self._subscriptions(node, request.method)
        if request.method != "POST":
            return _error(400, INVALID_PARAMETER, "Unsupported get request")
        if edge == "replies":
            return self._reply_in_public(node, request)
        payload = request.json_object()
        if "messaging_product" in payload:
            return self._whatsapp(node, payload)
        return self._instagram(node, payload)

    def _whatsapp(self, account_id: str, payload: dict[str, Any]) -> Answer:
        if payload["messaging_product"] != "whatsapp":
            return _refused(Refusal(INVALID_PARAMETER, "messaging_product must be whatsapp"))
        if "status" in payload:  # the read mark, which may carry the typing sign
            if payload["status"] != "read" or not payload.get("message_id"):
                return _refused(Refusal(INVALID_PARAMETER, "status must be read, and message_id is required"))
            return Answer({"success": True})
        if problem := whatsapp_problem(payload):
            return _refused(problem)
        to = str(payload.get("to") or payload["recipient"])
        # Like the real ones, it holds the customer's number: whoever logs it leaks that.
        wamid = "wamid." + base64.b64encode(f"\x1d\x18{to}\x15\x02\x11{next(self._numbers):016X}".encode()).decode()
        wa_id = re.sub(r"\D", "", to)
        contact = {"input": to, "wa_id": wa_id} if payload.get("to") else {"input": to, "user_id": to}
        self._accept("whatsapp", account_id, recipient=contact.get("wa_id", to), payload=payload, provider_id=wamid)
        return Answer({"messaging_product": "whatsapp", "contacts": [contact], "messages": [{"id": wamid}]})

    def _instagram(self, account_id: str, payload: dict[str, Any]) -> Answer:
        recipient = payload.get("recipient")
        if payload.get("sender_action") and isinstance(recipient, dict) and recipient.get("id"):
            return Answer({"recipient_id": str(recipient["id"])})
        if problem := instagram_problem(payload):
            return _refused(problem)
        comment_id = str(payload["recipient"].get("comment_id") or "")
        with self.lock:
            if comment_id in self._answered_comments:
                return _refused(_ALREADY_ANSWERED)
            if comment_id:
                self._answered_comments.add(comment_id)
        to = str(payload["recipient"].get("id") or _igsid_of(comment_id))
        item = f"ig_dm_item:1:IGMessageID:{account_id}:{to}:{next(self._numbers)}"
        mid = base64.b64encode(item.encode()).decode()
        self._accept("instagram", account_id, recipient=to, payload=payload, provider_id=mid)
        return Answer({"recipient_id": to, "message_id": mid})

    def _accept(self, kind: str, account_id: str, *, recipient: str, payload: dict[str, Any], provider_id: str) -> None:
        """Keep the send, and let its webhooks follow when the account is registered."""
        self._keep(kind, account_id, recipient, payload, provider_id)
        # A Page id may send for an Instagram account that is registered under its own id; that one gets no echo.
        account = self._accounts.get(account_id)
        if account and account.kind == kind:
            follow = follow_whatsapp if kind == "whatsapp" else follow_instagram
            gevent.spawn(follow, AcceptedSend(account, recipient, provider_id, payload))

    def _keep(self, kind: str, account_id: str, recipient: str, payload: dict[str, Any], provider_id: str) -> None:
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

    def _reply_in_public(self, comment_id: str, request: Request) -> Answer:
        form = dict(parse_qsl(request.body.decode(errors="replace")))
        message = request.query.get("message") or request.json_object().get("message") or form.get("message")
        if not message:
            return _refused(Refusal(INVALID_PARAMETER, "The parameter message is required"))
        reply_id = str(17_900_000_000_000_000 + next(self._numbers))
        self._keep("instagram_reply", comment_id, comment_id, {"message": message}, reply_id)
        return Answer({"id": reply_id})

    def _subscriptions(self, node: str, method: str) -> Answer:
        """Every account is subscribed until somebody ends it, so that a fresh stack works without a set-up."""
        if method == "POST":
            self._unsubscribed.discard(node)
        elif method == "DELETE":
            self._unsubscribed.add(node)
        else:
            app = {"id": "1", "name": "stand-in", "subscribed_fields": ["messages", "comments"]}
            return Answer({"data": [] if node in self._unsubscribed else [app]})
        return Answer({"success": True})


def _refreshed(request: Request) -> Answer:
    if request.query.get("grant_type") != "ig_refresh_token":
        return _refused(Refusal(INVALID_PARAMETER, "grant_type must be ig_refresh_token"))
    token = request.query.get("access_token") or request.bearer
    new = "standin-" + hashlib.sha256(token.encode()).hexdigest()[:32]
    return Answer({"access_token": new, "token_type": "bearer", "expires_in": TOKEN_LIFETIME_S})


def _igsid_of(comment_id: str) -> str:
    """The same person for the same comment."""
    return str(int(hashlib.sha256(comment_id.encode()).hexdigest()[:13], 16))


def _refused(refusal: Refusal) -> Answer:
    message = f"(#{refusal.code}) {_MEANINGS[refusal.code]}"
    return _error(400, refusal.code, message, subcode=refusal.subcode, details=refusal.details)


def _error(status: int, code: int, message: str, *, subcode: int | None = None, details: str | None = None) -> Answer:
    error: dict[str, Any] = {"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "StandIn"}
    if subcode:
        error["error_subcode"] = subcode
    if details:
        error["error_data"] = {"messaging_product": "whatsapp", "details": details}
    return Answer({"error": error}, status)
