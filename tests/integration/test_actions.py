"""Actions that take effect in our own rows, wait for a person or for the morning, are called off, or handed to a person."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx2
import pytest

from store import action_desk, agent_tasks
from store.internal_actions import list_tags
from tests.integration.passes import now, run_all
from tests.integration.test_sending import configure, deliver, state_of
from tests.webhooks import instagram_event, whatsapp_body, whatsapp_message
from worker import delivery, reconcile

REFUND = "The parcel is late for the third time. I want my money back!"
COMPLAINT = "This is unacceptable, your driver was rude to me!"
PRAISE = "Thank you so much, this is wonderful"
BROKEN = "It does not work, the app shows an error"
CALL = "Please call me back"


@pytest.fixture
def sent(standins):
    """What the channel accepted since the test began."""
    url = f"{standins['graph']}/_sends"
    before = len(httpx2.get(url).json())
    return lambda: [send["body"] for send in httpx2.get(url).json()[before:]]


@pytest.fixture
def write(deps, receive, times):
    """A customer's message by WhatsApp, decided; returns its run and the ids of what is to be carried out."""

    def send(text, **more):
        (ref,) = receive(whatsapp_body(whatsapp_message(text, timestamp=next(times), **more)))
        return ref, run_all(deps, ref)

    return send


@pytest.fixture
def settings_of(deps, owner):
    """Change the tenant's settings, live at once."""

    def change(path, value):
        configure(owner, path, json.dumps(value))
        deps.tenants._cached.clear()

    return change


def own_rule(settings_of, *actions, **when):
    rule = {
        "name": "own", "because": "A test's rule.", "when": when,
        "then": {"queue": "support", "priority": "P3", "actions": actions},
    }  # fmt: skip
    settings_of("{rules}", [rule])


def kinds(owner):
    return owner.execute("SELECT kind, state, error_code FROM action ORDER BY id").fetchall()


def tenant_conn(deps, tenant_ids):
    return deps.database.tenant_transaction(tenant_ids["acme"])


class TestInOurOwnRows:
    def test_a_tag_a_wish_and_word_to_the_people_are_there_with_the_decision_and_once(
        self, deps, owner, write, settings_of, tenant_ids
    ):
        own_rule(settings_of, "tag", "assign", "notify")
        settings_of("{actions,tag}", {"tags": ["late", "vip"]})
        settings_of("{actions,assign}", {"assignee": "bo@acme.example"})
        ref, pending = write(REFUND)
        write(REFUND)
        assert list(pending) == []
        conversation, wish = owner.execute("SELECT id, assignee_hint FROM conversation").fetchone()
        assert wish == "bo@acme.example"
        with tenant_conn(deps, tenant_ids) as conn:
            assert list_tags(conn, conversation) == ["late", "vip"]
        with deps.database.tenant_transaction(tenant_ids["other"]) as conn:
            assert list_tags(conn, conversation) == []
        alerts = owner.execute("SELECT details FROM alert WHERE kind = 'notify' ORDER BY id").fetchall()
        assert len(alerts) == 2 and alerts[0][0]["rule"] == "own"
        assert "parcel" not in json.dumps(alerts)

    def test_what_the_tenant_wants_to_see_first_leaves_no_trace_but_its_record(self, owner, write, settings_of):
        own_rule(settings_of, "tag")
        settings_of("{actions,tag}", {"tags": ["late"], "mode": "shadow"})
        write(REFUND)
        assert kinds(owner) == [("tag", "shadow", None)]
        assert owner.execute("SELECT count(*) FROM conversation_tag").fetchone() == (0,)

    def test_a_wish_to_be_called_is_a_task_with_a_time_where_there_is_no_crm(
        self, deps, owner, write, settings_of, tenant_ids
    ):
        owner.execute("DELETE FROM crm_connection")
        own_rule(settings_of, "schedule_callback")
        settings_of("{actions,schedule_callback}", {"enabled": True, "due_min": 30})
        write(CALL)
        with tenant_conn(deps, tenant_ids) as conn:
            (task,) = agent_tasks.list_open_tasks(conn, tenant_ids["acme"])
            assert task.kind == "callback"
            assert timedelta(minutes=29) < task.due_at - now() <= timedelta(minutes=30)
            assert agent_tasks.finish_task(conn, tenant_ids["acme"], task.id)
            assert agent_tasks.list_open_tasks(conn, tenant_ids["acme"]) == []

    def test_with_a_crm_the_task_lies_there_and_only_there(self, owner, write, settings_of):
        own_rule(settings_of, "schedule_callback")
        settings_of("{actions,schedule_callback}", {"enabled": True})
        write(CALL)
        assert owner.execute("SELECT count(*) FROM crm_event WHERE kind = 'task'").fetchone() == (1,)
        assert owner.execute("SELECT count(*) FROM agent_task").fetchone() == (0,)


class TestAfterAnEscalation:
    def test_the_form_that_was_planned_with_it_leaves_and_nothing_after_it(self, deps, owner, write, settings_of, sent):
        settings_of("{actions,request_screenshot}", {"enabled": True})
        ref, pending = write(REFUND)
        assert ("escalate_to_human", "sent", None) in kinds(owner)
        write(BROKEN)
        assert [kind for kind, *_ in kinds(owner)].count("request_screenshot") == 0
        reasons = owner.execute("SELECT reasons FROM routing_decision ORDER BY id DESC LIMIT 1").fetchone()[0]
        assert any("a person was called to this conversation" in reason for reason in reasons)
        deliver(deps, ref, pending)
        assert len(sent()) == 1

    def test_who_asks_for_money_later_still_gets_the_form(self, owner, write):
        write(COMPLAINT)
        assert ("escalate_to_human", "sent", None) in kinds(owner)
        write(REFUND)
        assert ("send_refund_form", "pending", None) in kinds(owner)

    def test_what_waited_from_before_is_called_off(self, deps, owner, write, settings_of, sent):
        settings_of("{actions,request_screenshot}", {"enabled": True})
        ref, pending = write(BROKEN)
        write(REFUND)
        deliver(deps, ref, pending)
        assert sent() == []
        assert state_of(owner, pending[0]) == ("cancelled", "escalated")

    def test_a_resolved_conversation_starts_anew(self, owner, write, settings_of):
        settings_of("{actions,request_screenshot}", {"enabled": True})
        write(REFUND)
        owner.execute("UPDATE conversation SET state = 'resolved'")
        write(BROKEN)
        assert ("request_screenshot", "pending", None) in kinds(owner)


class TestApproval:
    def test_nothing_leaves_before_a_person_agrees_and_then_it_does(
        self, deps, owner, write, settings_of, sent, tenant_ids
    ):
        settings_of(
            "{actions,send_refund_form}", {"mode": "approve", "enabled": True, "url": "https://acme.example/refund"}
        )
        ref, pending = write(REFUND)
        deliver(deps, ref, pending * 2)
        assert sent() == [] and state_of(owner, pending[0]) == ("pending", "needs_approval")
        assert owner.execute("SELECT kind FROM alert").fetchall() == [("needs_approval",)]
        with tenant_conn(deps, tenant_ids) as conn:
            (listed,) = action_desk.list_actions(
                conn, tenant_ids["acme"], states=("pending",), unapproved_only=True, limit=9
            )
            assert listed.id == pending[0]
            assert action_desk.approve_action(conn, tenant_ids["acme"], pending[0])
            assert not action_desk.approve_action(conn, tenant_ids["acme"], pending[0])
        deliver(deps, ref, pending)
        assert len(sent()) == 1 and state_of(owner, pending[0])[0] == "sent"
        reconcile.tick(deps)
        assert owner.execute("SELECT resolved_at IS NOT NULL FROM alert").fetchall() == [(True,)]

    def test_another_tenants_person_can_not_agree(self, deps, owner, write, settings_of, tenant_ids):
        settings_of("{actions,send_refund_form,mode}", "approve")
        ref, pending = write(REFUND)
        deliver(deps, ref, pending)
        with deps.database.tenant_transaction(tenant_ids["other"]) as conn:
            assert not action_desk.approve_action(conn, tenant_ids["other"], pending[0])
            assert not action_desk.cancel_action(conn, tenant_ids["other"], pending[0])

    def test_after_a_day_without_an_answer_a_person_is_called(self, deps, owner, write, settings_of, sent):
        settings_of("{actions,send_refund_form,mode}", "approve")
        ref, pending = write(REFUND)
        deliver(deps, ref, pending)
        owner.execute("UPDATE action SET created_at = created_at - interval '25 hours', next_at = now()")
        deliver(deps, ref, pending)
        assert sent() == [] and state_of(owner, pending[0]) == ("expired", "not_approved")
        assert owner.execute("SELECT kind FROM agent_task").fetchall() == [("answer",)]

    def test_what_a_person_calls_off_does_not_leave(self, deps, owner, write, sent, tenant_ids):
        ref, pending = write(REFUND)
        with tenant_conn(deps, tenant_ids) as conn:
            assert action_desk.cancel_action(conn, tenant_ids["acme"], pending[0])
        deliver(deps, ref, pending)
        assert sent() == [] and state_of(owner, pending[0]) == ("cancelled", "by_person")


class TestQuietHours:
    def at_night(self, settings_of):
        """Quiet from an hour ago until an hour from now."""
        begins, ends = now() - timedelta(hours=1), now() + timedelta(hours=1)
        settings_of("{automation}", {"quiet_hours": f"{begins:%H:%M}-{ends:%H:%M}"})

    def test_thanks_wait_for_the_morning_and_leave_then(self, deps, owner, write, settings_of, sent):
        self.at_night(settings_of)
        ref, pending = write(PRAISE)
        deliver(deps, ref, pending)
        assert sent() == [] and state_of(owner, pending[0]) == ("pending", "quiet_hours")
        tries, wait_s = owner.execute(
            "SELECT tries, extract(epoch FROM next_at - now()) FROM action WHERE id = %s", (pending[0],)
        ).fetchone()
        assert tries == 0 and 3400 < wait_s <= 3600
        for action_id in pending:
            delivery.deliver_action(deps, tenant_id=ref.tenant_id, action_id=action_id, now=now() + timedelta(hours=1))
        assert state_of(owner, pending[0]) == ("sent", None)

    def test_an_answer_to_somebody_who_writes_now_leaves_now(self, deps, write, settings_of, sent):
        self.at_night(settings_of)
        ref, pending = write(REFUND)
        deliver(deps, ref, pending)
        assert len(sent()) == 1


class TestCalledOff:
    def test_thanks_are_not_said_to_somebody_who_asks_something_by_now(self, deps, owner, write, sent):
        ref, pending = write(PRAISE)
        write("Where is my order?")
        deliver(deps, ref, pending)
        assert sent() == []
        assert {state_of(owner, one) for one in pending} == {("cancelled", "customer_wrote_again")}

    def test_thanks_wait_until_the_later_message_was_read(self, deps, owner, write, receive, times):
        ref, pending = write(PRAISE)
        receive(whatsapp_body(whatsapp_message("And", timestamp=next(times))))
        reconcile.place_waiting(deps)
        owner.execute(
            "UPDATE message SET conversation_id = (SELECT id FROM conversation) WHERE conversation_id IS NULL"
        )
        deliver(deps, ref, pending)
        assert {state_of(owner, one) for one in pending} == {("pending", "being_read")}

    def test_a_screenshot_that_came_by_itself_is_not_asked_for(
        self, deps, owner, write, receive, times, settings_of, sent
    ):
        settings_of("{actions,request_screenshot}", {"enabled": True})
        ref, pending = write(BROKEN)
        image = {"from": "905551112233", "id": "wamid.image", "timestamp": next(times), "type": "image",
                 "image": {"id": "1", "mime_type": "image/png"}}  # fmt: skip
        (second,) = receive(whatsapp_body(image))
        run_all(deps, second)
        deliver(deps, ref, pending)
        assert sent() == [] and state_of(owner, pending[0]) == ("cancelled", "screenshot_came")

    def test_a_customer_who_is_happy_again_gets_no_refund_form(self, deps, owner, write, sent):
        ref, pending = write(REFUND)
        write(PRAISE)
        deliver(deps, ref, pending)
        assert sent() == [] and state_of(owner, pending[0]) == ("cancelled", "withdrawn")


class TestWords:
    def test_variables_are_filled_in_with_the_tenants_and_the_customers_names(self, deps, write, settings_of, sent):
        settings_of("{actions,send_refund_form,texts}", {"en": "{customer_name}, {business_name} is sorry: {link}"})
        ref, pending = write(REFUND)
        deliver(deps, ref, pending)
        (body,) = sent()
        assert body["interactive"]["body"]["text"] == "Ada, Acme is sorry: https://acme.example/refund"

    def test_without_a_name_and_without_a_default_a_person_answers(self, deps, owner, write, settings_of, sent):
        settings_of("{actions,send_refund_form,texts}", {"en": "Dear {customer_name}"})
        ref, pending = write(REFUND, name="")
        deliver(deps, ref, pending)
        assert sent() == [] and state_of(owner, pending[0]) == ("expired", "missing_customer_name")
        assert owner.execute("SELECT because FROM agent_task").fetchall() == [
            ("send_refund_form: missing_customer_name",)
        ]

    def test_a_template_gets_its_parameters_and_the_default_of_a_missing_one(
        self, deps, owner, write, settings_of, sent
    ):
        template = {"name": "refund", "languages": {"en": "en_US"}, "parameters": ["{customer_name}", "see {link}"]}
        settings_of("{actions,send_refund_form,template}", template)
        settings_of("{actions,send_refund_form,defaults}", {"customer_name": "customer"})
        ref, pending = write(REFUND, name="")
        owner.execute("UPDATE conversation SET last_inbound_at = now() - interval '25 hours'")
        deliver(deps, ref, pending)
        (body,) = sent()
        (component,) = body["template"]["components"]
        assert [one["text"] for one in component["parameters"]] == ["customer", "see https://acme.example/refund"]


class TestLimits:
    def test_eight_messages_at_once_get_no_more_answers_than_the_tenants_limit(
        self, deps, owner, receive, times, settings_of
    ):
        own_rule(settings_of, "follow_up")
        settings_of("{actions,follow_up}", {"enabled": True, "per_customer_per_day": 100})
        settings_of("{automation}", {"max_per_customer_per_day": 3})
        owner.execute(
            """
            INSERT INTO channel_account (tenant_id, kind, account_id, app_secrets, verify_token, access_token)
            SELECT tenant_id, kind, '333' || number, app_secrets, verify_token, access_token
            FROM channel_account CROSS JOIN generate_series(1, 8) AS number WHERE account_id = '111000111'
            """
        )
        # One customer in eight conversations, so that no conversation's lock keeps them apart.
        refs = [
            receive(whatsapp_body(whatsapp_message(BROKEN, timestamp=next(times)), account=f"333{number}"))[0]
            for number in range(1, 9)
        ]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda ref: run_all(deps, ref), refs))
        assert owner.execute("SELECT count(DISTINCT conversation_id) FROM message").fetchone() == (8,)
        assert owner.execute("SELECT count(*) FROM action WHERE kind = 'follow_up'").fetchone() == (3,)


class TestUncertain:
    def test_a_person_settles_it_and_nobody_is_told_again(
        self, deps, owner, standins, receive, tenant_ids, settings_of
    ):
        settings_of("{actions,request_screenshot}", {"enabled": True})
        event = {"message": {"mid": "m1", "text": BROKEN}}
        (ref,) = receive(instagram_event(event, timestamp=int(now().timestamp() * 1000)), kind="instagram")
        (action_id,) = run_all(deps, ref)
        httpx2.post(f"{standins['graph']}/_script", json={"steps": [{"path": "*/messages", "drop": "after"}]})
        deliver(deps, ref, [action_id])
        owner.execute("UPDATE action SET created_at = created_at - interval '11 minutes'")
        reconcile.tick(deps)
        assert owner.execute("SELECT kind, resolved_at FROM alert").fetchall() == [("send_uncertain", None)]
        with tenant_conn(deps, tenant_ids) as conn:
            assert action_desk.settle_uncertain(conn, tenant_ids["acme"], action_id, became="failed")
            assert not action_desk.settle_uncertain(conn, tenant_ids["acme"], action_id, became="sent")
        reconcile.tick(deps)
        assert state_of(owner, action_id) == ("failed", "not_arrived")
        assert owner.execute("SELECT kind, resolved_at IS NOT NULL FROM alert").fetchall() == [("send_uncertain", True)]
