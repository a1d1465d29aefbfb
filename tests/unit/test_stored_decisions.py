"""What is stored with a decision comes back whole, also when another version wrote it."""

import json
import random
import types
import typing
from dataclasses import fields, replace

import pytest

from config.rules import Rule, RuleThen, RuleWhen
from config.tenant import TenantConfig
from routing.conditions import PlaybookRule
from routing.facts import RoutingFacts, RoutingPolicy
from routing.playbooks import policy_for
from routing.policy_snapshot import count_unknown, policy_from_json, policy_to_json, take_snapshot
from routing.replay import replay
from routing.rules import decide
from routing.stored_facts import StoredInputsError, facts_from_json, facts_to_json


def any_value(annotation, rng):
    """A value of the type, preferably not the default; a type this can't make fails, so that nobody forgets a new field."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return rng.choice(arguments)
    if origin in {typing.Union, types.UnionType}:
        return any_value(rng.choice(arguments), rng)
    if origin is tuple:
        return tuple(any_value(arguments[0], rng) for _ in range(rng.randrange(3)))
    if origin is dict:
        return {any_value(arguments[0], rng): any_value(arguments[1], rng) for _ in range(rng.randrange(3))}
    return {
        str: lambda: rng.choice(["en", "tr", "ğü", ""]),
        bool: lambda: rng.random() < 0.5,
        int: lambda: rng.randrange(5),
        float: lambda: rng.random(),
        type(None): lambda: None,
    }[annotation]()


def any_facts(rng):
    hints = typing.get_type_hints(RoutingFacts)
    return RoutingFacts(**{field.name: any_value(hints[field.name], rng) for field in fields(RoutingFacts)})


def decidable_facts(rng):
    """Facts whose words mean something to decide()."""
    return replace(
        any_facts(rng),
        corrected=tuple(rng.sample(["intent", "sentiment", "topics"], rng.randrange(3))),
        floor_hits=tuple(rng.sample(["urgent", "legal_threat", "safety"], rng.randrange(2))),
    )


def tenant(**more):
    return TenantConfig.model_validate({"slug": "acme", "name": "Acme", **more})


def through_json(document):
    return json.loads(json.dumps(document))


@pytest.mark.parametrize("seed", range(200))
def test_facts_come_back_identical_from_storage(seed):
    facts = any_facts(random.Random(seed))
    read = facts_from_json(through_json(facts_to_json(facts)))
    assert read.facts == facts and read.unknown == ()


def test_an_older_row_without_newer_fields_gets_their_defaults():
    assert facts_from_json({"outcome": "no_text", "surface": "dm"}).facts == RoutingFacts("no_text", "dm")


def test_a_newer_rows_unknown_keys_are_left_out_and_named():
    read = facts_from_json({"outcome": "no_text", "surface": "dm", "mood": "blue"})
    assert read.facts == RoutingFacts("no_text", "dm") and read.unknown == ("mood",)


def test_facts_without_what_every_decision_has_are_refused_by_name():
    with pytest.raises(StoredInputsError, match="no surface"):
        facts_from_json({"outcome": "no_text"})


OWN_RULE = {
    "name": "vip", "because": "They pay.", "when": {"topics": ["billing"], "min_score": 0.4},
    "then": {"queue": "sales", "priority": "P2", "actions": ["tag"]},
}  # fmt: skip


@pytest.mark.parametrize("industry", ["general", "ecommerce", "hospitality"])
def test_a_policy_comes_back_deciding_the_same(industry):
    config = tenant(
        industry=industry,
        rules=[OWN_RULE],
        thresholds={"escalate": 0.6},
        actions={"send_refund_form": {"enabled": True, "url": "https://acme.example/secret-path"}},
    )
    policy = policy_for(config)
    document = through_json(policy_to_json(policy))
    read = policy_from_json(document)
    assert read.rules == policy.rules and read.thresholds == policy.thresholds and read.playbook == policy.playbook
    assert [type(rule) for rule in read.rules] == [type(rule) for rule in policy.rules]
    rng = random.Random(7)
    for _ in range(300):
        facts = decidable_facts(rng)
        assert decide(facts, read) == decide(facts, policy)


def test_a_stored_policy_holds_no_address_and_no_wording():
    config = tenant(
        actions={"follow_up": {"enabled": True, "url": "https://acme.example/x", "texts": {"en": "Dear customer"}}}
    )
    text = take_snapshot(policy_for(config)).text
    assert "acme.example" not in text and "Dear customer" not in text


def test_every_part_of_a_policy_is_stored():
    document = policy_to_json(policy_for(tenant(rules=[OWN_RULE])))
    assert {field.name for field in fields(RoutingPolicy)} <= set(document)


def test_equal_settings_have_equal_hashes_and_other_settings_others():
    one, same = tenant(rules=[OWN_RULE]), tenant(rules=[OWN_RULE])
    other = tenant(rules=[{**OWN_RULE, "then": {"queue": "sales", "priority": "P3"}}])
    hashes = [take_snapshot(policy_for(config)).policy_hash for config in (one, same, other)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_changed_wording_of_an_action_is_no_new_policy():
    one, other = (
        tenant(actions={"follow_up": {"enabled": True, "texts": {"en": text}}}) for text in ("Hello", "Good day")
    )
    assert take_snapshot(policy_for(one)).policy_hash == take_snapshot(policy_for(other)).policy_hash


def test_settings_of_a_newer_version_are_left_out_and_counted():
    document = through_json(policy_to_json(policy_for(tenant(rules=[OWN_RULE]))))
    expected = policy_from_json(document)
    assert count_unknown(document) == 0
    document["thresholds"]["panic"] = 0.9
    document["rules"][0]["when"]["weather"] = ["rain"]
    document["rules"][0]["colour"] = "red"
    assert policy_from_json(document) == expected and count_unknown(document) == 3


def test_a_policy_with_a_value_this_version_does_not_know_is_refused_without_quoting_it():
    document = through_json(policy_to_json(policy_for(tenant(rules=[OWN_RULE]))))
    document["rules"][0]["then"]["priority"] = "moon"
    with pytest.raises(StoredInputsError) as told:
        policy_from_json(document)
    assert "moon" not in str(told.value)


def test_replay_says_nothing_of_the_same_and_shows_what_differs():
    policy = policy_for(tenant())
    facts = RoutingFacts("analyzed", "dm", sentiment="negative", score=0.9, intent="refund_request")
    stored = decide(facts, policy)
    assert replay(stored, facts, policy) == ()
    calm = policy_for(tenant(thresholds={"escalate": 0.95}))
    changed = {one.part: (one.stored, one.now) for one in replay(stored, facts, calm)}
    assert changed["priority"] == ("P1", "P2") and changed["queue"] == ("senior", "support")
    assert changed["actions"][0].startswith("escalate_to_human (pending)")


def test_replay_compares_skill_tags_and_what_rules_on_trial_would_have_decided():
    trial = {**OWN_RULE, "name": "on_trial", "dry_run": True, "when": {}}
    policy = policy_for(tenant(rules=[trial]))
    facts = RoutingFacts("analyzed", "dm", sentiment="negative", score=0.9, intent="refund_request")
    made = decide(facts, policy)
    stored = replace(made, skill="vip", tags=("late",), trials=())
    changed = {one.part: (one.stored, one.now) for one in replay(stored, facts, policy)}
    assert changed["skill"] == ("vip", "senior") and changed["tags"] == ("late", "none")
    assert changed["dry_run"][0] == "none" and '"on_trial" would have decided' in changed["dry_run"][1]
    assert replay(replace(made, actions=()), facts, policy, has_actions=False) == ()


def test_a_playbook_rule_stays_one():
    rule = PlaybookRule(name="x", because="y", when=RuleWhen(), then=RuleThen(queue="auto", priority="P4"), urgent=True)
    policy = policy_for(tenant())
    document = policy_to_json(type(policy)(policy.thresholds, (rule, Rule.model_validate(OWN_RULE)), {}))
    assert [type(one) for one in policy_from_json(document).rules] == [PlaybookRule, Rule]
