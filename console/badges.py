"""What a small mark beside a conversation says: pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

State = Literal["overdue", "soon", "running", "paused", "met"]


@dataclass(frozen=True)
class Badge:
    """The state of a promise to a customer. at: when it is due."""

    state: State
    kind: str
    at: datetime


def clock_badge(
    *, kind: str | None, state: str | None, due_at: datetime | None, warn_at: datetime | None, now: datetime
) -> Badge | None:
    """None where nothing was promised. overdue: late and unanswered; soon: past its warning; met: kept, also when late."""
    if kind is None or due_at is None or warn_at is None:
        return None
    if state == "met":
        return Badge("met", kind, due_at)
    if state == "paused":
        return Badge("paused", kind, due_at)
    if state == "breached" or due_at <= now:
        return Badge("overdue", kind, due_at)
    return Badge("soon" if warn_at <= now else "running", kind, due_at)


def confidence_word(score: float) -> str:
    """The model's confidence in words: high from 0.85, medium from 0.6."""
    return "high" if score >= 0.85 else "medium" if score >= 0.6 else "low"
