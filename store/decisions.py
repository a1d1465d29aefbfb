"""Routing decisions with their inputs and reasons."""

from dataclasses import asdict

from psycopg.types.json import Jsonb

from routing.rules import Decision, RoutingFacts
from store.db import Connection
from store.runs import RunRef


def add_decision(
    conn: Connection,
    ref: RunRef,
    decision: Decision,
    *,
    facts: RoutingFacts,
    analysis_id: str | None,
    applied: bool,
) -> bool:
    """Append one decision, unique per message and run. applied: it placed the conversation. False when there already is one."""
    return (
        conn.execute(
            """
            INSERT INTO routing_decision (
                tenant_id, message_id, run_id, analysis_id, priority, queue, rule, reasons, inputs, applied, provisional
            )
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
            ON CONFLICT DO NOTHING
            """,
            (
                ref.tenant_id,
                ref.message_id,
                ref.run_id,
                analysis_id,
                decision.priority,
                decision.queue,
                decision.rule,
                list(decision.reasons),
                Jsonb(asdict(facts)),
                applied,
                facts.provisional,
            ),
        ).rowcount
        == 1
    )
