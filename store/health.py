"""What an operator should know: work that waits too long, parked messages, blocked accounts, paused CRMs."""

from dataclasses import dataclass

from store.accounting import list_imbalances
from store.action_alerts import UNCERTAIN_FOR_S
from store.backlog import list_failing_targets, upkeep_late_s
from store.canaries import list_late_canaries
from store.channel_health import all_are_silent, list_unwell
from store.crm_health import list_crm_problems
from store.customer_erasure import list_late_erasures
from store.db import Connection
from store.retention import list_behind
from store.stage_ages import list_stage_ages

OLD_RUN_S = 300
CANARY_LATE_S = 300
# What more workers don't help with, by the code that a message waits with.
_FIXES = {
    "provider_paused": "The AI provider fails or limits us: see its status page, then docs/operations.md.",
    "budget_reached": "A tenant's budget is used up: raise it in its settings, or wait until the day is over.",
    "no_analyzer": "The workers have no ANTHROPIC_API_KEY: set it and start them again.",
}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, and what to do."""

    subject: str
    problem: str
    fix: str


def list_findings(conn: Connection) -> list[Finding]:
    """Everything that is wrong now. Needs the system scope."""
    findings: list[Finding] = []
    for lost in list_imbalances(conn):
        problem = f"{lost.messages} messages can't be accounted for, the first came in the hour from {lost.since:%Y-%m-%d %H:%M} UTC"
        fix = f"See `earshot accounting --tenant {lost.tenant} --recount` and docs/on-call.md."
        findings.append(Finding(lost.tenant, problem, fix))
    for age in list_stage_ages(conn):
        if age.late:
            reason = f" ({age.because})" if age.because else ""
            problem = f"{age.late} messages wait for it longer than {age.limit_s} s, the first for {age.oldest_s / 60:.0f} minutes{reason}"
            fix = _FIXES.get(age.because or "", "Are its workers running, and enough of them?")
            findings.append(Finding(f"stage {age.stage}", problem, fix))
    for late in list_late_canaries(conn, late_after_s=CANARY_LATE_S):
        reason = f" ({late.error_code})" if late.error_code else ""
        problem = f"a test message sent at {late.sent_at:%H:%M} UTC came no further than {late.stage}{reason}"
        findings.append(Finding(late.tenant, problem, "Look at what comes after that: docs/on-call.md."))
    for slug, count, codes in conn.execute(
        """
        SELECT t.slug, count(*), array_agg(DISTINCT coalesce(r.error_code, 'unknown'))
        FROM run AS r JOIN tenant AS t ON t.id = r.tenant_id
        WHERE r.state = 'dead'
        GROUP BY t.slug
        ORDER BY t.slug
        """
    ).fetchall():
        fix = "See `earshot dead list`, then `earshot dead replay`."
        findings.append(Finding(slug, f"{count} messages are parked ({', '.join(codes)})", fix))
    for slug, count, code in conn.execute(
        """
        SELECT t.slug, count(*), max(r.error_code)
        FROM run AS r JOIN tenant AS t ON t.id = r.tenant_id
        WHERE r.state <> 'dead' AND r.kind <> 'canary' AND r.created_at < now() - make_interval(secs => %s)
        GROUP BY t.slug
        ORDER BY t.slug
        """,
        (OLD_RUN_S,),
    ).fetchall():
        reason = f" ({code})" if code else ""
        fix = _FIXES.get(code or "", "Are workers running?")
        findings.append(Finding(slug, f"{count} messages wait for more than 5 minutes{reason}", fix))
    for slug, kind, account_id, because in conn.execute(
        """
        SELECT t.slug, a.kind, a.account_id, a.sends_blocked_because
        FROM channel_account AS a JOIN tenant AS t ON t.id = a.tenant_id
        WHERE a.sends_blocked_because IS NOT NULL
        ORDER BY t.slug
        """
    ).fetchall():
        problem = f"the {kind} account {account_id} cannot send ({because})"
        findings.append(Finding(slug, problem, "Renew its token and apply the tenant file again."))
    findings.extend(Finding(*one) for one in list_crm_problems(conn))
    findings.extend(_list_channel_findings(conn))
    for slug, host, state, because, failures in conn.execute(
        """
        SELECT t.slug, w.host, w.state, w.paused_because, w.failures
        FROM webhook_subscription AS w JOIN tenant AS t ON t.id = w.tenant_id
        WHERE w.state = 'active' AND w.failing_since < now() - interval '10 minutes' OR w.state IN ('paused', 'gone')
          AND w.paused_because IN ('failing', 'gone')
        ORDER BY t.slug, w.host
        """
    ).fetchall():
        what = f"is {state} ({because})" if state != "active" else f"has failed {failures} times in a row"
        fix = f"Repair what answers there, then `earshot webhook resume --tenant {slug}`."
        findings.append(Finding(slug, f"the webhook to {host} {what}", fix))
    for target in list_failing_targets(conn):
        problem = f"the alert target {target.name} takes no alerts ({target.alerts} wait or were given up: {target.error_code})"
        findings.append(Finding(target.tenant, problem, "Check its URL, then `earshot alert test`."))
    for behind in list_behind(conn):
        problem = f"what is past its time ({behind.part}) has not been removed for {behind.hours:.0f} hours"
        findings.append(Finding(behind.tenant, problem, "Are beat and a worker of the role `delivery` running?"))
    for count, hours in list_late_erasures(conn):
        problem = f"{count} erasures of customers wait, the first for {hours:.1f} hours"
        findings.append(
            Finding("erasure", problem, "Are beat and a worker of the role `delivery` running? See their logs.")
        )
    late_s = upkeep_late_s(conn)
    if late_s:
        problem = f"upkeep is behind by {late_s / 60:.0f} minutes: alerts, clocks or sends wait"
        findings.append(Finding("workers", problem, "Are beat and a worker of the role `delivery` running?"))
    for slug, count in conn.execute(
        """
        SELECT t.slug, count(*)
        FROM action AS a JOIN tenant AS t ON t.id = a.tenant_id
        WHERE a.state = 'uncertain' AND a.created_at < now() - make_interval(secs => %s)
        GROUP BY t.slug
        ORDER BY t.slug
        """,
        (UNCERTAIN_FOR_S,),
    ).fetchall():
        problem = f"{count} messages may or may not have reached their customers"
        findings.append(Finding(slug, problem, "A person must look into the conversations; nothing is sent twice."))
    return findings


_CHANNEL_PROBLEMS = {
    "channel_silent": (
        "has got no webhook since {since}, longer than ever in two weeks",
        "Check the app's webhooks at Meta.",
    ),
    "webhooks_disabled": ("gets no webhooks: no app is subscribed to it", "Subscribe the app to the account again."),
    "token_dead": ("has a token that Meta refuses", "Make a new token and apply the tenant file with it."),
    "token_expiring": (
        "has a token that ends on {since} and could not be refreshed",
        "Make a new token and apply the tenant file with it.",
    ),
}


def _list_channel_findings(conn: Connection) -> list[Finding]:
    findings: list[Finding] = []
    if all_are_silent(conn):
        problem = "no webhook has come to any account for longer than usual"
        findings.append(Finding("receiver", problem, "Is the receiver reachable from outside?"))
    for one in list_unwell(conn):
        if one.problem not in _CHANNEL_PROBLEMS:  # said above, with its reason
            continue
        problem, fix = _CHANNEL_PROBLEMS[one.problem]
        what = problem.format(since=f"{one.since:%Y-%m-%d %H:%M} UTC")
        findings.append(Finding(one.tenant, f"the {one.kind} account {one.account_id} {what}", fix))
    return findings
