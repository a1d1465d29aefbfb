"""Clocks from stories: what starts them, what stops them, and that the order of knowledge changes nothing."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from config.hours import DAYS, Hours
from config.sla import Sla
from routing.sla_clocks import Rest, Story, Wrote, clocks_of, has_open_episode, starts_of
from tests.effort import examples

T0 = datetime(2026, 11, 25, 9, tzinfo=UTC)  # a Wednesday
SLA = Sla()
ALWAYS = Hours()


def at(minutes):
    return T0 + timedelta(minutes=minutes)


def wrote(minutes, priority="P2", *, queue="support", needs_person=True, received=None, name=None):
    return Wrote(
        at=at(minutes),
        received_at=at(minutes if received is None else received),
        message_id=name or f"m{minutes}",
        priority=priority,
        queue=queue,
        needs_person=needs_person,
    )


def clocks(*, messages=(), answers=(), rests=(), now=0, sla=SLA, hours=ALWAYS):
    story = Story(tuple(messages), tuple(at(each) for each in answers), tuple(rests))
    return clocks_of(story, sla=sla, hours=hours, now=at(now))


def only(found, kind):
    (clock,) = [each for each in found if each.kind == kind]
    return clock


def resolved(minutes, until=None):
    return Rest("resolved", at(minutes), None if until is None else at(until))


def test_the_first_message_that_needs_a_person_starts_the_first_answer_and_the_resolution():
    found = clocks(messages=[wrote(0, needs_person=False, queue="auto"), wrote(5, "P1")], now=6)
    assert [(clock.kind, clock.started_at, clock.due_at, clock.state) for clock in found] == [
        ("first_answer", at(5), at(20), "running"),
        ("resolution", at(5), at(245), "running"),
    ]
    assert only(found, "first_answer").warn_at == at(17)


def test_what_an_automation_handles_starts_no_clock():
    assert clocks(messages=[wrote(0, "P4", queue="auto", needs_person=False)], now=9999) == ()


def test_a_persons_answer_stops_it_by_the_providers_time():
    clock = only(clocks(messages=[wrote(0)], answers=[12], now=500), "first_answer")
    assert (clock.state, clock.met_at, clock.ended_at) == ("met", at(12), at(12))


def test_an_answer_older_than_the_message_stops_nothing():
    assert only(clocks(messages=[wrote(10)], answers=[9], now=11), "first_answer").state == "running"


def test_an_answer_of_the_same_second_is_one_to_the_message():
    assert only(clocks(messages=[wrote(10)], answers=[10], now=11), "first_answer").state == "met"


def test_a_late_answer_is_a_breach_that_was_met_late():
    clock = only(clocks(messages=[wrote(0)], answers=[61], now=500), "first_answer")
    assert (clock.state, clock.met_at) == ("breached", at(61))


def test_the_next_answer_runs_from_the_first_unanswered_message():
    found = clocks(messages=[wrote(0), wrote(20), wrote(25)], answers=[10], now=30)
    clock = only(found, "next_answer")
    assert (clock.started_at, clock.due_at, clock.state) == (at(20), at(80), "running")


def test_a_higher_priority_moves_the_due_time_forward_from_the_original_start():
    clock = only(clocks(messages=[wrote(0, "P3"), wrote(8, "P1", queue="senior")], now=9), "first_answer")
    assert (clock.priority, clock.queue, clock.started_at, clock.due_at) == ("P1", "senior", at(0), at(15))


def test_a_calmer_message_extends_nothing():
    clock = only(clocks(messages=[wrote(0, "P1"), wrote(8, "P4")], now=9), "first_answer")
    assert (clock.priority, clock.due_at) == ("P1", at(15))


def test_after_the_answer_the_priority_of_what_was_answered_counts_no_more():
    clock = only(clocks(messages=[wrote(0, "P1"), wrote(30, "P3")], answers=[10], now=31), "next_answer")
    assert (clock.priority, clock.due_at) == ("P3", at(270))


def test_resolving_stops_the_resolution_and_cancels_who_waits():
    found = clocks(messages=[wrote(0)], rests=[resolved(30)], now=9999)
    assert (only(found, "resolution").state, only(found, "resolution").met_at) == ("met", at(30))
    assert (only(found, "first_answer").state, only(found, "first_answer").met_at) == ("cancelled", None)


def test_resolving_what_was_late_already_does_not_hide_that():
    assert only(clocks(messages=[wrote(0)], rests=[resolved(90)], now=99), "first_answer").state == "breached"


def test_back_within_a_day_the_matter_goes_on_and_the_time_between_does_not_count():
    found = clocks(messages=[wrote(0), wrote(300)], answers=[10], rests=[resolved(30, 300)], now=301)
    resolution = only(found, "resolution")
    assert (resolution.started_at, resolution.state, resolution.due_at) == (at(0), "running", at(480 + 270))
    assert resolution.paused_min == 270
    assert only(found, "next_answer").started_at == at(300)


def test_back_later_it_is_a_new_matter():
    found = clocks(messages=[wrote(0), wrote(30 + 24 * 60 + 1)], answers=[10], rests=[resolved(30)], now=1500)
    assert [(clock.kind, clock.state) for clock in found] == [
        ("first_answer", "met"),
        ("resolution", "met"),
        ("first_answer", "running"),
        ("resolution", "running"),
    ]
    assert found[2].episode_at == at(30 + 24 * 60 + 1)


def test_thanks_after_the_end_reopen_nothing():
    messages = [wrote(0), wrote(40, "P4", queue="auto", needs_person=False)]
    found = clocks(messages=messages, answers=[10], rests=[resolved(30)], now=60)
    assert {clock.state for clock in found} == {"met"}


def test_a_person_who_reopens_gives_back_the_old_wait():
    found = clocks(messages=[wrote(0)], rests=[resolved(30, 40)], now=50)
    assert (only(found, "first_answer").state, only(found, "first_answer").due_at) == ("running", at(60))
    assert only(found, "resolution").paused_min == 10


def test_a_message_that_came_in_after_the_resolving_was_not_seen_and_waits_on():
    found = clocks(messages=[wrote(0), wrote(29, received=35)], rests=[resolved(30)], now=40)
    waits = [(clock.started_at, clock.state) for clock in found if clock.kind == "first_answer"]
    assert waits == [(at(0), "cancelled"), (at(29), "running")]
    assert only(found, "resolution").state == "running"


def test_of_one_second_one_was_seen_and_the_other_not_so_the_wait_goes_on_as_one():
    found = clocks(messages=[wrote(0, name="a"), wrote(0, name="b", received=35)], rests=[resolved(30)], now=40)
    waits = [(clock.started_at, clock.state) for clock in found if clock.kind == "first_answer"]
    assert waits == [(at(0), "running")]


def test_a_snooze_pauses_the_resolution_and_not_the_answer():
    asleep = Rest("snoozed", at(10), at(100))
    found = clocks(messages=[wrote(0)], rests=[asleep], now=20)
    assert only(found, "first_answer").state == "running"
    resolution = only(found, "resolution")
    assert (resolution.state, resolution.due_at, resolution.paused_min) == ("paused", at(480 + 90), 10)


def test_clocks_count_business_time_unless_the_target_counts_always():
    hours = Hours(weekdays={day: "09:00-10:00" for day in DAYS})
    sla = Sla.model_validate({"P1": {"first_answer_min": 15, "counts": "always"}})
    late = 50  # ten minutes before the end of the day
    assert only(clocks(messages=[wrote(late)], now=51, hours=hours), "first_answer").due_at == at(24 * 60 + 50)
    assert only(clocks(messages=[wrote(late, "P1")], now=51, hours=hours, sla=sla), "first_answer").due_at == at(65)


def test_a_queue_may_have_targets_of_its_own_and_the_rest_is_inherited():
    sla = Sla.model_validate(
        {"P1": {"next_answer_min": 5}, "queue": {"senior": {"P1": {"first_answer_min": 3, "warn_before_min": 1}}}}
    )
    senior, other = sla.target_of("senior", "P1"), sla.target_of("support", "P1")
    assert (senior.first_answer_min, senior.next_answer_min, senior.resolution_min) == (3, 5, 240)
    assert (other.first_answer_min, other.next_answer_min) == (15, 5)
    clock = only(clocks(messages=[wrote(0, "P1", queue="senior")], now=1, sla=sla), "first_answer")
    assert (clock.due_at, clock.warn_at) == (at(3), at(2))


@pytest.mark.parametrize(
    "table", [{"enabled": False}, {"defaults": False}, {"P2": {"first_answer_min": 0, "resolution_min": 0}}]
)
def test_a_tenant_may_switch_clocks_off(table):
    sla = Sla.model_validate(table)
    story = Story((wrote(0),))
    assert clocks_of(story, sla=sla, hours=ALWAYS, now=at(9999)) == ()
    assert ("first_answer", at(0)) in starts_of(story, sla=sla)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"P1": {"first_answer_min": -1}}, "P1.first_answer_min"),
        ({"P5": {}}, "P5"),
        ({"P1": {"first_answer_min": 60, "resolution_min": 30}}, "nobody resolves before"),
        ({"P1": {"first_answer_min": 10, "warn_before_min": 10}}, "warn from the start"),
        ({"P1": {"counts": "sometimes"}}, "counts"),
        ({"warn_at_share": 1.5}, "warn_at_share"),
    ],
)
def test_bad_targets_are_refused_with_the_field(table, said):
    with pytest.raises(ValidationError, match=said):
        Sla.model_validate(table)


_minutes = st.integers(0, 4000)
_messages = st.builds(
    lambda minute, name, delay, priority, needs: wrote(
        minute, priority, needs_person=needs, received=minute + delay, name=f"m{name}"
    ),
    # Some of them at the same time as others: the provider's times are whole seconds.
    _minutes | st.sampled_from([10, 20]),
    st.integers(0, 10**6),
    st.integers(0, 100),
    st.sampled_from(["P1", "P2", "P3", "P4"]),
    st.booleans(),
)
_rests = st.builds(
    lambda kind, began, length: Rest(kind, at(began), at(began + length) if length else None),
    st.sampled_from(["resolved", "snoozed"]),
    _minutes,
    st.integers(0, 500),
)


@st.composite
def _stories(draw):
    return (
        draw(st.lists(_messages, max_size=8, unique_by=lambda message: message.message_id)),
        draw(st.lists(_minutes, max_size=5)),
        draw(st.lists(_rests, max_size=3)),
    )


@settings(max_examples=examples(300), deadline=None)
@given(parts=_stories(), now=st.integers(4000, 9000), seed=st.randoms(use_true_random=False))
def test_any_order_of_knowledge_gives_the_same_clocks_and_no_start_is_used_twice(parts, now, seed):
    messages, answers, rests = parts
    found = clocks(messages=messages, answers=answers, rests=rests, now=now)
    for part in (messages, answers, rests):
        seed.shuffle(part)
    assert clocks(messages=messages, answers=[*answers, *answers], rests=rests, now=now) == found
    starts = [(clock.kind, clock.started_at) for clock in found]
    assert len(starts) == len(set(starts))
    for clock in found:
        assert clock.started_at <= clock.warn_at <= clock.due_at
        assert clock.ended_at is None or clock.ended_at >= clock.started_at
        assert (clock.state == "breached") == ((clock.ended_at or at(now)) > clock.due_at)
    unanswered = [clock for clock in found if clock.ended_at is None and clock.kind != "resolution"]
    assert len(unanswered) <= 1
    if unanswered:
        assert has_open_episode(Story(tuple(messages), tuple(map(at, answers)), tuple(rests)), sla=SLA)
