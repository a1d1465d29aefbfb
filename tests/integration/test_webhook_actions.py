"""A tenant's own endpoint: signed, told again under the same id, never a door into the network."""

import base64
import hashlib
import hmac
import json

import pytest

from channels.guarded_http import GuardedHttp
from config.tenant_file import parse_tenant_file
from store import action_desk
from store.tenants import apply_tenant
from tests.conftest import ACME
from tests.http_receiver import HttpReceiver
from tests.integration.passes import run_all
from tests.integration.test_sending import deliver, state_of
from tests.webhooks import whatsapp_body, whatsapp_message
from worker import reconcile
from worker.webhook_delivery import MAX_WEBHOOK_TRIES

WORDS = "The parcel is late for the third time. I want my money back!"
SECRET = "whsec_" + base64.b64encode(b"thirty two bytes of a test secret").decode()
RULE = """
[[rules]]
name = "tell"
because = "The shop system wants to know."
when = { sentiment = ["negative"] }
then = { queue = "senior", priority = "P2", actions = ["webhook"] }
"""


@pytest.fixture
def endpoint():
    receiver = HttpReceiver()
    yield receiver
    receiver.stop()


@pytest.fixture
def apply(deps, keyring):
    """The tenant with a webhook to this URL."""

    def change(url, *more, allow_private=True):
        hook = f'[actions.webhook]\nenabled = true\nurl = "{url}"\nsecret = "{SECRET}"\n' + "\n".join(more)
        environ = {"ALLOW_PRIVATE_URLS": "true"}
        config = parse_tenant_file(ACME + hook + RULE, source="test", environ=environ)
        with deps.database.system_transaction() as conn:
            apply_tenant(conn, config, keyring=keyring)
        deps.tenants._cached.clear()
        deps.__dict__["guarded_http"] = GuardedHttp(timeout_s=2, allow_private_addresses=allow_private)

    return change


@pytest.fixture
def planned(deps, receive, times):
    def plan():
        (ref,) = receive(whatsapp_body(whatsapp_message(WORDS, timestamp=next(times))))
        return ref, run_all(deps, ref)

    return plan


def test_the_endpoint_gets_labels_and_reasons_under_a_signature_it_can_check(deps, owner, endpoint, apply, planned):
    apply(endpoint.url())
    ref, pending = planned()
    deliver(deps, ref, pending * 2)
    (got,) = endpoint.received
    headers = {name.lower(): value for name, value in got.headers.items()}
    assert headers["webhook-id"] == pending[0]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + got.body
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    data = got.json["data"]
    assert (data["priority"], data["queue"], data["rule"]) == ("P2", "senior", "tell")
    assert data["label"]["sentiment"] == "negative" and data["message_id"] == ref.message_id
    assert "parcel" not in got.body.decode() and "905551112233" not in got.body.decode()
    assert state_of(owner, pending[0]) == ("sent", None)


def test_words_leave_only_with_the_tenants_consent(deps, endpoint, apply, planned):
    apply(endpoint.url(), "include_text = true")
    ref, pending = planned()
    deliver(deps, ref, pending)
    assert endpoint.received[0].json["data"]["text"] == WORDS


def test_the_secret_is_stored_encrypted_and_nowhere_else(owner, endpoint, apply):
    apply(endpoint.url())
    config = owner.execute("SELECT config::text FROM tenant WHERE slug = 'acme'").fetchone()[0]
    stored = bytes(owner.execute("SELECT secret FROM action_secret").fetchone()[0])
    assert SECRET not in config and SECRET.encode() not in stored


def test_a_sick_endpoint_is_told_again_under_the_same_id_and_given_up_at_last(
    deps, owner, endpoint, apply, planned, tenant_ids
):
    apply(endpoint.url())
    ref, (action_id,) = planned()
    endpoint.answers(503, {}, Retry_After="120")
    deliver(deps, ref, [action_id])
    assert state_of(owner, action_id) == ("pending", "503")
    wait_s = owner.execute("SELECT extract(epoch FROM next_at - now())::float FROM action WHERE id = %s", (action_id,))
    assert 110 < wait_s.fetchone()[0] < 130
    owner.execute("UPDATE action SET tries = %s WHERE id = %s", (MAX_WEBHOOK_TRIES - 1, action_id))
    deliver(deps, ref, [action_id])
    assert state_of(owner, action_id) == ("failed", "503")
    reconcile.tick(deps)
    assert owner.execute("SELECT kind, details ->> 'action' FROM alert").fetchall() == [("send_failed", "webhook")]
    endpoint.answers(200, {})
    with deps.database.tenant_transaction(tenant_ids["acme"]) as conn:
        assert action_desk.replay_webhook(conn, tenant_ids["acme"], action_id)
    deliver(deps, ref, [action_id])
    assert state_of(owner, action_id) == ("sent", None)
    ids = {{name.lower(): value for name, value in got.headers.items()}["webhook-id"] for got in endpoint.received}
    assert ids == {action_id}


@pytest.mark.parametrize(("status", "code"), [(400, "400"), (302, "redirected")])
def test_a_refusal_is_final(deps, owner, endpoint, apply, planned, status, code):
    apply(endpoint.url())
    ref, (action_id,) = planned()
    endpoint.answers(status, {}, Location="http://127.0.0.1/elsewhere")
    deliver(deps, ref, [action_id])
    assert state_of(owner, action_id) == ("failed", code) and len(endpoint.received) == 1


def test_an_interrupted_call_is_made_again_because_the_far_side_knows_its_id(deps, owner, endpoint, apply, planned):
    apply(endpoint.url())
    ref, (action_id,) = planned()
    owner.execute(
        "UPDATE action SET state = 'sending', lease_until = now() - interval '1 s' WHERE id = %s", (action_id,)
    )
    reconcile.tick(deps)
    assert state_of(owner, action_id) == ("pending", "interrupted")
    deliver(deps, ref, [action_id])
    assert state_of(owner, action_id) == ("sent", None)


def test_a_name_that_leads_inside_by_now_is_refused_when_it_is_called(deps, owner, endpoint, apply, planned):
    apply(f"https://localhost:{endpoint.port}/hook", allow_private=False)
    ref, (action_id,) = planned()
    deliver(deps, ref, [action_id])
    assert state_of(owner, action_id) == ("failed", "url_points_inside")
    assert endpoint.connections == 0
    reconcile.tick(deps)
    details = owner.execute("SELECT details FROM alert").fetchall()
    assert "url_points_inside" in json.dumps(details) and "hook" not in json.dumps(details).replace("webhook", "")


def test_a_message_to_a_customer_is_never_replayed(deps, owner, endpoint, apply, planned, tenant_ids):
    apply(endpoint.url())
    _, (action_id,) = planned()
    owner.execute("UPDATE action SET kind = 'send_refund_form', state = 'failed' WHERE id = %s", (action_id,))
    with deps.database.tenant_transaction(tenant_ids["acme"]) as conn:
        assert not action_desk.replay_webhook(conn, tenant_ids["acme"], action_id)
