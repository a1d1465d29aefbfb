"""What a person has to do because no automation could: an answer that came too late, a call."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from store.db import Connection

TaskKind = Literal["callback", "answer"]


@dataclass(frozen=True)
class NewTask:
    """A task. key: one task for ever. because: a code or sentence of ours, no customer text."""

    key: str
    kind: TaskKind
    conversation_id: str
    message_id: str
    because: str
    due_at: datetime


def add_task(conn: Connection, tenant_id: int, task: NewTask) -> None:
    """Keep a task; one with the same key stays as it is."""
    conn.execute(
        """
        INSERT INTO agent_task (tenant_id, key, kind, conversation_id, message_id, because, due_at)
        VALUES (%s, %s, %s, %s, %s, %s, %s)
        ON CONFLICT (tenant_id, key) DO NOTHING
        """,
        (tenant_id, task.key, task.kind, task.conversation_id, task.message_id, task.because, task.due_at),
    )


@dataclass(frozen=True)
class OpenTask:
    """A task that waits for a person."""

    id: str
    kind: str
    due_at: datetime
    conversation_id: str
    message_id: str
    because: str


def list_open_tasks(conn: Connection, tenant_id: int) -> list[OpenTask]:
    """The tenant's open tasks, the most urgent first. Those of a conversation that was resolved are open no more."""
    rows = conn.execute(
        """
        SELECT t.id::text, t.kind, t.due_at, t.conversation_id::text, t.message_id::text, t.because
        FROM agent_task AS t JOIN conversation AS c ON c.id = t.conversation_id
        WHERE t.tenant_id = %s AND t.done_at IS NULL AND c.state = 'open'
        ORDER BY t.due_at, t.id
        """,
        (tenant_id,),
    ).fetchall()
    return [OpenTask(*row) for row in rows]


def finish_task(conn: Connection, tenant_id: int, task_id: str) -> bool:
    """A person has done it; False when there is no such open task."""
    return (
        conn.execute(
            "UPDATE agent_task SET done_at = now() WHERE id = %s AND tenant_id = %s AND done_at IS NULL",
            (task_id, tenant_id),
        ).rowcount
        == 1
    )
