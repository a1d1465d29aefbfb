"""Figures of repeated measurements, and the rows they make in the table of `make bench`."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of the table. ours, baseline and ratio: the median with its spread; met: None where there is no limit."""

    what: str
    ours: str
    baseline: str = ""
    ratio: str = ""
    limit: str = ""
    met: bool | None = None


def number(value: float) -> str:
    """With three digits that say something; never rounded across them to look better than it is."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}"


def spread(values: Sequence[float], unit: str = "") -> str:
    """The median and, of several values, the least and the most."""
    said = number(statistics.median(values)) + (f" {unit}" if unit else "")
    return said if len(values) == 1 else f"{said} ({number(min(values))}–{number(max(values))})"


def ratios(ours: Sequence[float], baseline: Sequence[float]) -> list[float]:
    """Of the pairs that were measured one right after the other."""
    return [one / other for one, other in zip(ours, baseline, strict=True)]


def times(values: Sequence[float]) -> str:
    """Ratios as the table shows them."""
    said = f"{statistics.median(values):.2f}x"
    return said if len(values) == 1 else f"{said} ({min(values):.2f}–{max(values):.2f})"


def at_most(value: float, limit: float, unit: str) -> tuple[str, bool]:
    """A limit as the table shows it, and whether the unrounded value keeps it."""
    return f"≤ {limit:g} {unit}", value <= limit


def at_least(value: float, limit: float, unit: str) -> tuple[str, bool]:
    """A limit as the table shows it, and whether the unrounded value keeps it."""
    return f"≥ {limit:g} {unit}", value >= limit


def print_rows(rows: Sequence[Row]) -> None:
    """As text, for a part that was started alone."""
    for row in rows:
        met = {None: "", True: "  met", False: "  <-- missed"}[row.met]
        beside = f"  beside {row.baseline}" if row.baseline else ""
        ratio = f"  {row.ratio}" if row.ratio else ""
        print(f"{row.what}: {row.ours}{beside}{ratio}{'  limit ' + row.limit if row.limit else ''}{met}")
