"""Filling in a form: values made to fit the JSON schema that a request brings."""

from typing import Any

# What structured outputs refuse in a schema (structured outputs, 2026).
_REFUSED_KEYWORDS = {
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "maxItems",
    "uniqueItems", "patternProperties", "minProperties", "maxProperties",
}  # fmt: skip
_DEFAULTS: dict[str, Any] = {
    "string": "", "integer": 0, "number": 0.0, "boolean": False, "array": [], "object": {}, "null": None,
}  # fmt: skip
# The label to fall back on when the schema does not know ours.
_CALM_LABELS = ("neutral", "other", "none", "und", "medium")


def fill(fields: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """An object with exactly the properties of the schema, in its order; all fields when it names none."""
    properties: dict[str, Any] = schema.get("properties") or {}
    if not properties:
        return fields
    return {name: _fit(fields.get(name), one, root=schema) for name, one in properties.items()}


def schema_problem(schema: dict[str, Any]) -> str | None:
    """Why the API would refuse the schema, or None."""
    for node in _nodes(schema):
        if refused := _REFUSED_KEYWORDS & set(node):
            return f"output_config.format.schema: For '{node.get('type')}' type, property '{min(refused)}' is not supported"
        if node.get("type") == "object" and node.get("additionalProperties") is not False:
            return (
                "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false"
            )
    return None


def _nodes(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The schema and all schemas in it."""
    inner = [*(schema.get("properties") or {}).values(), *(schema.get("$defs") or {}).values()]
    inner += [*(schema.get("anyOf") or []), *(schema.get("allOf") or []), schema.get("items")]
    return [schema, *(node for one in inner if isinstance(one, dict) for node in _nodes(one))]


def _fit(value: Any, schema: dict[str, Any], *, root: dict[str, Any]) -> Any:
    if reference := schema.get("$ref"):
        return _fit(value, (root.get("$defs") or {}).get(str(reference).rpartition("/")[2], {}), root=root)
    if "const" in schema:
        return schema["const"]
    if choices := schema.get("enum"):
        return _choose(value, choices)
    if options := schema.get("anyOf"):
        return _fit(value, next((one for one in options if _has_type(value, one.get("type"))), options[0]), root=root)
    kind = str(schema.get("type", "string"))
    if kind == "object":
        return fill(value if isinstance(value, dict) else {}, schema)
    if kind == "array" and isinstance(value, list):
        return [_fit(item, schema.get("items") or {}, root=root) for item in value]
    if kind == "integer" and isinstance(value, float):
        return round(value)
    return value if _has_type(value, kind) else _DEFAULTS.get(kind)


def _choose(value: Any, choices: list[Any]) -> Any:
    if value in choices:
        return value
    if _has_type(value, "number") and all(_has_type(one, "number") for one in choices):
        return min(choices, key=lambda one: abs(one - value))
    return next((label for label in _CALM_LABELS if label in choices), choices[0])


def _has_type(value: Any, kind: str | None) -> bool:
    if isinstance(value, bool) or kind == "boolean":
        return isinstance(value, bool) and kind == "boolean"
    types: dict[str, Any] = {"string": str, "integer": int, "number": (int, float), "array": list, "object": dict}
    return value is None if kind == "null" else isinstance(value, types.get(kind or "", ()))
