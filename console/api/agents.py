"""/agents: who is there, what they can do, how much they take."""

from flask import Response

from console.api.answers import AgentAnswer, AgentList
from console.api.callers import caller
from console.api.paths import new_blueprint
from console.api.problems import Problem, not_found
from console.api.requests import AgentChange, AgentPath
from console.api.tenant_queues import check_queue
from console.api.writing import answer, database, do_once
from store.agents import find_colleague, list_agents, note_heartbeat, set_agent
from store.db import Connection
from store.tenants import get_tenant_config

blueprint = new_blueprint("agents", __name__)
LEADERS = ("supervisor", "admin")


@blueprint.get("/agents", summary="List agents", responses={200: AgentList})
def list_all() -> Response:
    """With presence, skills, capacity and how many open conversations they have."""
    who = caller()
    with database().tenant_transaction(who.tenant_id) as conn:
        agents = list_agents(conn, who.tenant_id)
    body = AgentList(agents=[AgentAnswer.of(one, me=who.user_id) for one in agents])
    return answer(body.model_dump(mode="json"))


@blueprint.patch(
    "/agents/<user_id>", summary="Change an agent, or say that they are there", responses={200: AgentAnswer}
)
def change(path: AgentPath, body: AgentChange) -> Response:
    """Agents set their own presence and send their heartbeat; skills, queues and capacity are for supervisors and admins."""
    who = caller()
    is_leader, is_own = who.role in LEADERS, who.user_id == path.user_id

    def work(conn: Connection) -> AgentAnswer:
        found = find_colleague(conn, who.tenant_id, user_id=path.user_id)
        if found is None or found[2] == "auditor":
            raise not_found("an agent")
        if not (is_leader or is_own):
            raise Problem(403, "not_yours", fix="change your own presence only; ask a supervisor for the rest")
        if not is_leader and any(one is not None for one in (body.skills, body.queues, body.capacity)):
            fix = "skills, queues and capacity are set by a supervisor or admin"
            raise Problem(403, "role_may_not", field="skills", fix=fix)
        for number, queue in enumerate(body.queues or ()):
            check_queue(conn, who.tenant_id, queue, field=f"queues.{number}")
        set_agent(
            conn,
            who.tenant_id,
            path.user_id,
            presence=body.presence,
            skills=body.skills,
            queues=body.queues,
            capacity=body.capacity,
            default_capacity=get_tenant_config(conn, who.tenant_id).assignment.default_capacity,
        )
        if body.heartbeat or body.presence == "available":
            note_heartbeat(conn, who.tenant_id, path.user_id)
        (agent,) = list_agents(conn, who.tenant_id, user_id=path.user_id)
        return AgentAnswer.of(agent, me=who.user_id)

    return do_once(work)
