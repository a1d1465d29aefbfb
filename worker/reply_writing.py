"""An answer that a person wrote, when it leaves: whether it still may, in which form, and as what."""

from dataclasses import replace
from datetime import datetime

from channels.base import Identity, OutboundMessage
from config.actions import ActionConfig
from routing.person_replies import LEAVES_WITHIN, TEMPLATE_OF, reply_window
from routing.reply_forms import Form, Occasion
from store.actions import ClaimedAction
from store.db import Connection
from store.messages import StoredMessage
from store.replies import get_reply_words


def choose_reply_form(
    conn: Connection, action: ClaimedAction, occasion: Occasion, *, config: ActionConfig, now: datetime
) -> tuple[str | None, Form | None]:
    """(why it must not leave, its form): one of them is None. Nothing else stands in a person's way."""
    if now - action.created_at >= LEAVES_WITHIN:
        return "too_old", None
    _, wanted = get_reply_words(conn, action.id)
    if wanted == "template":
        has_template = occasion.channel == "whatsapp" and config.template is not None
        return (None, "template") if has_template else ("no_template", None)
    form = reply_window(occasion).form
    return (None, form) if form else ("window_closed", None)


def as_template_action(action: ClaimedAction) -> ClaimedAction:
    """What a template's words and variables are taken from."""
    return replace(action, kind=TEMPLATE_OF)


def write_reply(
    conn: Connection, action: ClaimedAction, form: Form, *, recipient: tuple[Identity, ...], message: StoredMessage
) -> OutboundMessage:
    """The person's words as they are."""
    text, _ = get_reply_words(conn, action.id)
    return OutboundMessage(
        recipient=recipient,
        text=text,
        quotes_provider_id=message.provider_message_id if message.channel == "generic" else None,
        reply_to_comment_id=message.provider_message_id if form == "private_reply" else None,
        written_by="human",
        human_agent=form == "human_agent",
        callback=action.id,
    )
