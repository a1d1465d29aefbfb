"""Tables as CSV that spreadsheets open as they are, and in which no customer's text becomes a formula."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

BYTE_ORDER_MARK = "\ufeff"
# How a spreadsheet knows a formula; the last four are the wide forms, which some take for the same.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_CHUNK_LINES = 200

Value = str | int | float | bool | None


def guarded(value: Value) -> str | int | float:
    """A text that a spreadsheet would compute gets an apostrophe before it. Our own numbers stay numbers, also below zero."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return "'" + value
    return value


def csv_chunks(header: Sequence[str], rows: Iterable[Sequence[Value]]) -> Iterator[str]:
    """The file in pieces, as the rows come; it begins with the mark by which Excel knows UTF-8."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    buffer.write(BYTE_ORDER_MARK)
    writer.writerow(header)
    for number, row in enumerate(rows, 1):
        writer.writerow([guarded(value) for value in row])
        if number % _CHUNK_LINES == 0:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    if buffer.tell():
        yield buffer.getvalue()
