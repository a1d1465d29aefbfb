"""What the product decides for a message, one rule of the field after the other."""

from dataclasses import replace

import pytest

from config.actions import ActionConfig
from config.rules import Rule, RuleThen, RuleWhen
from config.tenant import TenantConfig
from config.thresholds import Thresholds
from routing.conditions import PlaybookRule
from routing.playbooks import playbook_for, policy_for
from routing.rules import DEFAULT_RULE, PlannedAction, RoutingFacts, RoutingPolicy, decide, explain

ENABLED = ActionConfig(enabled=True, url="https://acme.example/form")
ACTIONS = {
    kind: ENABLED
    for kind in (
        "send_refund_form",
        "close_with_thanks",
        "send_nps_invite",
        "request_screenshot",
        "schedule_callback",
        "follow_up",
    )
}
POLICY = RoutingPolicy(thresholds=Thresholds(), rules=playbook_for("ecommerce"), actions=ACTIONS)


def facts(sentiment="neutral", intent="other", score=0.93, **more) -> RoutingFacts:
    return RoutingFacts(
        **{"outcome": "analyzed", "surface": "dm", "sentiment": sentiment, "intent": intent, "score": score, **more}
    )


def kinds(decision) -> tuple[str, ...]:
    return tuple(action.kind for action in decision.actions)


@pytest.mark.parametrize(
    ("given", "rule", "queue", "priority", "actions"),
    [
        (
            facts("negative", "refund_request"),
            "negative_refund_request",
            "senior",
            "P1",
            "escalate_to_human send_refund_form",
        ),
        (facts("positive", "compliment"), "positive_compliment", "auto", "P4", "close_with_thanks send_nps_invite"),
        (
            facts("negative", "technical_support"),
            "negative_technical_support",
            "engineering",
            "P2",
            "request_screenshot",
        ),
        (facts("neutral", "price_inquiry"), "price_inquiry", "sales", "P3", ""),
        (facts("negative", "other", high_value=True), "negative_high_value", "senior", "P1", "escalate_to_human"),
        (
            facts("negative", "callback_request", high_value=True),
            "negative_high_value_callback",
            "senior",
            "P1",
            "escalate_to_human schedule_callback",
        ),
        (facts("negative", "complaint"), "negative_complaint", "support", "P2", "escalate_to_human"),
        (facts("negative", "complaint", urgent=True), "urgent_complaint", "senior", "P1", "escalate_to_human"),
        (
            facts("negative", "complaint", floor_hits=("urgent",)),
            "urgent_complaint",
            "senior",
            "P1",
            "escalate_to_human",
        ),
        (facts("negative", "order_status"), "negative", "support", "P2", "escalate_to_human"),
        (facts("negative", "other"), "negative_other", "support", "P3", ""),
        (facts("negative", "other", urgent=True), "urgent_negative", "support", "P2", "escalate_to_human"),
        (
            facts("negative", "callback_request"),
            "negative_callback_request",
            "support",
            "P2",
            "escalate_to_human schedule_callback",
        ),
        (facts("neutral", "callback_request"), "callback_request", "support", "P2", "schedule_callback"),
        (facts("neutral", "cancellation"), "cancellation", "customer_success", "P2", ""),
        (facts("negative", "cancellation"), "cancellation", "customer_success", "P2", ""),
        (facts("neutral", "spam"), "spam", "auto", "P4", ""),
        (facts("neutral", "order_status"), "order_status", "support", "P3", ""),
        (facts("neutral", "refund_request"), "refund_request", "support", "P3", "send_refund_form"),
        (facts("neutral", "technical_support"), "technical_support", "engineering", "P3", "request_screenshot"),
        (facts("positive", "other"), "positive", "support", "P4", ""),
        (facts("neutral", "other"), "default", "support", "P3", ""),
        (facts("neutral", "other", urgent=True), "default", "support", "P3", ""),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_the_playbook_of_the_product(given, rule, queue, priority, actions):
    decision = decide(given, POLICY)

    assert (decision.rule, decision.queue, decision.priority) == (rule, queue, priority)
    assert decision.actions == tuple(PlannedAction(kind, "pending") for kind in actions.split())


def test_competitors_have_the_same_issue_too_is_negative_and_not_urgent():
    decision = decide(facts("negative", "other", score=0.99), POLICY)

    assert (decision.queue, decision.priority, decision.actions) == ("support", "P3", ())


def test_without_words_a_person_looks():
    decision = decide(RoutingFacts(outcome="no_text", surface="dm"), POLICY)

    assert (decision.rule, decision.queue, decision.priority, decision.actions) == ("no_text", "support", "P3", ())


def test_a_story_mention_without_words_says_so():
    decision = decide(RoutingFacts(outcome="no_text", surface="story_mention"), POLICY)

    assert (decision.rule, decision.queue) == ("no_text", "support")
    assert "story" in decision.reasons[0]


@pytest.mark.parametrize("missing", [{"score": None}, {"sentiment": None}, {"intent": None}, {"outcome": "unanalyzed"}])
def test_without_a_whole_label_a_person_reviews(missing):
    decision = decide(replace(facts("negative", "complaint"), **missing), POLICY)

    assert (decision.rule, decision.queue, decision.priority, decision.actions) == ("unanalyzed", "review", "P2", ())


@pytest.mark.parametrize("sentiment", ["positive", "neutral", "negative"])
def test_an_unsure_label_of_any_kind_goes_to_review(sentiment):
    decision = decide(facts(sentiment, "compliment", score=0.49), POLICY)

    assert (decision.rule, decision.queue, decision.actions) == ("unsure", "review", ())
    assert decision.reasons == ("The model is unsure: its confidence of 0.49 is below the tenant's 0.50.",)


def test_a_provisional_reading_places_and_does_nothing_else():
    decision = decide(facts("negative", "refund_request", provisional=True), POLICY)

    assert (decision.rule, decision.queue, decision.priority) == ("not_yet_analysed", "not_yet_analysed", "P3")
    assert decision.actions == ()


@pytest.mark.parametrize(("hit", "priority"), [("urgent", "P2"), ("legal_threat", "P1"), ("safety", "P1")])
def test_a_provisional_reading_takes_its_priority_from_the_floor(hit, priority):
    decision = decide(facts(provisional=True, floor_hits=(hit,)), POLICY)

    assert (decision.queue, decision.priority) == ("not_yet_analysed", priority)


def test_a_tenants_own_rule_comes_before_the_playbook():
    own = Rule(
        name="own",
        because="We said so.",
        when=RuleWhen(intent=("refund_request",)),
        then=RuleThen(queue="sales", priority="P4"),
    )
    policy = policy_for(TenantConfig(slug="acme", name="Acme", industry="ecommerce", rules=(own,)))

    decision = decide(facts("negative", "refund_request"), policy)

    assert (decision.rule, decision.queue, decision.priority) == ("own", "sales", "P4")
    assert "We said so." in decision.reasons


def test_without_any_rule_there_is_the_default():
    decision = decide(facts(), RoutingPolicy(thresholds=Thresholds(), rules=(), actions={}))

    assert (decision.rule, decision.queue, decision.priority) == (DEFAULT_RULE.name, "support", "P3")


@pytest.mark.parametrize(
    ("when", "matching", "other"),
    [
        ({"sentiment": ("negative",)}, {"sentiment": "negative"}, {"sentiment": "neutral"}),
        ({"intent": ("spam",)}, {"intent": "spam"}, {"intent": "other"}),
        ({"topics": ("stock", "app")}, {"topics": ("app", "refund")}, {"topics": ("refund",)}),
        ({"surface": ("story_reply",)}, {"surface": "story_reply"}, {"surface": "dm"}),
        ({"language": ("tr",)}, {"language": "tr"}, {"language": "de"}),
        ({"high_value": True}, {"high_value": True}, {"high_value": False}),
        ({"high_value": False}, {"high_value": False}, {"high_value": True}),
        ({"min_score": 0.8}, {"score": 0.8}, {"score": 0.79}),
        ({"max_score": 0.8}, {"score": 0.8}, {"score": 0.81}),
    ],
)
def test_each_condition_of_a_rule(when, matching, other):
    rule = Rule(name="own", because="Test.", when=RuleWhen(**when), then=RuleThen(queue="sales", priority="P4"))
    policy = RoutingPolicy(thresholds=Thresholds(), rules=(rule,), actions={})

    assert decide(replace(facts(), **matching), policy).rule == "own"
    assert decide(replace(facts(), **other), policy).rule == "default"


@pytest.mark.parametrize(
    ("people_only", "advice", "planned"),
    [
        (False, "follow_up", ("follow_up",)),
        (True, "follow_up", ()),
        (True, "schedule_callback", ("schedule_callback",)),
    ],
)
def test_where_people_answer_the_models_advice_writes_nothing(people_only, advice, planned):
    rule = PlaybookRule(
        name="own",
        because="Test.",
        when=RuleWhen(),
        then=RuleThen(queue="senior", priority="P1"),
        people_only=people_only,
    )
    decision = decide(facts(suggested_action=advice), replace(POLICY, rules=(rule,)))

    assert kinds(decision) == planned


class TestEscalation:
    def test_at_the_threshold_a_negative_escalates_and_says_why(self):
        decision = decide(facts("negative", "complaint", score=0.70), POLICY)

        assert "escalate_to_human" in kinds(decision)
        assert "The score reaches the tenant's escalation threshold of 0.70." in decision.reasons

    def test_below_the_threshold_a_negative_goes_to_support_with_a_reason(self):
        decision = decide(facts("negative", "refund_request", score=0.699), POLICY)

        assert (decision.queue, decision.priority) == ("support", "P2")
        assert kinds(decision) == ("send_refund_form",)
        assert decision.reasons[0] == "Negative (0.69) with a refund request."
        assert "Not escalated: the score is below the tenant's escalation threshold of 0.70." in decision.reasons

    def test_below_the_threshold_no_priority_is_raised(self):
        low = Rule(
            name="own",
            because="Test.",
            when=RuleWhen(),
            then=RuleThen(queue="sales", priority="P4", actions=("escalate_to_human",)),
        )
        decision = decide(facts("negative", score=0.6), replace(POLICY, rules=(low,)))

        assert (decision.queue, decision.priority, decision.actions) == ("sales", "P4", ())

    def test_two_tenants_draw_the_line_differently(self):
        given = facts("negative", "complaint", score=0.60)
        strict = replace(POLICY, thresholds=Thresholds(escalate=0.55))

        assert "escalate_to_human" in kinds(decide(given, strict))
        assert "escalate_to_human" not in kinds(decide(given, POLICY))

    def test_the_threshold_means_nothing_for_other_labels(self):
        policy = replace(POLICY, rules=playbook_for("healthcare"))

        decision = decide(facts("neutral", "other", score=0.6, topics=("results",)), policy)

        assert (decision.rule, decision.queue) == ("results", "senior")
        assert kinds(decision) == ("escalate_to_human",)

    def test_a_rule_with_a_score_of_its_own_outranks_the_threshold(self):
        rule = Rule(
            name="own",
            because="Test.",
            when=RuleWhen(sentiment=("negative",), min_score=0.55),
            then=RuleThen(queue="senior", priority="P1", actions=("escalate_to_human",)),
        )
        decision = decide(facts("negative", score=0.6), replace(POLICY, rules=(rule,)))

        assert (decision.queue, decision.priority, kinds(decision)) == ("senior", "P1", ("escalate_to_human",))


class TestFloor:
    @pytest.mark.parametrize("hit", ["legal_threat", "safety"])
    @pytest.mark.parametrize("intent", ["other", "spam", "price_inquiry", "cancellation"])
    def test_legal_threats_and_dangers_go_to_senior_agents_at_once(self, hit, intent):
        decision = decide(facts("neutral", intent, floor_hits=(hit,)), POLICY)

        assert (decision.queue, decision.priority) == ("senior", "P1")
        assert decision.reasons[0].startswith("At least P1: the text holds ")

    def test_urgent_words_raise_and_keep_the_queue(self):
        decision = decide(facts("neutral", "price_inquiry", floor_hits=("urgent",)), POLICY)

        assert (decision.queue, decision.priority) == ("sales", "P2")
        assert decision.reasons[0] == "At least P2: the text holds words of urgency."

    def test_several_hits_are_named_together(self):
        decision = decide(facts(floor_hits=("urgent", "safety")), POLICY)

        assert decision.reasons[0] == "At least P1: the text holds a danger to people and words of urgency."

    def test_a_serious_word_is_told_where_it_changes_nothing_too(self):
        decision = decide(facts("negative", "refund_request", floor_hits=("legal_threat",)), POLICY)

        assert (decision.rule, decision.queue, decision.priority) == ("negative_refund_request", "senior", "P1")
        assert decision.reasons[0] == "At least P1: the text holds a legal threat."

    def test_urgent_words_never_leave_praise_to_the_automation(self):
        decision = decide(facts("positive", "compliment", floor_hits=("urgent",)), POLICY)

        assert (decision.queue, decision.priority, decision.actions) == ("support", "P2", ())

    def test_advertising_is_always_urgent(self):
        decision = decide(facts("neutral", "spam", floor_hits=("urgent",)), POLICY)

        assert (decision.queue, decision.priority) == ("auto", "P4")

    @pytest.mark.parametrize("given", [facts(score=0.2), RoutingFacts(outcome="unanalyzed", surface="dm")])
    def test_in_review_only_the_priority_is_raised(self, given):
        decision = decide(replace(given, floor_hits=("safety",)), POLICY)

        assert (decision.queue, decision.priority) == ("review", "P1")

    def test_an_unknown_group_of_words_changes_nothing(self):
        assert decide(facts(floor_hits=("weather",)), POLICY) == decide(facts(), POLICY)


class TestDoubtfulLabels:
    @pytest.mark.parametrize("doubt", [{"sarcasm": True}, {"injection_suspected": True}])
    def test_doubtful_praise_goes_to_a_person_and_is_not_thanked_for(self, doubt):
        decision = decide(facts("positive", "compliment", **doubt), POLICY)

        assert (decision.queue, decision.priority, decision.actions) == ("review", "P3", ())
        assert decision.reasons[0].startswith("A person decides")

    def test_suspect_spam_is_looked_at(self):
        assert decide(facts("neutral", "spam", injection_suspected=True), POLICY).queue == "review"

    def test_sarcastic_spam_is_spam(self):
        assert decide(facts("neutral", "spam", sarcasm=True), POLICY).queue == "auto"


class TestExplain:
    def test_it_reads_as_one_paragraph(self):
        assert explain(decide(facts("negative", "refund_request"), POLICY)) == (
            "P1, senior queue. Negative (0.93) with a refund request. "
            "An unhappy customer wants money back. "
            "The score reaches the tenant's escalation threshold of 0.70. "
            "For an agent with the skill senior. "
            "Actions: escalate to human, send refund form."
        )

    def test_what_is_only_recorded_says_so(self):
        decision = decide(facts("negative", "technical_support"), replace(POLICY, actions={}))

        assert explain(decision).endswith("Actions: request screenshot (recorded only).")

    def test_without_actions_it_ends_with_the_reasons(self):
        assert explain(decide(facts(), POLICY)) == (
            "P3, support queue. Neutral (0.93) without a particular request. No rule holds, so it goes to the ordinary queue."
        )


class TestMessagesWithoutWords:
    VOICE = Rule(
        name="voice_notes",
        because="Somebody has to listen.",
        when=RuleWhen(message_type=("audio",)),
        then=RuleThen(queue="senior", priority="P2", actions=("assign", "follow_up")),
    )

    def test_a_rule_that_names_the_kind_places_it_and_says_nothing_to_the_customer(self):
        policy = replace(POLICY, rules=(self.VOICE, *POLICY.rules))
        decision = decide(RoutingFacts(outcome="no_text", surface="dm", message_type="audio"), policy)

        assert (decision.queue, decision.priority, decision.rule) == ("senior", "P2", "voice_notes")
        assert decision.actions == (PlannedAction("assign", "pending"),)

    @pytest.mark.parametrize("when", [RuleWhen(), RuleWhen(message_type=("audio",), sentiment=("negative",))])
    def test_a_rule_that_asks_for_a_feeling_or_names_no_kind_does_not_fit(self, when):
        policy = replace(POLICY, rules=(self.VOICE.model_copy(update={"when": when}),))
        decision = decide(RoutingFacts(outcome="no_text", surface="dm", message_type="audio"), policy)

        assert decision.rule == "no_text"


@pytest.mark.parametrize(("skill", "kept"), [("b2b", "b2b"), ("senior", None)])
def test_below_the_threshold_a_rule_still_asks_for_its_skill_unless_it_is_the_seniors(skill, kept):
    own = Rule(
        name="own", because="Test.", when=RuleWhen(sentiment=("negative",)),
        then=RuleThen(queue="senior", priority="P1", actions=("escalate_to_human",), skill=skill),
    )  # fmt: skip
    decision = decide(facts("negative", "complaint", score=0.6), replace(POLICY, rules=(own, *POLICY.rules)))

    assert (decision.queue, decision.priority, decision.skill) == ("support", "P2", kept)
