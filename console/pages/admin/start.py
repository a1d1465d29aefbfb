"""/admin/start: the set-up of a tenant in five steps, what is done of it, and what comes afterwards."""

from flask import abort, current_app, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from console.pages.admin.gate import new_blueprint, only_admins
from console.pages.admin.writing import tenant_writing
from console.pages.notices import give_notice
from console.visitors import database, visitor
from store.channel_sightings import list_account_states
from store.crm_connections import find_account
from store.onboarding import STEPS, Onboarding, Step, read_onboarding, settle_step
from store.tenants import get_tenant_config

blueprint = new_blueprint("start", path="/start")
# Where each step is done.
PAGES: dict[Step, str] = {
    "industry": "admin_start_settings.industry",
    "topics": "admin_start_settings.topics",
    "channel": "admin_start.channel",
    "crm": "admin_start.crm",
    "thresholds": "admin_start_settings.thresholds",
}


def progress() -> Onboarding:
    """The visitor's tenant's."""
    with database().tenant_transaction(visitor().tenant_id) as conn:
        return read_onboarding(conn, visitor().tenant_id)


def after(step: Step) -> str:
    """Where to go when a step is settled: the next one, or the overview behind the last."""
    number = STEPS.index(step) + 1
    return url_for(PAGES[STEPS[number]] if number < len(STEPS) else "admin_start.show")


@blueprint.get("")
def show() -> str:
    """Each step with its state; when all are settled, what happens now."""
    with database().tenant_transaction(visitor().tenant_id) as conn:
        onboarding = read_onboarding(conn, visitor().tenant_id)
        tenant = get_tenant_config(conn, visitor().tenant_id)
        accounts = list_account_states(conn, visitor().tenant_id)
        crm = find_account(conn, visitor().tenant_id)
    return render_template(
        "admin/start.html", onboarding=onboarding, pages=PAGES, tenant=tenant, accounts=accounts, crm=crm,
        may_change=visitor().place.role == "admin", has_rules="admin_rules.show" in current_app.view_functions,
    )  # fmt: skip


@blueprint.get("/channel")
def channel() -> str:
    """The accounts that are connected, and the channels to choose from."""
    with database().tenant_transaction(visitor().tenant_id) as conn:
        accounts = list_account_states(conn, visitor().tenant_id)
    return render_template(
        "admin/start_channel.html", onboarding=progress(), pages=PAGES, accounts=accounts,
        may_change=visitor().place.role == "admin",
    )  # fmt: skip


@blueprint.get("/crm")
def crm() -> str:
    """Connect one, or go on without."""
    with database().tenant_transaction(visitor().tenant_id) as conn:
        account = find_account(conn, visitor().tenant_id)
    return render_template(
        "admin/start_crm.html", onboarding=progress(), pages=PAGES, crm=account,
        may_change=visitor().place.role == "admin",
    )  # fmt: skip


@blueprint.post("/skip")
def skip() -> Response:
    """Leave a step out, for now; it can be done at any time."""
    only_admins()
    step = request.form.get("step", "")
    if step not in STEPS:
        abort(400)
    with tenant_writing() as conn:
        settle_step(conn, visitor().tenant_id, step, settled_as="skipped", by=visitor().actor)
    give_notice("step_skipped")
    return redirect(after(step))
