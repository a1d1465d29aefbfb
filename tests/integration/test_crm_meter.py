"""Budgets of an account are counted for all workers: the day's share, bulk's part of it, short windows, rests."""

import itertools

import pytest

from crm_sync.base import CrmError
from crm_sync.metering import AccountLimits, RateLimit, Usage
from worker.crm_meter import AccountMeter

_accounts = itertools.count(1)


@pytest.fixture
def waits():
    return []


@pytest.fixture
def meters(broker, waits):
    """Two workers' meters of one account."""
    account = f"hubspot:meter-{next(_accounts)}-{id(waits)}"

    def make(*, limits=AccountLimits(day=1000), day_share=0.3, **more):
        meter = AccountMeter(broker, account=account, day_share=day_share, sleep=waits.append, **more)
        meter.limits = limits
        return meter

    return make


def take(meter, times, *, cost=1, lane="general"):
    """How often it was to be had, and the code of the first refusal."""
    for number in range(times):
        try:
            meter.take(cost, lane=lane)
        except CrmError as error:
            return number, error
    return times, None


def test_a_day_ends_at_its_share_for_all_workers_together(meters):
    one, two = meters(), meters()
    one.purpose = two.purpose = "event"
    assert take(one, 200)[0] == 200
    done, error = take(two, 200)
    assert (done, error.code, error.permanent) == (100, "budget_used", False)
    assert 86_000 < error.retry_after_s <= 86_400


def test_bulk_leaves_a_part_of_the_day_to_live_work(meters):
    bulk, live, urgent = meters(), meters(), meters()
    bulk.purpose, urgent.purpose = "bulk", "event"
    assert take(bulk, 400)[0] == 210
    assert take(live, 400)[0] == 60
    assert take(urgent, 400)[0] == 30


def test_costs_count(meters):
    assert take(meters(), 400, cost=5)[0] == 54


def test_what_the_crm_says_replaces_the_smallest_plan(meters):
    meter = meters()
    meter.learn(Usage(day_limit=10_000))
    assert take(meter, 3500)[0] == 2700


def test_other_programs_may_have_used_the_day_up(meters):
    meter = meters()
    meter.take(1, lane="general")
    meter.learn(Usage(day_limit=1000, day_left=5))
    assert take(meter, 20)[0] == 5


def test_the_tenant_may_know_of_a_larger_plan(meters):
    assert take(meters(day_limit=2000), 700)[0] == 540


def test_a_short_window_is_waited_out_and_a_long_wait_is_the_callers(meters, waits):
    meter = meters(limits=AccountLimits(day=None, search=RateLimit(5, 1.0)))
    done, error = take(meter, 30, lane="search")
    # Four at once, then a wait that nobody makes shorter by sleeping here; each second that the machine loses meanwhile lets five more go.
    assert 4 <= done < 30 and error.code == "rate_limit_wait" and waits
    assert max(waits) <= 1.05
    assert take(meter, 3, lane="general")[0] == 3, "searches do not use up the rest"


def test_after_a_refusal_nobody_asks(meters):
    one, two = meters(), meters()
    one.rest(600)
    done, error = take(two, 1)
    assert done == 0 and 590 < error.retry_after_s <= 600


def test_accounts_are_apart_and_no_credential_is_a_key(meters, broker):
    import redis

    take(meters(), 3)
    other = AccountMeter(broker, account="hubspot:meter-other", day_share=0.3)
    other.limits = AccountLimits(day=10)
    assert take(other, 9)[0] == 2
    with redis.Redis.from_url(broker) as client:
        keys = b" ".join(client.scan_iter("earshot:crm:*"))
    assert keys and b"meter-" not in keys


def test_without_the_server_requests_leave():
    meter = AccountMeter("redis://127.0.0.1:1/0", account="hubspot:x", day_share=0.3)
    meter.limits = AccountLimits(day=1)
    assert take(meter, 50)[0] == 50
