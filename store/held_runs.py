"""A locked run that one transaction takes through several stages: what they know of it is read once, and its row written once."""

from dataclasses import dataclass, replace

from store.analyses import StoredAnalysis
from store.db import Connection
from store.messages import StoredMessage
from store.runs import LockedRun, RunRef, RunState, advance, store_answer


@dataclass
class HeldRun:
    """The run and its message, both locked. Its row is written by `finish` or `let_go`.

    analysis: what was appended for it in this transaction. has_crm: whether its tenant has a CRM connection, None until somebody
    has looked.
    """

    run: LockedRun
    message: StoredMessage
    is_closed: bool = False
    analysis: StoredAnalysis | None = None
    has_crm: bool | None = None

    def advance(self, *, to: RunState) -> None:
        """Where it stands as far as this transaction has come."""
        self.run = replace(self.run, state=to)


def let_go(conn: Connection, ref: RunRef, held: HeldRun, *, lease_token: str) -> None:
    """Write how far a held run has come."""
    if held.is_closed:
        return
    if held.run.state == "analyzed" and held.run.answer is not None:
        store_answer(conn, ref, lease_token=lease_token, answer=held.run.answer)
    else:
        advance(conn, ref, to=held.run.state, outcome=held.run.outcome)
