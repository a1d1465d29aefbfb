"""Sweeps on real servers: judged once, paid once, within the plan and the budget."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import redis
from prometheus_client import REGISTRY

from store.crm_labels import compute_labels
from store.sweeps import approve_sweep, cancel_sweep, pause_sweep, resume_sweep
from tests.integration.passes import run_all
from tests.integration.sweeps.sweeping import (
    Killed,
    analyses,
    analyze_before,
    batch_states,
    chosen,
    drive,
    item_states,
    ledger,
    look,
    newest,
    plan,
    seed,
    start,
    turn,
)
from tests.webhooks import whatsapp_body, whatsapp_edit, whatsapp_message, whatsapp_revocation
from worker import sweep_limits, sweeps
from worker.sweep_flips import report_sweep
from worker.sweep_plan import plan_month

pytestmark = pytest.mark.usefixtures("quick")
ERROR = {"type": "error", "error": {"type": "api_error", "message": "x"}}


def set_sweep(owner, slug, **values):
    """Change the tenant's [sweep] as an applied file does."""
    owner.execute(
        "UPDATE tenant SET config = jsonb_set(config, '{sweep}', (config -> 'sweep') || %s::jsonb) WHERE slug = %s",
        (json.dumps(values), slug),
    )


def assert_each_once(owner, provider, sweep_id, *, messages):
    assert item_states(owner, sweep_id) == {"done": messages}
    assert analyses(owner, sweep_id) == (messages, messages)
    assert provider.paid == (0, messages)
    assert provider.batches_left() == []


@pytest.mark.in_turns
@pytest.mark.parametrize("batches", [True, False])
@pytest.mark.parametrize("has_history", [True, False])
def test_each_message_is_judged_and_paid_once_and_the_plan_was_right(
    deps, owner, tenant_id, provider, receive, times, batches, has_history
):
    seed(owner, tenant_id, messages=150)
    if has_history:
        for number in range(8):
            for ref in receive(whatsapp_body(whatsapp_message(f"Where is my order {number}?", timestamp=next(times)))):
                run_all(deps, ref)
    paid_before = provider.paid
    planned = plan(deps, tenant_id, batches=batches)
    sweep_id = start(deps, tenant_id, batches=batches)
    sweep = drive(deps, owner, tenant_id, sweep_id)
    messages = 158 if has_history else 150
    assert (sweep.state, item_states(owner, sweep_id)) == ("done", {"done": messages})
    assert analyses(owner, sweep_id) == (messages, messages)
    calls, batched = provider.paid
    assert (calls - paid_before[0], batched) == ((0, messages) if batches else (messages, 0))
    assert sweep.spent_microusd == ledger(owner, sweep_id)
    assert planned.cost_microusd == pytest.approx(ledger(owner, sweep_id), rel=0.1)
    assert provider.batches_left() == []


def test_batches_cost_half(deps, owner, tenant_id, provider):
    seed(owner, tenant_id, messages=20)
    costs = []
    for batches in (False, True, False):  # the first one warms the cache
        sweep_id = start(deps, tenant_id, batches=batches, period=f"manual-{len(costs)}")
        drive(deps, owner, tenant_id, sweep_id)
        costs.append(ledger(owner, sweep_id))
    assert costs[1] == pytest.approx(costs[2] / 2, rel=0.02)


@pytest.mark.parametrize("batches", [True, False])
def test_what_a_sweep_costs_stands_in_the_metrics_once(deps, owner, tenant_id, provider, batches):
    def counted():
        return REGISTRY.get_sample_value("earshot_model_cost_usd_total", {"model": "claude-haiku-5-5"}) or 0.0

    seed(owner, tenant_id, messages=20)
    before = counted()
    sweep_id = start(deps, tenant_id, batches=batches)
    drive(deps, owner, tenant_id, sweep_id)
    assert counted() - before == pytest.approx(ledger(owner, sweep_id) / 1e6)


def test_high_value_customers_come_first_then_those_who_write_most(deps, owner, tenant_id):
    few = seed(owner, tenant_id, messages=1, customers=1)
    many = seed(owner, tenant_id, messages=3, customers=1)
    vip = seed(owner, tenant_id, messages=2, customers=1)
    owner.execute(
        "UPDATE customer SET high_value = true WHERE id = (SELECT customer_id FROM message WHERE id = %s)", (vip[0],)
    )
    assert chosen(deps, tenant_id) == [*vip, *many, *few]
    assert chosen(deps, tenant_id, customers=2) == [*vip, *many]
    planned = plan(deps, tenant_id, customers=2)
    assert (planned.messages, planned.customers) == (5, 2)


def test_only_words_of_customers_that_are_done_with_triage_and_still_stand_are_chosen(deps, owner, tenant_id):
    ids = seed(owner, tenant_id, messages=8, customers=1)
    for message_id, change in zip(
        ids,
        (
            "state = 'erased', text = NULL", "is_history = true", "direction = 'outbound'", "text = ' '", "state = 'minimized'",
            "sent_at = now() - interval '91 days'", "joined_to = id",
        ),
        strict=False,
    ):  # fmt: skip
        owner.execute(f"UPDATE message SET {change} WHERE id = %s", (message_id,))
    assert chosen(deps, tenant_id) == [ids[7]] and plan(deps, tenant_id).messages == 1
    assert chosen(deps, tenant_id, days=1) == [] and plan(deps, tenant_id, days=1).messages == 0


# Where a worker may die, and what happens there instead.


def before_submitting(deps):
    def submit(_calls):
        raise Killed

    return (deps.analyzer, "submit_batch"), submit


def after_submitting(deps):
    really = deps.analyzer.submit_batch

    def submit(calls):
        really(calls)
        raise Killed

    return (deps.analyzer, "submit_batch"), submit


def while_preparing(_deps):
    from worker.sweep_turn import claim_words as really

    left = iter(range(5))

    def claim(*arguments, **more):
        if next(left, None) is None:
            raise Killed
        return really(*arguments, **more)

    return "worker.sweep_batches.claim_words", claim


def in_the_middle_of_reading(_deps):
    from worker.sweep_turn import settle_answer as really

    left = iter(range(17))

    def settle(*arguments, **more):
        if next(left, None) is None:
            raise Killed
        return really(*arguments, **more)

    return "worker.sweep_batches.settle_answer", settle


def before_it_is_noted_as_read(_deps):
    from store.sweep_batches import settle_batch as really

    def settle(conn, batch_id, *, state):
        if state == "read":
            raise Killed
        really(conn, batch_id, state=state)

    return "worker.sweep_batches.settle_batch", settle


def before_deleting(deps):
    def delete(_provider_id):
        raise Killed

    return (deps.analyzer, "delete_batch"), delete


def after_deleting(deps):
    really = deps.analyzer.delete_batch

    def delete(provider_id):
        really(provider_id)
        raise Killed

    return (deps.analyzer, "delete_batch"), delete


PLACES = [
    before_submitting, after_submitting, while_preparing, in_the_middle_of_reading, before_it_is_noted_as_read,
    before_deleting, after_deleting,
]  # fmt: skip


@pytest.mark.in_turns
@pytest.mark.parametrize("place", PLACES)
def test_whenever_a_worker_dies_each_message_is_judged_and_paid_once(deps, owner, tenant_id, provider, kill, place):
    seed(owner, tenant_id, messages=35)
    sweep_id = start(deps, tenant_id)
    kill(sweep_id, *place(deps))
    drive(deps, owner, tenant_id, sweep_id)
    assert_each_once(owner, provider, sweep_id, messages=35)


def test_a_worker_that_dies_everywhere_one_after_another_still_pays_once(deps, owner, tenant_id, provider, kill):
    seed(owner, tenant_id, messages=80)
    sweep_id = start(deps, tenant_id)
    for place in PLACES:
        kill(sweep_id, *place(deps))
    drive(deps, owner, tenant_id, sweep_id)
    assert_each_once(owner, provider, sweep_id, messages=80)


@pytest.mark.parametrize("drop", ["before", "after"])
def test_a_batch_whose_answer_got_lost_is_looked_for_before_it_is_handed_in_again(
    deps, owner, tenant_id, provider, drop
):
    seed(owner, tenant_id, messages=25)
    sweep_id = start(deps, tenant_id)
    provider.script({"method": "POST", "path": "/v1/messages/batches", "drop": drop})
    sweep = drive(deps, owner, tenant_id, sweep_id)
    assert_each_once(owner, provider, sweep_id, messages=25)
    assert batch_states(owner, sweep_id).get("lost", 0) == (1 if drop == "before" else 0)
    assert sweep.error_code is None


def test_other_peoples_batches_of_the_same_key_are_not_taken_for_ours(deps, owner, tenant_id, provider, kill):
    seed(owner, tenant_id, messages=10)
    sweep_id = start(deps, tenant_id)
    call = {"model": "claude-haiku-5-5", "max_tokens": 5, "messages": [{"role": "user", "content": "theirs"}]}
    import httpx2

    theirs = [{"custom_id": f"theirs-{number}", "params": call} for number in range(10)]
    provider.batches_take(0.6)
    headers = {"Authorization": "Bearer test"}
    httpx2.post(f"{provider.url}/v1/messages/batches", json={"requests": theirs}, headers=headers)
    kill(sweep_id, *before_submitting(deps))
    drive(deps, owner, tenant_id, sweep_id)
    assert item_states(owner, sweep_id) == {"done": 10} and batch_states(owner, sweep_id) == {"lost": 1, "deleted": 1}
    assert provider.paid == (0, 20) and len(provider.batches_left()) == 1
    httpx2.delete(f"{provider.url}/v1/messages/batches/{provider.batches_left()[0]}", headers=headers)


def test_single_calls_of_a_dead_worker_are_repeated_and_no_others(deps, owner, tenant_id, provider, kill):
    from worker.sweep_calls import CallDesk

    seed(owner, tenant_id, messages=60)
    sweep_id = start(deps, tenant_id, batches=False)
    really, left = CallDesk._store, iter(range(40))

    def store(*arguments, **more):
        if next(left, None) is None:
            raise Killed
        really(*arguments, **more)

    kill(sweep_id, (CallDesk, "_store"), store)
    drive(deps, owner, tenant_id, sweep_id)
    assert item_states(owner, sweep_id) == {"done": 60} and analyses(owner, sweep_id) == (60, 60)
    # In life the worker dies at once; here its round goes on to its end.
    assert provider.paid[0] <= 60 + sweep_limits.ROUND
    assert (
        owner.execute("SELECT count(*) FROM egress WHERE outcome = 'interrupted'").fetchone()[0]
        == provider.paid[0] - 60
    )


def test_a_worker_whose_lease_is_live_is_left_alone(deps, owner, tenant_id, provider):
    seed(owner, tenant_id, messages=5)
    sweep_id = start(deps, tenant_id)
    owner.execute("UPDATE sweep SET lease_token = gen_random_uuid(), lease_until = now() + interval '15 s'")
    turn(deps, tenant_id, sweep_id)
    assert item_states(owner, sweep_id) == {"waiting": 5} and sweeps.take_due(deps) == []


def test_a_worker_that_lost_the_sweep_claims_nothing_more(deps, owner, tenant_id, provider, monkeypatch):
    seed(owner, tenant_id, messages=20)
    sweep_id = start(deps, tenant_id)
    really = deps.analyzer.submit_batch

    def submit(calls):
        owner.execute("UPDATE sweep SET lease_token = gen_random_uuid(), lease_until = now() + interval '1 s'")
        return really(calls)

    monkeypatch.setattr(deps.analyzer, "submit_batch", submit)
    turn(deps, tenant_id, sweep_id)
    assert item_states(owner, sweep_id) == {"in_batch": 10, "waiting": 10}
    monkeypatch.setattr(deps.analyzer, "submit_batch", really)
    owner.execute("UPDATE sweep SET lease_until = now()")
    drive(deps, owner, tenant_id, sweep_id)
    assert_each_once(owner, provider, sweep_id, messages=20)


@pytest.mark.parametrize("batches", [True, False])
def test_pause_takes_effect_within_a_batch_and_resume_goes_on(deps, owner, tenant_id, provider, monkeypatch, batches):
    monkeypatch.setattr(sweep_limits, "MAX_OPEN_BATCHES", 1)
    seed(owner, tenant_id, messages=50)
    sweep_id = start(deps, tenant_id, batches=batches)
    desk = deps.analyzer, "submit_batch" if batches else "analyze"
    really = getattr(*desk)

    def pause_meanwhile(*arguments, **more):
        with deps.database.tenant_transaction(tenant_id) as conn:
            pause_sweep(conn, sweep_id, reason="by_hand")
        return really(*arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(*desk, pause_meanwhile)
        sweep = drive(deps, owner, tenant_id, sweep_id)
    done = 10 if batches else sweep_limits.ROUND
    assert (sweep.state, sweep.reason) == ("paused", "by_hand")
    assert item_states(owner, sweep_id) == {"done": done, "waiting": 50 - done}
    assert sum(provider.paid) == done
    with deps.database.tenant_transaction(tenant_id) as conn:
        assert resume_sweep(conn, sweep_id, budget_microusd=None)
    assert drive(deps, owner, tenant_id, sweep_id).state == "done"
    assert sum(provider.paid) == 50 and analyses(owner, sweep_id) == (50, 50)


def test_cancel_ends_what_was_begun_and_keeps_what_was_judged(deps, owner, tenant_id, provider, monkeypatch):
    monkeypatch.setattr(sweep_limits, "MAX_OPEN_BATCHES", 2)
    provider.batches_take(2)
    seed(owner, tenant_id, messages=50)
    sweep_id = start(deps, tenant_id)
    turn(deps, tenant_id, sweep_id)
    assert item_states(owner, sweep_id) == {"in_batch": 20, "waiting": 30}
    with deps.database.tenant_transaction(tenant_id) as conn:
        assert cancel_sweep(conn, sweep_id, reason="by_hand")
    turn(deps, tenant_id, sweep_id)
    assert item_states(owner, sweep_id) == {"in_batch": 20, "skipped": 30}
    cancels = [line for line in provider.received() if "/cancel" in json.loads(line)["path"]]
    assert len(cancels) == 2


@pytest.mark.parametrize("batches", [True, False])
def test_a_sweep_pauses_before_it_would_spend_more_than_its_budget(deps, owner, tenant_id, provider, batches):
    seed(owner, tenant_id, messages=60)
    each = plan(deps, tenant_id, batches=batches).cost_microusd / 60
    budget = each * 25 / 1_000_000
    sweep_id = start(deps, tenant_id, batches=batches, budget_usd=budget)
    sweep = drive(deps, owner, tenant_id, sweep_id)
    assert (sweep.state, sweep.reason) == ("paused", "budget")
    assert 15 <= item_states(owner, sweep_id)["done"] <= 27
    assert sweep.spent_microusd <= budget * 1_000_000 * 1.1
    with deps.database.tenant_transaction(tenant_id) as conn:
        assert resume_sweep(conn, sweep_id, budget_microusd=5_000_000)
    assert drive(deps, owner, tenant_id, sweep_id).state == "done"
    assert sum(provider.paid) == 60


@pytest.mark.in_turns
@pytest.mark.parametrize("batches", [True, False])
@pytest.mark.parametrize("status", [401, 429, 500, 529])
def test_an_outage_is_waited_out_and_fails_no_item(deps, owner, tenant_id, provider, monkeypatch, batches, status):
    seed(owner, tenant_id, messages=12)
    sweep_id = start(deps, tenant_id, batches=batches)
    provider.script({"path": "/v1/messages", "status": status, "body": ERROR, "headers": {"retry-after": "30"}})
    turn(deps, tenant_id, sweep_id)
    sweep = look(deps, tenant_id, sweep_id)
    assert sweep.state == "running" and str(status) in sweep.error_code and sweep.outages == 1
    (wait_s,) = owner.execute("SELECT extract(epoch FROM next_at - now())::float FROM sweep").fetchone()
    assert 25 < wait_s <= 30
    # As if the half minute were over: a refused key pauses all calls for so long.
    with redis.Redis.from_url(deps.settings.redis_url.get_secret_value()) as client:
        client.delete("earshot:breaker:claude-haiku-5-5")
    sweep = drive(deps, owner, tenant_id, sweep_id)
    assert item_states(owner, sweep_id) == {"done": 12} and sum(provider.paid) == 12
    assert (sweep.error_code, sweep.outages) == (None, 0)
    assert owner.execute("SELECT max(tries) FROM sweep_item").fetchone() == (0,)


def test_a_batch_that_the_provider_refuses_pauses_the_sweep_and_fails_nobody(deps, owner, tenant_id, provider):
    seed(owner, tenant_id, messages=5)
    sweep_id = start(deps, tenant_id)
    provider.script({"path": "/v1/messages/batches", "status": 400, "body": ERROR})
    sweep = drive(deps, owner, tenant_id, sweep_id)
    assert (sweep.state, sweep.reason) == ("paused", "bad_request")
    assert item_states(owner, sweep_id) == {"waiting": 5} and provider.paid == (0, 0)


def message(text="{}", *, stop_reason="end_turn"):
    return {
        "type": "succeeded",
        "message": {
            "id": "m", "type": "message", "role": "assistant", "model": "claude-haiku-5-5", "stop_sequence": None,
            "content": [{"type": "text", "text": text}], "stop_reason": stop_reason,
            "usage": {"input_tokens": 100, "output_tokens": 50},
        },
    }  # fmt: skip


def answer_all_with(deps, provider, monkeypatch, results):
    """The first batches end with these results for all their requests, one after another."""
    really, left = deps.analyzer.submit_batch, iter(results)

    def submit(calls):
        provider_id = really(calls)
        result = next(left, None)
        if result:
            lines = [json.dumps({"custom_id": custom_id, "result": result}) for custom_id in calls]
            path = f"/v1/messages/batches/{provider_id}/results"
            provider.script({"path": path, "status": 200, "body": "\n".join(lines) + "\n"})
        return provider_id

    monkeypatch.setattr(deps.analyzer, "submit_batch", submit)


@pytest.mark.parametrize(
    ("result", "batches", "code"),
    [
        ({"type": "errored", "error": {"type": "error", "error": {"type": "invalid_request_error", "message": "canary"}}},
         1, "batch_invalid_request_error"),
        ({"type": "errored", "error": {"type": "error", "error": {"type": "api_error", "message": "canary"}}},
         3, "batch_api_error"),
        ({"type": "expired"}, 3, "batch_expired"),
        (message("canary, no JSON"), 3, "answer_not_json"),
        (message(stop_reason="refusal"), 1, "refused"),
        (message(stop_reason="max_tokens"), 3, "stopped_max_tokens"),
        ({"type": "of_tomorrow"}, 3, "batch_odd_answer"),
    ],
)  # fmt: skip
def test_a_bad_answer_is_tried_three_times_or_fails_with_its_code(
    deps, owner, tenant_id, provider, monkeypatch, caplog, result, batches, code
):
    seed(owner, tenant_id, messages=2)
    sweep_id = start(deps, tenant_id)
    answer_all_with(deps, provider, monkeypatch, [result] * 3)
    sweep = drive(deps, owner, tenant_id, sweep_id)
    assert (sweep.state, item_states(owner, sweep_id)) == ("done", {"failed": 2})
    assert owner.execute("SELECT DISTINCT error_code FROM sweep_item").fetchall() == [(code,)]
    assert batch_states(owner, sweep_id) == {"deleted": batches}
    assert analyses(owner, sweep_id) == (0, 0) and "canary" not in caplog.text
    was_paid = result["type"] == "succeeded"
    assert sweep.spent_microusd == ledger(owner, sweep_id) == (2 * batches * 18 if was_paid else 0)


def test_what_the_provider_cancelled_is_no_try(deps, owner, tenant_id, provider, monkeypatch):
    seed(owner, tenant_id, messages=2)
    sweep_id = start(deps, tenant_id)
    answer_all_with(deps, provider, monkeypatch, [{"type": "canceled"}] * 4)
    drive(deps, owner, tenant_id, sweep_id)
    assert item_states(owner, sweep_id) == {"done": 2}


def test_results_that_are_not_all_there_are_read_again(deps, owner, tenant_id, provider):
    seed(owner, tenant_id, messages=6)
    sweep_id = start(deps, tenant_id)
    provider.script({"path": "/v1/messages/batches/msgbatch*/results", "status": 200, "body": ""})
    drive(deps, owner, tenant_id, sweep_id)
    assert_each_once(owner, provider, sweep_id, messages=6)


def test_a_batch_that_somebody_deleted_is_not_paid_again_by_itself(deps, owner, tenant_id, provider):
    seed(owner, tenant_id, messages=6)
    sweep_id = start(deps, tenant_id)
    provider.script({"method": "GET", "path": "/v1/messages/batches/msgbatch*", "status": 404, "body": ERROR})
    sweep = drive(deps, owner, tenant_id, sweep_id)
    assert sweep.state == "done" and item_states(owner, sweep_id) == {"failed": 6}
    assert owner.execute("SELECT DISTINCT error_code FROM sweep_item").fetchall() == [("batch_gone",)]


def test_deleting_is_tried_until_it_is_done_while_the_sweep_is_done_already(deps, owner, tenant_id, provider):
    seed(owner, tenant_id, messages=6)
    sweep_id = start(deps, tenant_id)
    provider.script({"method": "DELETE", "times": 3, "status": 500, "body": ERROR})
    sweep = drive(deps, owner, tenant_id, sweep_id)
    assert sweep.state == "done" and batch_states(owner, sweep_id) == {"deleted": 1}
    assert provider.batches_left() == []


# Erasures and edits.


def receive_conversation(deps, receive, times, *texts):
    """Messages of one customer, through the pipeline; returns (message_id, provider id) of each."""
    sent = []
    for text in texts:
        item = whatsapp_message(text, timestamp=next(times))
        (ref,) = receive(whatsapp_body(item))
        run_all(deps, ref)
        sent.append((ref.message_id, item["id"]))
    return sent


def erase(receive, provider_id):
    """By a receiver, while a worker's thread is in mid-work."""
    with ThreadPoolExecutor(1) as elsewhere:
        elsewhere.submit(receive, whatsapp_body(whatsapp_revocation(provider_id))).result()


@pytest.mark.parametrize("batches", [True, False])
def test_an_answer_to_words_that_were_erased_meanwhile_is_not_kept(
    deps, owner, tenant_id, provider, receive, times, monkeypatch, batches
):
    sent = receive_conversation(deps, receive, times, "My parcel is lost, canary", "Hello, anybody?", "thanks")
    sweep_id = start(deps, tenant_id, batches=batches)
    monkeypatch.setattr(sweep_limits, "CALLS_AT_ONCE", 1)
    desk = deps.analyzer, "submit_batch" if batches else "analyze"
    really, erased = getattr(*desk), []

    def erase_meanwhile(*arguments, **more):
        answer = really(*arguments, **more)
        if not erased:
            erased.append(True)
            erase(receive, sent[0][1])
        return answer

    monkeypatch.setattr(*desk, erase_meanwhile)
    sweep = drive(deps, owner, tenant_id, sweep_id)
    # One by one only the first call had left; in a batch the others had its words as their context.
    assert item_states(owner, sweep_id) == ({"dropped": 3} if batches else {"dropped": 1, "done": 2})
    assert sweep.state == "done" and sweep.spent_microusd == ledger(owner, sweep_id) > 0
    left = owner.execute("SELECT minimized_text FROM egress WHERE purpose = 'sweep'").fetchall()
    assert left and not any("canary" in text for (text,) in left)


def test_words_that_were_erased_before_they_left_do_not_leave(
    deps, owner, tenant_id, provider, receive, times, monkeypatch
):
    import worker.sweep_batches

    sent = receive_conversation(deps, receive, times, "My parcel is lost, canary", "Hello?")
    other = seed(owner, tenant_id, messages=1, customers=1)
    sweep_id = start(deps, tenant_id)
    really, erased = worker.sweep_batches.list_batch_items, []

    def erase_first(conn, batch_id):
        if not erased:
            erased.append(True)
            erase(receive, sent[0][1])
        return really(conn, batch_id)

    monkeypatch.setattr(worker.sweep_batches, "list_batch_items", erase_first)
    before = len(provider.received())
    drive(deps, owner, tenant_id, sweep_id)
    assert item_states(owner, sweep_id) == {"skipped": 2, "done": 1}
    assert "canary" not in "".join(provider.received()[before:])
    assert provider.paid[1] == 1 and other


def test_a_message_that_was_erased_since_the_plan_is_skipped(deps, owner, tenant_id, provider, receive, times):
    sent = receive_conversation(deps, receive, times, "My parcel is lost", "Hello?")
    sweep_id = start(deps, tenant_id)
    erase(receive, sent[0][1])
    drive(deps, owner, tenant_id, sweep_id)
    assert item_states(owner, sweep_id) == {"skipped": 1, "done": 1} and provider.paid[1] == 1


def test_an_answer_to_words_that_were_edited_meanwhile_is_not_kept(
    deps, owner, tenant_id, provider, receive, times, monkeypatch
):
    sent = receive_conversation(deps, receive, times, "My parcel is lost")
    sweep_id = start(deps, tenant_id)
    really = deps.analyzer.submit_batch

    def edit_meanwhile(calls):
        (ref,) = receive(whatsapp_body(whatsapp_edit(sent[0][1], "Sorry, it has come, thank you!")))
        provider_id = really(calls)
        assert ref.message_id == sent[0][0]
        run_all(deps, ref)
        return provider_id

    monkeypatch.setattr(deps.analyzer, "submit_batch", edit_meanwhile)
    drive(deps, owner, tenant_id, sweep_id)
    assert item_states(owner, sweep_id) == {"dropped": 1}
    kinds = owner.execute("SELECT run_kind FROM message_analysis ORDER BY id").fetchall()
    assert kinds == [("initial",), ("reanalyze",)]


# What a sweep must not do, and what it does to the CRM.


def test_a_sweep_never_decides_acts_or_alerts(deps, owner, tenant_id, provider, receive, times):
    receive_conversation(
        deps, receive, times, "Terrible, my parcel is lost!", "I want my money back, terrible service!"
    )
    counts = "SELECT (SELECT count(*) FROM routing_decision), (SELECT count(*) FROM action), (SELECT count(*) FROM alert), (SELECT count(*) FROM crm_event), (SELECT count(*) FROM run)"
    places = "SELECT queue, priority, state FROM conversation ORDER BY id"
    before = owner.execute(counts).fetchone(), owner.execute(places).fetchall()
    drive(deps, owner, tenant_id, start(deps, tenant_id))
    assert (owner.execute(counts).fetchone(), owner.execute(places).fetchall()) == before
    assert owner.execute("SELECT count(*) FROM message_analysis WHERE run_kind = 'sweep'").fetchone() == (2,)


def crm_versions(owner):
    return [version for (version,) in owner.execute("SELECT version FROM crm_state ORDER BY customer_id").fetchall()]


def labels(deps, owner, tenant_id):
    people = [str(row[0]) for row in owner.execute("SELECT id FROM customer ORDER BY id").fetchall()]
    with deps.database.tenant_transaction(tenant_id) as conn:
        return [one.sentiment for one in compute_labels(conn, people, with_summary=True).values()]


def test_labels_follow_when_the_sweep_is_done(deps, owner, tenant_id, provider):
    seed(owner, tenant_id, messages=3, customers=3, analyzed=True, words=("My parcel never arrived, terrible",))
    sweep_id = start(deps, tenant_id)
    assert crm_versions(owner) == [] and labels(deps, owner, tenant_id) == ["neutral"] * 3
    drive(deps, owner, tenant_id, sweep_id)
    assert crm_versions(owner) == [1, 1, 1] and labels(deps, owner, tenant_id) == ["negative"] * 3


def test_labels_wait_for_approval_where_the_tenant_wants_that(deps, owner, tenant_id, provider):
    seed(owner, tenant_id, messages=3, customers=3, analyzed=True, words=("My parcel never arrived, terrible",))
    set_sweep(owner, "acme", approve_labels=True)
    sweep_id = start(deps, tenant_id)
    sweep = drive(deps, owner, tenant_id, sweep_id)
    assert crm_versions(owner) == [] and labels(deps, owner, tenant_id) == ["neutral"] * 3
    with deps.database.tenant_transaction(tenant_id) as conn:
        assert approve_sweep(conn, sweep.id)
        assert not approve_sweep(conn, sweep.id)
    drive(deps, owner, tenant_id, sweep_id)
    assert crm_versions(owner) == [1, 1, 1] and labels(deps, owner, tenant_id) == ["negative"] * 3


# The month's own.

NOVEMBER = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture
def older_tenants(owner):
    owner.execute("UPDATE tenant SET created_at = '2026-01-01'")


def periods(owner):
    return owner.execute(
        "SELECT t.slug, s.period FROM sweep AS s JOIN tenant AS t ON t.id = s.tenant_id ORDER BY 1, 2"
    ).fetchall()


@pytest.mark.usefixtures("older_tenants")
def test_two_beats_make_one_sweep_a_month(deps, owner, tenant_id, tenant_ids, provider):
    from concurrent.futures import ThreadPoolExecutor

    seed(owner, tenant_id, messages=20)
    with ThreadPoolExecutor(4) as pool:
        started = list(pool.map(lambda _: plan_month(deps, now=NOVEMBER), range(4)))
    assert sum(map(len, started)) == 2
    assert periods(owner) == [("acme", "2026-11"), ("other", "2026-11")]
    assert plan_month(deps, now=NOVEMBER + timedelta(days=3)) == []
    sweep = newest(deps, tenant_id)
    assert drive(deps, owner, tenant_id, sweep.id).state == "done" and provider.paid == (0, 20)
    drive(deps, owner, tenant_ids["other"], newest(deps, tenant_ids["other"]).id)
    assert len(plan_month(deps, now=NOVEMBER + timedelta(days=40))) == 2  # beat was away on the 1st
    assert len(periods(owner)) == 4


@pytest.mark.usefixtures("older_tenants")
def test_a_months_sweep_waits_for_one_that_runs_and_takes_over_from_one_that_is_paused(deps, owner, tenant_id):
    seed(owner, tenant_id, messages=5)
    sweep_id = start(deps, tenant_id, period="manual-1")
    plan_month(deps, now=NOVEMBER)
    assert ("acme", "2026-11") not in periods(owner)
    with deps.database.tenant_transaction(tenant_id) as conn:
        pause_sweep(conn, sweep_id, reason="by_hand")
    plan_month(deps, now=NOVEMBER)
    assert ("acme", "2026-11") in periods(owner)
    old = look(deps, tenant_id, sweep_id)
    assert (old.state, old.reason) == ("cancelled", "superseded")


@pytest.mark.usefixtures("older_tenants")
def test_a_tenant_that_does_not_want_it_has_none(deps, owner):
    set_sweep(owner, "acme", enabled=False)
    plan_month(deps, now=NOVEMBER)
    assert periods(owner) == [("other", "2026-11")]


def test_a_tenants_first_month_has_no_sweep(deps, owner):
    assert plan_month(deps, now=datetime.now(UTC)) == []


def test_a_tenant_that_forbids_batches_has_none_whatever_is_asked(deps, owner, tenant_id, provider):
    set_sweep(owner, "acme", batches=False)
    seed(owner, tenant_id, messages=5)
    drive(deps, owner, tenant_id, start(deps, tenant_id, batches=True))
    assert provider.paid == (5, 0)


def test_a_sweep_of_nothing_is_done_at_once(deps, owner, tenant_id):
    assert drive(deps, owner, tenant_id, start(deps, tenant_id)).state == "done"


def test_without_a_key_the_sweep_waits(deps, owner, tenant_id):
    seed(owner, tenant_id, messages=2)
    sweep_id = start(deps, tenant_id)
    object.__setattr__(deps, "analyzer", None)
    deps.__dict__["analyzer"] = None
    turn(deps, tenant_id, sweep_id)
    assert item_states(owner, sweep_id) == {"waiting": 2}
    assert look(deps, tenant_id, sweep_id).state == "running"


def test_a_sweep_sees_only_what_came_before_each_message(deps, owner, tenant_id, provider):
    seed(owner, tenant_id, messages=4, customers=1)
    drive(deps, owner, tenant_id, start(deps, tenant_id))
    turns = [
        json.loads(text)
        for (text,) in owner.execute(
            "SELECT e.minimized_text FROM egress AS e JOIN message AS m ON m.id = e.message_id ORDER BY m.sent_at"
        ).fetchall()
    ]
    assert [len(one["context"]) for one in turns] == [0, 1, 2, 3]
    assert turns[3]["context"][-1]["text"] == turns[2]["message"]


# The flip report.


def test_the_report_says_what_changed_and_why(deps, owner, tenant_id, provider):
    angry = ("My parcel never arrived, terrible",)
    seed(owner, tenant_id, messages=2, customers=1, words=angry)
    sweep_id = start(deps, tenant_id, period="first")
    drive(deps, owner, tenant_id, sweep_id)
    with deps.database.tenant_transaction(tenant_id) as conn:
        report = report_sweep(conn, sweep_id)
    assert (report.judged, report.first, report.changed) == (0, 2, 0)
    same = owner.execute("SELECT prompt_version, prompt_hash FROM message_analysis LIMIT 1").fetchone()
    known = {"prompt_version": same[0], "prompt_hash": same[1]}
    with_topics = owner.execute(
        """
        INSERT INTO prompt_registry (prompt_hash, prompt_version, system_text)
        SELECT 'other-topics', prompt_version, replace(system_text, 'Topics: {', 'Topics: {\\"wine\\": \\"red\\", ')
        FROM prompt_registry WHERE prompt_hash = %s
        RETURNING system_text
        """,
        (same[1],),
    ).fetchone()
    assert "wine" in with_topics[0]
    before = {
        "prompt": {**known, "prompt_version": "g0.s1", "prompt_hash": "old"},
        "model": {**known, "model": "claude-haiku-4-5"},
        "examples": {**known, "prompt_version": same[0] + ".e3"},
        "topics": {**known, "prompt_hash": "other-topics"},
        "noise": known,
    }
    ids = seed(owner, tenant_id, messages=6, customers=6, words=angry)
    for message_id, past in zip(ids, before.values(), strict=False):
        analyze_before(owner, tenant_id, [message_id], **past)
    analyze_before(owner, tenant_id, [ids[5]], **known, sentiment="negative", intent="complaint", topics=["shipping"])
    owner.execute("UPDATE prompt_registry SET system_text = '[]' WHERE false")
    sweep_id = start(deps, tenant_id, period="second", customers=6)
    drive(deps, owner, tenant_id, sweep_id)
    with deps.database.tenant_transaction(tenant_id) as conn:
        report = report_sweep(conn, sweep_id)
    causes = {one["message_id"]: one["causes"] for one in report.messages}
    assert [causes.get(message_id) for message_id in ids[:5]] == [
        ["prompt", "topics"], ["model"], ["examples"], ["topics"], ["noise"],
    ]  # fmt: skip
    assert report.sentiments["neutral > negative"] == 5
    assert all(one["changed"] for one in report.messages)


# What goes wrong between us and the provider, or in ourselves.


def test_a_batch_that_cannot_be_read_holds_up_no_other(deps, owner, tenant_id, provider, monkeypatch):
    seed(owner, tenant_id, messages=30)
    sweep_id = start(deps, tenant_id)
    really, broken = deps.analyzer.submit_batch, []

    def submit(calls):
        provider_id = really(calls)
        if not broken:
            broken.append(provider_id)
            path = f"/v1/messages/batches/{provider_id}/results"
            provider.script({"path": path, "times": 6, "status": 200, "body": "<html>"})
        return provider_id

    monkeypatch.setattr(deps.analyzer, "submit_batch", submit)
    for _ in range(100):
        turn(deps, tenant_id, sweep_id)
        if item_states(owner, sweep_id).get("done") == 20:
            break
    assert item_states(owner, sweep_id) == {"done": 20, "in_batch": 10}
    drive(deps, owner, tenant_id, sweep_id)
    assert_each_once(owner, provider, sweep_id, messages=30)


def test_a_tenant_may_forbid_batches_in_the_middle(deps, owner, tenant_id, provider, monkeypatch):
    monkeypatch.setattr(sweep_limits, "MAX_OPEN_BATCHES", 1)
    seed(owner, tenant_id, messages=25)
    sweep_id = start(deps, tenant_id)
    provider.batches_take(1.0)
    turn(deps, tenant_id, sweep_id)
    set_sweep(owner, "acme", batches=False)
    deps.tenants._cached.clear()
    drive(deps, owner, tenant_id, sweep_id)
    assert item_states(owner, sweep_id) == {"done": 25} and provider.paid == (15, 10)


def test_a_worker_that_slept_over_its_batch_has_it_cancelled_and_deleted(deps, owner, tenant_id, provider, monkeypatch):
    seed(owner, tenant_id, messages=5)
    sweep_id = start(deps, tenant_id)
    really = deps.analyzer.submit_batch

    def submit_late(calls):
        monkeypatch.setattr(deps.analyzer, "submit_batch", really)
        # Another worker came, looked, and gave the batch up.
        owner.execute("UPDATE sweep_batch SET state = 'lost'")
        owner.execute("UPDATE sweep_item SET state = 'waiting', batch_id = NULL")
        return really(calls)

    monkeypatch.setattr(deps.analyzer, "submit_batch", submit_late)
    drive(deps, owner, tenant_id, sweep_id)
    assert item_states(owner, sweep_id) == {"done": 5} and analyses(owner, sweep_id) == (5, 5)
    assert provider.paid == (0, 5) and provider.batches_left() == []


def test_the_budget_holds_when_messages_cost_more_than_planned(deps, owner, tenant_id, provider):
    seed(owner, tenant_id, messages=60)
    planned = plan(deps, tenant_id).cost_microusd
    sweep_id = start(deps, tenant_id, budget_usd=planned / 2 / 1e6)
    owner.execute("UPDATE sweep SET estimated_microusd = estimated_microusd / 10")
    sweep = drive(deps, owner, tenant_id, sweep_id)
    # What five batches cost is known only when they are read; then it stops.
    assert (sweep.state, sweep.reason) == ("paused", "budget")
    assert item_states(owner, sweep_id)["done"] <= 10 * sweep_limits.MAX_OPEN_BATCHES


def test_an_error_of_ours_pauses_the_sweep_after_some_turns_and_tells_no_words(
    deps, owner, tenant_id, provider, monkeypatch, caplog
):
    from worker import upkeep_tasks

    seed(owner, tenant_id, messages=3)
    sweep_id = start(deps, tenant_id)
    monkeypatch.setattr(upkeep_tasks, "deps", lambda: deps)

    def fail(*_arguments, **_more):
        message = "canary: words of a customer"
        raise KeyError(message)

    with monkeypatch.context() as patch:
        patch.setattr("worker.sweep_batches.claim_words", fail)
        for _ in range(sweep_limits.MAX_BUGS):
            upkeep_tasks.advance_sweep(tenant_id=tenant_id, sweep_id=sweep_id)
    sweep = look(deps, tenant_id, sweep_id)
    assert (sweep.state, sweep.reason) == ("paused", "bug_KeyError") and "canary" not in caplog.text
    with deps.database.tenant_transaction(tenant_id) as conn:
        resume_sweep(conn, sweep_id, budget_microusd=None)
    drive(deps, owner, tenant_id, sweep_id)
    assert_each_once(owner, provider, sweep_id, messages=3)


def test_a_worker_that_dies_while_it_marks_customers_leaves_none_out(
    deps, owner, tenant_id, provider, kill, monkeypatch
):
    from store.sweeps import mark_customers as really

    monkeypatch.setattr(sweep_limits, "CUSTOMERS_AT_ONCE", 2)
    seed(owner, tenant_id, messages=6, customers=6)
    sweep_id = start(deps, tenant_id)
    left = iter(range(1))

    def mark(*arguments):
        if next(left, None) is None:
            raise Killed
        really(*arguments)

    kill(sweep_id, "worker.sweeps.mark_customers", mark)
    assert len(crm_versions(owner)) == 2
    drive(deps, owner, tenant_id, sweep_id)
    assert len(crm_versions(owner)) == 6


def test_beat_rings_what_is_due_with_ids_only(deps, owner, tenant_id, monkeypatch):
    from worker import upkeep_tasks

    sweep_id = start(deps, tenant_id)
    rung = []
    monkeypatch.setattr(upkeep_tasks, "deps", lambda: deps)
    monkeypatch.setattr(upkeep_tasks, "ring_sweep", lambda **ids: rung.append(ids))
    upkeep_tasks.ring_sweeps()
    upkeep_tasks.ring_sweeps()  # pushed back a little, so that rings do not pile up
    assert rung == [{"tenant_id": tenant_id, "sweep_id": sweep_id}]
