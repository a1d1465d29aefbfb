"""/admin/accounting: what became of every message, how long work stands in each stage, and messages of our own."""

from datetime import UTC, datetime, timedelta

from flask import render_template

from console.pages.admin.gate import new_blueprint
from console.visitors import database, visitor
from store.accounting import list_hours, list_unbalanced
from store.canaries import list_canaries
from store.stage_ages import list_stage_ages
from store.tenants import get_tenant_config

blueprint = new_blueprint("accounting", path="/accounting")
SHOWN = timedelta(hours=48)
CANARIES = 12


@blueprint.get("")
def show() -> str:
    """Newest hour first; older ones only when they don't balance."""
    who = visitor()
    now = datetime.now(UTC)
    with database().tenant_transaction(who.tenant_id) as conn:
        unbalanced = list_unbalanced(conn, who.tenant_id)
        recent = list_hours(conn, who.tenant_id, since=now - SHOWN, until=now + timedelta(hours=1))
        stages = list_stage_ages(conn, who.tenant_id)
        canaries = list_canaries(conn, who.tenant_id, limit=CANARIES)
        tenant = get_tenant_config(conn, who.tenant_id)
    hours = {one.hour: one for one in (*unbalanced, *recent)}
    return render_template(
        "admin/accounting.html",
        hours=[hours[hour] for hour in sorted(hours, reverse=True)],
        missing=sum(one.unaccounted for one in unbalanced),
        counted_at=max((one.counted_at for one in hours.values() if one.counted_at), default=None),
        stages=stages,
        late=sum(one.late for one in stages),
        canaries=canaries,
        canaries_are_sent=tenant.canary.enabled,
    )
