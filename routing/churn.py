"""Two negative messages of one customer in a row: episodes, from labelled messages. Pure: the same messages, the same episodes."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

# Who never stops typing is heard more than once: a burst is at most this many windows long, as in worker/bursts.py.
MAX_WINDOWS = 4


@dataclass(frozen=True)
class LabelledMessage:
    """One inbound message with the label that counts. conversation_id: bursts never reach over two of them."""

    id: str
    conversation_id: str
    sent_at: datetime
    sentiment: str


@dataclass(frozen=True)
class Episode:
    """Negatives in a row, at least two of them, oldest first by provider time. A burst stands here with its newest message.

    is_over: the customer has written something that is not negative since, or nothing negative for too long.
    """

    messages: tuple[LabelledMessage, ...]
    is_over: bool

    @property
    def first_id(self) -> str:
        """The message the episode begins with, by which it is known."""
        return self.messages[0].id

    @property
    def last_sent_at(self) -> datetime:
        """When its newest negative was sent."""
        return self.messages[-1].sent_at


def join_bursts(messages: Iterable[LabelledMessage], *, window: timedelta) -> list[LabelledMessage]:
    """Each burst as its newest message, oldest first; a message that comes twice counts once.

    window: messages of one conversation at most this far apart are one burst; zero joins nothing.
    """
    ordered = sorted({one.id: one for one in messages}.values(), key=lambda one: (one.sent_at, one.id))
    newest: dict[str, tuple[datetime, LabelledMessage]] = {}
    heard: list[LabelledMessage] = []
    for one in ordered:
        began_at, before = newest.get(one.conversation_id, (one.sent_at, None))
        joins = (
            window > timedelta(0)
            and before is not None
            and one.sent_at - before.sent_at <= window
            and one.sent_at - began_at <= window * MAX_WINDOWS
        )
        if before is not None and joins:
            heard.remove(before)
        newest[one.conversation_id] = (began_at if joins else one.sent_at, one)
        heard.append(one)
    return heard


def find_episodes(
    messages: Iterable[LabelledMessage], *, now: datetime, within: timedelta, burst_window: timedelta
) -> list[Episode]:
    """Every two negatives in a row, and what follows them, oldest first, whatever the order the messages came in.

    within: two negatives further apart than this are not in a row. Messages that have no label are left out by the caller: they
    neither count nor reset.
    """
    episodes: list[Episode] = []
    row: list[LabelledMessage] = []

    def close(*, is_over: bool) -> None:
        if len(row) >= 2:
            episodes.append(Episode(tuple(row), is_over))
        row.clear()

    for one in join_bursts(messages, window=burst_window):
        if one.sentiment != "negative":
            close(is_over=True)
            continue
        if row and one.sent_at - row[-1].sent_at > within:
            close(is_over=True)
        row.append(one)
    close(is_over=bool(row) and now - row[-1].sent_at > within)
    return episodes


def find_news(
    episodes: Iterable[Episode], *, known: Collection[Collection[str]], now: datetime, fresh: timedelta
) -> list[Episode]:
    """Episodes that nobody was told of and that are still hot: their newest negative is at most `fresh` old.

    Also of one that is over by now: a message that comes late must not decide whether people hear of it. known: the message ids of each alert there is. One that shares a message with an alert is that alert's, however late messages
    have moved its beginning.
    """
    told = {message_id for ids in known for message_id in ids}
    return [
        episode
        for episode in episodes
        if now - episode.last_sent_at <= fresh and told.isdisjoint(one.id for one in episode.messages)
    ]
