"""The capacity plan's arithmetic, on the figures that come with Earshot."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.capacity_limits import RUNG_AGAIN_PER_S, STATEMENT_S, cells_needed, list_limits
from cli.capacity_measured import KINDS, load_measured
from cli.capacity_plan import DAY_S, POOL_SIZE, THREADS_IN_USE, Demand, connection_s, cores_at_peak, make_plan
from cli.capacity_provider import TIERS, plan_provider
from store.db import SESSION_OPTIONS
from worker.lookout import LOOK_EVERY_S
from worker.reconcile import RUNG_PER_TICK
from worker.roles import ROLES

MEASURED = load_measured(None)
numbers = st.floats(min_value=1, max_value=1e9, allow_nan=False)
seconds = st.floats(min_value=0.01, max_value=120, allow_nan=False)


def demand(messages_per_day=1e6, latency_s=1.5, **more):
    return Demand(messages_per_day, latency_s, **{"tenants": 1000, **more})


@given(numbers, seconds, st.floats(min_value=1, max_value=100))
def test_calls_in_flight_follow_littles_law(messages, latency, peak):
    asked = demand(messages, latency, peak_factor=peak, read_again=0.0)
    assert asked.calls_in_flight == pytest.approx(messages / DAY_S * peak * latency)


@given(numbers, numbers, seconds)
def test_more_messages_never_take_less_of_anything(one, other, latency):
    fewer, more = (make_plan(demand(number, latency), MEASURED) for number in sorted((one, other)))
    assert all(
        a.processes <= b.processes and a.cores <= b.cores for a, b in zip(fewer.processes, more.processes, strict=True)
    )
    assert fewer.connections.busy <= more.connections.busy
    assert fewer.connections.max_connections <= more.connections.max_connections
    assert fewer.postgres.gb_at_retention <= more.postgres.gb_at_retention
    assert fewer.redis.memory_mb <= more.redis.memory_mb
    spent = [plan_provider(plan.demand).usd_per_day for plan in (fewer, more)]
    assert spent == sorted(spent)


@given(st.floats(min_value=1, max_value=5e8), seconds)
def test_twice_the_messages_write_and_cost_twice_as_much(messages, latency):
    once, twice = (make_plan(demand(number, latency), MEASURED) for number in (messages, 2 * messages))
    for name in ("commits_per_s", "rows_per_s", "wal_gb_per_day", "gb_per_day", "gb_at_retention"):
        assert getattr(twice.postgres, name) == pytest.approx(2 * getattr(once.postgres, name))
    assert plan_provider(twice.demand).usd_per_day == pytest.approx(2 * plan_provider(once.demand).usd_per_day)


@given(numbers, seconds)
def test_there_are_threads_for_all_calls_and_a_core_for_all_work(messages, latency):
    plan = make_plan(demand(messages, latency), MEASURED)
    analyze = next(one for one in plan.processes if one.kind == "analyze")
    assert analyze.processes * ROLES["analyze"].concurrency * THREADS_IN_USE >= plan.demand.calls_in_flight
    for one in plan.processes:
        assert one.processes >= cores_at_peak(plan.demand, MEASURED, one.kind)


def test_a_slow_model_needs_threads_and_a_quick_one_processor():
    quick, slow = (
        next(one for one in make_plan(demand(1e7, latency), MEASURED).processes if one.kind == "analyze")
        for latency in (0.2, 20.0)
    )
    assert (quick.bound_by, slow.bound_by) == ("processor", "threads")
    assert slow.processes > quick.processes


def test_a_single_tenant_s_crowd_is_served_by_stages_processes():
    alone, among_many = (make_plan(demand(1e8, tenants=tenants), MEASURED) for tenants in (1, 10_000))
    stages = [next(one.processes for one in plan.processes if one.kind == "stages") for plan in (alone, among_many)]
    assert among_many.demand.flood_per_s == 0
    assert stages[0] > stages[1]


def test_connections_follow_from_the_pools_of_all_processes():
    plan = make_plan(demand(1000), MEASURED)
    holders = sum(one.processes for one in plan.processes if one.kind in {*ROLES, "receiver", "console"})
    assert plan.connections.at_most == holders * POOL_SIZE + 14
    assert plan.connections.advice.startswith("nothing")
    assert "max_connections" in make_plan(demand(1e7), MEASURED).connections.advice
    assert "PgBouncer" in make_plan(demand(1e9), MEASURED).connections.advice


def test_a_message_holds_a_connection_for_longer_than_the_work_takes():
    assert connection_s(MEASURED) * 1000 > MEASURED.cpu_ms_per_message["postgres"]


def test_long_messages_and_long_retention_take_more_room():
    short = make_plan(demand(avg_chars=20, retention_days=30), MEASURED).postgres
    long = make_plan(demand(avg_chars=1000, retention_days=30), MEASURED).postgres
    kept = make_plan(demand(avg_chars=20, retention_days=400), MEASURED).postgres
    assert short.bytes_per_message < long.bytes_per_message
    assert short.gb_at_retention < kept.gb_at_retention < short.gb_at_retention * 400 / 30
    assert short.gb_per_day == kept.gb_per_day


def test_words_that_are_blanked_after_400_days_stop_growing():
    years = [make_plan(demand(retention_days=days), MEASURED).postgres.gb_at_retention for days in (400, 800, 1200)]
    assert years[1] - years[0] < years[0]
    assert years[2] - years[1] == pytest.approx(years[1] - years[0])


def test_what_lives_for_minutes_does_not_grow():
    postgres = make_plan(demand(), MEASURED).postgres
    assert postgres.bytes_per_message == pytest.approx(
        sum(
            size
            for table, size in postgres.table_bytes.items()
            if table not in {"live_change", "run", "canary", "errand"}
        )
    )


def test_the_tier_is_the_smallest_that_allows_requests_tokens_and_spending():
    assert plan_provider(demand(10_000)).tier == "Start"
    assert plan_provider(demand(80_000)).tier == "Build"
    assert plan_provider(demand(1e6)).tier == "Scale"
    beyond = plan_provider(demand(1e8))
    assert beyond.tier is None
    assert any(word.startswith("requests") for word in beyond.lacking)


def test_requests_are_those_of_each_model_because_limits_are():
    first, again = plan_provider(demand(read_again=0.05)).models
    assert first.requests_per_min == pytest.approx(demand().peak_per_s * 60)
    assert again.requests_per_min == pytest.approx(first.requests_per_min * 0.05)


def test_a_cache_that_is_found_less_often_costs_more_and_fills_the_input_limit():
    found, missed = (plan_provider(demand(cache_hit_rate=rate)) for rate in (0.95, 0.2))
    assert missed.usd_per_day > found.usd_per_day
    assert missed.models[0].input_tokens_per_min > found.models[0].input_tokens_per_min


def test_a_flood_uses_only_its_part_of_the_provider_s_limit():
    assert plan_provider(demand(2.5e6, tenants=1, read_again=0.0)).tier is None
    assert plan_provider(demand(2.5e6, tenants=1000, read_again=0.0)).tier == TIERS[-1].name


@pytest.mark.parametrize("messages", [1e4, 1e6, 1e9])
def test_limits_stand_in_the_order_in_which_they_give_out(messages):
    limits = list_limits(demand(messages), MEASURED)
    assert [one.messages_per_day for one in limits] == sorted(one.messages_per_day for one in limits)
    assert all(one.used == pytest.approx(messages / one.messages_per_day) for one in limits)
    assert {one.kind for one in limits} == {"provider", "workers", "postgres", "redis", "tenant"}
    assert all(one.what_to_do for one in limits)


def test_how_far_a_server_reaches_does_not_depend_on_what_is_asked_for():
    few, many = (
        {
            one.name: one.messages_per_day
            for one in list_limits(demand(number), MEASURED)
            if one.kind in {"postgres", "redis"}
        }
        for number in (1e5, 1e8)
    )
    assert few == pytest.approx(many)


def test_cells_are_as_many_as_the_first_server_that_gives_out_asks_for():
    assert cells_needed(demand(1e5), MEASURED) == 1
    servers = [
        one.messages_per_day for one in list_limits(demand(1e9), MEASURED)
        if one.kind in {"postgres", "redis"} and "connections" not in one.name and "recovery" not in one.name
    ]  # fmt: skip
    assert cells_needed(demand(1e9), MEASURED) == math.ceil(1e9 / min(servers))


def test_each_cell_has_its_beat_and_at_least_one_of_each_worker():
    plan = make_plan(demand(1e6), MEASURED, cells=5)
    assert all(one.processes >= 5 for one in plan.processes)


def test_a_cell_s_part_is_whole():
    part = demand(1e9, tenants=3).part(7)
    assert (part.messages_per_day, part.tenants) == (pytest.approx(1e9 / 7), 1)


def test_numbers_repeated_from_elsewhere_are_still_so():
    assert RUNG_AGAIN_PER_S == RUNG_PER_TICK / LOOK_EVERY_S
    assert f"statement_timeout={STATEMENT_S * 1000:.0f}" in SESSION_OPTIONS


def test_dearer_processes_need_more_cores():
    dearer = MEASURED.model_copy(update={"cpu_ms_per_message": dict.fromkeys(KINDS, 100.0)})
    assert make_plan(demand(), dearer).cores > make_plan(demand(), MEASURED).cores
