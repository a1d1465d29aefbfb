"""Answering from the conversation's page: who may, what leaves, once, and what becomes of it."""

import re

import httpx2
import pytest
from kombu.exceptions import OperationalError

from console.app import create_app
from console.forged_forms import KEY
from console.visitors import SESSION_KEY
from store.web_sessions import begin_session
from tests.integration.passes import now, run_all
from tests.integration.workplace import add_person, events, field
from tests.webhooks import instagram_event, whatsapp_body, whatsapp_echo, whatsapp_message, whatsapp_value
from worker import delivery, reconcile

REFUND = "The parcel is late for the third time. I want my money back!"
WORDS = "We are looking for it <b>now</b>."


@pytest.fixture
def rung(monkeypatch):
    """Actions that the broker was asked to carry out."""
    found = []
    monkeypatch.setattr("console.replies.ring_action", lambda **ring: found.append(ring["action_id"]))
    return found


@pytest.fixture
def app(settings, rung):
    app = create_app({}, settings=settings)
    yield app
    app.extensions["database"].close()


@pytest.fixture
def acme(tenant_ids):
    return tenant_ids["acme"]


@pytest.fixture
def sign_in(app, owner, database, acme):
    """A browser in which somebody is signed in."""

    def make(role="agent", *, tenant_id=None, email=None):
        user_id = add_person(owner, tenant_id or acme, role=role, email=email)
        with database.system_transaction() as conn:
            token = begin_session(conn, user_id)
        client = app.test_client()
        with client.session_transaction() as session:
            session[SESSION_KEY], session[KEY] = token, "token"
        client.user_id = user_id
        return client

    return make


@pytest.fixture
def talk(deps, receive, owner, times):
    """A customer has written and nothing leaves by itself; the conversation's id."""

    def make(*, kind="whatsapp", text=REFUND):
        if kind == "whatsapp":
            body = whatsapp_body(whatsapp_message(text, timestamp=next(times)))
        else:
            event = {"message": {"mid": "m1", "text": text}}
            body = instagram_event(event, timestamp=int(now().timestamp() * 1000))
        (ref,) = receive(body, kind=kind)
        run_all(deps, ref)
        owner.execute("UPDATE action SET state = 'cancelled'")
        return str(owner.execute("SELECT id FROM conversation").fetchone()[0])

    return make


@pytest.fixture
def sent(standins):
    """What the channel accepted since the test began."""
    url = f"{standins['graph']}/_sends"
    before = len(httpx2.get(url).json())
    return lambda: [send["body"] for send in httpx2.get(url).json()[before:]]


def reply(client, conversation_id, text=WORDS, *, once="form-1", **more):
    form = {"csrf_token": "token", "text": text, "once": once, "kind": "text", **more}
    return client.post(f"/conversations/{conversation_id}/reply", data=form)


def rule(client, conversation_id, action_id, verdict):
    form = {"csrf_token": "token", "reply": action_id, "verdict": verdict}
    return client.post(f"/conversations/{conversation_id}/reply/rule", data=form)


def deliver(deps, acme, action_id):
    delivery.deliver_action(deps, tenant_id=acme, action_id=action_id, now=now())


def states(owner):
    return owner.execute("SELECT state, error_code FROM action WHERE kind = 'reply' ORDER BY id").fetchall()


def answers(owner):
    return owner.execute("SELECT author, text FROM message WHERE direction = 'outbound' ORDER BY id").fetchall()


def page(client, conversation_id):
    return client.get(f"/conversations/{conversation_id}").text


def configure(owner, path, value):
    owner.execute(
        "UPDATE tenant SET config = jsonb_set(config, %s, %s::jsonb, true) WHERE slug = 'acme'", (path, value)
    )


def close_window(owner, hours=25):
    owner.execute("UPDATE conversation SET last_inbound_at = now() - make_interval(hours => %s)", (hours,))


def test_an_answer_leaves_once_stops_the_clock_and_takes_over(sign_in, talk, deps, owner, acme, sent, rung):
    one, ann = talk(), sign_in(email="ann@example.com")
    assert "window open" in page(ann, one)
    answered = reply(ann, one)
    assert answered.status_code == 302 and "replied=form-1" in answered.location
    # At once it is hers and no automation talks in between; the customer still waits.
    assert (field(owner, one, "assignee_id"), field(owner, one, "taken_over")) == (ann.user_id, True)
    assert events(owner, one)[-1] == "claimed"
    assert field(owner, one, "last_human_answer_at") is None
    assert "waits" in page(ann, one)
    deliver(deps, acme, *rung)
    (body,) = sent()
    assert body["text"]["body"] == WORDS and body["to"] == "905551112233"
    assert answers(owner) == [("human", WORDS)]
    assert field(owner, one, "last_human_answer_at") is not None
    clocks = owner.execute("SELECT state FROM sla_clock WHERE conversation_id = %s AND kind = 'first_answer'", (one,))
    assert {state for (state,) in clocks} <= {"met"}
    shown = page(ann, one)
    assert "We are looking for it &lt;b&gt;now&lt;/b&gt;." in shown and shown.count("looking for it") == 1
    assert "ann</span>" in shown and "✓" in shown


def test_the_same_form_sent_twice_is_sent_once_and_another_answer_is_another(
    sign_in, talk, deps, owner, acme, sent, rung
):
    one, ann = talk(), sign_in()
    assert [reply(ann, one).status_code for _ in range(3)] == [302] * 3
    reply(ann, one, "And we are sorry.", once="form-2")
    reply(ann, one, "Gone back and written anew.", once="form-1")
    assert len(rung) == 3
    for action_id in rung * 2:
        deliver(deps, acme, action_id)
    assert [body["text"]["body"] for body in sent()] == [WORDS, "And we are sorry.", "Gone back and written anew."]


def test_an_answer_needs_no_consent_and_no_automation_stops_it(
    sign_in, talk, deps, owner, acme, sent, rung, receive, times
):
    one = talk()
    owner.execute("UPDATE conversation SET taken_over = true")
    configure(owner, "{actions}", "{}")
    reply(sign_in(), one)
    receive(whatsapp_body(whatsapp_message("leave it, thanks", timestamp=next(times))))
    deliver(deps, acme, *rung)
    assert len(sent()) == 1 and states(owner) == [("sent", None)]


def test_agents_answer_on_theirs_or_nobodys_supervisors_everywhere_auditors_never(
    sign_in, talk, owner, acme, tenant_ids
):
    one, ann, bob = talk(), sign_in(), sign_in()
    assert reply(sign_in("auditor"), one).status_code == 403
    assert "Auditors read only" in page(sign_in("auditor"), one)
    assert reply(sign_in("admin", tenant_id=tenant_ids["other"]), one).status_code == 404
    assert reply(ann, one).status_code == 302
    refused = reply(bob, one, "Mine!")
    assert refused.status_code == 403 and "colleague" in refused.text
    assert reply(sign_in("supervisor"), one, "From above.").status_code == 302
    assert field(owner, one, "assignee_id") == ann.user_id
    assert len(states(owner)) == 2


def test_a_form_of_another_site_sends_nothing(sign_in, talk, owner):
    one = talk()
    assert reply(sign_in(), one, csrf_token="guessed").status_code == 400
    assert states(owner) == []


@pytest.mark.parametrize("kind", ["whatsapp", "instagram"])
def test_when_the_window_is_over_the_page_says_why_and_keeps_the_words(sign_in, talk, owner, kind):
    one, ann = talk(kind=kind), sign_in()
    close_window(owner, 24 * 7 + 1)
    assert "window closed" in page(ann, one) and "<textarea" not in page(ann, one)
    refused = reply(ann, one)
    assert (
        refused.status_code == 422
        and "looking for it" in refused.text
        and "What you wrote was not sent" in refused.text
    )
    assert states(owner) == [] and field(owner, one, "assignee_id") is None


def test_a_window_that_closes_while_an_answer_waits_calls_a_person(sign_in, talk, deps, owner, acme, sent, rung):
    one, ann = talk(), sign_in()
    reply(ann, one)
    close_window(owner)
    deliver(deps, acme, *rung)
    assert sent() == [] and states(owner) == [("expired", "window_closed")]
    assert "the window had closed" in page(ann, one)
    assert owner.execute("SELECT count(*) FROM alert WHERE kind = 'needs_person'").fetchone() == (1,)


def test_after_the_window_the_tenants_template_may_leave(sign_in, talk, deps, owner, acme, sent, rung):
    configure(owner, "{actions,follow_up}", '{"template": {"name": "still_there", "languages": {"en": "en_US"}}}')
    one, ann = talk(), sign_in()
    assert "still_there" not in page(ann, one)
    close_window(owner)
    assert "still_there" in page(ann, one)
    assert reply(ann, one, "", kind="template").status_code == 302
    deliver(deps, acme, *rung)
    (body,) = sent()
    assert body["template"]["name"] == "still_there"
    ((author, text),) = answers(owner)
    assert author == "human" and text


def test_after_a_day_instagram_takes_what_a_person_wrote(sign_in, talk, deps, owner, acme, sent, rung):
    one, ann = talk(kind="instagram"), sign_in()
    close_window(owner)
    assert "only what a person writes" in page(ann, one)
    reply(ann, one)
    deliver(deps, acme, *rung)
    (body,) = sent()
    assert body["tag"] == "HUMAN_AGENT" and body["message"] == {"text": WORDS}


@pytest.mark.parametrize(
    ("text", "said"), [("  \r\n ", "nothing to send"), ("ğ" * 501, "too long"), ("x" * 1001, "too long")]
)
def test_what_the_channel_would_cut_is_not_sent(sign_in, talk, owner, text, said):
    refused = reply(sign_in(), talk(kind="instagram"), text)
    assert refused.status_code == 422 and said in refused.text
    assert states(owner) == []


def test_a_resolved_conversation_is_opened_first(sign_in, talk, owner):
    one, ann = talk(), sign_in()
    owner.execute("UPDATE conversation SET state = 'resolved'")
    assert "Open it again" in page(ann, one)
    assert reply(ann, one).status_code == 409 and states(owner) == []


def kill_while_sending(deps, acme, action_id, monkeypatch):
    """The worker dies after the channel took it and before it could write that down."""

    class Killed(BaseException):
        pass

    def die(*_args, **_more):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(delivery, "settle_action", die)
        with pytest.raises(Killed):
            deliver(deps, acme, action_id)


def test_killed_between_sending_and_settling_is_in_doubt_and_never_sent_again(
    sign_in, talk, deps, owner, acme, sent, rung, monkeypatch
):
    one, ann = talk(), sign_in()
    reply(ann, one)
    kill_while_sending(deps, acme, rung[0], monkeypatch)
    owner.execute("UPDATE action SET lease_until = now() - interval '1 s' WHERE state = 'sending'")
    reconcile.tick(deps)
    assert states(owner) == [("uncertain", "interrupted")]
    deliver(deps, acme, rung[0])
    assert len(sent()) == 1
    shown = page(ann, one)
    assert "Nobody knows whether it arrived" in shown and "looking for it" in shown
    assert field(owner, one, "last_human_answer_at") is None


def doubt(deps, owner, acme, rung, monkeypatch):
    kill_while_sending(deps, acme, rung[0], monkeypatch)
    owner.execute("UPDATE action SET state = 'uncertain', lease_until = NULL WHERE state = 'sending'")


def test_a_status_settles_a_doubt_and_the_answer_counts(sign_in, talk, deps, owner, acme, rung, monkeypatch, receive):
    one, ann = talk(), sign_in()
    reply(ann, one)
    doubt(deps, owner, acme, rung, monkeypatch)
    status = {"id": "wamid.reply1", "status": "delivered", "timestamp": "1790000100", "recipient_id": "905551112233"}
    receive(whatsapp_value(statuses=[{**status, "biz_opaque_callback_data": rung[0]}]))
    assert states(owner) == [("sent", None)] and answers(owner) == [("human", WORDS)]
    assert field(owner, one, "last_human_answer_at") is not None


def test_an_echo_settles_a_doubt_and_stays_a_persons(
    sign_in, talk, deps, owner, acme, rung, monkeypatch, receive, times
):
    one, ann = talk(), sign_in()
    reply(ann, one)
    doubt(deps, owner, acme, rung, monkeypatch)
    receive(whatsapp_echo(WORDS, timestamp=next(times)))
    assert states(owner) == [("sent", None)] and answers(owner) == [("human", WORDS)]
    assert (field(owner, one, "last_human_answer_at") is not None, field(owner, one, "taken_over")) == (True, True)


@pytest.mark.parametrize(("verdict", "state"), [("sent", "sent"), ("failed", "failed")])
def test_a_person_settles_a_doubt(sign_in, talk, deps, owner, acme, rung, monkeypatch, verdict, state):
    one, ann = talk(), sign_in()
    reply(ann, one)
    doubt(deps, owner, acme, rung, monkeypatch)
    assert rule(sign_in(), one, rung[0], verdict).status_code == 403
    assert rule(ann, one, rung[0], verdict).status_code == 302
    assert states(owner)[0][0] == state
    assert (field(owner, one, "last_human_answer_at") is not None) == (verdict == "sent")


def test_an_answer_that_waits_can_be_called_off(sign_in, talk, deps, owner, acme, sent, rung, tenant_ids):
    one, ann = talk(), sign_in()
    reply(ann, one)
    stranger = sign_in("admin", tenant_id=tenant_ids["other"])
    assert rule(stranger, one, rung[0], "cancel").status_code == 404
    assert rule(ann, one, rung[0], "cancel").status_code == 302
    deliver(deps, acme, rung[0])
    assert sent() == [] and states(owner) == [("cancelled", "by_person")]


def test_an_answer_that_the_channel_refuses_says_so(sign_in, talk, deps, owner, acme, rung, standins):
    one, ann = talk(), sign_in()
    reply(ann, one)
    answer = {"status": 400, "body": {"error": {"code": 131026, "message": "no"}}}
    httpx2.post(f"{standins['graph']}/_script", json={"steps": [{"path": "*/messages", **answer}]})
    deliver(deps, acme, rung[0])
    httpx2.delete(f"{standins['graph']}/_script")
    assert states(owner)[0][0] == "failed"
    assert "graph_131026" in page(ann, one)


def test_the_customers_edit_or_erasure_does_not_stop_a_persons_answer(
    sign_in, talk, deps, owner, acme, sent, rung, receive
):
    from tests.webhooks import whatsapp_revocation

    one = talk()
    reply(sign_in(), one)
    original = owner.execute("SELECT provider_message_id FROM message WHERE direction = 'inbound'").fetchone()[0]
    receive(whatsapp_body(whatsapp_revocation(original)))
    deliver(deps, acme, *rung)
    assert len(sent()) == 1


def test_without_a_broker_the_answer_is_kept_and_leaves_later(sign_in, talk, owner, monkeypatch):
    def away(**_ring):
        raise OperationalError

    one, ann = talk(), sign_in()
    monkeypatch.setattr("console.replies.ring_action", away)
    assert reply(ann, one).status_code == 302
    assert states(owner) == [("pending", None)]


@pytest.mark.parametrize("cookie", ["session over", "cookie gone"])
def test_who_was_signed_out_in_mid_reply_comes_back_to_the_page(app, sign_in, talk, owner, cookie):
    one, ann = talk(), sign_in()
    owner.execute("DELETE FROM web_session")
    if cookie == "cookie gone":
        ann = app.test_client()
    form = {"csrf_token": "token", "text": WORDS, "once": "1", "kind": "text"}
    origin = {"Referer": f"http://localhost/conversations/{one}"}
    led = ann.post(f"/conversations/{one}/reply", data=form, headers=origin)
    assert led.status_code == 302 and led.location == f"/sign-in?next=/conversations/{one}"
    assert states(owner) == []
    away = ann.post(f"/conversations/{one}/reply", data=form, headers={"Referer": "https://evil.example/x"})
    assert "evil" not in away.location


def test_the_form_carries_a_word_of_its_own(sign_in, talk):
    one, ann = talk(), sign_in()
    found = {re.search(r'name="once" value="([^"]+)"', page(ann, one)).group(1) for _ in range(2)}
    assert len(found) == 2
