"""What an operator should know of the tenants' CRMs."""

from typing import NamedTuple

from crm_sync.advice import fix_for
from store.db import Connection

LATE_S = 1800
# Given up for so long: whoever looked has seen it.
FAILED_DAYS = 14
MANY_UNCLEAR = 20


class CrmProblem(NamedTuple):
    """Whose it is, what is wrong, and what to do."""

    subject: str
    problem: str
    fix: str


def list_crm_problems(conn: Connection) -> list[CrmProblem]:
    """By kind of problem, then tenant. Needs the system scope."""
    return [
        *_paused(conn),
        *_late(conn),
        *_given_up_events(conn),
        *_given_up_erasures(conn),
        *_missing_fields(conn),
        *_unclear(conn),
    ]


def _paused(conn: Connection) -> list[CrmProblem]:
    rows = conn.execute(
        """
        SELECT t.slug, c.kind, c.paused_because
        FROM crm_connection AS c JOIN tenant AS t ON t.id = c.tenant_id
        WHERE c.paused_because IS NOT NULL
        ORDER BY t.slug
        """
    ).fetchall()
    return [
        CrmProblem(
            slug,
            f"{kind} is paused ({because})",
            f"To do: {fix_for(because)}, then `earshot crm check --tenant {slug}`; nothing is lost meanwhile.",
        )
        for slug, kind, because in rows
    ]


def _late(conn: Connection) -> list[CrmProblem]:
    """What is to be written at once and is not, although nobody has paused it."""
    rows = conn.execute(
        """
        SELECT t.slug, c.kind, late.rows, CASE WHEN c.held_until > now() THEN c.held_because WHEN c.cards_held_until > now() THEN 'budget_used' END
        FROM crm_connection AS c
        JOIN tenant AS t ON t.id = c.tenant_id
        CROSS JOIN LATERAL (
            SELECT (
                SELECT count(*)
                FROM crm_state AS s JOIN crm_link AS l ON l.customer_id = s.customer_id
                WHERE s.tenant_id = c.tenant_id AND s.version > s.written_version AND NOT s.is_bulk
                  AND s.next_at < now() - make_interval(secs => %(late)s)
            ) + (
                SELECT count(*)
                FROM crm_event AS e JOIN crm_link AS l ON l.customer_id = e.customer_id
                WHERE e.tenant_id = c.tenant_id AND e.state = 'pending'
                  AND e.next_at < now() - make_interval(secs => %(late)s)
            ) AS rows
        ) AS late
        WHERE c.paused_because IS NULL AND late.rows > 0
        ORDER BY t.slug
        """,
        {"late": LATE_S},
    ).fetchall()
    return [
        CrmProblem(
            slug,
            f"{count} cards, notes and tasks have waited for {kind} for more than {LATE_S // 60} minutes"
            + (f" ({because})" if because else ""),
            f"To do: {fix_for(because)}." if because else "Is a worker of the role `crm` running?",
        )
        for slug, kind, count, because in rows
    ]


def _given_up_events(conn: Connection) -> list[CrmProblem]:
    rows = conn.execute(
        """
        SELECT t.slug, c.kind, count(*), array_agg(DISTINCT coalesce(e.error_code, 'unknown'))
        FROM crm_event AS e
        JOIN tenant AS t ON t.id = e.tenant_id
        JOIN crm_connection AS c ON c.tenant_id = e.tenant_id
        WHERE e.state = 'failed' AND e.created_at > now() - make_interval(days => %s)
        GROUP BY t.slug, c.kind
        ORDER BY t.slug
        """,
        (FAILED_DAYS,),
    ).fetchall()
    return [
        CrmProblem(
            slug,
            f"{kind} took {count} notes and tasks not at all ({', '.join(codes)})",
            f"Mend what the code says, then `earshot crm retry --tenant {slug}`.",
        )
        for slug, kind, count, codes in rows
    ]


def _given_up_erasures(conn: Connection) -> list[CrmProblem]:
    """However old, because erased customers still stand in a CRM; in one that was left, only a while: we can't see it any more."""
    rows = conn.execute(
        """
        SELECT t.slug, count(*), array_agg(DISTINCT coalesce(r.error_code, 'unknown'))
        FROM crm_erasure AS r JOIN tenant AS t ON t.id = r.tenant_id
        WHERE r.state = 'failed'
          AND (r.error_code IS DISTINCT FROM 'crm_changed' OR r.created_at > now() - make_interval(days => %s))
        GROUP BY t.slug
        ORDER BY t.slug
        """,
        (FAILED_DAYS,),
    ).fetchall()
    return [
        CrmProblem(
            slug,
            f"{count} CRM cards still hold what must be gone ({', '.join(codes)})",
            f"`earshot crm status --tenant {slug}` names them: clear them by hand, or mend the cause and `earshot crm retry`.",
        )
        for slug, count, codes in rows
    ]


def _missing_fields(conn: Connection) -> list[CrmProblem]:
    rows = conn.execute(
        """
        SELECT t.slug, c.kind, cardinality(c.fields_missing)
        FROM crm_connection AS c JOIN tenant AS t ON t.id = c.tenant_id
        WHERE cardinality(c.fields_missing) > 0
        ORDER BY t.slug
        """
    ).fetchall()
    return [
        CrmProblem(
            slug,
            f"{count} of our fields are missing in {kind} or of another type",
            f"`earshot crm provision --tenant {slug}` makes them, or lists what an administrator makes by hand.",
        )
        for slug, kind, count in rows
    ]


def _unclear(conn: Connection) -> list[CrmProblem]:
    rows = conn.execute(
        """
        SELECT t.slug, count(*)
        FROM crm_search AS s JOIN tenant AS t ON t.id = s.tenant_id
        WHERE s.outcome = 'ambiguous'
        GROUP BY t.slug
        HAVING count(*) >= %s
        ORDER BY t.slug
        """,
        (MANY_UNCLEAR,),
    ).fetchall()
    return [
        CrmProblem(
            slug,
            f"{count} customers stand in the CRM more than once, so their cards are not written",
            "Merge the doubles in the CRM, or pick: GET /api/v1/crm/unclear, `earshot crm link`.",
        )
        for slug, count in rows
    ]
