"""Planted faults have their place in the code of now, and tests that exist; `make mutants` plants them."""

import pytest

from tests.conftest import ROOT
from tests.mutants.catalogue import MUTANTS


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_planted_fault_has_its_place_and_its_tests(mutant):
    assert (ROOT / mutant.path).read_text().count(mutant.old) == 1
    assert mutant.old != mutant.new
    for test in mutant.tests:
        path, _, name = test.partition("::")
        assert not name or f"def {name}(" in (ROOT / path).read_text()


def test_there_are_enough_and_each_is_another_one():
    assert len(MUTANTS) >= 13
    assert (
        len({mutant.name for mutant in MUTANTS})
        == len({(mutant.path, mutant.new) for mutant in MUTANTS})
        == len(MUTANTS)
    )
