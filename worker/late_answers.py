"""A person's answer that arrives after later messages: what it answered no longer holds the conversation in its place."""

from config.actions import ActionConfig
from config.tenant import TenantConfig
from store.answered_places import leave_answered_place
from store.assignments import Wish, want_agent
from store.db import Connection
from worker.assigning import skill_for


def place_after_answer(conn: Connection, conversation_id: str, *, tenant: TenantConfig) -> bool:
    """Put an open conversation where it would stand had the answer come in time, with whom that takes; True when it moved.

    Raises: StoreError to be tried again when it was merged a moment ago.
    """
    place = leave_answered_place(conn, conversation_id)
    if place is None:
        return False
    wanted = place.wants_assign or place.queue in tenant.assignment.auto_assign
    skill = skill_for(
        place.skill, queue=place.queue, priority=place.priority, is_wished=place.wants_assign, tenant=tenant
    )
    wish = tenant.actions.get("assign", ActionConfig()) if place.wants_assign else ActionConfig()
    want_agent(conn, conversation_id, Wish(wanted, place.queue != "auto", skill, wish.assignee))
    return True
