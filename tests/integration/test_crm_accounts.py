"""Credentials of another account: no record that was known is taken for the one with the same id there."""

import pytest

from config.crm import CrmConfig
from store.crm_connections import apply_connection, list_unchecked_tenants
from store.crm_states import mark_dirty
from tests.crm_portals import PORTALS
from tests.integration.passes import run_all
from tests.webhooks import whatsapp_body, whatsapp_message
from worker.crm_flush import flush_crm
from worker.crm_watch import check

PHONE = "905551112233"


@pytest.fixture
def acme(tenant_ids):
    return tenant_ids["acme"]


@pytest.fixture
def connect(database, acme, keyring):
    def apply(credentials):
        with database.tenant_transaction(acme) as conn:
            apply_connection(conn, acme, CrmConfig(kind="hubspot", **credentials), keyring=keyring)

    return apply


@pytest.fixture
def flush(deps, database, acme, owner):
    def write(customer_id):
        with database.tenant_transaction(acme) as conn:
            mark_dirty(conn, acme, customer_id, because="message")
        owner.execute("UPDATE crm_state SET next_at = now()")
        flush_crm(deps, tenant_id=acme)

    return write


@pytest.fixture
def customer(deps, owner, receive, times):
    (ref,) = receive(whatsapp_body(whatsapp_message("It came late.", sender=PHONE, timestamp=next(times))))
    run_all(deps, ref)
    return owner.execute("SELECT id::text FROM customer").fetchone()[0]


@pytest.fixture
def portals(standins):
    both = PORTALS["hubspot"](standins["hubspot"]), PORTALS["hubspot"](standins["hubspot"])
    yield both
    for one in both:
        one.reset()


def test_another_account_is_noticed_before_anything_is_written_there(
    portals, connect, flush, customer, owner, deps, acme
):
    old, new = portals
    connect(old.credentials)
    record = old.add_contact(phone=f"+{PHONE}")
    flush(customer)
    assert old.card(record)["earshot_sentiment"] == "negative"
    with deps.database.system_transaction() as conn:
        assert list_unchecked_tenants(conn) == [acme]
    check(deps, tenant_id=acme)
    with deps.database.system_transaction() as conn:
        assert list_unchecked_tenants(conn) == []
    account = owner.execute("SELECT account_id FROM crm_connection").fetchone()[0]
    # In the other account the same id is somebody else's.
    stranger = new.add_contact(phone="+4915112345678")
    owner.execute("UPDATE crm_link SET record_id = %s", (stranger,))
    own = new.add_contact(phone=f"+{PHONE}")
    connect(new.credentials)
    flush(customer)
    assert owner.execute("SELECT account_id FROM crm_connection").fetchone()[0] != account
    assert "earshot_sentiment" not in {name for name, value in new.card(stranger).items() if value}
    assert new.card(own)["earshot_sentiment"] == "negative"


def test_new_credentials_of_the_same_account_keep_what_is_known(portals, connect, flush, customer, owner):
    old, _ = portals
    connect(old.credentials)
    record = old.add_contact(phone=f"+{PHONE}")
    flush(customer)
    before = owner.execute("SELECT record_id, linked_at FROM crm_link").fetchone()
    owner.execute("UPDATE crm_connection SET applied_hash = 'of an older token'")
    connect(old.credentials)
    flush(customer)
    assert owner.execute("SELECT record_id, linked_at FROM crm_link").fetchone() == before == (record, before[1])
