"""What a person can go to or do from where they are, as one list that can be searched."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from flask import url_for

from console.api.tenant_queues import list_purposes
from console.languages import LANGUAGES
from console.pages.admin.gate import MAY_READ
from console.pages.admin.subjects import SUBJECTS
from console.pages.conversation import SNOOZES
from console.visitors import Visitor, speech
from console.words import english
from routing.work_rights import Deed, may
from store.agents import list_agents
from store.db import Connection
from store.reanalysis import find_newest_message
from store.tenants import get_tenant_config
from store.work_items import WorkItem, get_work_item


@dataclass(frozen=True)
class Choice:
    """One thing to choose. fields: of a form that is sent to `address`; None: `address` is a page. key: its shortcut, if any."""

    group: str
    name: str
    address: str
    fields: dict[str, str] | None = field(default=None)
    key: str = ""


def fold(text: str) -> str:
    """As it is searched: without case and marks, so that "cagla" finds "Çağla"."""
    plain = unicodedata.normalize("NFKD", text.casefold().replace("ı", "i"))
    return "".join(one for one in plain if not unicodedata.combining(one))


def fitting_choices(choices: Iterable[Choice], wanted: str) -> list[Choice]:
    """Those in which every word stands, in their order; all where nothing is wanted."""
    words = fold(wanted).split()
    return [one for one in choices if all(word in fold(f"{one.group} {one.name}") for word in words)]


def list_choices(conn: Connection, who: Visitor, *, conversation_id: str | None, here: str) -> list[Choice]:
    """What concerns the conversation first, then pages and queues, then how the console looks. here: where looks come back to."""
    try:
        item = get_work_item(conn, who.tenant_id, conversation_id) if conversation_id else None
    except LookupError:
        item = None
    queues = list(list_purposes(get_tenant_config(conn, who.tenant_id)))
    concerning = _of_conversation(conn, who, item, queues) if item else []
    return [*concerning, *_pages(who), *_queues(queues), *_looks(here)]


def _of_conversation(conn: Connection, who: Visitor, item: WorkItem, queues: Sequence[str]) -> list[Choice]:
    _, group = speech().text, speech().text("This conversation")
    do = url_for("conversation.change", conversation_id=item.id)
    page = url_for("conversation.show", conversation_id=item.id)

    def allowed(deed: Deed) -> bool:
        return may(who.place.role, deed, user_id=who.person.user_id, assignee_id=item.assignee_id)

    def deed(name: str, code: str, *, key: str = "", **fields: str) -> Choice:
        return Choice(group, name, do, {"deed": code, **fields}, key)

    found: list[Choice] = []
    stand = {"version": str(item.version)}
    if item.state != "open":
        return [deed(_("Open again"), "reopen", **stand)] if allowed("reopen") else []
    if item.assignee_id == who.person.user_id:
        found.append(deed(_("Put back"), "unassign", **stand))
    elif item.assignee_id is None and allowed("claim"):
        found.append(deed(_("Take it"), "claim", key="c", **stand))
    if allowed("reply"):
        found.append(Choice(group, _("Answer"), f"{page}#reply-text"))
    if allowed("resolve"):
        found.append(deed(_("Resolve"), "resolve", key="e", **stand))
    if allowed("snooze"):
        found += [
            deed(_("Put away for %(time)s") % {"time": speech().span(span)}, "snooze", **{"for": code})
            for code, span in SNOOZES.items()
        ]
    message_id = find_newest_message(conn, who.tenant_id, item.id)
    if message_id and who.place.role in {"supervisor", "admin"}:
        again = url_for("conversation.look_again", conversation_id=item.id)
        found.append(Choice(group, _("Read the conversation again"), again, {"message": ""}, "r"))
    if message_id and who.place.role != "auditor":
        found.append(Choice(group, _("Is this wrong?"), f"{page}#wrong"))
    if message_id:
        sent = url_for("conversation.sent", conversation_id=item.id, message_id=message_id)
        found.append(Choice(group, _("What was sent to the AI"), sent))
    if allowed("snooze"):
        found += [
            deed(_("Move to %(queue)s") % {"queue": _(english(name))}, "transfer", queue=name)
            for name in queues
            if name != item.queue
        ]
    if allowed("assign"):
        found += [
            deed(_("Give to %(person)s") % {"person": one.email}, "assign", email=one.email)
            for one in list_agents(conn, who.tenant_id)
            if one.user_id != item.assignee_id
        ]
    return found


def _pages(who: Visitor) -> list[Choice]:
    _, group = speech().text, speech().text("Go to")
    insights = _("Insights")
    found = [
        Choice(group, _("Inbox"), url_for("inbox.show")),
        Choice(group, _("Mine"), url_for("inbox.show", assignee="me")),
        Choice(group, insights, url_for("insights.show")),
        *(
            Choice(group, f"{insights}: {name}", url_for(endpoint))
            for endpoint, name in [
                ("insight_trend.show", _("Trend")),
                ("insight_figures.answers", _("Answer times")),
                ("insight_figures.load", _("Load")),
                ("insight_figures.surveys", _("Surveys")),
                ("insight_figures.accuracy", _("Accuracy")),
                ("insight_figures.cost", _("Cost")),
            ]
        ),
    ]
    if who.place.role in MAY_READ:
        found += [Choice(group, _(name), url_for(f"admin_{endpoint}.show")) for endpoint, name in SUBJECTS]
    return found


def _queues(names: Sequence[str]) -> list[Choice]:
    _, group = speech().text, speech().text("Queue")
    return [Choice(group, _(english(name)), url_for("inbox.show", queue=name)) for name in names]


def _looks(here: str) -> list[Choice]:
    _, address = speech().text, url_for("sign_in.look")
    themes = [("system", _("As the system")), ("light", _("Light")), ("dark", _("Dark"))]
    return [
        *(Choice(_("Language"), name, address, {"language": code, "next": here}) for code, name in LANGUAGES.items()),
        *(Choice(_("Theme"), name, address, {"theme": code, "next": here}) for code, name in themes),
        Choice(_("Account"), _("Sign out"), url_for("sign_in.leave"), {}),
    ]
