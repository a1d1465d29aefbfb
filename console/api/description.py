"""The API's own description: what flask-openapi3 reads from the routes, and what all of them have in common."""

from typing import Any

from flask_openapi3.openapi import OpenAPI

from console.api.callers import MAY_CALL
from console.api.late_description import LateBlueprint
from console.api.paths import PREFIX
from console.api.scopes import SCOPE_OF
from console.api.writing import IDEMPOTENCY_KEY
from console.deeds import ACTS_FOR
from routing.work_rights import Role
from store.api_writes import KEPT_FOR_H

WRITES = frozenset({"post", "put", "patch", "delete"})
ROLES: tuple[Role, ...] = ("agent", "supervisor", "admin", "auditor")
# What only a call with a body can meet.
_OF_BODIES = ("409", "413", "415")

# Sent to ask for something: there is nothing to be done twice.
ONLY_ASKS = frozenset({"settings.simulate", "laboratory.plan", "sweeps.plan", "erasures.find"})

_ACTS_FOR: dict[str, Any] = {
    "name": ACTS_FOR,
    "in": "header",
    "required": False,
    "description": "The e-mail of a member of the tenant to act for, with a supervisor's or admin's key.",
    "schema": {"type": "string", "maxLength": 320},
}
_ONCE: dict[str, Any] = {
    "name": IDEMPOTENCY_KEY,
    "in": "header",
    "required": False,
    "description": f"Within {KEPT_FOR_H} hours the same call under the same name is done once.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,200}$"},
}


def describe(app: OpenAPI) -> dict[str, Any]:
    """OpenAPI 3.1. x-roles: who may call a route; x-scopes: what a narrowed key must have for it; its operationId is the one in MAY_CALL."""
    document = _read_routes(app)
    endpoints = _endpoints(app)
    for path, item in document["paths"].items():
        for method, operation in item.items():
            endpoint = endpoints[method, path]
            operation["operationId"] = endpoint.replace(".", "_")
            operation["x-roles"] = [role for role in ROLES if role in MAY_CALL[endpoint]]
            operation["x-scopes"] = [SCOPE_OF[endpoint]]
            operation["security"] = [{"api_key": [SCOPE_OF[endpoint]]}]
            operation["description"] = " ".join(operation.get("description", "").replace("<br/>", " ").split())
            operation.setdefault("parameters", []).append(_ACTS_FOR)
            if method in WRITES and endpoint not in ONLY_ASKS:
                operation["parameters"].append(_ONCE)
            if method not in WRITES:
                for status in _OF_BODIES:
                    operation["responses"].pop(status, None)
    return document


def _read_routes(app: OpenAPI) -> dict[str, Any]:
    for blueprint in app.iter_blueprints():
        if isinstance(blueprint, LateBlueprint):
            blueprint.describe_routes(app)
    document: dict[str, Any] = app.api_doc
    # What the document was made of is 18 MB, and can be made again.
    app.spec_json = {}
    for kept in (app.paths, app.components_schemas, app.tags, app.tag_names):
        kept.clear()
    return document


def _endpoints(app: OpenAPI) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    for rule in app.url_map.iter_rules():
        path = str(rule).replace("<", "{").replace(">", "}")
        if path.startswith(PREFIX):
            found.update({(method.lower(), path): rule.endpoint for method in rule.methods or ()})
    return found
