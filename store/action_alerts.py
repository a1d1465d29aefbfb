"""Alerts about sends whose fate is unknown or bad, and taking them back when it is settled."""

from store.db import Connection

# A status or an echo settles a send within seconds; after this long a person must look.
UNCERTAIN_FOR_S = 600

# The action that an alert is about stands in its key, which only these kinds have such an id in. Looked up from there: a join would read all
# actions (docs/architecture.md, Tenancy).
_TAKE_BACK = """
    UPDATE alert
    SET resolved_at = now()
    WHERE kind IN ('send_uncertain', 'needs_approval') AND resolved_at IS NULL AND EXISTS (
        SELECT
        FROM action AS a
        WHERE a.id = CASE WHEN alert.kind IN ('send_uncertain', 'needs_approval') THEN split_part(alert.key, ':', 2)::uuid END
          AND a.tenant_id = alert.tenant_id
          AND CASE alert.kind WHEN 'send_uncertain' THEN a.state <> 'uncertain' ELSE a.state <> 'pending' OR a.approved_at IS NOT NULL END
        OFFSET 0
    )
"""


def alert_about_sends(conn: Connection) -> int:
    """Show people the sends whose fate is unknown for 10 minutes, and those that failed after they were accepted; take the
    alert back when a status settles one. Returns how many are new. Needs the system scope.
    """
    conn.execute(_TAKE_BACK)
    return conn.execute(
        """
        INSERT INTO alert (tenant_id, kind, key, queue, customer_id, conversation_id, message_id, details)
        SELECT tenant_id, 'send_' || state, 'send_' || state || ':' || id::text, 'support', customer_id, conversation_id, message_id,
               jsonb_build_object('action', kind, 'error_code', error_code)
        FROM action
        WHERE (state = 'uncertain' AND created_at < now() - make_interval(secs => %s))
           OR (state = 'failed' AND settled_at > now() - interval '1 day' AND settled_by IS NULL)
        ON CONFLICT (tenant_id, key) DO NOTHING
        """,
        (UNCERTAIN_FOR_S,),
    ).rowcount
