"""Joins the API to the console's application."""

from flask import Response, jsonify, request
from flask_openapi3.models.info import Info
from flask_openapi3.openapi import OpenAPI
from werkzeug.exceptions import HTTPException

from console.api import (
    actions,
    agents,
    alerts,
    conversation_work,
    conversations,
    crm,
    decisions,
    problems,
    queues,
    settings,
    webhooks,
)
from console.api.callers import admit
from console.api.failed_keys import FailedKeys
from console.api.paths import PREFIX, SECURITY_SCHEMES
from console.api.webhook_document import with_webhooks
from store.db import Database, StoreError

MAX_BODY_BYTES = 64 * 1024
DOCUMENT = f"{PREFIX}/openapi.json"
BLUEPRINTS = (
    queues.blueprint,
    conversations.blueprint,
    conversation_work.blueprint,
    actions.blueprint,
    agents.blueprint,
    alerts.blueprint,
    crm.blueprint,
    decisions.blueprint,
    settings.blueprint,
    webhooks.blueprint,
)


def new_application() -> OpenAPI:
    """An application that describes its API as it is built. Its own pages come from elsewhere."""
    return OpenAPI(
        "console",
        info=Info(
            title="Earshot",
            version="1",
            description="Work queues, conversations, actions, agents, alerts, settings, the CRM and webhooks.",
        ),
        security_schemes=SECURITY_SCHEMES,
        doc_ui=False,
        validation_error_callback=problems.from_validation,
    )


def add_api(app: OpenAPI, database: Database, *, failed_keys: FailedKeys, trusted_proxies: int) -> None:
    """All routes, behind a key; errors as problems. trusted_proxies: see client_address."""
    app.extensions["database"] = database
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES

    @app.before_request
    def let_in() -> None:
        if request.path.startswith(f"{PREFIX}/") and request.path != DOCUMENT and request.endpoint is not None:
            admit(database, failed_keys=failed_keys, trusted_proxies=trusted_proxies)
            if request.method in {"POST", "PATCH", "PUT", "DELETE"}:
                _check_body()

    for blueprint in BLUEPRINTS:
        app.register_api(blueprint)

    @app.get(DOCUMENT, doc_ui=False)
    def document() -> Response:
        return jsonify(with_webhooks(app.api_doc))

    app.register_error_handler(problems.Problem, lambda problem: problem.response())
    app.register_error_handler(StoreError, problems.from_store)

    @app.errorhandler(Exception)
    def failed(error: Exception) -> Response | HTTPException:
        if isinstance(error, HTTPException):
            return problems.from_http(error) if request.path.startswith("/api/") else error
        return problems.from_bug(error)


def _check_body() -> None:
    """A body that is not JSON must not count as none."""
    try:
        is_none = request.get_json(silent=True) is None
    except RecursionError:  # thousands of brackets
        is_none = True
    if request.get_data(cache=True) and is_none:
        fix = "send a JSON object with Content-Type: application/json, or no body"
        raise problems.Problem(422, "not_json", field="body", fix=fix)
