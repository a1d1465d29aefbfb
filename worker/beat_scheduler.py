"""Beat's scheduler, told that the schedule stands in the code, and that not everything needs to be done in the same second."""

from datetime import timedelta
from typing import Any

from celery.beat import PersistentScheduler

# Its task leaves the sign by which `earshot doctor` knows that beat lives.
SIGN_OF_LIFE = "measure"
# What is due together when beat starts is spread over so long; what has the same interval never meets again then.
SPREAD = timedelta(seconds=60)
NEW = timedelta(seconds=2)


class FixedScheduler(PersistentScheduler):
    """Celery compares every entry with itself ten times a second, in case somebody changed one: most of what beat did."""

    def setup_schedule(self) -> None:
        """Give each entry a moment of its own. In step, eight kinds of upkeep began in the same second of every minute, each with a thread
        and a connection, beside the messages of that second.

        The sign of life is rung for at once: whoever asks right after the start must not hear that nobody rings.
        """
        super().setup_schedule()
        now = self.app.now()
        ours = sorted(self.app.conf.beat_schedule)  # Celery adds one of its own, which has an hour
        for place, name in enumerate(ours):
            entry: Any = self.schedule[name]
            every: timedelta = entry.schedule.run_every
            offset = min(every, SPREAD) * place / len(ours)
            if entry.last_run_at + every <= now:
                entry.last_run_at = now - every + offset
            elif entry.last_run_at > now - NEW:
                entry.last_run_at = now - offset
        self.schedule[SIGN_OF_LIFE].last_run_at = now - timedelta(days=1)

    def schedules_equal(self, old_schedules: Any, new_schedules: Any) -> bool:  # noqa: ARG002 -- Celery's form
        """True once there is one."""
        return old_schedules is not None
