"""Joins the API to the console's application."""

from functools import cache
from typing import Any

from flask import Response, g, jsonify, request
from flask_openapi3.models.info import Info
from flask_openapi3.openapi import OpenAPI
from werkzeug.exceptions import HTTPException

from console.api import (
    accounting,
    actions,
    agents,
    alerts,
    api_keys,
    audit_log,
    channels,
    connections,
    conversation_work,
    conversations,
    corrections,
    crm,
    customers,
    dead_letters,
    decisions,
    erasures,
    examples,
    inbox,
    insights,
    laboratory,
    messages,
    overview,
    people,
    privacy,
    problems,
    queues,
    reanalyses,
    replies,
    samples,
    settings,
    sla,
    sweeps,
    webhooks,
)
from console.api.callers import admit
from console.api.description import describe
from console.api.failed_keys import FailedKeys
from console.api.key_calls import Allowance, KeyCalls
from console.api.paths import DOCS, DOCUMENT, PREFIX, SECURITY_SCHEMES
from console.api.webhook_document import with_webhooks
from console.row_numbers import RowNumber
from store.db import Database, StoreError

MAX_BODY_BYTES = 64 * 1024
# No body of ours has more than four.
MAX_DEPTH = 16
BLUEPRINTS = (
    overview.blueprint,
    inbox.blueprint,
    queues.blueprint,
    conversations.blueprint,
    conversation_work.blueprint,
    replies.blueprint,
    messages.blueprint,
    customers.blueprint,
    decisions.blueprint,
    actions.blueprint,
    agents.blueprint,
    alerts.blueprint,
    sla.blueprint,
    insights.blueprint,
    crm.blueprint,
    settings.blueprint,
    people.blueprint,
    api_keys.blueprint,
    audit_log.blueprint,
    connections.blueprint,
    corrections.blueprint,
    reanalyses.blueprint,
    samples.blueprint,
    examples.blueprint,
    laboratory.blueprint,
    sweeps.blueprint,
    webhooks.blueprint,
    channels.blueprint,
    accounting.blueprint,
    dead_letters.blueprint,
    privacy.blueprint,
    erasures.blueprint,
)


def new_application() -> OpenAPI:
    """An application that describes its API as it is built. Its own pages come from elsewhere."""
    app = OpenAPI(
        "console",
        info=Info(
            title="Earshot",
            version="1",
            description="Everything in the console, for programs: inbox, conversations, replies, customers, insights, alerts, CRM, privacy and webhooks.",
        ),
        security_schemes=SECURITY_SCHEMES,
        doc_ui=False,
        validation_error_callback=problems.from_validation,
    )
    app.url_map.converters["int"] = RowNumber
    return app


def add_api(
    app: OpenAPI, database: Database, *, failed_keys: FailedKeys, key_calls: KeyCalls, trusted_proxies: int
) -> None:
    """All routes, behind a key; errors as problems. trusted_proxies: see client_address."""
    app.extensions["database"] = database
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES

    @app.before_request
    def let_in() -> None:
        is_ours = request.path.startswith(f"{PREFIX}/") and request.path not in {DOCUMENT, DOCS}
        if is_ours and request.endpoint is not None:
            admit(database, failed_keys=failed_keys, key_calls=key_calls, trusted_proxies=trusted_proxies)
            if request.method in {"POST", "PATCH", "PUT", "DELETE"}:
                _check_body()

    for blueprint in BLUEPRINTS:
        app.register_api(blueprint)

    @cache
    def description() -> dict[str, Any]:
        return with_webhooks(describe(app))

    app.extensions["api_description"] = description

    @app.get(DOCUMENT, doc_ui=False)
    def document() -> Response:
        return jsonify(description())

    @app.after_request
    def tell_allowance(response: Response) -> Response:
        allowance: Allowance | None = g.get("allowance")
        if allowance is not None:
            response.headers.extend(allowance.headers)
        return response

    app.register_error_handler(problems.Problem, lambda problem: problem.response())
    app.register_error_handler(StoreError, problems.from_store)

    @app.errorhandler(Exception)
    def failed(error: Exception) -> Response | HTTPException:
        if isinstance(error, HTTPException):
            return problems.from_http(error) if request.path.startswith("/api/") else error
        return problems.from_bug(error)


def _check_body() -> None:
    """A body that is not JSON must not count as none."""
    if not request.get_data(cache=True):
        return
    if not request.is_json:
        fix = "send a JSON object with Content-Type: application/json, or no body"
        raise problems.Problem(415, "unsupported_media_type", field="Content-Type", fix=fix)
    try:
        body = request.get_json(silent=True)
        fits = body is not None and _is_shallow(body, MAX_DEPTH)
    except RecursionError:  # thousands of brackets
        fits = False
    if not fits:
        fix = f"send a JSON object, at most {MAX_DEPTH} levels deep, with Content-Type: application/json, or no body"
        raise problems.Problem(422, "not_json", field="body", fix=fix)


def _is_shallow(body: Any, levels: int) -> bool:
    """Whether nothing in it lies deeper than so many levels."""
    inside = list(body.values()) if isinstance(body, dict) else body if isinstance(body, list) else []
    return not inside or (levels > 0 and all(_is_shallow(one, levels - 1) for one in inside))
