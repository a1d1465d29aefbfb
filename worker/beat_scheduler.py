"""Beat's scheduler, told that the schedule stands in the code."""

from datetime import timedelta
from typing import Any

from celery.beat import PersistentScheduler

# Its task leaves the sign by which `earshot doctor` knows that beat lives.
SIGN_OF_LIFE = "measure"


class FixedScheduler(PersistentScheduler):
    """Celery compares every entry with itself ten times a second, in case somebody changed one: most of what beat did."""

    def setup_schedule(self) -> None:
        """Ring for the sign of life at once: whoever asks right after the start must not hear that nobody rings."""
        super().setup_schedule()
        entry = self.schedule[SIGN_OF_LIFE]
        entry.last_run_at = self.app.now() - timedelta(days=1)

    def schedules_equal(self, old_schedules: Any, new_schedules: Any) -> bool:  # noqa: ARG002 -- Celery's form
        """True once there is one."""
        return old_schedules is not None
