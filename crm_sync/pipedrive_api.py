"""Pipedrive's calls: path, price in tokens, and the scope that each of them needs."""

import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from crm_sync.base import CrmError
from crm_sync.client import CrmClient, as_object, as_objects
from crm_sync.metering import Usage
from crm_sync.pipedrive_answers import FORBIDDEN, MISSING_SCOPES, data_of, list_of, next_cursor, record_of

# Requests that are under way at once: Pipedrive has no batch write. Its smallest plan takes 20 in 2 s.
THREADS = 8
PAGE = 500
MAX_IDS = 100
# Pages of one list; the rest would cost more tokens than it is worth.
MAX_PAGES = 4
# Short waits for the account's allowance happen here, so that a batch is not torn apart at each burst; longer are the worker's.
SHORT_WAIT_S = 2.5
PATIENCE_S = 8.0

# What a meter says, before anything was sent.
_METER_CODES = {"budget_used", "rate_limit_wait"}

CONTACTS, FIELDS, ACTIVITIES, SEARCH = "contacts:full", "contact-fields:full", "activities:full", "search:read"


class Pace:
    """Holds back the threads of one adapter when the account's burst is used up, before Pipedrive has to refuse."""

    def __init__(self, *, sleep: Callable[[float], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._sleep = sleep
        self._clock = clock
        self._lock = threading.Lock()
        self._opens_at = 0.0

    def learn(self, headers: Mapping[str, str]) -> None:
        """Take over what an answer says. Requests under way count already, though their answers don't say so yet."""
        limit, left, reset = (headers.get(f"x-ratelimit-{name}", "") for name in ("limit", "remaining", "reset"))
        if not (limit.isdigit() and left.isdigit() and reset.isdigit()):
            return
        if int(left) == 0 or (int(limit) > 2 * THREADS and int(left) < THREADS):
            self._opens_at = self._clock() + min(float(reset), SHORT_WAIT_S)

    def wait(self) -> None:
        """Return when a request may go. Whoever comes meanwhile waits for the same moment."""
        with self._lock:
            closed_s = self._opens_at - self._clock()
            self._opens_at = 0.0
            if closed_s > 0:
                self._sleep(closed_s)


class PipedriveApi:
    """Calls to one account. Every method raises CrmError."""

    def __init__(self, client: CrmClient, *, pace: Pace, sleep: Callable[[float], None]) -> None:
        self._client = client
        self._pace = pace
        self._sleep = sleep

    def me(self) -> dict[str, Any]:
        """The user of the credentials."""
        return as_object(data_of(self._get("/api/v1/users/me", cost=2, scope="base"), idempotent=True))

    def person_fields(self) -> list[dict[str, Any]]:
        """All fields of a person."""
        return list(self._pages("/api/v2/personFields", {}, cost=10, scope=FIELDS, pages=20))

    def add_field(self, field: dict[str, Any]) -> None:
        """Make a person field."""
        data_of(self._send("POST", "/api/v2/personFields", field, cost=5, scope=FIELDS), idempotent=False)

    def add_options(self, field_code: str, labels: list[str]) -> None:
        """Add options to a person field."""
        path, options = f"/api/v2/personFields/{field_code}/options", [{"label": label} for label in labels]
        data_of(self._send("POST", path, options, cost=5, scope=FIELDS), idempotent=False)

    def search(self, term: str, *, where: str, exact: bool) -> list[dict[str, Any]]:
        """Persons whose phone, email or custom_fields have the term. Raises: CrmError "too_many_matches" beyond one page."""
        params = {"term": term, "fields": where, "exact_match": "true" if exact else "false", "limit": str(PAGE)}
        answer = self._get("/api/v2/persons/search", params, cost=20, scope=SEARCH, lane="search")
        data = as_object(data_of(answer, idempotent=True))
        if not isinstance(data.get("items"), list):
            raise CrmError("answer_incomplete", permanent=False)
        if next_cursor(answer):
            raise CrmError("too_many_matches", permanent=True)
        return [as_object(one.get("item")) for one in as_objects(data["items"])]

    def persons(self, ids: list[str], **params: str) -> list[dict[str, Any]]:
        """At most MAX_IDS persons by id; those that are gone are left out."""
        answer = self._get(
            "/api/v2/persons", {"ids": ",".join(ids), "limit": str(MAX_IDS), **params}, cost=10, scope=CONTACTS
        )
        return list_of(data_of(answer, idempotent=True))

    def newest_persons(self, *, limit: int) -> list[dict[str, Any]]:
        """The persons that were added last; this list does not lag as search does."""
        params = {"sort_by": "add_time", "sort_direction": "desc", "limit": str(limit)}
        return list_of(data_of(self._get("/api/v2/persons", params, cost=10, scope=CONTACTS), idempotent=True))

    def add_person(self, person: dict[str, Any]) -> dict[str, Any]:
        """The person made."""
        answer = self._send("POST", "/api/v2/persons", person, cost=5, scope=CONTACTS)
        return record_of(answer, idempotent=False)

    def change_person(self, record_id: str, changes: dict[str, Any]) -> dict[str, Any]:
        """The person as it stands now."""
        path = f"/api/v2/persons/{record_id}"
        with _of_one_record():
            answer = self._send("PATCH", path, changes, cost=5, scope=CONTACTS, idempotent=True)
        return record_of(answer, idempotent=True)

    def organization(self, number: int, **params: str) -> dict[str, Any]:
        """One organization."""
        answer = self._get(f"/api/v2/organizations/{number}", params, cost=1, scope=CONTACTS)
        return record_of(answer, idempotent=True)

    def notes_of(self, record_id: str) -> Iterator[dict[str, Any]]:
        """Notes of a person, newest first."""
        start = 0
        for _ in range(MAX_PAGES):
            params = {"person_id": record_id, "sort": "add_time DESC", "start": str(start), "limit": str(PAGE)}
            answer = self._get("/api/v1/notes", params, cost=20, scope=CONTACTS)
            yield from list_of(data_of(answer, idempotent=True))
            paging = as_object(as_object(answer.get("additional_data")).get("pagination"))
            if not paging.get("more_items_in_collection"):
                return
            start += PAGE

    def add_note(self, note: dict[str, Any]) -> dict[str, Any]:
        """The note made."""
        with _of_one_record():
            answer = self._send("POST", "/api/v1/notes", note, cost=10, scope=CONTACTS)
        return record_of(answer, idempotent=False)

    def activities_of(self, record_id: str) -> Iterator[dict[str, Any]]:
        """Activities of a person, newest first."""
        params = {"person_id": record_id, "sort_by": "add_time", "sort_direction": "desc"}
        return self._pages("/api/v2/activities", params, cost=10, scope=ACTIVITIES, pages=MAX_PAGES)

    def any_activity(self) -> None:
        """Only whether activities may be read."""
        list_of(data_of(self._get("/api/v2/activities", {"limit": "1"}, cost=10, scope=ACTIVITIES), idempotent=True))

    def add_activity(self, activity: dict[str, Any]) -> dict[str, Any]:
        """The activity made."""
        with _of_one_record():
            answer = self._send("POST", "/api/v2/activities", activity, cost=5, scope=ACTIVITIES)
        return record_of(answer, idempotent=False)

    def delete_note(self, note_id: str) -> None:
        """Raises: CrmError "record_not_found" when it is gone."""
        with _of_one_record():
            self._send("DELETE", f"/api/v1/notes/{note_id}", None, cost=6, scope=CONTACTS, idempotent=True)

    def delete_activity(self, activity_id: str) -> None:
        """Raises: CrmError "record_not_found" when it is gone."""
        with _of_one_record():
            self._send("DELETE", f"/api/v2/activities/{activity_id}", None, cost=3, scope=ACTIVITIES, idempotent=True)

    def _pages(
        self, path: str, params: dict[str, str], *, cost: int, scope: str, pages: int
    ) -> Iterator[dict[str, Any]]:
        cursor: str | None = None
        for _ in range(pages):
            paging = {"limit": str(PAGE), **({"cursor": cursor} if cursor else {})}
            answer = self._get(path, {**params, **paging}, cost=cost, scope=scope)
            yield from list_of(data_of(answer, idempotent=True))
            cursor = next_cursor(answer)
            if cursor is None:
                return

    def _get(
        self, path: str, params: dict[str, str] | None = None, *, cost: int, scope: str, lane: Any = "general"
    ) -> dict[str, Any]:
        return self._paced(lambda: self._client.get(path, params=params, cost=cost, lane=lane), scope)

    def _send(
        self, method: str, path: str, payload: Any, *, cost: int, scope: str, idempotent: bool = False
    ) -> dict[str, Any]:
        return self._paced(
            lambda: self._client.request(method, path, payload=payload, idempotent=idempotent, cost=cost), scope
        )

    def _paced(self, request: Callable[[], dict[str, Any]], scope: str) -> dict[str, Any]:
        """One request, as soon as the burst and the meter let it go; a missing scope is named."""
        waited_s = 0.0
        while True:
            self._pace.wait()
            try:
                return request()
            except CrmError as error:
                refusal = error
            wait_s = refusal.retry_after_s or 0.1
            if refusal.code not in _METER_CODES or wait_s > SHORT_WAIT_S or waited_s + wait_s > PATIENCE_S:
                break
            self._sleep(wait_s)
            waited_s += wait_s
        if refusal.code == MISSING_SCOPES:
            refusal = CrmError(f"{MISSING_SCOPES}:{scope}", permanent=False, connection_broken=True)
        raise refusal


@contextmanager
def _of_one_record() -> Generator[None]:
    """Pipedrive lets administrators withhold single persons from a user: that is no reason to stop writing to the others."""
    forbidden = False
    try:
        yield
    except CrmError as error:
        forbidden = error.code == FORBIDDEN
        if not forbidden:
            raise
    if forbidden:
        raise CrmError(FORBIDDEN, permanent=True)


def reading_usage(pace: Pace, read_usage: Callable[[Mapping[str, str]], Usage]) -> Callable[[Mapping[str, str]], Usage]:
    """Both who keep the limits hear of each answer."""

    def read(headers: Mapping[str, str]) -> Usage:
        pace.learn(headers)
        return read_usage(headers)

    return read
