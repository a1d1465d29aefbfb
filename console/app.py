"""The console's application: pages for people and the API for programs."""

import atexit
import os
from collections.abc import Mapping
from datetime import timedelta

from flask import Flask, Response, redirect, request, session, url_for
from flask_openapi3.openapi import OpenAPI
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from werkzeug.exceptions import BadRequest, Forbidden, HTTPException, InternalServerError, ServiceUnavailable
from werkzeug.wrappers import Response as AnyResponse

from config.error_reports import report
from config.logs import configure_logging
from config.metrics_access import may_read_metrics
from config.observing import start_observing
from config.request_time import TimedBodies
from config.settings import Settings, load_settings
from console.api.application import add_api, new_application
from console.api.failed_keys import FailedKeys
from console.api.key_calls import KeyCalls
from console.api.problems import from_bug, from_http, from_store
from console.compression import add_compression
from console.forged_forms import refuse_forged
from console.kept_forms import keep_form
from console.live_pages import LivePages
from console.oidc import new_provider
from console.pages import (
    api_reference,
    conversation,
    go,
    inbox,
    insight_figures,
    insight_files,
    insight_trend,
    insights,
    live,
    me,
    oidc,
    reply,
    sample,
    sign_in,
    welcome,
)
from console.pages.admin import accounting as admin_accounting
from console.pages.admin import alert_targets as admin_alert_targets
from console.pages.admin import alerts as admin_alerts
from console.pages.admin import audit_log as admin_audit_log
from console.pages.admin import channel_checks as admin_channel_checks
from console.pages.admin import channels as admin_channels
from console.pages.admin import crm as admin_crm
from console.pages.admin import crm_connection as admin_crm_connection
from console.pages.admin import dead_letters as admin_dead_letters
from console.pages.admin import errands as admin_errands
from console.pages.admin import examples as admin_examples
from console.pages.admin import keys as admin_keys
from console.pages.admin import laboratory as admin_laboratory
from console.pages.admin import overview as admin_overview
from console.pages.admin import people as admin_people
from console.pages.admin import privacy as admin_privacy
from console.pages.admin import privacy_customers as admin_privacy_customers
from console.pages.admin import rule_editor as admin_rules
from console.pages.admin import settings as admin_settings
from console.pages.admin import settings_actions as admin_settings_actions
from console.pages.admin import settings_form as admin_settings_form
from console.pages.admin import settings_history as admin_settings_history
from console.pages.admin import start as admin_start
from console.pages.admin import start_settings as admin_start_settings
from console.pages.admin import sweep_flips as admin_sweep_flips
from console.pages.admin import sweeps as admin_sweeps
from console.pages.admin import tenants as admin_tenants
from console.pages.admin import webhooks as admin_webhooks
from console.pages.rendering import add_to_templates, problem_page
from console.queue_counts import QueueCounts
from console.script_gate import ScriptGate
from console.static_files import add_static_files
from console.timing import add_timing
from console.visitors import SESSION_KEY, let_in, settle_language, to_sign_in
from store.db import Database, StoreError
from store.secrets import Keyring
from store.web_sessions import AGE_H
from worker.start_checks import check_redis

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "object-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)

HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
}
# Where the console's own address is https:// browsers ask for nothing else for two years.
HSTS = "max-age=63072000"

_PAGES = (
    sign_in, welcome, oidc, me, inbox, conversation, reply, live, go, insights, insight_figures, insight_trend,
    insight_files, api_reference, sample,
)  # fmt: skip
# Where a form may come from somebody who is not signed in.
_OPEN = frozenset(page.blueprint.name for page in (sign_in, welcome, oidc))
_ADMIN_PAGES = (
    admin_overview, admin_tenants, admin_start, admin_start_settings, admin_channels, admin_channel_checks, admin_crm, admin_crm_connection,
    admin_people, admin_keys, admin_audit_log, admin_privacy, admin_privacy_customers, admin_sweeps, admin_sweep_flips, admin_examples, admin_laboratory,
    admin_dead_letters, admin_accounting, admin_alerts, admin_alert_targets, admin_webhooks, admin_settings, admin_rules, admin_settings_actions,
    admin_settings_form, admin_settings_history, admin_errands,
)  # fmt: skip


def create_app(environ: Mapping[str, str] | None = None, *, settings: Settings | None = None) -> Flask:
    """The console's application. Raises: SettingsError, also when sign-in by a provider is set up and its extra is not installed."""
    environ = os.environ if environ is None else environ
    settings = settings or load_settings(environ)
    configure_logging(level=settings.log_level, log_format=settings.log_format)
    check_redis(settings)
    start_observing("console", settings)
    database = Database(settings.database_url.get_secret_value(), pool_size=settings.database_pool_size)
    # Its threads must end before gevent does.
    atexit.register(database.close)
    app = new_application()
    # What is said first is done last: the time is taken around all the rest.
    add_timing(app)
    add_compression(app)
    add_static_files(app)
    secret = settings.earshot_keys.get_secret_value().encode()
    redis_url = settings.redis_url.get_secret_value()
    add_api(
        app,
        database,
        failed_keys=FailedKeys(redis_url, secret=secret),
        key_calls=KeyCalls(redis_url, per_min=settings.api_calls_per_min, secret=secret),
        trusted_proxies=settings.trusted_proxies,
    )
    # A connection of its own: what changed is told in time also while people's pages use all the others.
    url = settings.database_url.get_secret_value()
    live_pages = LivePages(lambda: Database(url, pool_size=1))
    atexit.register(live_pages.close)
    app.extensions["live_pages"] = live_pages
    app.extensions["script_gate"] = ScriptGate()
    app.extensions["queue_counts"] = QueueCounts()
    app.extensions["trusted_proxies"] = settings.trusted_proxies
    app.extensions["failed_sign_ins"] = FailedKeys(redis_url, secret=b"sign-in " + secret)
    app.extensions["settings"] = settings
    app.extensions["console_url"] = settings.console_url
    app.extensions["oidc"] = new_provider(settings)
    _add_pages(app, settings)

    @app.get("/healthz", doc_ui=False)
    def healthz() -> Response:
        return Response("ok", content_type="text/plain; charset=utf-8")

    _add_metrics(app, settings)
    _harden(app, is_https=_is_https(settings))
    app.wsgi_app = TimedBodies(app.wsgi_app)
    return app


def _is_https(settings: Settings) -> bool:
    return bool(settings.console_url and settings.console_url.startswith("https://"))


def _add_metrics(app: OpenAPI, settings: Settings) -> None:
    token = settings.metrics_token.get_secret_value() if settings.metrics_token else None

    @app.get("/metrics", doc_ui=False)
    def metrics() -> Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        peer, proxies = request.remote_addr or "", settings.trusted_proxies
        if not may_read_metrics(peer, headers, token=token, trusted_proxies=proxies):
            raise Forbidden
        return Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)


def _harden(app: Flask, *, is_https: bool) -> None:
    """Headers on every answer: pages, errors, files and the API's."""

    @app.after_request
    def harden(response: Response) -> Response:
        response.headers.update(HEADERS)
        if is_https:
            response.headers["Strict-Transport-Security"] = HSTS
        if not request.path.startswith("/static/"):
            response.headers.setdefault("Cache-Control", "no-store")
        return response


def _add_pages(app: Flask, settings: Settings) -> None:
    app.secret_key = settings.secret_key.get_secret_value() if settings.secret_key else os.urandom(32)
    app.config.update(
        # A name that browsers take over https only, for this very host and all its paths: no neighbour can plant one.
        SESSION_COOKIE_NAME="__Host-earshot" if _is_https(settings) else "earshot",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=_is_https(settings),
        PERMANENT_SESSION_LIFETIME=timedelta(hours=AGE_H),
        # What a page's script fetches by itself would put the cookie back as it was before the form that was sent meanwhile.
        SESSION_REFRESH_EACH_REQUEST=False,
    )
    add_to_templates(app)

    @app.before_request
    def only_our_forms() -> AnyResponse | None:
        # The API listens to keys alone, never to a cookie, which is all that a forged form has.
        if request.method in {"GET", "HEAD", "OPTIONS"} or request.path.startswith("/api/"):
            return None
        if SESSION_KEY not in session and request.blueprint not in _OPEN:
            return to_sign_in()  # the cookie is too old; nothing is written for nobody
        try:
            refuse_forged()
        except BadRequest:
            # Signing in again makes the tokens of all open pages new: what was typed there is not lost.
            settle_language()
            kept = keep_form()
            if kept is None:
                raise
            return kept
        return None

    for page in (*_PAGES, *_ADMIN_PAGES):
        app.register_blueprint(page.blueprint)
    app.extensions["settings"] = settings
    # What sweeps are planned with, unless the tenant names another one.
    app.extensions["model"] = settings.anthropic_model
    # For what is set in the console: addresses and secrets.
    app.extensions["keyring"] = Keyring.parse(settings.earshot_keys.get_secret_value())
    app.extensions["allow_private_urls"] = settings.allow_private_urls

    def index() -> AnyResponse:
        return redirect(url_for("inbox.show"))

    def tenant() -> AnyResponse:
        return let_in() or sign_in.change_tenant()

    app.add_url_rule("/", "index", index)
    app.add_url_rule("/tenant", "tenant", tenant, methods=["POST"])
    app.register_error_handler(HTTPException, _refused)
    app.register_error_handler(StoreError, _not_stored)
    app.register_error_handler(Exception, _failed)


def _refused(error: HTTPException) -> HTTPException | tuple[str, int] | AnyResponse:
    return from_http(error) if request.path.startswith("/api/") else problem_page(error)


def _not_stored(error: StoreError) -> AnyResponse | tuple[str, int]:
    """The problem's JSON for programs, a page for people; both are logged."""
    answer = from_store(error)
    return answer if request.path.startswith("/api/") else problem_page(_as_http(answer))


def _failed(error: Exception) -> AnyResponse | tuple[str, int]:
    report(error)
    answer = from_bug(error)
    return answer if request.path.startswith("/api/") else problem_page(_as_http(answer))


def _as_http(answer: AnyResponse) -> HTTPException:
    return ServiceUnavailable() if answer.status_code == 503 else InternalServerError()
