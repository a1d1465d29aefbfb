"""Routing decisions with their inputs and reasons."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from routing.facts import Decision, PlannedAction, RoutingFacts, RoutingPolicy, Trial
from routing.stored_facts import facts_to_json
from store.actions import ADD_ACTIONS, Plan
from store.customers import Placing
from store.db import Connection
from store.policies import remember_policy, snapshot_of
from store.runs import RunRef

_ADD = """
    INSERT INTO routing_decision (
        tenant_id, message_id, run_id, analysis_id, priority, queue, rule, reasons, inputs, applied, provisional,
        policy_hash, actions, skill, tags, trials
    )
    VALUES (
        %(tenant)s, %(message)s, %(run)s, %(analysis)s, %(priority)s, %(queue)s, %(rule)s, %(reasons)s, %(inputs)s, %(applied)s,
        %(provisional)s, %(policy_hash)s, %(actions)s, %(decided_skill)s, %(tags)s, %(trials)s
    )
    ON CONFLICT DO NOTHING
    RETURNING EXISTS (
        SELECT FROM routing_policy AS p
        WHERE p.tenant_id = routing_decision.tenant_id AND p.policy_hash = routing_decision.policy_hash
    ) AS is_known
"""
_WITH, _PLACED, _PLANNED, _DECIDED, _AND, _END = "WITH ", "placed AS (", "planned AS (", "decided AS (", "), ", ")"
_ALONE = " SELECT (SELECT is_known FROM decided), NULL"
_WITH_ACTIONS = " SELECT (SELECT is_known FROM decided), (SELECT jsonb_object_agg(kind, id) FROM planned)"


def add_decision(
    conn: Connection,
    ref: RunRef,
    decision: Decision,
    *,
    facts: RoutingFacts,
    policy: RoutingPolicy,
    analysis_id: str | None,
    applied: bool,
    placing: Placing | None = None,
    plan: Plan | None = None,
) -> dict[str, str]:
    """Append one decision, unique per message and run, with the policy it was made under. applied: it placed the conversation.
    placing, plan: what is done in the same statement, also where the decision stands already.

    Returns the ids of the actions that were planned just now, by their kind.
    """
    snapshot = snapshot_of(ref.tenant_id, policy)
    values: dict[str, object] = {
        "tenant": ref.tenant_id,
        "message": ref.message_id,
        "run": ref.run_id,
        "analysis": analysis_id,
        "priority": decision.priority,
        "queue": decision.queue,
        "rule": decision.rule,
        "reasons": list(decision.reasons),
        "inputs": Jsonb(facts_to_json(facts)),
        "applied": applied,
        "provisional": facts.provisional,
        "policy_hash": snapshot.policy_hash,
        "actions": Jsonb([asdict(action) for action in decision.actions]),
        "decided_skill": decision.skill,
        "tags": list(decision.tags),
        "trials": Jsonb([asdict(trial) for trial in decision.trials]),
    }
    query = _DECIDED + _ADD + _END
    if plan:
        query = _PLANNED + ADD_ACTIONS + _AND + query + _WITH_ACTIONS
        values |= plan.as_values(ref)
    else:
        query += _ALONE
    if placing:
        query = _PLACED + placing.statement + _AND + query
        values |= placing.as_values()
    row = conn.execute(_WITH + query, values).fetchone()
    assert row is not None
    is_known, planned = row
    if is_known is False:
        remember_policy(conn, ref.tenant_id, snapshot)
    return planned or {}


@dataclass(frozen=True)
class StoredDecision:
    """One decision as it was made. policy_hash and actions are None on those from before they were stored."""

    id: str
    message_id: str
    priority: str
    queue: str
    rule: str
    reasons: tuple[str, ...]
    actions: list[dict[str, Any]] | None
    inputs: dict[str, Any]
    policy_hash: str | None
    created_at: datetime
    skill: str | None
    tags: tuple[str, ...]
    trials: list[dict[str, Any]]

    def as_decision(self) -> Decision:
        """The decision itself, as it was made. Actions from before they were stored are none."""
        return Decision(
            priority=self.priority,  # pyright: ignore[reportArgumentType] -- the column holds nothing else
            queue=self.queue,
            rule=self.rule,
            reasons=self.reasons,
            actions=tuple(PlannedAction(one["kind"], one["state"]) for one in self.actions or ()),
            skill=self.skill,
            tags=self.tags,
            trials=tuple(
                Trial(one["rule"], one["queue"], one["priority"], tuple(one["actions"])) for one in self.trials
            ),
        )


@dataclass(frozen=True)
class ReadDecision(StoredDecision):
    """A decision beside its conversation, as people read it. conversation_id: None while the message has none."""

    conversation_id: str | None
    applied: bool
    provisional: bool


def find_decision(conn: Connection, tenant_id: int, decision_id: str) -> ReadDecision | None:
    """One decision of the tenant's."""
    row = conn.execute(
        """
        SELECT m.conversation_id::text, d.applied, d.provisional,
               d.id::text, d.message_id::text, d.priority, d.queue, d.rule, d.reasons, d.actions, d.inputs, d.policy_hash,
               d.created_at, d.skill, d.tags, d.trials
        FROM routing_decision AS d LEFT JOIN message AS m ON m.id = d.message_id
        WHERE d.tenant_id = %s AND d.id = %s
        """,
        (tenant_id, decision_id),
    ).fetchone()
    return _read(row) if row else None


def find_placing_decision(conn: Connection, tenant_id: int, conversation_id: str) -> ReadDecision | None:
    """The decision that put the conversation where it stands."""
    row = conn.execute(
        """
        SELECT c.id::text, d.applied, d.provisional,
               d.id::text, d.message_id::text, d.priority, d.queue, d.rule, d.reasons, d.actions, d.inputs, d.policy_hash,
               d.created_at, d.skill, d.tags, d.trials
        FROM conversation AS c JOIN routing_decision AS d ON d.message_id = c.routed_message_id AND d.applied
        WHERE c.tenant_id = %s AND c.id = %s
        ORDER BY d.id DESC
        LIMIT 1
        """,
        (tenant_id, conversation_id),
    ).fetchone()
    return _read(row) if row else None


def _read(row: tuple[Any, ...]) -> ReadDecision:
    conversation_id, applied, provisional, *made = row
    return ReadDecision(
        **vars(_stored(tuple(made))), conversation_id=conversation_id, applied=applied, provisional=provisional
    )


def iterate_decisions(
    conn: Connection, tenant_id: int, *, message_id: str | None = None, since: datetime | None = None
) -> Iterator[StoredDecision]:
    """Decisions of a message, or all since then, oldest first; fetched as they are asked for."""
    with conn.cursor(name="decisions") as cursor:
        cursor.itersize = 2000
        cursor.execute(
            """
            SELECT id::text, message_id::text, priority, queue, rule, reasons, actions, inputs, policy_hash, created_at,
                   skill, tags, trials
            FROM routing_decision
            WHERE tenant_id = %s AND (%s::uuid IS NULL OR message_id = %s::uuid)
              AND (%s::timestamptz IS NULL OR created_at >= %s)
            ORDER BY routing_decision.id
            """,
            (tenant_id, message_id, message_id, since, since),
        )
        for row in cursor:
            yield _stored(row)


def _stored(row: tuple[Any, ...]) -> StoredDecision:
    *before, reasons, actions, inputs, policy_hash, created_at, skill, tags, trials = row
    decision_id, message_id, priority, queue, rule = before
    return StoredDecision(
        decision_id,
        message_id,
        priority,
        queue,
        rule,
        tuple(reasons),
        actions,
        inputs,
        policy_hash,
        created_at,
        skill,
        tuple(tags),
        trials,
    )
