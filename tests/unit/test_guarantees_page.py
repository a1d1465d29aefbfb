"""docs/guarantees.md says only what a test shows: what it cites is there, and the words that promise too much are not."""

import re

from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
FILES = {path.name: path for path in (ROOT / "tests").rglob("test_*.py")}


def test_every_test_that_the_page_cites_is_there():
    cited = re.findall(r"`(?:[\w/]*/)?(test_\w+\.py)(?:::(\w+))?`", PAGE)
    assert len(cited) > 15
    for file, function in cited:
        assert file in FILES, file
        if function:
            assert f"def {function}(" in FILES[file].read_text(encoding="utf-8"), f"{file}::{function}"


def test_every_command_that_the_page_cites_is_there():
    modules = set(re.findall(r"python -m ((?:benchmarks|tests)[\w.]*)", PAGE))
    assert modules
    for module in modules:
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module
    for path in re.findall(r"tests/[\w/]+\.py", PAGE):
        assert (ROOT / path).exists(), path


def test_words_that_promise_too_much_stand_only_where_they_are_ruled_out():
    text = PAGE.lower()
    for word in ("exactly-once delivery", "zero data loss", "guaranteed"):
        assert text.count(word) == 1, word
