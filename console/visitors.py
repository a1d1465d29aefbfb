"""Who looks at the console's pages, in which tenant, as what, and in which language."""

from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from flask import current_app, g, redirect, request, session, url_for
from werkzeug.wrappers import Response

from console.kept_forms import keep_form
from console.languages import Speech, choose_language
from console.live_pages import VIEWING, LivePages
from store.conversation_events import Actor
from store.db import Database, act_for_tenant
from store.tenants import get_tenant_config
from store.web_sessions import Place, SignedIn, find_session

SESSION_KEY = "earshot"
LANGUAGE_COOKIE = "language"
THEME_COOKIE = "theme"
THEMES = ("system", "light", "dark")


@dataclass(frozen=True)
class Visitor:
    """A person who is signed in and works in a tenant."""

    person: SignedIn
    place: Place

    @property
    def tenant_id(self) -> int:
        """Of the tenant they work in."""
        return self.place.tenant_id

    @property
    def actor(self) -> Actor:
        """As the log of a conversation names them."""
        return Actor(user_id=self.person.user_id)


def visitor() -> Visitor:
    """Who looks now; only behind `let_in`."""
    return cast("Visitor", g.visitor)


def speech() -> Speech:
    """The language of this answer."""
    return cast("Speech", g.speech)


def database() -> Database:
    """The application's connections."""
    return cast("Database", current_app.extensions["database"])


def tell_viewing(tenant_id: int, conversation_id: str) -> None:
    """Other open pages of this conversation: somebody looks at it too. Those of other processes see it with their next look."""
    pages = cast("LivePages", current_app.extensions["live_pages"])
    pages.tell(tenant_id, conversation_id, VIEWING)


def settle_language(zone: str = "UTC") -> None:
    """Before every page."""
    accepted = [tag for tag, _ in request.accept_languages]
    language = choose_language(wanted=request.cookies.get(LANGUAGE_COOKIE), accepted=accepted)
    g.speech = Speech(language, ZoneInfo(zone))
    theme = request.cookies.get(THEME_COOKIE)
    g.theme = theme if theme in THEMES else THEMES[0]


def let_in(*, by_person: bool = True) -> Response | None:
    """Who is not signed in goes to the sign-in page, and comes back here afterwards. Raises: StoreError.

    by_person: False for what a page's script asks by itself, which keeps nobody signed in.
    """
    token = session.get(SESSION_KEY)
    with database().system_transaction() as conn:
        person = find_session(conn, token, by_person=by_person) if isinstance(token, str) else None
        if person is None:
            session.pop(SESSION_KEY, None)
            return to_sign_in()
        place = person.place
        if place is None:
            # Somebody has to make the first tenant, and only an operator can.
            return redirect(url_for("admin_tenants.form" if person.is_operator else "sign_in.nowhere"))
        act_for_tenant(conn, place.tenant_id)
        zone = get_tenant_config(conn, place.tenant_id).hours.time_zone
    g.visitor = Visitor(person, place)
    settle_language(zone)
    return None


def is_ours(address: str) -> bool:
    """A path of ours; two slashes, of either kind, lead away, and browsers drop what is unprintable between them."""
    parts = urlsplit(address)
    is_path = not parts.scheme and not parts.netloc and address.startswith("/") and not address.startswith("//")
    return is_path and address.isprintable() and "\\" not in address


def to_sign_in() -> Response:
    """To the sign-in page and back: to this page, or to the one whose form was sent. A form in which much was typed is kept."""
    if request.method == "POST":
        settle_language()
        kept = keep_form()
        if kept is not None:
            return kept
    back = request.full_path.rstrip("?") if request.method == "GET" else _page_of_form()
    return redirect(url_for("sign_in.form", next=back))


def _page_of_form() -> str | None:
    """The page of ours that the browser names as the form's, None for any other."""
    came_from = urlsplit(request.referrer or "")
    if came_from.netloc != request.host:
        return None
    return came_from.path + (f"?{came_from.query}" if came_from.query else "")
