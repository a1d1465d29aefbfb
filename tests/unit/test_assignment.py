"""Who is given a conversation."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.assignment import Candidate, Wanted, choose_agent, default_skill
from routing.work_rights import lesser, may

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
SUPPORT = Wanted("support")


def choose(*agents, wanted=SUPPORT, skill_wait_s=300):
    return choose_agent(agents, wanted, skill_wait_s=skill_wait_s)


def test_load_is_relative_to_capacity():
    assert choose(Candidate(1, 2, 1), Candidate(2, 20, 5)) == 2


def test_of_equals_the_one_who_was_given_nothing_for_the_longest_then_the_smallest_id():
    busy = Candidate(1, 5, 1, last_assigned_at=NOW)
    idle = Candidate(2, 5, 1, last_assigned_at=NOW - timedelta(hours=1))
    assert choose(busy, idle) == 2
    assert choose(busy, idle, Candidate(4, 5, 1), Candidate(3, 5, 1)) == 3


def test_nobody_is_given_more_than_fits():
    assert choose(Candidate(1, 1, 1), Candidate(2, 0, 0)) is None
    assert choose() is None


def test_only_those_who_serve_the_queue():
    assert choose(Candidate(1, 5, 0, queues=frozenset({"sales"})), Candidate(2, 5, 4)) == 2


def test_the_skill_is_waited_for_and_then_anybody_may():
    plain, senior = Candidate(1, 5, 0), Candidate(2, 5, 4, skills=frozenset({"senior"}))
    wanted = Wanted("senior", "senior", waited_s=10)
    assert choose(plain, senior, wanted=wanted) == 2
    assert choose(plain, wanted=wanted) is None
    assert choose(plain, wanted=Wanted("senior", "senior", waited_s=300)) == 1
    # A skilled one is still preferred after the wait.
    assert choose(plain, senior, wanted=Wanted("senior", "senior", waited_s=900)) == 2


def test_whom_the_tenant_names_gets_it_if_they_have_room():
    named = Candidate(2, 5, 4, queues=frozenset({"sales"}))
    assert choose(Candidate(1, 5, 0), named, wanted=Wanted("senior", "senior", prefers=2)) == 2
    assert choose(Candidate(1, 5, 0), Candidate(2, 5, 5), wanted=Wanted("support", prefers=2)) == 1
    assert choose(Candidate(1, 5, 0), wanted=Wanted("support", prefers=9)) == 1


def test_what_a_decision_without_a_skill_asks_for():
    assert default_skill(queue="senior", priority="P2") == "senior"
    assert default_skill(queue="support", priority="P1") == "senior"
    assert default_skill(queue="support", priority="P2") is None


CANDIDATES = st.lists(
    st.builds(
        Candidate,
        st.integers(1, 99),
        st.integers(0, 6),
        st.integers(0, 8),
        last_assigned_at=st.one_of(st.none(), st.integers(0, 9).map(lambda hours: NOW - timedelta(hours=hours))),
    ),
    max_size=6,
    unique_by=lambda agent: agent.user_id,
)


@given(CANDIDATES, st.randoms())
def test_the_order_of_the_agents_makes_no_difference_and_load_never_passes_capacity(agents, random):
    shuffled = list(agents)
    random.shuffle(shuffled)
    chosen = choose(*agents)
    assert chosen == choose(*shuffled)
    if chosen is not None:
        (agent,) = (one for one in agents if one.user_id == chosen)
        assert agent.with_one_more(now=NOW).open <= agent.capacity
        assert all(agent.open / agent.capacity <= one.open / one.capacity for one in agents if one.has_room())


@pytest.mark.parametrize("deed", ["claim", "transfer", "unassign", "snooze", "resolve", "reopen"])
def test_agents_work_on_what_is_theirs_or_nobodys(deed):
    assert may("agent", deed, user_id=1, assignee_id=1)
    assert may("agent", deed, user_id=1, assignee_id=None)
    assert not may("agent", deed, user_id=1, assignee_id=2)
    assert not may("agent", deed, user_id=None, assignee_id=2)
    assert may("supervisor", deed, user_id=1, assignee_id=2) and may("admin", deed, user_id=1, assignee_id=2)
    assert not may("auditor", deed, user_id=1, assignee_id=None)


def test_only_supervisors_assign():
    assert not may("agent", "assign", user_id=1, assignee_id=None)
    assert may("supervisor", "assign", user_id=1, assignee_id=None)


def test_a_program_has_the_smaller_of_both_rights():
    assert lesser("admin", "agent") == "agent" and lesser("supervisor", "auditor") == "auditor"
