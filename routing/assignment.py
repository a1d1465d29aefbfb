"""Who is given a conversation: pure, the same answer for the same people and work."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction

SENIOR = "senior"


@dataclass(frozen=True)
class Candidate:
    """An available agent. open: the open conversations they have. queues: those they serve, none named = all.

    last_assigned_at: since when they were given nothing new; None: they never were given anything.
    """

    user_id: int
    capacity: int
    open: int
    skills: frozenset[str] = frozenset()
    queues: frozenset[str] = frozenset()
    last_assigned_at: datetime | None = None

    def has_room(self) -> bool:
        """Whether one more fits."""
        return self.open < self.capacity

    def serves(self, queue: str) -> bool:
        """Whether this queue's conversations are theirs."""
        return not self.queues or queue in self.queues

    def with_one_more(self, *, now: datetime) -> "Candidate":
        """The same agent after being given a conversation."""
        return replace(self, open=self.open + 1, last_assigned_at=now)


@dataclass(frozen=True)
class Wanted:
    """A conversation that waits for a person. waited_s: since it was first to be given to somebody.

    prefers: the agent whom an action of the tenant's names; they get it whatever their queues and skills, if they have room.
    """

    queue: str
    skill: str | None = None
    waited_s: float = 0.0
    prefers: int | None = None


def choose_agent(agents: Iterable[Candidate], wanted: Wanted, *, skill_wait_s: float) -> int | None:
    """The agent with the smallest share of their capacity in use, of equals the one who was given nothing for the longest, then
    the smallest id. None: nobody has room; it waits.

    Without the wanted skill nobody gets it until it has waited for `skill_wait_s`.
    """
    free = [agent for agent in agents if agent.has_room()]
    if wanted.prefers in {agent.user_id for agent in free}:
        return wanted.prefers
    able = [agent for agent in free if agent.serves(wanted.queue)]
    skilled = [agent for agent in able if wanted.skill is None or wanted.skill in agent.skills]
    choice = skilled or (able if wanted.waited_s >= skill_wait_s else [])
    return min(choice, key=_rank).user_id if choice else None


def _rank(agent: Candidate) -> tuple[Fraction, float, int]:
    idle_since = agent.last_assigned_at.timestamp() if agent.last_assigned_at else float("-inf")
    return Fraction(agent.open, agent.capacity), idle_since, agent.user_id


def default_skill(*, queue: str, priority: str) -> str | None:
    """What a decision that names no skill asks for."""
    return SENIOR if queue == "senior" or priority == "P1" else None
