"""Tenants' programs are told of events: signed, at least once, without customers' words, and never of another tenant's."""

import json
import time

import pytest

from channels.guarded_http import GuardedHttp
from config.webhook_subscriptions import MAX_SUBSCRIPTIONS, SubscriptionError, read_subscription
from store.alerts import resolve_alert
from store.erasure import _erase
from store.webhook_deliveries import (
    add_test,
    find_delivery,
    forget_old,
    give_up_old,
    list_deliveries,
    replay_delivery,
    replay_failed,
)
from store.webhook_subscriptions import (
    change_subscription,
    find_subscription,
    list_subscriptions,
    pause_subscription,
    remove_subscription,
    resume_subscription,
    rotate_secret,
)
from store.webhook_turns import begin_turn, claim_next
from tests.http_receiver import HttpReceiver
from tests.integration.passes import run_all
from tests.integration.webhook_desk import alarm, deliveries, header, is_signed, pass_time, serve, subscribe
from tests.integration.workplace import NOW, add_conversation
from tests.webhooks import whatsapp_body, whatsapp_message
from worker.webhook_turns import keep_deliveries, serve_subscription

WORDS = "The parcel is late for the third time. I want my money back! Call me: +90 555 111 22 33"


@pytest.fixture
def endpoint():
    receiver = HttpReceiver()
    yield receiver
    receiver.stop()


@pytest.fixture
def second():
    receiver = HttpReceiver()
    yield receiver
    receiver.stop()


@pytest.fixture
def deps(deps):
    deps.__dict__["guarded_http"] = GuardedHttp(timeout_s=1, allow_private_addresses=True)
    return deps


@pytest.fixture
def acme(tenant_ids):
    return tenant_ids["acme"]


@pytest.fixture
def judged(deps, receive, times):
    """A message that went through the whole pipeline."""

    def judge():
        (ref,) = receive(whatsapp_body(whatsapp_message(WORDS, timestamp=next(times))))
        run_all(deps, ref)
        return ref

    return judge


def told(receiver):
    """By kind, the events in the order in which they came."""
    return [(got.json["type"], got.json["data"]) for got in receiver.received]


def test_a_message_is_told_when_it_is_read_and_when_it_is_decided(deps, owner, endpoint, acme, judged):
    subscription_id, secret = subscribe(deps, acme, endpoint.url())
    ref = judged()
    serve(deps)
    (first, analyzed), (second, decided), *rest = told(endpoint)
    assert (first, second) == ("message.analyzed", "message.decided")
    assert analyzed["message_id"] == decided["message_id"] == ref.message_id
    assert (analyzed["sentiment"], analyzed["run_kind"], analyzed["analyzer"]) == ("negative", "initial", "stand-in")
    assert decided["label"]["sentiment"] == "negative" and decided["analysis_id"] == analyzed["analysis_id"]
    assert decided["applied"] and decided["reasons"] and decided["priority"].startswith("P")
    assert all(is_signed(got, secret) and got.json["version"] == 1 for got in endpoint.received)
    assert not is_signed(endpoint.received[0], "whsec_" + "A" * 44)
    ids = [header(got, "webhook-id") for got in endpoint.received]
    assert len(set(ids)) == len(ids)
    assert {state for state, *_ in deliveries(owner, subscription_id)} == {"delivered"}


def test_nobodys_words_leave_unless_the_subscription_asks_for_them(deps, endpoint, second, acme, judged):
    subscribe(deps, acme, endpoint.url())
    subscribe(deps, acme, second.url(), include_text=True)
    judged()
    serve(deps)
    plain, wordy = (json.dumps([got.json for got in receiver.received]) for receiver in (endpoint, second))
    assert "parcel" not in plain and "third time" not in plain and "905551112233" not in plain + wordy
    assert "555 111" not in wordy
    kinds = {kind: data for kind, data in told(second)}
    assert "The parcel is late" in kinds["message.analyzed"]["text"] and kinds["message.decided"]["summary"]
    assert told(endpoint)[0][1]["text"] is None and told(endpoint)[0][1]["summary"] is None


def test_only_the_kinds_that_were_asked_for_and_only_ones_own(deps, owner, endpoint, second, tenant_ids):
    acme, other = tenant_ids["acme"], tenant_ids["other"]
    subscribe(deps, acme, endpoint.url(), kinds=["alert.over"])
    subscribe(deps, other, second.url(), kinds=["alert.raised"])
    ours, theirs = alarm(deps, acme, 1), alarm(deps, other, 1)
    with deps.database.tenant_transaction(acme) as conn:
        resolve_alert(conn, ours)
        resolve_alert(conn, ours)
    serve(deps)
    ((kind, data),) = told(endpoint)
    assert (kind, data["alert_id"], data["kind"]) == ("alert.over", ours, "churn") and data["resolved_at"]
    assert [(kind, data["alert_id"]) for kind, data in told(second)] == [("alert.raised", theirs)]
    assert told(second)[0][1]["sentence"] == "A customer may leave: 2 negative messages in a row"


def test_a_tenant_sees_and_changes_only_its_own(deps, endpoint, tenant_ids):
    acme, other = tenant_ids["acme"], tenant_ids["other"]
    subscription_id, _ = subscribe(deps, acme, endpoint.url())
    alarm(deps, acme, 1)
    wanted = read_subscription(
        url=endpoint.url(), kinds=["alert.raised"], description="", include_text=True, allow_private=True
    )
    with deps.database.tenant_transaction(other) as conn:
        assert list_subscriptions(conn, other) == [] and list_deliveries(conn, other, subscription_id) == []
        # Even code that names the wrong tenant finds nothing: the rows themselves are closed.
        assert list_subscriptions(conn, acme) == [] and list_deliveries(conn, acme, subscription_id) == []
        assert not change_subscription(conn, other, subscription_id, wanted, keyring=deps.keyring, by=None)
        assert rotate_secret(conn, other, subscription_id, keyring=deps.keyring, by=None) is None
        assert not pause_subscription(conn, other, subscription_id, by=None)
        assert not remove_subscription(conn, other, subscription_id, by=None)
        assert add_test(conn, other, subscription_id, by=None) is None
        assert replay_failed(conn, other, subscription_id, since=NOW, by=None) == 0
        assert begin_turn(conn, other, subscription_id) is None


def test_a_closed_conversation_and_a_corrected_label_are_told(deps, owner, endpoint, acme, judged):
    ref = judged()
    conversation_id = add_conversation(owner, acme)
    subscribe(deps, acme, endpoint.url(), kinds=["conversation.resolved", "label.corrected"])
    owner.execute("UPDATE conversation SET state = 'resolved' WHERE id = %s", (conversation_id,))
    owner.execute("UPDATE conversation SET state = 'resolved' WHERE id = %s", (conversation_id,))
    (correction_id,) = owner.execute(
        """
        INSERT INTO correction (tenant_id, message_id, field, old_value, new_value, reason)
        VALUES (%s, %s, 'sentiment', 'negative', 'neutral', 'she was joking')
        RETURNING id::text
        """,
        (acme, ref.message_id),
    ).fetchone()
    serve(deps)
    owner.execute("UPDATE correction SET undone_at = now() WHERE id = %s", (correction_id,))
    serve(deps)
    closed, corrected, undone = told(endpoint)
    assert closed[0] == "conversation.resolved" and closed[1]["conversation_id"] == conversation_id
    assert corrected[1]["label"]["sentiment"] == "neutral" and corrected[1]["label"]["corrected"] == ["sentiment"]
    assert undone[1]["undone_at"] and undone[1]["label"]["sentiment"] == "negative"
    assert "joking" not in json.dumps([data for _, data in told(endpoint)])


def test_provisional_readings_and_sweeps_are_not_told(deps, owner, endpoint, acme, judged):
    ref = judged()
    subscription_id, _ = subscribe(deps, acme, endpoint.url())
    for run_kind, provisional in (("sweep", False), ("initial", True)):
        owner.execute(
            """
            INSERT INTO message_analysis (tenant_id, message_id, run_id, run_kind, sentiment, score, summary, intent, topics,
                                          suggested_action, analyzer, model, prompt_version, provisional)
            VALUES (%s, %s, uuidv7(), %s, 'neutral', 0.5, '', 'other', '{}', 'none', 'x', 'x', 'x', %s)
            """,
            (acme, ref.message_id, run_kind, provisional),
        )
    assert deliveries(owner, subscription_id) == []


def test_an_event_that_was_rolled_back_never_happened(deps, owner, endpoint, acme):
    subscription_id, _ = subscribe(deps, acme, endpoint.url())
    with owner.transaction(force_rollback=True):
        owner.execute("INSERT INTO alert (tenant_id, kind, key) VALUES (%s, 'churn', 'x')", (acme,))
        assert len(deliveries(owner, subscription_id)) == 1
    assert deliveries(owner, subscription_id) == []


def test_secret_and_address_are_stored_encrypted_and_open_in_their_own_row_only(deps, owner, endpoint, acme, caplog):
    one, secret = subscribe(deps, acme, endpoint.url(path="/in?key=s3cr3t"))
    two, _ = subscribe(deps, acme, endpoint.url(path="/two"))
    row = owner.execute("SELECT w::text, url, secret FROM webhook_subscription AS w WHERE id = %s", (one,)).fetchone()
    assert "s3cr3t" not in row[0] and secret not in row[0] and b"s3cr3t" not in bytes(row[1])
    owner.execute("UPDATE webhook_subscription SET url = %s WHERE id = %s", (row[1], two))
    alarm(deps, acme, 1)
    serve(deps)
    assert deliveries(owner, two) == [("pending", 1, None, "unreadable_secret")]
    assert deliveries(owner, one)[0][0] == "delivered"
    assert (
        "s3cr3t" not in caplog.text + owner.execute("SELECT string_agg(a::text, '') FROM audit_log AS a").fetchone()[0]
    )


def test_after_a_rotation_both_secrets_sign_for_a_day_and_then_the_new_one_alone(deps, owner, endpoint, acme):
    subscription_id, old = subscribe(deps, acme, endpoint.url())
    with deps.database.tenant_transaction(acme) as conn:
        new = rotate_secret(conn, acme, subscription_id, keyring=deps.keyring, by=None)
    alarm(deps, acme, 1)
    serve(deps)
    owner.execute("UPDATE webhook_subscription SET old_secret_until = now() - interval '1 second'")
    alarm(deps, acme, 2)
    serve(deps)
    during, after = endpoint.received
    assert is_signed(during, old) and is_signed(during, new) and new != old
    assert is_signed(after, new) and not is_signed(after, old)


@pytest.mark.parametrize(
    ("status", "code"), [(500, "500"), (503, "503"), (429, "429"), (404, "404"), (302, "redirected")]
)
def test_what_is_not_taken_is_told_again_under_the_same_id(deps, owner, endpoint, acme, status, code):
    subscription_id, _ = subscribe(deps, acme, endpoint.url())
    alarm(deps, acme, 1)
    endpoint.answers(status, {}, Location="http://169.254.169.254/latest/meta-data")
    serve(deps)
    assert deliveries(owner, subscription_id) == [("pending", 1, status, code)] and endpoint.connections == 1
    endpoint.answers(204, b"")
    pass_time(owner)
    serve(deps)
    assert deliveries(owner, subscription_id) == [("delivered", 2, 204, None)]
    assert len({header(got, "webhook-id") for got in endpoint.received}) == 1
    assert len({got.body for got in endpoint.received}) == 1


def test_retry_after_is_respected_and_not_for_ever(deps, owner, endpoint, acme):
    subscription_id, _ = subscribe(deps, acme, endpoint.url())
    alarm(deps, acme, 1)
    endpoint.answers(429, {}, Retry_After="99999999")
    serve(deps)
    row = owner.execute(
        """
        SELECT extract(epoch FROM d.next_at - now())::float, extract(epoch FROM s.rests_until - now())::float
        FROM webhook_delivery AS d JOIN webhook_subscription AS s ON s.id = d.subscription_id
        """
    ).fetchone()
    assert 86_300 < row[0] <= 86_400 and 3_500 < row[1] <= 3_600


def test_after_eleven_tries_it_is_given_up_and_can_be_told_again(deps, owner, endpoint, acme):
    subscription_id, _ = subscribe(deps, acme, endpoint.url())
    alarm(deps, acme, 1)
    endpoint.answers(500, {})
    for _ in range(13):
        serve(deps)
        pass_time(owner)
    assert deliveries(owner, subscription_id) == [("failed", 11, 500, "500")] and len(endpoint.received) == 11
    endpoint.answers(200, {})
    with deps.database.tenant_transaction(acme) as conn:
        assert replay_failed(conn, acme, subscription_id, since=NOW, by=None) == 1
        (one,) = list_deliveries(conn, acme, subscription_id)
        assert not replay_delivery(conn, acme, subscription_id, one.id, by=None)  # it waits already
    serve(deps)
    assert deliveries(owner, subscription_id) == [("delivered", 1, 200, None)]
    with deps.database.tenant_transaction(acme) as conn:
        assert replay_delivery(conn, acme, subscription_id, one.id, by=None)
        assert find_delivery(conn, acme, subscription_id, one.id).state == "pending"
    serve(deps)
    assert len({header(got, "webhook-id") for got in endpoint.received}) == 1 and len(endpoint.received) == 13


def test_an_endpoint_that_is_gone_is_switched_off_and_people_hear_of_it(deps, owner, endpoint, second, acme):
    subscription_id, _ = subscribe(deps, acme, endpoint.url())
    subscribe(deps, acme, second.url(), kinds=["alert.raised", "alert.over"])
    alarm(deps, acme, 1)
    alarm(deps, acme, 2)
    endpoint.answers(410, {})
    serve(deps)
    assert len(endpoint.received) == 1 and deliveries(owner, subscription_id)[0] == ("failed", 1, 410, "410")
    alert = owner.execute("SELECT severity, details FROM alert WHERE kind = 'webhook_paused'").fetchone()
    assert alert == (
        "critical",
        {"because": "gone", "target": "127.0.0.1", "subscription_id": subscription_id},
    )
    with deps.database.tenant_transaction(acme) as conn:
        assert find_subscription(conn, acme, subscription_id).paused_because == "gone"
        endpoint.answers(200, {})
        assert resume_subscription(conn, acme, subscription_id, by=None)
        assert not resume_subscription(conn, acme, subscription_id, by=None)
    serve(deps)
    assert [state for state, *_ in deliveries(owner, subscription_id)] == ["failed", "delivered", "delivered"]
    assert "webhook_paused" in {data["kind"] for _, data in told(second)} and told(second)[-1][0] == "alert.over"


def test_an_endpoint_that_failed_for_five_days_is_paused_and_people_hear_of_it(deps, owner, endpoint, acme):
    subscription_id, _ = subscribe(deps, acme, endpoint.url())
    alarm(deps, acme, 1)
    endpoint.answers(500, {})
    serve(deps)
    owner.execute("UPDATE webhook_subscription SET failing_since = now() - interval '4 days 23 hours'")
    pass_time(owner)
    serve(deps)
    with deps.database.tenant_transaction(acme) as conn:
        assert find_subscription(conn, acme, subscription_id).state == "active"
    owner.execute("UPDATE webhook_subscription SET failing_since = now() - interval '5 days 1 minute'")
    pass_time(owner)
    serve(deps)
    with deps.database.tenant_transaction(acme) as conn:
        found = find_subscription(conn, acme, subscription_id)
    assert (found.state, found.paused_because) == ("paused", "failing")
    assert owner.execute("SELECT details ->> 'because' FROM alert WHERE kind = 'webhook_paused'").fetchone() == (
        "failing",
    )
    pass_time(owner)
    assert serve(deps) == 0 and len(endpoint.received) == 3


def test_one_success_ends_the_failures(deps, owner, endpoint, acme):
    subscription_id, _ = subscribe(deps, acme, endpoint.url())
    alarm(deps, acme, 1)
    endpoint.answers(500, {})
    serve(deps)
    endpoint.answers(200, {})
    pass_time(owner)
    serve(deps)
    with deps.database.tenant_transaction(acme) as conn:
        found = find_subscription(conn, acme, subscription_id)
    assert (found.failures, found.failing_since, found.waiting) == (0, None, 0) and found.delivered_at


def test_while_paused_nothing_is_sent_or_noted_and_what_waited_leaves_afterwards(deps, owner, endpoint, acme):
    subscription_id, _ = subscribe(deps, acme, endpoint.url())
    alarm(deps, acme, 1)
    with deps.database.tenant_transaction(acme) as conn:
        assert pause_subscription(conn, acme, subscription_id, by=None)
        assert not pause_subscription(conn, acme, subscription_id, by=None)
        assert add_test(conn, acme, subscription_id, by=None) is None
    alarm(deps, acme, 2)
    assert serve(deps) == 0 and len(deliveries(owner, subscription_id)) == 1
    with deps.database.tenant_transaction(acme) as conn:
        assert resume_subscription(conn, acme, subscription_id, by=None)
    serve(deps)
    assert len(endpoint.received) == 1


def test_a_pause_in_mid_turn_stops_it_at_the_next_event(deps, owner, endpoint, acme):
    subscription_id, _ = subscribe(deps, acme, endpoint.url())
    for number in range(5):
        alarm(deps, acme, number)
    answer = endpoint.respond

    def pause(handler):
        owner.execute("UPDATE webhook_subscription SET state = 'paused', paused_because = 'by_hand'")
        answer(handler)

    endpoint.respond = pause
    serve(deps)
    assert [state for state, *_ in deliveries(owner, subscription_id)] == ["delivered"] + ["pending"] * 4


@pytest.mark.parametrize("trouble", ["hangs", "hangs_up", "half_a_status", "dead"])
def test_an_endpoint_without_an_answer_is_tried_again(deps, owner, endpoint, acme, trouble):
    url = endpoint.url()
    if trouble == "hangs":
        endpoint.never_answers()
    elif trouble == "hangs_up":
        endpoint.sends_raw()
    elif trouble == "half_a_status":
        endpoint.sends_raw(b"HTTP/1.1 20")
    else:
        url = "http://127.0.0.1:9/closed"
    subscription_id, _ = subscribe(deps, acme, url)
    alarm(deps, acme, 1)
    began = time.monotonic()
    serve(deps)
    assert time.monotonic() - began < 10
    code = "no_connection" if trouble == "dead" else "no_answer"
    assert deliveries(owner, subscription_id) == [("pending", 1, None, code)]


def test_an_answer_that_breaks_off_after_its_status_has_been_taken(deps, owner, endpoint, acme):
    subscription_id, _ = subscribe(deps, acme, endpoint.url())
    endpoint.sends_raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    alarm(deps, acme, 1)
    serve(deps)
    assert deliveries(owner, subscription_id) == [("delivered", 1, 200, None)]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "169.254.169.254", "[::1]"])
def test_nothing_leads_into_our_network_when_it_is_sent(deps, owner, endpoint, acme, host):
    """Also when the address passed the check once: a name may change its mind, an installation its settings."""
    subscription_id, _ = subscribe(deps, acme, f"https://{host}:{endpoint.port}/in")
    deps.__dict__["guarded_http"] = GuardedHttp(timeout_s=1, allow_private_addresses=False)
    alarm(deps, acme, 1)
    serve(deps)
    assert endpoint.connections == 0
    assert deliveries(owner, subscription_id) == [("pending", 1, None, "url_points_inside")]


def test_a_name_that_leads_outside_first_and_inside_later_is_refused_when_it_does(
    deps, owner, endpoint, acme, monkeypatch
):
    """The look-up of each try is judged, and the connection goes to what was judged."""
    subscription_id, _ = subscribe(deps, acme, f"https://rebinding.example:{endpoint.port}/in")
    deps.__dict__["guarded_http"] = GuardedHttp(timeout_s=1, allow_private_addresses=False)
    asked = []

    def look_up(host, port, **_):
        asked.append(host)
        return [(2, 1, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr("channels.guarded_http.socket.getaddrinfo", look_up)
    alarm(deps, acme, 1)
    serve(deps)
    assert len(asked) == 1 and endpoint.connections == 0
    assert deliveries(owner, subscription_id)[0][3] == "url_points_inside"


def test_words_that_were_erased_before_it_left_do_not_leave(deps, owner, endpoint, acme, judged):
    subscription_id, _ = subscribe(deps, acme, endpoint.url(), include_text=True)
    ref = judged()
    stored = owner.execute("SELECT string_agg(d::text, ' ') FROM webhook_delivery AS d").fetchone()[0]
    assert "parcel" not in stored  # no words wait anywhere
    with deps.database.tenant_transaction(acme) as conn:
        _erase(conn, acme, [ref.message_id])
    serve(deps)
    assert endpoint.received and "parcel" not in json.dumps([got.json for got in endpoint.received])
    assert all(data["text"] is None and data["summary"] is None for kind, data in told(endpoint) if "text" in data)
    assert "pending" not in {state for state, *_ in deliveries(owner, subscription_id)}


def test_what_is_gone_altogether_is_dropped(deps, owner, endpoint, acme, judged):
    subscription_id, _ = subscribe(deps, acme, endpoint.url(), kinds=["message.analyzed"])
    ref = judged()
    owner.execute("DELETE FROM message WHERE id = %s", (ref.message_id,))
    serve(deps)
    assert deliveries(owner, subscription_id) == [("dropped", 1, None, "erased")] and endpoint.received == []


def test_a_test_event_arrives_like_any_other(deps, endpoint, acme):
    subscription_id, secret = subscribe(deps, acme, endpoint.url(), kinds=["alert.over"])
    with deps.database.tenant_transaction(acme) as conn:
        delivery_id = add_test(conn, acme, subscription_id, by=None)
    serve(deps)
    (got,) = endpoint.received
    assert got.json["type"] == "webhook.test" and got.json["data"] == {"subscription_id": subscription_id}
    assert header(got, "webhook-id") == delivery_id and is_signed(got, secret)


def test_of_one_conversation_events_come_in_order_also_after_an_outage(deps, owner, endpoint, acme):
    subscribe(deps, acme, endpoint.url())
    conversation_id = add_conversation(owner, acme)
    endpoint.answers(503, {})
    made = [alarm(deps, acme, number, conversation_id=conversation_id) for number in range(20)]
    for _ in range(3):
        serve(deps)
        owner.execute("UPDATE webhook_subscription SET rests_until = '-infinity'")
    failed = len(endpoint.received)
    endpoint.answers(200, {})
    pass_time(owner)
    serve(deps)
    assert [got.json["data"]["alert_id"] for got in endpoint.received[failed:]] == made


def test_when_an_endpoint_is_back_what_was_tried_in_vain_does_not_wait_for_its_own_time(deps, owner, endpoint, acme):
    subscription_id, _ = subscribe(deps, acme, endpoint.url())
    for number in range(6):
        alarm(deps, acme, number)
    endpoint.answers(503, {})
    for _ in range(4):
        serve(deps)
        owner.execute("UPDATE webhook_subscription SET rests_until = '-infinity'")
    endpoint.answers(200, {})
    serve(deps)
    assert {state for state, *_ in deliveries(owner, subscription_id)} == {"delivered"}


def test_one_event_that_is_never_taken_holds_up_no_other(deps, owner, endpoint, acme):
    subscription_id, _ = subscribe(deps, acme, endpoint.url())
    poison = alarm(deps, acme, 0)
    for number in range(1, 30):
        alarm(deps, acme, number)
    good = endpoint.respond

    def choosy(handler):
        if endpoint.received[-1].json["data"]["alert_id"] == poison:
            handler.send_response(400)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
        else:
            good(handler)

    endpoint.respond = choosy
    serve(deps)
    assert [state for state, *_ in deliveries(owner, subscription_id)] == ["pending"] + ["delivered"] * 29


def test_a_thousand_events_of_a_dead_endpoint_cost_a_healthy_one_nothing(deps, owner, endpoint, second, acme):
    endpoint.never_answers()
    dead, _ = subscribe(deps, acme, endpoint.url(), kinds=["alert.raised"])
    healthy, _ = subscribe(deps, acme, second.url(), kinds=["alert.raised"])
    with deps.database.tenant_transaction(acme) as conn:
        conn.execute(
            "INSERT INTO alert (tenant_id, kind, key, details) SELECT %s, 'churn', n::text, '{}' FROM generate_series(1, 1000) AS n",
            (acme,),
        )
    serve(deps)
    # Each pause of the dead one ends with one probe, and the next is twice as long: 5 within a minute and a quarter.
    assert len(second.received) == 1000 and 1 <= len(endpoint.received) <= 5
    ids = [got.json["data"]["alert_id"] for got in second.received]
    assert ids == sorted(ids) and len(set(ids)) == 1000
    assert [row[0] for row in deliveries(owner, dead)].count("pending") == 1000
    assert {row[0] for row in deliveries(owner, healthy)} == {"delivered"}


def test_two_workers_do_not_serve_one_subscription_at_once(deps, owner, endpoint, acme):
    subscription_id, _ = subscribe(deps, acme, endpoint.url())
    alarm(deps, acme, 1)
    with deps.database.tenant_transaction(acme) as conn:
        turn = begin_turn(conn, acme, subscription_id)
        assert turn and begin_turn(conn, acme, subscription_id) is None
    serve_subscription(deps, tenant_id=acme, subscription_id=subscription_id)
    assert endpoint.received == []
    # Its lease is over and another has begun: whoever was late sends nothing more.
    owner.execute("UPDATE webhook_subscription SET busy_until = '-infinity'")
    serve_subscription(deps, tenant_id=acme, subscription_id=subscription_id)
    with deps.database.tenant_transaction(acme) as conn:
        assert claim_next(conn, turn) is None
    assert len(endpoint.received) == 1


def test_endpoints_of_one_tenant_hold_only_some_workers(deps, owner, endpoint, tenant_ids):
    acme, other = tenant_ids["acme"], tenant_ids["other"]
    ours = [subscribe(deps, acme, endpoint.url())[0] for _ in range(5)]
    theirs, _ = subscribe(deps, other, endpoint.url())
    with deps.database.tenant_transaction(acme) as conn:
        assert [begin_turn(conn, acme, one) is not None for one in ours] == [True, True, True, False, False]
    with deps.database.tenant_transaction(other) as conn:
        assert begin_turn(conn, other, theirs)


def test_a_worker_without_a_free_hand_leaves_it_to_the_next_tick(deps, owner, endpoint, acme, monkeypatch):
    subscription_id, _ = subscribe(deps, acme, endpoint.url())
    alarm(deps, acme, 1)
    import threading

    from worker import webhook_turns

    monkeypatch.setattr(webhook_turns, "_hands", threading.BoundedSemaphore(1))
    assert webhook_turns._hands.acquire(blocking=False)
    assert webhook_turns.take_due_subscriptions(deps) == [(acme, subscription_id)]
    assert webhook_turns.take_due_subscriptions(deps) == []  # it has been rung
    serve_subscription(deps, tenant_id=acme, subscription_id=subscription_id)
    assert endpoint.received == []
    webhook_turns._hands.release()
    serve(deps)
    assert len(endpoint.received) == 1


def test_a_bug_in_one_body_costs_that_event_only(deps, owner, endpoint, acme, monkeypatch, caplog):
    from store import webhook_bodies
    from worker import webhook_turns

    subscription_id, _ = subscribe(deps, acme, endpoint.url(), kinds=["alert.raised"])
    bad = alarm(deps, acme, 1)
    alarm(deps, acme, 2)

    def read(conn, tenant_id, claimed, **more):
        if claimed.subject_id == bad:
            raise ValueError("a customer's words")
        return webhook_bodies.read_event(conn, tenant_id, claimed, **more)

    monkeypatch.setattr(webhook_turns, "read_event", read)
    serve(deps)
    assert deliveries(owner, subscription_id) == [("pending", 1, None, "bug_ValueError"), ("delivered", 1, 200, None)]
    assert "customer's words" not in caplog.text


def test_what_is_old_is_given_up_and_forgotten(deps, owner, endpoint, acme):
    subscription_id, _ = subscribe(deps, acme, endpoint.url())
    for number in range(4):
        alarm(deps, acme, number)
    ids = [row[0] for row in owner.execute("SELECT id FROM webhook_delivery ORDER BY id").fetchall()]
    owner.execute("UPDATE webhook_delivery SET give_up_at = now() - interval '1 s' WHERE id = %s", (ids[0],))
    for one, days in ((ids[1], 31), (ids[2], 29)):
        owner.execute(
            "UPDATE webhook_delivery SET state = 'delivered', settled_at = now() - make_interval(days => %s) WHERE id = %s",
            (days, one),
        )
    keep_deliveries(deps)
    assert [(row[0], row[3]) for row in deliveries(owner, subscription_id)] == [
        ("failed", "too_old"),
        ("delivered", None),
        ("pending", None),
    ]


def test_a_removed_subscription_takes_everything_with_it_some_at_a_time(deps, owner, endpoint, acme):
    subscription_id, _ = subscribe(deps, acme, endpoint.url())
    for number in range(5):
        alarm(deps, acme, number)
    with deps.database.tenant_transaction(acme) as conn:
        assert remove_subscription(conn, acme, subscription_id, by=None)
        assert not remove_subscription(conn, acme, subscription_id, by=None)
        assert list_subscriptions(conn, acme) == [] and find_subscription(conn, acme, subscription_id) is None
        assert not resume_subscription(conn, acme, subscription_id, by=None)
        assert rotate_secret(conn, acme, subscription_id, keyring=deps.keyring, by=None) is None
    alarm(deps, acme, 9)
    assert serve(deps) == 0 and len(deliveries(owner, subscription_id)) == 5
    with deps.database.system_transaction() as conn:
        assert give_up_old(conn, limit=2) == 0
        assert forget_old(conn, limit=2) == 2
    assert len(deliveries(owner, subscription_id)) == 3
    keep_deliveries(deps)
    assert owner.execute("SELECT count(*) FROM webhook_subscription").fetchone() == (0,)
    assert deliveries(owner, subscription_id) == []


def test_another_address_starts_without_the_failures_of_the_one_before(deps, owner, endpoint, second, acme):
    subscription_id, _ = subscribe(deps, acme, endpoint.url())
    endpoint.answers(500, {})
    alarm(deps, acme, 1)
    serve(deps)
    wanted = read_subscription(
        url=second.url(), kinds=["alert.raised"], description="moved", include_text=True, allow_private=True
    )
    with deps.database.tenant_transaction(acme) as conn:
        assert change_subscription(conn, acme, subscription_id, wanted, keyring=deps.keyring, by=None)
        found = find_subscription(conn, acme, subscription_id)
    assert (found.failures, found.rests_until, found.description) == (0, None, "moved")
    assert found.include_text and found.open_url(deps.keyring) == second.url()
    owner.execute("UPDATE webhook_delivery SET next_at = now()")
    serve(deps)
    assert len(second.received) == 1


def test_a_tenant_has_at_most_twenty(deps, endpoint, tenant_ids):
    for _ in range(MAX_SUBSCRIPTIONS):
        subscribe(deps, tenant_ids["acme"], endpoint.url())
    with pytest.raises(SubscriptionError, match="remove one first"):
        subscribe(deps, tenant_ids["acme"], endpoint.url())
    subscribe(deps, tenant_ids["other"], endpoint.url())


def test_every_deed_is_in_the_audit_log(deps, owner, endpoint, acme):
    subscription_id, _ = subscribe(deps, acme, endpoint.url())
    wanted = read_subscription(
        url=endpoint.url(), kinds=["alert.raised"], description="", include_text=True, allow_private=True
    )
    with deps.database.tenant_transaction(acme) as conn:
        change_subscription(conn, acme, subscription_id, wanted, keyring=deps.keyring, by=None)
        rotate_secret(conn, acme, subscription_id, keyring=deps.keyring, by=None)
        add_test(conn, acme, subscription_id, by=None)
        pause_subscription(conn, acme, subscription_id, by=None)
        resume_subscription(conn, acme, subscription_id, by=None)
    serve(deps)
    with deps.database.tenant_transaction(acme) as conn:
        (one,) = list_deliveries(conn, acme, subscription_id, state="delivered")
        replay_delivery(conn, acme, subscription_id, one.id, by=None)
        remove_subscription(conn, acme, subscription_id, by=None)
    deeds = owner.execute("SELECT deed FROM audit_log WHERE deed LIKE 'webhook%' ORDER BY id").fetchall()
    assert [deed for (deed,) in deeds] == [
        "webhook_added", "webhook_changed", "webhook_secret_rotated", "webhook_tested", "webhook_paused", "webhook_resumed",
        "webhook_replayed", "webhook_removed",
    ]  # fmt: skip
