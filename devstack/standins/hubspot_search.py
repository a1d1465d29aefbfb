"""HubSpot's search: groups of filters, joined by OR; the filters of one group by AND."""

import re
import time
from collections.abc import Callable
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from devstack.standins.hubspot_errors import invalid
from devstack.standins.hubspot_portal import Portal, Record

MAX_GROUPS, MAX_FILTERS, MAX_LIMIT = 5, 18, 200
_REQUIRED = {"after", "filterGroups", "limit", "properties", "sorts"}

_OPERATORS: dict[str, Callable[[str, dict[str, Any]], bool]] = {
    "EQ": lambda stored, one: stored == _text(one.get("value")),
    "NEQ": lambda stored, one: stored != _text(one.get("value")),
    "IN": lambda stored, one: stored in map(_text, one["values"]),
    "NOT_IN": lambda stored, one: stored not in map(_text, one["values"]),
    "CONTAINS_TOKEN": lambda stored, one: _has_token(stored, _text(one.get("value"))),
    "HAS_PROPERTY": lambda stored, _: bool(stored),
    "NOT_HAS_PROPERTY": lambda stored, _: not stored,
}


def search(portal: Portal, kind: str, body: dict[str, Any], *, lag_s: float = 0.0) -> dict[str, Any]:
    """One page of what fits, oldest first, as the records stood lag_s ago. Raises: Refused."""
    groups = _checked_groups(portal, kind, body)
    records = list(portal.records[kind].values())
    if lag_s > 0:
        moment = time.monotonic() - lag_s
        records = [earlier for record in records if (earlier := record.as_of(moment))]
    hits = [record for record in records if _fits(record, groups)]
    for sort in reversed(body["sorts"]):
        hits.sort(
            key=partial(_sort_key, sort), reverse=isinstance(sort, dict) and sort.get("direction") == "DESCENDING"
        )
    start = int(body["after"] or 0)
    return page(hits, start=start, limit=body["limit"], names=portal.known_names(kind, body["properties"]), total=True)


def page(
    records: list[Record], *, start: int, limit: int | None, names: list[str] | None, total: bool = False
) -> dict[str, Any]:
    """Some of the records, and where to go on. limit None: all."""
    end = len(records) if limit is None else start + limit
    answer: dict[str, Any] = {"results": [record.shown(names) for record in records[start:end]]}
    if total:
        answer = {"total": len(records), **answer}
    if end < len(records):
        answer["paging"] = {"next": {"after": str(end)}}
    return answer


def _checked_groups(portal: Portal, kind: str, body: dict[str, Any]) -> list[list[dict[str, Any]]]:
    if missing := _REQUIRED - set(body):
        raise invalid(f"Some required fields were not set: {sorted(missing)}")
    limit, after = body["limit"], str(body["after"] or 0)
    if not isinstance(limit, int) or not 0 < limit <= MAX_LIMIT or not after.isdigit():
        raise invalid(f"limit must be 1 to {MAX_LIMIT}, after a number")
    if not all(isinstance(body[name], list) for name in ("filterGroups", "properties", "sorts")):
        raise invalid("filterGroups, properties and sorts must be lists")
    groups = [group.get("filters") if isinstance(group, dict) else None for group in body["filterGroups"]]
    if len(groups) > MAX_GROUPS or sum(len(group or ()) for group in groups) > MAX_FILTERS:
        raise invalid(f"At most {MAX_GROUPS} filterGroups and {MAX_FILTERS} filters are allowed.")
    checked = [group for group in groups if group]
    if len(checked) < len(groups):
        raise invalid("filters is missing")
    for one in (one for group in checked for one in group):
        _check_filter(portal, kind, one)
    return checked


def _check_filter(portal: Portal, kind: str, one: Any) -> None:
    if not isinstance(one, dict) or one.get("operator") not in _OPERATORS:
        raise invalid(f"a filter needs a propertyName and one of the operators {sorted(_OPERATORS)}")
    if not portal.properties[kind].has(str(one.get("propertyName"))):
        raise invalid(f"There was a problem with the request. Property {one.get('propertyName')} does not exist")
    if one["operator"] in {"IN", "NOT_IN"} and not (isinstance(one.get("values"), list) and one["values"]):
        raise invalid(f"{one['operator']} needs values")


def _fits(record: Record, groups: list[list[dict[str, Any]]]) -> bool:
    if not groups:
        return True
    return any(
        all(_OPERATORS[one["operator"]](record.value(one["propertyName"]).lower(), one) for one in group)
        for group in groups
    )


def _has_token(stored: str, wanted: str) -> bool:
    """Whether all words of the wanted text, in which `*` stands for anything, are words of the stored one."""
    words = re.findall(r"\w+", stored)
    return all(any(fnmatchcase(word, pattern) for word in words) for pattern in re.findall(r"[\w*]+", wanted))


def _sort_key(sort: Any, record: Record) -> str:
    """Properties are texts, and so they are sorted; HubSpot itself knows numbers and dates."""
    name = str(sort.get("propertyName") if isinstance(sort, dict) else sort)
    return record.value(name)


def _text(value: Any) -> str:
    return "" if value is None else str(value).lower()
