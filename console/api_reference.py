"""The API's document as people read it: routes by subject, and the shapes of what is sent and answered. Pure."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

METHODS = ("get", "post", "put", "patch", "delete")
_REF = "#/components/schemas/"
_DEEPEST = 6


@dataclass(frozen=True)
class Type:
    """What a value is: words, with the name of a shape where it is one."""

    words: str
    shape: str | None = None


@dataclass(frozen=True)
class Field:
    """One field or parameter. where: path, query, header or body."""

    name: str
    where: str
    type: Type
    is_required: bool
    about: str


@dataclass(frozen=True)
class Route:
    """One call. body, answer: names of shapes, None where there is none. errors: (status, when)."""

    anchor: str
    method: str
    path: str
    summary: str
    about: str
    roles: tuple[str, ...]
    scopes: tuple[str, ...]
    parameters: tuple[Field, ...]
    body: str | None
    answer: str | None
    errors: tuple[tuple[str, str], ...]
    curl: str


@dataclass(frozen=True)
class Shape:
    """A JSON object."""

    name: str
    about: str
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Reference:
    """headers: what every call may carry, by name. subjects: routes by subject, in the document's order. shapes: those that a route
    names, by name.
    """

    headers: list[Field]
    subjects: Mapping[str, list[Route]]
    shapes: list[Shape]


def read_reference(document: Mapping[str, Any]) -> Reference:
    """From an OpenAPI 3.1 document."""
    schemas: dict[str, Any] = document.get("components", {}).get("schemas", {})
    headers: dict[str, Field] = {}
    subjects: dict[str, list[Route]] = {tag["name"]: [] for tag in document.get("tags", [])}
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                operation = item[method]
                headers.update(
                    {one["name"]: _parameter(one) for one in operation["parameters"] if one["in"] == "header"}
                )
                subject = (operation.get("tags") or ["other"])[0]
                subjects.setdefault(subject, []).append(_route(method, path, operation, schemas))
    named: set[str] = set()
    for routes in subjects.values():
        for route in routes:
            for name in (route.body, route.answer):
                _gather(name, schemas, named)
    return Reference(
        [headers[name] for name in sorted(headers)],
        {subject: routes for subject, routes in subjects.items() if routes},
        [_shape(name, schemas[name]) for name in sorted(named)],
    )


def _route(method: str, path: str, operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> Route:
    responses: dict[str, Any] = operation["responses"]
    body = _shape_of(operation.get("requestBody", {}))
    return Route(
        anchor=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation.get("summary", ""),
        about=operation.get("description", ""),
        roles=tuple(operation.get("x-roles", ())),
        scopes=tuple(operation.get("x-scopes", ())),
        parameters=tuple(_parameter(one) for one in operation["parameters"] if one["in"] != "header"),
        body=body,
        answer=_shape_of(responses.get("200", {})),
        errors=tuple((status, one.get("description", "")) for status, one in responses.items() if status >= "300"),
        curl=_curl(method, path, example({"$ref": _REF + body}, schemas) if body else None),
    )


def _shape_of(holder: Mapping[str, Any]) -> str | None:
    reference: str = holder.get("content", {}).get("application/json", {}).get("schema", {}).get("$ref", "")
    return reference.removeprefix(_REF) or None


def _parameter(given: Mapping[str, Any]) -> Field:
    schema = given.get("schema", {})
    return Field(
        given["name"], given["in"], describe_type(schema), bool(given.get("required")), given.get("description", "")
    )


def _shape(name: str, schema: Mapping[str, Any]) -> Shape:
    required = schema.get("required", ())
    fields = tuple(
        Field(field, "body", describe_type(one), field in required, one.get("description", ""))
        for field, one in schema.get("properties", {}).items()
    )
    return Shape(name, " ".join(schema.get("description", "").split()), fields)


def describe_type(schema: Mapping[str, Any]) -> Type:
    """In words: "list of strings", "integer from 1 to 100, else 50", "one of a, b, or null"."""
    reference: str | None = schema.get("$ref")
    if reference:
        name = reference.removeprefix(_REF)
        return Type(name, name)
    choices: list[Mapping[str, Any]] = schema.get("anyOf") or schema.get("oneOf") or []
    if choices:
        found = [describe_type(one) for one in choices]
        shape = next((one.shape for one in found if one.shape), None)
        return Type(" or ".join(one.words for one in found), shape)
    if "enum" in schema or "const" in schema:
        values = schema.get("enum") or [schema["const"]]
        return Type("one of " + ", ".join(json.dumps(value) for value in values))
    if schema.get("type") == "array":
        inside = describe_type(schema.get("items", {}))
        return Type(f"list of {inside.words}", inside.shape)
    words = str(schema.get("type") or "anything")
    more = [str(schema["format"])] if "format" in schema else []
    more += [f"{name} {schema[key]}" for key, name in _LIMITS.items() if schema.get(key) is not None]
    if schema.get("default") is not None:
        more.append(f"else {json.dumps(schema['default'])}")
    return Type(f"{words} ({', '.join(more)})" if more else words)


_LIMITS = {
    "minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below", "maxLength": "at most", "pattern": "like",
}  # fmt: skip


def _gather(name: str | None, schemas: Mapping[str, Any], named: set[str]) -> None:
    """The shape and all that are in it."""
    if name is None or name in named or name not in schemas:
        return
    named.add(name)
    for reference in _references(schemas[name].get("properties", {})):
        _gather(reference, schemas, named)


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        found: dict[str, Any] = part
        if isinstance(found.get("$ref"), str):
            yield found["$ref"].removeprefix(_REF)
        for value in found.values():
            yield from _references(value)
    elif isinstance(part, list):
        for value in part:
            yield from _references(value)


def example(schema: Mapping[str, Any], schemas: Mapping[str, Any], *, depth: int = 0) -> Any:
    """A value that shows how it is written. Fields that may be left out are, unless they have an example or nothing else is there."""
    if "$ref" in schema:
        schema = schemas.get(schema["$ref"].removeprefix(_REF), {})
    if depth > _DEEPEST:
        return None
    if "example" in schema:
        return schema["example"]
    for key in ("anyOf", "oneOf"):
        if schema.get(key):
            return example(schema[key][0], schemas, depth=depth + 1)
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "object" or "properties" in schema:
        properties: dict[str, Any] = schema.get("properties", {})
        required: list[str] = schema.get("required", [])
        needed = [name for name, one in properties.items() if name in required or "example" in one]
        return {name: example(properties[name], schemas, depth=depth + 1) for name in needed or list(properties)[:1]}
    if schema.get("type") == "array":
        return [example(schema.get("items", {}), schemas, depth=depth + 1)]
    formats = {
        "uuid": "00000000-0000-0000-0000-000000000000",
        "date": "2026-11-25",
        "date-time": "2026-11-25T09:00:00Z",
    }
    if schema.get("format") in formats:
        return formats[schema["format"]]
    plain = {"string": "…", "integer": 1, "number": 1.0, "boolean": True}
    return plain.get(str(schema.get("type")))


def _curl(method: str, path: str, body: Any) -> str:
    parts = ["curl"] if method == "get" else [f"curl -X {method.upper()}"]
    parts.append('-H "Authorization: Bearer $KEY"')
    if body:
        parts.append(f"-H 'Content-Type: application/json' -d '{json.dumps(body, ensure_ascii=False)}'")
    return " ".join([*parts, f'"$CONSOLE{path}"'])
