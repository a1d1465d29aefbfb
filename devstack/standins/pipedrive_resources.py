"""Pipedrive's records over HTTP: one by number, and lists in pages."""

import re
from typing import Any

from devstack.standins.exchange import Answer, Request
from devstack.standins.pipedrive_company import Company, Person
from devstack.standins.pipedrive_errors import invalid, not_found
from devstack.standins.pipedrive_events import answer_activities, list_activities
from devstack.standins.pipedrive_fields import OPTIONAL_COUNTS

MAX_IDS, MAX_CUSTOM_KEYS, MAX_PAGE = 100, 15, 500


def answer_resource(company: Company, kind: str, request: Request, number: int | None) -> Answer:
    """One call below /api/v2/{kind}; number: of the record that the path names. Raises: Refused."""
    if request.method == "GET" and number is None:
        return _list(company, kind, request.query)
    if kind == "persons":
        return _person(company, request, number)
    if kind == "activities":
        done = answer_activities(company, request, number)
        return data(done, 201 if request.method == "POST" else 200)
    return _organization(company, request, number) if kind == "organizations" else _deal(company, request)


def _list(company: Company, kind: str, query: dict[str, str]) -> Answer:
    if kind == "persons":
        return _persons(company, query)
    if kind == "activities":
        return listed(list_activities(company, query), query)
    return listed(company.deals if kind == "deals" else list(company.organizations.values()), query)


def _persons(company: Company, query: dict[str, str]) -> Answer:
    persons = list(company.persons.values())
    if "ids" in query:
        ids = [int(one) for one in query["ids"].split(",") if one.isdigit()]
        if len(ids) > MAX_IDS:
            raise invalid(f"ids: at most {MAX_IDS}")
        persons = [company.persons[one] for one in dict.fromkeys(ids) if one in company.persons]
    if since := query.get("updated_since"):
        persons = [one for one in persons if one.values["update_time"] >= since]
    sort_by = query.get("sort_by", "id")
    descending = query.get("sort_direction") == "desc"
    persons.sort(key=lambda one: one.id if sort_by == "id" else one.values[sort_by], reverse=descending)
    page, cursor = page_of(persons, query)
    shown = [_shown_person(company, one, query) for one in page]
    return Answer({"success": True, "data": shown, "additional_data": {"next_cursor": cursor}})


def _person(company: Company, request: Request, number: int | None) -> Answer:
    if request.method == "POST" and number is None:
        return data(company.shown(company.save_person(None, request.json_object())), 201)
    person = company.person(number)
    if request.method == "DELETE":
        del company.persons[person.id]
        return data({"id": person.id})
    if request.method == "PATCH":
        return data(company.shown(company.save_person(person, request.json_object())))
    return data(_shown_person(company, person, request.query))


def _shown_person(company: Company, person: Person, query: dict[str, str]) -> dict[str, Any]:
    include = [one for one in query.get("include_fields", "").split(",") if one]
    only = [one for one in query.get("custom_fields", "").split(",") if one]
    if not set(include) <= set(OPTIONAL_COUNTS):
        raise invalid("include_fields: unknown field")
    if len(only) > MAX_CUSTOM_KEYS:
        raise invalid(f"custom_fields: at most {MAX_CUSTOM_KEYS}")
    labelled = query.get("include_option_labels", "").lower() == "true"
    return company.shown(person, include=include, only=only, labelled=labelled)


def _organization(company: Company, request: Request, number: int | None) -> Answer:
    if request.method == "POST" and number is None:
        made = next(company.ids)
        start: dict[str, Any] = {"id": made, "custom_fields": {}, "annual_revenue": None, "is_deleted": False}
        company.organizations[made] = {**start, **request.json_object()}
        return data(company.organizations[made], 201)
    known = company.organizations.get(number or 0)
    if known is None:
        raise not_found("Organization")
    if request.method == "PATCH":
        known |= request.json_object()
    return data(known)


def _deal(company: Company, request: Request) -> Answer:
    body = request.json_object()
    deal = {"id": next(company.ids), "status": "open", "person_id": None, **body}
    company.deals.append(deal)
    return data(deal, 201)


def data(value: Any, status: int = 200) -> Answer:
    """A successful answer."""
    return Answer({"success": True, "data": value}, status)


def listed(items: list[Any], query: dict[str, str]) -> Answer:
    """A page of a list. Raises: Refused."""
    page, cursor = page_of(items, query)
    return Answer({"success": True, "data": page, "additional_data": {"next_cursor": cursor}})


def page_of(items: list[Any], query: dict[str, str]) -> tuple[list[Any], str | None]:
    """Some of the items and the cursor of the next page. Raises: Refused."""
    limit, cursor = query.get("limit", "100"), query.get("cursor", "c0")
    if not limit.isdigit() or not 0 < int(limit) <= MAX_PAGE or not re.fullmatch(r"c\d+", cursor):
        raise invalid("limit or cursor makes no sense")
    start, end = int(cursor[1:]), int(cursor[1:]) + int(limit)
    return items[start:end], f"c{end}" if end < len(items) else None
