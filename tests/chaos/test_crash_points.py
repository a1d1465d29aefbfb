"""Processes that die at the worst moments lose nothing and do nothing twice."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from config import crash_points
from tests.chaos.crash_campaign import run_crash_campaign
from tests.chaos.crash_points import DEAREST, LANES, list_points_in_code
from tests.chaos.scratch import scratch_folder
from tests.conftest import ROOT

_ALL = {label for labels in LANES.values() for label in labels}


@pytest.fixture
def folder() -> Iterator[Path]:
    with scratch_folder() as folder:
        yield folder


def test_the_campaign_knows_every_point_of_the_code_and_each_stands_there_once() -> None:
    listed = sorted(label for labels in LANES.values() for label in labels)
    assert list_points_in_code() == listed
    assert len(listed) >= 30


def test_no_setting_makes_a_process_die_without_the_tests_own_start_up_file(folder: Path) -> None:
    code = "from config import crash_points; print(crash_points.hook); crash_points.crash_point('analyze.after_call')"
    (folder / "armed").mkdir()
    (folder / "reached").mkdir()
    (folder / "armed" / "analyze.after_call.1").touch()
    environ = {"PYTHONPATH": str(ROOT), "TEST_CRASH_FOLDER": str(folder)}
    survived = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False)
    assert (survived.returncode, survived.stdout) == (0, "None\n")
    environ["PYTHONPATH"] = f"{ROOT / 'tests/chaos/crash_hook'}:{ROOT}"
    assert subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, check=False).returncode == -9
    assert crash_points.hook is None


@pytest.mark.timeout(400)
def test_dying_at_the_dearest_moments_costs_nothing(folder: Path) -> None:
    report = run_crash_campaign(folder, DEAREST, deaths=1, point_timeout_s=240)
    print(f"{report.deaths} deaths in {report.took_s:.0f} s")
    assert report.broken == []
    assert report.unspent == ()


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_dying_anywhere_costs_nothing(folder: Path) -> None:
    report = run_crash_campaign(folder, LANES, deaths=2, point_timeout_s=300, workers=2)
    print(f"{report.deaths} deaths at {len(report.reached)} points in {report.took_s:.0f} s")
    print(f"unspent: {report.unspent}; never reached: {_ALL - report.reached}")
    assert report.broken == []
    assert report.unspent == ()
    assert report.reached == _ALL
