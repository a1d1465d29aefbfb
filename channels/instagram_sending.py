"""Messages on Instagram: direct, with a link or answers to tap, private and public replies to comments.

Shapes and limits: Meta's Instagram messaging and comment reply references, 2026.
"""

from typing import Any

from channels import instagram
from channels.account_check import inspect_account
from channels.base import (
    AccountState,
    ChannelError,
    ChannelKind,
    Identity,
    OutboundMessage,
    ParsedWebhook,
    RefreshedToken,
    SendingAccount,
)
from channels.clean_text import clean_text
from channels.graph import GraphClient
from channels.reading import as_id
from channels.recipients import pick

TEXT_BYTES = 1000
TEMPLATE_TEXT_CHARS = 640
LABEL_CHARS = 20
MAX_QUICK_REPLIES = 13


def cut_to_bytes(text: str, limit: int) -> str:
    """The longest beginning of the text that fits into `limit` UTF-8 bytes and ends at a character."""
    return clean_text(text).encode()[:limit].decode(errors="ignore")


class Instagram:
    """Instagram messaging: `graph.instagram.com` for Instagram Login, `graph.facebook.com` for a linked Page."""

    kind: ChannelKind = "instagram"
    sends_are_idempotent: bool = False

    def __init__(self, *, instagram_graph: GraphClient, facebook_graph: GraphClient) -> None:
        self._instagram_graph = instagram_graph
        self._facebook_graph = facebook_graph

    def parse(self, payload: Any) -> ParsedWebhook:
        """See channels.instagram."""
        return instagram.parse(payload)

    def account_hints(self, body: bytes) -> set[str]:
        """See channels.instagram."""
        return instagram.account_hints(body)

    def send(self, message: OutboundMessage, *, account: SendingAccount) -> str:
        """One message; a comment is answered in private, once, or in public.

        Raises: ChannelError; no_templates for a template, which Instagram has none of: the window is over for good.
        """
        if message.template:
            raise ChannelError("no_templates", permanent=True, window_closed=True)
        if message.human_agent and message.written_by != "human":
            raise ChannelError("human_agent_by_automation", permanent=True)
        if message.in_public and message.reply_to_comment_id:
            return self._reply_in_public(message, message.reply_to_comment_id, account=account)
        payload: dict[str, Any] = {"recipient": _recipient(message), "message": _content(message)}
        if message.human_agent:
            payload |= {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}
        elif account.login == "facebook":
            payload["messaging_type"] = "RESPONSE"
        answer = self._graph(account).post(_node(account), "messages", payload, token=account.access_token)
        return _required_id(answer.get("message_id"))

    def _reply_in_public(self, message: OutboundMessage, comment_id: str, *, account: SendingAccount) -> str:
        # Nothing more is asked for: with `fields` Meta writes the comment and then answers 400.
        payload = {"message": cut_to_bytes(message.text, TEXT_BYTES)}
        answer = self._graph(account).post(comment_id, "replies", payload, token=account.access_token)
        return _required_id(answer.get("id"))

    def mark_read(self, provider_message_id: str, *, recipient: tuple[Identity, ...], account: SendingAccount) -> None:  # noqa: ARG002
        """The typing sign until the answer comes. Raises: ChannelError."""
        payload = {"recipient": {"id": pick(recipient, "igsid").value}, "sender_action": "typing_on"}
        self._graph(account).post(_node(account), "messages", payload, token=account.access_token)

    def inspect(self, account: SendingAccount) -> AccountState:
        """Asks for the account (or its Page) and for its webhook subscription."""
        node = _node(account)
        return inspect_account(self._graph(account), node=node, subscribed_node=node, token=account.access_token)

    def refresh_token(self, account: SendingAccount) -> RefreshedToken | None:
        """Sixty more days for an Instagram Login token, which must be a day old; None for a Page's, which does not age.

        Raises: ChannelError.
        """
        if account.login == "facebook":
            return None
        answer = self._instagram_graph.refresh_instagram_token(account.access_token)
        token, lifetime_s = answer.get("access_token"), answer.get("expires_in")
        if not isinstance(token, str) or not token or not isinstance(lifetime_s, int) or lifetime_s <= 0:
            raise ChannelError("answer_without_token", permanent=False, retry_after_s=3600.0)
        return RefreshedToken(token, lifetime_s)

    def _graph(self, account: SendingAccount) -> GraphClient:
        return self._facebook_graph if account.login == "facebook" else self._instagram_graph


def _node(account: SendingAccount) -> str:
    """Never `/me`: a wrong token would post as another shop."""
    return account.page_id if account.login == "facebook" and account.page_id else account.account_id


def _required_id(value: Any) -> str:
    provider_id = as_id(value)
    if provider_id is None:
        raise ChannelError("answer_without_id", permanent=True, uncertain=True)
    return provider_id


def _recipient(message: OutboundMessage) -> dict[str, str]:
    if message.reply_to_comment_id:
        return {"comment_id": message.reply_to_comment_id}
    return {"id": pick(message.recipient, "igsid").value}


def _content(message: OutboundMessage) -> dict[str, Any]:
    if message.choices:
        if len(message.choices) > MAX_QUICK_REPLIES:
            raise ChannelError("too_many_choices", permanent=True)
        replies = [
            {"content_type": "text", "title": clean_text(one.title, max_chars=LABEL_CHARS), "payload": one.id}
            for one in message.choices
        ]
        return {"text": cut_to_bytes(message.text, TEXT_BYTES), "quick_replies": replies}
    if message.link is None:
        return {"text": cut_to_bytes(message.text, TEXT_BYTES)}
    label, url = message.link
    if message.reply_to_comment_id:  # templates are not sure to be taken there, so the address stands below the words
        tail = f"\n{url}"
        return {"text": cut_to_bytes(message.text, TEXT_BYTES - len(tail.encode())) + tail}
    button = {"type": "web_url", "url": url, "title": clean_text(label, max_chars=LABEL_CHARS)}
    text = clean_text(message.text, max_chars=TEMPLATE_TEXT_CHARS)
    template = {"template_type": "button", "text": text, "buttons": [button]}
    return {"attachment": {"type": "template", "payload": template}}
