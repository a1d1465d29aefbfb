"""/overview and /me: how a tenant stands in numbers, and who the caller is."""

from typing import Self

from flask import Response
from pydantic import BaseModel

from console.api.callers import caller
from console.api.crm_answers import CrmAnswer
from console.api.paths import new_blueprint
from console.api.writing import answer, database
from store.admin_overview import read_overview
from store.agents import find_colleague
from store.crm_connections import has_crm
from store.crm_report import read_status
from store.sweeps import Sweep, list_sweeps
from store.tenants import get_tenant_config

blueprint = new_blueprint("overview", __name__)


class NewestSweep(BaseModel):
    """The sweep that was begun last. waits_for_approval: its labels do."""

    id: str
    period: str
    state: str
    waits_for_approval: bool

    @classmethod
    def of(cls, sweep: Sweep) -> Self:
        """From the stored row."""
        waits = bool(sweep.waits_for_approval and sweep.finished_at)
        return cls(id=str(sweep.id), period=sweep.period, state=sweep.state, waits_for_approval=waits)


class OverviewAnswer(BaseModel):
    """alerts: open ones. unapproved, uncertain: actions. parked: dead letters. calls, cost_usd: to the AI provider within 24 hours. rules: of
    the tenant's own. crm, sweep: None where there is none.
    """

    alerts: int
    unapproved: int
    uncertain: int
    parked: int
    members: int
    api_keys: int
    calls: int
    cost_usd: float
    industry: str
    escalate_from: float
    rules: int
    crm: CrmAnswer | None
    sweep: NewestSweep | None


class MeAnswer(BaseModel):
    """The caller. role: the smaller of the key's and the person's. user_id, email: None for a key that acts as itself."""

    tenant: str
    tenant_name: str
    time_zone: str
    role: str
    key_id: int
    user_id: int | None
    email: str | None


@blueprint.get("/overview", summary="Read how everything stands", responses={200: OverviewAnswer})
def read_all() -> Response:
    """The figures of the administration's first page. For supervisors, admins and auditors."""
    who = caller()
    with database().tenant_transaction(who.tenant_id) as conn:
        numbers = read_overview(conn, who.tenant_id)
        sweeps = list_sweeps(conn, who.tenant_id)
        tenant = get_tenant_config(conn, who.tenant_id)
        crm = read_status(conn, who.tenant_id) if has_crm(conn, who.tenant_id) else None
    known = {name: value for name, value in vars(numbers).items() if name in OverviewAnswer.model_fields}
    body = OverviewAnswer(
        **known,
        cost_usd=numbers.cost_microusd / 1_000_000,
        industry=tenant.industry,
        escalate_from=tenant.thresholds.escalate,
        rules=len(tenant.rules),
        crm=CrmAnswer.of(crm) if crm else None,
        sweep=NewestSweep.of(sweeps[0]) if sweeps else None,
    )
    return answer(body.model_dump(mode="json"))


@blueprint.get("/me", summary="Read who the key acts as", responses={200: MeAnswer})
def read_me() -> Response:
    """Its tenant, role and person."""
    who = caller()
    with database().tenant_transaction(who.tenant_id) as conn:
        tenant = get_tenant_config(conn, who.tenant_id)
        found = find_colleague(conn, who.tenant_id, user_id=who.user_id) if who.user_id is not None else None
    body = MeAnswer(
        tenant=tenant.slug,
        tenant_name=tenant.name,
        time_zone=tenant.hours.time_zone,
        role=who.role,
        key_id=who.key_id,
        user_id=who.user_id,
        email=found[1] if found else None,
    )
    return answer(body.model_dump(mode="json"))
