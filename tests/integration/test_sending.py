"""From a planned action to what the customer gets: form, window, budget, echoes, doubts, and what people are shown."""

from contextlib import nullcontext
from itertools import count

import httpx2
import pytest
import redis

from tests.integration.passes import now, run_all
from tests.webhooks import (
    instagram_comment,
    instagram_event,
    whatsapp_body,
    whatsapp_echo,
    whatsapp_message,
    whatsapp_value,
)
from worker import delivery, reconcile, upkeep_tasks
from worker.rate_budget import Bucket, RateBudget

REFUND = "The parcel is late for the third time. I want my money back!"
PRAISE = "Thank you so much, this is wonderful"
SHOP = "17841400000000111"


@pytest.fixture
def sent(standins):
    """What the channel accepted since the test began."""
    url = f"{standins['graph']}/_sends"
    before = len(httpx2.get(url).json())
    return lambda: [send["body"] for send in httpx2.get(url).json()[before:]]


def deliver(deps, ref, action_ids):
    for action_id in action_ids:
        delivery.deliver_action(deps, tenant_id=ref.tenant_id, action_id=action_id, now=now())


def state_of(owner, action_id):
    return owner.execute("SELECT state, error_code FROM action WHERE id = %s", (action_id,)).fetchone()


def configure(owner, path, value, slug="acme"):
    owner.execute(
        "UPDATE tenant SET config = jsonb_set(config, %s, %s::jsonb, true) WHERE slug = %s", (path, value, slug)
    )


def dm(text, *, mid="m1", **more):
    return instagram_event({"message": {"mid": mid, "text": text}}, timestamp=int(now().timestamp() * 1000), **more)


def comment(text, **more):
    import json

    body = json.loads(instagram_comment(text, **more))
    body["entry"][0]["time"] = int(now().timestamp())
    return json.dumps(body).encode()


def test_what_we_sent_stands_in_the_conversation_as_ours(deps, receive, owner, sent, times):
    (ref,) = receive(whatsapp_body(whatsapp_message(REFUND, timestamp=next(times))))
    deliver(deps, ref, run_all(deps, ref))
    (body,) = sent()
    row = owner.execute(
        "SELECT author, direction, state, text, conversation_id IS NOT NULL FROM message WHERE direction = 'outbound'"
    ).fetchone()
    assert row == ("earshot", "outbound", "ignored", body["interactive"]["body"]["text"], True)
    assert owner.execute("SELECT taken_over FROM conversation").fetchone() == (False,)


def test_praise_under_a_reel_is_thanked_in_public_once(deps, receive, owner, sent, standins):
    (ref,) = receive(comment(PRAISE, comment_id="17900001"), kind="instagram")
    deliver(deps, ref, run_all(deps, ref))
    (body,) = sent()
    assert set(body) == {"message"}
    forms = owner.execute("SELECT kind, form, state FROM action WHERE form IS NOT NULL").fetchall()
    assert forms == [("close_with_thanks", "public_reply", "sent")]


def test_a_complaint_under_a_reel_is_answered_in_private_with_the_link_in_words(deps, receive, owner, sent):
    (ref,) = receive(comment(REFUND, comment_id="17900002"), kind="instagram")
    deliver(deps, ref, run_all(deps, ref))
    (body,) = sent()
    assert body["recipient"] == {"comment_id": "17900002"}
    assert body["message"]["text"].endswith("\nhttps://acme.example/refund")


def test_the_eleven_scores_can_be_tapped_on_instagram(deps, receive, owner, sent):
    (ref,) = receive(dm(PRAISE), kind="instagram")
    deliver(deps, ref, run_all(deps, ref))
    replies = [body["message"]["quick_replies"] for body in sent() if "quick_replies" in body["message"]]
    assert [[one["title"] for one in reply] for reply in replies] == [[str(score) for score in range(11)]]


def close_window(owner):
    owner.execute("UPDATE conversation SET last_inbound_at = now() - interval '25 hours'")


def test_after_the_window_whatsapp_gets_the_tenants_template(deps, receive, owner, sent, times):
    configure(owner, "{actions,send_refund_form,template}", '{"name": "refund", "languages": {"en": "en_US"}}')
    (ref,) = receive(whatsapp_body(whatsapp_message(REFUND, timestamp=next(times))))
    actions = run_all(deps, ref)
    close_window(owner)
    deliver(deps, ref, actions)
    (body,) = sent()
    assert body["template"]["name"] == "refund" and body["template"]["language"]["code"] == "en_US"


@pytest.mark.parametrize("kind", ["whatsapp", "instagram"])
def test_after_the_window_without_a_template_a_person_is_called(deps, receive, owner, sent, times, kind):
    body = whatsapp_body(whatsapp_message(REFUND, timestamp=next(times))) if kind == "whatsapp" else dm(REFUND)
    (ref,) = receive(body, kind=kind)
    (action_id,) = run_all(deps, ref)
    owner.execute("UPDATE conversation SET queue = 'auto', state = 'resolved'")
    close_window(owner)
    deliver(deps, ref, [action_id])
    assert sent() == []
    assert state_of(owner, action_id) == ("expired", "window_closed")
    assert owner.execute("SELECT queue, state FROM conversation").fetchone() == ("support", "open")
    alert = owner.execute("SELECT kind, details ->> 'because' FROM alert").fetchall()
    assert alert == [("needs_person", "window_closed")]


@pytest.mark.parametrize(("auto_assign", "wanted"), [("[]", False), ('["support"]', True)])
def test_a_conversation_that_goes_back_to_people_is_on_record_and_is_given_to_somebody(
    deps, receive, owner, times, auto_assign, wanted
):
    configure(owner, "{assignment}", f'{{"auto_assign": {auto_assign}}}')
    (ref,) = receive(whatsapp_body(whatsapp_message(REFUND, timestamp=next(times))))
    (action_id,) = run_all(deps, ref)
    owner.execute(
        "UPDATE conversation SET queue = 'auto', state = 'resolved', resolved_at = now(), wants_agent = false"
    )
    close_window(owner)
    deliver(deps, ref, [action_id])
    events = owner.execute("SELECT kind, by_rule, queue FROM conversation_event WHERE kind = 'reopened'").fetchall()
    assert events == [("reopened", "automation_gave_up", "support")]
    row = owner.execute("SELECT reopened, wants_agent, wants_agent_since IS NOT NULL FROM conversation").fetchone()
    assert row == (1, wanted, wanted)


def test_one_that_was_open_is_not_opened_again(deps, receive, owner, times):
    (ref,) = receive(whatsapp_body(whatsapp_message(REFUND, timestamp=next(times))))
    (action_id,) = run_all(deps, ref)
    close_window(owner)
    deliver(deps, ref, [action_id])
    assert owner.execute("SELECT count(*) FROM conversation_event").fetchone() == (0,)
    assert owner.execute("SELECT reopened FROM conversation").fetchone() == (0,)


def test_while_the_channel_is_broken_inside_sends_wait_instead_of_becoming_doubts(
    deps, receive, owner, sent, standins, times
):
    broken = {"method": "POST", "path": "*/messages", "status": 500, "body": {"error": {"code": 2}}, "times": 100}
    httpx2.post(f"{standins['graph']}/_script", json={"steps": [broken]})
    for number in range(12):
        body = whatsapp_body(whatsapp_message(REFUND, sender=f"9055599900{number:02d}", timestamp=next(times)))
        (ref,) = receive(body)
        deliver(deps, ref, run_all(deps, ref))
    counted = owner.execute(
        "SELECT state, error_code, max(tries), count(*) FROM action WHERE kind = 'send_refund_form' GROUP BY 1, 2 ORDER BY 1"
    ).fetchall()
    assert counted == [("pending", "channel_down", 0, 7), ("uncertain", "graph_2", 1, 5)]


def test_thanks_that_can_not_be_said_any_more_call_nobody(deps, receive, owner, times):
    (ref,) = receive(whatsapp_body(whatsapp_message(PRAISE, timestamp=next(times))))
    actions = run_all(deps, ref)
    close_window(owner)
    deliver(deps, ref, actions)
    assert owner.execute("SELECT count(*) FROM alert").fetchone() == (0,)


def test_an_echo_of_our_own_send_is_not_a_person(deps, receive, owner, sent, times):
    (ref,) = receive(dm(PRAISE), kind="instagram")
    deliver(deps, ref, run_all(deps, ref))
    provider_id, text = owner.execute(
        "SELECT provider_message_id, text FROM message WHERE direction = 'outbound' ORDER BY id LIMIT 1"
    ).fetchone()
    receive(
        instagram_event({"message": {"mid": provider_id, "text": text, "is_echo": True}}, echo=True), kind="instagram"
    )
    reconcile.place_waiting(deps)
    assert owner.execute("SELECT taken_over FROM conversation").fetchone() == (False,)
    assert owner.execute("SELECT count(*) FROM message WHERE provider_message_id = %s", (provider_id,)).fetchone() == (
        1,
    )


def instagram_doubt(deps, receive, owner, standins):
    """A send on Instagram whose answer never came; returns the action and what was sent."""
    (ref,) = receive(dm("It does not work, the app shows an error"), kind="instagram")
    configure(owner, "{actions,request_screenshot}", '{"enabled": true}')
    owner.execute("UPDATE tenant SET updated_at = now()")
    deps.tenants._cached.clear()
    (action_id,) = run_all(deps, ref)
    httpx2.post(
        f"{standins['graph']}/_script", json={"steps": [{"method": "POST", "path": "*/messages", "drop": "after"}]}
    )
    deliver(deps, ref, [action_id])
    assert state_of(owner, action_id)[0] == "uncertain"
    lines = httpx2.get(f"{standins['graph']}/_received").text.splitlines()
    import json

    return action_id, json.loads(json.loads(lines[-1])["body"])["message"]["text"]


def test_an_echo_with_the_same_words_settles_a_doubt(deps, receive, owner, standins):
    action_id, words = instagram_doubt(deps, receive, owner, standins)
    receive(instagram_event({"message": {"mid": "echo1", "text": words, "is_echo": True}}, echo=True), kind="instagram")
    reconcile.place_waiting(deps)
    assert state_of(owner, action_id) == ("sent", None)
    assert owner.execute("SELECT taken_over FROM conversation").fetchone() == (False,)
    assert owner.execute("SELECT author FROM message WHERE direction = 'outbound'").fetchall() == [("earshot",)]


def test_an_echo_with_other_words_is_a_person_and_leaves_the_doubt(deps, receive, owner, standins):
    action_id, _ = instagram_doubt(deps, receive, owner, standins)
    receive(
        instagram_event({"message": {"mid": "echo1", "text": "I am Bo", "is_echo": True}}, echo=True), kind="instagram"
    )
    assert state_of(owner, action_id)[0] == "uncertain"
    assert owner.execute("SELECT taken_over FROM conversation").fetchone() == (True,)


def test_a_doubt_is_shown_to_people_after_ten_minutes_and_taken_back_when_it_is_settled(deps, receive, owner, standins):
    action_id, words = instagram_doubt(deps, receive, owner, standins)
    reconcile.tick(deps)
    assert owner.execute("SELECT count(*) FROM alert").fetchone() == (0,)
    owner.execute("UPDATE action SET created_at = now() - interval '11 minutes' WHERE id = %s", (action_id,))
    reconcile.tick(deps)
    reconcile.tick(deps)
    assert owner.execute("SELECT kind, resolved_at FROM alert").fetchall() == [("send_uncertain", None)]
    receive(instagram_event({"message": {"mid": "echo1", "text": words, "is_echo": True}}, echo=True), kind="instagram")
    reconcile.tick(deps)
    assert owner.execute("SELECT resolved_at IS NOT NULL FROM alert").fetchall() == [(True,)]


def status(state, *, provider_id, callback=None, code=None):
    item = {"id": provider_id, "status": state, "timestamp": "1790000000"}
    item |= {"biz_opaque_callback_data": callback} if callback else {}
    item |= {"errors": [{"code": code}]} if code else {}
    return whatsapp_value(statuses=[item])


def test_a_send_that_fails_later_is_failed_and_shown(deps, receive, owner, times):
    (ref,) = receive(whatsapp_body(whatsapp_message(REFUND, timestamp=next(times))))
    (action_id,) = run_all(deps, ref)
    deliver(deps, ref, [action_id])
    (provider_id,) = owner.execute("SELECT provider_message_id FROM action WHERE id = %s", (action_id,)).fetchone()
    receive(status("failed", provider_id=provider_id, code=131047))
    assert state_of(owner, action_id) == ("failed", "131047")
    receive(status("delivered", provider_id=provider_id))
    assert state_of(owner, action_id) == ("failed", "131047")
    reconcile.tick(deps)
    assert owner.execute("SELECT kind FROM alert").fetchall() == [("send_failed",)]


def test_a_thousand_statuses_in_one_body_are_one_statement(deps, receive, owner, times):
    (ref,) = receive(whatsapp_body(whatsapp_message(REFUND, timestamp=next(times))))
    (action_id,) = run_all(deps, ref)
    owner.execute("UPDATE action SET state = 'uncertain' WHERE id = %s", (action_id,))
    items = [{"id": f"wamid.other{number}", "status": "delivered"} for number in range(999)]
    items.insert(500, {"id": "wamid.mine", "status": "sent", "biz_opaque_callback_data": action_id})
    receive(whatsapp_value(statuses=items))
    assert state_of(owner, action_id) == ("sent", None)


def test_a_message_in_a_group_gets_no_answer_from_us(deps, receive, owner, sent, times):
    (ref,) = receive(whatsapp_body(whatsapp_message(REFUND, timestamp=next(times), group_id="G1")))
    deliver(deps, ref, run_all(deps, ref))
    assert sent() == []
    assert owner.execute("SELECT kind FROM action").fetchall() == [("escalate_to_human",)]


def test_a_send_waits_for_its_turn_and_loses_no_try(deps, receive, owner, sent, times):
    (ref,) = receive(whatsapp_body(whatsapp_message(REFUND, timestamp=next(times))))
    (action_id,) = run_all(deps, ref)
    customer = owner.execute("SELECT customer_id FROM action WHERE id = %s", (action_id,)).fetchone()[0]
    pair = Bucket(f"whatsapp:111000111:{customer}", per_s=delivery.PAIR_PER_S, burst=delivery.PAIR_BURST)
    while deps.rate_budget.take([pair]) == 0:
        pass
    deliver(deps, ref, [action_id])
    assert sent() == []
    assert state_of(owner, action_id) == ("pending", "rate_budget")
    assert owner.execute("SELECT tries, next_at > now() FROM action WHERE id = %s", (action_id,)).fetchone() == (
        0,
        True,
    )


def test_the_customer_sees_that_it_was_read_where_the_tenant_wants_that(deps, receive, owner, standins, times):
    owner.execute("UPDATE channel_account SET mark_read = true")
    (ref,) = receive(whatsapp_body(whatsapp_message(REFUND, timestamp=next(times), message_id="wamid.mine")))
    deliver(deps, ref, run_all(deps, ref))
    lines = httpx2.get(f"{standins['graph']}/_received").text
    assert lines.index('\\"status\\": \\"read\\"') < lines.index("cta_url")


def test_a_refused_read_mark_does_not_keep_the_answer_back(deps, receive, owner, sent, standins, times):
    owner.execute("UPDATE channel_account SET mark_read = true")
    (ref,) = receive(whatsapp_body(whatsapp_message(REFUND, timestamp=next(times))))
    actions = run_all(deps, ref)
    httpx2.post(f"{standins['graph']}/_script", json={"steps": [{"path": "*/messages", "status": 500, "body": {}}]})
    deliver(deps, ref, actions)
    assert len(sent()) == 1


@pytest.mark.parametrize(("number", "expected"), [(1, 4.0), (3, 64.0)])
def test_a_pair_that_is_limited_waits_longer_each_time(deps, receive, owner, standins, times, number, expected):
    (ref,) = receive(whatsapp_body(whatsapp_message(REFUND, timestamp=next(times))))
    (action_id,) = run_all(deps, ref)
    owner.execute("UPDATE action SET tries = %s WHERE id = %s", (number - 1, action_id))
    step = {"path": "*/messages", "status": 400, "body": {"error": {"code": 131056, "message": "x"}}}
    httpx2.post(f"{standins['graph']}/_script", json={"steps": [step]})
    deliver(deps, ref, [action_id])
    waits = owner.execute("SELECT extract(epoch FROM next_at - now())::float FROM action WHERE id = %s", (action_id,))
    assert waits.fetchone()[0] == pytest.approx(expected, abs=2)


def test_after_a_human_answer_in_the_app_nothing_leaves_by_itself(deps, receive, owner, sent, times):
    (ref,) = receive(whatsapp_body(whatsapp_message(REFUND, timestamp=next(times))))
    actions = run_all(deps, ref)
    receive(whatsapp_echo("I am on it"))
    deliver(deps, ref, actions)
    assert sent() == []


class TestRateBudget:
    def test_a_burst_passes_and_the_next_one_waits_its_turn(self, broker):
        budget, bucket = RateBudget(broker), Bucket("test:burst", per_s=0.1, burst=3)
        assert [budget.take([bucket]) for _ in range(3)] == [0, 0, 0]
        assert budget.take([bucket]) == pytest.approx(10, abs=1)

    def test_two_processes_share_one_bucket(self, broker):
        one, other = RateBudget(broker), RateBudget(broker)
        bucket = Bucket("test:shared", per_s=0.1, burst=1)
        assert one.take([bucket]) == 0
        assert other.take([bucket]) > 0

    def test_what_one_bucket_refuses_takes_nothing_from_the_others(self, broker):
        budget = RateBudget(broker)
        empty, full = Bucket("test:empty", per_s=0.1, burst=1), Bucket("test:full", per_s=0.1, burst=1)
        budget.take([empty])
        assert budget.take([full, empty]) > 0
        assert budget.take([full]) == 0

    def test_a_busy_process_takes_turns_by_the_handful_and_never_more_than_there_are(self, broker, monkeypatch):
        clock = count(step=0.002)
        monkeypatch.setattr("worker.rate_budget.time.monotonic", lambda: next(clock))
        bucket, processes = Bucket("test:busy", per_s=0.001, burst=200), [RateBudget(broker), RateBudget(broker)]

        def trips() -> int:
            return redis.Redis.from_url(broker).info("commandstats")["cmdstat_evalsha"]["calls"]

        processes[0].take([bucket])
        before, taken = trips(), 1
        while processes[taken % 2].take([bucket]) == 0:
            taken += 1
        assert taken <= 200
        assert trips() - before < taken / 2
        # What a process takes after that is what it has left of a handful.
        assert taken + sum(processes[0].take([bucket]) == 0 for _ in range(20)) <= 200

    def test_turns_of_a_handful_that_nobody_needs_lapse(self, broker, monkeypatch):
        now = [0.0]
        monkeypatch.setattr("worker.rate_budget.time.monotonic", lambda: now[0])
        budget, bucket = RateBudget(broker), Bucket("test:lapse", per_s=0.001, burst=60)
        for at in (0.0, 0.05, 0.09, 0.12):
            now[0] = at
            assert budget.take([bucket]) == 0
        now[0] = 1.0
        taken = 0
        while budget.take([bucket]) == 0:
            taken += 1
        assert taken == 60 - 3 - 3  # the last of the four was the first of a handful of three

    def test_without_a_server_everything_may_leave(self):
        budget = RateBudget("redis://127.0.0.1:9/0")
        bucket = Bucket("test:away", per_s=0.001, burst=1)
        assert [budget.take([bucket]) for _ in range(20)] == [0.0] * 20

    def test_another_kind_of_broker_has_no_buckets(self):
        assert RateBudget("amqp://localhost//").take([Bucket("x", per_s=1, burst=1)]) == 0


TEMPLATE_ECHO = {"attachments": [{"type": "template", "payload": {"generic": {"elements": []}}}], "is_echo": True}


def test_the_echo_of_a_message_with_a_button_settles_it_and_is_not_a_person(deps, receive, owner, standins):
    (ref,) = receive(dm(REFUND), kind="instagram")
    (action_id,) = run_all(deps, ref)
    script = {"steps": [{"method": "POST", "path": "*/messages", "drop": "after"}]}
    httpx2.post(f"{standins['graph']}/_script", json=script)
    deliver(deps, ref, [action_id])
    assert owner.execute("SELECT state, form FROM action WHERE id = %s", (action_id,)).fetchone() == (
        "uncertain",
        "link",
    )
    receive(instagram_event({"message": {"mid": "echo1", **TEMPLATE_ECHO}}, echo=True), kind="instagram")
    reconcile.place_waiting(deps)
    assert state_of(owner, action_id) == ("sent", None)
    assert owner.execute("SELECT taken_over FROM conversation").fetchone() == (False,)
    row = owner.execute("SELECT author, text IS NOT NULL FROM message WHERE direction = 'outbound'").fetchone()
    assert row == ("earshot", True)


def test_an_echo_that_was_faster_than_the_answer_undoes_the_take_over_it_made(deps, receive, owner, sent, times):
    (ref,) = receive(whatsapp_body(whatsapp_message(REFUND, timestamp=next(times))))
    (action_id,) = run_all(deps, ref)
    owner.execute("UPDATE action SET state = 'pending' WHERE id = %s", (action_id,))
    send = deps.channels["whatsapp"].send

    def with_a_fast_echo(*args, **kwargs):
        provider_id = send(*args, **kwargs)
        receive(whatsapp_echo("spelled otherwise by the app", message_id=provider_id, timestamp=next(times)))
        return provider_id

    deps.channels["whatsapp"].send = with_a_fast_echo
    deliver(deps, ref, [action_id])
    reconcile.place_waiting(deps)
    assert owner.execute("SELECT author FROM message WHERE direction = 'outbound'").fetchall() == [("earshot",)]
    assert owner.execute("SELECT taken_over, last_human_answer_at FROM conversation").fetchone() == (False, None)


def test_a_send_that_a_status_settled_stands_in_the_conversation(deps, receive, owner, standins, times):
    (ref,) = receive(whatsapp_body(whatsapp_message(REFUND, timestamp=next(times))))
    (action_id,) = run_all(deps, ref)
    script = {"steps": [{"method": "POST", "path": "*/messages", "drop": "after"}]}
    httpx2.post(f"{standins['graph']}/_script", json=script)
    deliver(deps, ref, [action_id])
    receive(status("delivered", provider_id="wamid.sent", callback=action_id))
    rows = owner.execute(
        "SELECT provider_message_id, author, action_id::text, text IS NOT NULL FROM message WHERE direction = 'outbound'"
    ).fetchall()
    assert rows == [("wamid.sent", "earshot", action_id, True)]


def test_who_answered_a_person_gets_no_automation(deps, receive, owner, sent, times):
    (ref,) = receive(whatsapp_body(whatsapp_message("hello", timestamp=next(times))))
    run_all(deps, ref)
    owner.execute("UPDATE conversation SET state = 'resolved'")
    receive(whatsapp_echo("Shall we exchange the shoes?", timestamp=next(times)))
    reconcile.place_waiting(deps)
    (ref,) = receive(whatsapp_body(whatsapp_message(REFUND, timestamp=next(times))))
    assert run_all(deps, ref) == ()
    assert owner.execute("SELECT taken_over, state FROM conversation").fetchone() == (True, "open")


def test_days_after_a_person_wrote_automation_may_answer_again(deps, receive, owner, times):
    (ref,) = receive(whatsapp_body(whatsapp_message("hello", timestamp=next(times))))
    run_all(deps, ref)
    owner.execute(
        "UPDATE conversation SET state = 'resolved', taken_over = true, last_human_answer_at = now() - interval '3 days'"
    )
    (ref,) = receive(whatsapp_body(whatsapp_message(REFUND, timestamp=next(times))))
    assert len(run_all(deps, ref)) == 1


def test_a_bug_of_ours_is_tried_a_few_times_and_then_a_person_is_called(deps, receive, owner, sent, times, monkeypatch):
    def spoiled(*_, **__):
        raise TypeError(REFUND)

    monkeypatch.setattr(upkeep_tasks, "deps", lambda: deps)
    monkeypatch.setattr(delivery, "_prepare", spoiled)
    (ref,) = receive(whatsapp_body(whatsapp_message(REFUND, timestamp=next(times))))
    (action_id,) = run_all(deps, ref)
    owner.execute("UPDATE conversation SET queue = 'auto'")
    for _ in range(delivery.MAX_TRIES - 1):
        with pytest.raises(TypeError):
            upkeep_tasks.deliver_action(tenant_id=ref.tenant_id, action_id=action_id)
    waits = owner.execute(
        "SELECT tries, next_at > now() + interval '30 s' FROM action WHERE id = %s", (action_id,)
    ).fetchone()
    assert state_of(owner, action_id) == ("pending", "bug_TypeError") and waits == (delivery.MAX_TRIES - 1, True)
    with pytest.raises(TypeError):
        upkeep_tasks.deliver_action(tenant_id=ref.tenant_id, action_id=action_id)
    assert state_of(owner, action_id) == ("failed", "bug_TypeError") and sent() == []
    assert owner.execute("SELECT queue FROM conversation").fetchone() == ("support",)
    assert owner.execute("SELECT kind FROM alert").fetchall() == [("needs_person",)]
    upkeep_tasks.deliver_action(tenant_id=ref.tenant_id, action_id=action_id)  # nothing is left to do


def test_a_bug_after_the_send_has_begun_is_no_second_send(deps, receive, owner, sent, times, monkeypatch):
    def spoiled(*_, **__):
        raise TypeError

    monkeypatch.setattr(upkeep_tasks, "deps", lambda: deps)
    monkeypatch.setattr(delivery, "_keep_own_message", spoiled)
    (ref,) = receive(whatsapp_body(whatsapp_message(REFUND, timestamp=next(times))))
    (action_id,) = run_all(deps, ref)
    for _ in range(3):
        with pytest.raises(TypeError) if state_of(owner, action_id)[0] == "pending" else nullcontext():
            upkeep_tasks.deliver_action(tenant_id=ref.tenant_id, action_id=action_id)
    assert state_of(owner, action_id)[0] == "sending" and len(sent()) == 1
