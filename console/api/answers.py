"""What the API answers with, as JSON Schema sees it. Times are ISO 8601 with an offset, in UTC."""

from dataclasses import asdict
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel

from console.badges import clock_badge
from routing.alerts import sentence
from routing.rules import explain
from store.agents import AgentRow, find_colleague
from store.alerts import Alert
from store.conversation_lists import ListedConversation
from store.conversation_page import ConversationAction
from store.db import Connection
from store.decisions import ReadDecision
from store.inbox import InboxLine
from store.work_items import WorkItem


class Person(BaseModel):
    """A colleague."""

    user_id: int
    email: str | None


class Work(BaseModel):
    """A conversation as work. skill: what an agent should have to take it; None: nothing in particular."""

    id: str
    state: str
    queue: str | None
    priority: str | None
    channel: str
    assignee: Person | None
    assigned_at: datetime | None
    skill: str | None
    snoozed_until: datetime | None
    waiting_since: datetime | None
    last_inbound_at: datetime | None
    resolved_at: datetime | None
    reopened: int
    version: int

    @classmethod
    def of_item(cls, conn: Connection, tenant_id: int, item: WorkItem) -> Self:
        """From one conversation."""
        assignee = None
        if item.assignee_id is not None:
            found = find_colleague(conn, tenant_id, user_id=item.assignee_id)
            assignee = Person(user_id=item.assignee_id, email=found[1] if found else None)
        known = {name: value for name, value in asdict(item).items() if name in cls.model_fields}
        return cls(**known, assignee=assignee)

    @classmethod
    def of_listed(cls, listed: ListedConversation) -> Self:
        """From one of a list."""
        assignee = (
            Person(user_id=listed.assignee_id, email=listed.assignee_email) if listed.assignee_id is not None else None
        )
        known = {name: value for name, value in asdict(listed).items() if name in cls.model_fields}
        return cls(**known, assignee=assignee, waiting_since=listed.since if listed.is_waiting else None)


class WorkPage(BaseModel):
    """A page of conversations. next_cursor: None on the last one."""

    conversations: list[Work]
    next_cursor: str | None


class ClaimedNext(BaseModel):
    """The conversation that was taken; None: nothing waits in the queue."""

    conversation: Work | None


class QueueLine(BaseModel):
    """Open conversations of a queue and priority that are not snoozed. waiting: their customer waits for a person."""

    priority: str | None
    open: int
    unassigned: int
    waiting: int
    snoozed: int
    oldest_waiting_since: datetime | None


class QueueAnswer(BaseModel):
    """A queue with its counts by priority."""

    queue: str
    purpose: str
    open: int
    unassigned: int
    waiting: int
    snoozed: int
    oldest_waiting_since: datetime | None
    priorities: list[QueueLine]


class QueueList(BaseModel):
    """All queues of the tenant, empty ones too."""

    queues: list[QueueAnswer]


class LabelAnswer(BaseModel):
    """The label that counts. corrected: the fields that a person set."""

    sentiment: str
    score: float
    intent: str
    topics: list[str]
    summary: str | None
    corrected: list[str]


class MessageAnswer(BaseModel):
    """A message. text: None when it has no words or they were erased."""

    id: str
    direction: str
    author: str
    surface: str
    message_type: str
    state: str
    text: str | None
    sent_at: datetime
    received_at: datetime
    label: LabelAnswer | None


class DeskAction(BaseModel):
    """An automation as people rule on it. approved_by, settled_by: user:ID, key:ID, both joined by "+", or "person" for somebody at
    the command line; None when no person did.
    """

    id: str
    kind: str
    state: str
    waits_for_approval: bool
    error_code: str | None
    tries: int
    channel: str
    conversation_id: str
    created_at: datetime
    approved_by: str | None
    settled_by: str | None


class DeskPage(BaseModel):
    """A page of automations, newest first. next_cursor: None on the last one."""

    actions: list[DeskAction]
    next_cursor: str | None


class EventAnswer(BaseModel):
    """What was done with the conversation. by: user:ID, key:ID, both joined by "+", or rule:NAME."""

    kind: str
    by: str
    assignee_id: int | None
    queue: str | None
    until: datetime | None
    at: datetime


class DecisionAnswer(BaseModel):
    """A decision. sentence: as a person reads it. inputs: the facts it was made of. skill: whom it is for. trials: what rules on trial
    would have decided.
    """

    id: str
    message_id: str
    conversation_id: str | None
    priority: str
    queue: str
    rule: str
    sentence: str
    reasons: list[str]
    actions: list[dict[str, Any]]
    skill: str | None
    tags: list[str]
    trials: list[dict[str, Any]]
    inputs: dict[str, Any]
    applied: bool
    provisional: bool
    created_at: datetime

    @classmethod
    def of(cls, decision: ReadDecision) -> Self:
        """With its sentence."""
        known = {name: value for name, value in vars(decision).items() if name in cls.model_fields}
        known["actions"] = decision.actions or []
        return cls(**known, sentence=explain(decision.as_decision()))


class ClockAnswer(BaseModel):
    """The promise that is due first. state: overdue, soon (past its warning), running, paused or met."""

    state: str
    kind: str
    due_at: datetime

    @classmethod
    def of(cls, line: InboxLine, *, now: datetime) -> Self | None:
        """None where nothing was promised."""
        badge = clock_badge(
            kind=line.clock_kind, state=line.clock_state, due_at=line.clock_due_at, warn_at=line.clock_warn_at, now=now
        )
        return cls(state=badge.state, kind=badge.kind, due_at=badge.at) if badge else None


class ConversationAnswer(BaseModel):
    """A conversation with all that an agent needs. customer_id: whose it is, for /customers. messages: the newest ones in the order of the channel's time, oldest first;
    earlier_cursor fetches those before them.
    """

    conversation: Work
    customer_id: str
    clock: ClockAnswer | None
    tags: list[str]
    decision: DecisionAnswer | None
    messages: list[MessageAnswer]
    earlier_cursor: str | None
    actions: list[ConversationAction]
    events: list[EventAnswer]


class AgentAnswer(BaseModel):
    """An agent. open: conversations they have. queues: those they serve, none = all. is_me: the caller acts for this person."""

    user_id: int
    email: str
    role: str
    presence: str
    skills: list[str]
    queues: list[str]
    capacity: int
    open: int
    last_seen_at: datetime | None
    is_me: bool

    @classmethod
    def of(cls, agent: AgentRow, *, me: int | None) -> Self:
        """From the stored row."""
        return cls(**asdict(agent), is_me=agent.user_id == me)


class AgentList(BaseModel):
    """All agents of the tenant, by e-mail."""

    agents: list[AgentAnswer]


class AlertAnswer(BaseModel):
    """An alert. sentence: as a person reads it. state: open, snoozed, acknowledged or resolved."""

    id: str
    kind: str
    sentence: str
    state: str
    severity: str
    queue: str | None
    conversation_id: str | None
    message_id: str | None
    times_seen: int
    created_at: datetime
    seen_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: int | None
    snoozed_until: datetime | None
    resolved_at: datetime | None

    @classmethod
    def of(cls, alert: Alert) -> Self:
        """With its sentence."""
        known = {name: value for name, value in asdict(alert).items() if name in cls.model_fields}
        return cls(**known, state=alert.state, sentence=sentence(alert.kind, alert.details))


class AlertPage(BaseModel):
    """A page of alerts, newest first. next_cursor: None on the last one."""

    alerts: list[AlertAnswer]
    next_cursor: str | None
