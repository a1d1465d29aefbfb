"""What beat rings for as soon as it starts."""

from worker.app import app
from worker.beat_scheduler import FixedScheduler


def test_beat_leaves_its_sign_of_life_at_once_and_everything_else_at_its_time(tmp_path):
    scheduler = FixedScheduler(app=app, schedule_filename=str(tmp_path / "schedule"))
    due = [name for name, entry in scheduler.schedule.items() if entry.is_due().is_due]
    scheduler.close()
    assert due == ["measure"]
