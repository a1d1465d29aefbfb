"""Messages on WhatsApp Business: text, link, answers to tap, templates, and the read mark.

Shapes and limits: Meta's reference of `POST /{phone_number_id}/messages`, 2026.
"""

from typing import Any

from channels import whatsapp
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
from channels.reading import as_id, as_objects
from channels.recipients import pick

INTERACTIVE_BODY_CHARS = 1024
LABEL_CHARS = 20
MAX_BUTTONS = 3
MAX_ROWS = 10
ROW_TITLE_CHARS = 24
LIST_LABEL = "…"


class WhatsApp:
    """WhatsApp Business on Meta's Graph API."""

    kind: ChannelKind = "whatsapp"
    sends_are_idempotent: bool = False

    def __init__(self, graph: GraphClient) -> None:
        self._graph = graph

    def parse(self, payload: Any) -> ParsedWebhook:
        """See channels.whatsapp."""
        return whatsapp.parse(payload)

    def account_hints(self, body: bytes) -> set[str]:
        """See channels.whatsapp."""
        return whatsapp.account_hints(body)

    def send(self, message: OutboundMessage, *, account: SendingAccount) -> str:
        """One message. Whether free words may still leave is the caller's to know: only it knows the clock.

        Raises: ChannelError; too_many_choices for more than ten.
        """
        recipient = pick(message.recipient, "phone", "bsuid")
        payload: dict[str, Any] = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to" if recipient.kind == "phone" else "recipient": recipient.value,
            **_content(message),
        }
        if message.quotes_provider_id:
            payload["context"] = {"message_id": message.quotes_provider_id}
        if message.callback:
            payload["biz_opaque_callback_data"] = message.callback
        answer = self._graph.post(account.account_id, "messages", payload, token=account.access_token)
        provider_id = as_id(next(as_objects(answer.get("messages")), {}).get("id"))
        if provider_id is None:
            raise ChannelError("answer_without_id", permanent=True, uncertain=True)
        return provider_id

    def mark_read(self, provider_message_id: str, *, recipient: tuple[Identity, ...], account: SendingAccount) -> None:  # noqa: ARG002
        """Blue ticks, and the typing sign until the answer comes. Raises: ChannelError."""
        payload = {
            "messaging_product": "whatsapp",
            "status": "read",
            "message_id": provider_message_id,
            "typing_indicator": {"type": "text"},
        }
        self._graph.post(account.account_id, "messages", payload, token=account.access_token)

    def inspect(self, account: SendingAccount) -> AccountState:
        """Asks for the number itself, and, where the account's WABA is known, for its webhook subscription."""
        return inspect_account(
            self._graph,
            node=account.account_id,
            subscribed_node=account.waba_id,
            token=account.access_token,
        )

    def refresh_token(self, account: SendingAccount) -> RefreshedToken | None:  # noqa: ARG002
        """None: a system user's token does not age."""
        return None


def _content(message: OutboundMessage) -> dict[str, Any]:
    if message.template:
        return {"type": "template", "template": _template(message)}
    if message.choices:
        return {"type": "interactive", "interactive": _choices(message)}
    if message.link:
        return {"type": "interactive", "interactive": _link(message, message.link)}
    return {"type": "text", "text": {"body": clean_text(message.text), "preview_url": False}}


def _template(message: OutboundMessage) -> dict[str, Any]:
    assert message.template is not None
    # Meta's specification asks for the policy, of which there is only this one.
    language = {"policy": "deterministic", "code": message.template.language}
    template: dict[str, Any] = {"name": message.template.name, "language": language}
    if message.template.parameters:
        parameters = [{"type": "text", "text": clean_text(value)} for value in message.template.parameters]
        template["components"] = [{"type": "body", "parameters": parameters}]
    return template


def _body(message: OutboundMessage) -> dict[str, str]:
    return {"text": clean_text(message.text, max_chars=INTERACTIVE_BODY_CHARS)}


def _link(message: OutboundMessage, link: tuple[str, str]) -> dict[str, Any]:
    label, url = link
    parameters = {"display_text": clean_text(label, max_chars=LABEL_CHARS), "url": url}
    return {"type": "cta_url", "body": _body(message), "action": {"name": "cta_url", "parameters": parameters}}


def _choices(message: OutboundMessage) -> dict[str, Any]:
    """Up to three are buttons, up to ten a list behind one button."""
    if len(message.choices) > MAX_ROWS:
        raise ChannelError("too_many_choices", permanent=True)
    if len(message.choices) <= MAX_BUTTONS:
        buttons = [
            {"type": "reply", "reply": {"id": one.id, "title": clean_text(one.title, max_chars=LABEL_CHARS)}}
            for one in message.choices
        ]
        return {"type": "button", "body": _body(message), "action": {"buttons": buttons}}
    rows = [{"id": one.id, "title": clean_text(one.title, max_chars=ROW_TITLE_CHARS)} for one in message.choices]
    return {"type": "list", "body": _body(message), "action": {"button": LIST_LABEL, "sections": [{"rows": rows}]}}
