"""What the SLA clocks of a conversation are made of, read by one statement."""

import json
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from routing.sla_clocks import Clock, Rest, Story, Wrote
from store.db import Connection

# What is older stands as it is, unless a clock that is still running began there; so does what came before so many messages and answers.
LOOK_BACK = timedelta(days=90)
MOST_MESSAGES = 2000


@dataclass(frozen=True)
class ClockRows:
    """Everything since then, as of now by the Postgres clock.

    open_rests: the kinds of rests that have not ended. clocks: what stands. right: of these, the ones that need no word about a breach taken
    back. is_resolved, snoozed_until: what the conversation's row says. marked_at: when the clocks were said to be stale.
    """

    now: datetime
    is_resolved: bool
    snoozed_until: datetime | None
    story: Story
    open_rests: frozenset[str]
    clocks: tuple[Clock, ...]
    right: frozenset[Clock]
    marked_at: datetime | None


_CLOCK_COLUMNS = tuple(one.name for one in fields(Clock))
_CLOCK_TIMES = ("episode_at", "started_at", "due_at", "warn_at", "met_at", "ended_at")


# In one statement, as every message takes it: rows of a kind, two times, three words and a yes or no.
#
# wrote: the customer's live messages with the decision that counts for their clocks. That is the first one made with the model's answer
# (the keyword reading's until then), or the newest where the words were changed or a person has corrected the label; what was decided by
# corrections that are undone, counts no more. A message whose automation failed and fell to a person needs one.
# answered: when people answered. The conversation's own note of the newest is among them: an echo may not have its place yet.
_ROWS = """
    WITH span AS (
        SELECT now() AS now, least(now() - %(back)s, (
            SELECT min(episode_at) FROM sla_clock WHERE conversation_id = %(id)s AND ended_at IS NULL
        )) AS since
    ), said AS MATERIALIZED (
        SELECT id, sent_at, received_at, direction, edits, state
        FROM message
        WHERE conversation_id = %(id)s AND sent_at >= (SELECT since FROM span)
          -- No month before or after these is looked through.
          AND id >= uuid_floor(now() - %(months)s - interval '1 day') AND id < uuid_floor(now() + interval '1 day')
          AND (direction = 'inbound' OR author = 'human') AND NOT is_history
        ORDER BY sent_at DESC, id DESC
        LIMIT %(most)s
    )
    SELECT 'state' AS kind, span.now AS at, c.snoozed_until AS other, CASE WHEN since < now - %(months)s THEN since::text END AS one,
           NULL AS two, NULL AS three, c.state = 'resolved' AS holds
    FROM conversation AS c CROSS JOIN span
    WHERE c.id = %(id)s
    UNION ALL
    SELECT 'wrote', least(m.sent_at, m.received_at), m.received_at, m.id::text, d.priority, d.queue,
           d.queue <> 'auto' OR EXISTS (
               SELECT
               FROM action AS a
               -- By itself, else row-level security has all alerts of the tenant looked at (store/known_identities.py).
               CROSS JOIN LATERAL (
                   SELECT FROM alert WHERE tenant_id = a.tenant_id AND key = 'needs_person:' || a.id::text OFFSET 0
               ) AS alert
               WHERE a.message_id = m.id
           )
    FROM said AS m CROSS JOIN LATERAL (
        SELECT r.priority, r.queue
        FROM routing_decision AS r
        CROSS JOIN LATERAL (SELECT jsonb_array_length(coalesce(r.inputs -> 'corrected', '[]')) > 0) AS by (correction)
        WHERE r.message_id = m.id
          AND (NOT by.correction OR EXISTS (SELECT FROM correction AS c WHERE c.message_id = m.id AND c.undone_at IS NULL))
        ORDER BY r.provisional, CASE WHEN m.edits > 0 OR by.correction THEN r.created_at END DESC NULLS LAST, r.id
        LIMIT 1
    ) AS d
    WHERE m.direction = 'inbound'
      AND (m.state <> 'erased' OR EXISTS (
          SELECT FROM sla_clock AS c WHERE c.conversation_id = %(id)s AND c.message_id = m.id AND c.ended_at IS NOT NULL
      ))
    UNION ALL
    SELECT 'answered', least(sent_at, received_at), NULL, NULL, NULL, NULL, NULL
    FROM said
    WHERE direction = 'outbound'
    UNION ALL
    SELECT 'answered', last_human_answer_at, NULL, NULL, NULL, NULL, NULL
    FROM conversation
    WHERE id = %(id)s AND last_human_answer_at >= (SELECT since FROM span)
    UNION ALL
    SELECT 'rest', began_at, CASE WHEN kind = 'snoozed' THEN least(ended_at, until) WHEN by_hand THEN ended_at END,
           kind, NULL, NULL, ended_at IS NULL
    FROM conversation_rest
    WHERE conversation_id = %(id)s AND (began_at >= (SELECT since FROM span) OR ended_at IS NULL)
    UNION ALL
    SELECT 'clock', NULL, NULL, to_jsonb(s)::text, NULL, NULL, breached_at IS NOT NULL
    FROM sla_clock AS s
    WHERE conversation_id = %(id)s AND started_at >= (SELECT since FROM span)
    UNION ALL
    SELECT 'marked', marked_at, NULL, NULL, NULL, NULL, NULL FROM stale_clock WHERE conversation_id = %(id)s
"""


def read_rows(conn: Connection, conversation_id: str, *, months: timedelta = LOOK_BACK) -> ClockRows | None:
    """None when there is no such conversation any more. Its row must be locked.

    months: how far back messages are looked through. Where a clock still runs that began before, they are read once more.
    """
    values = {"id": conversation_id, "back": LOOK_BACK, "months": months, "most": MOST_MESSAGES}
    rows = conn.execute(_ROWS, values).fetchall()
    of: dict[str, list[tuple[Any, ...]]] = {
        kind: [] for kind in ("state", "wrote", "answered", "rest", "clock", "marked")
    }
    for kind, *values in rows:
        of[kind].append(tuple(values))
    if not of["state"]:
        return None
    ((now, snoozed_until, since, *_, is_resolved),) = of["state"]
    if since:
        return read_rows(conn, conversation_id, months=now - datetime.fromisoformat(since))
    clocks = [(_read_clock(row), is_told) for _, _, row, *_, is_told in of["clock"]]
    return ClockRows(
        now=now,
        is_resolved=is_resolved,
        snoozed_until=snoozed_until,
        story=Story(
            wrote=tuple(Wrote(*row) for row in of["wrote"]),
            answered=tuple(sorted({at for at, *_ in of["answered"]})),
            rests=tuple(Rest(kind, began_at, ended_at) for began_at, ended_at, kind, *_ in of["rest"]),
        ),
        open_rests=frozenset(kind for _, _, kind, _, _, is_open in of["rest"] if is_open),
        clocks=tuple(clock for clock, _ in clocks),
        right=frozenset(clock for clock, is_told in clocks if clock.state == "breached" or not is_told),
        marked_at=of["marked"][0][0] if of["marked"] else None,
    )


def _read_clock(row: str) -> Clock:
    said: dict[str, Any] = json.loads(row)
    for name in _CLOCK_TIMES:
        if said[name] is not None:
            said[name] = datetime.fromisoformat(said[name])
    return Clock(**{name: said[name] for name in _CLOCK_COLUMNS})
