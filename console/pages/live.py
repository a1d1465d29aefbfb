"""/events and the pieces of pages that a script fetches when something changed."""

import secrets
import socket
import time
from collections.abc import Generator
from datetime import UTC, datetime
from queue import Empty
from typing import Any, cast
from uuid import UUID

from flask import Blueprint, Response, abort, current_app, g, render_template, request, session
from werkzeug.wrappers import Response as AnyResponse

from console.live_pages import END, RELOAD, LivePages
from console.pages import conversation, inbox
from console.script_gate import ScriptGate
from console.visitors import SESSION_KEY, database, let_in, visitor
from store.db import Database, StoreError
from store.web_sessions import find_session

blueprint = Blueprint("live", __name__)
PING_S = 10.0
# How soon a stream ends after its person was signed out.
CHECK_S = 60.0
# When a page whose stream broke comes back: not all of them at once.
RETRY_MS, RETRY_SPREAD_MS = 2000, 4000
# A browser that is gone, or takes nothing in, for so long loses its stream.
SILENCE_MS = 30_000
MOST_IDS = 100


@blueprint.before_request
def let_script_in() -> AnyResponse | tuple[str, int] | None:
    """A script is told that nobody is signed in instead of being led to a form, and is nobody's sign of life.

    tenant: the one that its page was made for.
    """
    if not _gate().enter():
        return "", 503
    g.is_through_gate = True
    if let_in(by_person=False) is not None:
        return "", 401
    if request.args.get("tenant", "") != str(visitor().tenant_id):
        return "", 409
    return None


@blueprint.teardown_request
def leave_gate(error: BaseException | None) -> None:
    """The request is done; a stream that it began goes on without it."""
    del error
    if g.pop("is_through_gate", False):
        _gate().leave()


def _gate() -> ScriptGate:
    return cast("ScriptGate", current_app.extensions["script_gate"])


@blueprint.get("/events")
def events() -> Response:
    """What changes from now on in the tenant's conversations, as server-sent events.

    hello: the stream stands, look once at what happened before. changed: [[conversation's id, [kind, …]], …]. reload: look at
    everything. over: nobody is signed in any more.
    """
    pages = cast("LivePages", current_app.extensions["live_pages"])
    stream = _stream(pages, database(), tenant_id=visitor().tenant_id, token=session[SESSION_KEY])
    answer = Response(stream, content_type="text/event-stream; charset=utf-8")
    answer.headers["X-Accel-Buffering"] = "no"
    _end_in_silence(request.environ.get("gunicorn.socket"))
    return answer


def _end_in_silence(connection: Any) -> None:
    # Without it the kernel tries for a quarter of an hour to reach a laptop that was closed. Linux only.
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if option is not None and isinstance(connection, socket.socket):
        connection.setsockopt(socket.IPPROTO_TCP, option, SILENCE_MS)


def _stream(pages: LivePages, store: Database, *, tenant_id: int, token: str) -> Generator[str]:
    with pages.open_page(tenant_id) as page:
        yield f"retry: {RETRY_MS + secrets.randbelow(RETRY_SPREAD_MS)}\nevent: hello\ndata: {{}}\n\n"
        # Hundreds of pages that came at once shall not ping, and not be looked up, in step for ever.
        checked = time.monotonic() - _part_of(CHECK_S)
        while True:
            try:
                news = page.waiting.get(timeout=PING_S - _part_of(PING_S / 2))
            except Empty:
                yield ": ping\n\n"
            else:
                if news == END:
                    return
                yield f"event: {RELOAD}\ndata: {{}}\n\n" if news == RELOAD else f"event: changed\ndata: {news}\n\n"
            if time.monotonic() - checked > CHECK_S:
                checked = time.monotonic()
                if not _is_in(store, token, tenant_id):
                    yield "event: over\ndata: {}\n\n"
                    return


def _part_of(length_s: float) -> float:
    return length_s * secrets.randbelow(1000) / 1000


def _is_in(store: Database, token: str, tenant_id: int) -> bool:
    try:
        with store.system_transaction() as conn:
            person = find_session(conn, token, by_person=False)
    except StoreError:
        return True  # nothing is read meanwhile either
    return person is not None and any(place.tenant_id == tenant_id for place in person.places)


@blueprint.get("/inbox/rows")
def rows() -> str:
    """Queues with their counts, and rows of the list that the address asks for: those of `ids` that stand in it, else its page."""
    ids = _read_ids()
    return render_template("inbox_rows.html", **inbox.read_page(ids=ids))


def _read_ids() -> list[str] | None:
    given = request.args.get("ids")
    if given is None:
        return None
    ids = given.split(",")
    if len(ids) > MOST_IDS:
        abort(422)
    try:
        return [str(UUID(one)) for one in ids if one]
    except ValueError:
        abort(422)


@blueprint.get("/conversations/<uuid:conversation_id>/messages")
def messages(conversation_id: object) -> str:
    """The newest messages of a conversation and where it stands."""
    page: dict[str, Any] = conversation.read_words(str(conversation_id))
    return render_template("conversation_words.html", **page, now=datetime.now(UTC))
