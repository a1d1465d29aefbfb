"""Corrections that a tenant has published as examples in its prompt: numbered snapshots, one of them live."""

from dataclasses import dataclass, field
from typing import Any

from analysis.base import Example, MinimizedText
from store.db import Connection


@dataclass(frozen=True)
class PublishedExamples:
    """The live snapshot. version 0 and no examples: nothing is published."""

    version: int = 0
    examples: tuple[Example, ...] = field(default=(), repr=False)


def get_published_examples(conn: Connection, tenant_id: int) -> PublishedExamples:
    """What stands in the tenant's prompt now."""
    row = conn.execute(
        "SELECT version, examples FROM prompt_examples WHERE tenant_id = %s AND retired_at IS NULL", (tenant_id,)
    ).fetchone()
    return PublishedExamples(row[0], tuple(read_example(one) for one in row[1])) if row else PublishedExamples()


def read_example(stored: dict[str, Any]) -> Example:
    """One element of the `examples` column as a record."""
    return Example(
        text=MinimizedText(stored["text"]),
        sentiment=stored.get("sentiment"),
        intent=stored.get("intent"),
        topics=tuple(stored["topics"]) if stored.get("topics") is not None else None,
    )
