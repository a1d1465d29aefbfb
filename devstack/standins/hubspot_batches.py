"""HubSpot's batch calls: many inputs, one answer that says which of them were done."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from devstack.standins.exchange import Answer
from devstack.standins.hubspot_errors import Refused, invalid, not_found
from devstack.standins.hubspot_links import link_target
from devstack.standins.hubspot_portal import Portal

MAX_INPUTS = 100


@dataclass(frozen=True)
class _Batch:
    """A batch call. names and archived: the properties to show and whether of archived records, for reading only."""

    portal: Portal
    kind: str
    id_property: str | None
    names: list[str] | None = None
    archived: bool = False

    def read(self, item: dict[str, Any]) -> dict[str, Any]:
        if self.archived:
            record = self.portal.archived[self.kind].get(str(item["id"]))
            if record is None:
                raise not_found(self.kind, str(item["id"]))
            return record.shown(self.names)
        return self.portal.get(self.kind, str(item["id"]), id_property=self.id_property).shown(self.names)

    def create(self, item: dict[str, Any]) -> dict[str, Any]:
        return create_record(self.portal, self.kind, item)

    def update(self, item: dict[str, Any]) -> dict[str, Any]:
        record = self.portal.get(self.kind, str(item["id"]), id_property=item.get("idProperty"))
        self.portal.change(self.kind, record, item["properties"])
        return record.shown()

    def upsert(self, item: dict[str, Any]) -> dict[str, Any]:
        name, key = item.get("idProperty"), str(item["id"])
        record = self.portal.find(self.kind, key, id_property=name)
        if record is not None:
            self.portal.change(self.kind, record, item["properties"])
            return {**record.shown(), "new": False}
        if not name:
            raise not_found(self.kind, key)
        return {**self.portal.create(self.kind, {**item["properties"], name: key}, []).shown(), "new": True}

    def archive(self, item: dict[str, Any]) -> dict[str, Any]:
        self.portal.archive(self.kind, str(item["id"]))
        return {}


def answer_batch(portal: Portal, kind: str, verb: str, body: dict[str, Any], *, archived: bool = False) -> Answer:
    """One call of `batch/{verb}`. Raises: Refused when none of it is done."""
    batch = _Batch(portal, kind, body.get("idProperty"))
    verbs = {
        "create": batch.create, "update": batch.update, "upsert": batch.upsert, "archive": batch.archive,
        "read": replace(batch, names=portal.known_names(kind, body.get("properties")), archived=archived).read,
    }  # fmt: skip
    if verb not in verbs:
        raise Refused(404, "OBJECT_NOT_FOUND", "resource not found")
    inputs = _checked_inputs(verb, body)
    if not all(item.get("objectWriteTraceId") for item in inputs):
        _refuse_all_for_one(portal, kind, verb, inputs)
    started_at = _now()
    results: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    for item in inputs:
        trace = item.get("objectWriteTraceId")
        try:
            results.append(verbs[verb](item) | ({"objectWriteTraceId": trace} if trace else {}))
        except Refused as refused:
            _add_error(errors, refused, trace)
    if verb == "archive":
        return Answer(None, 204)
    answer = {"status": "COMPLETE", "startedAt": started_at, "completedAt": _now(), "results": results}
    if errors:
        return Answer({**answer, "numErrors": len(errors), "errors": errors}, 207)
    return Answer(answer, 201 if verb == "create" else 200)


def create_record(portal: Portal, kind: str, item: dict[str, Any]) -> dict[str, Any]:
    """A new record with its links. Raises: Refused."""
    links = [link_target(portal, kind, one) for one in item.get("associations") or []]
    return portal.create(kind, item.get("properties") or {}, links).shown()


def _checked_inputs(verb: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    inputs = body.get("inputs")
    if not isinstance(inputs, list) or not all(isinstance(item, dict) for item in inputs):
        raise invalid("inputs must be a list of objects")
    if len(inputs) > MAX_INPUTS:
        raise invalid(f"The maximum number of inputs supported in a batch request is {MAX_INPUTS}.")
    if verb == "read" and not {"properties", "propertiesWithHistory"} <= set(body):
        raise invalid("Some required fields were not set: [properties, propertiesWithHistory]")
    needed = {"create": {"properties"}, "read": {"id"}, "archive": {"id"}}.get(verb, {"id", "properties"})
    if any(needed - set(item) for item in inputs):
        raise invalid(f"Some required fields were not set: {sorted(needed)}")
    if any(not isinstance(item.get("properties", {}), dict) for item in inputs):
        raise invalid("properties must be an object")
    ids = [str(item["id"]) for item in inputs if "id" in item]
    if verb in {"update", "upsert"} and len(set(ids)) < len(ids):
        raise invalid("Duplicate IDs found in batch input. IDs must be unique")
    return inputs


def _refuse_all_for_one(portal: Portal, kind: str, verb: str, inputs: list[dict[str, Any]]) -> None:
    """Without traces one wrong value fails the whole call. What is not there or is there already fails alone."""
    for item in inputs if verb in {"create", "update", "upsert"} else []:
        record = portal.find(kind, str(item["id"]), id_property=item.get("idProperty")) if "id" in item else None
        if verb == "update" and record is None:
            continue
        try:
            portal.check(kind, item["properties"], record=record)
        except Refused as refused:
            if refused.status == 400:
                raise


def _add_error(errors: list[dict[str, Any]], refused: Refused, trace: str | None) -> None:
    """One entry per input that has a trace; the ids of those that have none and are not there share one."""
    if trace:
        errors.append(refused.item(objectWriteTraceId=[trace]))
        return
    entry = refused.item()
    for known in errors:
        if refused.status == 404 and known["message"] == refused.message and "ids" in known["context"]:
            known["context"]["ids"] += refused.context["ids"]
            return
    errors.append(entry)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
