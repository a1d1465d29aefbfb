"""Answering a customer from the console: who may, whether the channel takes it, and the promise to send it once."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import structlog
from kombu.exceptions import OperationalError

from channels.clean_text import clean_text
from config.actions import TemplateConfig
from config.tenant import TenantConfig
from console import deeds
from console.api.problems import Problem
from console.deeds import Doer
from routing.actions import outbound_text
from routing.person_replies import TEMPLATE_OF, Window, fits, reply_window
from routing.reply_forms import Occasion
from routing.wording import fill
from store.db import Connection
from store.replies import Answered, NewReply, Place, add_reply, find_answered, get_place
from store.tenants import get_tenant_config
from store.work_items import WorkItem, give
from worker.pipeline import ring_action

log = structlog.get_logger()

Kind = Literal["text", "template"]


@dataclass(frozen=True)
class Outlook:
    """How an answer may leave now. window: for free words. template: its name and the words it stands for, None without one."""

    window: Window
    template: tuple[str, str] | None


@dataclass(frozen=True)
class Draft:
    """What a form holds. once: the form's own word, so that it counts once however often it is sent."""

    kind: Kind
    text: str
    once: str


def find_outlook(
    conn: Connection, tenant_id: int, conversation_id: str, *, tenant: TenantConfig, now: datetime
) -> Outlook | None:
    """None where the customer has never written: there is nothing to answer."""
    answered = find_answered(conn, tenant_id, conversation_id)
    if answered is None:
        return None
    place = get_place(conn, tenant_id, conversation_id)
    return _outlook(place, answered, tenant=tenant, now=now)


def _outlook(place: Place, answered: Answered, *, tenant: TenantConfig, now: datetime) -> Outlook:
    window = reply_window(
        Occasion(
            channel=place.channel,
            surface=answered.surface,
            now=now,
            written_at=answered.sent_at,
            last_inbound_at=place.last_inbound_at,
            sentiment=None,
        )
    )
    template = _template(tenant) if place.channel == "whatsapp" and window.form is None else None
    words = _template_words(tenant, answered.language)
    return Outlook(window, (template.name, words) if template else None)


def _template(tenant: TenantConfig) -> TemplateConfig | None:
    config = tenant.actions.get(TEMPLATE_OF)
    return config.template if config else None


def _template_words(tenant: TenantConfig, language: str) -> str:
    config = tenant.actions.get(TEMPLATE_OF)
    if config is None:
        return ""
    text = outbound_text(TEMPLATE_OF, language=language, config=config)
    # What is filled in is known when it leaves.
    return fill(text, {"customer_name": "…", "business_name": tenant.name, "link": "…"})


def answer(conn: Connection, who: Doer, conversation_id: str, draft: Draft, *, now: datetime) -> str | None:
    """Plan the answer; a conversation that nobody has is the writer's from then on. Returns the action to ring, None when this
    very answer was planned before.

    Raises: Problem when it may not be sent: reply_empty, reply_too_long, window_closed, no_template, nothing_to_answer, or what
    `deeds` says.
    """
    planned: list[str | None] = []

    def change(conn: Connection, item: WorkItem, who: Doer) -> None:
        planned.append(_plan(conn, item, who, draft, now=now))

    deeds.carry_out(conn, who, conversation_id, "reply", change, getting=lambda _conn, one: one.person())
    return planned[0]


def _plan(conn: Connection, item: WorkItem, who: Doer, draft: Draft, *, now: datetime) -> str | None:
    if item.state != "open":
        raise Problem(409, "resolved", fix="reopen it first")
    place = get_place(conn, who.tenant_id, item.id)
    answered = find_answered(conn, who.tenant_id, item.id)
    if answered is None:
        raise Problem(422, "nothing_to_answer", fix="the customer has never written here")
    tenant = get_tenant_config(conn, who.tenant_id)
    outlook = _outlook(place, answered, tenant=tenant, now=now)
    text = _words(draft, outlook, channel=place.channel)
    # The form's word is random and not stored, so that nobody can guess the words from the key.
    key = hashlib.sha256(f"{who.user_id} {item.id} {draft.once} {draft.kind} {text}".encode()).hexdigest()
    if item.assignee_id is None:
        give(conn, who.tenant_id, item, user_id=who.person(), because="claimed", actor=who.actor)
    return add_reply(
        conn,
        who.tenant_id,
        NewReply(
            conversation_id=item.id,
            customer_id=place.customer_id,
            channel=place.channel,
            answered=answered,
            key=f"reply:{key}",
            text=text,
            form=draft.kind,
            written_by=who.person(),
        ),
    )


def _words(draft: Draft, outlook: Outlook, *, channel: str) -> str:
    if draft.kind == "template":
        if outlook.template is None:
            raise Problem(422, "no_template", fix="the window is open, or [actions.follow_up] has no template")
        return outlook.template[1]
    text = clean_text(draft.text.replace("\r\n", "\n").strip(), max_chars=len(draft.text))
    if not text:
        raise Problem(422, "reply_empty", field="text", fix="write something")
    if not fits(text, channel=channel):
        raise Problem(422, "reply_too_long", field="text", fix="make it shorter")
    if outlook.window.form is None:
        raise Problem(422, "window_closed", fix="the customer has to write first")
    return text


def ring(tenant_id: int, action_id: str) -> None:
    """Have it leave now; where the broker is away it leaves seconds later."""
    try:
        ring_action(tenant_id=tenant_id, action_id=action_id)
    except (OperationalError, OSError) as error:
        log.warning("ring_lost", code=type(error).__name__)
