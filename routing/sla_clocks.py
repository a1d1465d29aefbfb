"""The clocks of a conversation, computed from what is known of it: the order in which it became known changes nothing.

An episode is one matter of a customer: it opens with the first message that needs a person, and ends when the conversation is
resolved and nobody comes back to it soon.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from config.hours import Hours
from config.sla import ClockKind, Sla, SlaTarget
from config.words import Priority
from routing.business_hours import add_business_minutes, business_minutes_between

ClockState = Literal["running", "met", "breached", "paused", "cancelled"]
_ALWAYS = Hours()


@dataclass(frozen=True)
class Wrote:
    """A customer's message. at: the provider's time, never later than received_at. needs_person: no automation was enough."""

    at: datetime
    received_at: datetime
    message_id: str
    priority: Priority
    queue: str
    needs_person: bool


@dataclass(frozen=True)
class Rest:
    """A time in which nobody works on the conversation.

    ended_at: for a snooze when it ends; for a resolved conversation when a person opened it again, None when nobody has.
    """

    kind: Literal["resolved", "snoozed"]
    began_at: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True)
class Story:
    """What the clocks are made of. answered: when people answered, by the provider's time."""

    wrote: tuple[Wrote, ...] = ()
    answered: tuple[datetime, ...] = ()
    rests: tuple[Rest, ...] = ()


@dataclass(frozen=True)
class Clock:
    """One clock.

    ended_at: when it stopped for good; met_at: when what it waits for happened, also when that was late. state `breached`: it
    was due before that, or is due now. `cancelled`: the conversation was resolved without the answer, in time.
    """

    kind: ClockKind
    episode_at: datetime
    started_at: datetime
    message_id: str
    priority: Priority
    queue: str
    target_min: int
    counts: str
    due_at: datetime
    warn_at: datetime
    state: ClockState
    met_at: datetime | None
    ended_at: datetime | None
    paused_min: float


@dataclass
class _Wait:
    """Messages that wait for an answer. answered: a person's answer ended it, else the conversation was resolved."""

    kind: ClockKind
    messages: list[Wrote]
    ended_at: datetime | None = None
    answered: bool = False


@dataclass
class _Episode:
    opened_by: Wrote
    messages: list[Wrote] = field(default_factory=list[Wrote])
    waits: list[_Wait] = field(default_factory=list[_Wait])
    pauses: list[tuple[datetime, datetime]] = field(default_factory=list[tuple[datetime, datetime]])
    answered: bool = False
    closed_at: datetime | None = None

    @property
    def waiting(self) -> _Wait | None:
        return self.waits[-1] if self.waits and self.waits[-1].ended_at is None else None


def clocks_of(story: Story, *, sla: Sla, hours: Hours, now: datetime) -> tuple[Clock, ...]:
    """All clocks, by start. A message and an answer of the same second: the answer is to the message."""
    snoozes = [(rest.began_at, rest.ended_at or now) for rest in story.rests if rest.kind == "snoozed"]
    clocks: list[Clock] = []
    for episode in episodes_of(story, sla=sla):
        for wait in episode.waits:
            clocks.extend(_wait_clock(episode, wait, sla=sla, hours=hours, now=now))
        clocks.extend(_resolution_clock(episode, snoozes, sla=sla, hours=hours, now=now))
    return tuple(sorted(clocks, key=lambda clock: (clock.started_at, clock.kind)))


def starts_of(story: Story, *, sla: Sla) -> set[tuple[ClockKind, datetime]]:
    """(kind, start) of all clocks that there could be, whatever their targets: a clock that is not among them never was."""
    episodes = episodes_of(story, sla=sla)
    starts: set[tuple[ClockKind, datetime]] = set()
    for episode in episodes:
        starts.add(("resolution", episode.opened_by.at))
        starts.update((wait.kind, wait.messages[0].at) for wait in episode.waits)
    return starts


def has_open_episode(story: Story, *, sla: Sla) -> bool:
    """Whether somebody has to do something about the conversation, or has it asleep."""
    episodes = episodes_of(story, sla=sla)
    return bool(episodes) and episodes[-1].closed_at is None


def episodes_of(story: Story, *, sla: Sla) -> list[_Episode]:
    """The customer's matters, oldest first."""
    events: list[tuple[datetime, int, str, Wrote | None]] = [
        *((wrote.at, 0, wrote.message_id, wrote) for wrote in story.wrote if wrote.needs_person),
        *((at, 1, "", None) for at in story.answered),
        *((rest.began_at, 2, "", None) for rest in story.rests if rest.kind == "resolved"),
        *((rest.ended_at, 3, "", None) for rest in story.rests if rest.kind == "resolved" and rest.ended_at),
    ]
    episodes: list[_Episode] = []
    for at, rank, _, wrote in sorted(events, key=lambda event: event[:3]):
        current = episodes[-1] if episodes else None
        if wrote:
            if current is None or _is_over(current, at, sla):
                current = _Episode(wrote)
                episodes.append(current)
            _take_message(current, wrote)
        elif current and rank == 1:
            _take_answer(current, at)
        elif current and rank == 2:
            _close(current, at)
        elif current and rank == 3:
            _reopen(current, at)
    return episodes


def _is_over(episode: _Episode, at: datetime, sla: Sla) -> bool:
    return episode.closed_at is not None and at - episode.closed_at > timedelta(hours=sla.reopen_within_h)


def _take_message(episode: _Episode, wrote: Wrote) -> None:
    if episode.closed_at is not None:
        episode.pauses.append((episode.closed_at, wrote.at))
        episode.closed_at = None
    episode.messages.append(wrote)
    if episode.waiting:
        episode.waiting.messages.append(wrote)
    else:
        episode.waits.append(_Wait("next_answer" if episode.answered else "first_answer", [wrote]))


def _take_answer(episode: _Episode, at: datetime) -> None:
    if episode.closed_at is None:
        episode.answered = True
        if episode.waiting:
            episode.waiting.answered = True
            episode.waiting.ended_at = at


def _close(episode: _Episode, at: datetime) -> None:
    """Resolved. What came in only afterwards was not seen by whoever resolved it: it waits on."""
    if episode.closed_at is not None:
        return
    waiting = episode.waiting
    unseen = [wrote for wrote in waiting.messages if wrote.received_at > at] if waiting else []
    if waiting and unseen:
        seen = [wrote for wrote in waiting.messages if wrote not in unseen]
        if seen and _can_part(episode, seen, unseen):
            waiting.messages, waiting.ended_at = seen, at
            episode.waits.append(_Wait(waiting.kind, unseen))
        episode.pauses.append((at, min(wrote.received_at for wrote in unseen)))
        return
    if waiting:
        waiting.ended_at = at
    episode.closed_at = at


def _can_part(episode: _Episode, seen: list[Wrote], unseen: list[Wrote]) -> bool:
    """Whether each would have a start that no other wait has. WhatsApp's times are whole seconds: of two messages of one second the
    one may be seen and the other not. Then nobody can tell the two waits apart, and the one that there is goes on.
    """
    starts = {wait.messages[0].at for wait in episode.waits[:-1] if wait.kind == episode.waits[-1].kind}
    parted = {seen[0].at, unseen[0].at}
    return len(parted) == 2 and not parted & starts


def _reopen(episode: _Episode, at: datetime) -> None:
    """By a person: whoever waited when it was resolved has waited all the time."""
    if episode.closed_at is None:
        return
    last = episode.waits[-1] if episode.waits else None
    if last and not last.answered and last.ended_at == episode.closed_at:
        last.ended_at = None
    episode.pauses.append((episode.closed_at, at))
    episode.closed_at = None


def _strictest(messages: list[Wrote], sla: Sla) -> tuple[Wrote, SlaTarget]:
    """The message whose priority counts: the highest, of equals the newest. A calmer one after it changes nothing."""
    strictest = min(reversed(messages), key=lambda wrote: wrote.priority)
    return strictest, sla.target_of(strictest.queue, strictest.priority)


def _wait_clock(episode: _Episode, wait: _Wait, *, sla: Sla, hours: Hours, now: datetime) -> list[Clock]:
    by, target = _strictest(wait.messages, sla)
    minutes = target.first_answer_min if wait.kind == "first_answer" else target.next_answer_min
    if not minutes:
        return []
    first = wait.messages[0]
    counted = hours if target.counts == "business" else _ALWAYS
    due_at = add_business_minutes(counted, first.at, minutes)
    state: ClockState = "met" if wait.answered else "cancelled" if wait.ended_at else "running"
    if (wait.ended_at or now) > due_at:
        state = "breached"
    return [
        Clock(
            kind=wait.kind,
            episode_at=episode.opened_by.at,
            started_at=first.at,
            message_id=first.message_id,
            priority=by.priority,
            queue=by.queue,
            target_min=minutes,
            counts=target.counts or "business",
            due_at=due_at,
            warn_at=add_business_minutes(counted, first.at, _warn_after(minutes, target, sla)),
            state=state,
            met_at=wait.ended_at if wait.answered else None,
            ended_at=wait.ended_at,
            paused_min=0.0,
        )
    ]


def _warn_after(minutes: int, target: SlaTarget, sla: Sla) -> float:
    if target.warn_before_min and target.warn_before_min < minutes:
        return minutes - target.warn_before_min
    return minutes * sla.warn_at_share


def _resolution_clock(
    episode: _Episode, snoozes: list[tuple[datetime, datetime]], *, sla: Sla, hours: Hours, now: datetime
) -> list[Clock]:
    by, target = _strictest(episode.messages, sla)
    minutes = target.resolution_min
    if not minutes:
        return []
    counted = hours if target.counts == "business" else _ALWAYS
    start = episode.opened_by.at
    pauses = _joined([*episode.pauses, *snoozes], since=start)
    until = episode.closed_at or now
    due_at = _add_paused(counted, start, minutes, pauses=pauses)
    asleep = episode.closed_at is None and any(began <= now < ended for began, ended in snoozes)
    state: ClockState = "met" if episode.closed_at else "paused" if asleep else "running"
    if until > due_at:
        state = "breached"
    return [
        Clock(
            kind="resolution",
            episode_at=start,
            started_at=start,
            message_id=episode.opened_by.message_id,
            priority=by.priority,
            queue=by.queue,
            target_min=minutes,
            counts=target.counts or "business",
            due_at=due_at,
            warn_at=_add_paused(counted, start, _warn_after(minutes, target, sla), pauses=pauses),
            state=state,
            met_at=episode.closed_at,
            ended_at=episode.closed_at,
            paused_min=float(
                sum(business_minutes_between(counted, began, min(ended, until)) for began, ended in pauses)
            ),
        )
    ]


def _joined(pauses: list[tuple[datetime, datetime]], *, since: datetime) -> list[tuple[datetime, datetime]]:
    """In order, none overlapping another, from `since` on."""
    joined: list[tuple[datetime, datetime]] = []
    for pause_began, ended in sorted(pauses):
        began = max(pause_began, since)
        if ended <= began:
            continue
        if joined and began <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], ended))
        else:
            joined.append((began, ended))
    return joined


def _add_paused(hours: Hours, start: datetime, minutes: float, *, pauses: list[tuple[datetime, datetime]]) -> datetime:
    """As `add_business_minutes`, but minutes within pauses do not count."""
    left = float(minutes)
    at = start
    for began, ended in pauses:
        due_at = add_business_minutes(hours, at, left)
        if due_at <= began:
            return due_at
        left -= business_minutes_between(hours, at, began)
        at = ended
    return add_business_minutes(hours, at, left)
