"""When and in which form an answer that a person wrote may leave: pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from routing.facts import COMMENT_SURFACES
from routing.reply_forms import CUSTOMER_SERVICE_WINDOW, PRIVATE_REPLY_WINDOW, Form, Occasion

# The kind of action that such an answer is in the outbox.
REPLY = "reply"
# The automation whose template a person may send when the window is over.
TEMPLATE_OF = "follow_up"
# Instagram lets a person, and no automation, answer this long after the customer's last message.
HUMAN_AGENT_WINDOW = timedelta(days=7)
# What has not left by then was written for another moment.
LEAVES_WITHIN = timedelta(hours=24)
MAX_CHARS = 4096
# All that Instagram takes; more would be cut.
INSTAGRAM_BYTES = 1000


@dataclass(frozen=True)
class Window:
    """form: how free words may leave now, None when they may not. until: when that ends, None when it does not."""

    form: Form | None
    until: datetime | None


def reply_window(occasion: Occasion) -> Window:
    """WhatsApp takes free words for 24 hours after the customer's last message; Instagram takes a person's for seven days, and
    one private reply to a comment for as long. The generic channel has no window.
    """
    if occasion.channel == "generic":
        return Window("text", None)
    last = occasion.last_inbound_at
    if last is not None and occasion.now - last < CUSTOMER_SERVICE_WINDOW:
        return Window("text", last + CUSTOMER_SERVICE_WINDOW)
    if occasion.channel != "instagram":
        return Window(None, last + CUSTOMER_SERVICE_WINDOW if last else None)
    if last is not None and occasion.now - last < HUMAN_AGENT_WINDOW:
        return Window("human_agent", last + HUMAN_AGENT_WINDOW)
    if occasion.surface in COMMENT_SURFACES:
        until = occasion.written_at + PRIVATE_REPLY_WINDOW
        return Window("private_reply" if occasion.now < until else None, until)
    return Window(None, last + HUMAN_AGENT_WINDOW if last else None)


def fits(text: str, *, channel: str) -> bool:
    """Whether the channel takes so long a text whole."""
    return len(text) <= MAX_CHARS and (channel != "instagram" or len(text.encode(errors="replace")) <= INSTAGRAM_BYTES)
