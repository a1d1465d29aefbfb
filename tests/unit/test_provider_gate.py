"""Who asks whether the provider may be called now takes nothing from others when it may not."""

from dataclasses import dataclass, field

import pytest

from worker.provider_gate import ProviderGate


@dataclass
class Breaker:
    open_for_s: float
    given_back: list[str] = field(default_factory=list[str])

    def wait_s(self, _name):
        return self.open_for_s

    def give_back(self, name):
        self.given_back.append(name)


@dataclass
class Budget:
    turn_in_s: float
    asked: int = 0

    def take(self, _buckets):
        self.asked += 1
        return self.turn_in_s


@pytest.mark.parametrize(
    ("open_for_s", "turn_in_s", "may", "asked", "given_back"),
    [
        (0.0, 0.0, True, 1, []),
        (5.0, 0.0, False, 0, []),  # no turn of the budget is lost to a breaker that is open
        (0.0, 0.4, False, 1, ["m"]),  # and no probe to a budget that is spent
    ],
)
def test_a_turn_and_a_probe_are_taken_together_or_not_at_all(open_for_s, turn_in_s, may, asked, given_back):
    breaker, budget = Breaker(open_for_s), Budget(turn_in_s)
    assert ProviderGate(breaker, budget).take_now("m") is may
    assert (budget.asked, breaker.given_back) == (asked, given_back)


@pytest.mark.parametrize(
    ("open_for_s", "turn_in_s", "wait_s", "asked", "given_back"),
    [(0.0, 0.0, 0.0, 1, []), (5.0, 0.0, 5.0, 0, []), (0.0, 4.0, 4.0, 1, ["m"])],
)
def test_who_is_told_to_wait_has_taken_nothing(open_for_s, turn_in_s, wait_s, asked, given_back):
    breaker, budget = Breaker(open_for_s), Budget(turn_in_s)
    assert ProviderGate(breaker, budget).wait_s("m") == wait_s
    assert (budget.asked, breaker.given_back) == (asked, given_back)
