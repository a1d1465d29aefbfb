"""Who calls: the key, the person it acts for, and what that role may call at all."""

from dataclasses import dataclass
from typing import cast

from flask import g, request

from console.api.client_address import client_address
from console.api.failed_keys import FailedKeys
from console.api.key_calls import KeyCalls
from console.api.problems import Problem
from console.api.scopes import SCOPE_OF
from console.deeds import ACTS_FOR, Doer
from console.metrics import API_REFUSED
from routing.work_rights import Role, lesser
from store.agents import find_colleague, note_seen
from store.conversation_events import Actor
from store.db import Database, act_for_tenant
from store.users import find_api_key

_READERS = frozenset[Role]({"agent", "supervisor", "admin", "auditor"})
_WORKERS = frozenset[Role]({"agent", "supervisor", "admin"})
LEADERS = frozenset[Role]({"supervisor", "admin"})
# Who sees the administration's pages.
_OVERSEERS = frozenset[Role]({"supervisor", "admin", "auditor"})
_ADMINS = frozenset[Role]({"admin"})

# Every route of the API with the roles that may call it. One that is not here is refused to all.
MAY_CALL: dict[str, frozenset[Role]] = {
    "queues.list_queues": _READERS,
    "queues.take_next": _WORKERS,
    "conversations.list_all": _READERS,
    "conversations.read_one": _READERS,
    "conversation_work.claim": _WORKERS,
    "conversation_work.assign": LEADERS,
    "conversation_work.transfer": _WORKERS,
    "conversation_work.unassign": _WORKERS,
    "conversation_work.snooze": _WORKERS,
    "conversation_work.resolve": _WORKERS,
    "conversation_work.reopen": _WORKERS,
    "agents.list_all": _READERS,
    "agents.change": _WORKERS,
    "actions.list_all": _READERS,
    "actions.read_one": _READERS,
    "actions.approve": LEADERS,
    "actions.reject": LEADERS,
    "actions.settle": LEADERS,
    "alerts.list_all": _READERS,
    "alerts.acknowledge": _WORKERS,
    "alerts.snooze": _WORKERS,
    "crm.read_connection": _READERS,
    "crm.list_all": _READERS,
    "crm.list_unclear": _READERS,
    "crm.read_customer": _READERS,
    "crm.link": _WORKERS,
    "crm.unlink": LEADERS,
    "decisions.read_one": _READERS,
    "settings.read": _OVERSEERS,
    "settings.change": LEADERS,
    "settings.simulate": LEADERS,
    "settings.list_all": _OVERSEERS,
    "settings.restore": LEADERS,
    "settings.put_secret": _ADMINS,
    "people.list_all": _ADMINS,
    "people.invite_one": _ADMINS,
    "people.change": _ADMINS,
    "people.new_link": _ADMINS,
    "api_keys.list_all": _ADMINS,
    "api_keys.make": _ADMINS,
    "api_keys.revoke": _ADMINS,
    "audit_log.list_all": _OVERSEERS,
    "connections.read_state": _ADMINS,
    "connections.read_signs": _ADMINS,
    "connections.put_channel": _ADMINS,
    "connections.rotate": _ADMINS,
    "connections.check_channel": _ADMINS,
    "connections.remove_channel": _ADMINS,
    "connections.put_crm": _ADMINS,
    "connections.check_crm": _ADMINS,
    "connections.remove_crm": _ADMINS,
    "connections.put_target": _ADMINS,
    "connections.test_target": _ADMINS,
    "connections.remove_target": _ADMINS,
    "connections.read_errand": _ADMINS,
    "corrections.list_all": _READERS,
    "corrections.list_of_message": _READERS,
    "corrections.add": _WORKERS,
    "corrections.take_back": _WORKERS,
    "reanalyses.read_conversation": LEADERS,
    "reanalyses.read_messages": LEADERS,
    "reanalyses.read_progress": _READERS,
    "samples.list_all": _READERS,
    "samples.judge": _WORKERS,
    "examples.read_proposal": _OVERSEERS,
    "examples.list_versions": _OVERSEERS,
    "examples.check": LEADERS,
    "examples.publish": _ADMINS,
    "examples.read_trial": _OVERSEERS,
    "examples.roll_back": _ADMINS,
    "examples.reject": LEADERS,
    "examples.readmit": LEADERS,
    "laboratory.plan": LEADERS,
    "laboratory.start": LEADERS,
    "laboratory.list_all": _OVERSEERS,
    "laboratory.read_one": _OVERSEERS,
    "sweeps.plan": LEADERS,
    "sweeps.start": LEADERS,
    "sweeps.list_all": _OVERSEERS,
    "sweeps.read_one": _OVERSEERS,
    "sweeps.pause": LEADERS,
    "sweeps.resume": LEADERS,
    "sweeps.cancel": LEADERS,
    "sweeps.approve": LEADERS,
    "sweeps.list_changed": _OVERSEERS,
    "webhooks.list_all": _OVERSEERS,
    "webhooks.add": _ADMINS,
    "webhooks.read_one": _OVERSEERS,
    "webhooks.change": _ADMINS,
    "webhooks.remove": _ADMINS,
    "webhooks.rotate": _ADMINS,
    "webhooks.test": _ADMINS,
    "webhooks.list_events": _OVERSEERS,
    "webhooks.replay_all": _ADMINS,
    "webhooks.replay_one": _ADMINS,
    "alerts.read_one": _READERS,
    "agent_inbox.list_rows": _READERS,
    "agent_inbox.count": _READERS,
    "agent_inbox.change_many": _WORKERS,
    "customers.read_one": _READERS,
    "customers.list_conversations": _READERS,
    "messages.list_analyses": _READERS,
    "messages.list_sent": _READERS,
    "replies.read_desk": _READERS,
    "replies.send": _WORKERS,
    "replies.cancel": _WORKERS,
    "replies.settle": _WORKERS,
    "insight_reports.read_map": _READERS,
    "insight_reports.list_messages": _READERS,
    "insight_reports.read_answer_times": _READERS,
    "insight_reports.ask": _READERS,
    "insight_reports.read_load": _READERS,
    "insight_reports.read_surveys": _READERS,
    "insight_reports.read_accuracy": _READERS,
    "insight_reports.read_cost": _READERS,
    "sla.list_open": _READERS,
    "sla.list_by_week": _READERS,
    "overview.read_me": _READERS,
    "overview.read_all": _OVERSEERS,
    "channels.list_channels": _OVERSEERS,
    "channels.list_targets": _OVERSEERS,
    "accounting.read": _OVERSEERS,
    "dead_letters.list_all": _OVERSEERS,
    "dead_letters.replay": LEADERS,
    "dead_letters.replay_all": LEADERS,
    "privacy.read_facts": _OVERSEERS,
    "privacy.list_calls": _OVERSEERS,
    "privacy.read_call": _OVERSEERS,
    "erasures.find": _ADMINS,
    "erasures.export": _ADMINS,
    "erasures.erase": _ADMINS,
    "erasures.list_all": _OVERSEERS,
    "erasures.read_one": _OVERSEERS,
}


@dataclass(frozen=True)
class Caller:
    """A key at work. user_id: the person it acts for, None when it acts as itself. role: the smaller of both rights. scopes: what the
    key is narrowed to, None when it is not.
    """

    tenant_id: int
    key_id: int
    role: Role
    user_id: int | None
    scopes: frozenset[str] | None = None

    @property
    def actor(self) -> Actor:
        """As the log of a conversation names it."""
        return Actor(user_id=self.user_id, key_id=self.key_id)

    @property
    def doer(self) -> Doer:
        """As whoever does something with a conversation."""
        return Doer(self.tenant_id, self.role, self.user_id, self.actor)

    def person(self) -> int:
        """The user it acts for. Raises: Problem when it acts as itself."""
        return self.doer.person()


def caller() -> Caller:
    """Who calls now."""
    return cast("Caller", g.caller)


def _refuse(status: int, code: str, *, reason: str, fix: str, field: str) -> Problem:
    API_REFUSED.labels(reason).inc()
    return Problem(status, code, fix=fix, field=field)


def authenticate(database: Database, *, failed_keys: FailedKeys, trusted_proxies: int) -> Caller:
    """The caller of the request at hand. Raises: Problem (401, 403, 422, 429), StoreError."""
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not given.strip():
        fix = "send Authorization: Bearer KEY; earshot apikey create makes one"
        raise _refuse(401, "no_key", reason="no_key", fix=fix, field="Authorization")
    given = given.strip()
    forwarded = request.headers.get("X-Forwarded-For", "").split(",")
    address = client_address(request.remote_addr or "", forwarded, trusted_proxies=trusted_proxies)
    wait_s = failed_keys.wait_s(address, given)
    if wait_s:
        fix = f"too many calls came with keys that are none: try again in {wait_s} seconds"
        problem = _refuse(429, "too_many_failures", reason="too_many", fix=fix, field="Authorization")
        problem.retry_after_s = wait_s
        raise problem
    with database.system_transaction() as conn:
        key = find_api_key(conn, given)
        if key is None:
            failed_keys.note(address, given)
            fix = "the key is unknown, revoked, or its person has no role any more; make one with earshot apikey create"
            raise _refuse(401, "unknown_key", reason="unknown_key", fix=fix, field="Authorization")
        role, user_id = cast("Role", key.role), key.user_id
        if user_id is not None:
            role = lesser(role, cast("Role", key.user_role))
        act_for_tenant(conn, key.tenant_id)
        email = request.headers.get(ACTS_FOR)
        if email is not None and not email.isprintable():
            fix = "name a person by e-mail, without control characters"
            raise _refuse(422, "unknown_person", reason="acts_for", fix=fix, field=ACTS_FOR)
        if email is not None:
            if role not in LEADERS:
                fix = "only a supervisor's or admin's key may act for somebody"
                raise _refuse(403, "may_not_act_for_others", reason="acts_for", fix=fix, field=ACTS_FOR)
            colleague = find_colleague(conn, key.tenant_id, email=email)
            if colleague is None:
                fix = "name a person with a role in this tenant by e-mail; see earshot user list"
                raise _refuse(422, "unknown_person", reason="acts_for", fix=fix, field=ACTS_FOR)
            user_id, role = colleague[0], lesser(role, cast("Role", colleague[2]))
        if user_id is not None and role != "auditor":
            note_seen(conn, key.tenant_id, user_id)
    scopes = frozenset(key.scopes) if key.scopes is not None else None
    return Caller(key.tenant_id, key.id, role, user_id, scopes)


def admit(database: Database, *, failed_keys: FailedKeys, key_calls: KeyCalls, trusted_proxies: int) -> None:
    """Let the request at hand through or not. Raises: Problem, StoreError."""
    g.caller = found = authenticate(database, failed_keys=failed_keys, trusted_proxies=trusted_proxies)
    g.allowance = allowance = key_calls.count(request.headers["Authorization"].partition(" ")[2].strip())
    if allowance is not None and allowance.left < 0:
        fix = f"the key may call {allowance.limit} times a minute: try again in {allowance.resets_in_s} seconds"
        problem = _refuse(429, "too_many_calls", reason="too_many_calls", fix=fix, field="Authorization")
        problem.retry_after_s = allowance.resets_in_s
        raise problem
    if found.role not in MAY_CALL.get(request.endpoint or "", frozenset[Role]()):
        API_REFUSED.labels("role").inc()
        raise Problem(403, "role_may_not", fix=f"the role {found.role} may not do this; ask a supervisor or admin")
    if found.scopes is not None and SCOPE_OF.get(request.endpoint or "") not in found.scopes:
        API_REFUSED.labels("scope").inc()
        needed = SCOPE_OF.get(request.endpoint or "")
        fix = f"the key is narrowed to {', '.join(sorted(found.scopes))}; this takes {needed or 'a key that is not narrowed'}"
        raise Problem(403, "scope_missing", fix=fix, scope=needed)
