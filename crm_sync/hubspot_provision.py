"""Making Earshot's properties in a HubSpot portal: read, create what is missing, report what may not be made."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from crm_sync.base import CrmError, ProvisionReport
from crm_sync.batches import send_in_batches
from crm_sync.client import CrmClient, as_objects
from crm_sync.hubspot_answers import MISSING_SCOPES
from crm_sync.hubspot_fields import BATCH, FIELDS, GROUP, VERSION

# How long a portal that refused our properties is not asked again.
ASK_AGAIN_S = 600.0
_PLACES = {"contacts": "Contact properties", "notes": "Note properties", "tasks": "Task properties"}


@dataclass(frozen=True)
class _Survey:
    """What became of the properties of one object type. missing: why, by name; unusable: known not to take our values."""

    created: tuple[str, ...]
    present: tuple[str, ...]
    missing: dict[str, str]
    unusable: frozenset[str]


@dataclass(frozen=True)
class _Lacking:
    """What a portal would not have made, by object type, and until when (monotonic) it is not asked again."""

    absent: dict[str, frozenset[str]]
    until: float


# By portal, for the whole process: an adapter lives for one flush only, and asking costs more requests than writing.
LACKING: dict[str, _Lacking] = {}


class OwnFields:
    """Our properties in one portal, and which of them it lacks as far as this process knows.

    portal: what tells it from others, asked for when it is first needed.
    """

    def __init__(
        self, client: CrmClient, *, portal: Callable[[], str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._portal = cache(portal)
        self._clock = clock
        self._has_asked = False

    def absent(self, object_type: str) -> frozenset[str]:
        """Properties that the portal was found to lack lately, and would not have made."""
        lacking = self._lacking()
        return lacking.absent.get(object_type, frozenset()) if lacking else frozenset()

    def make(self) -> bool:
        """Make what is missing, because a call showed that something is. False: that was tried a short while ago.

        Raises: CrmError when HubSpot can't be asked.
        """
        if self._has_asked or self._lacking():
            return False
        self.provision()
        return True

    def provision(self, *, dry_run: bool = False) -> ProvisionReport:
        """Names are "contacts.earshot_score"; the missing ones say how to make them and why they are not there.

        Raises: CrmError when HubSpot can't be asked at all.
        """
        surveys = {object_type: _survey(self._client, object_type, dry_run=dry_run) for object_type in FIELDS}
        if not dry_run:
            self._remember(surveys)
        return ProvisionReport(
            created=tuple(f"{kind}.{name}" for kind, survey in surveys.items() for name in survey.created),
            present=tuple(f"{kind}.{name}" for kind, survey in surveys.items() for name in survey.present),
            missing=tuple(
                f"{kind}.{one['name']}: {_how_to_make(kind, one)} ({survey.missing[one['name']]})"
                for kind, survey in surveys.items()
                for one in FIELDS[kind]
                if one["name"] in survey.missing
            ),
        )

    def _lacking(self) -> _Lacking | None:
        lacking = LACKING.get(self._portal())
        return lacking if lacking and self._clock() < lacking.until else None

    def _remember(self, surveys: dict[str, _Survey]) -> None:
        self._has_asked = True
        if any(survey.missing for survey in surveys.values()):
            absent = {object_type: survey.unusable for object_type, survey in surveys.items()}
            LACKING[self._portal()] = _Lacking(absent, self._clock() + ASK_AGAIN_S)
        else:
            LACKING.pop(self._portal(), None)


def _survey(client: CrmClient, object_type: str, *, dry_run: bool) -> _Survey:
    names = [str(one["name"]) for one in FIELDS[object_type]]
    reasons: dict[str, str] = {}
    before: dict[str, dict[str, Any]] = {}
    is_known = False
    try:
        before = after = _properties(client, object_type)
        is_known = True
        if not dry_run and not set(before).issuperset(names):
            absent = [one for one in FIELDS[object_type] if one["name"] not in before]
            reasons = _create(client, object_type, absent)
            after = _properties(client, object_type)
    except CrmError as error:
        if not error.code.startswith(MISSING_SCOPES):
            raise
        after = before
        reasons = dict.fromkeys(names, error.code)
    wrong = {one["name"]: why for one in FIELDS[object_type] if (why := _difference(one, after.get(one["name"], {})))}
    not_there = {name: reasons.get(name, "not_created") for name in names if name not in after}
    unusable = {*not_there, *(name for name, why in wrong.items() if not why.startswith("option_missing"))}
    return _Survey(
        created=tuple(name for name in names if name in after and name not in before),
        present=tuple(name for name in names if name in before and name not in wrong),
        missing=not_there | wrong,
        # Who may not look may still write: the administrator may have made them all.
        unusable=frozenset(unusable if is_known else ()),
    )


def _difference(wanted: dict[str, Any], there: dict[str, Any]) -> str | None:
    """What keeps a property of our name from holding our values; None when nothing does, or nothing is known of it."""
    if there.get("type", wanted["type"]) != wanted["type"]:
        return "another_type"
    if wanted.get("hasUniqueValue") and there.get("hasUniqueValue") is False:
        return "not_unique"
    options = {str(one.get("value")) for one in as_objects(there.get("options"))}
    lacking = [one["value"] for one in wanted.get("options", ()) if one["value"] not in options]
    return f"option_missing:{','.join(lacking)}" if lacking and "options" in there else None


def _how_to_make(object_type: str, wanted: dict[str, Any]) -> str:
    """For an administrator: where, and what to choose."""
    widget = {
        "select": "dropdown select",
        "text": "single-line text",
        "textarea": "multi-line text",
        "date": "date and time",
    }
    kind = widget.get(wanted["fieldType"], wanted["fieldType"])
    options = "".join(f', option "{one["value"]}"' for one in wanted.get("options", ()))
    unique = ", unique values required" if wanted.get("hasUniqueValue") else ""
    where = f"Settings > Properties > {_PLACES[object_type]} > Create property"
    return f'{where}, group "{GROUP["label"]}", label "{wanted["label"]}", {kind}{options}{unique}'


def _properties(client: CrmClient, object_type: str) -> dict[str, dict[str, Any]]:
    answer = client.get(f"/crm/properties/{VERSION}/{object_type}")
    return {str(one.get("name")): one for one in as_objects(answer.get("results"))}


def _create(client: CrmClient, object_type: str, absent: list[dict[str, Any]]) -> dict[str, str]:
    """Why properties were refused, by name. A refusal may also mean that another worker was faster."""
    path = f"/crm/properties/{VERSION}/{object_type}"
    try:
        client.post(f"{path}/groups", GROUP, idempotent=True)
    except CrmError as error:
        # There already; any other cause shows when the properties are made.
        if not error.permanent:
            raise

    def send(batch: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
        client.post(f"{path}/batch/create", {"inputs": list(batch)}, idempotent=True)
        return []

    return dict(
        send_in_batches(absent, size=BATCH, send=send, refused=lambda one, error: (str(one["name"]), error.code))
    )
