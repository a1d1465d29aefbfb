"""A sweep's answers beside what was known before it, for the flip report."""

from dataclasses import dataclass

from store.db import Connection


@dataclass(frozen=True)
class JudgedTwice:
    """One message: what its newest valid analysis said before the sweep (old), and what the sweep says (new).

    *_turn: SHA-256 of the words and context that were judged; None when the ledger does not know it.
    """

    message_id: str
    old_sentiment: str
    new_sentiment: str
    old_intent: str
    new_intent: str
    old_topics: list[str]
    new_topics: list[str]
    old_model: str
    new_model: str
    old_prompt_version: str
    new_prompt_version: str
    old_prompt_hash: str | None
    new_prompt_hash: str | None
    old_turn: bytes | None
    new_turn: bytes | None
    new_score: float


def list_judged_twice(conn: Connection, sweep_id: str) -> list[JudgedTwice]:
    """Every message of the sweep that had a label before and got one, in the order of the plan."""
    rows = conn.execute(
        """
        SELECT i.message_id::text, old.sentiment, new.sentiment, old.intent, new.intent, old.topics, new.topics, old.model,
               new.model, old.prompt_version, new.prompt_version, old.prompt_hash, new.prompt_hash,
               (
                   SELECT sha256(convert_to(e.minimized_text, 'UTF8'))
                   FROM egress AS e
                   WHERE e.message_id = i.message_id AND e.run_id = old.run_id AND e.outcome = 'answered'
                   ORDER BY e.id DESC
                   LIMIT 1
               ),
               i.sent_hash, new.score
        FROM sweep_item AS i
        -- OFFSET 0: one look-up an item instead of reading every month's analyses to join them.
        CROSS JOIN LATERAL (SELECT * FROM message_analysis WHERE id = i.before_analysis_id OFFSET 0) AS old
        CROSS JOIN LATERAL (SELECT * FROM message_analysis WHERE id = i.analysis_id OFFSET 0) AS new
        WHERE i.sweep_id = %s AND i.state = 'done'
        ORDER BY i.id
        """,
        (sweep_id,),
    ).fetchall()
    return [JudgedTwice(*row) for row in rows]


def count_judged_first(conn: Connection, sweep_id: str) -> int:
    """Messages that had no label before and got one."""
    row = conn.execute(
        "SELECT count(*) FROM sweep_item WHERE sweep_id = %s AND state = 'done' AND before_analysis_id IS NULL",
        (sweep_id,),
    ).fetchone()
    assert row is not None
    return row[0]


def get_system_texts(conn: Connection, prompt_hashes: set[str]) -> dict[str, str]:
    """The system prompts behind these hashes, as JSON."""
    rows: list[tuple[str, str]] = conn.execute(
        "SELECT prompt_hash, system_text FROM prompt_registry WHERE prompt_hash = ANY(%s)", (sorted(prompt_hashes),)
    ).fetchall()
    return dict(rows)
