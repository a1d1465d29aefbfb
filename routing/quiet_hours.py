"""When messages that nobody waits for keep silent, and how old they get meanwhile."""

from datetime import datetime, timedelta
from typing import Literal

from config.actions import ActionConfig
from config.automation import Automation
from config.hours import DAYS, MINUTES_A_DAY, Hours, parse_spans
from routing.business_hours import add_business_minutes, business_minutes_between, is_open

InQuietHours = Literal["wait", "send", "drop"]
# Answers to somebody who writes at this hour leave at this hour; what was not asked for waits for the morning.
_BY_KIND: dict[str, InQuietHours] = {
    "close_with_thanks": "wait",
    "send_nps_invite": "wait",
    "send_csat_invite": "wait",
    "ask_survey_reason": "send",
    "follow_up": "send",
    "send_refund_form": "send",
    "request_screenshot": "send",
}


def in_quiet_hours(kind: str, *, config: ActionConfig) -> InQuietHours:
    """What becomes of this kind of action then: the tenant's word, else ours."""
    return config.in_quiet_hours or _BY_KIND.get(kind, "send")


def quiet_until(automation: Automation, hours: Hours, *, now: datetime) -> datetime | None:
    """When the quiet hours that hold now are over; None when none hold."""
    awake = _awake(automation, hours)
    if awake is None or is_open(awake, now):
        return None
    return add_business_minutes(awake, now, 1) - timedelta(minutes=1)


def age(
    kind: str, *, since: datetime, now: datetime, config: ActionConfig, automation: Automation, hours: Hours
) -> timedelta:
    """How old what it answers is by now. For kinds that wait, quiet hours don't count."""
    awake = _awake(automation, hours)
    if awake is None or in_quiet_hours(kind, config=config) != "wait":
        return now - since
    return timedelta(minutes=business_minutes_between(awake, since, now))


def _awake(automation: Automation, hours: Hours) -> Hours | None:
    """The hours around the quiet ones, on every day."""
    if automation.quiet_hours is None:
        return None
    ((start, end),) = parse_spans(automation.quiet_hours)
    opens, closes = end % MINUTES_A_DAY, start
    span = f"{_clock(opens)}-{_clock(closes or MINUTES_A_DAY)}"
    return Hours.model_validate({"time_zone": hours.time_zone, "weekdays": dict.fromkeys(DAYS, span)})


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
