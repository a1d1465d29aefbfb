"""The flip report as tables: what each value became."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from config.words import Intent
from store.sweep_report import LabelPair

SENTIMENTS = ("negative", "neutral", "positive")
INTENTS: tuple[str, ...] = get_args(Intent)


@dataclass(frozen=True)
class Cell:
    """How many messages with the old value have the new one now. level: 0 to 5, how dark."""

    old: str
    new: str
    messages: int
    level: int

    @property
    def changes(self) -> bool:
        """Whether the label is another one now."""
        return self.old != self.new


@dataclass(frozen=True)
class Matrix:
    """Rows: before, columns: now."""

    values: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


def matrix_of(pairs: Sequence[LabelPair], *, order: Sequence[str], changed_only: bool = False) -> Matrix:
    """With the values that come, in this order; empty when there are none. changed_only: without those that all stayed."""
    counts = {(one.old, one.new): one.messages for one in pairs}
    values = tuple(
        value for value in order if any(value in (old, new) and (old != new or not changed_only) for old, new in counts)
    )
    most = max((count for (old, new), count in counts.items() if old != new), default=0)
    return Matrix(
        values,
        tuple((old, tuple(_cell(old, new, counts.get((old, new), 0), most=most) for new in values)) for old in values),
    )


def _cell(old: str, new: str, messages: int, *, most: int) -> Cell:
    level = 0 if old == new or not messages else max(1, round(5 * messages / most))
    return Cell(old, new, messages, level)
