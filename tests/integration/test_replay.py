"""Decisions are stored with what they were made under, and can be made again from that."""

import itertools
from datetime import UTC, datetime

from cli.replay import replay_all
from config.tenant_file import parse_tenant_file
from store.tenants import apply_tenant
from tests.conftest import ACME
from tests.integration.passes import run_all
from tests.webhooks import whatsapp_body, whatsapp_message

_seconds = itertools.count(int(datetime.now(UTC).timestamp()) - 600)


def send(deps, receive, text, *, slug="acme", account="111000111", **more):
    body = whatsapp_body(whatsapp_message(text, timestamp=str(next(_seconds)), **more), account=account)
    (ref,) = receive(body, slug=slug)
    run_all(deps, ref)
    return ref


def apply(deps, keyring, extra, *, base=ACME):
    with deps.database.system_transaction() as conn:
        apply_tenant(conn, parse_tenant_file(base + extra, source="test", environ={}), keyring=keyring)
    deps.tenants._cached.clear()


def replayed(deps, tenant_id, **chosen):
    with deps.database.tenant_transaction(tenant_id) as conn:
        return replay_all(conn, tenant_id, **{"message_id": None, "since": None, "as_json": False, **chosen})


def test_a_policy_is_stored_once_per_version_of_the_settings(deps, receive, keyring, owner):
    send(deps, receive, "I want my money back!")
    send(deps, receive, "Where is my parcel?")
    apply(deps, keyring, "[thresholds]\nescalate = 0.99\n")
    send(deps, receive, "I want my money back at once!")
    send(deps, receive, "The room was dirty", slug="other", account="222000222")
    rows = owner.execute(
        "SELECT tenant_id, count(*), count(DISTINCT policy_hash) FROM routing_decision GROUP BY 1 ORDER BY 1"
    ).fetchall()
    assert [row[1:] for row in rows] == [(3, 2), (1, 1)]
    assert owner.execute("SELECT count(*) FROM routing_policy GROUP BY tenant_id ORDER BY tenant_id").fetchall() == [
        (2,),
        (1,),
    ]


def test_a_policy_whose_transaction_failed_is_stored_by_the_next_decision(deps, receive, owner):
    send(deps, receive, "Where is my parcel?")
    owner.execute("DELETE FROM routing_policy")
    send(deps, receive, "Where is my other parcel?")
    assert owner.execute("SELECT count(*) FROM routing_policy").fetchone() == (1,)


def test_old_decisions_replay_after_the_settings_changed(deps, receive, keyring, owner, tenant_ids, capsys):
    send(deps, receive, "This is the third time the parcel is late. I want my money back!")
    send(deps, receive, "Thank you so much, this is wonderful")
    apply(deps, keyring, "[thresholds]\nescalate = 0.99\n")
    send(deps, receive, "I want my money back!")
    assert replayed(deps, tenant_ids["acme"]) == {"same": 3, "newer": 0}
    assert capsys.readouterr().out == ""


def test_a_decision_that_comes_out_differently_is_shown(deps, receive, owner, tenant_ids, capsys):
    ref = send(deps, receive, "I want my money back!")
    send(deps, receive, "Where is my parcel?")
    owner.execute("UPDATE routing_decision SET queue = 'sales' WHERE message_id = %s", (ref.message_id,))
    assert replayed(deps, tenant_ids["acme"])["different"] == 1
    told = capsys.readouterr().out
    assert ref.message_id in told and "- sales" in told and "+ senior" in told
    assert replayed(deps, tenant_ids["other"], message_id=ref.message_id)["different"] == 0


def test_decisions_from_before_policies_were_stored_are_counted(deps, receive, owner, tenant_ids):
    send(deps, receive, "I want my money back!")
    owner.execute("UPDATE routing_decision SET policy_hash = NULL, actions = NULL")
    assert replayed(deps, tenant_ids["acme"])["without_policy"] == 1
