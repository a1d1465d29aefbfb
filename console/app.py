"""The console's application: the API, and for now one page that says Earshot runs, and where."""

import atexit
import os
from collections.abc import Mapping

from flask import Flask, Response, render_template
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from config.logs import configure_logging
from config.settings import Settings, load_settings
from console.api.application import add_api, new_application
from console.api.failed_keys import FailedKeys
from store.db import Database

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


def _links(environ: Mapping[str, str]) -> dict[str, str]:
    """Address by what is there; `earshot up` tells us where it put the others."""
    known = {"Webhook receiver": environ.get("RECEIVER_URL"), "Task queues (Flower)": environ.get("FLOWER_URL")}
    return {title: url for title, url in known.items() if url}


def create_app(environ: Mapping[str, str] | None = None, *, settings: Settings | None = None) -> Flask:
    """The console's application. Raises: SettingsError."""
    environ = os.environ if environ is None else environ
    settings = settings or load_settings(environ)
    configure_logging(level=settings.log_level, log_format=settings.log_format)
    database = Database(settings.database_url.get_secret_value(), pool_size=settings.database_pool_size)
    # Its threads must end before gevent does.
    atexit.register(database.close)
    links = _links(environ)
    app = new_application()
    secret = settings.earshot_keys.get_secret_value().encode()
    add_api(
        app,
        database,
        failed_keys=FailedKeys(settings.redis_url.get_secret_value(), secret=secret),
        trusted_proxies=settings.trusted_proxies,
    )

    @app.get("/", doc_ui=False)
    def index() -> str:
        return render_template("running.html", links=links)

    @app.get("/healthz", doc_ui=False)
    def healthz() -> Response:
        return Response("ok", content_type="text/plain; charset=utf-8")

    @app.get("/metrics", doc_ui=False)
    def metrics() -> Response:
        return Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)

    @app.after_request
    def harden(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    return app
