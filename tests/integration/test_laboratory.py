"""Trying before it is live: other topics, thresholds, examples and models side by side, nothing judged, all of it in the ledger."""

import json

import httpx2
import pytest

from tests.integration.test_examples import BLUE, Desk, calls
from worker.examples import publish
from worker.laboratory import LabSetup, run_lab
from worker.trials import TrialError

LATE = "My parcel is late again"
SHOES = "Do you have the blue sneakers in half sizes?"
JUDGED = ("message_analysis", "routing_decision", "action", "message", "conversation", "correction", "crm_event", "run")


@pytest.fixture
def desk(deps, receive, tenant_ids):
    return Desk(deps, receive, tenant_ids["acme"], "acme")


def contents(owner):
    return {table: owner.execute(f"SELECT to_jsonb(t) FROM {table} AS t ORDER BY id").fetchall() for table in JUDGED}


def test_another_topic_list_shows_what_would_change_and_judges_nothing(desk, owner, standins):
    message_id = desk.hear(SHOES)
    before, n_calls = contents(owner), len(calls(standins))
    setup = LabSetup(topics={"half_sizes": "half sizes, sneakers, which size fits"})
    (row,) = run_lab(desk.deps, desk.tenant_id, setup=setup, message_ids=[message_id])
    assert "half_sizes" in row.trial.topics and "half_sizes" not in row.live.topics
    assert "topics" in row.changed and row.live.is_stored and not row.trial.is_stored
    assert row.live.cost_microusd == 0 < row.trial.cost_microusd
    assert contents(owner) == before and len(calls(standins)) == n_calls + 1
    trial = owner.execute(
        "SELECT message_id::text, outcome, minimized_text, cost_microusd FROM egress WHERE purpose = 'trial'"
    ).fetchall()
    sent = calls(standins)[-1]["messages"][0]["content"]
    assert trial == [(message_id, "answered", sent, row.trial.cost_microusd)]


def test_thresholds_alone_need_no_call(desk, standins):
    message_id = desk.hear(LATE)
    n_calls = len(calls(standins))
    setup = LabSetup(thresholds={"unsure": 1.0})
    (row,) = run_lab(desk.deps, desk.tenant_id, setup=setup, message_ids=[message_id])
    assert len(calls(standins)) == n_calls
    assert row.trial.queue == "review" != row.live.queue and row.changed == ("priority", "queue")
    assert "below the tenant's 1.00" in row.trial.reasons[0]


def test_pasted_words_are_stripped_and_stand_in_the_ledger_without_a_message(desk, owner, standins):
    (row,) = run_lab(desk.deps, desk.tenant_id, setup=LabSetup(tone="brief"), texts=[LATE + ", call +90 532 123 45 67"])
    assert "532" not in row.words and row.message_id is None and row.live.sentiment == "negative"
    assert row.live.priority and row.live.reasons and row.live.cost_microusd and row.trial.cost_microusd
    rows = owner.execute("SELECT message_id, purpose, minimized_text FROM egress").fetchall()
    assert len(rows) == len(calls(standins)) == 2
    assert {one[:2] for one in rows} == {(None, "trial")} and "532" not in json.dumps(rows, default=str)
    assert owner.execute("SELECT calls FROM spend").fetchone() == (2,)
    owner.execute("UPDATE egress SET created_at = now() - interval '31 days'")
    run_lab(desk.deps, desk.tenant_id, setup=LabSetup(), texts=["hello"])
    kept = [text for (text,) in owner.execute("SELECT minimized_text FROM egress ORDER BY id").fetchall()]
    assert kept[:2] == ["[expired]"] * 2 and "hello" in kept[2]


def test_without_anything_to_try_a_pasted_message_is_read_once(desk, standins):
    (row,) = run_lab(desk.deps, desk.tenant_id, setup=LabSetup(), texts=[LATE])
    assert row.changed == () and row.trial.cost_microusd == 0 and len(calls(standins)) == 1


def test_examples_can_be_tried_before_and_after_they_are_published(desk, owner):
    desk.teach(BLUE, held_back=False)
    message_id = desk.hear_like(BLUE)
    (row,) = run_lab(desk.deps, desk.tenant_id, setup=LabSetup(examples="proposed"), message_ids=[message_id])
    assert (row.live.sentiment, row.trial.sentiment) == ("neutral", "negative")
    version = publish(desk.deps, desk.tenant_id, by=7, accept_unchecked=True).version
    (row,) = run_lab(desk.deps, desk.tenant_id, setup=LabSetup(examples="none"), texts=[BLUE + " zqzz"])
    assert (row.live.sentiment, row.trial.sentiment) == ("negative", "neutral")
    assert row.live.prompt == f"g2.s1.e{version} claude-haiku-5-5" and row.trial.prompt == "g2.s1 claude-haiku-5-5"
    (row,) = run_lab(desk.deps, desk.tenant_id, setup=LabSetup(examples=str(version)), message_ids=[message_id])
    assert row.trial.sentiment == "negative"
    with pytest.raises(TrialError, match="there is no version 99"):
        run_lab(desk.deps, desk.tenant_id, setup=LabSetup(examples="99"), texts=["x"])


def test_nothing_proposed_is_said(desk):
    with pytest.raises(TrialError, match="nothing is proposed"):
        run_lab(desk.deps, desk.tenant_id, setup=LabSetup(examples="proposed"), texts=["x"])


def test_another_model_is_asked_and_named(desk, standins):
    (row,) = run_lab(desk.deps, desk.tenant_id, setup=LabSetup(model="claude-sonnet-5-5"), texts=[LATE])
    assert {call["model"] for call in calls(standins)} == {"claude-haiku-5-5", "claude-sonnet-5-5"}
    assert row.trial.prompt.endswith("claude-sonnet-5-5") and row.trial.cost_microusd > row.live.cost_microusd


def test_an_industry_brings_its_own_rules_and_topics(desk):
    setup = LabSetup(industry="hotel")
    (row,) = run_lab(desk.deps, desk.tenant_id, setup=setup, texts=["The room was noisy and the shower is broken"])
    assert "room" in row.trial.topics and "room" not in row.live.topics


def test_the_laboratory_compares_what_the_model_said_not_what_people_made_of_it(desk):
    message_id = desk.hear(LATE)
    desk.correct(message_id, value="positive")
    (row,) = run_lab(desk.deps, desk.tenant_id, setup=LabSetup(), message_ids=[message_id])
    assert row.live.sentiment == "negative" and row.changed == ()


def test_an_answer_that_is_refused_is_shown_as_such(desk, standins):
    refusal = {"id": "m", "type": "message", "role": "assistant", "model": "claude-haiku-5-5", "content": [],
               "stop_reason": "refusal", "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 0}}  # fmt: skip
    httpx2.post(f"{standins['anthropic']}/_script", json={"steps": [{"status": 200, "body": refusal}]})
    (row,) = run_lab(desk.deps, desk.tenant_id, setup=LabSetup(), texts=[LATE])
    assert (row.live.error_code, row.live.sentiment, row.live.queue) == ("refused", None, "review")


@pytest.mark.parametrize(
    ("setup", "problem"),
    [
        (LabSetup(topics={f"topic_{n}": "a topic" for n in range(200)}), "topics: are 200; at most 60 fit"),
        (LabSetup(topics={"Half Sizes": "x"}), r'topics\.Half Sizes: .*write "half_sizes"'),
        (LabSetup(topics={"ship_ping": "x"}), 'topics.ship_ping: reads like "shipping"'),
        (LabSetup(topics={"sizes": "a\nb"}), "topics.sizes: holds a line break"),
        (LabSetup(thresholds={"unsure": 7}), "thresholds.unsure: Input should be less than or equal to 1"),
        (LabSetup(thresholds={"mood": 0.5}), "thresholds.mood"),
        (LabSetup(industry="zoo"), 'industry: "zoo" is unknown'),
        (LabSetup(tone="x" * 201), "tone: String should have at most 200"),
    ],
)
def test_what_cannot_be_tried_says_what_is_wrong(desk, standins, setup, problem):
    with pytest.raises(TrialError, match=problem):
        run_lab(desk.deps, desk.tenant_id, setup=setup, texts=["x"])
    assert calls(standins) == []


def test_messages_that_are_not_there_are_refused(desk, deps, receive, tenant_ids):
    theirs = Desk(deps, receive, tenant_ids["other"], "other").hear(LATE)
    for message_id in (theirs, "nothing"):
        with pytest.raises(TrialError, match="this tenant has no message"):
            run_lab(desk.deps, desk.tenant_id, setup=LabSetup(), message_ids=[message_id])
    with pytest.raises(TrialError, match="give 1 to 50"):
        run_lab(desk.deps, desk.tenant_id, setup=LabSetup())
    with pytest.raises(TrialError, match="no words"):
        run_lab(desk.deps, desk.tenant_id, setup=LabSetup(), texts=[" "])


def test_a_paused_provider_is_not_asked_by_the_laboratory_either(deps, tenant_ids, owner):
    from analysis.base import AnalysisError

    deps.provider_gate.note_failure(
        "claude-haiku-5-5", AnalysisError("key_refused_401", permanent=False, needs_person=True)
    )
    with pytest.raises(TrialError, match="paused"):
        run_lab(deps, tenant_ids["acme"], setup=LabSetup(tone="dry"), texts=["hello"])
    assert owner.execute("SELECT count(*) FROM egress").fetchone() == (0,)
