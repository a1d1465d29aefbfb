"""Rules that can never decide are found, told with an example, and no good rule is called dead."""

import itertools
import random
import time

import pytest

from config.rules import Rule
from config.tenant import TenantConfig
from config.tenant_file import parse_tenant_file
from routing.conditions import holds
from routing.facts import RoutingFacts
from routing.rule_check import check_rules
from tests.conftest import ACME


def tenant(*whens, **more):
    rules = [
        {
            "name": f"r{number}",
            "because": "Test.",
            "when": {key: value for key, value in when.items() if key != "dry_run"},
            "dry_run": when.get("dry_run", False),
            "then": {"queue": "sales", "priority": "P3"},
        }
        for number, when in enumerate(whens)
    ]
    return TenantConfig.model_validate(
        {"slug": "acme", "name": "Acme", "industry": "ecommerce", "rules": rules, **more}
    )


WHATSAPP = {
    "kind": "whatsapp", "account_id": "1", "app_secret": "x", "verify_token": "x", "access_token": "x",
}  # fmt: skip


@pytest.mark.parametrize(
    ("when", "key", "words"),
    [
        ({"min_score": 0.8, "max_score": 0.6}, "max_score", "min_score 0.8 is above max_score 0.6"),
        ({"max_score": 0.4}, "max_score", "max_score 0.4 is below thresholds.unsure, 0.5"),
        ({"surface": ["comment"]}, "surface", "its [[channels]] are whatsapp"),
        ({"channel": ["instagram"]}, "channel", "its [[channels]] are whatsapp"),
        ({"hours": "closed"}, "hours", "it is never closed"),
        ({"sentiment": []}, "sentiment", "an empty list"),
        ({"topics": []}, "topics", "an empty list"),
    ],
)
def test_a_rule_whose_conditions_contradict_is_found_with_the_key_and_the_reason(when, key, words):
    (finding,) = check_rules(tenant(when, channels=[WHATSAPP]))

    assert (finding.kind, finding.rule, finding.position, finding.key) == ("contradiction", "r0", 0, key)
    assert words in finding.because
    assert finding.example


@pytest.mark.parametrize(
    "whens",
    [
        [{}, {"intent": ["other"]}],
        [{"intent": ["other", "spam"]}, {"intent": ["spam"], "topics": ["shipping"]}],
        [{"topics": ["shipping", "app"]}, {"topics": ["app"]}],
        [{"high_value": True}, {"high_value": False}, {"intent": ["spam"]}],
        [{"sentiment": ["negative"]}, {"sentiment": ["neutral", "positive"]}, {"topics": ["app"]}],
        [{"max_score": 0.7}, {"min_score": 0.7}, {"intent": ["other"]}],
        [{"between": "22:00-07:00"}, {"between": "23:00-06:00"}],
        [{"between": "07:00-22:00"}, {"between": "22:00-07:00"}, {"intent": ["spam"]}],
        [{"weekdays": ["sat", "sun"]}, {"weekdays": ["sun"]}],
        [{"tier": ["gold", "silver"]}, {"tier": ["gold"], "sentiment": ["negative"]}],
        [{"floor": ["safety", "urgent"]}, {"floor": ["urgent"]}],
        [{"message_type": ["audio"]}, {"message_type": ["audio"], "high_value": True}],
        [{"channel": ["whatsapp"]}, {"channel": ["whatsapp"], "surface": ["dm"]}],
        [{"min_score": 0.3}, {"intent": ["spam"]}],
    ],
)
def test_a_rule_that_earlier_ones_leave_nothing_to_is_found(whens):
    findings = check_rules(tenant(*whens))

    assert [(one.kind, one.rule) for one in findings] == [("unreachable", f"r{len(whens) - 1}")]
    assert 'goes to "r' in findings[0].example


@pytest.mark.parametrize(
    "whens",
    [
        [{"intent": ["other"]}, {}],
        [{"topics": ["app"]}, {"topics": ["app", "shipping"]}],
        [{"topics": ["app"]}, {"topics": ["shipping"]}],
        [{"max_score": 0.7}, {"min_score": 0.71}, {"intent": ["other"]}],
        [{"max_score": 0.69}, {"min_score": 0.7}, {"intent": ["other"]}],
        [{"between": "22:00-07:00"}, {"between": "21:59-07:00"}],
        [{"weekdays": ["fri"], "between": "22:00-03:00"}, {"weekdays": ["sat"], "between": "22:00-03:00"}],
        [{"tier": ["gold"]}, {"tier": ["silver"]}],
        [{"dry_run": True}, {"intent": ["other"]}],
        [{"sentiment": ["negative"]}, {"message_type": ["audio"]}],
        [{"signals": ["urgent"]}, {"floor": ["urgent"]}],
        [{"high_value": True}, {"topics": ["app"]}],
        [{"hours": "open"}, {"hours": "closed"}],
    ],
)
def test_a_rule_that_can_decide_is_left_alone(whens):
    hours = {"weekdays": {"mon": "09:00-18:00"}}

    assert check_rules(tenant(*whens, hours=hours)) == ()


def test_an_unreachable_rule_is_told_with_the_message_that_shows_it():
    (finding,) = check_rules(
        tenant(
            {"sentiment": ["negative"]},
            {"sentiment": ["negative"], "intent": ["refund_request"], "topics": ["shipping"]},
        )
    )

    assert finding.because == 'the rule "r0" before it takes everything that it matches'
    assert finding.example == 'a negative DM with refund_request, 0.80, topic shipping goes to "r0"'


POOL = {
    "sentiment": [["negative"], ["neutral", "positive"], ["negative", "neutral"]],
    "intent": [["other"], ["other", "spam"], ["complaint"]],
    "topics": [["app"], ["shipping"], ["app", "shipping"]],
    "signals": [["urgent"], ["sarcasm", "urgent"]],
    "high_value": [True, False],
    "min_score": [0.6, 0.8],
    "max_score": [0.6, 0.8],
}


def all_messages():
    """Every message that rules of the pool can tell apart."""
    for sentiment, intent, topics, urgent, sarcasm, value, score in itertools.product(
        ("negative", "neutral", "positive"), ("other", "spam", "complaint", "order_status"),
        ((), ("app",), ("shipping",), ("app", "shipping")), (False, True), (False, True), (False, True), (0.5, 0.6, 0.7, 0.8, 0.9),
    ):  # fmt: skip
        yield RoutingFacts(
            outcome="analyzed", surface="dm", sentiment=sentiment, intent=intent, topics=topics, urgent=urgent,
            sarcasm=sarcasm, high_value=value, score=score,
        )  # fmt: skip


MESSAGES = [(message, message.label()) for message in all_messages()]


def decides_for_one(rules: tuple[Rule, ...]) -> set[str]:
    return {
        next((rule.name for rule in rules if holds(rule, message, label=label)), "default")
        for message, label in MESSAGES
    }


@pytest.mark.parametrize("seed", range(25))
def test_what_is_called_dead_is_what_no_message_reaches(seed):
    rng = random.Random(seed)
    whens = [{name: rng.choice(POOL[name]) for name in rng.sample(list(POOL), rng.randrange(1, 4))} for _ in range(6)]
    config = tenant(*whens)

    dead = {one.rule for one in check_rules(config)}

    assert dead == {rule.name for rule in config.rules} - decides_for_one(config.rules)


def test_a_hundred_and_fifty_rules_are_checked_in_no_time():
    rng = random.Random(1)
    pool = {**POOL, "language": [["tr"], ["de", "en"]], "tier": [["gold"], ["silver"]], "between": ["22:00-07:00", "08:00-12:00"],
            "weekdays": [["sat", "sun"], ["mon"]], "surface": [["dm"], ["comment"]], "floor": [["safety"], ["urgent"]]}  # fmt: skip
    config = tenant(*({name: rng.choice(pool[name]) for name in rng.sample(list(pool), 4)} for _ in range(150)))
    started = time.process_time()

    check_rules(config)

    assert time.process_time() - started < 5  # far less on a quiet machine; an explosion would take minutes


def test_the_sample_tenant_of_the_tests_has_no_dead_rules():
    assert check_rules(parse_tenant_file(ACME, source="acme.toml", environ={})) == ()
