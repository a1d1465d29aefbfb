"""`earshot doctor` on CRMs: each trouble with its tenant and the fix."""

import pytest

from store.crm_health import list_crm_problems
from tests.integration.workplace import add_conversation


@pytest.fixture
def acme(tenant_ids):
    return tenant_ids["acme"]


@pytest.fixture
def told(database):
    def read():
        with database.system_transaction() as conn:
            return [(one.subject, one.problem, one.fix) for one in list_crm_problems(conn)]

    return read


@pytest.fixture
def customer(owner, acme):
    """Linked, with a card that was due an hour ago."""
    (customer_id,) = owner.execute(
        "SELECT customer_id::text FROM conversation WHERE id = %s", (add_conversation(owner, acme),)
    ).fetchone()
    owner.execute(
        "INSERT INTO crm_link (customer_id, tenant_id, record_id, linked_because) VALUES (%s, %s, '1', 'phone')",
        (customer_id, acme),
    )
    owner.execute(
        "INSERT INTO crm_state (customer_id, tenant_id, next_at) VALUES (%s, %s, now() - interval '1 hour')",
        (customer_id, acme),
    )
    return customer_id


def test_a_healthy_crm_is_no_finding(told, acme):
    assert told() == []


def test_a_paused_connection_comes_with_the_fix_of_its_code(told, owner, customer):
    owner.execute("UPDATE crm_connection SET paused_because = 'missing_scopes:crm.objects.contacts.read'")
    ((subject, problem, fix),) = told()
    assert (subject, problem) == ("acme", "hubspot is paused (missing_scopes:crm.objects.contacts.read)")
    assert "grant these scopes" in fix and "earshot crm check --tenant acme" in fix


def test_cards_that_wait_long_say_why(told, owner, customer):
    ((_, problem, fix),) = told()
    assert problem == "1 cards, notes and tasks have waited for hubspot for more than 30 minutes"
    assert "worker of the role `crm`" in fix
    owner.execute("UPDATE crm_connection SET held_because = 'budget_used', held_until = now() + interval '1 hour'")
    ((_, problem, fix),) = told()
    assert problem.endswith("(budget_used)") and "day_share" in fix


def test_a_fill_of_the_crm_may_take_its_time(told, owner, customer):
    owner.execute("UPDATE crm_state SET is_bulk = true")
    assert told() == []


def test_what_was_given_up_is_named_until_it_is_old(told, owner, acme, customer):
    owner.execute("DELETE FROM crm_state")
    owner.execute(
        """
        INSERT INTO crm_event (tenant_id, customer_id, message_id, key, kind, subject, body, due_at, state, error_code)
        VALUES (%s, %s, uuidv7(), 'k', 'note', 's', 'b', now(), 'failed', 'value_refused')
        """,
        (acme, customer),
    )
    owner.execute(
        "INSERT INTO crm_erasure (tenant_id, record_id, clears_card, state, error_code) VALUES "
        "(%s, '5', true, 'failed', 'http_409'), (%s, '6', true, 'failed', 'crm_changed')",
        (acme, acme),
    )
    notes, cards = told()
    assert notes[1] == "hubspot took 1 notes and tasks not at all (value_refused)" and "earshot crm retry" in notes[2]
    assert cards[1] == "2 CRM cards still hold what must be gone (crm_changed, http_409)"
    owner.execute("UPDATE crm_event SET created_at = now() - interval '30 days'")
    owner.execute("UPDATE crm_erasure SET created_at = now() - interval '30 days'")
    ((_, problem, _),) = told()
    assert problem == "1 CRM cards still hold what must be gone (http_409)"


def test_missing_fields_and_many_doubles_are_named(told, owner, acme):
    owner.execute("UPDATE crm_connection SET fields_missing = '{a,b}'")
    for _ in range(20):
        owner.execute(
            "INSERT INTO crm_search (customer_id, tenant_id, outcome) "
            "SELECT customer_id, tenant_id, 'ambiguous' FROM conversation WHERE id = %s",
            (add_conversation(owner, acme),),
        )
    fields, doubles = told()
    assert fields[1] == "2 of our fields are missing in hubspot or of another type"
    assert doubles[1].startswith("20 customers stand in the CRM more than once")
    owner.execute("DELETE FROM crm_search WHERE customer_id = (SELECT min(customer_id::text)::uuid FROM crm_search)")
    assert len(told()) == 1
