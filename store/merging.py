"""Two customers that turned out to be one person: everything of the younger record moves to the older one."""

from store.answered_places import leave_answered_place
from store.crm_searches import look_again
from store.db import Connection
from store.place_merging import merge_places
from store.sla_clocks import move_clocks
from store.waiting import find_who_waits
from store.work_merging import merge_work


def merge_customers(conn: Connection, tenant_id: int, one: str, other: str) -> str:
    """Merge two customers of a tenant; returns the id that stays. Their messages, actions and CRM work move with them.

    Locks in the same order as routing (conversation before message), so that neither waits for the other for ever.
    """
    keep, gone = sorted((one, other))  # ids carry their time: the smaller is the older
    locked = conn.execute(
        "SELECT id::text FROM customer WHERE tenant_id = %s AND id = ANY(%s::uuid[]) ORDER BY id FOR UPDATE",
        (tenant_id, [keep, gone]),
    ).fetchall()
    if len(locked) < 2:  # merged by somebody else while we waited
        return locked[0][0] if locked else keep
    conn.execute("SELECT FROM conversation WHERE customer_id = ANY(%s::uuid[]) ORDER BY id FOR UPDATE", ([keep, gone],))
    _merge_conversations(conn, keep=keep, gone=gone)
    conn.execute("UPDATE message SET customer_id = %s WHERE customer_id = %s", (keep, gone))
    conn.execute("UPDATE action SET customer_id = %s WHERE customer_id = %s", (keep, gone))
    conn.execute("UPDATE survey_answer SET customer_id = %s WHERE customer_id = %s", (keep, gone))
    conn.execute("UPDATE alert SET customer_id = %s WHERE customer_id = %s", (keep, gone))
    conn.execute("UPDATE crm_event SET customer_id = %s WHERE customer_id = %s", (keep, gone))
    _merge_erasures(conn, tenant_id, keep=keep, gone=gone)
    conn.execute("UPDATE customer_identity SET customer_id = %s WHERE customer_id = %s", (keep, gone))
    _merge_crm_rows(conn, tenant_id, keep=keep, gone=gone)
    conn.execute(
        """
        UPDATE customer AS k
        SET display_name = coalesce(g.display_name, k.display_name), high_value = k.high_value OR g.high_value,
            tier = coalesce(k.tier, g.tier),
            marketing_accepted = CASE
                WHEN k.marketing_chosen_at IS NULL OR g.marketing_chosen_at > k.marketing_chosen_at THEN g.marketing_accepted
                ELSE k.marketing_accepted
            END,
            marketing_chosen_at = greatest(k.marketing_chosen_at, g.marketing_chosen_at)
        FROM customer AS g
        WHERE k.id = %s AND g.id = %s
        """,
        (keep, gone),
    )
    conn.execute("DELETE FROM customer WHERE id = %s", (gone,))
    return keep


def _merge_erasures(conn: Connection, tenant_id: int, *, keep: str, gone: str) -> None:
    """Whoever asked for one of them to be erased meant the person: both are."""
    conn.execute(
        """
        UPDATE customer_erasure AS e
        SET customer_id = %(keep)s, cut_at = NULL
        WHERE e.tenant_id = %(tenant)s AND e.customer_id = %(gone)s AND NOT EXISTS (
            SELECT FROM customer_erasure AS o WHERE o.tenant_id = e.tenant_id AND o.customer_id = %(keep)s
        )
        """,
        {"keep": keep, "gone": gone, "tenant": tenant_id},
    )


def _merge_conversations(conn: Connection, *, keep: str, gone: str) -> None:
    pairs = conn.execute(
        """
        SELECT g.id::text, k.id::text
        FROM conversation AS g
        LEFT JOIN conversation AS k
          ON k.customer_id = %s AND k.tenant_id = g.tenant_id AND k.channel = g.channel AND k.account_id = g.account_id
        WHERE g.customer_id = %s
        ORDER BY g.id
        """,
        (keep, gone),
    ).fetchall()
    for moved, stays in pairs:
        if stays is None:
            conn.execute("UPDATE conversation SET customer_id = %s WHERE id = %s", (keep, moved))
            continue
        conn.execute("UPDATE message SET conversation_id = %s WHERE conversation_id = %s", (stays, moved))
        conn.execute("UPDATE action SET conversation_id = %s WHERE conversation_id = %s", (stays, moved))
        conn.execute("UPDATE alert SET conversation_id = %s WHERE conversation_id = %s", (stays, moved))
        merge_work(conn, moved=moved, stays=stays)
        _merge_marks(conn, moved=moved, stays=stays)
        move_clocks(conn, moved=moved, stays=stays)
        merge_places(conn, moved=moved, stays=stays)
        find_who_waits(conn, [stays])
        leave_answered_place(conn, stays)
        conn.execute("DELETE FROM conversation WHERE id = %s", (moved,))


def _merge_marks(conn: Connection, *, moved: str, stays: str) -> None:
    """Tags, tasks, the wish who should have it, and that a person was called."""
    conn.execute("UPDATE agent_task SET conversation_id = %s WHERE conversation_id = %s", (stays, moved))
    conn.execute(
        """
        INSERT INTO conversation_tag (conversation_id, tag, tenant_id, message_id, created_at)
        SELECT %s, tag, tenant_id, message_id, created_at FROM conversation_tag WHERE conversation_id = %s
        ON CONFLICT (conversation_id, tag) DO NOTHING
        """,
        (stays, moved),
    )
    conn.execute(
        """
        UPDATE conversation AS k
        SET assignee_hint = coalesce(k.assignee_hint, g.assignee_hint),
            escalated_message_id = coalesce(
                CASE WHEN k.state = 'open' THEN k.escalated_message_id END,
                CASE WHEN g.state = 'open' THEN g.escalated_message_id END
            )
        FROM conversation AS g
        WHERE k.id = %s AND g.id = %s
        """,
        (stays, moved),
    )


def _merge_crm_rows(conn: Connection, tenant_id: int, *, keep: str, gone: str) -> None:
    """The kept customer keeps its CRM record; without one it takes over the other's. Its labels are written anew."""
    conn.execute(
        """
        UPDATE crm_link
        SET customer_id = %s
        WHERE customer_id = %s AND NOT EXISTS (SELECT FROM crm_link AS l WHERE l.customer_id = %s)
        """,
        (keep, gone, keep),
    )
    conn.execute("UPDATE crm_write SET customer_id = %s WHERE customer_id = %s", (keep, gone))
    conn.execute("UPDATE crm_pick SET customer_id = %s WHERE customer_id = %s", (keep, gone))
    dirty = conn.execute("DELETE FROM crm_state WHERE customer_id = %s", (gone,)).rowcount
    if dirty:
        conn.execute(
            """
            INSERT INTO crm_state AS s (customer_id, tenant_id, next_at, because)
            VALUES (%s, %s, now(), 'merge')
            ON CONFLICT (customer_id) DO UPDATE SET
                version = s.version + 1, next_at = now(), because = 'merge', is_bulk = false, written_hash = NULL
            """,
            (keep, tenant_id),
        )
    # Linked by now, or looked for with the marks of both. A card that nobody has any more is cleared (crm_forget_customer).
    # Whoever is not to be looked for stays so, unless a record came with the other.
    conn.execute(
        """
        DELETE FROM crm_search
        WHERE customer_id = ANY(%s::uuid[])
          AND (outcome <> 'stopped' OR customer_id = %s OR EXISTS (SELECT FROM crm_link WHERE customer_id = %s))
        """,
        ([keep, gone], gone, keep),
    )
    look_again(conn, tenant_id, keep)
