"""A locked run that one transaction takes through several stages: what they know of it is read once, and its row written once."""

from dataclasses import dataclass, replace

from store.analyses import AND_COUNT, SETTLE, CallEnd, StoredAnalysis
from store.db import Connection
from store.messages import StoredMessage
from store.runs import CLOSED, FINISHED_MESSAGE, LockedRun, RunRef, RunState, advance, finish, finished, store_answer


@dataclass
class HeldRun:
    """The run and its message, both locked. Its row is written by `let_go` or `finish_and_settle`.

    is_over: the last stage is done. analysis: what was appended for it in this transaction. has_crm: whether its tenant has a CRM
    connection, None until somebody has looked.
    """

    run: LockedRun
    message: StoredMessage
    is_over: bool = False
    analysis: StoredAnalysis | None = None
    has_crm: bool | None = None

    def advance(self, *, to: RunState) -> None:
        """Where it stands as far as this transaction has come."""
        self.run = replace(self.run, state=to)


def let_go(conn: Connection, ref: RunRef, held: HeldRun, *, lease_token: str) -> None:
    """Write how far a held run has come."""
    if held.is_over:
        finish(conn, ref, kind=held.run.kind, outcome=held.run.outcome)
    elif held.run.state == "analyzed" and held.run.answer is not None:
        store_answer(conn, ref, lease_token=lease_token, answer=held.run.answer)
    else:
        advance(conn, ref, to=held.run.state, outcome=held.run.outcome)


_TOLD, _SETTLED = ", told AS (", "), settled AS ("
_FINISH_AND_SETTLE = CLOSED + _TOLD + FINISHED_MESSAGE + _SETTLED + SETTLE + AND_COUNT


def finish_and_settle(conn: Connection, ref: RunRef, egress_id: str, end: CallEnd, *, held: HeldRun) -> None:
    """`finish` and `settle_counted_call` in one statement, for a run that is over."""
    values = finished(ref, kind=held.run.kind, outcome=held.run.outcome) | end.as_values(egress_id)
    conn.execute(_FINISH_AND_SETTLE, {**values, "tenant": ref.tenant_id})
