"""Which upkeep has something to do, in one statement: once a second, and at rest the answer is nothing.

Each condition is that of what takes the work. Whatever one of them should miss is found by beat's slower round (worker/app.py).
"""

from routing.webhook_schedule import MAX_TRIES
from store.db import Connection


def list_due_upkeep(conn: Connection, *, unread_after_s: float) -> set[str]:
    """Names of tasks, without `earshot.`. unread_after_s: a message that waits longer for the model gets a provisional reading.

    Needs the system scope.
    """
    rows = conn.execute(
        """
        SELECT name
        FROM (
            VALUES
            (
                'reconcile',
                EXISTS (
                    SELECT FROM run
                    WHERE state <> 'dead' AND kind <> 'place' AND next_at <= now() AND (lease_until IS NULL OR lease_until < now())
                )
                OR EXISTS (SELECT FROM action WHERE state = 'pending' AND next_at <= now())
                OR EXISTS (SELECT FROM action WHERE state = 'sending' AND lease_until < now())
                OR EXISTS (
                    SELECT FROM crm_connection AS c
                    WHERE c.paused_because IS NULL AND coalesce(c.held_until, '-infinity') <= now()
                      AND coalesce(c.flush_lease_until, '-infinity') < now()
                      AND (
                          EXISTS (
                              SELECT FROM crm_state AS s
                              WHERE s.tenant_id = c.tenant_id AND s.version > s.written_version AND s.next_at <= now()
                          )
                          OR EXISTS (
                              SELECT FROM crm_event AS e
                              WHERE e.tenant_id = c.tenant_id AND e.state = 'pending' AND e.next_at <= now()
                          )
                          OR EXISTS (SELECT FROM crm_search AS q WHERE q.tenant_id = c.tenant_id AND q.next_at <= now())
                          OR EXISTS (
                              SELECT FROM crm_erasure AS r
                              WHERE r.tenant_id = c.tenant_id AND r.state = 'pending' AND r.next_at <= now()
                          )
                      )
                )
            ),
            (
                'read_waiting',
                EXISTS (
                    SELECT FROM run
                    WHERE kind = 'initial' AND state IN ('received', 'minimized') AND provisional_at IS NULL
                      AND created_at < now() - make_interval(secs => %(unread_after_s)s)
                )
            ),
            (
                'place_messages',
                EXISTS (SELECT FROM channel_notice)
                OR EXISTS (SELECT FROM run WHERE kind = 'place' AND state = 'received')
            ),
            (
                'assign_conversations',
                EXISTS (SELECT FROM conversation WHERE wants_agent AND assignee_id IS NULL AND state = 'open')
                OR EXISTS (SELECT FROM conversation WHERE snoozed_until <= now())
                OR EXISTS (SELECT FROM conversation WHERE assignee_id IS NOT NULL AND state = 'open')
                OR EXISTS (SELECT FROM agent WHERE presence <> 'offline')
            ),
            (
                'ring_due',
                EXISTS (SELECT FROM trial WHERE next_at <= now() AND state = 'waiting')
                OR EXISTS (SELECT FROM trial WHERE next_at <= now() AND state = 'running' AND lease_until < now())
                OR EXISTS (
                    SELECT FROM webhook_subscription AS s
                    WHERE s.state = 'active' AND s.rests_until <= now() AND s.busy_until <= now() AND s.rung_until <= now()
                      AND EXISTS (
                          SELECT FROM webhook_delivery AS d
                          WHERE d.subscription_id = s.id AND d.state = 'pending' AND d.next_at <= now() AND d.tries < %(webhook_tries)s
                      )
                )
                OR EXISTS (SELECT FROM customer_erasure WHERE state = 'waiting' AND next_at <= now())
                OR EXISTS (SELECT FROM sweep WHERE next_at <= now() AND (lease_until IS NULL OR lease_until < now()))
            ),
            (
                'watch_clocks',
                EXISTS (SELECT FROM stale_clock)
                OR EXISTS (SELECT FROM sla_clock WHERE ended_at IS NULL AND breached_at IS NULL AND due_at < now())
                OR EXISTS (
                    SELECT FROM sla_clock
                    WHERE ended_at IS NULL AND warned_at IS NULL AND breached_at IS NULL AND warn_at <= now() AND state = 'running'
                )
                OR EXISTS (SELECT FROM alert WHERE kind IN ('sla_warning', 'sla_breach') AND resolved_at IS NULL)
            ),
            (
                'notify',
                EXISTS (SELECT FROM alert WHERE announced_at IS NULL)
                OR EXISTS (SELECT FROM alert WHERE snoozed_until <= now() AND acknowledged_at IS NULL AND resolved_at IS NULL)
                OR EXISTS (SELECT FROM alert WHERE kind = 'analysis_paused' AND resolved_at IS NULL)
                OR EXISTS (SELECT FROM alert_delivery WHERE state IN ('pending', 'sending') AND next_at <= now())
            )
        ) AS upkeep (name, is_due)
        WHERE is_due
        """,
        {"unread_after_s": unread_after_s, "webhook_tries": MAX_TRIES},
        prepare=True,  # to plan it takes thirty times as long as to run it
    ).fetchall()
    return {name for (name,) in rows}
