"""How often one process rings for upkeep that has something to do all the time."""

from dataclasses import dataclass, field

# Not more often than so, however much there is to do; the others at each look.
AT_MOST_EVERY_S = {"place_messages": 2.0, "assign_conversations": 3.0, "watch_clocks": 5.0, "notify": 5.0}
# Beat's seconds are not ours to the millisecond.
SLACK_S = 0.5


@dataclass
class UpkeepPace:
    """When this process last rang for which upkeep, by its own clock."""

    _rung_at: dict[str, float] = field(default_factory=dict[str, float])

    def take_turn(self, name: str, *, now: float) -> bool:
        """Whether its turn has come; then that is noted."""
        every_s = AT_MOST_EVERY_S.get(name, 0.0)
        if every_s and now - self._rung_at.get(name, -every_s) < every_s - SLACK_S:
            return False
        self._rung_at[name] = now
        return True
