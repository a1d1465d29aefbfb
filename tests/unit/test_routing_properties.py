"""What holds for every decision, whatever the message, the model's answer and the tenant's settings."""

from dataclasses import replace
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from config.actions import ActionConfig
from config.industries import industry_names
from config.rules import Rule, RuleThen, RuleWhen
from config.thresholds import Thresholds
from config.words import ActionKind, Intent, Priority, Sentiment, Surface
from routing.actions import CUSTOMER_FACING, INTERNAL, MONEY_LIKE
from routing.playbooks import playbook_for
from routing.queues import QUEUES
from routing.rules import RoutingFacts, RoutingPolicy, decide, explain

SCORES = st.floats(0, 1, allow_nan=False)
HITS = ("urgent", "legal_threat", "safety")
TOPICS = ("refund", "payment", "room", "results", "product_quality", "allergens")
KINDS = st.sampled_from(get_args(ActionKind))


def some(*values):
    return st.sampled_from(values)


def subset(values):
    return st.lists(some(*values), unique=True, max_size=3).map(tuple)


FACTS = st.builds(
    RoutingFacts,
    outcome=some("analyzed", "analyzed", "analyzed", "no_text", "unanalyzed"),
    surface=some(*get_args(Surface)),
    sentiment=some(*get_args(Sentiment)),
    score=SCORES,
    intent=some(*get_args(Intent)),
    topics=subset(TOPICS),
    suggested_action=st.one_of(st.none(), KINDS, st.text(max_size=10)),
    language=some("en", "tr", "und"),
    sarcasm=st.booleans(),
    injection_suspected=st.booleans(),
    urgent=st.booleans(),
    high_value=st.booleans(),
    human_took_over=st.booleans(),
    provisional=st.booleans(),
    allow_actions=st.booleans(),
    floor_hits=subset(HITS),
    recent_actions=st.dictionaries(KINDS, st.integers(0, 3), max_size=3),
    open_priority=some(None, *get_args(Priority)),
)
RULES = st.builds(
    Rule,
    name=some("own_a", "own_b"),
    because=st.just("The tenant says so."),
    when=st.builds(
        RuleWhen,
        sentiment=st.one_of(st.none(), subset(get_args(Sentiment))),
        intent=st.one_of(st.none(), subset(get_args(Intent))),
        high_value=some(None, True, False),
        min_score=st.one_of(st.none(), SCORES),
    ),
    then=st.builds(
        RuleThen,
        queue=some("senior", "support", "sales", "auto", "review"),
        priority=some(*get_args(Priority)),
        actions=st.lists(KINDS, max_size=4).map(tuple),
    ),
)
POLICIES = st.builds(
    lambda thresholds, own, industry, actions: RoutingPolicy(
        thresholds=thresholds, rules=(*own, *playbook_for(industry)), actions=actions
    ),
    st.builds(Thresholds, escalate=SCORES, unsure=SCORES),
    st.lists(RULES, max_size=2),
    some(*industry_names()),
    st.dictionaries(KINDS, st.builds(ActionConfig, enabled=st.booleans()), max_size=8),
)


def kinds(decision):
    return {action.kind for action in decision.actions}


@given(FACTS, POLICIES)
def test_the_same_input_gives_the_same_decision(facts, policy):
    assert decide(facts, policy) == decide(replace(facts), replace(policy))


@given(FACTS, POLICIES, subset(HITS))
def test_more_alarming_words_never_lower_a_priority(facts, policy, more):
    calm = decide(facts, policy)
    alarmed = decide(replace(facts, floor_hits=tuple({*facts.floor_hits, *more})), policy)

    assert alarmed.priority <= calm.priority


@given(FACTS, POLICIES, some("legal_threat", "safety"))
def test_a_serious_word_is_always_p1_and_before_people(facts, policy, hit):
    decision = decide(replace(facts, floor_hits=(hit,)), policy)

    assert decision.priority == "P1"
    assert decision.queue in {"senior", "review", "not_yet_analysed"}


@given(FACTS, POLICIES, some("provisional", "allow_actions", "human_took_over"))
def test_no_customer_hears_anything_when_nobody_may_speak(facts, policy, why):
    silent = replace(facts, **{why: why != "allow_actions"})

    assert not kinds(decide(silent, policy)) & CUSTOMER_FACING


@given(FACTS, POLICIES)
def test_a_provisional_reading_and_a_second_look_do_nothing_at_all(facts, policy):
    assert decide(replace(facts, provisional=True), policy).actions == ()
    assert decide(replace(facts, allow_actions=False), policy).actions == ()


@given(FACTS, POLICIES)
def test_money_moves_only_on_a_refund_request_that_nobody_dictated(facts, policy):
    if kinds(decide(facts, policy)) & MONEY_LIKE:
        assert facts.intent == "refund_request"
        assert not facts.injection_suspected


@given(FACTS, POLICIES)
def test_nothing_leaves_without_the_tenants_consent(facts, policy):
    for action in decide(facts, policy).actions:
        if action.kind not in INTERNAL and action.state == "pending":
            assert policy.actions[action.kind].enabled
            assert facts.recent_actions.get(action.kind, 0) < policy.actions[action.kind].per_customer_per_day


@given(FACTS, POLICIES)
def test_the_models_advice_alone_neither_pays_nor_closes(facts, policy):
    advised = kinds(decide(facts, policy))
    unadvised = kinds(decide(replace(facts, suggested_action=None), policy))

    assert advised - unadvised <= {"follow_up", "schedule_callback"}


@given(FACTS, POLICIES)
def test_an_unhappy_customer_is_never_thanked_away(facts, policy):
    if facts.sentiment == "negative":
        assert not kinds(decide(facts, policy)) & {"close_with_thanks", "send_nps_invite"}


@given(FACTS, POLICIES)
def test_every_decision_can_be_read(facts, policy):
    decision = decide(facts, policy)

    assert decision.queue in QUEUES
    assert decision.reasons
    assert all(reason[0].isupper() and reason.endswith(".") for reason in decision.reasons)
    assert explain(decision).startswith(f"{decision.priority}, ")
    assert len(decision.actions) == len(kinds(decision))
