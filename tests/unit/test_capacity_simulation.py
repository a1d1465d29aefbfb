"""The simulation: the same each time, and right where a formula knows the answer."""

import math

import pytest

from benchmarks.capacity_simulation import Costs, Load, Setup, day_shape, simulate

KINDS = ("receiver", "redis", "stages", "analyze", "delivery", "crm", "flower", "standins")
NOTHING = Costs(dict.fromkeys(KINDS, 0.0), dict.fromkeys(KINDS, 0.0))
# Of the same size as measured ones.
COSTS = Costs(
    {"receiver": 6, "redis": 1, "stages": 4, "analyze": 15, "delivery": 2, "crm": 4, "flower": 2, "standins": 4},
    {**dict.fromkeys(KINDS, 0.0), "receiver": 2, "stages": 2, "analyze": 11, "delivery": 6, "crm": 3},
)


def setup(costs=COSTS, **more):
    return Setup(**{"cores": 2, "costs": costs, "flood_costs": costs, **more})


def erlang_c(servers, offered):
    """The share of arrivals that wait, in M/M/c."""
    below = sum(offered**k / math.factorial(k) for k in range(servers))
    last = offered**servers / math.factorial(servers) * servers / (servers - offered)
    return last / (below + last)


@pytest.mark.parametrize(("servers", "per_s"), [(1, 0.5), (4, 3.0), (10, 8.0)])
def test_threads_alone_wait_as_erlang_says(servers, per_s):
    alone = setup(NOTHING, threads=servers, pool=10_000, model_s=1.0, exponential=True)
    outcome = simulate(alone, Load(20_000, per_s=per_s, tenants=20_000), seed=3)
    waited = sum(outcome.delays_s) / len(outcome.delays_s) - 1.0
    assert waited == pytest.approx(erlang_c(servers, per_s) / (servers - per_s), rel=0.12, abs=0.01)
    assert outcome.threads_used == pytest.approx(per_s, rel=0.05)


def test_the_same_seed_gives_the_same_outcome():
    load = Load(500, per_s=15.0, tenants=10)
    assert simulate(setup(model_cv=0.5), load, seed=7) == simulate(setup(model_cv=0.5), load, seed=7)
    assert simulate(setup(model_cv=0.5), load, seed=7) != simulate(setup(model_cv=0.5), load, seed=8)


def test_work_is_neither_lost_nor_made():
    outcome = simulate(setup(), Load(400, per_s=10.0, tenants=100))
    busy_s = sum(outcome.cores_used.values()) * outcome.seconds
    work_ms = (
        sum(COSTS.own_ms.values())
        - COSTS.own_ms["stages"]
        + sum(COSTS.database_ms.values())
        - COSTS.database_ms["stages"]
    )
    assert outcome.messages == len(outcome.delays_s) == 400
    assert busy_s * 1000 / 400 == pytest.approx(work_ms, rel=0.02)


def test_a_closed_loop_is_bound_by_the_model_or_by_the_cores():
    waiting = simulate(setup(cores=8, model_s=2.0), Load(400, in_flight=20, tenants=100))
    assert waiting.per_s == pytest.approx(20 / 2.0, rel=0.1)
    full = simulate(setup(cores=2, model_s=0.0), Load(1000, in_flight=40, tenants=1000))
    assert sum(full.cores_used.values()) == pytest.approx(2.0, rel=0.1)


def test_a_process_fills_one_core_whatever_its_threads():
    outcome = simulate(setup(cores=16, model_s=0.0), Load(1000, in_flight=60, tenants=1000))
    assert outcome.cores_used["analyze"] == pytest.approx(1.0, rel=0.05)
    assert (
        simulate(setup(cores=16, model_s=0.0, analyze=2), Load(1000, in_flight=60, tenants=1000)).per_s
        > 1.5 * outcome.per_s
    )


def test_too_few_threads_make_messages_wait():
    few, enough = (
        simulate(setup(cores=8, threads=threads), Load(600, per_s=12.0, tenants=100)) for threads in (10, 100)
    )
    assert few.delay_s(0.5) > 5 * enough.delay_s(0.5)


def test_workers_that_know_the_limit_are_not_refused():
    load = Load(300, per_s=8.0, tenants=100)
    knowing = simulate(setup(cores=8, per_min=300), load)
    unknowing = simulate(setup(cores=8, per_min=100, workers_know_limit=False), load)
    assert knowing.refused == 0
    assert unknowing.refused > 0
    assert unknowing.messages == knowing.messages == 300
    assert knowing.seconds >= 300 / (300 / 60 * 0.8) * 0.8


def test_a_flood_waits_in_its_own_lane_while_others_pass():
    outcome = simulate(setup(cores=4), Load(1500, per_s=60.0, tenants=20, flooding_share=0.9))
    ordinary, flood = outcome.delays_s, outcome.flood_delays_s
    assert len(flood) > len(ordinary) > 50
    assert ordinary[len(ordinary) // 2] < flood[len(flood) // 2] / 2


def test_others_on_the_machine_take_their_part():
    load = Load(600, in_flight=40, tenants=1000)
    alone, beside = (simulate(setup(model_s=0.0, others_cores=others), load) for others in ((), (1.0,)))
    assert 0.4 * alone.per_s < beside.per_s < 0.7 * alone.per_s


@pytest.mark.parametrize("peak", [1.0, 2.0, 3.0, 8.0])
def test_a_day_has_the_mean_that_its_peak_promises(peak):
    shape = day_shape(peak)
    moments = [shape(moment / 2000) for moment in range(2000)]
    assert sum(moments) / 2000 == pytest.approx(1 / peak, rel=0.01)
    assert max(moments) == pytest.approx(1.0, rel=0.01)


def test_a_day_s_messages_come_when_the_day_has_them():
    day = simulate(setup(NOTHING, pool=1000, model_s=0.1), Load(2000, per_s=20.0, tenants=1000, day=True))
    assert day.seconds == pytest.approx(2000 / 20 * 3, rel=0.25)
