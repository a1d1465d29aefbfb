"""Trials by hand: what was started is done here and now, as a worker would."""

from worker import trial_work


def work_off(deps):
    """Do every trial that is due; returns how many there were."""
    due = trial_work.take_due(deps)
    for tenant_id, trial_id in due:
        trial_work.run_trial(deps, tenant_id=tenant_id, trial_id=trial_id)
    return len(due)


def deeds(owner, tenant_id):
    """The audit log of a tenant, oldest first."""
    rows = owner.execute("SELECT deed FROM audit_log WHERE tenant_id = %s ORDER BY id", (tenant_id,)).fetchall()
    return [deed for (deed,) in rows]
