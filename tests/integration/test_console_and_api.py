"""docs/console-and-api.md names every page of the console, and calls that there are."""

import re

from tests.api_page import routes
from tests.conftest import ROOT
from tests.integration.page_table import PAGES

ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs/console-and-api.md").read_text().splitlines()
    if line.startswith("| `")
]


def calls_in(cell):
    return {tuple(named.split(" ")) for named in re.findall(r"`((?:GET|POST|PUT|PATCH|DELETE) [^` ]+)`", cell)}


def test_every_page_stands_in_the_table_and_every_call_is_one():
    assert set().union(*(calls_in(page) for page, _, _ in ROWS)) == set(PAGES)
    named = set().union(*(calls_in(calls) for _, _, calls in ROWS))
    real = {(method, path.removeprefix("/api/v1").replace("<", "{").replace(">", "}")) for method, path, _ in routes()}
    assert named <= real
    assert real - named == {("GET", "/openapi.json")}


def test_where_no_call_is_named_the_table_says_so():
    assert all(calls_in(calls) or calls.startswith("none: ") for _, _, calls in ROWS)
