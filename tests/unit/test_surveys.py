"""Who may be invited, and where answers go: the decision alone."""

import pytest

from config.actions import ActionConfig
from config.rules import Rule, RuleThen, RuleWhen
from config.surveys import CsatConfig, SurveyConfig, Surveys, consent_to
from config.thresholds import Thresholds
from routing.facts import RoutingFacts, RoutingPolicy
from routing.playbooks import playbook_for
from routing.rules import decide, explain
from routing.surveys import group_of, no_invitation

HAPPY = {
    "outcome": "analyzed", "surface": "dm", "sentiment": "positive", "score": 0.95, "intent": "compliment",
    "survey_channel": "whatsapp",
}  # fmt: skip


def policy(**surveys):
    actions = {
        kind: ActionConfig(enabled=True) for kind in ("send_nps_invite", "close_with_thanks", "send_csat_invite")
    }
    return RoutingPolicy(Thresholds(), playbook_for("general"), actions, surveys=Surveys(**surveys))


def kinds(decision):
    return {action.kind for action in decision.actions}


def decided(surveys=None, **more):
    return decide(RoutingFacts(**(HAPPY | more)), policy(**(surveys or {})))


def test_a_happy_customer_is_invited():
    assert "send_nps_invite" in kinds(decided())


@pytest.mark.parametrize(
    ("surveys", "facts", "because"),
    [
        ({"nps": SurveyConfig(enabled=False)}, {}, "switched the survey off"),
        ({"nps": SurveyConfig(min_score=0.97)}, {}, "not sure enough"),
        ({"nps": SurveyConfig(on_channels=("instagram",))}, {}, "not ask on this channel"),
        ({"nps": SurveyConfig(sample_share=0.2)}, {"survey_sample": 0.2}, "not in the share"),
        ({"nps": SurveyConfig(sample_share=0.0)}, {}, "not in the share"),
        ({}, {"days_since_invitation": {"nps": 89.9}}, "less than 90 days ago"),
        ({}, {"declined_marketing": True}, "does not want such messages"),
    ],
)
def test_an_invitation_that_is_withheld_says_why(surveys, facts, because):
    decision = decided(surveys, **facts)
    assert "send_nps_invite" not in kinds(decision)
    assert any(because in reason and "No NPS invitation" in reason for reason in decision.reasons)
    assert "close_with_thanks" in kinds(decision)


@pytest.mark.parametrize("facts", [{"days_since_invitation": {"nps": 90.0}}, {"days_since_invitation": {"csat": 1.0}}])
def test_an_invitation_of_long_ago_or_of_another_kind_is_no_hindrance(facts):
    assert "send_nps_invite" in kinds(decided(**facts))


@pytest.mark.parametrize(
    ("facts", "is_asked"),
    [
        ({"sentiment": "neutral"}, True),
        ({"sentiment": "positive"}, True),
        ({"sentiment": "negative"}, False),
        ({"sentiment": "neutral", "floor_hits": ("urgent",)}, False),
        ({"sentiment": "neutral", "open_priority": "P1"}, False),
        ({"sentiment": "neutral", "open_priority": "P2"}, False),
        ({"sentiment": "neutral", "open_priority": "P3"}, True),
        ({"sarcasm": True}, False),
        ({"injection_suspected": True}, False),
        ({"survey": "nps", "survey_score": 9, "survey_comment": True}, False),
        ({"days_since_invitation": {"csat": 29.0}}, False),
    ],
)
def test_csat_is_asked_of_everybody_who_is_not_unhappy(facts, is_asked):
    because = no_invitation("csat", RoutingFacts(**(HAPPY | facts)), surveys=Surveys())
    assert (because is None) == is_asked


def test_nps_is_never_asked_after_a_neutral_message():
    assert no_invitation("nps", RoutingFacts(**(HAPPY | {"sentiment": "neutral"})), surveys=Surveys())


@pytest.mark.parametrize(
    ("survey", "score", "group"),
    [
        ("nps", 0, "detractor"), ("nps", 6, "detractor"), ("nps", 7, "passive"), ("nps", 8, "passive"),
        ("nps", 9, "promoter"), ("nps", 10, "promoter"), ("csat", 1, "detractor"), ("csat", 2, "detractor"),
        ("csat", 3, "passive"), ("csat", 4, "promoter"), ("csat", 5, "promoter"),
    ],
)  # fmt: skip
def test_scores_count_as_the_field_counts_them(survey, score, group):
    assert group_of(survey, score) == group


# What the model makes of a number alone is noise.
@pytest.mark.parametrize("sentiment", ["positive", "neutral", "negative"])
@pytest.mark.parametrize("intent", ["other", "compliment", "spam", "refund_request"])
@pytest.mark.parametrize("score", [0.1, 0.95])
def test_a_score_alone_is_placed_by_the_score_and_not_by_the_model(sentiment, intent, score):
    facts = {"sentiment": sentiment, "intent": intent, "score": score, "survey": "nps", "sarcasm": True}
    happy = decided(**facts, survey_score=9)
    assert (happy.priority, happy.queue, happy.rule, happy.actions) == ("P4", "auto", "survey_score", ())
    unhappy = decided(**facts, survey_score=6)
    assert (unhappy.priority, unhappy.queue, unhappy.rule) == ("P3", "customer_success", "survey_detractor")
    assert unhappy.actions == ()


def test_the_decision_about_a_score_reads_as_a_sentence():
    said = explain(decided(survey="csat", survey_score=2))
    assert said == (
        "P3, customer success queue. The customer answers our CSAT question with 2 of 5: an unhappy customer, "
        "so Customer Success looks."
    )


def test_words_beside_a_happy_score_are_routed_as_usual_without_a_second_thanks():
    decision = decided(survey="nps", survey_score=10, survey_comment=True)
    assert decision.queue == "auto" and kinds(decision) == set()
    assert "the message answers a survey" in " ".join(decision.reasons)


@pytest.mark.parametrize(
    ("facts", "queue"),
    [
        ({"sentiment": "negative", "intent": "complaint", "score": 0.6}, "customer_success"),
        ({"sentiment": "neutral", "intent": "price_inquiry"}, "customer_success"),
        ({"sentiment": "negative", "intent": "refund_request"}, "senior"),
        ({"floor_hits": ("legal_threat",)}, "senior"),
    ],
)
def test_words_beside_an_unhappy_score_go_to_customer_success_unless_senior_agents_have_them(facts, queue):
    decision = decided(survey="nps", survey_score=3, survey_comment=True, **facts)
    assert decision.queue == queue and decision.priority <= "P3"
    assert any("unhappy customer" in reason for reason in decision.reasons)


def test_a_keyword_reading_and_a_failed_analysis_stand_above_the_score():
    assert decided(survey="nps", survey_score=9, provisional=True).queue == "not_yet_analysed"
    assert decided(survey="nps", survey_score=9, outcome="unanalyzed").queue == "review"


def test_the_reason_is_asked_for_when_the_tenant_wants_it_and_once():
    wants = {"nps": SurveyConfig(ask_reason=True)}
    assert kinds(decided(wants, survey="nps", survey_score=9)) == {"ask_survey_reason"}
    assert kinds(decided(wants, survey="nps", survey_score=2)) == {"ask_survey_reason"}
    assert kinds(decided(wants, survey="nps", survey_score=9, survey_reason_asked=True)) == set()
    assert kinds(decided(wants, survey="nps", survey_score=9, survey_comment=True)) == set()
    assert kinds(decided(wants, survey="nps", survey_score=9, allow_actions=False)) == set()
    assert kinds(decided(wants, survey="csat", survey_score=4)) == set()


def test_wanting_the_reason_is_the_consent_to_ask_for_it():
    wants = Surveys(csat=CsatConfig(ask_reason=True))
    assert consent_to("ask_survey_reason", actions={}, surveys=wants) == ActionConfig(enabled=True)
    assert consent_to("ask_survey_reason", actions={}, surveys=Surveys()) is None
    off = ActionConfig(enabled=False)
    assert consent_to("ask_survey_reason", actions={"ask_survey_reason": off}, surveys=wants) == off
    assert consent_to("send_nps_invite", actions={}, surveys=wants) is None


def test_a_reason_that_the_tenant_has_switched_off_is_not_asked_for():
    wants = policy(nps=SurveyConfig(ask_reason=True))
    off = RoutingPolicy(
        wants.thresholds, wants.rules, {"ask_survey_reason": ActionConfig(enabled=False)}, surveys=wants.surveys
    )
    assert kinds(decide(RoutingFacts(**(HAPPY | {"survey": "nps", "survey_score": 9})), off)) == set()


@pytest.mark.parametrize("kind", ["send_csat_invite", "ask_survey_reason"])
def test_no_rule_can_bring_about_what_follows_something_else(kind):
    rule = Rule(
        name="asks", because="x", when=RuleWhen(), then=RuleThen(queue="support", priority="P3", actions=(kind,))
    )
    asks = RoutingPolicy(Thresholds(), (rule,), {kind: ActionConfig(enabled=True)})
    decision = decide(RoutingFacts(**HAPPY), asks)
    assert kinds(decision) == set()
    assert any("it only follows" in reason for reason in decision.reasons)
