"""Open conversations under changed settings: moved by choice, and nothing fires."""

from datetime import UTC, datetime

import pytest

from tests.integration.histories import Player, any_answer, any_events, set_config
from worker.rerouting import reroute

START = int(datetime.now(UTC).timestamp()) - 3600
FIRED = ("action", "alert", "crm_event", "crm_state", "run", "egress", "message_analysis")


def answer(sentiment, score, intent):
    import random

    signals = dict.fromkeys(("sarcasm", "injection_suspected", "urgent"), False)
    given = {"sentiment": sentiment, "score": score, "intent": intent, "suggested_action": "none", "signals": signals}
    return {**any_answer(random.Random(1)), **given, "topics": []}


COMPLAINT = answer("negative", 0.6, "refund_request")
QUESTION = answer("neutral", 0.9, "other")


@pytest.fixture
def acme(deps, owner, receive, tenant_ids):
    return Player(deps, owner, receive, slug="acme", account="111000111", tenant_id=tenant_ids["acme"])


@pytest.fixture
def other(deps, owner, receive, tenant_ids):
    return Player(deps, owner, receive, slug="other", account="222000222", tenant_id=tenant_ids["other"])


def message(customer, after_s, given):
    return ("message", customer, START + after_s, "hello", given, 0.0)


def places(owner, tenant_id):
    return owner.execute(
        "SELECT priority, queue FROM conversation WHERE tenant_id = %s ORDER BY id", (tenant_id,)
    ).fetchall()


def counts(owner):
    return [owner.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in FIRED]


def settle(deps, player, *, apply=True):
    return reroute(deps.database, player.tenant_id, tenant=deps.tenants.get(player.tenant_id), apply=apply)


def test_a_preview_counts_and_moves_nothing_then_the_choice_moves(deps, owner, acme, other):
    for player in (acme, other):
        player.play([message("905550000001", 0, COMPLAINT), message("905550000002", 60, QUESTION)])
    set_config(owner, deps, acme.tenant_id, thresholds={"escalate": 0.55})
    preview = settle(deps, acme, apply=False)
    assert dict(preview.moves) == {("P2 support", "P1 senior"): 1} and preview.conversations == 2
    assert places(owner, acme.tenant_id) == places(owner, other.tenant_id) == [("P2", "support"), ("P3", "support")]
    before = counts(owner)
    assert settle(deps, acme).moves == preview.moves
    assert places(owner, acme.tenant_id) == [("P1", "senior"), ("P3", "support")]
    assert places(owner, other.tenant_id) == [("P2", "support"), ("P3", "support")]
    assert counts(owner) == before


def test_doing_it_twice_changes_nothing_more(deps, owner, acme):
    acme.play(any_events(11, count=60))
    set_config(owner, deps, acme.tenant_id, thresholds={"escalate": 0.5, "unsure": 0.2})
    assert settle(deps, acme).moved > 0
    stood, decided = places(owner, acme.tenant_id), owner.execute("SELECT count(*) FROM routing_decision").fetchone()
    assert settle(deps, acme).moved == 0
    assert places(owner, acme.tenant_id) == stood
    assert owner.execute("SELECT count(*) FROM routing_decision").fetchone() == decided


def test_with_the_same_settings_nothing_moves(deps, acme):
    acme.play([message(f"90555000000{number}", number * 60, COMPLAINT) for number in range(4)])
    assert settle(deps, acme).moved == 0


def test_what_is_closed_stays_closed_and_where_it_was(deps, owner, acme):
    acme.play([message("905550000001", 0, COMPLAINT)])
    owner.execute("UPDATE conversation SET state = 'resolved'")
    set_config(owner, deps, acme.tenant_id, thresholds={"escalate": 0.55})
    assert settle(deps, acme).conversations == 0
    assert places(owner, acme.tenant_id) == [("P2", "support")]


def test_a_message_that_was_held_back_places_it_when_the_one_above_it_sinks(deps, owner, acme):
    acme.play([message("905550000001", 0, COMPLAINT), message("905550000001", 60, QUESTION)])
    assert places(owner, acme.tenant_id) == [("P2", "support")]
    rule = {
        "name": "calm", "because": "Refunds can wait.", "when": {"intent": ["refund_request"]},
        "then": {"queue": "sales", "priority": "P4"},
    }  # fmt: skip
    set_config(owner, deps, acme.tenant_id, rules=[rule])
    settle(deps, acme)
    assert places(owner, acme.tenant_id) == [("P3", "support")]
    newest = owner.execute("SELECT routed_message_id::text FROM conversation").fetchone()[0]
    assert newest == acme.messages[1]


def test_a_persons_label_counts_and_not_the_models(deps, owner, acme):
    acme.play([message("905550000001", 0, COMPLAINT)])
    acme.play([("correct", "", 0, "", {"sentiment": "positive"}, 0.0)])
    set_config(owner, deps, acme.tenant_id, thresholds={"escalate": 0.1})
    settle(deps, acme)
    assert places(owner, acme.tenant_id)[0][0] != "P1"


def test_what_an_agent_has_in_hand_keeps_its_queue(deps, owner, acme):
    acme.play([message("905550000001", 0, COMPLAINT)])
    owner.execute("ALTER TABLE conversation ADD COLUMN IF NOT EXISTS assignee_id bigint")
    owner.execute("UPDATE conversation SET assignee_id = 7")
    set_config(owner, deps, acme.tenant_id, thresholds={"escalate": 0.55})
    settle(deps, acme)
    assert places(owner, acme.tenant_id) == [("P1", "support")]
    assert settle(deps, acme).moved == 0


def test_what_moves_into_a_queue_that_is_given_out_finds_somebody(deps, owner, acme):
    acme.play([message("905550000001", 0, COMPLAINT)])
    set_config(owner, deps, acme.tenant_id, thresholds={"escalate": 0.55}, assignment={"auto_assign": ["senior"]})
    settle(deps, acme)
    assert owner.execute("SELECT queue, wants_agent FROM conversation").fetchone() == ("senior", True)
