"""Beat's scheduler, told that the schedule stands in the code."""

from typing import Any

from celery.beat import PersistentScheduler


class FixedScheduler(PersistentScheduler):
    """Celery compares every entry with itself ten times a second, in case somebody changed one: most of what beat did."""

    def schedules_equal(self, old_schedules: Any, new_schedules: Any) -> bool:  # noqa: ARG002 -- Celery's form
        """True once there is one."""
        return old_schedules is not None
