"""A history under other settings: what moves, what follows from it, and how it is told."""

import json
import random
from dataclasses import replace
from datetime import date

import pytest

from routing.facts import RoutingFacts
from routing.playbooks import policy_for
from routing.policy_changes import describe_changes
from routing.remembered_rulings import Planned, RememberedRulings, rule_on
from routing.simulation import History, HumanAnswer, PastDecision, Side
from routing.simulation_report import Change, Simulation, Verdict, sentence, simulate
from routing.stored_facts import facts_to_json
from tests.unit.test_stored_decisions import OWN_RULE, decidable_facts, tenant

NOON = 1_790_000_000.0
LIVE = policy_for(tenant())


def with_limits(**thresholds):
    return policy_for(tenant(thresholds=thresholds))


def past(facts, *, number=0, policy=LIVE, conversation="c1", customer="u1", applied=True, after_s=0.0, **more):
    """A decision as it was made and stored under the policy."""
    ruling = rule_on(facts, policy)
    at = NOON + 60 * number + after_s
    row = PastDecision(
        f"m{number}", conversation, customer, at, at, json.loads(json.dumps(facts_to_json(facts))), "h", ruling.priority, ruling.queue,
        ruling.rule, ruling.actions, applied, facts.provisional,
    )  # fmt: skip
    return row._replace(**more)


def labelled(sentiment="negative", score=0.6, intent="refund_request", **more):
    return RoutingFacts("analyzed", "dm", sentiment=sentiment, score=score, intent=intent, **more)


def run(history, after, *, before=LIVE, answers=None, verdicts=None):
    return simulate(history, before=before, after=after, answers=answers or {}, verdicts=verdicts or {})


def rulings(history, policy, **more):
    side, places, told = Side(policy, more.get("answers", {})), History(), []
    for one in history:
        told.append(side.decide(one, real=places.before(one)))
        places.add(one)
    return told


@pytest.mark.parametrize("seed", range(20))
def test_remembered_rulings_are_those_that_decide_gives(seed):
    rng = random.Random(seed)
    policy = policy_for(
        tenant(rules=[OWN_RULE], thresholds={"escalate": round(rng.random(), 2), "unsure": round(rng.random(), 2)})
    )
    limits = [policy.thresholds.escalate, policy.thresholds.unsure, 0.4]
    rulings = RememberedRulings(policy, LIVE)
    for _ in range(300):
        score = rng.choice([None, rng.random(), *limits, *(limit + 1e-9 for limit in limits)])
        facts = replace(
            decidable_facts(rng), score=score, topics=tuple(rng.sample(["billing", "refund"], rng.randrange(3)))
        )
        stored = json.loads(json.dumps(facts_to_json(facts)))
        assert rulings.rule_on(stored) == rulings.rule_on(stored) == (rule_on(facts, policy), rule_on(facts, LIVE))


def test_a_lower_threshold_makes_more_p1_and_counts_the_corrected_ones():
    history = [past(labelled(), number=n, conversation=f"c{n}", customer=f"u{n}") for n in range(5)]
    verdicts = {
        "m1": Verdict("neutral", None, None, corrects=True),
        "m2": Verdict("negative", None, None, corrects=False),
    }
    one = run(history, with_limits(escalate=0.55), verdicts=verdicts)
    assert one.more_urgent.messages == 5 and one.more_urgent.corrected == 1 and one.less_urgent.messages == 0
    assert one.changes[Change("P2", "support", "P1", "senior")].examples == ["m0", "m1", "m2", "m3", "m4"]
    assert one.after.days == {(date(2026, 9, 21), "P1"): 5}
    told = sentence(one, what="escalate at 0.55 instead of 0.70", span="the last 30 days")
    assert told == ("escalate at 0.55 instead of 0.70: 5 more P1 in the last 30 days, 1 of them corrected by agents")


def test_p1_is_held_against_what_people_say():
    history = [past(labelled(), number=n, conversation=f"c{n}", customer=f"u{n}") for n in range(3)]
    verdicts = {
        "m0": Verdict("positive", None, None, corrects=True),
        "m1": Verdict("negative", None, None, corrects=False),
    }
    one = run(history, with_limits(escalate=0.55), verdicts=verdicts)
    assert vars(one.before.judged) == {"right": 0, "needless": 0, "missed": 1} and one.before.judged.precision is None
    assert vars(one.after.judged) == {"right": 1, "needless": 1, "missed": 0}
    assert (one.after.judged.precision, one.after.judged.recall) == (0.5, 1.0)


def test_actions_that_would_be_planned_are_counted_by_state():
    history = [past(labelled("positive", 0.9, "compliment"))]
    one = run(history, policy_for(tenant(actions={"close_with_thanks": {"enabled": True}})))
    assert one.before.actions[Planned("close_with_thanks", "shadow")] == 1
    assert one.after.actions[Planned("close_with_thanks", "pending")] == 1
    assert one.other_actions.messages == 1 and one.moved == 0


def test_a_conversation_that_would_stand_higher_keeps_thanks_away():
    first = past(labelled(score=0.6), number=0)
    second = past(labelled("positive", 0.9, "compliment", open_priority="P2"), number=1)
    third = past(labelled("positive", 0.9, "compliment", open_priority="P3"), number=2)
    calm = policy_for(
        tenant(rules=[{**OWN_RULE, "when": {"sentiment": ["negative"]}, "then": {"queue": "sales", "priority": "P3"}}])
    )
    told = rulings([first, second, third], calm)
    assert told[0].priority == "P3" and {action.kind for action in told[1].actions} == {
        "close_with_thanks",
        "send_nps_invite",
    }


def test_an_earlier_message_that_would_stand_at_p1_holds_a_later_one_until_somebody_answers():
    first, second = (
        past(labelled(score=0.6), number=0),
        past(labelled("neutral", 0.9, "other", open_priority="P2"), number=1),
    )
    second = second._replace(applied=False)
    eager = with_limits(escalate=0.55)
    assert [one.applied for one in rulings([first, second], eager)] == [True, False]
    answers = {"c1": [HumanAnswer(first.sent_at + 5, first.sent_at + 6)]}
    assert [one.applied for one in rulings([first, second], eager, answers=answers)] == [True, True]


def test_a_late_message_that_is_not_the_newest_places_nothing():
    newest = past(labelled(score=0.6), number=5)
    late = past(labelled(score=0.65, open_priority="P2"), number=1, applied=False)._replace(decided_at=NOON + 900)
    told = rulings([newest, late], with_limits(escalate=0.55))
    assert [(one.priority, one.applied) for one in told] == [("P1", True), ("P1", False)]


def test_an_action_that_would_have_fired_counts_against_the_customers_limit():
    tried = policy_for(tenant(actions={"close_with_thanks": {"enabled": True}}))
    praise = labelled("positive", 0.9, "compliment")
    same_day = [past(praise, number=n, conversation=f"c{n}") for n in range(2)]
    next_day = past(praise, number=2, conversation="c2", after_s=25 * 3600)
    thanks = Planned("close_with_thanks", "pending")
    assert [thanks in one.actions for one in rulings([*same_day, next_day], tried)] == [True, False, True]


def test_an_invitation_that_would_have_left_keeps_the_next_ones_away_for_the_tenants_days():
    tried = policy_for(tenant(actions={"send_nps_invite": {"enabled": True}}))
    praise = labelled("positive", 0.9, "compliment", survey_channel="whatsapp")
    days = (0, 2, 89, 91)
    history = [past(praise, number=n, conversation=f"c{n}", after_s=day * 86400.0) for n, day in enumerate(days)]
    invited = [Planned("send_nps_invite", "pending") in one.actions for one in rulings(history, tried)]
    assert invited == [True, False, False, True]


def test_a_person_who_would_not_have_been_called_keeps_nothing_away():
    first = past(labelled(score=0.8), number=0)
    second = past(labelled("neutral", 0.9, "technical_support", open_priority="P1", escalated=True), number=1)
    third = past(labelled("neutral", 0.9, "technical_support", open_priority="P3"), number=2)
    asks = Planned("request_screenshot", "shadow")
    assert asks not in second.actions
    told = rulings([first, second, third], with_limits(escalate=0.9))
    assert [asks in one.actions for one in told] == [False, True, True]
    eager = [past(labelled(score=0.6), number=0), third._replace(decided_at=NOON + 60)]
    assert asks in eager[1].actions
    assert asks not in rulings(eager, with_limits(escalate=0.55))[1].actions


def test_provisional_decisions_and_second_looks_are_not_counted_as_messages():
    first = past(labelled(), number=0)
    again = past(labelled(allow_actions=False), number=0)
    waiting = past(labelled(provisional=True), number=0)
    one = run([waiting, first, again], with_limits(escalate=0.55))
    assert (one.messages, one.second_looks, one.more_urgent.messages) == (1, 1, 1)


def test_what_was_decided_otherwise_at_the_time_is_counted_apart():
    history = [past(labelled(), number=n, policy=with_limits(escalate=0.55), conversation=str(n)) for n in range(2)]
    one = run(history, LIVE)
    assert (one.unlike_history, one.moved) == (2, 0)
    assert run(history, LIVE, before=None).less_urgent.messages == 2


def test_decisions_that_cannot_be_read_are_left_out_and_counted():
    one = run([past(labelled())._replace(inputs={"surface": "dm"}), past(labelled(), number=1)], LIVE)
    assert (one.unreadable, one.messages) == (1, 1)


def test_decisions_from_before_actions_were_stored_are_simulated_too():
    assert run([past(labelled())._replace(actions=None, policy_hash=None)], LIVE).messages == 1


def test_the_sentence_says_so_when_nothing_changes_and_when_only_places_or_actions_do():
    nothing = run([past(labelled())], LIVE)
    assert sentence(nothing, what="unsure at 0.40 instead of 0.50", span="the last day") == (
        "unsure at 0.40 instead of 0.50: nothing would change in the last day (1 messages)"
    )
    elsewhere = run([past(labelled("neutral", 0.45, "other"))], with_limits(unsure=0.4))
    assert sentence(elsewhere, what="x", span="y") == "x: as many P1 in y, 1 messages elsewhere"
    actions = Simulation()
    actions.other_actions.add("m", corrected=False)
    assert sentence(actions, what="x", span="y") == "x: as many P1 in y, 1 messages with other actions"
    actions.other_actions.add("n", corrected=True)
    assert sentence(actions, what="x", span="y").endswith(
        "2 messages with other actions, 1 of them corrected by agents"
    )
    both = Simulation()
    both.changes[Change("P1", "senior", "P2", "support")].add("m", corrected=False)
    both.less_urgent.add("m", corrected=False)
    assert sentence(both, what="x", span="y") == "x: 1 fewer P1 in y"


def test_changes_are_named():
    other = policy_for(
        tenant(
            thresholds={"escalate": 0.55},
            rules=[OWN_RULE],
            actions={"send_nps_invite": {"enabled": True}, "follow_up": {"enabled": False}},
        )
    )
    assert describe_changes(LIVE, other) == (
        "escalate at 0.55 instead of 0.70", "new rule vip", "follow_up switched off", "send_nps_invite switched on",
    )  # fmt: skip
    assert "without rule vip" in describe_changes(other, LIVE) and "follow_up recorded only" in describe_changes(
        other, LIVE
    )
    assert describe_changes(LIVE, LIVE) == ()
