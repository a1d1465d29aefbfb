"""The page about the API says what the application does."""

import pkgutil
from collections import Counter
from importlib import import_module
from pathlib import Path

from pydantic import BaseModel

import console.api
from console.api.callers import MAY_CALL
from tests.api_page import COMMAND, page, routes


def test_the_page_is_what_the_application_says():
    written = (Path(__file__).parent.parent.parent / "docs" / "api.md").read_text(encoding="utf-8")
    assert written == page(), f"docs/api.md is old: {COMMAND}"


def test_every_route_names_its_roles_and_nothing_else_is_named():
    assert {endpoint for _, _, endpoint in routes()} - {"document"} == set(MAY_CALL)


def test_no_two_shapes_of_the_document_have_one_name():
    # The later one would stand in the document for both.
    modules = [import_module(f"console.api.{one.name}") for one in pkgutil.iter_modules(console.api.__path__)]
    shapes = {
        one
        for module in modules
        for one in vars(module).values()
        if isinstance(one, type) and issubclass(one, BaseModel)
    }
    names = Counter(one.__name__ for one in shapes)
    assert {name: count for name, count in names.items() if count > 1} == {}
