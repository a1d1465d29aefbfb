"""Alerts about sends whose fate is unknown or bad, and taking them back when it is settled."""

from store.db import Connection

# A status or an echo settles a send within seconds; after this long a person must look.
UNCERTAIN_FOR_S = 600


def alert_about_sends(conn: Connection) -> int:
    """Show people the sends whose fate is unknown for 10 minutes, and those that failed after they were accepted; take the
    alert back when a status settles one. Returns how many are new. Needs the system scope.
    """
    conn.execute(
        """
        UPDATE alert
        SET resolved_at = now()
        FROM action AS a
        WHERE alert.kind = 'send_uncertain' AND alert.resolved_at IS NULL AND alert.tenant_id = a.tenant_id
          AND alert.key = 'send_uncertain:' || a.id::text AND a.state <> 'uncertain'
        """
    )
    conn.execute(
        """
        UPDATE alert
        SET resolved_at = now()
        FROM action AS a
        WHERE alert.kind = 'needs_approval' AND alert.resolved_at IS NULL AND alert.tenant_id = a.tenant_id
          AND alert.key = 'needs_approval:' || a.id::text AND (a.state <> 'pending' OR a.approved_at IS NOT NULL)
        """
    )
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
