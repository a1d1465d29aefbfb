"""What is held of one customer: looked at, given to them, erased; by command, page and call."""

import json
import tracemalloc

import pytest

from console.app import create_app
from store.customer_export import write_customer
from store.users import create_api_key
from tests.integration.console_visitor import add_visitor, signed_in, words
from tests.integration.passes import run_all
from tests.webhooks import whatsapp_body, whatsapp_message
from worker import erasing

PHONE = "905551112233"
WORDS = "my zeppelin is late and I want my money back"


@pytest.fixture
def acme(tenant_ids):
    return tenant_ids["acme"]


@pytest.fixture
def customer(deps, receive, owner):
    (ref,) = receive(whatsapp_body(whatsapp_message(WORDS, sender=PHONE, name="Ada", message_id="wamid.1")))
    run_all(deps, ref)
    return owner.execute("SELECT id::text FROM customer").fetchone()[0]


@pytest.fixture
def say(earshot):
    """Run a command; (exit code, what it said)."""

    def run(*arguments):
        code, printed, complained = earshot(*arguments)
        return code, printed + complained

    return run


@pytest.fixture
def app(settings):
    app = create_app({}, settings=settings)
    yield app
    app.extensions["database"].close()


def finish(deps):
    for tenant_id, erasure_id in erasing.take_due(deps):
        erasing.erase_customer(deps, tenant_id=tenant_id, erasure_id=erasure_id)


def test_the_export_holds_all_of_them_and_nobody_else(say, deps, receive, customer, owner, tmp_path):
    receive(whatsapp_body(whatsapp_message("where is it?", sender="905559998877", name="Bob")))
    code, told = say("export", "customer", "--tenant", "acme", "--phone", "+90 555 111 22 33")
    assert code == 0
    document = json.loads(told)
    assert document["customer"]["name"] == "Ada"
    assert {(one["kind"], one["value"]) for one in document["identities"]} == {("phone", PHONE)}
    (message,) = [one for one in document["messages"] if one["direction"] == "inbound"]
    assert message["text"] == WORDS and WORDS in message["raw_as_received"]
    assert message["analyses"][0]["intent"] == "refund_request" and message["decisions"]
    assert "zeppelin" in message["sent_to_ai_provider"][0]["text"]
    assert document["actions"] and document["conversations"][0]["channel"] == "whatsapp"
    assert "Bob" not in told and "905559998877" not in told
    assert owner.execute("SELECT subject FROM audit_log WHERE deed = 'customer_exported'").fetchall() == [(customer,)]
    file = tmp_path / "ada.json"
    assert say("export", "customer", "--tenant", "acme", "--customer", customer, "--out", str(file))[0] == 0
    assert json.loads(file.read_text())["customer"] == document["customer"]
    assert file.stat().st_mode & 0o777 == 0o600
    assert (
        "name a new file"
        in say("export", "customer", "--tenant", "acme", "--customer", customer, "--out", str(file))[1]
    )


def test_the_export_of_a_long_history_needs_no_more_memory(deps, owner, acme, customer):
    """Page by page: a thousand messages of 5 kB each are 10 MB of document and more."""
    owner.execute(
        """
        INSERT INTO message (tenant_id, customer_id, channel, surface, account_id, provider_message_id, direction, message_type, text,
                             sent_at, state, sender, minimized_text)
        SELECT %s, %s, 'whatsapp', 'dm', '1', n::text, 'inbound', 'text', repeat('word ', 1000), now(), 'done', '{}', repeat('word ', 1000)
        FROM generate_series(1, 1000) AS n
        """,
        (acme, customer),
    )
    tracemalloc.start()
    size = sum(len(piece) for piece in write_customer(lambda: deps.database.tenant_transaction(acme), acme, customer))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 10_000_000 > 3 * peak


def test_the_command_asks_waits_and_shows_a_receipt_without_a_name(say, deps, customer):
    code, told = say("erase", "--tenant", "acme", "--phone", PHONE, "--yes", "--wait", "0", "--json")
    waiting = json.loads(told)
    assert code == 1 and waiting["state"] == "waiting"
    finish(deps)
    code, told = say("erase", "--tenant", "acme", "--receipt", waiting["id"], "--json")
    done = json.loads(told)
    assert code == 0 and done["state"] == "done" and done["messages"] >= 1
    assert PHONE not in told and "Ada" not in told and customer not in told
    assert [
        json.loads(line)["id"] for line in say("erase", "--tenant", "acme", "--list", "--json")[1].splitlines()
    ] == [done["id"]]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--phone", "0555 000 00 00", "--yes"], "nobody is known"),
        (["--customer", "nonsense", "--yes"], "nobody is known"),
        (["--yes"], "name somebody"),
        (["--phone", PHONE], "say --yes"),
        (["--receipt", "01990000-0000-7000-8000-000000000000"], "there is no erasure"),
    ],
)
def test_a_command_that_cannot_be_done_says_why_and_erases_nobody(say, customer, owner, arguments, told):
    code, said = say("erase", "--tenant", "acme", *arguments)
    assert code == 1 and told in said
    assert owner.execute("SELECT count(*) FROM customer_erasure").fetchone() == (0,)


def test_a_program_finds_exports_and_erases(app, deps, owner, acme, customer, database):
    with database.system_transaction() as conn:
        key = create_api_key(conn, tenant_id=acme, name="dpo", role="admin", user_id=None, scopes=["privacy"])[1]
    client, head = app.test_client(), {"Authorization": f"Bearer {key}"}
    found = client.post("/api/v1/customers/find", json={"phone": "0555 111 22 33"}, headers=head).json["customers"]
    assert [one["customer_id"] for one in found] == [customer] and "Ada" not in str(found)
    export = client.get(f"/api/v1/customers/{customer}/export", headers=head)
    assert export.is_streamed and json.loads(export.text)["customer"]["id"] == customer
    asked = client.post(f"/api/v1/customers/{customer}/erase", headers=head).json
    assert asked["state"] == "waiting"
    finish(deps)
    done = client.get(f"/api/v1/erasures/{asked['erasure_id']}", headers=head).json
    assert done["state"] == "done" and done["counts"]["messages"] >= 1
    assert client.post("/api/v1/customers/find", json={"phone": PHONE}, headers=head).json == {"customers": []}
    for wrong in ({}, {"phone": PHONE, "channel_id": "x"}, {"phone": "\0\0\0"}):
        answer = client.post("/api/v1/customers/find", json=wrong, headers=head)
        assert answer.status_code == 422 and PHONE not in answer.text


def test_an_administrator_finds_exports_and_erases_in_the_console(app, deps, owner, acme, customer):
    admin = signed_in(app, add_visitor(owner, acme, email="ann@example.com", role="admin"))
    admin.get("/admin/privacy")
    page = admin.post("/admin/privacy/customers", by="phone", wanted="+90 (555) 111-22-33")
    assert "Ada" in page.text and "What stays" in page.text
    export = admin.client.get(f"/admin/privacy/customers/{customer}/export.json")
    assert (
        "attachment" in export.headers["Content-Disposition"] and json.loads(export.text)["customer"]["name"] == "Ada"
    )
    refused = admin.post(f"/admin/privacy/customers/{customer}/erase")
    assert refused.status_code == 422 and "nothing was erased" in refused.text
    page = admin.post(f"/admin/privacy/customers/{customer}/erase", agreed="yes")
    assert "They are being erased" in page.text and "under way" in words(page)
    finish(deps)
    page = admin.get("/admin/privacy")
    assert "Ada" not in page.text and customer not in page.text
    assert admin.get(f"/admin/privacy/customers/{customer}").status_code == 404
    assert "Nobody is known by this" in admin.post("/admin/privacy/customers", by="phone", wanted=PHONE).text
    log = admin.get("/admin/audit-log").text
    assert "erased a customer" in log and "exported what is known" in log


def test_only_administrators_are_led_there(app, deps, owner, acme, customer):
    conversation = owner.execute("SELECT id FROM conversation").fetchone()[0]
    for role, sees in (("agent", False), ("supervisor", False), ("admin", True)):
        visitor = signed_in(app, add_visitor(owner, acme, email=f"{role}@example.com", role=role))
        assert ("Export or erase this customer" in visitor.get(f"/conversations/{conversation}").text) is sees


@pytest.mark.parametrize("deed", ["UPDATE audit_log SET deed = 'x'", "DELETE FROM audit_log", "TRUNCATE audit_log"])
def test_not_even_the_owner_rewrites_the_audit_log_by_a_slip(owner, deed):
    import psycopg

    owner.execute("INSERT INTO audit_log (deed) VALUES ('signed_in')")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="only ever appended to"):
        owner.execute(deed)
    assert owner.execute("SELECT count(*) FROM audit_log").fetchone() == (1,)
