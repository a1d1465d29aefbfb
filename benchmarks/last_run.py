"""Rows of a part's last run on this machine, for runs that leave the part out because it takes too long."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path

from benchmarks.figures import Row

FOLDER = Path(__file__).parent.parent / ".earshot-bench"


def note_run(name: str, rows: Sequence[Row]) -> None:
    """Keep them with the time."""
    FOLDER.mkdir(exist_ok=True)
    said = {"at": f"{datetime.now():%Y-%m-%d %H:%M}", "rows": [asdict(row) for row in rows]}
    (FOLDER / f"{name}.json").write_text(json.dumps(said), encoding="utf-8")


def last_run(name: str, *, command: str) -> list[Row]:
    """Its rows, each with when that was; one row that says which command measures it where there was none."""
    path = FOLDER / f"{name}.json"
    if not path.exists():
        return [Row(f"not measured in this run: `{command}`", "")]
    said = json.loads(path.read_text(encoding="utf-8"))
    rows = [Row(**row) for row in said["rows"]]
    return [replace(row, what=f"{row.what} (of {said['at']}: `{command}`)") for row in rows]
