"""When a customer wrote, on the clocks of the tenant's people."""

from datetime import datetime

from config.hours import DAYS, Day, Hours


def local_time(hours: Hours, at: datetime) -> tuple[Day, int]:
    """(day of the week, minute of the day) of an instant in the tenant's time zone, summer time included."""
    local = at.astimezone(hours.zone())
    return DAYS[local.weekday()], local.hour * 60 + local.minute
