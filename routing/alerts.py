"""What each kind of alert means: how serious, whose business, and the sentence a person reads. No customer text, no names."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from config.alerting import SEVERITIES, Severity


@dataclass(frozen=True)
class AlertKind:
    """severity: what it has unless the one who raises it says otherwise. queue: whose business it is, None: the operators'.

    what: in a few words, for a heading.
    """

    severity: Severity
    queue: str | None
    what: str


KINDS: Mapping[str, AlertKind] = {
    "churn": AlertKind("warning", "customer_success", "A customer may leave"),
    "trend": AlertKind("warning", "support", "More negative messages than usual"),
    "sla_breach": AlertKind("critical", "senior", "An answer is overdue"),
    "sla_warning": AlertKind("warning", "senior", "An answer is soon overdue"),
    "needs_person": AlertKind("warning", "support", "An automation could not go on"),
    "needs_approval": AlertKind("warning", "support", "An action waits for a person to agree"),
    "notify": AlertKind("warning", "support", "A rule asks for your attention"),
    "send_uncertain": AlertKind("warning", "support", "A message may or may not have left"),
    "send_failed": AlertKind("warning", "support", "A message to a customer was not delivered"),
    "agent_vanished": AlertKind("warning", "support", "An agent is gone, what customers wait for is back in its queue"),
    "analysis_paused": AlertKind("critical", None, "Messages are not analyzed"),
    "channel_silent": AlertKind("warning", None, "No webhooks from a channel account"),
    "webhooks_disabled": AlertKind("critical", None, "Webhooks of a channel account are switched off"),
    "token_dead": AlertKind("critical", None, "A channel account's token is dead"),
    "token_expiring": AlertKind("warning", None, "A channel account's token expires soon"),
    "crm_paused": AlertKind("critical", None, "The CRM gets nothing until its connection is repaired"),
    "webhook_paused": AlertKind("critical", None, "A webhook is not told of events any more"),
    "accounting_imbalance": AlertKind("critical", None, "Messages can't be accounted for"),
    "work_stuck": AlertKind("critical", None, "Messages stand too long in a stage"),
    "canary_late": AlertKind("critical", None, "A test message did not come through"),
    "sends_blocked": AlertKind("critical", None, "Sending is blocked for a channel account"),
}
DIGEST_LINES = 10


def kind_of(name: str) -> AlertKind:
    """What is known of a kind; one that nobody has described is a warning under its own name."""
    return KINDS.get(name) or AlertKind("warning", None, name.replace("_", " ").capitalize())


def is_at_least(severity: Severity, least: Severity) -> bool:
    """Whether something is as serious as `least`, or more."""
    return SEVERITIES.index(severity) >= SEVERITIES.index(least)


def sentence(kind: str, details: Mapping[str, Any]) -> str:
    """The alert in one line, from its stored details."""
    what = kind_of(kind).what
    if kind == "trend" and details.get("sentence"):
        return str(details["sentence"])
    if kind == "churn":
        value = "high-value customer, " if details.get("high_value") else ""
        return f"{what}: {value}{details.get('count', 2)} negative messages in a row"
    if kind in _CLOCK_STATES and {"clock", "due_at"} <= details.keys():
        return _about_clock(kind, details)
    if kind == "agent_vanished" and {"user_id", "conversations"} <= details.keys():
        return f"{what} (user {details['user_id']}, {details['conversations']} conversations)"
    if kind == "accounting_imbalance" and {"hour", "messages"} <= details.keys():
        return f"{what}: {details['messages']} of those that came in the hour from {_clock(details['hour'])} UTC"
    told = [
        f"{name.replace('_', ' ')} {value}"
        for name, value in details.items()
        if name in _TOLD and isinstance(value, str | int) and not isinstance(value, bool)
    ]
    return what + (f" ({', '.join(told)})" if told else "")


_CLOCK_STATES = {"sla_warning": "it is due", "sla_breach": "it was due"}
_CLOCKS = {"first_answer": "its first answer", "next_answer": "an answer", "resolution": "being resolved"}


def _clock(moment: object) -> str:
    return f"{datetime.fromisoformat(str(moment)).astimezone(UTC):%a %H:%M}"


def _about_clock(kind: str, details: Mapping[str, Any]) -> str:
    """Which conversation waits for what, since when and until when: "A P1 conversation in the senior queue waits for …"."""
    since, due = _clock(details["started_at"]), _clock(details["due_at"])
    queue = str(details["queue"]).replace("_", " ")
    what = _CLOCKS.get(str(details["clock"]), str(details["clock"]))
    return (
        f"A {details['priority']} conversation in the {queue} queue waits for {what} since {since}; "
        f"{_CLOCK_STATES[kind]} at {due} UTC"
    )


# Words of our own and names the tenant chose; an account's id stays inside.
_TOLD = (
    "channel",
    "action",
    "because",
    "code",
    "error_code",
    "queue",
    "priority",
    "target",
    "clock",
    "stage",
    "messages",
)


def digest(sentences: list[str]) -> tuple[str, str]:
    """(title, body) of one message that stands for many."""
    lines = sentences[:DIGEST_LINES]
    if len(sentences) > len(lines):
        lines = [*lines, f"and {len(sentences) - len(lines)} more"]
    return f"Earshot: {len(sentences)} alerts", "\n".join(f"- {line}" for line in lines)


def end_of_quiet(now: datetime, *, quiet_hours: str | None, zone: str, severity: Severity) -> datetime | None:
    """When something may be sent that must not be sent now; None: now. quiet_hours: `"22:00-07:00"`, in `zone`."""
    if quiet_hours is None or severity == "critical":
        return None
    begin, end = (time.fromisoformat(part) for part in quiet_hours.split("-"))
    local = now.astimezone(ZoneInfo(zone))
    clock = local.time()
    is_quiet = begin <= clock < end if begin < end else clock >= begin or clock < end
    if not is_quiet:
        return None
    day = local.date() if clock < end else local.date() + timedelta(days=1)
    return datetime.combine(day, end, tzinfo=local.tzinfo).astimezone(now.tzinfo)
