"""A locked run that one transaction takes through several stages: what they know of it is read once, and its row written once."""

from dataclasses import dataclass, replace

from store.analyses import AND_COUNT, SETTLE, CallEnd, NewAnalysis, StoredAnalysis, add_analysis, analysis_of
from store.customers import CONVERSATION, LOCKED_FIRST, THEN_CUSTOMER, Conversation
from store.db import Connection
from store.messages import StoredMessage
from store.runs import (
    CLOSED,
    FINISHED_MESSAGE,
    RUN,
    RUN_WIDTH,
    LockedRun,
    RunRef,
    RunState,
    advance,
    finish,
    finished,
    lock_run_and_message,
    store_answer,
)
from store.sla_clocks import WRITE_CLOCKS, NewClocks, write_clocks
from store.surroundings import Surroundings, add_analysis_and_look


@dataclass
class HeldRun:
    """The run and its message, both locked. Its row is written by `let_go` or `finish_and_settle`.

    conversation: the message's, locked with its customer; None when it must be locked still. is_over: the last stage is done. analysis: what
    was appended for it in this transaction. surroundings: of its message, None until somebody has looked. clocks: of the conversation, to be
    written with the run.
    """

    run: LockedRun
    message: StoredMessage
    conversation: Conversation | None = None
    is_over: bool = False
    analysis: StoredAnalysis | None = None
    surroundings: Surroundings | None = None
    clocks: NewClocks | None = None

    def advance(self, *, to: RunState) -> None:
        """Where it stands as far as this transaction has come."""
        self.run = replace(self.run, state=to)

    def add_analysis(self, conn: Connection, ref: RunRef, new: NewAnalysis) -> None:
        """Append it, and look around where that is to be decided next, under the conversation's lock."""
        message, surroundings = self.message, None
        if self.conversation and message.customer_id:
            found = add_analysis_and_look(
                conn,
                ref,
                new,
                customer_id=message.customer_id,
                conversation_id=self.conversation.id,
                sent_at=message.sent_at,
            )
            analysis_id, surroundings = found or (None, None)
        else:
            analysis_id = add_analysis(conn, ref, new)
        if analysis_id:
            self.analysis, self.surroundings = analysis_of(new.answer, analysis_id=analysis_id), surroundings


_CHANGES = """,
    message.edits, message.joined_to::text, message.state, message.customer_id::text AS sender_id, message.conversation_id::text,
"""
_CHANGES_WIDTH = 5
_HOLD = """
    FROM run JOIN message ON message.id = %s
    -- Said outright, it is one row of an index, however few rows a plan was made for.
    JOIN conversation AS c ON c.id = message.conversation_id AND c.id = %s
    JOIN customer AS u ON u.id = c.customer_id
    WHERE run.id = %s AND run.tenant_id = %s
    FOR UPDATE OF run FOR NO KEY UPDATE OF message FOR UPDATE OF c
"""
_HELD = LOCKED_FIRST + RUN + _CHANGES + CONVERSATION + _HOLD + THEN_CUSTOMER


def hold_run(conn: Connection, ref: RunRef, message: StoredMessage) -> HeldRun | None:
    """Lock the run, its conversation, its message (rows of partitions are locked last) and its customer, for a message as it was when its run
    was leased, where that lease still holds: what others may have changed meanwhile is read anew. With other words, or none, the lease would
    be lost. None when the run is finished.
    """
    row = conn.execute(_HELD, (ref.message_id, message.conversation_id, ref.run_id, ref.tenant_id)).fetchone()
    if row is None:  # the run is gone, or the conversation was merged into another one since the message was read
        locked = lock_run_and_message(conn, ref)
        return HeldRun(*locked) if locked else None
    edits, joined_to, state, customer_id, conversation_id = row[RUN_WIDTH : RUN_WIDTH + _CHANGES_WIDTH]
    as_it_is = replace(
        message, edits=edits, joined_to=joined_to, state=state, customer_id=customer_id, conversation_id=conversation_id
    )
    conversation = Conversation(*row[RUN_WIDTH + _CHANGES_WIDTH : -1])
    return HeldRun(LockedRun(*row[:RUN_WIDTH]), as_it_is, conversation)


def let_go(conn: Connection, ref: RunRef, held: HeldRun, *, lease_token: str) -> None:
    """Write how far a held run has come, and the clocks that came of it."""
    write_clocks(conn, held.clocks)
    if held.is_over:
        finish(conn, ref, kind=held.run.kind, outcome=held.run.outcome)
    elif held.run.state == "analyzed" and held.run.answer is not None:
        store_answer(conn, ref, lease_token=lease_token, answer=held.run.answer)
    else:
        advance(conn, ref, to=held.run.state, outcome=held.run.outcome)


_TOLD, _CLOCKS, _SETTLED = ", told AS (", "), clocks AS (", "), settled AS ("
_FINISH, _AND_SETTLE = CLOSED + _TOLD + FINISHED_MESSAGE, _SETTLED + SETTLE + AND_COUNT


def finish_and_settle(conn: Connection, ref: RunRef, egress_id: str, end: CallEnd, *, held: HeldRun) -> None:
    """`finish` and `settle_counted_call` in one statement with the clocks that came of it, for a run that is over."""
    values = finished(ref, kind=held.run.kind, outcome=held.run.outcome) | end.as_values(egress_id)
    if held.clocks:
        conn.execute(_FINISH + _CLOCKS + WRITE_CLOCKS + _AND_SETTLE, values | held.clocks.as_values())
    else:
        conn.execute(_FINISH + _AND_SETTLE, {**values, "tenant": ref.tenant_id})
