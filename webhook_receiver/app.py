"""Routes of the receiver. Nothing but storing stands between a webhook and its answer."""

import atexit
import os

import gevent
from flask import Flask, Response, abort, got_request_exception, request
from werkzeug.exceptions import HTTPException

from channels.base import ChannelKind
from channels.registry import PARSERS
from channels.signature import challenge_is_safe, verify_token_matches
from config.error_reports import report
from config.logs import configure_logging
from config.metrics_access import may_read_metrics
from config.observing import start_observing
from config.request_time import TimedBodies
from config.settings import Settings, load_settings
from store.channel_sightings import Sighting
from store.db import Database, StoreError
from store.secrets import Keyring
from webhook_receiver.accounts import AccountDirectory
from webhook_receiver.activity import Activity
from webhook_receiver.intake import Intake
from webhook_receiver.metrics import REJECTED, render
from webhook_receiver.posts import HEADERS, MAX_BODY_BYTES, PLAIN, STORE_DEADLINE_S, WEBHOOKS, Posts
from webhook_receiver.publisher import Publisher
from webhook_receiver.sightings import Sightings
from worker.lanes import Lanes
from worker.rate_budget import RateBudget
from worker.start_checks import check_redis


def _plain(text: str, status: int) -> Response:
    return Response(text + "\n" if status != 200 else text, status, content_type=PLAIN)


def create_app(settings: Settings | None = None) -> Flask:
    """The receiver's application. Raises: SettingsError, SecretError."""
    settings = settings or load_settings(os.environ)
    configure_logging(level=settings.log_level, log_format=settings.log_format)
    check_redis(settings)
    start_observing("receiver", settings)
    url = settings.database_url.get_secret_value()
    database = Database(url, pool_size=settings.database_pool_size, wait_s=2.0, one_plan=True)
    # Its threads must end before gevent does.
    atexit.register(database.close)
    accounts = AccountDirectory(database, Keyring.parse(settings.earshot_keys.get_secret_value()))
    sightings = Sightings(database)
    publisher = Publisher(Lanes(RateBudget(settings.redis_url.get_secret_value())))
    intake = Intake(database, accounts, Activity(database), sightings)

    app = Flask("webhook_receiver", static_folder=None)
    app.extensions["database"] = database
    app.extensions["sightings"] = sightings
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.wsgi_app = TimedBodies(Posts(app, intake, publisher))
    metrics_token = settings.metrics_token.get_secret_value() if settings.metrics_token else None

    @app.get(WEBHOOKS)
    def handshake(kind: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        return _handshake(_known(kind), accounts, sightings)

    @app.post(WEBHOOKS)
    def unknown(kind: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        del kind  # the known ones are answered before Flask is asked
        abort(404)

    @app.get("/healthz")
    def healthz() -> Response:  # pyright: ignore[reportUnusedFunction]
        return _plain("ok", 200)

    @app.get("/readyz")
    def readyz() -> Response:  # pyright: ignore[reportUnusedFunction]
        try:
            with gevent.Timeout(STORE_DEADLINE_S), database.system_transaction() as conn:
                conn.execute("SELECT 1")
        except (StoreError, gevent.Timeout):
            return _plain("the database does not answer", 503)
        return _plain("ready", 200)

    @app.get("/metrics")
    def metrics() -> Response:  # pyright: ignore[reportUnusedFunction]
        peer, proxies = request.remote_addr or "", settings.trusted_proxies
        headers = {name.lower(): value for name, value in request.headers.items()}
        if not may_read_metrics(peer, headers, token=metrics_token, trusted_proxies=proxies):
            return _plain("only with METRICS_TOKEN, or from this machine where none is set", 403)
        page, content_type = render()
        return Response(page, content_type=content_type)

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> Response:  # pyright: ignore[reportUnusedFunction]
        answer = Response(f"{error.name}\n", error.code, error.get_headers())
        answer.content_type = PLAIN
        return answer

    @app.after_request
    def harden(answer: Response) -> Response:  # pyright: ignore[reportUnusedFunction]
        for name, value in HEADERS.items():
            answer.headers.setdefault(name, value)
        return answer

    got_request_exception.connect(_report_bug, app)
    return app


def _report_bug(_: Flask, *, exception: BaseException, **__: object) -> None:
    report(exception)


def _known(kind: str) -> ChannelKind:
    if kind not in PARSERS:
        abort(404)
    return kind


def _handshake(kind: ChannelKind, accounts: AccountDirectory, sightings: Sightings) -> Response:
    challenge = request.args.get("hub.challenge", "")
    if not challenge_is_safe(challenge):
        return _plain("hub.challenge is missing or not of letters, digits, - and _", 400)
    try:
        tokens = accounts.get().verify_tokens(kind)
    except StoreError:
        return _plain("the database does not answer; try again", 503)
    given = request.args.get("hub.verify_token", "")
    # All tokens are compared, so that the time says nothing about which one was close.
    known = [account_ids for token, account_ids in tokens.items() if verify_token_matches(given, token)]
    if request.args.get("hub.mode") != "subscribe" or not known:
        REJECTED.labels(kind, "handshake").inc()
        sightings.note([Sighting(kind, None, "wrong_token")])
        return _plain("hub.mode must be subscribe and hub.verify_token one that a tenant has set", 403)
    sightings.note(Sighting(kind, account_id, "handshake") for account_ids in known for account_id in account_ids)
    return _plain(challenge, 200)
