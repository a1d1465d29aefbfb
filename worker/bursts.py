"""Several messages of one customer within seconds become one analysis, where the tenant wants that."""

from datetime import timedelta

from analysis.lexicon import floor_hits
from config.tenant import TenantConfig
from store.bursts import gather, join_burst, lock_gathering_runs, stop_gathering
from store.db import Connection
from store.messages import StoredMessage
from store.runs import RunRef
from worker.stage import Next

# Who never stops typing is read after this many windows all the same.
MAX_WINDOWS = 4
# Each comment stands for itself before everybody's eyes; only private messages come in bursts.
JOINED_SURFACES = ("dm", "story_reply")


def gather_burst(
    conn: Connection, ref: RunRef, message: StoredMessage, *, conversation_id: str, tenant: TenantConfig
) -> Next:
    """Join a minimized message with those of its burst that wait, under the conversation's lock.

    The newest by provider time is analyzed for all; the others' passes end. A message that holds an urgent word does not
    wait, nor do those it is joined with.
    """
    if message.surface not in JOINED_SURFACES:
        return Next.GO_ON
    thresholds = tenant.thresholds
    window = timedelta(seconds=thresholds.debounce_s)
    urgent = bool(floor_hits(message.text or "", own=tenant.floor.groups())) and not thresholds.debounce_urgent
    newest_run, newest_message, newest_at = ref.run_id, message.id, message.sent_at
    for waiting in lock_gathering_runs(
        conn, conversation_id=conversation_id, surface=message.surface, except_run=ref.run_id
    ):
        if abs(waiting.sent_at - message.sent_at) > window * MAX_WINDOWS:
            continue
        if (waiting.sent_at, waiting.message_id) > (newest_at, newest_message):
            older_run, older_message = newest_run, newest_message
            newest_run, newest_message, newest_at = waiting.run_id, waiting.message_id, waiting.sent_at
        else:
            older_run, older_message = waiting.run_id, waiting.message_id
        join_burst(conn, run_id=older_run, message_id=older_message, to_message_id=newest_message)
    survivor = RunRef(ref.tenant_id, newest_message, newest_run)
    if urgent:
        stop_gathering(conn, survivor.run_id)
    else:
        seconds = thresholds.debounce_s
        gather(conn, survivor, seconds=seconds, max_wait_s=seconds * MAX_WINDOWS)
    return Next.GO_ON if urgent and survivor == ref else Next.STOP
