"""How commands print: a table for people, JSON lines for programs."""

import json
from collections.abc import Sequence
from typing import Any


def print_rows(rows: Sequence[dict[str, Any]], *, as_json: bool, empty: str) -> None:
    """Rows of the same keys. empty: what to say to a person when there are none."""
    if as_json:
        for row in rows:
            print(json.dumps(row, ensure_ascii=False, default=str))
        return
    if not rows:
        print(empty)
        return
    cells = [[str(value) if value is not None else "-" for value in row.values()] for row in rows]
    titles = [name.replace("_", " ") for name in rows[0]]
    widths = [max(len(line[column]) for line in (titles, *cells)) for column in range(len(titles))]
    for line in (titles, *cells):
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
