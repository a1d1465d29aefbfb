"""The generic channel from a signed POST to the tenant's own reply URL."""

import json

import pytest

from config.settings import Settings
from config.tenant_file import parse_tenant_file
from store.tenants import apply_tenant
from tests.http_receiver import HttpReceiver
from tests.integration.passes import now, run_all
from worker import delivery, reconcile, steps
from worker.deps import build_deps


@pytest.fixture
def reply_host():
    host = HttpReceiver()
    yield host
    host.stop()


@pytest.fixture
def forms(settings, owner, database, keyring, reply_host):
    """A tenant with a web form; returns its id and dependencies that may reach this machine."""
    text = f"""
    slug = "forms"
    name = "Forms"
    industry = "ecommerce"
    [[channels]]
    kind = "generic"
    account_id = "web-forms"
    app_secret = ["new-secret", "old-secret"]
    reply_url = "{reply_host.url()}"
    [actions.send_refund_form]
    enabled = true
    url = "https://forms.example/refund"
    """
    with database.system_transaction() as conn:
        tenant_id = apply_tenant(conn, parse_tenant_file(text, source="t", environ={}), keyring=keyring)
    deps = build_deps(Settings.model_validate({**settings.model_dump(), "allow_private_urls": True}))
    yield tenant_id, deps
    deps.database.close()


def body(**message):
    item = {"id": "form-1", "from": {"id": "visitor-7", "email": "ada@example.com"}, "text": "hello", **message}
    return json.dumps({"account_id": "web-forms", "messages": [item]}).encode()


def test_a_form_is_read_routed_and_answered_at_the_tenants_own_url(forms, owner, reply_host, tenant_ids, receive):
    tenant_id, deps = forms
    tenant_ids["forms"] = tenant_id
    (ref,) = receive(body(text="The parcel never came, I want my money back!"), kind="generic", slug="forms")
    (action_id,) = run_all(deps, ref)
    delivery.deliver_action(deps, tenant_id=tenant_id, action_id=action_id, now=now())
    assert owner.execute("SELECT state, form FROM action WHERE id = %s", (action_id,)).fetchone() == ("sent", "link")
    (request,) = reply_host.received
    answer = request.json
    assert answer["to"] == {"id": "visitor-7", "email": "ada@example.com", "phone": None}
    assert (answer["idempotency_key"], answer["in_reply_to"]) == (action_id, "form-1")


def test_what_a_visitor_claims_finds_no_customer_of_another_channel(forms, owner, tenant_ids, receive):
    tenant_id, deps = forms
    tenant_ids["forms"] = tenant_id
    for number, claim in enumerate(({"id": "a"}, {"id": "b"})):
        sender = {**claim, "email": "same@example.com", "phone": "+905551112233"}
        (ref,) = receive(body(id=f"f{number}", **{"from": sender}), kind="generic", slug="forms")
        steps.minimize(deps, ref)
    rows = owner.execute("SELECT kind, value FROM customer_identity WHERE tenant_id = %s ORDER BY value", (tenant_id,))
    assert rows.fetchall() == [("external", "web-forms:a"), ("external", "web-forms:b")]


def test_an_interrupted_answer_is_simply_tried_again(forms, owner, reply_host, tenant_ids, receive):
    tenant_id, deps = forms
    tenant_ids["forms"] = tenant_id
    (ref,) = receive(body(text="The parcel never came, I want my money back!"), kind="generic", slug="forms")
    (action_id,) = run_all(deps, ref)
    owner.execute(
        "UPDATE action SET state = 'sending', lease_until = now() - interval '1 s' WHERE id = %s", (action_id,)
    )
    reconcile.tick(deps)
    delivery.deliver_action(deps, tenant_id=tenant_id, action_id=action_id, now=now())
    assert owner.execute("SELECT state FROM action WHERE id = %s", (action_id,)).fetchone() == ("sent",)
    assert len(reply_host.received) == 1
