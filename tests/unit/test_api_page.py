"""The page about the API says what the application does."""

from pathlib import Path

from console.api.callers import MAY_CALL
from tests.api_page import COMMAND, page, routes


def test_the_page_is_what_the_application_says():
    written = (Path(__file__).parent.parent.parent / "docs" / "api.md").read_text(encoding="utf-8")
    assert written == page(), f"docs/api.md is old: {COMMAND}"


def test_every_route_names_its_roles_and_nothing_else_is_named():
    assert {endpoint for _, _, endpoint in routes()} - {"document"} == set(MAY_CALL)
