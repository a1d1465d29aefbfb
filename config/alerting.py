"""What a tenant wants to be told, when, and where."""

import re
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator

from config.tenant_part import TenantPart

Severity = Literal["info", "warning", "critical"]
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")

# What apprise may be asked to speak. Everything that runs something on this machine, reads a file of it or listens in its network
# (syslog, dbus, gnome, windows, macosx, growl, mqtt, irc, smpp, apprise://, custom schemas …) is not among them.
HOSTED = (
    "slack", "discord", "workflows", "workflow", "gchat", "webex", "wxteams", "tgram", "zulip", "pagerduty", "opsgenie", "splunk",
    "victorops", "ilert", "betterstack", "incidentio", "squadcast", "pover", "twilio", "vonage", "nexmo", "msgbird", "mailgun", "sendgrid",
    "postmark", "resend", "brevo", "sparkpost", "smtp2go",
)  # fmt: skip
"""Services that stand at an address of their own."""
ANY_HOST = (
    "json", "jsons", "xml", "xmls", "form", "forms", "mailto", "mailtos", "mmost", "mmosts", "ntfy", "ntfys", "gotify", "gotifys",
    "rocket", "rockets", "matrix", "matrixs",
)  # fmt: skip
"""Services at a host that the tenant names: it must be a public one."""
# A parameter can name a file, a key server or a time-out: only these are let through (json, xml and form take headers as +name).
_PARAMETERS = frozenset({
    "to", "cc", "bcc", "from", "name", "reply", "user", "pass", "smtp", "port", "mode", "token", "channel", "footer", "format",
    "priority", "region", "tags", "topic", "thread", "method", "integrationkey", "routing_key", "severity", "action",
})  # fmt: skip
_SCHEME = re.compile(r"^([a-z0-9]{2,20})://\S+$")
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"


def check_target(url: str) -> str:
    """The URL's service, when it is one we speak. Raises: ValueError, which never quotes the URL."""
    found = _SCHEME.fullmatch(url)
    if not found:
        message = "must be an apprise URL like slack://…, mailto://… or jsons://…, without spaces"
        raise ValueError(message)
    service = found[1]
    if service not in HOSTED and service not in ANY_HOST:
        message = f'"{service}://" is not a service Earshot sends alerts to; one of: {", ".join(sorted({*HOSTED, *ANY_HOST}))}'
        raise ValueError(message)
    # Apprise begins a new parameter at a semicolon, too.
    for part in re.split("[&;]", url.partition("?")[2]):
        name = part.partition("=")[0].lower()
        is_header = service.startswith(("json", "xml", "form")) and re.match(r"\+|%2b", name)
        if name and name not in _PARAMETERS and not is_header:
            # A name may be a secret that stands in the wrong place: only what looks like a word is quoted.
            shown = f'"{name}"' if re.fullmatch(r"[a-z]{1,12}", name) else "a parameter"
            message = f"{shown} behind the ? is not let through; one of: {', '.join(sorted(_PARAMETERS))}"
            raise ValueError(message)
    return service


class AlertTarget(TenantPart):
    """One place that is told of alerts."""

    to: SecretStr
    """An apprise URL; it holds a token or a password as a rule, so it is stored encrypted and never shown."""
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")] | None = None
    """What people call it; else the service and its number in the file."""
    kinds: tuple[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,39}$")], ...] = ()
    """Only these kinds; nothing named: all."""
    min_severity: Severity = "warning"
    quiet_hours: Annotated[str, Field(pattern=rf"^{_TIME}-{_TIME}$")] | None = None
    """`"22:00-07:00"` in the tenant's time zone: only what is critical is sent then, the rest when they are over."""

    @field_validator("to")
    @classmethod
    def _is_a_service_we_speak(cls, to: SecretStr) -> SecretStr:
        check_target(to.get_secret_value())
        return to

    @field_validator("quiet_hours")
    @classmethod
    def _end_some_time(cls, quiet_hours: str | None) -> str | None:
        if quiet_hours and quiet_hours[:5] == quiet_hours[6:]:
            message = "begin and end at the same time; leave quiet_hours out for none"
            raise ValueError(message)
        return quiet_hours

    @property
    def service(self) -> str:
        """The word before the colon."""
        return check_target(self.to.get_secret_value())


class Churn(TenantPart):
    """When a customer's mood is told to customer success."""

    enabled: bool = True
    within_days: int = Field(default=30, ge=1, le=365)
    """Two negatives further apart than this are not in a row."""


class Trends(TenantPart):
    """When a topic's share of negatives is told."""

    enabled: bool = True
    ignore: tuple[str, ...] = ()
    """Topics that are never told by themselves."""


def name_targets(targets: tuple[AlertTarget, ...]) -> list[tuple[str, AlertTarget]]:
    """(name, target), in the order of the file; a name that is not given is the service and the number."""
    return [(one.name or f"{one.service}-{number}", one) for number, one in enumerate(targets, start=1)]


def check_names(targets: tuple[AlertTarget, ...]) -> tuple[AlertTarget, ...]:
    """Raises: ValueError when two have the same name."""
    names = [name for name, _ in name_targets(targets)]
    if len(set(names)) != len(names):
        message = "two [[alerts]] have the same name"
        raise ValueError(message)
    return targets
