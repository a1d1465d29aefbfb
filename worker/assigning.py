"""Gives conversations to people, takes them back from those who vanished, wakes what was snoozed."""

from datetime import datetime, timedelta

import structlog

from config.actions import ActionConfig
from config.tenant import TenantConfig
from routing.assignment import Wanted, choose_agent, default_skill
from routing.rules import Decision
from store.agents import list_candidates, lock_agents
from store.api_writes import KEPT_FOR_H, forget_writes
from store.assignments import (
    AUTO,
    Wish,
    list_tenants_with_assignments,
    lock_assignments,
    lock_wanting,
    return_from_vanished,
    wake_due,
)
from store.db import Connection, StoreError
from store.tenants import list_tenants
from store.work_items import get_work_item, give
from worker.deps import Deps

log = structlog.get_logger()

ASSIGNED_PER_ROUND = 200


def wish_of(decision: Decision, *, tenant: TenantConfig) -> Wish:
    """What a decision that places a conversation asks for; once noted, the next round gives it to somebody."""
    is_wished = any(action.kind == "assign" and action.state == "pending" for action in decision.actions)
    wanted = is_wished or decision.queue in tenant.assignment.auto_assign
    wish = tenant.actions.get("assign", ActionConfig()) if is_wished else ActionConfig()
    skill = skill_for(
        decision.skill, queue=decision.queue, priority=decision.priority, is_wished=is_wished, tenant=tenant
    )
    return Wish(wanted, decision.queue != "auto", skill, wish.assignee)


def skill_for(decided: str | None, *, queue: str, priority: str, is_wished: bool, tenant: TenantConfig) -> str | None:
    """The skill a conversation wants: what the decision names, else the tenant for the action `assign`, else what the place takes."""
    wish = tenant.actions["assign"].skill if is_wished and "assign" in tenant.actions else None
    return decided or wish or default_skill(queue=queue, priority=priority)


def tick(deps: Deps, *, now: datetime) -> None:
    """One round for tenants with work; one that fails doesn't stop the others. Raises: StoreError when tenants can't be read."""
    with deps.database.system_transaction() as conn:
        tenant_ids = list_tenants_with_assignments(conn)
    for tenant_id in tenant_ids:
        try:
            config = deps.tenants.get(tenant_id)
            with deps.database.tenant_transaction(tenant_id) as conn:
                run_round(conn, tenant_id, config=config, now=now)
        except StoreError as error:
            log.warning("left_to_next_tick", what="assign", tenant_id=tenant_id, code=error.code)


def forget_old_writes(deps: Deps, *, now: datetime) -> None:
    """Drop what programs were answered more than a day ago. Raises: StoreError."""
    with deps.database.system_transaction() as conn:
        tenants = list_tenants(conn)
    for tenant in tenants:
        with deps.database.tenant_transaction(tenant.id) as conn:
            forget_writes(conn, tenant.id, before=now - timedelta(hours=KEPT_FOR_H))


def run_round(conn: Connection, tenant_id: int, *, config: TenantConfig, now: datetime) -> int:
    """Wake, take back, give; returns how many were given. now: must be the database's time, by which people are seen."""
    lock_assignments(conn, tenant_id)
    lock_agents(conn, tenant_id)
    seen_since = now - timedelta(minutes=config.assignment.vanish_after_min)
    wake_due(conn, tenant_id, now=now)
    returned = return_from_vanished(conn, tenant_id, seen_since=seen_since, auto_queues=config.assignment.auto_assign)
    if returned:
        log.warning("agents_vanished", tenant_id=tenant_id, agents=len(returned), conversations=sum(returned.values()))
    return _give_out(conn, tenant_id, config=config, seen_since=seen_since, now=now)


def _give_out(conn: Connection, tenant_id: int, *, config: TenantConfig, seen_since: datetime, now: datetime) -> int:
    agents = {agent.user_id: agent for agent in list_candidates(conn, tenant_id, seen_since=seen_since)}
    if not any(agent.has_room() for agent in agents.values()):
        return 0
    given = 0
    for waiting in lock_wanting(conn, tenant_id, limit=ASSIGNED_PER_ROUND):
        wanted = Wanted(waiting.queue, waiting.skill, (now - waiting.wanted_since).total_seconds(), waiting.prefers)
        chosen = choose_agent(agents.values(), wanted, skill_wait_s=60.0 * config.assignment.skill_wait_min)
        if chosen is None:
            continue
        item = get_work_item(conn, tenant_id, waiting.id)
        give(conn, tenant_id, item, user_id=chosen, because="auto", actor=AUTO)
        agents[chosen] = agents[chosen].with_one_more(now=now)
        given += 1
    return given
