"""Whether what the customer has written since takes the ground away from an action that has not left yet."""

from collections.abc import Sequence
from dataclasses import dataclass

from routing.actions import MONEY_LIKE, THANKFUL

_SHOWS_SOMETHING = frozenset({"image", "video", "document"})
_THANKS_AGAIN = frozenset({"compliment", "other"})


@dataclass(frozen=True)
class LaterMessage:
    """A later message of the same customer. sentiment, intent: as they are read now, None when nobody has read it.

    is_being_read: its words are on their way to the model.
    """

    message_type: str
    sentiment: str | None
    intent: str | None
    is_being_read: bool


def withdrawal(kind: str, later: Sequence[LaterMessage]) -> str | None:
    """Why the action must not leave after these messages (oldest first), None when they don't stand in its way.

    A later negative message stops everything that was planned on something else (store.later_messages.is_contradicted).
    Thanks and invitations: anything but thanks again. A screenshot: when one has come, or all is well. A refund form: when the
    newest message that was read is positive. "Never mind", read as neutral, lets the form leave: a form that nobody needs
    costs less than one that never comes.
    """
    if kind in THANKFUL:
        return "customer_wrote_again" if any(not _is_thanks(one) for one in later) else None
    if kind == "request_screenshot" and any(one.message_type in _SHOWS_SOMETHING for one in later):
        return "screenshot_came"
    if kind == "request_screenshot" or kind in MONEY_LIKE:
        read = [one for one in later if one.sentiment]
        return "withdrawn" if read and read[-1].sentiment == "positive" else None
    return None


def must_wait(kind: str, later: Sequence[LaterMessage]) -> bool:
    """Whether the action waits until a later message has been read: nobody knows yet what it says."""
    return kind in THANKFUL and any(one.is_being_read for one in later)


def _is_thanks(message: LaterMessage) -> bool:
    if message.is_being_read:
        return True
    return message.sentiment == "positive" and message.intent in _THANKS_AGAIN
