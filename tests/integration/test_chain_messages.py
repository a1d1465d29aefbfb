"""Messages filled into a form are what Celery makes itself, and every one has ids of its own."""

import base64
import json
import re
from uuid import uuid4

import pytest
from celery import chain
from kombu import Connection
from kombu.exceptions import OperationalError

from store.intake import StartedRun
from store.runs import RunRef
from worker.app import app
from worker.chain_messages import SHORT_FLOOD, ChainMessages
from worker.lanes import SHARE_AT_ONCE, Lanes, share_of
from worker.pipeline import STAGES, _new_links, start_all
from worker.rate_budget import RateBudget

QUEUES = ("minimize", "analyze", "minimize_flood", "analyze_flood")
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@pytest.fixture(autouse=True)
def full_shares(valkey):
    """No test before has taken of them."""
    valkey.delete(*(share_of(tenant_id).key for tenant_id in range(20)))


def new_ref(**flags):
    return RunRef(7, str(uuid4()), str(uuid4()), **flags)


def read(message):
    told = json.loads(message)
    return {**told, "body": json.loads(base64.b64decode(told["body"]))}


def normal(message, ref):
    """The message with ids by the order in which they come; those of the run stay."""
    seen = {ref.message_id: "message", ref.run_id: "run"}
    return json.loads(_ID.sub(lambda found: seen.setdefault(found[0], f"id {len(seen)}"), json.dumps(read(message))))


def take(valkey):
    return [message for queue in QUEUES for message in valkey.lrange(queue, 0, -1)]


@pytest.mark.parametrize("flags", [{}, {"is_flood": True}, {"is_canary": True}])
def test_a_filled_message_is_the_one_that_celery_makes(valkey, flags):
    ref = new_ref(**flags)
    chain(*_new_links(ref)).apply_async()
    (made,) = take(valkey)
    (queue,) = (one for one in QUEUES if valkey.llen(one))
    valkey.delete(*QUEUES)
    assert ChainMessages(_new_links).publish([ref])
    assert valkey.llen(queue) == 1
    assert normal(valkey.lindex(queue, 0), ref) == normal(made, ref)


def test_every_message_has_ids_of_its_own_and_their_order_is_kept(valkey):
    refs = [new_ref() for _ in range(20)]
    assert ChainMessages(_new_links).publish(refs)
    told = [read(message) for message in reversed(valkey.lrange("analyze", 0, -1))]
    assert [one["body"][1]["run_id"] for one in told] == [ref.run_id for ref in refs]
    ids = [one["headers"]["id"] for one in told]
    ids += [link["options"]["task_id"] for one in told for link in one["body"][2]["chain"]]
    ids += [one["properties"]["delivery_tag"] for one in told]
    assert len(set(ids)) == len(ids) == 20 * (len(STAGES) + 1)
    assert all(one["headers"]["root_id"] == one["headers"]["id"] == one["properties"]["correlation_id"] for one in told)


def test_a_connection_that_the_server_closed_costs_no_message(valkey):
    messages = ChainMessages(_new_links)
    assert messages.publish([new_ref()])
    for client in valkey.client_list():
        if client["cmd"].startswith("lpush"):
            valkey.client_kill_filter(_id=client["id"])
    assert messages.publish([new_ref()])
    assert valkey.llen("analyze") == 2


def test_a_broker_of_another_kind_goes_celerys_way_and_is_not_even_asked(monkeypatch):
    monkeypatch.setattr(app.conf, "broker_url", "amqp://earshot@127.0.0.1:1//")
    monkeypatch.setattr(app, "connection_for_write", lambda: pytest.fail("the address says it"))
    assert not ChainMessages(_new_links).publish([new_ref()])


def test_without_a_broker_the_error_is_one_and_later_ones_arrive(valkey, monkeypatch):
    messages = ChainMessages(_new_links)
    with monkeypatch.context() as patch:
        patch.setattr(app, "connection_for_write", lambda: Connection("redis://127.0.0.1:1/0"))
        with pytest.raises(OperationalError, match="^ConnectionError$"):
            messages.publish([new_ref()])
    assert messages.publish([new_ref()]) and valkey.llen("analyze") == 1


def test_a_broker_that_takes_nothing_is_told_as_celery_tells_it(valkey):
    messages = ChainMessages(_new_links)
    assert messages.publish([new_ref()])
    valkey.config_set("maxmemory", 1)
    try:
        with pytest.raises(OperationalError, match="^OutOfMemoryError$"):
            messages.publish([new_ref()])
    finally:
        valkey.config_set("maxmemory", 0)


def share(tenant_id, count, **flags):
    return share_of(tenant_id), [RunRef(tenant_id, str(uuid4()), str(uuid4()), **flags) for _ in range(count)]


def sent(valkey, queue):
    return [read(message)["body"][1]["run_id"] for message in reversed(valkey.lrange(queue, 0, -1))]


def test_what_a_share_gives_is_counted_and_sent_by_one_trip_and_the_rest_is_not_sent(valkey, deps):
    deps.lanes.within_share(1, SHARE_AT_ONCE - 3)
    shares = [share(1, 5), share(2, 4)]
    assert ChainMessages(_new_links).publish_counted(shares) == [3, 4]
    assert sent(valkey, "analyze") == [
        ref.run_id for (_, refs), given in zip(shares, [3, 4], strict=True) for ref in refs[:given]
    ]
    assert deps.lanes.within_share(2, SHARE_AT_ONCE) == SHARE_AT_ONCE - 4


def test_of_a_flood_what_its_share_does_not_give_is_sent(valkey, deps):
    deps.lanes.within_share(1, SHARE_AT_ONCE - 2)
    bucket, refs = share(1, 5, is_flood=True)
    assert ChainMessages(_new_links).publish_counted([(bucket, refs)]) == [2]
    assert sent(valkey, "minimize_flood") == [ref.run_id for ref in refs[2:]] and valkey.llen("analyze") == 0


def test_a_flood_that_the_workers_keep_up_with_takes_one_trip_and_another_begins_in_its_own_queue(valkey, deps):
    deps.lanes.within_share(1, SHARE_AT_ONCE)
    messages = ChainMessages(_new_links)
    messages.publish_counted([share(1, 2, is_flood=True)])
    assert (valkey.llen("minimize_flood"), valkey.llen("analyze_flood")) == (2, 0)  # nobody knows yet
    for _ in range(6):
        messages.publish_counted([share(1, 10, is_flood=True)])
    assert (valkey.llen("minimize_flood"), valkey.llen("analyze_flood")) == (22, 40)
    (first, *_) = (read(message) for message in valkey.lrange("analyze_flood", 0, -1))
    assert first["headers"]["task"] == "earshot.minimize" and first["body"][1]["is_flood"]
    valkey.ltrim("analyze_flood", 0, 4)
    messages.publish_counted([share(2, 1)])  # whoever sends anything learns of it
    messages.publish_counted([share(1, SHORT_FLOOD - 22 - 5, is_flood=True)])
    assert (valkey.llen("minimize_flood"), valkey.llen("analyze_flood")) == (22, SHORT_FLOOD - 22)


def test_many_short_floods_at_once_are_together_no_longer_than_one(valkey, deps):
    messages = ChainMessages(_new_links)
    for tenant_id in range(10):
        deps.lanes.within_share(tenant_id, SHARE_AT_ONCE)
    messages.publish_counted([share(11, 1)])
    messages.publish_counted([share(tenant_id, 20, is_flood=True) for tenant_id in range(10)])
    assert (valkey.llen("minimize_flood"), valkey.llen("analyze_flood")) == (160, 40)


def test_a_broker_that_has_just_started_learns_the_script_again(valkey):
    messages = ChainMessages(_new_links)
    for number in range(1, 3):
        valkey.script_flush()
        assert messages.publish_counted([share(number, 2)]) == [2]
        valkey.script_flush()
        assert messages.publish_counted([share(number, 1), share(number + 10, 1)]) == [1, 1]
    assert valkey.llen("analyze") == 8


def test_shares_that_another_server_keeps_are_asked_for_there(valkey, monkeypatch):
    monkeypatch.setattr(ChainMessages, "publish_counted", lambda *_: pytest.fail("its buckets are elsewhere"))
    away = Lanes(RateBudget("redis://127.0.0.1:1/0"))
    start_all([StartedRun(1, str(uuid4()), str(uuid4())) for _ in range(SHARE_AT_ONCE + 1)], lanes=away)
    assert valkey.llen("analyze") == SHARE_AT_ONCE + 1


def test_a_tenant_is_a_flood_for_what_its_share_has_not_and_no_longer(valkey, deps):
    runs = [StartedRun(1, str(uuid4()), str(uuid4())) for _ in range(SHARE_AT_ONCE + 12)]
    start_all(runs[: SHARE_AT_ONCE + 5], lanes=deps.lanes)
    assert deps.lanes.flooding == {1}
    valkey.set(share_of(1).key, valkey.time()[0] * 10**6 + 10**10)  # nothing left for hours
    start_all(runs[SHARE_AT_ONCE + 5 : SHARE_AT_ONCE + 10], lanes=deps.lanes)
    valkey.delete(share_of(1).key)
    start_all(runs[SHARE_AT_ONCE + 10 : SHARE_AT_ONCE + 11], lanes=deps.lanes)
    assert not deps.lanes.flooding
    start_all(runs[SHARE_AT_ONCE + 11 :], lanes=deps.lanes)
    ids = [run.run_id for run in runs]
    assert sent(valkey, "analyze") == [*ids[:SHARE_AT_ONCE], *ids[SHARE_AT_ONCE + 10 :]]
    flood = [*sent(valkey, "minimize_flood"), *sent(valkey, "analyze_flood")]
    assert flood == ids[SHARE_AT_ONCE : SHARE_AT_ONCE + 10]


def test_nothing_to_start_asks_nobody(deps, monkeypatch):
    monkeypatch.setattr(app, "connection_for_write", lambda: pytest.fail("for nothing"))
    start_all([], lanes=deps.lanes)


def test_one_setting_switches_it_off(valkey, deps, monkeypatch):
    monkeypatch.setenv("EARSHOT_FUSE", "0")
    monkeypatch.setattr(ChainMessages, "publish", lambda *_: pytest.fail("not asked for"))
    start_all([StartedRun(1, str(uuid4()), str(uuid4()))], lanes=deps.lanes)
    assert valkey.llen("minimize") == 1
