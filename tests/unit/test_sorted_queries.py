"""A list that reads `id::text` and is ordered by `id` is ordered by the text: no index helps, and every row is read."""

import re
from pathlib import Path

import pytest

STORE = Path(__file__).parents[2] / "store"
# Few rows at a time, all of which are read anyway.
_READS_ALL = {
    "alert_deliveries.py", "churn.py", "edits.py", "erasure.py", "intake.py", "messages.py", "sla_alerts.py", "sweep_batches.py",
    "sweep_items.py", "assignments.py", "survey_invitations.py",
}  # fmt: skip


def levels(query):
    """The query's text level by level: what stands within brackets is a level of its own."""
    found, open_ = [], [""]
    for sign in query:
        if sign == "(":
            open_.append("")
        elif sign == ")" and len(open_) > 1:
            found.append(open_.pop())
        else:
            open_[-1] += sign
    return found + open_


def sorted_by_text(query):
    """Columns of such lists."""
    return [
        column
        for level in levels(query)
        for order in re.findall(r"ORDER BY ([^;]*?)(?:\bLIMIT\b|\bFOR\b|$)", level, re.DOTALL)
        for column in re.findall(r"(?:^|,)\s*([a-z_]+)\b(?!\.)", order)
        if re.search(rf"(?:SELECT|,)\s*(?:\w+\.)?{column}::text\s*(?:,|\n|$)", level)
    ]


def queries(text):
    """Texts in triple quotes, each together with what is put behind it."""
    whole = re.sub(r'"""(?:\s*#[^\n]*)?\s*\+\s*[\w.\[\]]+\s*\+\s*"""', "", text)
    return re.findall(r'"""(.*?)"""', whole, re.DOTALL)


def test_the_check_finds_such_a_list():
    assert queries('x = """SELECT """ + WHAT + """ FROM run"""; y = """b"""') == ["SELECT  FROM run", "b"]
    assert sorted_by_text("SELECT id::text, kind FROM alert ORDER BY id DESC LIMIT %s") == ["id"]
    assert sorted_by_text("SELECT id::text FROM alert ORDER BY alert.id DESC") == []
    assert sorted_by_text("SELECT m.id::text FROM (SELECT id FROM message ORDER BY id) AS m") == []


@pytest.mark.parametrize("path", sorted(STORE.glob("*.py")), ids=lambda path: path.stem)
def test_no_long_list_is_sorted_by_the_text_of_an_id(path):
    if path.name in _READS_ALL:
        return
    for query in queries(path.read_text(encoding="utf-8")):
        assert sorted_by_text(query) == [], query
