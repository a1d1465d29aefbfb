"""How long work stands in each stage, and whether that is longer than it may."""

from dataclasses import dataclass
from typing import Any

from store.db import Connection
from store.runs import RUN_STATES

# What a run that stands in a state waits for, and for how long at most. The model may be busy for a while; the rest is our own doing.
STAGE_OF = {
    "received": "minimize",
    "minimized": "analyze",
    "analyzed": "persist",
    "persisted": "route",
    "routed": "crm_sync",
}
LIMITS_S = {"minimize": 60, "analyze": 300, "persist": 60, "route": 60, "crm_sync": 60}
# Waits that somebody has been told of already, or that are meant: no key, a budget that is used up.
MEANT = ("no_analyzer", "budget_reached")


@dataclass(frozen=True)
class StageAge:
    """Open runs of one stage. oldest_s: for how long the first stands there. late: how many stand there longer than `limit_s`.

    because: why the late ones wait as far as they know, the most frequent code.
    """

    stage: str
    waiting: int
    oldest_s: float
    late: int
    limit_s: int
    because: str | None


_AGES = """
SELECT state, count(*), coalesce(extract(epoch FROM now() - min(stage_since)), 0)::float,
       count(*) FILTER (WHERE is_late), mode() WITHIN GROUP (ORDER BY error_code) FILTER (WHERE is_late)
FROM (
    SELECT r.state, r.stage_since, r.error_code,
           r.stage_since < now() - make_interval(secs => l.limit_s)
               AND NOT coalesce(r.error_code = ANY(%(meant)s), false) AS is_late
    FROM run AS r JOIN unnest(%(states)s::text[], %(limits)s::int[]) AS l (state, limit_s) ON l.state = r.state
    WHERE r.kind IN ('initial', 'reanalyze') AND coalesce(r.gathers_until <= now(), true)
      AND (%(tenant)s::bigint IS NULL OR r.tenant_id = %(tenant)s)
) AS open
GROUP BY state
"""


def list_stage_ages(conn: Connection, tenant_id: int | None = None) -> list[StageAge]:
    """All stages in order; of one tenant, or of all (None), which needs the system scope."""
    given: dict[str, Any] = {
        "meant": list(MEANT),
        "states": list(RUN_STATES),
        "limits": [LIMITS_S[STAGE_OF[state]] for state in RUN_STATES],
        "tenant": tenant_id,
    }
    found = {row[0]: row[1:] for row in conn.execute(_AGES, given).fetchall()}
    ages: list[StageAge] = []
    for state in RUN_STATES:
        waiting, oldest_s, late, because = found.get(state, (0, 0.0, 0, None))
        stage = STAGE_OF[state]
        ages.append(StageAge(stage, waiting, oldest_s, late, LIMITS_S[stage], because))
    return ages
