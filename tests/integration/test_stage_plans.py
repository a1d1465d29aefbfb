"""What every message asks of the database is found by its key: it takes as long in a tenant of a million customers as in one of ten."""

import re
from contextlib import closing
from datetime import UTC, datetime

import pytest

from benchmarks.console_database import add_people
from benchmarks.large_tenant import Size, fill_tenant
from tests.webhooks import whatsapp_body, whatsapp_message
from worker import analyze_step, steps
from worker.claim_ahead import minimize_and_claim
from worker.deps import build_deps

SIZE = Size(messages=20_000, customers=3_000, open=500)
# Smaller ones may be read whole.
LARGE = 30
# Each form of a statement is sent more often than the driver waits for before it has the server keep a plan.
PASSES = 24


class Behind:
    """The three short stages behind the answer, in its transaction."""

    def __init__(self, deps, ref):
        self.deps, self.ref = deps, ref

    def join(self, held):
        steps.persist(self.deps, self.ref, held=held)
        steps.route(self.deps, self.ref, now=datetime.now(UTC), held=held)
        steps.crm_sync(self.deps, self.ref, held=held)

    def confirm(self):
        pass

    def part(self):
        pytest.fail("a stage did not come to its end")


def in_one_transaction(deps, ref):
    _, claimed = minimize_and_claim(deps, ref)
    analyze_step.analyze(deps, ref, Behind(deps, ref), claimed=claimed)


def one_by_one(deps, ref):
    steps.minimize(deps, ref)
    analyze_step.analyze(deps, ref)
    steps.persist(deps, ref)
    steps.route(deps, ref, now=datetime.now(UTC))
    steps.crm_sync(deps, ref)


def scans(node):
    """(table or partition, condition of its index or "") of every scan in a plan."""
    indexed = node["Plans"] if node["Node Type"] == "Bitmap Heap Scan" else [node]
    if "Relation Name" in node and node["Node Type"].endswith("Scan"):
        yield node["Relation Name"], " ".join(one.get("Index Cond", "") for one in indexed)
    for one in node.get("Plans", ()):
        yield from scans(one)


def keys_of(condition):
    """The columns that a condition is about, but for the tenant."""
    return set(re.findall(r"\(*([a-z_]+)\)* (?:=|>|<|>=|<=) ", condition)) - {"tenant_id"}


def kept_plans(conn):
    """(statement, plan) of everything that the server keeps for this connection."""
    kept = conn.execute("SELECT name, statement, cardinality(parameter_types) FROM pg_prepared_statements").fetchall()
    for name, statement, parameters in kept:
        given = f"({', '.join(['NULL'] * parameters)})" if parameters else ""
        ((plan,),) = conn.execute(f"EXPLAIN (FORMAT JSON) EXECUTE {name}{given}", prepare=False).fetchall()
        yield " ".join(statement.split()), plan[0]["Plan"]


@pytest.fixture
def filled(owner, owner_database_url, deps, tenant_ids):
    """The names of tables and partitions that have as many rows as LARGE."""
    tenant_id = tenant_ids["acme"]
    add_people(owner_database_url, tenant_id, slug="acme")
    fill_tenant(owner_database_url, tenant_id, config=deps.tenants.get(tenant_id), size=SIZE, say=lambda _: None)
    owner.execute("ANALYZE")
    rows = owner.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples >= %s", (LARGE,)).fetchall()
    names = {name for (name,) in rows}
    assert {"customer", "customer_identity", "conversation", "egress", "sla_clock"} <= names
    assert len([name for name in names if re.fullmatch(r"message(_analysis)?_\d{6}", name)]) > 10
    return names


@pytest.fixture(params=[in_one_transaction, one_by_one])
def plans(request, settings, tenant_ids, receive, filled):
    """What the server keeps for a worker that has taken messages through their stages, by statement."""
    deps = build_deps(settings.model_copy(update={"database_pool_size": 1}))
    with closing(deps.database):
        for number in range(PASSES):
            sent_at = str(int(datetime.now(UTC).timestamp()))
            sender = f"90532{number % 3:07}"
            (ref,) = receive(whatsapp_body(whatsapp_message("My parcel is late!", sender=sender, timestamp=sent_at)))
            request.param(deps, ref)
        with deps.database.stage_transaction(tenant_ids["acme"]) as conn:
            found = dict(kept_plans(conn))
    for first_or_last in ("FROM customer_identity", "DELETE FROM run"):
        assert any(first_or_last in statement for statement in found)
    return found


def test_no_stage_reads_what_it_has_no_key_of(plans, filled):
    """Functions that are not leakproof see no row before row-level security has let it through: a join by one reads all of a table."""
    assert [
        (table, condition, statement)
        for statement, plan in plans.items()
        for table, condition in scans(plan)
        if table in filled and not keys_of(condition)
    ] == []


def test_no_stage_opens_months_that_it_does_not_need(plans):
    """Each costs as much as a small statement. Only the turns before a message may lie in any of them; readings of a message are looked for
    from its month on, which is known when it is found.
    """
    opens = {
        statement: {table for table, _ in scans(plan) if re.fullmatch(r"message_\d{6}", table)}
        for statement, plan in plans.items()
        if "joined_to IS DISTINCT FROM" not in statement
    }
    assert len(opens) > 8
    assert {statement: months for statement, months in opens.items() if months} == {}
