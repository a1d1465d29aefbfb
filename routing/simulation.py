"""What decide() would have said under other settings, over a history of stored decisions.

Facts that earlier decisions have shaped (where the conversation stood, how many actions the customer had) are taken as they were
stored for as long as the settings decide alike, and are derived anew from the first decision that they change.
docs/simulator.md says what is exact and what is not.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from routing.actions import INTERNAL, INVITATIONS
from routing.facts import RoutingPolicy
from routing.place import Claim, takes_place
from routing.remembered_rulings import Planned, RememberedRulings, Ruling

_DAY_S = 24 * 3600.0
ESCALATION = Planned("escalate_to_human", "pending")
# A message from before the history.
_BEFORE = "before"
# Decision and invitation are rows of one transaction; the fact was rounded, or measured at another moment of it.
_SAME_INVITATION_DAYS = 0.01
_STANDS_HIGH = ("P1", "P2")


class PastDecision(NamedTuple):
    """A stored decision. Times are seconds since 1970: sent_at by the provider, decided_at by our database.

    inputs: the facts as stored. actions: None on decisions from before they were stored.
    """

    message_id: str
    conversation_id: str
    customer_id: str
    sent_at: float
    decided_at: float
    inputs: dict[str, Any]
    policy_hash: str | None
    priority: str
    queue: str
    rule: str
    actions: tuple[Planned, ...] | None
    applied: bool
    provisional: bool


class HumanAnswer(NamedTuple):
    """A person's answer in a conversation. known_at: when we had it."""

    sent_at: float
    known_at: float


class _Standing(NamedTuple):
    """Which message has placed a conversation, and how high."""

    priority: str
    message_id: str
    sent_at: float


class _Changed(NamedTuple):
    """An action that a side plans and history did not (by = 1), or the other way round (by = -1)."""

    at: float
    kind: str
    by: int


@dataclass
class Escalations:
    """Which message has called a person into a conversation, in history and on one side.

    mine: the side's, where it is another one than history's.
    """

    _real: dict[str, str] = field(default_factory=dict[str, str])
    mine: dict[str, str | None] = field(default_factory=dict[str, "str | None"])

    def follow(self, past: PastDecision) -> None:
        """What history says by the facts of its next decision. Second looks don't say."""
        if not past.inputs.get("allow_actions", True):
            return
        conversation, known = past.conversation_id, self._real.get(past.conversation_id)
        if past.inputs.get("escalated"):
            self._real.setdefault(conversation, _BEFORE)
        elif known not in {None, past.message_id}:
            # It was closed in between, which is the same on every side.
            self._real.pop(conversation, None)
            self.mine.pop(conversation, None)

    def override(self, past: PastDecision) -> dict[str, Any]:
        """The fact where it is another one on this side."""
        if past.conversation_id not in self.mine or not past.inputs.get("allow_actions", True):
            return {}
        escalated = self.mine[past.conversation_id] not in {None, past.message_id}
        return {} if escalated == past.inputs.get("escalated", False) else {"escalated": escalated}

    def note(self, past: PastDecision, ruling: Ruling) -> None:
        """What this decision has changed on either side."""
        really = ESCALATION in (ruling.actions if past.actions is None else past.actions)
        here = ESCALATION in ruling.actions
        if not really and not here and past.conversation_id not in self.mine:
            return
        conversation = past.conversation_id
        real = self._real.get(conversation)
        mine = past.message_id if here else self.mine.get(conversation, real)
        if really:
            real = self._real[conversation] = past.message_id
        if mine == real:
            self.mine.pop(conversation, None)
        else:
            self.mine[conversation] = mine


@dataclass
class Side:
    """One policy over the history, decision by decision in the order in which they were made.

    answers: people's answers by conversation, oldest first. own: by hash, the policies under which decisions are made again that
    name theirs; the others, and all when it is empty, are made under `policy`.
    """

    policy: RoutingPolicy
    answers: Mapping[str, list[HumanAnswer]]
    own: Mapping[str | None, RoutingPolicy] = field(default_factory=dict[str | None, RoutingPolicy])
    _rulings: RememberedRulings = field(init=False)
    _own_rulings: dict[str | None, RememberedRulings] = field(init=False)
    _diverged: dict[str, _Standing | None] = field(default_factory=dict[str, "_Standing | None"])
    _changed: dict[str, list[_Changed]] = field(default_factory=lambda: defaultdict(list))
    _calls: Escalations = field(default_factory=Escalations)

    def __post_init__(self) -> None:
        self._rulings = RememberedRulings(self.policy)
        self._own_rulings = {name: RememberedRulings(policy) for name, policy in self.own.items()}

    def decide(self, past: PastDecision, *, real: _Standing | None, plain: Ruling | None = None) -> Ruling:
        """The ruling on a past decision. real: what had placed its conversation in history before. plain: this side's ruling on
        the facts as they are stored, when the caller has it.

        Raises: StoredInputsError when this version can't read its facts.
        """
        self._calls.follow(past)
        changed = self._overrides(past) if self._diverged or self._changed or self._calls.mine else None
        if plain is not None and not changed:
            ruling = plain
        else:
            rulings = self._own_rulings.get(past.policy_hash, self._rulings) if self._own_rulings else self._rulings
            (ruling,) = rulings.rule_on({**past.inputs, **changed} if changed else past.inputs)
        if past.conversation_id not in self._diverged and ruling.priority == past.priority:
            applied = past.applied
        else:
            applied = self._places(past, ruling, real=real)
        self._note(past, ruling, applied=applied, real=real)
        return Ruling._make((*ruling[:4], True)) if applied else ruling

    def _overrides(self, past: PastDecision) -> dict[str, Any] | None:
        """The facts that this side's own earlier decisions have made different; None when there are none."""
        moves = self._changed.get(past.customer_id)
        stored = past.inputs
        changed: dict[str, Any] = self._calls.override(past)
        if moves is None and past.conversation_id not in self._diverged:
            return changed or None
        if past.conversation_id in self._diverged and stored.get("open_priority"):
            standing = self._diverged[past.conversation_id]
            changed["open_priority"] = standing.priority if standing else None
        if moves:
            before = stored.get("recent_actions", {})
            counts = dict(before)
            for one in moves:
                if one.at > past.decided_at - _DAY_S:
                    counts[one.kind] = max(0, counts.get(one.kind, 0) + one.by)
            counts = {kind: count for kind, count in counts.items() if count}
            if counts != before:
                changed["recent_actions"] = counts
            days = _days_since(moves, stored.get("days_since_invitation", {}), at=past.decided_at)
            if stored.get("survey_channel") and days != stored.get("days_since_invitation", {}):
                changed["days_since_invitation"] = days
        return changed or None

    def _places(self, past: PastDecision, ruling: Ruling, *, real: _Standing | None) -> bool:
        """Whether this ruling would have placed the conversation: as worker.routing_step decides it."""
        stored = past.inputs
        if stored.get("outcome") == "unanalyzed" and not stored.get("allow_actions", True):
            return past.applied  # a second look that came to nothing
        standing = self._diverged.get(past.conversation_id, real)
        if standing is None:
            above = stored.get("open_priority")
            held = above in _STANDS_HIGH and above < ruling.priority and not self._answered_at(past)
            return not held and (past.applied or above in _STANDS_HIGH)
        reads_place = stored.get("outcome") == "analyzed" and not past.provisional
        if reads_place and not stored.get("open_priority"):  # it was closed
            return (past.sent_at, past.message_id) >= (standing.sent_at, standing.message_id)
        return takes_place(
            Claim(ruling.priority, past.sent_at, past.message_id),
            Claim(standing.priority, standing.sent_at, standing.message_id),
            answered_at=self._answered_at(past),
        )

    def _answered_at(self, past: PastDecision) -> float | None:
        """A person's last answer that was known when the decision was made."""
        answers = self.answers.get(past.conversation_id, ())
        return max((one.sent_at for one in answers if one.known_at <= past.decided_at), default=None)

    def _note(self, past: PastDecision, ruling: Ruling, *, applied: bool, real: _Standing | None) -> None:
        """Remember in which way this side has left history, until it meets it again."""
        conversation = past.conversation_id
        if conversation in self._diverged or applied != past.applied or ruling.priority != past.priority:
            after_real = _standing_of(past) if past.applied else real
            mine = self._diverged.get(conversation, real)
            if applied:
                mine = _Standing(ruling.priority, past.message_id, past.sent_at)
            if mine == after_real:
                self._diverged.pop(conversation, None)
            else:
                self._diverged[conversation] = mine
        self._calls.note(past, ruling)
        if past.actions is not None and past.actions != ruling.actions:
            was, now = _limited(past.actions), _limited(ruling.actions)
            for kind in sorted(was ^ now):
                by = 1 if kind in now else -1
                self._changed[past.customer_id].append(_Changed(past.decided_at, kind, by))


def _days_since(moves: list[_Changed], stored: Mapping[str, float], *, at: float) -> dict[str, float]:
    """Days since the customer was last invited to each survey, with the invitations that a side has added or taken away."""
    days = dict(stored)
    for one in moves:
        survey = INVITATIONS.get(one.kind)
        if survey is None:
            continue
        then = (at - one.at) / _DAY_S
        if one.by > 0:
            days[survey] = min(days.get(survey, then), then)
        elif abs(days.get(survey, -1.0) - then) < _SAME_INVITATION_DAYS:
            del days[survey]
    return days


def _limited(actions: tuple[Planned, ...]) -> set[str]:
    """The kinds that count against a customer's limits."""
    return {one.kind for one in actions if one.state == "pending" and one.kind not in INTERNAL}


def _standing_of(past: PastDecision) -> _Standing:
    return _Standing(past.priority, past.message_id, past.sent_at)


def as_decided(past: PastDecision) -> Ruling:
    """What history says itself."""
    return Ruling(past.priority, past.queue, past.rule, past.actions or (), past.applied)


@dataclass
class History:
    """What has placed each conversation so far."""

    _standings: dict[str, _Standing] = field(default_factory=dict[str, _Standing])

    def before(self, past: PastDecision) -> _Standing | None:
        """What had placed the conversation before this decision; None when that was before the history begins."""
        return self._standings.get(past.conversation_id)

    def add(self, past: PastDecision) -> None:
        """Go one decision on."""
        if past.applied:
            self._standings[past.conversation_id] = _standing_of(past)
