"""A whole stack that is broken again and again under load keeps its promises: one short seed here, ten full ones by `make chaos`."""

import shutil
import tempfile
from pathlib import Path

import pytest

from tests.chaos.campaign import run_campaign


@pytest.fixture
def folder():
    # Below /tmp itself: pytest's own folders are closed to the account that runs Postgres when the tests run as root.
    folder = Path(tempfile.mkdtemp(prefix="earshot-chaos-", dir="/tmp"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
def test_every_promise_holds_through_a_short_campaign(folder):
    report = run_campaign(folder, seed=1, messages=200, faults=6)
    assert report.broken == (), report


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3])
def test_every_promise_holds_through_a_long_campaign(folder, seed):
    report = run_campaign(folder, seed=seed, messages=1500, faults=19)
    assert report.broken == (), report
