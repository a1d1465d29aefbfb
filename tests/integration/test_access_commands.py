"""`earshot user link`, `apikey create --scope` and `audit-log`."""

import csv
import io
import json
import re

from console.app import create_app
from store.audit_log import note_deed
from store.users import find_api_key
from tests.integration.console_visitor import ConsoleVisitor
from tests.integration.workplace import add_person

NEW_PASSWORD = "purple lamps under the harbour"


def test_a_link_lets_somebody_in_who_is_locked_out(earshot, settings, owner, tenant_ids):
    add_person(owner, tenant_ids["acme"], email="ann@example.com")
    code, told, _ = earshot("user", "link", "--email", "Ann@example.com")
    (path,) = re.findall(r"(/welcome/[\w-]{43})", told)
    app = create_app({}, settings=settings)
    guest = ConsoleVisitor(app)
    guest.get(path)
    guest.post(f"{path}/password", password=NEW_PASSWORD, again=NEW_PASSWORD)
    assert code == 0 and guest.sign_in("ann@example.com", NEW_PASSWORD).status_code == 302
    app.extensions["database"].close()
    assert earshot("user", "link", "--email", "nobody@example.com")[::2] == (
        1,
        "earshot user: nobody has the e-mail nobody@example.com; see earshot user list\n",
    )


def test_a_key_is_narrowed_and_making_and_ending_it_is_noted(earshot, owner, database, tenant_ids):
    _, told, _ = earshot(
        "apikey", "create", "--tenant", "acme", "--name", "inbox", "--scope", "read", "--scope", "work"
    )
    key = told.rpartition(" ")[2].strip()
    with database.system_transaction() as conn:
        found = find_api_key(conn, key)
    assert found.scopes == ["read", "work"]
    _, told, _ = earshot("apikey", "create", "--tenant", "acme", "--name", "all")
    with database.system_transaction() as conn:
        assert find_api_key(conn, told.rpartition(" ")[2].strip()).scopes is None
    assert earshot("apikey", "create", "--tenant", "acme", "--name", "x", "--scope", "everything")[0] == 2
    earshot("apikey", "revoke", str(found.id))
    _, told, _ = earshot("audit-log", "--tenant", "acme")
    lines = [line.split("  ", 1)[1].strip() for line in told.splitlines()[1:]]
    assert lines == [
        "The command line revoked the API key inbox.",
        "The command line made the API key all with the role agent.",
        "The command line made the API key inbox with the role agent.",
    ]
    assert earshot("audit-log", "--tenant", "other")[1] == "nothing fits\n"


def test_a_role_given_again_is_in_force_again(earshot, owner, tenant_ids):
    acme = tenant_ids["acme"]
    user_id = add_person(owner, acme, email="ann@example.com")
    owner.execute("DELETE FROM membership WHERE user_id = %s", (user_id,))
    owner.execute(
        "INSERT INTO absent_member (tenant_id, user_id, role, because) VALUES (%s, %s, 'agent', 'off')", (acme, user_id)
    )
    assert earshot("user", "add", "--email", "ann@example.com", "--tenant", "acme", "--role", "auditor")[0] == 0
    assert owner.execute("SELECT role FROM membership WHERE user_id = %s", (user_id,)).fetchone() == ("auditor",)
    assert owner.execute("SELECT count(*) FROM absent_member").fetchone() == (0,)
    assert owner.execute("SELECT deed, subject FROM audit_log").fetchall() == [("role_given", str(user_id))]


def test_the_log_is_narrowed_and_printed_for_programs_and_spreadsheets(earshot, database, owner, tenant_ids):
    ann = add_person(owner, tenant_ids["acme"], email="ann@example.com")
    with database.system_transaction() as conn:
        for number in range(3):
            note_deed(conn, tenant_ids["acme"], by=None, deed="link_made", subject=str(ann), details={"n": number})
        note_deed(conn, tenant_ids["acme"], by=None, deed="something", subject="=1+1")
        note_deed(conn, None, by=None, deed="sign_in_failed", details={"how": "password"})
    _, told, _ = earshot("audit-log", "--tenant", "acme", "--subject", "ann@example.com", "--json", "--limit", "2")
    rows = [json.loads(line) for line in told.splitlines()]
    assert [row["details"] for row in rows] == [{"n": 2}, {"n": 1}]
    assert rows[0]["sentence"] == "Earshot made a one-time link for ann@example.com."
    _, told, _ = earshot("audit-log", "--tenant", "acme", "--deed", "something", "--csv")
    (_, row) = csv.reader(io.StringIO(told.removeprefix("\ufeff")))
    assert told.startswith("\ufeff") and row[2] == "'=1+1"
    _, told, _ = earshot("audit-log", "--installation", "--json")
    assert [json.loads(line)["sentence"] for line in told.splitlines()] == [
        "A sign-in as an unknown account failed (with a password)."
    ]
    assert earshot("audit-log", "--tenant", "acme", "--since", "2999-01-01")[1] == "nothing fits\n"
    assert earshot("audit-log", "--tenant", "nobody")[0] == 1
    assert earshot("audit-log", "--tenant", "acme", "--person", "nobody@example.com")[0] == 1
    for wrong in (("--since", "yesterday"), ("--limit", "0"), ()):
        chosen = ("--tenant", "acme") if wrong else ()
        assert earshot("audit-log", *chosen, *wrong)[0] == 2
