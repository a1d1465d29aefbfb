"""Two negatives in a row: the same episodes whatever the order of arrival, one alert each."""

import random
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from routing.churn import LabelledMessage, find_episodes, find_news, join_bursts

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
WITHIN = timedelta(days=30)
NO_BURSTS = timedelta(0)
FRESH = timedelta(hours=48)


def said(text, *, hours_apart=1.0, conversation="c1", until=NOW):
    """One message per letter: n, p and o (neutral); the newest an hour before `until`."""
    words = {"n": "negative", "p": "positive", "o": "neutral"}
    count = len(text)
    return [
        LabelledMessage(
            f"m{place}", conversation, until - timedelta(hours=hours_apart * (count - place)), words[letter]
        )
        for place, letter in enumerate(text)
    ]


def episodes(messages, *, within=WITHIN, burst=NO_BURSTS):
    found = find_episodes(messages, now=NOW, within=within, burst_window=burst)
    return [[message.id for message in one.messages] for one in found]


def test_two_negatives_are_an_episode_and_one_is_not():
    assert episodes(said("n")) == [] and episodes(said("nn")) == [["m0", "m1"]]


def test_what_follows_belongs_to_the_same_episode():
    assert episodes(said("nnnn")) == [["m0", "m1", "m2", "m3"]]


def test_anything_but_a_negative_between_starts_over():
    assert episodes(said("nonpn")) == []
    assert episodes(said("nnonn")) == [["m0", "m1"], ["m3", "m4"]]


def test_two_negatives_too_far_apart_are_not_in_a_row():
    assert episodes(said("nn", hours_apart=24 * 31)) == []
    assert episodes(said("nn", hours_apart=24 * 29)) == [["m0", "m1"]]
    assert episodes(said("nn", hours_apart=24 * 3), within=timedelta(days=2)) == []


def test_a_burst_counts_once_and_by_its_newest_message():
    assert episodes(said("nn", hours_apart=0.001), burst=timedelta(seconds=10)) == []
    assert episodes(said("non", hours_apart=0.001), burst=timedelta(seconds=10)) == []
    first, second = said("n"), said("on", hours_apart=0.001, until=NOW + timedelta(hours=1))
    second = [LabelledMessage(f"x{one.id}", "c1", one.sent_at, one.sentiment) for one in second]
    assert episodes([*first, *second], burst=timedelta(seconds=10)) == [["m0", "xm1"]]


def test_a_burst_never_reaches_over_two_conversations():
    there = [LabelledMessage("x", "c2", NOW - timedelta(hours=1), "negative")]
    assert episodes([*said("n"), *there], burst=timedelta(seconds=10)) == [["m0", "x"]]


def test_who_never_stops_is_heard_more_than_once():
    messages = said("n" * 12, hours_apart=5 / 3600)
    assert len(join_bursts(messages, window=timedelta(seconds=6))) > 1


def test_an_episode_is_over_after_another_mood_or_a_long_silence():
    def is_over(messages):
        return find_episodes(messages, now=NOW, within=WITHIN, burst_window=NO_BURSTS)[0].is_over

    assert not is_over(said("nn"))
    assert is_over(said("nno"))
    assert is_over(said("nn", until=NOW - timedelta(days=31)))


def news(messages, known=()):
    found = find_episodes(messages, now=NOW, within=WITHIN, burst_window=NO_BURSTS)
    return [one.first_id for one in find_news(found, known=known, now=NOW, fresh=FRESH)]


def test_old_history_alarms_nobody():
    assert news(said("nn", until=NOW - timedelta(hours=49))) == []


def test_an_episode_that_a_late_message_lets_begin_earlier_is_not_told_twice():
    assert news(said("nnn"), known=[{"m1", "m2"}]) == []


def test_the_next_episode_is_told_again():
    assert news(said("nnonn"), known=[{"m0", "m1"}]) == ["m3"]


letters = st.text(alphabet="nop", max_size=14)


@given(letters, st.integers(0, 10**6), st.sampled_from([NO_BURSTS, timedelta(hours=1), timedelta(hours=2)]))
def test_any_order_of_arrival_and_duplicates_give_the_same_episodes(text, seed, burst):
    messages = said(text)
    shuffled = messages * 2
    random.Random(seed).shuffle(shuffled)
    assert episodes(shuffled, burst=burst) == episodes(messages, burst=burst)


@given(letters)
def test_an_episode_is_what_its_definition_says(text):
    """By another road: runs of n of two or more."""
    expected = [len(run) for run in text.replace("p", "o").split("o") if len(run) > 1]
    assert [len(one) for one in episodes(said(text))] == expected


@given(letters, st.integers(0, 10**6))
def test_whoever_comes_first_each_episode_is_told_once(text, seed):
    """Message by message in any order: at the end every episode is covered by an alert, none by two."""
    arrivals = said(text)
    random.Random(seed).shuffle(arrivals)
    alerts, here = [], []
    for one in arrivals:
        here.append(one)
        found = find_episodes(here, now=NOW, within=WITHIN, burst_window=NO_BURSTS)
        for number, ids in enumerate(alerts):
            shares = [{m.id for m in episode.messages} for episode in found if ids & {m.id for m in episode.messages}]
            if shares:
                alerts[number] = shares[0]
        new = find_news(found, known=alerts, now=NOW, fresh=FRESH)
        alerts.extend({message.id for message in episode.messages} for episode in new)
    last = find_episodes(arrivals, now=NOW, within=WITHIN, burst_window=NO_BURSTS)
    for episode in last:
        ids = {message.id for message in episode.messages}
        told = sum(1 for alert in alerts if alert & ids)
        # A late other mood may cut one told episode in two: still nobody is told twice of the same messages.
        assert told <= 2 and (told >= 1 or len(last) > 1)
