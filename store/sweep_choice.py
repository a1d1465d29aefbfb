"""What a sweep's plan is made from: the messages it would judge, and what the ledger says that calls take."""

from dataclasses import dataclass

from psycopg import sql

from store.db import Connection

# So many calls say what a call takes.
LEDGER_CALLS = 2000
# A prefix used within this time is still in the provider's cache (it is kept for an hour).
CACHE_WARM_MIN = 55


# Inbound, with words, done with triage; not erased, not from history, not judged with a later message of its burst. High-value customers
# come first, then by what the CRM says they are worth, then those who write most.
_CHOICE = sql.SQL(
    """
    WITH candidate AS MATERIALIZED (
        SELECT m.id, m.customer_id, m.sent_at
        FROM message AS m
        WHERE m.tenant_id = %(tenant)s
          -- A message is stored after it is sent: ids are a bound that an index knows.
          AND m.id > uuid_floor(now() - make_interval(days => %(days)s + 1))
          AND m.sent_at > now() - make_interval(days => %(days)s)
          AND m.direction = 'inbound' AND m.state IN ('done', 'unanalyzed') AND NOT m.is_history
          AND m.joined_to IS NULL AND m.minimized_text IS NOT NULL AND m.conversation_id IS NOT NULL
          AND btrim(m.text) <> ''
    ), chosen AS (
        SELECT w.customer_id, w.messages,
               row_number() OVER (ORDER BY u.high_value DESC, u.crm_value DESC NULLS LAST, w.messages DESC, w.customer_id) AS place
        FROM (SELECT customer_id, count(*) AS messages FROM candidate GROUP BY customer_id) AS w
        JOIN customer AS u ON u.id = w.customer_id
        ORDER BY place
        LIMIT %(customers)s
    )
    """
)


def choose_messages(conn: Connection, tenant_id: int, *, days: int, max_customers: int) -> list[tuple[str, str]]:
    """(message_id, customer_id) of what a sweep judges, customer by customer, oldest message first."""
    rows = conn.execute(
        _CHOICE
        + sql.SQL(
            """
            SELECT c.id::text, c.customer_id::text
            FROM candidate AS c JOIN chosen AS w ON w.customer_id = c.customer_id
            ORDER BY w.place, c.sent_at, c.id
            """
        ),
        {"tenant": tenant_id, "days": days, "customers": max_customers},
    ).fetchall()
    return [(message_id, customer_id) for message_id, customer_id in rows]


@dataclass(frozen=True)
class MeasuredChoice:
    """How much choose_messages would choose, and some of it. sample: message ids from all over it, the same ones each time."""

    messages: int
    customers: int
    sample: tuple[str, ...]


def measure_choice(conn: Connection, tenant_id: int, *, days: int, max_customers: int, sample: int) -> MeasuredChoice:
    """What choose_messages would choose, without handing out all of it: a person waits for a plan."""
    row = conn.execute(
        _CHOICE
        + sql.SQL(
            """
            SELECT (SELECT coalesce(sum(messages), 0)::bigint FROM chosen), (SELECT count(*) FROM chosen),
                   ARRAY(
                       SELECT c.id::text
                       FROM candidate AS c JOIN chosen AS w ON w.customer_id = c.customer_id
                       ORDER BY uuid_hash(c.id), c.id
                       LIMIT %(sample)s
                   )
            """
        ),
        {"tenant": tenant_id, "days": days, "customers": max_customers, "sample": sample},
    ).fetchone()
    assert row is not None
    return MeasuredChoice(row[0], row[1], tuple(row[2]))


@dataclass(frozen=True)
class LedgerFigures:
    """What the tenant's last answered calls took, in sums. latency_ms: the median of live ones. turn_chars: of the user turns. prefix_*: of the newest cached prompt.

    sweep_hits: of the calls of earlier sweeps, the part that read the prompt from the cache; None without any.
    """

    calls: int
    input_tokens: int
    turn_chars: int
    output_tokens: int
    latency_ms: float | None
    prefix_tokens: int
    prefix_text: str | None
    sweep_hits: float | None


def find_newest_model(conn: Connection, tenant_id: int) -> str | None:
    """The model that answered the tenant last, None when none did."""
    row = conn.execute(
        """
        SELECT model
        FROM egress
        WHERE tenant_id = %s AND outcome = 'answered' AND purpose IN ('live', 'sweep')
        ORDER BY id DESC
        LIMIT 1
        """,
        (tenant_id,),
    ).fetchone()
    return row[0] if row else None


def read_ledger(conn: Connection, tenant_id: int, *, model: str) -> LedgerFigures:
    """The newest calls of one model. Erased turns say nothing of their length and are left out."""
    row = conn.execute(
        """
        WITH newest AS (
            SELECT input_tokens, output_tokens, cached_tokens, coalesce(cache_write_tokens, 0) AS written, prompt_hash,
                   length(minimized_text) AS chars, latency_ms, purpose, strpos(minimized_text, '[erased]') > 0 AS is_erased
            FROM egress
            WHERE tenant_id = %s AND model = %s AND outcome = 'answered' AND purpose IN ('live', 'sweep')
            ORDER BY id DESC
            LIMIT %s
        )
        SELECT count(*), coalesce(sum(input_tokens), 0), coalesce(sum(chars), 0), coalesce(sum(output_tokens), 0),
               (percentile_cont(0.5) WITHIN GROUP (ORDER BY latency_ms) FILTER (WHERE purpose = 'live'))::float,
               (avg((cached_tokens > 0)::integer) FILTER (WHERE purpose = 'sweep'))::float
        FROM newest
        -- Not in the query within: Postgres takes such calls for rare, and then reads the whole ledger.
        WHERE NOT is_erased
        """,
        (tenant_id, model, LEDGER_CALLS),
    ).fetchone()
    assert row is not None
    calls, input_tokens, turn_chars, output_tokens, latency_ms, sweep_hits = row
    prefix = conn.execute(
        """
        WITH newest AS (
            SELECT id, cached_tokens, coalesce(cache_write_tokens, 0) AS written, prompt_hash
            FROM egress
            WHERE tenant_id = %s AND model = %s AND outcome = 'answered'
            ORDER BY id DESC
            LIMIT %s
        )
        SELECT n.cached_tokens + n.written, p.system_text
        FROM newest AS n JOIN prompt_registry AS p USING (prompt_hash)
        WHERE n.cached_tokens > 0
        ORDER BY n.id DESC
        LIMIT 1
        """,
        (tenant_id, model, LEDGER_CALLS),
    ).fetchone()
    return LedgerFigures(
        calls,
        int(input_tokens),
        int(turn_chars),
        int(output_tokens),
        latency_ms,
        prefix[0] if prefix else 0,
        prefix[1] if prefix else None,
        sweep_hits,
    )


def is_prompt_warm(conn: Connection, tenant_id: int, *, model: str, system_text: str) -> bool:
    """Whether the tenant used exactly this prompt so lately that the provider still keeps it."""
    row = conn.execute(
        """
        SELECT FROM egress AS e JOIN prompt_registry AS p USING (prompt_hash)
        WHERE e.tenant_id = %s AND e.model = %s AND e.outcome = 'answered' AND p.system_text = %s
          AND e.id > uuid_floor(now() - make_interval(mins => %s))
        LIMIT 1
        """,
        (tenant_id, model, system_text, CACHE_WARM_MIN),
    ).fetchone()
    return row is not None


def measure_batches(conn: Connection, tenant_id: int) -> float | None:
    """Seconds that the tenant's batches took at the provider, on average; None when there were none."""
    row = conn.execute(
        """
        SELECT (avg(extract(epoch FROM read_at - submitted_at)))::float
        FROM sweep_batch
        WHERE tenant_id = %s AND read_at IS NOT NULL
        """,
        (tenant_id,),
    ).fetchone()
    return row[0] if row else None
