"""`earshot crm` as an administrator types it, on every CRM: with keys that stay and with tokens that run out."""

import json

import pytest

from config.crm import CrmConfig
from devstack.providers import STANDIN_OF
from store.crm_connections import apply_connection
from tests.crm_portals import PORTALS
from tests.integration.passes import run_all
from tests.integration.test_label_commands import earshot  # noqa: F401 -- a fixture
from tests.webhooks import whatsapp_body, whatsapp_message
from worker.crm_flush import flush_crm
from worker.crm_watch import check as check_again

pytestmark = pytest.mark.in_turns

PHONE = "905551112233"
ABSENT = {"salesforce": "003000000000001AAA"}
NOBODY = "0199f2a0-0000-7000-8000-000000000001"


@pytest.fixture(params=sorted(PORTALS))
def kind(request):
    return request.param


@pytest.fixture
def acme(tenant_ids):
    return tenant_ids["acme"]


@pytest.fixture
def portal(kind, standins, database, acme, keyring):
    """An account that acme is connected to."""
    portal = PORTALS[kind](standins[kind])
    connect(database, acme, keyring, kind, portal.credentials)
    yield portal
    portal.reset()


def connect(database, acme, keyring, kind, credentials, **settings):
    with database.tenant_transaction(acme) as conn:
        apply_connection(conn, acme, CrmConfig(kind=kind, **credentials, **settings), keyring=keyring)


@pytest.fixture
def crm(earshot, standins, monkeypatch):  # noqa: F811
    """Run one: crm("check", "--json")."""
    for name, standin in STANDIN_OF.items():
        monkeypatch.setenv(name, standins[standin])
    return lambda action, *arguments: earshot("crm", action, "--tenant", "acme", *arguments)


@pytest.fixture
def customer(owner, deps, receive, times):
    """Who has written once and been judged; nothing waits for the CRM."""
    (ref,) = receive(whatsapp_body(whatsapp_message("It came late, I am angry.", sender=PHONE, timestamp=next(times))))
    run_all(deps, ref)
    owner.execute("DELETE FROM crm_state")
    owner.execute("DELETE FROM crm_search")
    owner.execute("DELETE FROM crm_event")
    return owner.execute("SELECT id::text FROM customer").fetchone()[0]


def revoke(portal, kind):
    """The credentials work no longer."""
    if kind in {"zoho", "salesforce"}:
        portal.conditions(refresh_tokens_work=False)
    else:
        portal.script(
            method="GET",
            path="/*",
            status=401,
            times=50,
            body={"category": "INVALID_AUTHENTICATION", "message": "secret words"},
        )


def repair(portal, kind, standins):
    import httpx2

    httpx2.delete(f"{standins[kind]}/_conditions")
    httpx2.delete(f"{standins[kind]}/_script")


def test_a_check_tells_the_account_and_prints_no_secret(crm, portal, kind):
    code, out, _ = crm("check")
    assert code == 0 and out.startswith(f"{kind}: the credentials work, account ")
    told = json.loads(crm("check", "--json")[1])
    assert told["crm"] == kind and told["account_id"] and told["unreadable"] is None
    for secret in portal.credentials.values():
        assert len(secret) < 8 or secret not in out


def test_revoked_credentials_pause_alert_and_a_check_after_the_repair_lifts(
    crm, portal, kind, owner, standins, deps, acme
):
    revoke(portal, kind)
    code, _, told = crm("check")
    assert code == 1 and told.startswith(f"earshot crm: {kind}: ")
    assert "make new credentials in the CRM, put them under [crm] in the tenant file" in told
    assert "secret words" not in told
    assert crm("check")[0] == 1
    # People are told once, however often somebody looks.
    assert owner.execute("SELECT kind, resolved_at FROM alert").fetchall() == [("crm_paused", None)]
    code, out, _ = crm("status")
    assert code == 1 and "paused (" in out and "then `earshot crm check`" in out
    repair(portal, kind, standins)
    assert crm("check")[0] == 0
    code, out, _ = crm("status")
    assert code == 0 and ": works\n" in out
    assert owner.execute("SELECT count(*) FROM alert WHERE resolved_at IS NULL").fetchone() == (0,)
    # The worker finds out by itself, too.
    revoke(portal, kind)
    crm("check")
    repair(portal, kind, standins)
    check_again(deps, tenant_id=acme)
    assert crm("status")[0] == 0


def test_a_crm_that_does_not_answer_is_not_paused(crm, portal, kind, monkeypatch, owner):
    for name in STANDIN_OF:
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    code, _, told = crm("check")
    assert code == 1 and "reachable from here?" in told
    assert owner.execute("SELECT paused_because FROM crm_connection").fetchone() == (None,)


def test_fields_are_shown_then_made_and_then_there(crm, portal, owner):
    code, out, _ = crm("provision", "--dry-run")
    assert code == 0 and out.startswith("present 0, missing ") and "missing: " in out
    made = json.loads(crm("provision", "--json")[1])
    assert made["created"] and not made["missing"]
    code, out, _ = crm("provision")
    assert code == 0 and out == f"created 0, present {len(made['created'])}, missing 0\n"
    assert owner.execute("SELECT provisioned_at IS NOT NULL FROM crm_connection").fetchone() == (True,)


def test_without_the_right_to_make_fields_the_administrator_gets_a_list(crm, portal, owner):
    portal.conditions(may_provision=False)
    code, out, _ = crm("provision")
    assert code == 1 and "make by hand: " in out and "earshot_score" in out.lower()
    code, out, _ = crm("status")
    assert code == 0 and "make by hand: " in out


def test_the_crm_is_filled_and_the_log_says_what_was_written(crm, portal, owner, acme, customer, deps):
    record = portal.add_contact(phone=f"+{PHONE}")
    assert json.loads(crm("backfill", "--dry-run", "--json")[1]) == {"cards": 1, "searches": 1, "dry_run": True}
    assert owner.execute("SELECT count(*) FROM crm_state").fetchone() == (0,)
    assert crm("log")[1] == "nothing was written yet\n"
    code, out, _ = crm("backfill")
    assert code == 0 and out.startswith("1 cards will be written")
    flush_crm(deps, tenant_id=acme)
    line = json.loads(crm("log", "--json")[1])
    assert (line["customer_id"], line["record_id"], line["because"]) == (customer, record, "backfill")
    assert line["fields"]["earshot_sentiment"] == "negative" and "earshot_last_summary" not in line["fields"]
    code, out, _ = crm("log", "--customer", customer, "--limit", "1")
    assert code == 0 and "1 negative message" in out
    assert json.loads(crm("status", "--json")[1])["linked"] == 1
    code, _, told = crm("log", "--customer", NOBODY)
    assert code == 1 and told == "earshot crm: --customer: acme has no customer with this id\n"
    code, _, told = crm("log", "--limit", "0")
    assert code == 2 and "give a number from 1 to" in told


def test_of_two_records_a_person_picks_one(crm, portal, kind, owner, acme, customer, deps):
    one, other = portal.add_contact(phone=f"+{PHONE}"), portal.add_contact(phone=f"+{PHONE}")
    crm("backfill")
    flush_crm(deps, tenant_id=acme)
    out = crm("status")[1]
    assert f"pick one for customer {customer}" in out and f"{one} by phone" in out and f"{other} by phone" in out
    code, _, told = crm("link", "--customer", customer, "--record", "12-34")
    assert code == 1 and told.startswith(f"earshot crm: --record: '12-34' is no id of {kind}'s: give the ")
    code, _, told = crm("link", "--customer", customer, "--record", ABSENT.get(kind, "99999999"))
    assert code == 1 and told == f"earshot crm: --record: {kind} has no contact {ABSENT.get(kind, '99999999')}\n"
    code, _, told = crm("link", "--customer", NOBODY, "--record", one)
    assert code == 1 and "--customer: acme has no customer" in told
    assert crm("link", "--customer", "x", "--record", one)[0] == 2
    assert crm("link", "--customer", customer, "--record", one)[:2] == (
        0,
        "linked; the card is written with the next round\n",
    )
    assert crm("link", "--customer", customer, "--record", one)[1] == "nothing changed\n"
    owner.execute("UPDATE crm_state SET next_at = now()")
    flush_crm(deps, tenant_id=acme)
    assert portal.card(one)["earshot_sentiment"] == "negative"
    # It was the other one.
    assert crm("link", "--customer", customer, "--record", other)[0] == 0
    flush_crm(deps, tenant_id=acme)
    assert portal.card(other)["earshot_sentiment"] == "negative"
    assert not portal.card(one).get("earshot_sentiment") or portal.card(one)["earshot_sentiment"] == "None"
    code, out, _ = crm("unlink", "--customer", customer)
    assert code == 0 and out == f"taken away from record {other}, which is cleared with the next round\n"
    assert crm("unlink", "--customer", customer)[1] == "no record is linked\n"
    assert "looked for again" in crm("unlink", "--customer", customer, "--search-again")[1]


def test_a_field_of_the_tenants_that_is_not_there_is_named(crm, portal, kind, owner, acme, customer, database, keyring):
    connect(database, acme, keyring, kind, portal.credentials, tier_field="levle")
    assert crm("check")[0] == 0  # no record is known to try it on
    record = portal.add_contact(phone=f"+{PHONE}")
    assert crm("link", "--customer", customer, "--record", record)[0] == 0
    code, out, _ = crm("check")
    assert code == 1 and "a field of yours cannot be read: field_missing:levle: correct high_value, tier_field" in out
    assert json.loads(crm("check", "--json")[1])["unreadable"] == "field_missing:levle"


def test_what_was_given_up_is_named_and_tried_again(crm, portal, owner, acme, customer):
    owner.execute(
        """
        INSERT INTO crm_event (tenant_id, customer_id, message_id, key, kind, subject, body, due_at, state, error_code, tries)
        VALUES (%s, %s, uuidv7(), 'k', 'note', 's', 'b', now(), 'failed', 'value_refused', 20)
        """,
        (acme, customer),
    )
    owner.execute(
        "INSERT INTO crm_erasure (tenant_id, record_id, clears_card, state, error_code) VALUES "
        "(%s, '55', true, 'failed', 'http_409'), (%s, '66', true, 'failed', 'crm_changed')",
        (acme, acme),
    )
    out = crm("status")[1]
    assert "0 wait, 1 failed" in out and "not cleared: record 55 (http_409)" in out and "record 66 (crm_changed)" in out
    assert crm("retry")[:2] == (0, "1 notes and tasks, 1 erasures are tried again\n")
    assert owner.execute("SELECT state, tries FROM crm_event").fetchone() == ("pending", 1)


@pytest.mark.parametrize("action", ["check", "status", "log", "backfill", "provision"])
def test_a_tenant_without_crm_is_told_how_to_get_one(earshot, action):  # noqa: F811
    code, _, told = earshot("crm", action, "--tenant", "other")
    assert code == 1 and "other has no CRM: add [crm] to its tenant file" in told
    assert "there is no tenant 'zoo'" in earshot("crm", action, "--tenant", "zoo")[2]


def test_wrong_use_ends_with_2(earshot):  # noqa: F811
    assert earshot("crm", "link", "--tenant", "acme", "--customer", NOBODY)[0] == 2
