"""/sign-in/provider: to the OpenID provider and back, and whose account that is."""

import secrets
import time

import structlog
from flask import Blueprint, abort, current_app, redirect, request, session, url_for
from werkzeug.wrappers import Response

from config.settings import Settings
from console.oidc import Begun, Identity, OidcError, Provider
from console.pages.sign_in import count_for, enter, page
from console.person_deeds import is_email, is_name
from console.sign_in_log import note_everywhere, note_refused
from console.visitors import database, settle_language
from store.accounts import bind_subject, find_subject
from store.audit_log import note_deed
from store.conversation_events import Actor
from store.db import Connection, act_for_tenant
from store.one_time_links import end_links
from store.people import add_member, add_person
from store.tenants import find_tenant_id
from store.web_sessions import end_sessions

log = structlog.get_logger()

blueprint = Blueprint("oidc", __name__)
blueprint.before_request(settle_language)
KEY = "oidc"
# As long as somebody may take at the provider.
BEGUN_FOR_S = 600


def _provider() -> Provider:
    found = current_app.extensions["oidc"]
    if found is None:
        abort(404)
    return found


def _redirect_uri() -> str:
    address = current_app.extensions["console_url"] or request.host_url.rstrip("/")
    return f"{address}{url_for('oidc.come_back')}"


@blueprint.get("/sign-in/provider")
def begin() -> Response | tuple[str, int]:
    """Off to the provider; a link, because a form may not lead away from here."""
    provider, back = _provider(), request.args.get("next", "")
    try:
        url, begun = provider.begin(_redirect_uri())
    except OidcError as error:
        return _refused(error.code, reason=error.reason, back=back)
    session[KEY] = {
        "state": begun.state,
        "nonce": begun.nonce,
        "verifier": begun.verifier,
        "next": back[:2000],
        "at": time.time(),
    }
    return redirect(url)


@blueprint.get("/sign-in/provider/back")
def come_back() -> Response | tuple[str, int]:
    """The provider's answer, once."""
    provider, kept = _provider(), session.pop(KEY, None)
    back = kept["next"] if kept else ""
    if not kept or time.time() - kept["at"] > BEGUN_FOR_S:
        return _refused("provider_stale", reason="no sign-in under way", back=back)
    begun = Begun(kept["state"], kept["nonce"], kept["verifier"])
    # Each sign-in is counted as a person of its own: only the address can have failed too often.
    failures, address, counted = count_for(begun.state)
    if failures.wait_s(address, counted):
        return page(back=back, problem="wait"), 429
    try:
        identity = provider.finish(request.args, begun, _redirect_uri())
    except OidcError as error:
        return _refused(error.code, reason=error.reason, back=back)
    found = _whose(identity)
    if isinstance(found, str):
        return _refused(found, reason="account", back=back)
    return enter(found, how="provider", back=back)


def _refused(code: str, *, reason: str, back: str) -> tuple[str, int]:
    log.warning("provider_sign_in_failed", code=code, reason=reason)
    if code not in {"provider_off", "provider_stale"}:
        failures, address, _ = count_for("")
        failures.note(address, secrets.token_hex())
        with database().system_transaction() as conn:
            note_refused(conn, None, how="provider")
    return page(back=back, problem=code), 503 if code == "provider_off" else 401


def _whose(identity: Identity) -> int | str:
    """The user, or the notice that says why there is none."""
    settings: Settings = current_app.extensions["settings"]
    email, allowed = identity.email, settings.oidc_allowed_domains
    if email is not None and allowed and email.rpartition("@")[2] not in allowed:
        return "provider_domain"
    with database().system_transaction() as conn:
        known = find_subject(conn, issuer=identity.issuer, subject=identity.subject)
        if known is not None:
            return "provider_unknown" if known.is_disabled else known.user_id
        if email is None:
            return "provider_unverified" if identity.is_known else "provider_unknown"
        if not is_email(email):
            return "provider_unknown"
        return _bind(conn, identity, email) or _sign_up(conn, identity, email, settings) or "provider_unknown"


def _bind(conn: Connection, identity: Identity, email: str) -> int | None:
    """The account that has this e-mail, from now on theirs alone: whoever made it before may know its password or have a link."""
    known = bind_subject(conn, email=email, issuer=identity.issuer, subject=identity.subject)
    if known is None:
        return None
    end_sessions(conn, known.user_id)
    end_links(conn, known.user_id, purpose="password")
    note_everywhere(conn, known.user_id, "account_bound", by=Actor(user_id=known.user_id))
    return known.user_id


def _sign_up(conn: Connection, identity: Identity, email: str, settings: Settings) -> int | None:
    """A new account in the tenant that the settings name; None when they name none."""
    if settings.oidc_default_tenant is None or settings.oidc_default_role is None:
        return None
    tenant_id = find_tenant_id(conn, settings.oidc_default_tenant)
    if tenant_id is None:
        return None
    user_id = add_person(conn, email=email, display_name=identity.name if is_name(identity.name) else "")
    if user_id is None:
        return None
    add_member(conn, tenant_id, user_id, role=settings.oidc_default_role)
    bind_subject(conn, email=email, issuer=identity.issuer, subject=identity.subject)
    act_for_tenant(conn, tenant_id)
    details = {"role": settings.oidc_default_role}
    by = Actor(user_id=user_id)
    note_deed(conn, tenant_id, by=by, deed="person_signed_up", subject=str(user_id), details=details)
    return user_id
