"""Corrections that a tenant has published as examples in its prompt: numbered snapshots, one of them live."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from analysis.base import Example, MinimizedText
from analysis.examples import ChosenExample
from store.db import Connection

ERASED = "[erased]"


@dataclass(frozen=True)
class PublishedExamples:
    """The live snapshot. version 0 and no examples: nothing is published."""

    version: int = 0
    examples: tuple[Example, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Snapshot:
    """One numbered snapshot. based_on: the version that was live when it was proposed, 0 for none.

    published_at: None while it was only proposed. evaluation: counts and message ids, no words. note: why an admin overruled.
    """

    version: int
    chosen: tuple[ChosenExample, ...] = field(repr=False)
    evaluation: dict[str, Any]
    based_on: int
    proposed_at: datetime
    published_at: datetime | None
    retired_at: datetime | None
    note: str | None

    @property
    def is_live(self) -> bool:
        """Whether it stands in the prompt now."""
        return self.retired_at is None

    def as_published(self) -> PublishedExamples:
        """What a request takes."""
        return PublishedExamples(self.version, tuple(one.example for one in self.chosen))


def get_published_examples(conn: Connection, tenant_id: int) -> PublishedExamples:
    """What stands in the tenant's prompt now."""
    row = conn.execute(
        "SELECT version, examples FROM prompt_examples WHERE tenant_id = %s AND retired_at IS NULL", (tenant_id,)
    ).fetchone()
    return _published(*row) if row else PublishedExamples()


# Whether the tenant's volume is low for a cache, what it has published, and where both are found.
EXAMPLES_AND_QUIETNESS = "t.is_quiet, p.version, p.examples"
OF_TENANT = """
    FROM tenant AS t LEFT JOIN prompt_examples AS p ON p.tenant_id = t.id AND p.retired_at IS NULL
    WHERE t.id = %(tenant)s
"""
_SELECT = "SELECT "


def get_examples_and_quietness(conn: Connection, tenant_id: int) -> tuple[PublishedExamples, bool]:
    """`get_published_examples` and `spend.is_quiet`: every message asks for both."""
    row = conn.execute(_SELECT + EXAMPLES_AND_QUIETNESS + OF_TENANT, {"tenant": tenant_id}).fetchone()
    return (published_of(*row[1:]), row[0]) if row else (PublishedExamples(), False)


def published_of(version: int | None, examples: list[dict[str, Any]] | None) -> PublishedExamples:
    """What these two columns of EXAMPLES_AND_QUIETNESS say."""
    if version is None or examples is None:
        return PublishedExamples()
    return _published(version, examples)


def _published(version: int, stored: list[dict[str, Any]]) -> PublishedExamples:
    return PublishedExamples(version, tuple(read_example(one) for one in stored))


def read_example(stored: dict[str, Any]) -> Example:
    """One element of the `examples` column as a record."""
    return Example(
        text=MinimizedText(stored["text"]),
        sentiment=stored.get("sentiment"),
        intent=stored.get("intent"),
        topics=tuple(stored["topics"]) if stored.get("topics") is not None else None,
    )


def _stored(chosen: Sequence[ChosenExample]) -> Jsonb:
    return Jsonb(
        [
            {
                "text": one.example.text,
                **({"sentiment": one.example.sentiment} if one.example.sentiment else {}),
                **({"intent": one.example.intent} if one.example.intent else {}),
                **({"topics": list(one.example.topics)} if one.example.topics is not None else {}),
                "message_id": one.message_id,
                "correction_ids": list(one.correction_ids),
            }
            for one in chosen
        ]
    )


def _read(row: tuple[Any, ...]) -> Snapshot:
    version, examples, evaluation, based_on, *rest = row
    chosen = tuple(
        ChosenExample(read_example(one), one["message_id"], tuple(one["correction_ids"]))
        for one in examples
        if one["text"] != ERASED
    )
    return Snapshot(version, chosen, evaluation, based_on or 0, *rest)


def find_snapshot(conn: Connection, tenant_id: int, *, version: int) -> Snapshot | None:
    """One snapshot by its number, without what was erased from it."""
    row = conn.execute(
        """
        SELECT version, examples, evaluation, based_on, proposed_at, published_at, retired_at, note
        FROM prompt_examples
        WHERE tenant_id = %s AND version = %s
        """,
        (tenant_id, version),
    ).fetchone()
    return _read(row) if row else None


def list_snapshots(conn: Connection, tenant_id: int) -> list[Snapshot]:
    """All snapshots, proposed ones too, newest first."""
    rows = conn.execute(
        """
        SELECT version, examples, evaluation, based_on, proposed_at, published_at, retired_at, note
        FROM prompt_examples
        WHERE tenant_id = %s
        ORDER BY version DESC
        """,
        (tenant_id,),
    ).fetchall()
    return [_read(row) for row in rows]


def list_publishers(conn: Connection, tenant_id: int) -> dict[int, str]:
    """By version: the e-mail of the person who put it into the prompt."""
    rows: list[tuple[int, str]] = conn.execute(
        """
        SELECT p.version, u.email
        FROM prompt_examples AS p JOIN app_user AS u ON u.id = p.published_by
        WHERE p.tenant_id = %s
        """,
        (tenant_id,),
    ).fetchall()
    return dict(rows)


def lock_snapshots(conn: Connection, tenant_id: int) -> None:
    """One change of a tenant's snapshots at a time, until the transaction ends."""
    conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('prompt_examples ' || %s::text, 0))", (tenant_id,))


def add_proposal(conn: Connection, tenant_id: int, chosen: Sequence[ChosenExample], *, based_on: int) -> int:
    """Number a snapshot before anything of it leaves the building; the newest proposal is used again when it is the same.

    Returns its version. Needs the lock.
    """
    row = conn.execute(
        """
        SELECT version
        FROM (SELECT * FROM prompt_examples WHERE tenant_id = %s ORDER BY version DESC LIMIT 1) AS newest
        WHERE published_at IS NULL AND examples = %s AND based_on = %s
        """,
        (tenant_id, _stored(chosen), based_on),
    ).fetchone()
    return row[0] if row else _add(conn, tenant_id, chosen, based_on=based_on)


def _add(conn: Connection, tenant_id: int, chosen: Sequence[ChosenExample], *, based_on: int) -> int:
    row = conn.execute(
        """
        INSERT INTO prompt_examples (tenant_id, version, examples, based_on, published_at, retired_at)
        SELECT %s, coalesce(max(version), 0) + 1, %s, %s, NULL, now()
        FROM prompt_examples
        WHERE tenant_id = %s
        RETURNING version
        """,
        (tenant_id, _stored(chosen), based_on, tenant_id),
    ).fetchone()
    assert row is not None
    return row[0]


def publish_snapshot(
    conn: Connection,
    tenant_id: int,
    *,
    version: int,
    by: int | None,
    evaluation: dict[str, Any],
    note: str | None = None,
) -> None:
    """Put a proposed snapshot into the prompt and retire the one that stands there, in the caller's transaction."""
    conn.execute(
        "UPDATE prompt_examples SET retired_at = now() WHERE tenant_id = %s AND retired_at IS NULL", (tenant_id,)
    )
    conn.execute(
        """
        UPDATE prompt_examples
        SET published_at = now(), retired_at = NULL, published_by = %s, evaluation = %s, note = %s
        WHERE tenant_id = %s AND version = %s AND published_at IS NULL
        """,
        (by, Jsonb(evaluation), note, tenant_id, version),
    )


def note_evaluation(conn: Connection, tenant_id: int, *, version: int, evaluation: dict[str, Any]) -> None:
    """Keep what the check of a proposal said."""
    conn.execute(
        "UPDATE prompt_examples SET evaluation = %s WHERE tenant_id = %s AND version = %s",
        (Jsonb(evaluation), tenant_id, version),
    )


def restore_snapshot(conn: Connection, tenant_id: int, former: Snapshot, *, by: int | None, note: str | None) -> int:
    """Bring a former snapshot back, as a new version; without examples nothing is left in the prompt. Returns the version."""
    version = _add(conn, tenant_id, former.chosen, based_on=former.version)
    evaluation = {"verdict": "restored", "from_version": former.version}
    publish_snapshot(conn, tenant_id, version=version, by=by, evaluation=evaluation, note=note)
    return version


def forget_examples(conn: Connection, tenant_id: int, message_ids: Sequence[str]) -> None:
    """Erase what was drawn from these messages from every snapshot; a live one goes on without it, as a new version."""
    lock_snapshots(conn, tenant_id)
    rows = conn.execute(
        """
        SELECT version, retired_at IS NULL
        FROM prompt_examples AS p
        WHERE p.tenant_id = %s AND EXISTS (
            SELECT FROM jsonb_array_elements(p.examples) AS one WHERE one ->> 'message_id' = ANY(%s)
        )
        ORDER BY version
        """,
        (tenant_id, list(message_ids)),
    ).fetchall()
    conn.execute(
        """
        UPDATE prompt_examples AS p
        SET examples = (
            SELECT jsonb_agg(
                CASE
                    WHEN given.one ->> 'message_id' = ANY(%s)
                    THEN given.one || jsonb_build_object('text', %s::text) ELSE given.one
                END
                ORDER BY given.place
            )
            FROM jsonb_array_elements(p.examples) WITH ORDINALITY AS given (one, place)
        )
        WHERE p.tenant_id = %s AND p.version = ANY(%s)
        """,
        (list(message_ids), ERASED, tenant_id, [version for version, _ in rows]),
    )
    for version, is_live in rows:
        if is_live:
            rest = find_snapshot(conn, tenant_id, version=version)
            assert rest is not None
            added = _add(conn, tenant_id, rest.chosen, based_on=version)
            evaluation = {"verdict": "erased", "from_version": version}
            publish_snapshot(conn, tenant_id, version=added, by=None, evaluation=evaluation)
