"""The analyze stage against a real SDK and a scripted provider: second readings, limits, breaker, budgets, provenance."""

import json

import httpx2
import pytest
import redis

from tests.integration.passes import now, run_all
from tests.webhooks import whatsapp_body, whatsapp_message
from worker import analyze_step, reconcile, steps
from worker.circuit_breaker import CircuitBreaker
from worker.errors import StepError
from worker.notify import notify
from worker.stage import Next

HAIKU, SONNET = "claude-haiku-5-5", "claude-sonnet-5-5"
SARCASM = "Helal olsun, bir haftada yan sokağa getiremediniz 👏"


def script(standins, *scripted):
    httpx2.post(f"{standins['anthropic']}/_script", json={"steps": list(scripted)})


def calls(standins):
    """Models asked, in order."""
    lines = httpx2.get(f"{standins['anthropic']}/_received").text.splitlines()
    received = [json.loads(line) for line in lines]
    return [json.loads(one["body"])["model"] for one in received if one["path"] == "/v1/messages"]


def error(status, kind="api_error", message="x", **headers):
    body = {"type": "error", "error": {"type": kind, "message": message}}
    return {"status": status, "body": body, "headers": headers}


def said(text="", stop_reason="end_turn"):
    content = [{"type": "text", "text": text}] if text else []
    body = {"id": "m", "type": "message", "role": "assistant", "model": HAIKU, "content": content}
    return {
        "body": {
            **body,
            "stop_reason": stop_reason,
            "stop_sequence": None,
            "usage": {"input_tokens": 9, "output_tokens": 1},
        }
    }


@pytest.fixture
def minimized(deps, receive, times):
    """A message that waits for the model."""

    def take(text="Where is my order?"):
        (ref,) = receive(whatsapp_body(whatsapp_message(text, timestamp=next(times))))
        steps.minimize(deps, ref)
        return ref

    return take


def configure(owner, deps, path, value):
    owner.execute(
        "UPDATE tenant SET config = jsonb_set(config, %s, %s::jsonb, true) WHERE slug = 'acme'",
        (path, json.dumps(value)),
    )
    deps.tenants._cached.clear()


def ledger(owner):
    return owner.execute("SELECT purpose, model, outcome FROM egress ORDER BY id").fetchall()


def test_an_analysis_says_what_it_was_made_with_and_what_it_cost(deps, minimized, owner):
    ref = minimized()
    run_all(deps, ref)
    row = owner.execute(
        """
        SELECT model_asked, model, schema_version, minimizer_version, examples_version, escalated_from, prompt_version,
               request_id, input_tokens, output_tokens, cost_microusd, latency_ms
        FROM message_analysis
        """
    ).fetchone()
    assert row[:7] == (HAIKU, HAIKU, 1, row[3], 0, None, "g2.s1")
    assert all(row[7:11]) and row[11] >= 0
    assert row[3].startswith("m")
    spent = owner.execute("SELECT calls, escalations, cost_microusd FROM spend").fetchone()
    assert spent == (1, 0, row[10])


def test_a_sarcastic_message_is_read_again_by_the_stronger_model(deps, minimized, owner, standins):
    run_all(deps, minimized(SARCASM))
    assert calls(standins) == [HAIKU, SONNET]
    assert ledger(owner) == [("live", HAIKU, "read_again:sarcasm"), ("escalation", SONNET, "answered")]
    assert owner.execute("SELECT model_asked, escalated_from FROM message_analysis").fetchall() == [(SONNET, HAIKU)]
    assert owner.execute("SELECT calls, escalations FROM spend").fetchone() == (2, 1)


def test_second_readings_stay_within_the_tenants_share(deps, minimized, owner, standins):
    configure(owner, deps, "{model}", {"max_escalation_share": 0})
    run_all(deps, minimized(SARCASM))
    assert calls(standins) == [HAIKU]


def test_a_second_reading_that_fails_leaves_the_first(deps, minimized, owner, standins):
    script(
        standins,
        {"method": "POST", "path": "/v1/messages", "times": 1, "status": 200, **said(first_answer())},
        error(529),
    )
    run_all(deps, minimized(SARCASM))
    assert owner.execute("SELECT model_asked, escalated_from, sentiment FROM message_analysis").fetchall() == [
        (HAIKU, None, "negative")
    ]
    assert ledger(owner)[1] == ("escalation", SONNET, "overloaded_529")


def first_answer():
    fields = {"sentiment": "negative", "score": 0.3, "summary": "s", "intent": "other", "topics": []}
    return json.dumps({**fields, "suggested_action": "none"})


def test_a_refused_message_is_tried_once_with_the_stronger_model(deps, minimized, owner, standins):
    script(standins, {"status": 200, **said(stop_reason="refusal")})
    run_all(deps, minimized())
    assert calls(standins) == [HAIKU, SONNET]
    assert owner.execute("SELECT escalated_from FROM message_analysis").fetchall() == [(HAIKU,)]


def test_a_model_that_is_gone_is_replaced_by_the_other_and_people_hear_of_it(deps, minimized, owner, standins):
    ref = minimized()
    script(standins, error(404, "not_found_error"))
    with pytest.raises(StepError):
        analyze_step.analyze(deps, ref)
    assert analyze_step.analyze(deps, ref) is Next.GO_ON
    assert calls(standins) == [HAIKU, SONNET]
    assert owner.execute("SELECT kind, details->>'code' FROM alert").fetchall() == [
        ("analysis_paused", "model_not_found_404")
    ]


def failing(deps, ref):
    with pytest.raises(StepError):
        analyze_step.analyze(deps, ref)


def test_a_failing_provider_is_left_alone_and_nothing_is_counted_against_the_messages(deps, minimized, owner, standins):
    refs = [minimized(f"message {number}") for number in range(7)]
    script(standins, {**error(529, "overloaded_error"), "times": 5})
    for ref in refs[:5]:
        failing(deps, ref)
    for ref in refs[5:]:
        assert analyze_step.analyze(deps, ref) is Next.STOP
    assert len(calls(standins)) == 5
    waiting = owner.execute(
        "SELECT error_code, crashes, next_at > now() + interval '5 s' FROM run WHERE id = ANY(%s::uuid[])",
        ([ref.run_id for ref in refs[5:]],),
    ).fetchall()
    assert waiting == [("provider_paused", 0, True)] * 2
    assert owner.execute("SELECT count(*) FROM egress").fetchone() == (5,)


@pytest.mark.parametrize(
    "refusal",
    [
        error(401, "authentication_error"),
        error(402, "billing_error"),
        error(403, "permission_error"),
        error(400, "invalid_request_error", "You have reached your specified API usage limits."),
        error(429, "rate_limit_error", "enforced_spend_limit_reached"),
    ],
    ids=["key", "payment", "permission", "own limit", "tier's cap"],
)
def test_what_only_a_person_can_cure_pauses_everybody_at_once(deps, minimized, owner, standins, refusal):
    first, second = minimized("one"), minimized("two")
    script(standins, refusal)
    failing(deps, first)
    assert analyze_step.analyze(deps, second) is Next.STOP
    assert len(calls(standins)) == 1
    assert owner.execute("SELECT count(*) FROM alert WHERE kind = 'analysis_paused'").fetchone() == (1,)


@pytest.mark.parametrize("status", [429, 409])
def test_a_limit_never_opens_the_breaker(deps, minimized, standins, status):
    script(standins, {**error(status, "rate_limit_error", **{"retry-after": "0"}), "times": 6})
    ref = minimized()
    for _ in range(6):
        failing(deps, ref)
    assert analyze_step.analyze(deps, ref) is Next.GO_ON


def test_a_message_that_waits_for_the_provider_has_a_place_in_a_queue(deps, minimized, owner, standins):
    script(standins, error(401, "authentication_error"))
    first, second = minimized("I will sue you"), minimized("hello")
    failing(deps, first)
    analyze_step.analyze(deps, second)
    owner.execute("UPDATE run SET created_at = now() - interval '4 s'")
    reconcile.read_waiting(deps)
    assert owner.execute("SELECT queue, priority FROM conversation").fetchall() == [("not_yet_analysed", "P1")]


def test_urgent_words_come_first_when_the_provider_is_back(deps, minimized, owner, standins):
    from store.due_runs import take_due_runs

    script(standins, error(401, "authentication_error"))
    plain, urgent = minimized("hello"), minimized("I will sue you")
    failing(deps, plain)
    analyze_step.analyze(deps, urgent)
    owner.execute("UPDATE run SET created_at = now() - interval '4 s'")
    reconcile.read_waiting(deps)
    owner.execute(
        "UPDATE run SET next_at = now() - interval '1 s' * CASE WHEN id = %s THEN 60 ELSE 1 END", (plain.run_id,)
    )
    with deps.database.system_transaction() as conn:
        due = take_due_runs(conn, limit=10)
    assert [run.ref.run_id for run in due] == [urgent.run_id, plain.run_id]


def test_a_budget_that_is_used_up_makes_messages_wait_and_people_hear_of_it(deps, minimized, owner, standins):
    configure(owner, deps, "{budget}", {"daily_usd": 0.000001})
    assert analyze_step.analyze(deps, minimized("one")) is Next.GO_ON
    ref = minimized("two")
    assert analyze_step.analyze(deps, ref) is Next.STOP
    assert len(calls(standins)) == 1
    assert owner.execute("SELECT error_code FROM run WHERE id = %s", (ref.run_id,)).fetchone() == ("budget_reached",)
    assert owner.execute("SELECT details->>'code' FROM alert").fetchall() == [("budget_reached",)]
    configure(owner, deps, "{budget}", {"daily_usd": 5})
    assert analyze_step.analyze(deps, ref) is Next.GO_ON


def test_a_tenant_may_choose_its_models(deps, minimized, owner, standins):
    configure(owner, deps, "{model}", {"default": "claude-opus-5-5"})
    run_all(deps, minimized())
    assert calls(standins) == ["claude-opus-5-5"]


def test_topics_the_tenant_lacks_are_suggestions(deps, minimized, owner, standins):
    answer = json.loads(first_answer()) | {"score": 0.9, "topics": ["Gift Cards", "shipping"]}
    for _ in range(2):
        script(standins, {"status": 200, **said(json.dumps(answer))})
        run_all(deps, minimized())
    assert owner.execute("SELECT name, seen FROM topic_suggestion").fetchall() == [("gift_cards", 2)]


def test_every_call_of_a_tenant_begins_with_the_same_bytes(deps, minimized, standins):
    for text in ("one", "two 😡", "üç"):
        run_all(deps, minimized(text))
    lines = httpx2.get(f"{standins['anthropic']}/_received").text.splitlines()
    bodies = [json.loads(json.loads(line)["body"]) for line in lines]
    prefixes = {json.dumps({key: body[key] for key in ("system", "output_config", "thinking")}) for body in bodies}
    assert len(prefixes) == 1
    assert [block["cache_control"] for block in bodies[0]["system"]] == [{"type": "ephemeral", "ttl": "1h"}] * 2


@pytest.fixture
def breaker(broker):
    import redis

    with redis.Redis.from_url(broker) as client:
        client.delete("earshot:breaker:t", "earshot:breaker:t:recent")
    return CircuitBreaker(broker)


def test_the_breaker_lets_one_probe_through_and_waits_for_half_as_long_as_nobody_answered(breaker, monkeypatch):
    monkeypatch.setattr("worker.circuit_breaker.FIRST_PAUSE_MS", 60)
    for _ in range(5):
        breaker.report("t", failed=True)
    assert 0 < breaker.wait_s("t") <= 0.06
    import time

    time.sleep(0.3)
    assert breaker.wait_s("t") == 0
    assert breaker.wait_s("t") > 1
    breaker.report("t", failed=True)
    wait_s = breaker.wait_s("t")
    assert 0.1 < wait_s
    time.sleep(wait_s + 0.02)
    assert breaker.wait_s("t") == 0
    breaker.report("t", failed=False)
    assert breaker.wait_s("t") == 0 == breaker.wait_s("t")


def test_the_breaker_stays_closed_while_half_of_the_calls_work(breaker):
    for number in range(40):
        breaker.report("t", failed=number % 2 == 1)
    assert breaker.wait_s("t") == 0


def test_a_hundred_good_calls_a_moment_ago_do_not_hide_that_the_provider_fails_now(breaker):
    for _ in range(100):
        breaker.report("t", failed=False)
    for _ in range(11):
        breaker.report("t", failed=True)
    assert breaker.wait_s("t") > 5


@pytest.fixture
def kept_breaker(breaker, monkeypatch):
    """Its trips to the server are counted; what it has heard holds for an hour."""
    monkeypatch.setattr("worker.circuit_breaker.KNOWN_FOR_S", 3600)
    breaker.trips = []
    for name in ("_ask", "_report"):
        script = getattr(breaker, name)
        monkeypatch.setattr(
            breaker, name, lambda _of=name, _run=script, **given: breaker.trips.append(_of) or _run(**given)
        )
    return breaker


def test_a_closed_breaker_is_not_asked_at_each_call(kept_breaker):
    for _ in range(100):
        assert kept_breaker.wait_s("t") == 0
        kept_breaker.report("t", failed=False)
    assert kept_breaker.trips == ["_ask"]


def test_what_worked_counts_when_a_call_fails_as_if_each_had_been_reported(kept_breaker):
    for _ in range(100):
        kept_breaker.wait_s("t")
        kept_breaker.report("t", failed=False)
    for _ in range(10):
        kept_breaker.report("t", failed=True)
    assert kept_breaker.wait_s("t") == 0
    kept_breaker.report("t", failed=True)
    assert kept_breaker.wait_s("t") > 5


def test_who_hears_that_a_call_failed_asks_again(kept_breaker):
    kept_breaker.wait_s("t")
    kept_breaker.report("t", failed=True, pause_s=60)
    assert kept_breaker.wait_s("t") > 30


def test_without_its_server_the_breaker_is_closed():
    away = CircuitBreaker("redis://127.0.0.1:1/0")
    away.report("t", failed=True)
    assert away.wait_s("t") == 0


def test_a_turn_that_is_far_off_frees_the_thread(deps, minimized, standins):
    deps.provider_gate.fixed_per_min = 1
    first, second = minimized("one"), minimized("two")
    assert analyze_step.analyze(deps, first) is Next.GO_ON
    assert analyze_step.analyze(deps, second) is Next.STOP
    assert len(calls(standins)) == 1


@pytest.mark.parametrize(("age_days", "calls", "marks"), [(30, 40, 1), (30, 400, 2), (3, 0, 2)])
def test_a_quiet_tenants_part_of_the_prompt_is_not_kept_in_the_cache(
    deps, minimized, owner, standins, tenant_ids, age_days, calls, marks
):
    owner.execute("UPDATE tenant SET created_at = now() - make_interval(days => %s)", (age_days,))
    owner.execute(
        "INSERT INTO spend (tenant_id, day, calls) VALUES (%s, current_date - 2, %s)", (tenant_ids["acme"], calls)
    )
    reconcile.judge_quiet_tenants(deps)
    run_all(deps, minimized())
    line = httpx2.get(f"{standins['anthropic']}/_received").text.splitlines()[-1]
    blocks = json.loads(json.loads(line)["body"])["system"]
    assert sum("cache_control" in block for block in blocks) == marks


def first_said(**change):
    return said(json.dumps({**json.loads(first_answer()), "score": 0.9, **change}))


def body_of(raw):
    return {"status": 200, "body": raw}


TRANSIENT = {
    **{f"http {status}": error(status) for status in (408, 409, 429, 500, 502, 503, 504, 529)},
    **{f"http {status}": error(status) for status in (401, 402, 403)},
    "own limit": error(400, "invalid_request_error", "You have reached your specified API usage limits."),
    "dropped before": {"drop": "before"},
    "dropped after": {"drop": "after"},
    "a page": body_of("<html>bad gateway</html>"),
    "other json": body_of({"hello": "world"}),
    "no json": body_of("{"),
    "cut off": {"status": 200, **said('{"sentiment"', stop_reason="max_tokens")},
    "cut off while thinking": {"status": 200, **said(stop_reason="max_tokens")},
    "an empty answer": {"status": 200, **said("")},
    "an answer of another form": {"status": 200, **said("Sure! The customer is angry.")},
    "a wrong label": {"status": 200, **first_said(sentiment="furious")},
    "a score of 1.7": {"status": 200, **first_said(score=1.7)},
}
FOR_GOOD = {
    **{f"http {status}": error(status) for status in (400, 413, 422, 431, 499)},
    "too complex": error(400, "invalid_request_error", "Schema is too complex for compilation"),
    "refusal": {"status": 200, **said(stop_reason="refusal"), "times": 2},
    "cut off twice": {"status": 200, **said("{", stop_reason="max_tokens"), "times": 2},
    "another form twice": {"status": 200, **said("no"), "times": 2},
    **{
        reason: {"status": 200, **said("{}", stop_reason=reason)}
        for reason in ("model_context_window_exceeded", "tool_use", "pause_turn", "stop_sequence")
    },
}


def drive(deps, ref, owner):
    """Like workers and the reconciler, without waiting: until the message is at rest."""
    for _ in range(6):
        deps.provider_gate.breaker.report(HAIKU, failed=False)
        client = redis.Redis.from_url(deps.settings.redis_url.get_secret_value())
        client.delete(*client.keys("earshot:breaker:*"), "none")
        client.close()
        owner.execute("UPDATE run SET lease_until = NULL, next_at = now()")
        try:
            if analyze_step.analyze(deps, ref) is Next.GO_ON:
                break
        except StepError as failure:
            assert not failure.permanent
    for one in (steps.persist, lambda d, r: steps.route(d, r, now=now()).verdict, steps.crm_sync):
        assert one(deps, ref) in {Next.GO_ON, Next.STOP}


@pytest.mark.parametrize("scripted", TRANSIENT.values(), ids=TRANSIENT)
def test_what_passes_is_tried_again_and_the_message_is_read(deps, minimized, owner, standins, scripted):
    ref = minimized()
    script(standins, {"path": "/v1/messages", **scripted})
    drive(deps, ref, owner)
    assert owner.execute("SELECT state FROM message").fetchone() == ("done",)
    assert owner.execute("SELECT count(*) FROM message_analysis").fetchone() == (1,)
    outcomes = [outcome for (outcome,) in owner.execute("SELECT outcome FROM egress ORDER BY id").fetchall()]
    assert outcomes[-1] == "answered" and len(outcomes) == 2 and outcomes[0] not in {None, "answered"}


@pytest.mark.parametrize("scripted", FOR_GOOD.values(), ids=FOR_GOOD)
def test_what_never_passes_goes_to_people_and_is_never_a_label(deps, minimized, owner, standins, scripted):
    ref = minimized()
    script(standins, {"path": "/v1/messages", **scripted})
    drive(deps, ref, owner)
    assert owner.execute("SELECT state FROM message").fetchone() == ("unanalyzed",)
    assert owner.execute("SELECT count(*) FROM message_analysis").fetchone() == (0,)
    assert owner.execute("SELECT queue, analysis_id FROM routing_decision").fetchall() == [("review", None)]
    assert len(calls(standins)) <= 2


@pytest.mark.parametrize(
    "text",
    ["👍", "😡😡😡", "ok", "?", ".", "x" * 4096, "ي" * 4096, "0532 111 22 33", "ada@example.com 4111 1111 1111 1111", "\u200b\u200b",
     "[PHONE_1] [PHONE_2]", "\u202eevil\u202c", '{"message": "x"}', "\\u0000"],
)  # fmt: skip
def test_odd_texts_are_read_like_others(deps, minimized, owner, text):
    run_all(deps, minimized(text))
    assert owner.execute("SELECT state FROM message").fetchone() == ("done",)
    assert owner.execute("SELECT count(*) FROM message_analysis").fetchone() == (1,)
    (turn,) = owner.execute("SELECT minimized_text FROM egress").fetchone()
    assert "4111" not in turn and "532" not in turn


def test_the_gate_sees_with_more_threads_than_connections(broker):
    from concurrent.futures import ThreadPoolExecutor

    client = redis.Redis.from_url(broker)
    client.delete("earshot:breaker:t", "earshot:breaker:t:recent")
    client.close()
    gate = CircuitBreaker(broker)
    gate.report("t", failed=True, pause_s=60)
    with ThreadPoolExecutor(100) as pool:
        waits = list(pool.map(lambda _: gate.wait_s("t"), range(1000)))
    assert min(waits) > 30
    gate.report("t", failed=True, pause_s=0.001)


def half_open(deps):
    """The provider was away a moment ago, and one call may find out whether it is back."""
    import time

    deps.provider_gate.breaker.report(HAIKU, failed=True, pause_s=0.02)
    time.sleep(0.05)


def test_a_probe_is_not_wasted_on_a_message_that_nobody_has_to_ask_about(deps, minimized, owner):
    done, waiting = minimized("one"), minimized("two")
    assert analyze_step.analyze(deps, done) is Next.GO_ON
    half_open(deps)
    assert analyze_step.analyze(deps, done) is Next.GO_ON
    assert analyze_step.analyze(deps, waiting) is Next.GO_ON


@pytest.mark.parametrize("first", [{"status": 200, **said("no form")}, error(429, "rate_limit_error")])
def test_whatever_the_provider_answers_first_wakes_what_waits(deps, minimized, owner, standins, first):
    asked, waiting = minimized("one"), minimized("two")
    deps.provider_gate.breaker.report(HAIKU, failed=True, pause_s=0.4)
    assert analyze_step.analyze(deps, waiting) is Next.STOP
    owner.execute("UPDATE run SET next_at = now() + interval '1 hour' WHERE id = %s", (waiting.run_id,))
    import time

    time.sleep(0.5)
    script(standins, first)
    failing(deps, asked)
    due = owner.execute("SELECT next_at <= now() FROM run WHERE id = %s", (waiting.run_id,)).fetchone()
    assert due == (True,)


def test_a_failure_that_comes_too_late_ends_nobody_elses_pass(deps, minimized, owner, monkeypatch):
    from analysis.base import AnalysisError

    ref = minimized()

    def meanwhile(call, **_):
        owner.execute("UPDATE run SET lease_token = gen_random_uuid() WHERE id = %s", (ref.run_id,))
        raise AnalysisError("bad_request", permanent=True)

    monkeypatch.setattr(deps.analyzer, "analyze", meanwhile)
    assert analyze_step.analyze(deps, ref) is Next.STOP
    assert owner.execute("SELECT state, outcome FROM run").fetchone() == ("minimized", None)


def test_each_model_has_its_own_limit(deps):
    gate = deps.provider_gate
    gate.note_answer(SONNET, requests_per_min=6)
    assert gate._buckets(HAIKU, bulk=False) == []
    assert gate._buckets(SONNET, bulk=False)[0].per_s == pytest.approx(0.08)


def test_when_both_models_are_gone_nobody_calls_for_ever(deps, minimized, owner, standins):
    script(standins, {**error(404, "not_found_error"), "times": 50})
    ref = minimized()
    for _ in range(2):
        failing(deps, ref)
    assert analyze_step.analyze(deps, ref) is Next.STOP
    assert len(calls(standins)) == 2


def test_sweeps_do_not_use_up_what_live_messages_may_cost(deps, minimized, owner, tenant_ids):
    configure(owner, deps, "{budget}", {"daily_usd": 1})
    owner.execute(
        "INSERT INTO spend (tenant_id, day, bulk_microusd) VALUES (%s, current_date, 5000000)", (tenant_ids["acme"],)
    )
    assert analyze_step.analyze(deps, minimized()) is Next.GO_ON


def test_the_alert_is_over_with_the_next_answer_and_goes_on_with_the_next_refusal(
    deps, minimized, owner, standins, broker
):
    first, second, third = minimized("one"), minimized("two"), minimized("three")
    state = "SELECT resolved_at IS NOT NULL, times_seen FROM alert WHERE kind = 'analysis_paused'"
    script(standins, error(401, "authentication_error"))
    failing(deps, first)
    notify(deps, now=now())
    assert owner.execute(state).fetchall() == [(False, 1)]
    with redis.Redis.from_url(broker) as client:  # the pause is over
        client.delete(*client.keys("earshot:breaker:*"))
    assert analyze_step.analyze(deps, second) is Next.GO_ON
    notify(deps, now=now())
    assert owner.execute(state).fetchall() == [(True, 1)]
    script(standins, error(401, "authentication_error"))
    failing(deps, third)
    assert owner.execute(state).fetchall() == [(False, 2)]
