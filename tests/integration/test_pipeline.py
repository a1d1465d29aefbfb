"""The five stages on a real database with the real clients: what each does, and that doing it twice changes nothing."""

import itertools
import json
from datetime import UTC, datetime

import httpx2
import pytest

from config.hours import DAYS
from store.db import Database
from store.dead_runs import list_dead, replay_dead
from store.runs import MAX_CRASHES
from tests.webhooks import whatsapp_body, whatsapp_message, whatsapp_revocation, whatsapp_value
from worker import analyze_step, reconcile, steps
from worker.crm_flush import flush_crm
from worker.delivery import deliver_action
from worker.deps import build_deps
from worker.errors import StepError
from worker.stage import Next

REFUND = "This is the third time the parcel is late. I want my money back!"
PRAISE = "Thank you so much, this is wonderful"


def now():
    return datetime.now(UTC)


def fresh_times():
    start = int(now().timestamp()) - 60
    return (str(start + number) for number in itertools.count())


TIMES = fresh_times()


def message(text, **more):
    return whatsapp_message(text, timestamp=next(TIMES), **more)


def run_all(deps, ref):
    """All five stages; returns ids of actions to carry out."""
    assert steps.minimize(deps, ref) is Next.GO_ON
    assert analyze_step.analyze(deps, ref) is Next.GO_ON
    assert steps.persist(deps, ref) is Next.GO_ON
    routed = steps.route(deps, ref, now=now())
    assert steps.crm_sync(deps, ref) is Next.GO_ON
    return routed.action_ids


def sends(standins):
    return httpx2.get(f"{standins['graph']}/_sends").json()


def calls(standins, path="/v1/messages"):
    lines = httpx2.get(f"{standins['anthropic']}/_received").text.splitlines()
    return [line for line in lines if path in line]


def state(owner, ref):
    return owner.execute("SELECT state FROM message WHERE id = %s", (ref.message_id,)).fetchone()[0]


def test_a_refund_request_ends_urgent_with_a_senior_and_a_form(deps, receive, owner, standins):
    (ref,) = receive(whatsapp_body(message(REFUND)))
    (action_id,) = run_all(deps, ref)
    assert state(owner, ref) == "done"
    row = owner.execute("SELECT sentiment, intent, run_kind, analyzer, provisional FROM message_analysis").fetchone()
    assert row == ("negative", "refund_request", "initial", "stand-in", False)
    row = owner.execute("SELECT priority, queue, rule, applied FROM routing_decision").fetchone()
    assert row == ("P1", "senior", "negative_refund_request", True)
    assert owner.execute("SELECT queue, priority FROM conversation").fetchone() == ("senior", "P1")
    before = len(sends(standins))
    deliver_action(deps, tenant_id=ref.tenant_id, action_id=action_id, now=now())
    deliver_action(deps, tenant_id=ref.tenant_id, action_id=action_id, now=now())
    (sent,) = sends(standins)[before:]
    assert sent["body"]["interactive"]["action"]["parameters"]["url"] == "https://acme.example/refund"
    assert sent["body"]["biz_opaque_callback_data"] == action_id
    assert owner.execute("SELECT state FROM action WHERE id = %s", (action_id,)).fetchone() == ("sent",)


def test_no_stage_waits_for_a_second_connection_while_it_holds_one(settings, deps, receive, standins):
    # Threads that each hold one and want another wait for each other: with one connection in all a stage that does it shows itself.
    alone = build_deps(settings.model_copy(update={"database_pool_size": 1}))
    (ref,), before = receive(whatsapp_body(message(REFUND))), len(sends(standins))
    try:
        for action_id in run_all(alone, ref):
            deliver_action(alone, tenant_id=ref.tenant_id, action_id=action_id, now=now())
    finally:
        alone.database.close()
    assert len(sends(standins)) == before + 1


def test_every_stage_run_twice_changes_nothing(deps, receive, owner, standins):
    (ref,) = receive(whatsapp_body(message(PRAISE)))
    for stage in (steps.minimize, analyze_step.analyze, steps.persist):
        assert stage(deps, ref) is Next.GO_ON
        assert stage(deps, ref) is Next.GO_ON
    first = steps.route(deps, ref, now=now())
    assert len(first.action_ids) == 2
    assert steps.route(deps, ref, now=now()).action_ids == ()
    steps.crm_sync(deps, ref)
    assert steps.crm_sync(deps, ref) is Next.STOP
    for table in ("message_analysis", "routing_decision", "egress"):
        assert owner.execute(f"SELECT count(*) FROM {table}").fetchone() == (1,), table
    assert len(calls(standins)) == 1


def test_a_stage_never_runs_ahead_of_the_one_before(deps, receive, owner):
    (ref,) = receive(whatsapp_body(message("hi")))
    assert analyze_step.analyze(deps, ref) is Next.STOP
    assert steps.persist(deps, ref) is Next.STOP
    assert steps.route(deps, ref, now=now()).verdict is Next.STOP
    assert steps.crm_sync(deps, ref) is Next.STOP
    assert state(owner, ref) == "received"


def test_only_stripped_text_reaches_the_provider_and_the_ledger_shows_it(deps, receive, owner, standins):
    text = "I am Ada Lovelace, call +90 532 123 45 67 or ada@example.com, order 10482"
    (ref,) = receive(whatsapp_body(message(text, name="Ada Lovelace")))
    run_all(deps, ref)
    (request,) = calls(standins)
    for private in ("532 123", "5321234567", "ada@example", "Lovelace", "905551112233", "wamid"):
        assert private not in request
    assert "10482" in request
    sent = owner.execute("SELECT minimized_text, outcome, request_id, input_tokens > 0 FROM egress").fetchone()
    assert json.loads(json.loads(request)["body"])["messages"][0]["content"] == sent[0]
    assert sent[1] == "answered" and sent[2] and sent[3]


def test_the_context_of_a_message_is_what_came_before_it(deps, receive, standins):
    first, second = receive(
        whatsapp_body(message("My parcel is late, card 4111 1111 1111 1111"), message("Still waiting"))
    )
    run_all(deps, first)
    run_all(deps, second)
    assert "My parcel is late" in calls(standins)[1]
    assert "4111" not in calls(standins)[1]


def test_a_message_without_words_is_routed_by_rule_and_never_sent_to_the_provider(deps, receive, owner, standins):
    item = message("x")
    del item["text"]
    (ref,) = receive(whatsapp_body({**item, "type": "audio", "audio": {"id": "1"}}))
    assert steps.minimize(deps, ref) is Next.GO_ON
    assert analyze_step.analyze(deps, ref) is Next.GO_ON
    assert steps.persist(deps, ref) is Next.GO_ON
    steps.route(deps, ref, now=now())
    steps.crm_sync(deps, ref)
    assert state(owner, ref) == "done"
    assert owner.execute("SELECT analysis_id, queue FROM routing_decision").fetchone() == (None, "support")
    assert calls(standins) == []


def script(standins, *answers, server="anthropic", **more):
    httpx2.post(f"{standins[server]}/_script", json={"steps": [{**answer, **more} for answer in answers]})


def test_a_provider_error_leaves_the_run_to_be_tried_again_and_counts_no_crash(deps, receive, owner, standins):
    (ref,) = receive(whatsapp_body(message("hi")))
    steps.minimize(deps, ref)
    script(standins, {"status": 529, "body": {"type": "error", "error": {"type": "overloaded_error", "message": "x"}}})
    with pytest.raises(StepError, match="overloaded_529"):
        analyze_step.analyze(deps, ref)
    row = owner.execute("SELECT state, crashes, lease_until, error_code FROM run").fetchone()
    assert row == ("minimized", 0, None, "overloaded_529")
    assert analyze_step.analyze(deps, ref) is Next.GO_ON
    assert owner.execute("SELECT outcome FROM egress ORDER BY id").fetchall() == [("overloaded_529",), ("answered",)]


def test_a_refused_message_is_unanalyzed_and_goes_to_review(deps, receive, owner, standins):
    (ref,) = receive(whatsapp_body(message("hi")))
    steps.minimize(deps, ref)
    refusal = {"id": "m", "type": "message", "role": "assistant", "model": "claude-haiku-5-5", "content": [],
               "stop_reason": "refusal", "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 0}}  # fmt: skip
    script(standins, {"status": 200, "body": refusal, "times": 2})
    assert analyze_step.analyze(deps, ref) is Next.GO_ON
    assert steps.persist(deps, ref) is Next.GO_ON
    steps.route(deps, ref, now=now())
    steps.crm_sync(deps, ref)
    assert state(owner, ref) == "unanalyzed"
    assert owner.execute("SELECT queue, analysis_id FROM routing_decision").fetchone() == ("review", None)
    assert owner.execute("SELECT count(*) FROM message_analysis").fetchone() == (0,)


def test_answers_that_stay_invalid_end_in_review_not_in_a_loop(deps, receive, owner, standins):
    (ref,) = receive(whatsapp_body(message("hi")))
    steps.minimize(deps, ref)
    bad = {"id": "m", "type": "message", "role": "assistant", "model": "claude-haiku-5-5", "stop_sequence": None,
           "content": [{"type": "text", "text": "{}"}], "stop_reason": "end_turn",
           "usage": {"input_tokens": 1, "output_tokens": 1}}  # fmt: skip
    script(standins, {"status": 200, "body": bad, "times": 20})
    with pytest.raises(StepError):
        analyze_step.analyze(deps, ref)
    assert analyze_step.analyze(deps, ref) is Next.GO_ON
    assert owner.execute("SELECT state, outcome FROM run").fetchone() == ("persisted", "unanalyzed")


def test_a_cut_off_answer_is_asked_for_again_with_room_and_both_calls_are_in_the_ledger(deps, receive, owner, standins):
    (ref,) = receive(whatsapp_body(message("hi")))
    steps.minimize(deps, ref)
    cut_off = {"id": "m", "type": "message", "role": "assistant", "model": "claude-haiku-5-5", "stop_sequence": None,
               "content": [], "stop_reason": "max_tokens", "usage": {"input_tokens": 1, "output_tokens": 1}}  # fmt: skip
    script(standins, {"status": 200, "body": cut_off})
    with pytest.raises(StepError):
        analyze_step.analyze(deps, ref)
    assert analyze_step.analyze(deps, ref) is Next.GO_ON
    assert owner.execute("SELECT outcome FROM egress ORDER BY id").fetchall() == [
        ("stopped_max_tokens",),
        ("answered",),
    ]
    assert [json.loads(json.loads(call)["body"])["max_tokens"] for call in calls(standins)] == [1024, 3072]


def test_a_live_lease_keeps_a_second_worker_away(deps, receive, owner, standins):
    (ref,) = receive(whatsapp_body(message("hi")))
    steps.minimize(deps, ref)
    owner.execute("UPDATE run SET lease_until = now() + interval '10 s', lease_token = gen_random_uuid()")
    assert analyze_step.analyze(deps, ref) is Next.STOP
    assert calls(standins) == []


def test_an_answer_that_comes_after_its_lease_was_lost_is_not_stored(deps, receive, owner, monkeypatch):
    (ref,) = receive(whatsapp_body(message("hi")))
    steps.minimize(deps, ref)
    analyze = deps.analyzer.analyze

    def frozen(call, *, topics):
        answer = analyze(call, topics=topics)
        owner.execute("UPDATE run SET lease_token = gen_random_uuid()")  # another worker took over meanwhile
        return answer

    monkeypatch.setattr(deps.analyzer, "analyze", frozen)
    assert analyze_step.analyze(deps, ref) is Next.STOP
    assert owner.execute("SELECT state, answer FROM run").fetchone() == ("minimized", None)


def test_a_message_that_keeps_killing_its_worker_is_parked_and_can_be_replayed(deps, receive, owner):
    (ref,) = receive(whatsapp_body(message("hi")))
    steps.minimize(deps, ref)
    owner.execute("UPDATE run SET crashes = %s", (MAX_CRASHES,))
    assert analyze_step.analyze(deps, ref) is Next.STOP
    assert state(owner, ref) == "dead"
    with deps.database.system_transaction() as conn:
        (dead,) = list_dead(conn)
    assert dead.error_code == "poison"
    with deps.database.tenant_transaction(ref.tenant_id) as conn:
        assert replay_dead(conn, ref)
    assert analyze_step.analyze(deps, ref) is Next.GO_ON


def test_messages_out_of_order_leave_the_conversation_where_the_newest_puts_it(deps, receive, owner):
    newer = whatsapp_message(REFUND, timestamp="1790000200")
    older = whatsapp_message("How much is this?", timestamp="1790000100")
    (first,) = receive(whatsapp_body(newer))
    (second,) = receive(whatsapp_body(older))
    run_all(deps, first)
    run_all(deps, second)
    assert owner.execute("SELECT queue FROM conversation").fetchone() == ("senior",)
    assert owner.execute("SELECT applied FROM routing_decision ORDER BY id").fetchall() == [(True,), (False,)]


def test_one_customer_keeps_one_conversation_and_two_tenants_share_nothing(deps, receive, owner):
    receive(whatsapp_body(message("a")))
    refs = receive(whatsapp_body(message("b"), message("c")))
    refs += receive(whatsapp_body(message("d"), account="222000222"), slug="other")
    for ref in refs:
        steps.minimize(deps, ref)
    assert owner.execute("SELECT count(*) FROM conversation").fetchone() == (2,)
    assert owner.execute("SELECT count(DISTINCT tenant_id) FROM customer").fetchone() == (2,)


def test_a_human_answer_stops_automation(deps, receive, owner):
    (ref,) = receive(whatsapp_body(message(REFUND)))
    (action_id,) = run_all(deps, ref)
    payload = json.loads(whatsapp_body())
    change = payload["entry"][0]["changes"][0]
    change["field"] = "smb_message_echoes"
    echo = {"from": "1", "to": "905551112233", "id": "wamid.echo", "timestamp": next(TIMES), "type": "text"}
    change["value"]["message_echoes"] = [{**echo, "text": {"body": "I am on it"}}]
    receive(json.dumps(payload).encode())
    assert owner.execute("SELECT taken_over FROM conversation").fetchone() == (True,)
    deliver_action(deps, tenant_id=ref.tenant_id, action_id=action_id, now=now())
    assert owner.execute("SELECT state, error_code FROM action WHERE id = %s", (action_id,)).fetchone() == (
        "cancelled",
        "human_took_over",
    )


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ({"drop": "after"}, "uncertain"),
        ({"drop": "before"}, "uncertain"),
        ({"status": 503, "body": "<html>"}, "uncertain"),
        ({"status": 400, "body": {"error": {"code": 131047, "message": "x"}}}, "failed"),
        ({"status": 400, "body": {"error": {"code": 131056, "message": "x"}}}, "pending"),
        ({"status": 401, "body": {"error": {"code": 190, "message": "x"}}}, "pending"),
    ],
)
def test_a_send_that_may_have_arrived_is_never_repeated(deps, receive, owner, standins, step, expected):
    (ref,) = receive(whatsapp_body(message(REFUND)))
    (action_id,) = run_all(deps, ref)
    script(standins, step, server="graph")
    before = len(sends(standins))
    for _ in range(3):
        deliver_action(deps, tenant_id=ref.tenant_id, action_id=action_id, now=now())
        if expected == "pending":
            break
    assert owner.execute("SELECT state FROM action WHERE id = %s", (action_id,)).fetchone() == (expected,)
    assert len(sends(standins)) - before <= 1


def test_a_worker_killed_in_mid_send_leaves_a_doubt_not_a_second_send(deps, receive, owner, standins):
    (ref,) = receive(whatsapp_body(message(REFUND)))
    (action_id,) = run_all(deps, ref)
    owner.execute(
        "UPDATE action SET state = 'sending', lease_until = now() - interval '1 s' WHERE id = %s", (action_id,)
    )
    reconcile.tick(deps)
    before = len(sends(standins))
    deliver_action(deps, tenant_id=ref.tenant_id, action_id=action_id, now=now())
    assert owner.execute("SELECT state FROM action WHERE id = %s", (action_id,)).fetchone() == ("uncertain",)
    assert len(sends(standins)) == before


def test_an_action_that_waited_too_long_expires(deps, receive, owner):
    (ref,) = receive(whatsapp_body(message(REFUND)))
    (action_id,) = run_all(deps, ref)
    owner.execute("UPDATE action SET created_at = now() - interval '2 hours'")
    deliver_action(deps, tenant_id=ref.tenant_id, action_id=action_id, now=now())
    assert owner.execute("SELECT state FROM action WHERE id = %s", (action_id,)).fetchone() == ("expired",)


def test_a_second_praise_on_the_same_day_gets_no_second_invitation(deps, receive, owner):
    first, second = receive(whatsapp_body(message(PRAISE), message(PRAISE + " again")))
    run_all(deps, first)
    assert run_all(deps, second) == ()
    reasons = owner.execute("SELECT reasons FROM routing_decision ORDER BY id DESC LIMIT 1").fetchone()[0]
    assert any("last 24 hours" in reason for reason in reasons)


def test_the_crm_card_counts_negatives_and_shows_the_label(deps, receive, owner, standins):
    refs = receive(whatsapp_body(message(REFUND), message("Still late, this is terrible"), message("ok")))
    for ref in refs:
        run_all(deps, ref)
    owner.execute("UPDATE crm_state SET next_at = now()")
    flush_crm(deps, tenant_id=refs[0].tenant_id)
    contacts = httpx2.get(
        f"{standins['hubspot']}/crm/objects/2026-09/contacts", headers={"Authorization": "Bearer acme-hubspot"}
    ).json()["results"]
    card = next(contact["properties"] for contact in contacts if contact["properties"].get("phone") == "+905551112233")
    assert card["earshot_label"] == "2 negative messages in last 30 days"
    assert card["earshot_sentiment"] == "neutral"
    assert owner.execute("SELECT version = written_version, negative_30d FROM crm_state").fetchone() == (True, 2)
    events = owner.execute("SELECT kind, state FROM crm_event").fetchall()
    assert events == [("note", "sent")]


def test_a_card_is_cleared_when_nothing_is_left_to_judge(deps, receive, owner, standins):
    (ref,) = receive(whatsapp_body(message(REFUND, message_id="wamid.only")))
    run_all(deps, ref)
    for _ in range(2):
        owner.execute("UPDATE crm_state SET next_at = now()")
        flush_crm(deps, tenant_id=ref.tenant_id)
        receive(whatsapp_value(messages=[whatsapp_revocation("wamid.only")]))
    contacts = httpx2.get(
        f"{standins['hubspot']}/crm/objects/2026-09/contacts", headers={"Authorization": "Bearer acme-hubspot"}
    ).json()["results"]
    card = next(contact["properties"] for contact in contacts if contact["properties"].get("phone") == "+905551112233")
    assert not any(card.get(name) for name in ("earshot_label", "earshot_sentiment", "earshot_last_summary"))


def test_a_broken_crm_connection_pauses_and_loses_nothing(deps, receive, owner, standins):
    (ref,) = receive(whatsapp_body(message(REFUND)))
    run_all(deps, ref)
    owner.execute("UPDATE crm_state SET next_at = now()")
    script(standins, {"status": 401, "times": 10, "body": {"category": "INVALID_AUTHENTICATION"}}, server="hubspot")
    flush_crm(deps, tenant_id=ref.tenant_id)
    httpx2.delete(f"{standins['hubspot']}/_script")
    assert owner.execute("SELECT paused_because IS NOT NULL FROM crm_connection").fetchone() == (True,)
    assert owner.execute("SELECT version > written_version FROM crm_state").fetchone() == (True,)
    assert state(owner, ref) == "done"


def test_a_message_that_waits_gets_a_provisional_reading_and_fires_nothing(deps, receive, owner):
    (ref,) = receive(whatsapp_body(message(REFUND)))
    owner.execute("UPDATE run SET created_at = now() - interval '4 s'")
    reconcile.read_waiting(deps)
    reconcile.read_waiting(deps)
    row = owner.execute("SELECT provisional, analyzer, score <= 0.5 FROM message_analysis").fetchall()
    assert row == [(True, "local-lexicon", True)]
    ((queue, provisional, facts),) = owner.execute("SELECT queue, provisional, inputs FROM routing_decision").fetchall()
    assert (queue, provisional) == ("not_yet_analysed", True)
    assert facts["office_open"] is True and facts["weekday"] in DAYS and 0 <= facts["minute"] < 24 * 60
    assert owner.execute("SELECT count(*) FROM action").fetchone() == (0,)
    assert owner.execute("SELECT queue FROM conversation").fetchone() == ("not_yet_analysed",)
    run_all(deps, ref)
    assert owner.execute("SELECT count(*) FROM message_analysis WHERE NOT provisional").fetchone() == (1,)
    assert owner.execute("SELECT queue FROM conversation").fetchone() == ("senior",)


def test_without_an_analyzer_a_message_waits_with_its_provisional_reading(settings, receive, owner):
    deps = build_deps(settings.model_copy(update={"anthropic_api_key": None}))
    (ref,) = receive(whatsapp_body(message("hello")))
    steps.minimize(deps, ref)
    assert analyze_step.analyze(deps, ref) is Next.STOP
    assert state(owner, ref) == "minimized"
    deps.database.close()


def test_an_erased_message_stays_erased(deps, receive, owner):
    (ref,) = receive(whatsapp_body(message("hi")))
    steps.minimize(deps, ref)
    owner.execute("UPDATE message SET state = 'erased', text = NULL, minimized_text = NULL")
    with pytest.raises(Exception):
        analyze_step.analyze(deps, ref)
    assert state(owner, ref) == "erased"


def test_negative_counts_are_computed_again_without_a_new_message(deps, receive, owner, tenant_ids):
    (ref,) = receive(whatsapp_body(message(REFUND)))
    run_all(deps, ref)
    owner.execute("UPDATE crm_state SET next_at = now()")
    flush_crm(deps, tenant_id=ref.tenant_id)
    owner.execute("UPDATE message SET sent_at = now() - interval '31 days'")
    reconcile.refresh_negative_counts(deps)
    flush_crm(deps, tenant_id=ref.tenant_id)
    assert owner.execute("SELECT negative_30d FROM crm_state").fetchone() == (0,)


def test_the_pool_gives_a_clear_error_when_postgres_is_away():
    database = Database("postgresql://x:y@127.0.0.1:1/none", pool_size=1, wait_s=0.3)
    with pytest.raises(Exception, match="pool_timeout|no_connection"), database.system_transaction():
        pass
    database.close()


def test_an_unanswered_urgent_conversation_is_not_pulled_down_by_an_ok(deps, receive, owner):
    first, second = receive(whatsapp_body(message(REFUND), message("ok")))
    run_all(deps, first)
    owner.execute("UPDATE run SET created_at = now() - interval '4 s'")
    reconcile.read_waiting(deps)
    assert owner.execute("SELECT queue, priority FROM conversation").fetchone() == ("senior", "P1")
    run_all(deps, second)
    assert owner.execute("SELECT queue, priority FROM conversation").fetchone() == ("senior", "P1")


def test_after_a_persons_answer_the_next_message_places_the_conversation_anew(deps, receive, owner):
    first, second = receive(whatsapp_body(message(REFUND), message("How much is the other one?")))
    run_all(deps, first)
    owner.execute("UPDATE conversation SET last_human_answer_at = now()")
    run_all(deps, second)
    assert owner.execute("SELECT queue FROM conversation").fetchone() == ("sales",)


def test_thanks_do_not_leave_when_the_customer_is_angry_by_now(deps, receive, owner):
    first, second = receive(whatsapp_body(message(PRAISE), message(REFUND)))
    thanks = run_all(deps, first)
    run_all(deps, second)
    for action_id in thanks:
        deliver_action(deps, tenant_id=first.tenant_id, action_id=action_id, now=now())
    states = owner.execute(
        "SELECT DISTINCT state, error_code FROM action WHERE message_id = %s", (first.message_id,)
    ).fetchall()
    assert states == [("cancelled", "contradicted")]


def test_status_webhooks_settle_an_uncertain_send(deps, receive, owner, tenant_ids):
    from channels.base import DeliveryStatus
    from store.outbound import settle_sends

    (ref,) = receive(whatsapp_body(message(REFUND)))
    (action_id,) = run_all(deps, ref)
    owner.execute("UPDATE action SET state = 'uncertain' WHERE id = %s", (action_id,))
    foreign = DeliveryStatus("whatsapp", "111000111", "wamid.1", "not-an-id", "sent")
    ours = DeliveryStatus("whatsapp", "111000111", "wamid.1", action_id, "delivered")
    with deps.database.tenant_transaction(tenant_ids["other"]) as conn:
        assert settle_sends(conn, tenant_ids["other"], [ours], pepper=deps.dedupe_pepper) == 0
    with deps.database.tenant_transaction(ref.tenant_id) as conn:
        assert settle_sends(conn, ref.tenant_id, [foreign, ours], pepper=deps.dedupe_pepper) == 1
    assert owner.execute("SELECT state FROM action WHERE id = %s", (action_id,)).fetchone() == ("sent",)
