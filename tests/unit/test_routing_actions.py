"""Which actions are planned, what they say, and when they must no longer leave."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from config.actions import ActionConfig
from config.rules import Rule, RuleThen, RuleWhen
from config.thresholds import Thresholds
from routing.actions import (
    CRM_TASKS,
    CUSTOMER_FACING,
    INTERNAL,
    MONEY_LIKE,
    THANKFUL,
    _texts,
    idempotency_key,
    link_for,
    outbound_text,
    refusal,
)
from routing.playbooks import playbook_for
from routing.rules import PlannedAction, RoutingPolicy, decide
from tests.unit.test_routing_rules import ACTIONS, POLICY, facts, kinds

WHATSAPP_LABEL_CHARS = 20
INSTAGRAM_TEXT_BYTES = 1000
LANGUAGES = ("en", "tr", "de", "ar")
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def policy_with(**changes) -> RoutingPolicy:
    return replace(POLICY, actions={**ACTIONS, **changes})


def wanting(*actions) -> RoutingPolicy:
    rule = Rule(
        name="own", because="Test.", when=RuleWhen(), then=RuleThen(queue="support", priority="P3", actions=actions)
    )
    return RoutingPolicy(thresholds=Thresholds(), rules=(rule,), actions=ACTIONS)


class TestConsent:
    def test_what_the_tenant_never_mentioned_is_only_recorded(self):
        decision = decide(facts("positive", "compliment"), replace(POLICY, actions={}))

        assert decision.actions == (
            PlannedAction("close_with_thanks", "shadow"),
            PlannedAction("send_nps_invite", "shadow"),
        )

    def test_what_the_tenant_switched_off_is_not_planned_and_says_so(self):
        decision = decide(facts("positive", "compliment"), policy_with(send_nps_invite=ActionConfig(enabled=False)))

        assert kinds(decision) == ("close_with_thanks",)
        assert "No NPS invitation: the tenant has switched it off." in decision.reasons

    def test_internal_actions_need_no_consent(self):
        decision = decide(facts("negative", "complaint"), replace(POLICY, actions={}))

        assert decision.actions == (PlannedAction("escalate_to_human", "pending"),)

    def test_internal_actions_cannot_be_switched_off(self):
        decision = decide(facts("negative", "complaint"), policy_with(escalate_to_human=ActionConfig(enabled=False)))

        assert decision.actions == (PlannedAction("escalate_to_human", "pending"),)

    def test_the_daily_limit_of_a_customer_holds(self):
        decision = decide(facts("negative", "refund_request", recent_actions={"send_refund_form": 1}), POLICY)

        assert kinds(decision) == ("escalate_to_human",)
        assert "No refund form: the customer has had 1 in the last 24 hours, the tenant's limit." in decision.reasons

    def test_below_the_daily_limit_it_is_planned_again(self):
        twice = policy_with(send_refund_form=ActionConfig(enabled=True, per_customer_per_day=2))

        decision = decide(facts("negative", "refund_request", recent_actions={"send_refund_form": 1}), twice)

        assert "send_refund_form" in kinds(decision)

    def test_an_action_that_a_rule_names_twice_is_planned_once(self):
        assert kinds(decide(facts(), wanting("follow_up", "tag", "follow_up"))) == ("follow_up", "tag")

    def test_a_webhook_is_planned_like_any_other(self):
        assert decide(facts(), wanting("webhook")).actions == (PlannedAction("webhook", "shadow"),)


class TestGuards:
    def test_a_refund_form_needs_a_refund_request_whatever_the_tenant_says(self):
        decision = decide(facts("negative", "complaint"), wanting("send_refund_form"))

        assert decision.actions == ()
        assert "No refund form: the customer does not ask for a refund." in decision.reasons

    def test_suspected_injection_gets_no_refund_form(self):
        decision = decide(facts("negative", "refund_request", injection_suspected=True), POLICY)

        assert kinds(decision) == ("escalate_to_human",)
        assert "No refund form: the text seems to give instructions to the model." in decision.reasons

    def test_after_a_take_over_nothing_reaches_the_customer(self):
        decision = decide(facts("negative", "refund_request", human_took_over=True), POLICY)

        assert kinds(decision) == ("escalate_to_human",)
        assert "No refund form: a person has taken the conversation over." in decision.reasons

    def test_after_a_take_over_a_callback_is_still_noted(self):
        assert kinds(decide(facts("neutral", "callback_request", human_took_over=True), POLICY)) == (
            "schedule_callback",
        )

    def test_what_was_written_in_a_group_gets_no_private_answer(self):
        decision = decide(facts("positive", "compliment", in_group=True), POLICY)

        assert decision.actions == ()
        assert any("written in a group" in reason for reason in decision.reasons)

    def test_a_danger_is_answered_by_people_only(self):
        decision = decide(facts("negative", "technical_support", floor_hits=("safety",)), POLICY)

        assert decision.actions == ()
        assert (
            "No request for a screenshot: the text holds a danger to people, so a person answers." in decision.reasons
        )

    @pytest.mark.parametrize(
        ("change", "because"),
        [
            ({"sentiment": "negative"}, "the customer is unhappy"),
            ({"sarcasm": True}, "the praise may be sarcastic"),
            ({"injection_suspected": True}, "the text seems to give instructions to the model"),
            ({"floor_hits": ("urgent",)}, "the text holds words that a person has to see"),
            ({"open_priority": "P1"}, "the conversation still stands at P1"),
            ({"open_priority": "P2"}, "the conversation still stands at P2"),
        ],
    )
    def test_thanks_need_a_clear_reason(self, change, because):
        decision = decide(replace(facts("positive", "compliment"), **change), wanting("close_with_thanks"))

        assert decision.actions == ()
        assert f"No closing with thanks: {because}." in decision.reasons

    def test_an_ordinary_open_conversation_may_be_closed_with_thanks(self):
        assert "close_with_thanks" in kinds(decide(facts("positive", "compliment", open_priority="P3"), POLICY))

    def test_a_second_look_does_nothing_and_says_so(self):
        decision = decide(facts("negative", "refund_request", allow_actions=False), POLICY)

        assert (decision.queue, decision.priority, decision.actions) == ("senior", "P1", ())
        assert decision.reasons[-1] == "Nothing is done automatically: this is a second look at an earlier message."

    def test_a_second_look_without_anything_to_do_has_nothing_to_say(self):
        decision = decide(facts("neutral", "order_status", allow_actions=False), POLICY)

        assert len(decision.reasons) == 2


class TestComments:
    def test_a_comment_is_answered_in_private_once(self):
        decision = decide(facts("positive", "compliment", surface="reel_comment"), POLICY)

        assert kinds(decision) == ("close_with_thanks",)
        assert "No NPS invitation: a comment may be answered in private only once." in decision.reasons

    def test_what_is_only_recorded_uses_up_no_answer(self):
        only_invites = replace(POLICY, actions={"send_nps_invite": ActionConfig(enabled=True)})

        decision = decide(facts("positive", "compliment", surface="comment"), only_invites)

        assert decision.actions == (
            PlannedAction("close_with_thanks", "shadow"),
            PlannedAction("send_nps_invite", "pending"),
        )

    def test_tasks_for_people_are_no_answer(self):
        decision = decide(facts(surface="comment"), wanting("follow_up", "schedule_callback"))

        assert kinds(decision) == ("follow_up", "schedule_callback")


class TestAdvice:
    @pytest.mark.parametrize("advice", ["follow_up", "schedule_callback"])
    def test_the_model_may_suggest_a_follow_up_or_a_callback(self, advice):
        assert kinds(decide(facts("neutral", "order_status", suggested_action=advice), POLICY)) == (advice,)

    @pytest.mark.parametrize(
        "advice", ["escalate_to_human", "send_refund_form", "close_with_thanks", "none", "wire_the_money"]
    )
    def test_the_model_can_ask_for_nothing_else(self, advice):
        assert decide(facts("neutral", "order_status", suggested_action=advice), POLICY).actions == ()

    def test_advice_counts_only_where_the_tenant_has_such_an_action(self):
        without = replace(POLICY, actions={})

        assert decide(facts("neutral", "order_status", suggested_action="follow_up"), without).actions == ()

    def test_advice_that_the_rule_has_already_adds_nothing(self):
        decision = decide(facts("neutral", "callback_request", suggested_action="schedule_callback"), POLICY)

        assert kinds(decision) == ("schedule_callback",)

    @pytest.mark.parametrize(
        "given",
        [
            facts("neutral", "spam", suggested_action="follow_up"),
            facts("neutral", "order_status", suggested_action="follow_up", injection_suspected=True),
        ],
    )
    def test_advice_on_spam_or_suspect_text_is_not_taken(self, given):
        assert decide(given, POLICY).actions == ()


class TestKinds:
    def test_no_kind_is_two_things_at_once(self):
        assert not INTERNAL & CUSTOMER_FACING
        assert not CRM_TASKS & (INTERNAL | CUSTOMER_FACING)
        assert MONEY_LIKE | THANKFUL < CUSTOMER_FACING

    def test_one_action_of_a_kind_per_message(self):
        assert idempotency_key("m1", "follow_up") == "m1:follow_up"


class TestTexts:
    @pytest.mark.parametrize("kind", sorted(CUSTOMER_FACING | CRM_TASKS))
    @pytest.mark.parametrize("language", LANGUAGES)
    def test_every_kind_speaks_four_languages_within_instagrams_limit(self, kind, language):
        text = outbound_text(kind, language=language, config=ActionConfig())

        assert text == _texts()[kind][language]
        assert 0 < len(text.encode()) <= INSTAGRAM_TEXT_BYTES

    @pytest.mark.parametrize("labels", ["button_labels", "open_labels"])
    def test_button_labels_fit_whatsapp(self, labels):
        assert set(_texts()[labels]) == set(LANGUAGES)
        assert all(0 < len(label) <= WHATSAPP_LABEL_CHARS for label in _texts()[labels].values())

    def test_the_tenants_own_wording_comes_first(self):
        config = ActionConfig(texts={"tr": "Bizim sözümüz"})

        assert outbound_text("follow_up", language="tr", config=config) == "Bizim sözümüz"
        assert outbound_text("follow_up", language="de", config=config) == _texts()["follow_up"]["de"]

    def test_an_unknown_language_gets_english_the_tenants_first(self):
        assert outbound_text("follow_up", language="und", config=ActionConfig()) == _texts()["follow_up"]["en"]
        assert outbound_text("follow_up", language="fr", config=ActionConfig(texts={"en": "Ours"})) == "Ours"

    def test_a_kind_that_says_nothing_has_no_text(self):
        with pytest.raises(KeyError):
            outbound_text("assign", language="en", config=ActionConfig(texts={"en": "never sent"}))

    def test_a_link_is_labelled_in_the_customers_language(self):
        config = ActionConfig(url="https://acme.example/form")

        assert link_for("send_refund_form", language="de", config=config) == ("Zum Formular", config.url)
        assert link_for("send_nps_invite", language="fr", config=config) == ("Open", config.url)

    def test_without_a_url_there_is_no_link(self):
        assert link_for("send_refund_form", language="en", config=ActionConfig()) is None


class TestRefusal:
    @staticmethod
    def ask(kind="follow_up", **changes):
        given = {
            "now": NOW,
            "received_at": NOW - timedelta(minutes=1),
            "human_took_over": False,
            "config": ActionConfig(enabled=True),
        }
        return refusal(kind, **{**given, **changes})

    @pytest.mark.parametrize("kind", sorted(CUSTOMER_FACING))
    def test_a_fresh_action_may_leave(self, kind):
        assert self.ask(kind) is None

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"config": ActionConfig(enabled=False)}, "not_enabled"),
            ({"human_took_over": True}, "human_took_over"),
            ({"contradicted": True}, "contradicted"),
            ({"received_at": NOW - timedelta(minutes=30, seconds=1)}, "too_old"),
        ],
    )
    def test_each_reason_to_stay(self, changes, code):
        assert self.ask(**changes) == code

    @pytest.mark.parametrize(
        "changes",
        [
            {"received_at": NOW - timedelta(minutes=30)},
            {"received_at": NOW - timedelta(minutes=90), "config": ActionConfig(enabled=True, max_age_min=120)},
        ],
    )
    def test_the_last_moment_still_counts(self, changes):
        assert self.ask(**changes) is None

    @pytest.mark.parametrize("kind", sorted(INTERNAL | CRM_TASKS))
    def test_what_reaches_no_customer_is_never_refused(self, kind):
        assert self.ask(kind, human_took_over=True, config=ActionConfig()) is None


def test_the_playbooks_want_no_action_that_nobody_carries_out():
    wanted = {kind for name in ("ecommerce", "general") for rule in playbook_for(name) for kind in rule.then.actions}

    assert wanted <= CUSTOMER_FACING | CRM_TASKS | {"escalate_to_human"}
