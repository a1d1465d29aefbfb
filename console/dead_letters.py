"""Putting messages whose way ended back to work, the same for pages and programs."""

from store.audit_log import note_deed
from store.conversation_events import Actor
from store.db import Connection
from store.dead_runs import list_dead_of, replay_dead
from store.runs import RunRef


def replay(conn: Connection, tenant_id: int, *, message_id: str | None, by: Actor) -> int:
    """One message's parked runs, or the oldest 1,000 of all (None); returns how many are at work again."""
    parked = list_dead_of(conn, tenant_id, message_id=message_id)
    replayed = sum(replay_dead(conn, RunRef(tenant_id, one.message_id, one.run_id)) for one in parked)
    if replayed:
        note_deed(conn, tenant_id, by=by, deed="dead_letters_replayed", subject=message_id, details={"runs": replayed})
    return replayed
