"""What beat rings for as soon as it starts, and that upkeep does not come all at once."""

from collections import Counter
from datetime import timedelta

import pytest

from worker.app import app
from worker.beat_scheduler import SIGN_OF_LIFE, SPREAD, FixedScheduler


@pytest.fixture
def start(tmp_path):
    """Start beat, which remembers what it had rung for when it ended."""
    started = []

    def begin():
        started.append(FixedScheduler(app=app, schedule_filename=str(tmp_path / "schedule")))
        return started[-1]

    yield begin
    for scheduler in started:
        scheduler.close()


def seconds_until_due(scheduler):
    """By name, of all but the sign of life."""
    now = app.now()
    return {
        name: (entry.last_run_at + entry.schedule.run_every - now).total_seconds()
        for name in app.conf.beat_schedule
        if name != SIGN_OF_LIFE and (entry := scheduler.schedule[name])
    }


def test_beat_leaves_its_sign_of_life_at_once_and_everything_else_at_its_time(start):
    due = [name for name, entry in start().schedule.items() if entry.is_due().is_due]
    assert due == [SIGN_OF_LIFE]


def test_what_has_the_same_interval_is_not_rung_for_together(start):
    scheduler = start()
    due = seconds_until_due(scheduler)
    by_second = Counter(
        round(due_s) for name, due_s in due.items() if scheduler.schedule[name].schedule.run_every >= SPREAD
    )
    assert len(by_second) > 10 and set(by_second.values()) == {1}
    for name, due_s in due.items():
        assert 0 < due_s <= scheduler.schedule[name].schedule.run_every.total_seconds() + 1


def test_after_a_day_without_beat_everything_is_rung_for_within_a_minute_and_not_in_one_second(start):
    scheduler = start()
    for entry in scheduler.schedule.values():
        entry.last_run_at = app.now() - timedelta(days=1)
    scheduler.close()

    due = sorted(seconds_until_due(start()).values())

    assert 0 <= due[0] + 1 and due[-1] < SPREAD.total_seconds()
    assert max(Counter(int(due_s) for due_s in due).values()) <= 4
