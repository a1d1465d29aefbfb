"""Trying settings on what has come already, within a bounded time: how many messages would go where."""

import threading
from dataclasses import dataclass
from datetime import UTC, datetime

from config.tenant import TenantConfig
from console.languages import Speech
from routing.simulation_report import Change, Moved
from store.db import Connection
from worker.simulator import Trial, try_settings

TRIED_DAYS = (7, 30, 90)
# Some two seconds of work, during which other pages go on.
MAX_DECISIONS = 20_000
MAX_AT_ONCE = 2
_WAIT_S = 15.0
_turns = threading.BoundedSemaphore(MAX_AT_ONCE)


class TooBusyError(Exception):
    """So many are tried at once that this one would take too long."""


@dataclass(frozen=True)
class Tried:
    """A trial over so many days, told in one sentence of the reader's language."""

    trial: Trial
    days: int
    sentence: str

    @property
    def moved(self) -> list[tuple[Change, Moved]]:
        """What would go elsewhere, the most frequent first."""
        return sorted(self.trial.simulation.changes.items(), key=lambda item: (-item[1].messages, item[0]))


def read_days(text: str | None) -> int:
    """One of the spans that may be chosen; a month for anything else."""
    return next((days for days in TRIED_DAYS if str(days) == text), 30)


def run_trial(conn: Connection, tenant_id: int, *, live: TenantConfig, tried: TenantConfig, days: int) -> Trial:
    """The tried settings over the last days, the newest MAX_DECISIONS decisions of them. Raises: TooBusyError, StoreError."""
    if not _turns.acquire(timeout=_WAIT_S):
        raise TooBusyError
    try:
        return try_settings(
            conn, tenant_id, live=live, tried=tried, now=datetime.now(UTC), days=days, at_most=MAX_DECISIONS
        )
    finally:
        _turns.release()


def tell_trial(trial: Trial, *, days: int, speech: Speech) -> Tried:
    """The trial with its sentence."""
    one = trial.simulation
    if not one.messages:
        return Tried(trial, days, speech.text("No message was decided in this time, so there is nothing to compare."))
    span = (
        speech.texts("the last %(n)s day", "the last %(n)s days", days)
        if not trial.is_cut
        else speech.texts("the newest %(n)s message", "the newest %(n)s messages", one.messages)
    )
    more, fewer = (
        _told(speech, speech.texts("%(n)s more P1", "%(n)s more P1", one.more_urgent.messages), one.more_urgent),
        _told(speech, speech.texts("%(n)s fewer P1", "%(n)s fewer P1", one.less_urgent.messages), one.less_urgent),
    )
    if more and fewer:
        what = speech.text("{one} and {other}").format(one=more, other=fewer)
    elif more or fewer:
        what = more or fewer
    elif one.moved:
        what = speech.texts(
            "as many P1, %(n)s message would go elsewhere", "as many P1, %(n)s messages would go elsewhere", one.moved
        )
    elif one.other_actions.messages:
        what = speech.texts(
            "%(n)s message would have other actions",
            "%(n)s messages would have other actions",
            one.other_actions.messages,
        )
    else:
        what = speech.text("nothing would change")
    return Tried(trial, days, speech.text("In {span}: {what}.").format(span=span, what=what))


def _told(speech: Speech, told: str, moved: Moved) -> str:
    if not moved.messages:
        return ""
    if not moved.corrected:
        return told
    corrected = speech.texts("%(n)s of them corrected by people", "%(n)s of them corrected by people", moved.corrected)
    return f"{told} ({corrected})"
