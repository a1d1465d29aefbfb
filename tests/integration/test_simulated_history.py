"""The simulator against the router itself, on the same messages."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from routing.playbooks import policy_for
from routing.policy_snapshot import policy_from_json
from routing.simulation import History, Side
from store.past_decisions import iterate_past_decisions, list_human_answers
from store.policies import list_policies
from tests.integration.histories import Player, any_events, decisions, set_config
from worker.simulator import try_settings

CALM = {"thresholds": {"escalate": 0.94, "unsure": 0.2}}
EAGER = {"thresholds": {"escalate": 0.52, "unsure": 0.5}}
OWN_RULES = {
    "rules": [
        {
            "name": "billing_first", "because": "Billing is by hand.", "when": {"topics": ["billing"], "min_score": 0.6},
            "then": {"queue": "sales", "priority": "P1", "actions": ["close_with_thanks", "follow_up"]},
        },
        {
            "name": "quiet_refunds", "because": "Refunds can wait.", "when": {"intent": ["refund_request"]},
            "then": {"queue": "support", "priority": "P4", "actions": ["send_refund_form"]},
        },
    ],
    "actions": {"send_refund_form": {"enabled": True, "url": "https://acme.example/refund", "per_customer_per_day": 2}},
}  # fmt: skip


@pytest.fixture
def player(deps, owner, receive, tenant_ids):
    def of(slug, account):
        set_config(owner, deps, tenant_ids[slug], industry="ecommerce")
        return Player(deps, owner, receive, slug=slug, account=account, tenant_id=tenant_ids[slug])

    return of


@pytest.fixture
def acme(player):
    return player("acme", "111000111")


@pytest.fixture
def twin(player):
    return player("other", "222000222")


def rulings(deps, tenant_id, policy, *, own=None):
    """What one side says about every stored decision, as `decisions` lists them."""
    since = datetime.now(UTC) - timedelta(days=30)
    told = []
    with deps.database.tenant_transaction(tenant_id) as conn:
        side = Side(policy, list_human_answers(conn, tenant_id, since=since), own or {})
        places = History()
        for past in iterate_past_decisions(conn, tenant_id, since=since):
            one = side.decide(past, real=places.before(past))
            places.add(past)
            actions = [{"kind": action.kind, "state": action.state} for action in one.actions]
            told.append((one.priority, one.queue, one.rule, actions, one.applied, past.provisional))
    return told


def plain(rows):
    return [
        (priority, queue, rule, [{"kind": one["kind"], "state": one["state"]} for one in actions], applied, provisional)
        for priority, queue, rule, actions, applied, provisional in rows
    ]


def test_with_the_settings_of_the_time_the_simulation_says_what_was_decided(deps, owner, acme):
    events = any_events(1, count=210)
    for number, changes in enumerate([{}, CALM, OWN_RULES]):
        set_config(owner, deps, acme.tenant_id, **changes)
        acme.play(events[number * 70 : (number + 1) * 70])
    stored = plain(decisions(owner, acme.tenant_id))
    assert len(stored) > 170 and len({row[2] for row in stored}) > 12
    with deps.database.tenant_transaction(acme.tenant_id) as conn:
        own = {name: policy_from_json(document) for name, document in list_policies(conn, acme.tenant_id).items()}
    assert len(own) == 3
    assert rulings(deps, acme.tenant_id, policy_for(deps.tenants.get(acme.tenant_id)), own=own) == stored


def test_with_todays_settings_nothing_would_change(deps, owner, acme):
    acme.play(any_events(2, count=100))
    live = deps.tenants.get(acme.tenant_id)
    with deps.database.tenant_transaction(acme.tenant_id) as conn:
        trial = try_settings(conn, acme.tenant_id, live=live, tried=None, now=datetime.now(UTC), days=30)
    assert trial.simulation.moved == trial.simulation.unlike_history == trial.simulation.other_actions.messages == 0
    assert trial.sentence.startswith("today's settings against what was decided: nothing would change")


@pytest.mark.parametrize(
    ("seed", "tried"),
    [pytest.param(3, CALM, marks=pytest.mark.slow), pytest.param(4, EAGER, marks=pytest.mark.slow), (5, OWN_RULES)],
)
def test_other_settings_say_what_a_router_under_them_decides_on_the_same_messages(deps, owner, acme, twin, seed, tried):
    events = any_events(seed, count=150)
    if tried is OWN_RULES:
        # A correction decides anew where its message places the conversation, and these rules place others: no such row to compare.
        events = [event for event in events if event[0] != "correct"]
    # Thanks close a conversation, and whoever had taken it over is out of it: what is closed when is history's in a simulation.
    config = owner.execute("SELECT config FROM tenant WHERE id = %s", (acme.tenant_id,)).fetchone()[0]
    shared = {kind: action for kind, action in config["actions"].items() if kind != "close_with_thanks"}
    for player in (acme, twin):
        set_config(owner, deps, player.tenant_id, actions=shared)
    set_config(owner, deps, twin.tenant_id, **tried)
    acme.play(events)
    twin.play(events)
    simulated = rulings(deps, acme.tenant_id, policy_for(deps.tenants.get(twin.tenant_id)))
    real = plain(decisions(owner, twin.tenant_id))
    assert simulated != plain(decisions(owner, acme.tenant_id))
    assert simulated == real


def test_a_trial_counts_and_tells_what_would_move(deps, owner, acme):
    acme.play(any_events(6, count=120))
    live = deps.tenants.get(acme.tenant_id)
    tried = live.model_copy(update={"thresholds": live.thresholds.model_copy(update={"escalate": 0.5})})
    with deps.database.tenant_transaction(acme.tenant_id) as conn:
        trial = try_settings(conn, acme.tenant_id, live=live, tried=tried, now=datetime.now(UTC), days=30)
    one = trial.simulation
    more = one.after.priorities["P1"] - one.before.priorities["P1"]
    assert more > 0 and one.more_urgent.messages == more and not one.less_urgent.messages
    assert trial.sentence.startswith(f"escalate at 0.50 instead of 0.70: {more} more P1 in the last 30 days")
    assert sum(one.after.priorities.values()) == sum(one.before.queues.values()) == one.messages
    assert json.dumps(one.more_urgent.examples).count("-") >= 4
