"""Actions that take effect with the decision itself, in its transaction and so once."""

from datetime import datetime, timedelta

from config.actions import ActionConfig
from config.tenant import TenantConfig
from config.words import ActionKind
from routing.rules import Decision
from store.agent_tasks import NewTask, add_task
from store.crm_connections import has_crm
from store.crm_events import NewEvent, add_event
from store.customers import Conversation
from store.db import Connection
from store.internal_actions import add_tags, note_escalation, notify_people
from store.runs import RunRef


def carry_out(
    conn: Connection,
    ref: RunRef,
    kind: ActionKind,
    *,
    decision: Decision,
    conversation: Conversation,
    tenant: TenantConfig,
    now: datetime,
    places: bool,
) -> None:
    """The effect of an action that was planned just now; nothing for those that leave the building, and for `assign`, which
    worker.assigning notes where the decision places the conversation. places: it does, and an escalation was noted with it.
    """
    config = tenant.actions.get(kind, ActionConfig())
    match kind:
        case "escalate_to_human" if not places:
            note_escalation(conn, conversation.id, ref.message_id)
        case "tag":
            add_tags(conn, ref, conversation.id, config.tags)
        case "notify":
            details = {
                "priority": decision.priority,
                "queue": decision.queue,
                "rule": decision.rule,
                "reasons": list(decision.reasons),
            }
            notify_people(conn, ref, conversation.id, details=details)
        case "schedule_callback":
            due_at = now + timedelta(minutes=config.due_min)
            _schedule_callback(conn, ref, decision, conversation=conversation, due_at=due_at)
        case _:
            pass


def _schedule_callback(
    conn: Connection, ref: RunRef, decision: Decision, *, conversation: Conversation, due_at: datetime
) -> None:
    """A task in the tenant's CRM; without a CRM a task for an agent."""
    if not has_crm(conn, ref.tenant_id):
        task = NewTask(
            key=f"callback:{ref.message_id}",
            kind="callback",
            conversation_id=conversation.id,
            message_id=ref.message_id,
            because="the customer wants to be called",
            due_at=due_at,
        )
        add_task(conn, ref.tenant_id, task)
        return
    event = NewEvent(
        kind="task",
        key=f"{ref.message_id}:callback",
        subject="Call the customer back",
        body=" ".join(decision.reasons),
        due_at=due_at,
        high_priority=decision.priority in {"P1", "P2"},
    )
    add_event(conn, ref, event, customer_id=conversation.customer_id)
