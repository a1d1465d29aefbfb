"""What there is around a message when it is decided: asked for in one statement, as most messages have none of it, or together with keeping
what was read in the message.
"""

from dataclasses import dataclass
from datetime import datetime

from store.actions import RECENT_ACTIONS
from store.analyses import ADD_ANALYSIS, NewAnalysis, analysis_values
from store.db import Connection
from store.runs import RunRef
from store.survey_invitations import IS_ANSWERABLE, answerable_at


@dataclass(frozen=True)
class Surroundings:
    """has_newer_run: a later pass of the same message is open, as its words were changed since this one began. may_answer_survey: the
    conversation has an invitation that a message of this time may answer (`list_invitations`). recent_actions: how many of each kind the
    customer had in the last 24 hours, not counting what never left.
    """

    has_newer_run: bool
    is_corrected: bool
    may_answer_survey: bool
    had_churn_alert: bool
    has_crm: bool
    recent_actions: dict[str, int]


_BEFORE_INVITATIONS = """
    EXISTS (SELECT FROM run WHERE message_id = %(message)s AND id > %(run)s AND kind = 'reanalyze'),
           EXISTS (SELECT FROM correction WHERE message_id = %(message)s),
           EXISTS (SELECT FROM action WHERE conversation_id = %(conversation)s AND
"""
_BEFORE_ACTIONS = """
           ),
           EXISTS (SELECT FROM alert WHERE customer_id = %(customer)s AND kind = 'churn'),
           EXISTS (SELECT FROM crm_connection WHERE tenant_id = %(tenant)s),
           (SELECT coalesce(jsonb_object_agg(kind, many), '{}') FROM (
"""
_END = ") AS recent)"
_LOOK = _BEFORE_INVITATIONS + IS_ANSWERABLE + _BEFORE_ACTIONS + RECENT_ACTIONS + _END
_READ, _AND_LOOK = "SELECT " + _LOOK, ", " + _LOOK


def _values(ref: RunRef, *, customer_id: str, conversation_id: str, sent_at: datetime) -> dict[str, object]:
    return {
        "message": ref.message_id,
        "run": ref.run_id,
        "conversation": conversation_id,
        "customer": customer_id,
        "tenant": ref.tenant_id,
        **answerable_at(sent_at),
    }


def read_surroundings(
    conn: Connection, ref: RunRef, *, customer_id: str, conversation_id: str, sent_at: datetime
) -> Surroundings:
    """What holds from now on: the conversation and the customer's actions are locked."""
    values = _values(ref, customer_id=customer_id, conversation_id=conversation_id, sent_at=sent_at)
    row = conn.execute(_READ, values).fetchone()
    assert row is not None
    return Surroundings(*row)


def add_analysis_and_look(
    conn: Connection, ref: RunRef, new: NewAnalysis, *, customer_id: str, conversation_id: str, sent_at: datetime
) -> tuple[str, Surroundings] | None:
    """`add_analysis` and `read_surroundings` in one statement, under the same locks. None when this run already has an analysis."""
    around = _values(ref, customer_id=customer_id, conversation_id=conversation_id, sent_at=sent_at)
    row = conn.execute(ADD_ANALYSIS + _AND_LOOK, around | analysis_values(ref, new)).fetchone()
    return (row[0], Surroundings(*row[1:])) if row else None
