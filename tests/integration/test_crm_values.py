"""What the CRM says a customer is worth reaches the rules, and nothing is believed that is not said."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from config.crm import CrmSettings, HighValue
from store.crm_links import CustomerValue
from store.customers import lock_conversation
from tests.integration.passes import run_all
from tests.webhooks import whatsapp_body, whatsapp_message
from worker.crm_values import judge_value, read_stale_values

KINDS = ("hubspot", "salesforce", "zoho", "pipedrive")
BY_NAME = CrmSettings(high_value=HighValue(field="tier", is_one_of=("VIP", "gold")), tier_field="tier")
BY_AMOUNT = CrmSettings(high_value=HighValue(field="sum", at_least=Decimal(1000)), value_field="sum")


@pytest.mark.parametrize(
    ("fields", "settings", "expected"),
    [
        ({"tier": "vip"}, BY_NAME, CustomerValue(True, "vip", None)),
        ({"tier": " Gold "}, BY_NAME, CustomerValue(True, " Gold ", None)),
        ({"tier": "silver;VIP"}, BY_NAME, CustomerValue(True, "silver;VIP", None)),
        ({"tier": "vip-ish"}, BY_NAME, CustomerValue(False, "vip-ish", None)),
        ({"tier": None}, BY_NAME, CustomerValue(False, None, None)),
        ({}, BY_NAME, CustomerValue(False, None, None)),
        ({"sum": "1000"}, BY_AMOUNT, CustomerValue(True, None, Decimal(1000))),
        ({"sum": "1,250.50"}, BY_AMOUNT, CustomerValue(True, None, Decimal("1250.50"))),
        ({"sum": "999.99"}, BY_AMOUNT, CustomerValue(False, None, Decimal("999.99"))),
        ({"sum": "a lot"}, BY_AMOUNT, CustomerValue(False, None, None)),
        ({"sum": "Infinity"}, BY_AMOUNT, CustomerValue(False, None, None)),
        ({"sum": "NaN"}, BY_AMOUNT, CustomerValue(False, None, None)),
    ],
)
def test_what_fields_mean(fields, settings, expected):
    assert judge_value(fields, settings) == expected


def value_of(desk, customer):
    return desk.owner.execute("SELECT high_value, tier FROM customer WHERE id = %s", (customer,)).fetchone()


@pytest.mark.parametrize("kind", KINDS)
def test_a_customer_who_is_found_brings_value_and_tier_along(crm_desk, kind):
    desk = crm_desk(kind)
    own = desk.portal.own_field
    desk.portal.add_contact(phone="+905551112233", **{own: "vip"})
    desk.portal.add_contact(phone="+905550000000")
    desk.connect(high_value={"field": own, "is_one_of": ["VIP"]}, tier_field=own)
    vip, plain = desk.customer("905551112233"), desk.customer("905550000000")
    desk.flush()
    assert (value_of(desk, vip), value_of(desk, plain)) == ((True, "vip"), (False, None))


def test_values_are_read_again_after_a_day_and_forgotten_with_the_mapping(crm_desk, deps):
    desk = crm_desk()
    record = desk.portal.add_contact(phone="+905551112233", lifecyclestage="vip")
    mapping = {"high_value": {"field": "lifecyclestage", "is_one_of": ["vip"]}}
    desk.connect(**mapping)
    customer = desk.customer("905551112233")
    desk.flush()
    assert value_of(desk, customer) == (True, None)
    desk.portal._http.patch(
        f"/crm/objects/2026-09/contacts/{record}", json={"properties": {"lifecyclestage": "lead"}}
    ).raise_for_status()
    read_stale_values(deps, tenant_id=desk.tenant_id)
    assert value_of(desk, customer) == (True, None), "it was read today"
    desk.owner.execute("UPDATE crm_link SET values_read_at = now() - interval '25 hours'")
    read_stale_values(deps, tenant_id=desk.tenant_id)
    assert value_of(desk, customer) == (False, None)
    desk.owner.execute("UPDATE customer SET high_value = true")
    desk.connect()
    assert value_of(desk, customer) == (False, None)


def test_a_field_that_the_crm_lacks_makes_nobody_valuable_and_stops_nothing(crm_desk):
    desk = crm_desk(high_value={"field": "no_such_field", "is_one_of": ["vip"]})
    record = desk.portal.add_contact(phone="+905551112233")
    customer = desk.customer("905551112233")
    desk.flush()
    desk.flush()
    assert value_of(desk, customer) == (False, None) and desk.label(record)
    assert desk.connection("paused_because", "held_because") == (None, None)


def test_a_negative_message_of_a_valuable_customer_is_p1(crm_desk, deps, receive):
    desk = crm_desk(slug="acme", high_value={"field": "lifecyclestage", "is_one_of": ["vip"]})
    desk.portal.add_contact(phone="+905551112233", lifecyclestage="vip")
    stamps = iter(str(int(datetime.now(UTC).timestamp()) - 50 + number) for number in range(9))
    (first,) = receive(whatsapp_body(whatsapp_message("where is my order?", timestamp=next(stamps))))
    run_all(deps, first)
    desk.due()
    desk.flush()
    (second,) = receive(
        whatsapp_body(whatsapp_message("The parcel is late again, this is terrible", timestamp=next(stamps)))
    )
    run_all(deps, second)
    (conversation_id,) = desk.owner.execute("SELECT id::text FROM conversation").fetchone()
    with deps.database.tenant_transaction(desk.tenant_id) as conn:
        conversation = lock_conversation(conn, conversation_id)
    assert (conversation.high_value, conversation.priority) == (True, "P1")
