"""What a sweep has changed, worked out once for the pages that show it: ids and labels, no words."""

from collections.abc import Mapping
from dataclasses import dataclass

from console.remembered import Remembered
from store.db import Connection
from store.sweep_report import LabelPair, count_judged_first, count_pairs, list_judged_twice
from worker.sweep_flips import Flip, FlipReport, list_flips, report_flips


@dataclass(frozen=True)
class SweepResult:
    """The report, every changed message in the order of `list_flips`, and pairs of labels as `count_pairs` gives them."""

    report: FlipReport
    flips: tuple[Flip, ...]
    sentiments: tuple[LabelPair, ...]
    intents: tuple[LabelPair, ...]


# As long as its items stand as they do. What somebody has had erased meanwhile is out of the counts a minute later.
_results = Remembered[SweepResult](kept=16, max_age_s=60)


def result_of(conn: Connection, sweep_id: str, *, items: Mapping[str, int]) -> SweepResult:
    """What the sweep has changed so far. items: how many of its items are in which state. The transaction acts for its tenant."""
    return _results.get((sweep_id, tuple(sorted(items.items()))), lambda: _work_out(conn, sweep_id))


def _work_out(conn: Connection, sweep_id: str) -> SweepResult:
    judged = list_judged_twice(conn, sweep_id)
    sentiments, intents = count_pairs(conn, sweep_id)
    return SweepResult(
        report=report_flips(conn, judged, first=count_judged_first(conn, sweep_id)),
        flips=tuple(list_flips(conn, judged)),
        sentiments=tuple(sentiments),
        intents=tuple(intents),
    )
