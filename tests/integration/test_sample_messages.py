"""Nothing of a test message reaches a customer or a CRM, whatever the tenant has switched on."""

from datetime import UTC, datetime

import httpx2
import pytest

from channels.sample import sample_body
from tests.integration.passes import now, run_all
from worker import delivery
from worker.crm_flush import flush_crm

REFUND = "The parcel is late for the third time. I want my money back!"


@pytest.mark.parametrize(("kind", "account"), [("whatsapp", "111000111"), ("instagram", "17841400000000111")])
def test_its_answers_are_called_off(deps, receive, owner, standins, kind, account):
    before = len(httpx2.get(f"{standins['graph']}/_sends").json())
    body = sample_body(kind, account, text=REFUND, message_id="earshot-test-1", now=datetime.now(UTC))
    (ref,) = receive(body, kind=kind)
    for action_id in run_all(deps, ref):
        delivery.deliver_action(deps, tenant_id=ref.tenant_id, action_id=action_id, now=now())
    actions = owner.execute("SELECT state, error_code FROM action WHERE kind = 'send_refund_form'").fetchall()
    assert actions == [("cancelled", "test_message")]
    assert len(httpx2.get(f"{standins['graph']}/_sends").json()) == before
    assert owner.execute("SELECT sentiment FROM message_analysis WHERE NOT provisional").fetchone() == ("negative",)


def test_no_record_is_made_or_looked_for_in_the_crm(crm_desk, deps, receive, owner):
    desk = crm_desk("hubspot", slug="acme", create_contacts=True)
    httpx2.delete(f"{desk.url}/_received")
    body = sample_body("whatsapp", "111000111", text=REFUND, message_id="earshot-test-2", now=datetime.now(UTC))
    (ref,) = receive(body)
    run_all(deps, ref)
    desk.due()
    for _ in range(2):
        flush_crm(deps, tenant_id=desk.tenant_id)
    asked = httpx2.get(f"{desk.url}/_received").text
    assert "/objects/" not in asked and "Earshot test" not in asked
    assert owner.execute("SELECT count(*) FROM crm_link").fetchone() == (0,)
    assert owner.execute("SELECT outcome FROM crm_search").fetchall() == [("nobody",)]
