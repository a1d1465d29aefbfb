"""What administrators do with alert targets, the same for pages and programs."""

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pydantic import SecretStr, ValidationError

from channels.alert_services import is_surely_private
from config.alerting import ANY_HOST, AlertTarget
from config.field_problems import list_field_problems
from console.channel_deeds import ChannelWriter
from console.pasted import read_pasted
from store.alert_target_settings import MAX_TARGETS, find_target, put_target, remove_target
from store.db import Connection
from store.tenant_settings import note_changed_part

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


def _(text: str) -> str:
    """Marks a text for the catalogs."""
    return text


class TargetRefusedError(Exception):
    """The target was not stored. problems: by field, in English."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(", ".join(problems))
        self.problems = dict(problems)


def save_target(conn: Connection, who: ChannelWriter, given: Mapping[str, Any], *, must_be_new: bool = False) -> bool:
    """Add a target, or change a known one: an empty URL stays what it is. Returns whether something around the URL was taken away.

    Raises: TargetRefusedError, without the URL.
    """
    name, pasted = str(given.get("name") or "").strip().lower(), read_pasted(str(given.get("to") or ""))
    problems: dict[str, str] = {"to": pasted.problem} if pasted.problem else {}
    if not _NAME.fullmatch(name):
        problems["name"] = _("Use 1 to 40 small letters, digits, - and _.")
    if problems:
        raise TargetRefusedError(problems)
    known = find_target(conn, who.tenant_id, name=name)
    if known is not None and must_be_new:
        raise TargetRefusedError({"name": _("There is a target of this name: change it, or choose another name.")})
    if known is None and not pasted.value:
        raise TargetRefusedError({"to": _("It is needed: where should alerts go?")})
    url = pasted.value or (known.open_url(who.keyring) if known else "")
    target = _read(given, url)
    problem = None if who.allow_private_urls else why_target_not_public(url)
    if problem:
        raise TargetRefusedError({"to": problem})
    if not put_target(conn, who.tenant_id, name=name, target=target, keyring=who.keyring):
        raise TargetRefusedError({"name": _("There are %(n)s already, and no more fit.") % {"n": MAX_TARGETS}})
    _note(conn, who, "alert_target_changed" if known else "alert_target_added", name)
    return bool(pasted.value) and pasted.was_cleaned


def _read(given: Mapping[str, Any], url: str) -> AlertTarget:
    kinds: Iterable[Any] = given.get("kinds") or ()
    try:
        return AlertTarget.model_validate(
            {
                "to": SecretStr(url),
                "kinds": tuple(kinds),
                "min_severity": given.get("min_severity") or "warning",
                "quiet_hours": (given.get("quiet_hours") or "").strip() or None,
            }
        )
    except ValidationError as error:
        raise TargetRefusedError(
            {str(loc[0]) if loc else "to": told for loc, told in list_field_problems(error)}
        ) from None


def why_target_not_public(url: str) -> str | None:
    """Why alerts may not go to the host that this apprise URL names, as far as that can be seen; None where they may.

    Where a name really leads is seen when something is sent.
    """
    try:
        parts = urlsplit(url)
        hosts = [parts.hostname or "", *parse_qs(parts.query).get("smtp", [])]
    except ValueError:
        return _("It is no URL that can be read.")
    if parts.scheme in ANY_HOST and any(is_surely_private(host) for host in hosts):
        return _("It points inside the network: name a public host.")
    return None


def take_target_away(conn: Connection, who: ChannelWriter, name: str) -> bool:
    """Nobody is told there any more. False: there was none."""
    gone = remove_target(conn, who.tenant_id, name=name)
    if gone:
        _note(conn, who, "alert_target_removed", name)
    return gone


def _note(conn: Connection, who: ChannelWriter, deed: str, name: str) -> None:
    note_changed_part(conn, who.tenant_id, part=f"alerts:{name}", deed=deed, by=who.by, changed_in=who.changed_in)
