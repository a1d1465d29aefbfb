"""The events that tenants' programs are told, as the `webhooks` of the API's OpenAPI document."""

from typing import Any

from pydantic.json_schema import models_json_schema

from routing.webhook_events import EVENTS

_PREFIX = "Webhook."
_HEADERS = (
    ("webhook-id", "The event's id, the same at every try: keep the ids you have seen."),
    ("webhook-timestamp", "When this try was made, in seconds since 1970."),
    ("webhook-signature", "Signatures, separated by blanks: `v1,` and base64 of HMAC-SHA256 of `id.timestamp.body`."),
)


def with_webhooks(document: dict[str, Any]) -> dict[str, Any]:
    """The document with what it can't describe by routes. Nothing of what is given is changed."""
    references, schemas = models_json_schema(
        [(event, "serialization") for event in EVENTS], ref_template=f"#/components/schemas/{_PREFIX}{{model}}"
    )
    components = document.get("components", {})
    told = {_PREFIX + name: schema for name, schema in schemas.get("$defs", {}).items()}
    return {
        **document,
        "components": {**components, "schemas": {**components.get("schemas", {}), **told}},
        "webhooks": {
            event.model_fields["type"].default: {
                "post": _operation(event.__doc__ or "", references[event, "serialization"])
            }
            for event in EVENTS
        },
    }


def _operation(says: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "tags": ["webhooks"],
        "summary": says.partition(".")[0],
        "description": says,
        "security": [],
        "parameters": [
            {"name": name, "in": "header", "required": True, "description": what, "schema": {"type": "string"}}
            for name, what in _HEADERS
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {
            "2XX": {"description": "Taken."},
            "410": {"description": "Not wanted any more: the webhook is switched off."},
            "default": {"description": "Told again, up to eleven times within about three days."},
        },
    }
