"""The claim, on the tenant's own data: do people answer negative messages faster since a date?"""

import itertools
import math
import random
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from analysis.lexicon import read
from routing.answer_times import Comparison, Turn, Wait, compare, waits_of
from store.db import Connection
from store.sla_report import StoredTurn, iterate_turns

Reading = Literal["labels", "keywords"]

# Where this share of the customers' messages before the date have labels, both sides are read by labels.
ENOUGH_LABELLED = 0.95
SEED = 20261125


@dataclass(frozen=True)
class Claim:
    """Negatives before and after, and all messages beside them.

    reading: by what a message counts as negative, the same on both sides: "labels" (the model's and people's), or "keywords"
    where too few of the earlier messages were ever analyzed. labelled_share: of the customers' messages before. history_share:
    how much of them came in uploads of the channel's history.
    """

    switched_at: datetime
    days: int
    reading: Reading
    labelled_share: float | None
    history_share: float | None
    negatives: Comparison
    everything: Comparison

    def as_json(self) -> dict[str, Any]:
        """What --json prints."""
        return {
            "switched_at": self.switched_at.isoformat(),
            "days": self.days,
            "negative_by": self.reading,
            "labelled_share_before": self.labelled_share,
            "history_share_before": self.history_share,
            "negatives": asdict(self.negatives),
            "all_messages": asdict(self.everything),
        }


def measure_claim(conn: Connection, tenant_id: int, *, switched_at: datetime, days: int, now: datetime) -> Claim:
    """Compare `days` days before the date with as many after it. The same numbers come out of the same messages every time."""
    since, until = switched_at - timedelta(days=days), min(now, switched_at + timedelta(days=days))
    stored = list(iterate_turns(conn, tenant_id, since=since, until=until))
    earlier = [turn for turn in stored if turn.by_customer and turn.at < switched_at]
    labelled_share = _share(earlier, [turn for turn in earlier if turn.sentiment is not None])
    reading: Reading = "labels" if (labelled_share or 0.0) >= ENOUGH_LABELLED else "keywords"
    negative: list[Wait] = []
    every: list[Wait] = []
    for _, of_one in itertools.groupby(stored, key=lambda turn: turn.conversation_id):
        turns = [_as_turn(turn, reading) for turn in of_one]
        negative.extend(waits_of(turns, only_negative=True, now=until))
        every.extend(waits_of(turns, only_negative=False, now=until))
    return Claim(
        switched_at=switched_at,
        days=days,
        reading=reading,
        labelled_share=labelled_share,
        history_share=_share(earlier, [turn for turn in earlier if turn.is_history]),
        negatives=_compare(negative, switched_at),
        everything=_compare(every, switched_at),
    )


def _share(all_of_them: list[StoredTurn], those: list[StoredTurn]) -> float | None:
    return round(len(those) / len(all_of_them), 4) if all_of_them else None


def _as_turn(turn: StoredTurn, reading: Reading) -> Turn:
    if not turn.by_customer:
        return Turn(turn.at, "person")
    if reading == "labels":
        return Turn(turn.at, "customer", turn.sentiment == "negative")
    return Turn(turn.at, "customer", bool(turn.text) and read(turn.text or "", topics=()).sentiment == "negative")


def _compare(waits: list[Wait], switched_at: datetime) -> Comparison:
    before = [wait.minutes for wait in waits if wait.began_at < switched_at]
    after = [wait.minutes for wait in waits if wait.began_at >= switched_at]
    return compare(before, after, dice=random.Random(SEED))  # noqa: S311 -- statistics, not secrets


def plain(value: Any) -> Any:
    """JSON has no infinity: what was never answered is null beside its count."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    return value
