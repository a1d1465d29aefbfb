"""What there is around a message when it is decided: asked for in one statement, as most messages have none of it."""

from dataclasses import dataclass
from datetime import datetime

from routing.actions import INVITATIONS
from store.db import Connection
from store.runs import RunRef
from store.survey_invitations import CLOCK_SLACK_S, MAX_ANSWER_DAYS


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


def read_surroundings(
    conn: Connection, ref: RunRef, *, customer_id: str, conversation_id: str, sent_at: datetime
) -> Surroundings:
    """What holds from now on: the conversation and the customer's actions are locked."""
    row = conn.execute(
        """
        SELECT EXISTS (SELECT FROM run WHERE message_id = %(message)s AND id > %(run)s AND kind = 'reanalyze'),
               EXISTS (SELECT FROM correction WHERE message_id = %(message)s),
               EXISTS (
                   SELECT FROM action
                   WHERE conversation_id = %(conversation)s AND kind = ANY(%(invitations)s)
                     AND state IN ('sending', 'sent', 'uncertain')
                     AND sent_at BETWEEN %(sent_at)s - make_interval(days => %(days)s)
                                     AND %(sent_at)s + make_interval(secs => %(slack_s)s)
               ),
               EXISTS (SELECT FROM alert WHERE customer_id = %(customer)s AND kind = 'churn'),
               EXISTS (SELECT FROM crm_connection WHERE tenant_id = %(tenant)s),
               (
                   SELECT coalesce(jsonb_object_agg(kind, many), '{}')
                   FROM (
                       SELECT kind, count(*) AS many
                       FROM action
                       WHERE customer_id = %(customer)s AND created_at > now() - interval '24 hours'
                         AND state IN ('pending', 'sending', 'sent', 'uncertain')
                       GROUP BY kind
                   ) AS recent
               )
        """,
        {
            "message": ref.message_id,
            "run": ref.run_id,
            "conversation": conversation_id,
            "customer": customer_id,
            "tenant": ref.tenant_id,
            "sent_at": sent_at,
            "invitations": list(INVITATIONS),
            "days": MAX_ANSWER_DAYS,
            "slack_s": CLOCK_SLACK_S,
        },
    ).fetchone()
    assert row is not None
    return Surroundings(*row)
