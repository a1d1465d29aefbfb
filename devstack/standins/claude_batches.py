"""Anthropic's Message Batches API: created at once, processed after a while, read as shuffled JSON lines, deleted."""

import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import gevent

from devstack.standins.exchange import Answer, Request

MAX_REQUESTS = 100_000
DEFAULT_PAGE, MAX_PAGE = 20, 1000
KEPT_FOR = timedelta(hours=24)
# A batch of thousands must not keep other requests of this process waiting.
AT_ONCE = 20
_PATH = "/v1/messages/batches"
_CUSTOM_ID = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")

ResultOf = Callable[[dict[str, Any], str], dict[str, Any]]


@dataclass
class _Batch:
    """One batch. results: by custom id; filled when it has ended."""

    id: str
    owner: str
    requests: dict[str, dict[str, Any]]
    created_at: datetime
    status: str = "in_progress"
    ended_at: datetime | None = None
    cancel_initiated_at: datetime | None = None
    results: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])

    def shown(self, *, host: str) -> dict[str, Any]:
        """As the API shows it. Counts other than `processing` stay 0 until its end."""
        counts = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
        if self.status != "ended":
            counts["processing"] = len(self.requests)
        else:
            for result in self.results.values():
                counts[result["type"]] += 1
        return {
            "id": self.id,
            "type": "message_batch",
            "processing_status": self.status,
            "request_counts": counts,
            "created_at": _time(self.created_at),
            "expires_at": _time(self.created_at + KEPT_FOR),
            "ended_at": _time(self.ended_at),
            "cancel_initiated_at": _time(self.cancel_initiated_at),
            "archived_at": None,
            "results_url": f"http://{host}{_PATH}/{self.id}/results" if self.status == "ended" else None,
        }


class Batches:
    """All batches of one stand-in. result_of: what becomes of one request's params, and whose they are: {"type": "succeeded", "message"} or an error."""

    def __init__(self, result_of: ResultOf) -> None:
        self.seconds = 0.5
        """How long processing takes."""
        self._result_of = result_of
        self._batches: dict[str, _Batch] = {}
        self._made = 0

    def serves(self, request: Request) -> bool:
        """Whether the request is for this API."""
        return request.path == _PATH or request.path.startswith(_PATH + "/")

    def answer(self, request: Request, *, owner: str) -> Answer:
        """One API call of `owner`, who sees no other's batches."""
        host = request.headers.get("host", "127.0.0.1")
        batch_id, _, verb = request.path.removeprefix(_PATH).strip("/").partition("/")
        if not batch_id:
            if request.method == "POST":
                return self._create(request.json(), owner=owner, host=host)
            return self._list(request.query, owner=owner, host=host) if request.method == "GET" else _missing()
        batch = self._batches.get(batch_id)
        if batch is None or batch.owner != owner:
            return _missing()
        match request.method, verb:
            case "GET", "":
                return Answer(batch.shown(host=host))
            case "GET", "results":
                return _results(batch)
            case "POST", "cancel":
                return self._cancel(batch, host=host)
            case "DELETE", "":
                return self._delete(batch)
            case _:
                return _missing()

    def _create(self, payload: Any, *, owner: str, host: str) -> Answer:
        requests = payload.get("requests") if isinstance(payload, dict) else None
        problem = _problem(requests)
        if problem or not isinstance(requests, list):
            return _error(400, "invalid_request_error", problem or "requests: Field required")
        self._made += 1
        batch = _Batch(
            f"msgbatch_standin{self._made:012d}",
            owner,
            {one["custom_id"]: one["params"] for one in requests},
            datetime.now(UTC),
        )
        self._batches[batch.id] = batch
        gevent.spawn(self._process, batch)
        return Answer(batch.shown(host=host))

    def _process(self, batch: _Batch) -> None:
        """Answer its requests when its time has come. What was cancelled by then is not answered, and costs nothing."""
        gevent.sleep(self.seconds)
        for number, (custom_id, params) in enumerate(batch.requests.items()):
            if number % AT_ONCE == 0:
                gevent.sleep(0)
            batch.results[custom_id] = (
                {"type": "canceled"} if batch.status == "canceling" else self._result_of(params, batch.owner)
            )
        batch.status, batch.ended_at = "ended", datetime.now(UTC)

    def _list(self, query: dict[str, str], *, owner: str, host: str) -> Answer:
        """Newest first."""
        mine = [batch for batch in reversed(self._batches.values()) if batch.owner == owner]
        ids = [batch.id for batch in mine]
        limit = min(max(int(query.get("limit", DEFAULT_PAGE)), 1), MAX_PAGE)
        after, before = query.get("after_id"), query.get("before_id")
        if after in ids:
            mine = mine[ids.index(after) + 1 :]
        elif before in ids:
            mine = mine[: ids.index(before)]
        page = mine[:limit]
        return Answer(
            {
                "data": [batch.shown(host=host) for batch in page],
                "has_more": len(mine) > limit,
                "first_id": page[0].id if page else None,
                "last_id": page[-1].id if page else None,
            }
        )

    def _cancel(self, batch: _Batch, *, host: str) -> Answer:
        if batch.status == "in_progress":
            batch.status, batch.cancel_initiated_at = "canceling", datetime.now(UTC)
        return Answer(batch.shown(host=host))

    def _delete(self, batch: _Batch) -> Answer:
        if batch.status != "ended":
            return _error(400, "invalid_request_error", "A batch in progress cannot be deleted; cancel it first")
        del self._batches[batch.id]
        return Answer({"id": batch.id, "type": "message_batch_deleted"})


def _results(batch: _Batch) -> Answer:
    if batch.status != "ended":
        return _missing()
    lines = [{"custom_id": custom_id, "result": result} for custom_id, result in batch.results.items()]
    random.shuffle(lines)
    return Answer("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))


def _problem(requests: Any) -> str | None:
    """What the API refuses at once. Params it looks at later."""
    if not isinstance(requests, list) or not requests:
        return "requests: at least one request is required"
    if len(requests) > MAX_REQUESTS:
        return f"requests: at most {MAX_REQUESTS} requests are allowed"
    for number, one in enumerate(requests):
        if not isinstance(one, dict) or not isinstance(one.get("params"), dict):
            return f"requests.{number}.params: Field required"
        if not isinstance(one.get("custom_id"), str) or not _CUSTOM_ID.match(one["custom_id"]):
            return f"requests.{number}.custom_id: String should match pattern '{_CUSTOM_ID.pattern}'"
    ids = [one["custom_id"] for one in requests]
    return None if len(set(ids)) == len(ids) else "requests: custom_id must be unique"


def _time(at: datetime | None) -> str | None:
    return at.isoformat().replace("+00:00", "Z") if at else None


def _missing() -> Answer:
    return _error(404, "not_found_error", "Not found")


def _error(status: int, kind: str, message: str) -> Answer:
    return Answer({"type": "error", "error": {"type": kind, "message": message}}, status)
