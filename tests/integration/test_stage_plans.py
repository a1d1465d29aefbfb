"""What every message asks of the database is found by its key: it takes as long in a tenant of a million customers as in one of ten."""

import re
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from benchmarks.console_database import add_people
from benchmarks.large_tenant import Size, fill_tenant
from store.sla_clock_rows import LOOK_BACK
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
    if "Relation Name" in node and node["Node Type"].endswith("Scan"):
        indexed = list(bitmaps(node)) if node["Node Type"] == "Bitmap Heap Scan" else [node]
        yield node["Relation Name"], " ".join(one.get("Index Cond", "") for one in indexed)
    for one in node.get("Plans", ()):
        yield from scans(one)


def bitmaps(node):
    """What a scan's bitmap is made of: of several indexes, if need be."""
    for one in node.get("Plans", ()):
        if one["Node Type"].startswith("Bitmap"):
            yield one
            yield from bitmaps(one)


def keys_of(condition, *, by="=|>|<|>=|<="):
    """The columns that a condition is about, but for the tenant."""
    return set(re.findall(rf"\(*([a-z_]+)\)* (?:{by}) ", condition)) - {"tenant_id"}


# A value of each type that statements take, for which a plan leaves out no more than for a message of now. Words may be ids.
GIVEN = {
    "uuid": "uuid_floor(now() + interval '{} min')",
    "text": "uuid_floor(now() + interval '{} min')::text",
    "timestamp with time zone": "now()",
    "interval": "interval '90 days'",
}


def kept_plans(conn):
    """(statement, plan) of everything that the server keeps for this connection, as it is used for a message of now."""
    kept = conn.execute("SELECT name, statement, parameter_types::text[] FROM pg_prepared_statements").fetchall()
    for name, statement, types in kept:
        values = ", ".join(GIVEN.get(one, "NULL").format(number) for number, one in enumerate(types))
        given = f"({values})" if types else ""
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


def plans_after(take, settings, tenant_id, receive):
    """What the server keeps for a worker that has taken messages through their stages, by statement."""
    deps = build_deps(settings.model_copy(update={"database_pool_size": 1}))
    with closing(deps.database):
        for number in range(PASSES):
            sent_at = str(int(datetime.now(UTC).timestamp()))
            sender = f"90532{number % 3:07}"
            (ref,) = receive(whatsapp_body(whatsapp_message("My parcel is late!", sender=sender, timestamp=sent_at)))
            take(deps, ref)
        with deps.database.stage_transaction(tenant_id) as conn:
            found = dict(kept_plans(conn))
    for first_or_last in ("FROM customer_identity", "DELETE FROM run"):
        assert any(first_or_last in statement for statement in found)
    return found


@pytest.fixture(params=[in_one_transaction, one_by_one])
def plans(request, settings, tenant_ids, receive, filled):
    """Of a tenant of many months."""
    return plans_after(request.param, settings, tenant_ids["acme"], receive)


@pytest.fixture
def unknown(owner, filled):
    """Postgres knows nothing of the tables' rows, as when a flood has just come: row-level security and names of columns are all it has."""
    owner.execute(
        """
        SELECT pg_clear_attribute_stats(s.schemaname, s.tablename, s.attname, s.inherited)
        FROM pg_stats AS s WHERE s.schemaname = 'public'
        """
    )
    owner.execute("SELECT pg_clear_relation_stats('public', tablename) FROM pg_tables WHERE schemaname = 'public'")


@pytest.mark.usefixtures("unknown")
@pytest.mark.parametrize("take", [in_one_transaction, one_by_one])
def test_plans_made_without_statistics_find_messages_by_the_same_keys(settings, tenant_ids, receive, take):
    """They are kept until the connection ends, whatever comes. To them a range of times, which is there to leave months out, looks as narrow
    as a key.
    """
    plans = plans_after(take, settings, tenant_ids["acme"], receive)
    assert [
        (condition, statement)
        for statement, plan in plans.items()
        for table, condition in scans(plan)
        if re.match(r"message_(\d{6}|default)", table) and not keys_of(condition, by="=")
    ] == []


def test_no_stage_reads_what_it_has_no_key_of(plans, filled):
    """Functions that are not leakproof see no row before row-level security has let it through: a join by one reads all of a table."""
    assert [
        (table, condition, statement)
        for statement, plan in plans.items()
        for table, condition in scans(plan)
        if table in filled and not keys_of(condition)
    ] == []


def test_no_stage_opens_months_that_it_does_not_need(plans):
    """Clocks and moods look back for 90 days at most. The turns before a message may lie in any month, and so may what was joined to it, as far
    as Postgres knows: said to it as a range of ids, it looks through the range.
    """
    oldest = f"message_{datetime.now(UTC) - LOOK_BACK - timedelta(days=1):%Y%m}"
    opens = {
        statement: {table for table, _ in scans(plan) if re.fullmatch(r"message_\d{6}", table)}
        for statement, plan in plans.items()
        if not any(
            one in statement
            for one in ("joined_to IS DISTINCT FROM", "joined_to = message.id", "FROM message WHERE id = given.id")
        )
    }
    assert len(opens) > 8
    assert {statement: months for statement, months in opens.items() if any(month < oldest for month in months)} == {}
