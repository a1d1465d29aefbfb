"""How a free-form message looks on each channel."""

from typing import Any

from channels import instagram, whatsapp
from channels.base import (
    ChannelError,
    ChannelKind,
    Identity,
    IdentityKind,
    OutboundMessage,
    ParsedWebhook,
    SendingAccount,
)
from channels.clean_text import clean_text
from channels.graph import GraphClient
from channels.reading import as_id, as_objects

INSTAGRAM_MAX_BYTES = 1000
INSTAGRAM_TEMPLATE_CHARS = 640
WHATSAPP_INTERACTIVE_CHARS = 1024
BUTTON_LABEL_CHARS = 20


def _pick(recipient: tuple[Identity, ...], *kinds: IdentityKind) -> Identity:
    for kind in kinds:
        for identity in recipient:
            if identity.kind == kind:
                return identity
    raise ChannelError("no_recipient", permanent=True)


def cut_to_bytes(text: str, limit: int) -> str:
    """The longest beginning of the text that fits into `limit` UTF-8 bytes and ends at a character."""
    return clean_text(text).encode()[:limit].decode(errors="ignore")


class WhatsApp:
    """WhatsApp Business on Meta's Graph API."""

    kind: ChannelKind = "whatsapp"

    def __init__(self, graph: GraphClient) -> None:
        self._graph = graph

    def parse(self, payload: Any) -> ParsedWebhook:
        """See channels.whatsapp."""
        return whatsapp.parse(payload)

    def account_hints(self, body: bytes) -> set[str]:
        """See channels.whatsapp."""
        return whatsapp.account_hints(body)

    def send(self, message: OutboundMessage, *, account: SendingAccount) -> str:
        """A text, or a text with one link button. Raises: ChannelError."""
        recipient = _pick(message.recipient, "phone", "bsuid")
        payload: dict[str, Any] = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to" if recipient.kind == "phone" else "recipient": recipient.value,
            **self._content(message),
        }
        if message.callback:
            payload["biz_opaque_callback_data"] = message.callback
        answer = self._graph.send(account.account_id, payload, token=account.access_token)
        provider_id = as_id(next(as_objects(answer.get("messages")), {}).get("id"))
        if provider_id is None:
            raise ChannelError("answer_without_id", permanent=True, uncertain=True)
        return provider_id

    @staticmethod
    def _content(message: OutboundMessage) -> dict[str, Any]:
        if message.link is None:
            return {"type": "text", "text": {"body": clean_text(message.text), "preview_url": False}}
        label, url = message.link
        return {
            "type": "interactive",
            "interactive": {
                "type": "cta_url",
                "body": {"text": clean_text(message.text, max_chars=WHATSAPP_INTERACTIVE_CHARS)},
                "action": {
                    "name": "cta_url",
                    "parameters": {"display_text": label[:BUTTON_LABEL_CHARS], "url": url},
                },
            },
        }


class Instagram:
    """Instagram messaging: `graph.instagram.com` for Instagram Login, `graph.facebook.com` for a linked Page."""

    kind: ChannelKind = "instagram"

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
        """A text, or a text with one link button; a comment is answered in private, once. Raises: ChannelError."""
        if message.reply_to_comment_id:
            recipient = {"comment_id": message.reply_to_comment_id}
        else:
            recipient = {"id": _pick(message.recipient, "igsid").value}
        payload: dict[str, Any] = {"recipient": recipient, "message": self._content(message)}
        by_page = account.login == "facebook"
        if by_page:
            payload["messaging_type"] = "RESPONSE"
        graph = self._facebook_graph if by_page else self._instagram_graph
        node = account.page_id if by_page and account.page_id else account.account_id
        answer = graph.send(node, payload, token=account.access_token)
        provider_id = as_id(answer.get("message_id"))
        if provider_id is None:
            raise ChannelError("answer_without_id", permanent=True, uncertain=True)
        return provider_id

    @staticmethod
    def _content(message: OutboundMessage) -> dict[str, Any]:
        if message.link is None:
            return {"text": cut_to_bytes(message.text, INSTAGRAM_MAX_BYTES)}
        label, url = message.link
        button = {"type": "web_url", "url": url, "title": label[:BUTTON_LABEL_CHARS]}
        text = clean_text(message.text, max_chars=INSTAGRAM_TEMPLATE_CHARS)
        template = {"template_type": "button", "text": text, "buttons": [button]}
        return {"attachment": {"type": "template", "payload": template}}
