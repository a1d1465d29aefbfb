"""What the receiver is measured against: a Flask route that checks the signature and, where it has a database, commits one row."""

import atexit
import hashlib
import hmac
import os

from flask import Flask, Response, request
from psycopg_pool import ConnectionPool

# As many as the receiver has.
POOL = 8


def create_app() -> Flask:
    """BARE_SECRET: of the signatures. BARE_DATABASE_URL: of a database with the table bare_message, if any."""
    app = Flask("bare_receiver")
    secret = os.environ["BARE_SECRET"].encode()
    url = os.environ.get("BARE_DATABASE_URL")
    pool = ConnectionPool(url, max_size=POOL, open=True, kwargs={"autocommit": True}) if url else None
    if pool:
        atexit.register(pool.close)

    @app.post("/webhooks/whatsapp")
    def receive() -> Response:
        body = request.get_data(cache=False)
        expected = "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, request.headers.get("X-Hub-Signature-256", "")):
            return Response("", 401)
        if pool:
            with pool.connection() as conn:
                conn.execute("INSERT INTO bare_message (body) VALUES (%s)", (body,))
        return Response("", 200)

    @app.get("/healthz")
    def healthz() -> Response:
        return Response("ok", 200)

    return app
