"""The words of an action in the form in which it leaves, and to whom."""

from channels.base import Choice, Identity, OutboundMessage, Template
from config.actions import ActionConfig
from config.tenant import TenantConfig
from routing.actions import link_for, outbound_text
from routing.person_replies import REPLY
from routing.reply_forms import Form, choices_of, template_language
from routing.wording import fill, presentable_name
from store.actions import ClaimedAction
from store.customers import Conversation, get_display_name, list_identities
from store.db import Connection
from store.messages import StoredMessage
from worker.reply_writing import as_template_action, write_reply


def write_action(
    conn: Connection,
    action: ClaimedAction,
    form: Form,
    *,
    config: ActionConfig,
    tenant: TenantConfig,
    conversation: Conversation,
    message: StoredMessage,
) -> OutboundMessage:
    """The message in its form. Words and links are the tenant's or ours, never the model's.

    Raises: MissingValueError when what would leave has a variable that nobody knows the value of.
    """
    if action.kind == REPLY:
        if form != "template":
            recipient = _recipient(conn, action, message)
            return write_reply(conn, action, form, recipient=recipient, message=message)
        action = as_template_action(action)
    values = _values(conn, conversation, config=config, tenant=tenant)
    text = outbound_text(action.kind, language=action.language, config=config)
    # Beside a template the words don't leave; they are what people read in the conversation.
    text = fill(text, values if form != "template" else {name: value or "…" for name, value in values.items()})
    link = link_for(action.kind, language=action.language, config=config)
    if form == "private_reply" and link:  # no buttons there
        text, link = f"{text}\n{link[1]}", None
    template = None
    if form == "template" and config.template:
        template = Template(
            config.template.name,
            template_language(action.language, config=config),
            tuple(fill(parameter, values) for parameter in config.template.parameters),
        )
    return OutboundMessage(
        recipient=_recipient(conn, action, message),
        text=text,
        link=link if form == "link" else None,
        choices=tuple(Choice(*one) for one in choices_of(action.kind)) if form == "choices" else (),
        template=template,
        # The generic channel's receiver needs to know what is answered; elsewhere a quote would only be noise.
        quotes_provider_id=message.provider_message_id if conversation.channel == "generic" else None,
        reply_to_comment_id=message.provider_message_id if form in {"private_reply", "public_reply"} else None,
        in_public=form == "public_reply",
        callback=action.id,
    )


def _values(
    conn: Connection, conversation: Conversation, *, config: ActionConfig, tenant: TenantConfig
) -> dict[str, str | None]:
    """What the variables of a wording stand for; None for what nobody knows."""
    return {
        "customer_name": presentable_name(get_display_name(conn, conversation.customer_id))
        or config.defaults.get("customer_name"),
        "business_name": tenant.name,
        "link": config.url or config.defaults.get("link"),
    }


def _recipient(conn: Connection, action: ClaimedAction, message: StoredMessage) -> tuple[Identity, ...]:
    """What the customer is known by now, that of the answered message first; a web form's claims last."""
    current = list_identities(conn, action.customer_id)
    wrote = [(kind, value) for kind, value in message.sender["identities"]]
    claims = [pair for pair in wrote if message.channel == "generic" and pair not in current]
    ordered = [pair for pair in wrote if pair in current] + [pair for pair in current if pair not in wrote] + claims
    return tuple(Identity(kind, value) for kind, value in ordered)  # pyright: ignore[reportArgumentType]
