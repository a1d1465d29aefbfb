"""Which of a conversation's messages says where the conversation stands. It does not hang on the order in which they arrive."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

_STANDS_HIGH = ("P1", "P2")


# An instant, or the seconds of one where a hundred thousand of them are compared.
_Time = TypeVar("_Time", datetime, float)


@dataclass(frozen=True)
class Claim(Generic[_Time]):
    """What a message says about its conversation. sent_at: by the provider's time."""

    priority: str
    sent_at: _Time
    message_id: str


def takes_place(claim: Claim[_Time], standing: Claim[_Time], *, answered_at: _Time | None) -> bool:
    """Whether the claim stands before the one that holds now. answered_at: a person's last answer, None without one.

    What is unanswered and P1 or P2 stands before everything that is less urgent: an "ok" must not pull it out of its queue, and it
    must get there also when its webhook comes late. Otherwise the newest message speaks for the conversation.
    """
    if claim.message_id == standing.message_id:
        return True
    return _rank(claim, answered_at) > _rank(standing, answered_at)


def highest(claims: Iterable[Claim[_Time]], *, answered_at: _Time | None) -> Claim[_Time] | None:
    """The claim that stands before all others, whatever their order; None of none."""
    return max(claims, key=lambda claim: _rank(claim, answered_at), default=None)


def _rank(claim: Claim[_Time], answered_at: _Time | None) -> tuple[int, _Time, str]:
    answered = answered_at is not None and answered_at >= claim.sent_at
    urgency = (
        0 if answered or claim.priority not in _STANDS_HIGH else len(_STANDS_HIGH) - _STANDS_HIGH.index(claim.priority)
    )
    return urgency, claim.sent_at, claim.message_id
