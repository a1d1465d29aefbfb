"""Trials by hand: what was started is done here and now, as a worker would."""

import json

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


def add_trials(owner, tenant_id, message_id):
    """The message in a sample, a trial of the laboratory and a check of examples; ids by kind."""
    owner.execute(
        """
        INSERT INTO audit_sample (tenant_id, period, message_id, analysis_id)
        SELECT tenant_id, '2026-11-02', message_id, id FROM message_analysis WHERE message_id = %s
        ON CONFLICT DO NOTHING
        """,
        (message_id,),
    )
    trials = {}
    for kind, setup in (("laboratory", {"tried": {}, "surface": "dm", "cap_usd": 1}), ("check", {"version": 1})):
        (trials[kind],) = owner.execute(
            "INSERT INTO trial (tenant_id, kind, state, started_at) VALUES (%s, %s, 'failed', now()) RETURNING id::text",
            (tenant_id, kind),
        ).fetchone()
        owner.execute(
            "INSERT INTO trial_text (trial_id, tenant_id, setup) VALUES (%s, %s, %s)",
            (trials[kind], tenant_id, json.dumps(setup)),
        )
    return {"trial": trials["laboratory"], "check": trials["check"]}


def ready_for(owner, path):
    """What deeds on labels, examples and sweeps find, whoever came before: nothing to propose, and a sweep in the state they need."""
    if not any(part in path for part in ("/corrections", "/samples", "/examples", "/sweeps", "/reanaly")):
        return
    owner.execute("UPDATE audit_sample SET judged_at = NULL")
    owner.execute("UPDATE message SET minimized_text = NULL")
    owner.execute("DELETE FROM run WHERE state = 'dead'")
    owner.execute(
        "UPDATE sweep SET approved_at = NULL, needs_approval = true, finished_at = CASE WHEN %s THEN now() END, state = %s",
        (path.endswith("/approve"), "running" if path.endswith("/pause") else "paused"),
    )
    owner.execute(
        """
        INSERT INTO correction (tenant_id, message_id, field, old_value, new_value)
        SELECT tenant_id, message_id, 'sentiment', 'neutral', 'negative' FROM audit_sample
        """
    )
