"""From a customer's message to the person who is given it."""

from datetime import UTC, datetime

from config.tenant_file import parse_tenant_file
from store.tenants import apply_tenant
from tests.conftest import ACME
from tests.integration.passes import run_all
from tests.integration.workplace import add_agent, events
from tests.webhooks import whatsapp_body, whatsapp_message
from worker import assigning
from worker.deps import build_deps

REFUND = "This is the third time the parcel is late. I want my money back!"
QUESTION = "Where is my order?"
PRAISE = "Thank you so much, this is wonderful"


def with_assignment(deps, settings, keyring, queues):
    text = ACME + f"[assignment]\nauto_assign = {queues}\nskill_wait_min = 60\n"
    with deps.database.system_transaction() as conn:
        apply_tenant(conn, parse_tenant_file(text, source="test", environ={}), keyring=keyring)
    return build_deps(settings)


def test_an_urgent_message_finds_the_senior_agent_and_a_plain_one_anybody(
    deps, settings, keyring, owner, tenant_ids, receive, times
):
    deps = with_assignment(deps, settings, keyring, '["senior", "support"]')
    plain = add_agent(owner, tenant_ids["acme"], capacity=10)
    senior = add_agent(owner, tenant_ids["acme"], capacity=10, skills=["senior"])
    for sender, text in (("905321112233", REFUND), ("905321112244", QUESTION), ("905321112255", PRAISE)):
        (ref,) = receive(whatsapp_body(whatsapp_message(text, timestamp=next(times), sender=sender)))
        run_all(deps, ref)
    assigning.tick(deps, now=datetime.now(UTC))
    assigning.tick(deps, now=datetime.now(UTC))
    rows = owner.execute(
        "SELECT queue, priority, assignee_id, assigned_because FROM conversation WHERE state = 'open' ORDER BY id"
    ).fetchall()
    assert rows[0] == ("senior", "P1", senior, "auto")
    assert [row[2] for row in rows if row[0] == "support"] == [plain]
    assert owner.execute("SELECT count(*) FROM conversation_event WHERE kind = 'assigned'").fetchone() == (2,)
    deps.database.close()


def test_without_auto_assign_nobody_is_given_anything(deps, owner, tenant_ids, receive, times):
    add_agent(owner, tenant_ids["acme"], skills=["senior"])
    (ref,) = receive(whatsapp_body(whatsapp_message(REFUND, timestamp=next(times))))
    run_all(deps, ref)
    assigning.tick(deps, now=datetime.now(UTC))
    (one,) = owner.execute("SELECT id::text FROM conversation WHERE assignee_id IS NULL").fetchone()
    assert events(owner, one) == []


def test_an_action_asks_for_a_skill_or_names_an_agent(deps, settings, keyring, owner, tenant_ids, receive, times):
    rule = (
        '[[rules]]\nname = "resellers"\nbecause = "They have people of their own."\nwhen = { intent = ["order_status"] }\n'
        'then = { queue = "sales", priority = "P3", actions = ["assign"] }\n'
    )
    for wish in ('skill = "b2b"', 'assignee = "Bo@acme.example"'):
        text = ACME + f"[actions.assign]\n{wish}\n{rule}"
        with deps.database.system_transaction() as conn:
            apply_tenant(conn, parse_tenant_file(text, source="test", environ={}), keyring=keyring)
        deps.tenants._cached.clear()
        (ref,) = receive(
            whatsapp_body(whatsapp_message(QUESTION, timestamp=next(times), sender=f"9053211122{len(wish)}"))
        )
        run_all(deps, ref)
    rows = owner.execute("SELECT skill_wanted, assignee_hint FROM conversation ORDER BY id").fetchall()
    assert rows == [("b2b", None), (None, "Bo@acme.example")]
