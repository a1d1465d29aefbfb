"""The console's application: for now one page that says Earshot runs, and where."""

import os
from collections.abc import Mapping

from flask import Flask, Response, render_template

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


def _links(environ: Mapping[str, str]) -> dict[str, str]:
    """Address by what is there; `earshot up` tells us where it put the others."""
    known = {"Webhook receiver": environ.get("RECEIVER_URL"), "Task queues (Flower)": environ.get("FLOWER_URL")}
    return {title: url for title, url in known.items() if url}


def create_app(environ: Mapping[str, str] | None = None) -> Flask:
    """The console's application."""
    links = _links(os.environ if environ is None else environ)
    app = Flask("console")

    @app.get("/")
    def index() -> str:  # pyright: ignore[reportUnusedFunction]
        return render_template("running.html", links=links)

    @app.get("/healthz")
    def healthz() -> Response:  # pyright: ignore[reportUnusedFunction]
        return Response("ok", content_type="text/plain; charset=utf-8")

    @app.after_request
    def harden(response: Response) -> Response:  # pyright: ignore[reportUnusedFunction]
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    return app
