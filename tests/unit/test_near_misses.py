"""Which rules are told beside a decision: the few that came closest, the tenant's own first."""

from dataclasses import replace

from config.rules import Rule
from config.tenant import TenantConfig
from routing.facts import RoutingFacts
from routing.near_misses import MAX_NEAR_MISSES, near_misses
from routing.playbooks import policy_for
from routing.rules import decide

QUESTION = RoutingFacts(
    outcome="analyzed", surface="dm", sentiment="neutral", score=0.82, intent="order_status", topics=("shipping",),
    channel="whatsapp", office_open=True, weekday="mon", minute=600,
)  # fmt: skip


def own(name, **when):
    then = {"queue": "sales", "priority": "P3"}
    return Rule.model_validate({"name": name, "because": "Test.", "when": when, "then": then})


def misses(facts, *rules):
    config = TenantConfig.model_validate({"slug": "a", "name": "A", "industry": "ecommerce", "rules": rules})
    policy = policy_for(config)
    return near_misses(facts, policy, decided_by=decide(facts, policy).rule)


def test_a_rule_that_shares_nothing_with_the_message_is_no_near_miss():
    names = [miss.rule for miss in misses(QUESTION, own("vip", high_value=True), own("spam_of_ours", intent=["spam"]))]

    assert not {"vip", "spam_of_ours", "spam", "cancellation", "negative"} & set(names)


def test_the_tenants_own_rules_come_first_and_say_what_they_lacked():
    told = misses(QUESTION, own("vip_orders", intent=["order_status"], high_value=True))

    assert (told[0].rule, told[0].lacked) == ("vip_orders", "high_value yes: it has no")


def test_at_most_three_are_told_those_that_fulfil_most_first():
    rules = [own(f"r{number}", intent=["order_status"], high_value=True) for number in range(5)]
    closest = own("closest", intent=["order_status"], topics=["shipping"], surface=["dm"], hours="closed")

    told = misses(QUESTION, *rules, closest)

    assert [miss.rule for miss in told] == ["closest", "r0", "r1"]
    assert len(told) == MAX_NEAR_MISSES


def test_days_and_a_window_are_one_condition():
    (told,) = misses(
        replace(QUESTION, minute=23 * 60),
        own("weekend", intent=["order_status"], weekdays=["sat"], between="09:00-18:00"),
    )[:1]

    assert told.lacked == "weekdays sat and between 09:00-18:00: it came on mon at 23:00"


def test_what_the_message_has_several_of_is_told_with_and():
    told = misses(
        replace(QUESTION, topics=("shipping", "refund")), own("x", intent=["order_status"], topics=["billing"])
    )

    assert told[0].lacked == "topics billing: it has shipping and refund"
