"""A whole stack that is broken again and again under load keeps its promises: one short seed here, ten full ones by `make chaos`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.campaign import Campaign, run_campaign
from tests.chaos.scratch import scratch_folder


@pytest.fixture
def folder() -> Iterator[Path]:
    with scratch_folder() as folder:
        yield folder


def test_every_promise_holds_through_a_short_campaign(folder: Path) -> None:
    campaign = Campaign(seed=1, messages=150, faults=5, rate=20, quick_only=True, between_s=1.5, calm_s=0.5)
    report = run_campaign(folder, campaign)
    assert report.broken_at_any_speed == [], report


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(1, 11))
def test_every_promise_holds_through_a_full_campaign(folder: Path, seed: int) -> None:
    report = run_campaign(folder, Campaign(seed))
    assert report.broken_at_any_speed == [], report
