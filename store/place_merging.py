"""Two conversations that become one: in which queue it stands, and by which message."""

from dataclasses import dataclass
from datetime import datetime

from routing.place import Claim, takes_place
from store.db import Connection

# As long as a person who has written is still in a conversation that is opened again.
PERSON_STAYS_FOR_H = 24


@dataclass(frozen=True)
class _Standing:
    id: str
    is_open: bool
    priority: str | None
    routed_message_id: str | None
    routed_sent_at: datetime | None
    answered_at: datetime | None


def merge_places(conn: Connection, *, moved: str, stays: str) -> None:
    """Open if either is. Queue, priority, wanted skill and the message they stand by are those of one of the two, never mixed: of the
    open one, of two open ones that whose message stands before the other's. Both must be locked.
    """
    first, second = _get_standing(conn, stays), _get_standing(conn, moved)
    conn.execute(
        """
        UPDATE conversation AS k
        SET state = CASE WHEN 'open' IN (k.state, g.state) THEN 'open' ELSE k.state END,
            -- Who has left a conversation that is over is not in the one that goes on.
            taken_over = (k.taken_over AND (k.state = 'open' OR k.last_human_answer_at > now() - make_interval(hours => %(hours)s)))
                OR (g.taken_over AND (g.state = 'open' OR g.last_human_answer_at > now() - make_interval(hours => %(hours)s)))
                OR (k.state <> 'open' AND g.state <> 'open' AND (k.taken_over OR g.taken_over)),
            last_inbound_at = greatest(k.last_inbound_at, g.last_inbound_at),
            last_human_answer_at = greatest(k.last_human_answer_at, g.last_human_answer_at),
            queue = w.queue, priority = w.priority, skill_wanted = w.skill_wanted,
            routed_message_id = w.routed_message_id, routed_sent_at = w.routed_sent_at
        FROM conversation AS g, conversation AS w
        WHERE k.id = %(stays)s AND g.id = %(moved)s AND w.id = %(winner)s
        """,
        {"stays": stays, "moved": moved, "winner": _choose(first, second).id, "hours": PERSON_STAYS_FOR_H},
    )


def _get_standing(conn: Connection, conversation_id: str) -> _Standing:
    row = conn.execute(
        """
        SELECT id::text, state = 'open', priority, routed_message_id::text, routed_sent_at, last_human_answer_at
        FROM conversation
        WHERE id = %s
        """,
        (conversation_id,),
    ).fetchone()
    assert row is not None
    return _Standing(*row)


def _choose(stays: _Standing, moved: _Standing) -> _Standing:
    mine, other = _claim(stays), _claim(moved)
    if stays.is_open != moved.is_open:
        return stays if stays.is_open else moved
    if other is None:
        return stays
    if mine is None:
        return moved
    answers = [at for at in (stays.answered_at, moved.answered_at) if at]
    return moved if takes_place(other, mine, answered_at=max(answers, default=None)) else stays


def _claim(one: _Standing) -> Claim[datetime] | None:
    if one.routed_message_id is None or one.routed_sent_at is None:
        return None
    return Claim(one.priority or "P9", one.routed_sent_at, one.routed_message_id)
