"""/admin: how everything stands, in cards."""

from flask import render_template

from console.pages.admin.gate import new_blueprint
from console.visitors import database, visitor
from store.admin_overview import read_overview
from store.channel_sightings import list_account_states
from store.crm_report import read_status
from store.db import StoreError
from store.onboarding import read_onboarding
from store.sweeps import list_sweeps
from store.tenants import get_tenant_config

blueprint = new_blueprint("overview")


@blueprint.get("")
def show() -> str:
    """One card for each page."""
    who = visitor()
    with database().tenant_transaction(who.tenant_id) as conn:
        numbers = read_overview(conn, who.tenant_id)
        sweeps = list_sweeps(conn, who.tenant_id)
        tenant = get_tenant_config(conn, who.tenant_id)
        onboarding = read_onboarding(conn, who.tenant_id)
        accounts = list_account_states(conn, who.tenant_id)
        try:
            crm = read_status(conn, who.tenant_id)
        except StoreError as error:
            if error.code != "no_crm":
                raise
            crm = None
    return render_template(
        "admin/overview.html", numbers=numbers, sweep=sweeps[0] if sweeps else None, tenant=tenant, crm=crm,
        onboarding=onboarding, accounts=accounts,
    )  # fmt: skip
