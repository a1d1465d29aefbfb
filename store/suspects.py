"""Runs that were under way when a process died, again and again: one of them may be what kills it, the others were only beside it."""

from store.db import Connection, act_for_system, act_for_tenant_alone
from store.runs import MAX_CRASHES, RunRef

# How many of them may be under way at once, by the crashes that the most suspect one has seen: the last try is alone, so that what
# kills a process is found out and no neighbour is buried with it.
AT_ONCE = {2: 16, 3: 4, 4: 1}
SUSPECT_LOCK = "earshot suspects"


def may_begin(conn: Connection, ref: RunRef, *, crashes: int) -> bool:
    """Whether a locked run that was under way at so many crashes may be begun now, beside the suspects that are under way.

    Until the transaction ends, no other worker is told so of another suspect. Processes are shared, so suspects of all tenants count.
    """
    if crashes < min(AT_ONCE):
        return True
    act_for_system(conn)
    conn.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (SUSPECT_LOCK,))
    row = conn.execute(
        """
        SELECT count(*), coalesce(max(crashes), 0)
        FROM run
        WHERE lease_until > clock_timestamp() AND crashes > %s AND id <> %s
        """,
        (min(AT_ONCE), ref.run_id),
    ).fetchone()
    act_for_tenant_alone(conn)
    assert row is not None
    under_way, most_crashes = row
    # Whoever is under way has counted the crash that it may become.
    worst = min(max(crashes, most_crashes - 1), MAX_CRASHES - 1)
    return under_way < AT_ONCE[worst]
