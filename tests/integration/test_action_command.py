"""`earshot action` as people type it: ids and states, all or nothing, one tenant at a time."""

import json

from tests.integration.passes import now
from tests.integration.test_actions import REFUND, settings_of, write  # noqa: F401 -- fixtures
from tests.integration.test_label_commands import earshot  # noqa: F401 -- a fixture
from tests.integration.test_sending import deliver, state_of
from worker import delivery

ACME = ("--tenant", "acme")


def test_a_person_sees_what_waits_agrees_and_it_leaves(deps, owner, write, settings_of, earshot):  # noqa: F811
    settings_of("{actions,send_refund_form,mode}", "approve")
    ref, (action_id,) = write(REFUND)
    deliver(deps, ref, [action_id])
    code, out, _ = earshot("action", "list", *ACME, "--waiting", "--json")
    row = json.loads(out)
    assert code == 0 and (row["id"], row["state"], row["waits_for_approval"]) == (action_id, "pending", True)
    assert "parcel" not in out and "Ada" not in out
    assert earshot("action", "approve", action_id, "--tenant", "other")[0] == 1
    assert earshot("action", "approve", action_id, *ACME)[:2] == (0, "1 changed\n")
    code, _, told = earshot("action", "approve", action_id, *ACME)
    assert code == 1 and f"{action_id} does not wait for a person to agree" in told
    delivery.deliver_action(deps, tenant_id=ref.tenant_id, action_id=action_id, now=now())
    assert state_of(owner, action_id) == ("sent", None)


def test_one_wrong_id_changes_nothing(owner, write, earshot):  # noqa: F811
    _, (action_id,) = write(REFUND)
    code, _, told = earshot("action", "cancel", action_id, "0199f2a0-0000-7000-8000-000000000001", *ACME)
    assert code == 1 and "nothing was changed" in told
    assert state_of(owner, action_id)[0] == "pending"


def test_a_doubt_is_settled_and_a_task_done(deps, owner, write, settings_of, earshot):  # noqa: F811
    settings_of("{actions,send_refund_form,texts}", {"en": "Dear {customer_name}"})
    ref, (action_id,) = write(REFUND, name="")
    deliver(deps, ref, [action_id])
    task = json.loads(earshot("action", "tasks", *ACME, "--json")[1])
    assert task["because"] == "send_refund_form: missing_customer_name"
    assert earshot("action", "done", task["id"], *ACME)[0] == 0
    assert "nothing waits for a person" in earshot("action", "tasks", *ACME)[1]
    owner.execute("UPDATE action SET state = 'uncertain' WHERE id = %s", (action_id,))
    assert earshot("action", "settle", action_id, "--arrived", *ACME)[0] == 0
    assert state_of(owner, action_id)[0] == "sent"
    assert earshot("action", "replay", *ACME)[0] == 1
