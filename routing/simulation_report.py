"""What would be different under other settings, counted over a history and told in a sentence."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import NamedTuple

from routing.facts import RoutingFacts, RoutingPolicy
from routing.remembered_rulings import Planned, RememberedRulings, Ruling, rule_on
from routing.simulation import History, HumanAnswer, PastDecision, Side, as_decided
from routing.stored_facts import StoredInputsError, facts_from_json

MAX_EXAMPLES = 5
_URGENT = "P1"
_DAY_S = 24 * 3600


class Verdict(NamedTuple):
    """What people say a message is; None where nobody has said anything. corrects: they say otherwise than the model did."""

    sentiment: str | None
    intent: str | None
    topics: tuple[str, ...] | None
    corrects: bool


class Change(NamedTuple):
    """From one place to another."""

    from_priority: str
    from_queue: str
    to_priority: str
    to_queue: str


@dataclass
class Moved:
    """Messages that would move. corrected: of these, how many people have corrected. examples: ids of the first ones."""

    messages: int = 0
    corrected: int = 0
    examples: list[str] = field(default_factory=list[str])

    def add(self, message_id: str, *, corrected: bool) -> None:
        """Count one more."""
        self.messages += 1
        self.corrected += corrected
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append(message_id)


@dataclass
class Judged:
    """P1 against what the same settings say about the label that people gave, over the messages that people judged.

    right: P1 both ways. needless: P1, but not with the people's label. missed: the other way round.
    """

    right: int = 0
    needless: int = 0
    missed: int = 0

    @property
    def precision(self) -> float | None:
        """Share of the P1 that people bear out, None without any."""
        found = self.right + self.needless
        return self.right / found if found else None

    @property
    def recall(self) -> float | None:
        """Share found of what should be P1, None without any."""
        wanted = self.right + self.missed
        return self.right / wanted if wanted else None


@dataclass
class Counts:
    """One side, counted by message. days: by (day of the provider's time in UTC, priority). actions: by kind and state."""

    priorities: Counter[str] = field(default_factory=Counter[str])
    queues: Counter[str] = field(default_factory=Counter[str])
    days: Counter[tuple[date, str]] = field(default_factory=Counter[tuple[date, str]])
    actions: Counter[Planned] = field(default_factory=Counter[Planned])
    judged: Judged = field(default_factory=Judged)

    def add(self, ruling: Ruling, *, day: date, messages: int) -> None:
        """Count the ruling on so many messages more."""
        self.priorities[ruling.priority] += messages
        self.queues[ruling.queue] += messages
        self.days[day, ruling.priority] += messages
        for action in ruling.actions:
            self.actions[action] += messages


@dataclass
class Simulation:
    """A history under two policies, by each message's first decision after its analysis.

    unlike_history: what the first policy decides otherwise than was decided then. second_looks: later decisions about a message
    (re-analyses, corrections) that would come out differently. unreadable: decisions this version can't read, left out.
    """

    messages: int = 0
    before: Counts = field(default_factory=Counts)
    after: Counts = field(default_factory=Counts)
    changes: dict[Change, Moved] = field(default_factory=lambda: defaultdict(Moved))
    more_urgent: Moved = field(default_factory=Moved)
    less_urgent: Moved = field(default_factory=Moved)
    other_actions: Moved = field(default_factory=Moved)
    unlike_history: int = 0
    second_looks: int = 0
    unreadable: int = 0

    @property
    def moved(self) -> int:
        """How many messages would go elsewhere."""
        return sum(one.messages for one in self.changes.values())


def simulate(
    history: Iterable[PastDecision],
    *,
    before: RoutingPolicy | None,
    after: RoutingPolicy,
    answers: Mapping[str, list[HumanAnswer]],
    verdicts: Mapping[str, Verdict],
) -> Simulation:
    """Both policies over the history. history: in the order in which it was decided. before: None for what was decided then."""
    result, past_places = Simulation(), History()
    then = Side(before, answers) if before else None
    now = Side(after, answers)
    both = RememberedRulings(*([before] if before else []), after)
    alike: Counter[tuple[Ruling, Ruling, int]] = Counter()
    seen: set[str] = set()
    for past in history:
        real = past_places.before(past)
        try:
            rulings = both.rule_on(past.inputs)
            new = now.decide(past, real=real, plain=rulings[-1])
            old = then.decide(past, real=real, plain=rulings[0]) if then else as_decided(past)
        except StoredInputsError:
            result.unreadable += 1
            continue
        past_places.add(past)
        if past.provisional:
            continue
        if past.message_id in seen:
            result.second_looks += _differ(old, new)
            continue
        seen.add(past.message_id)
        alike[old, new, int(past.sent_at // _DAY_S)] += 1
        result.unlike_history += (old.priority, old.queue, old.rule) != (past.priority, past.queue, past.rule)
        verdict = verdicts.get(past.message_id)
        if verdict is not None:
            _judge_both(result, past, old, new, verdict=verdict, policies=(before or after, after))
        if _differ(old, new):
            _count_change(result, past.message_id, old, new, corrected=verdict is not None and verdict.corrects)
    for (old, new, number), messages in alike.items():
        day = datetime.fromtimestamp(number * _DAY_S, UTC).date()
        result.messages += messages
        result.before.add(old, day=day, messages=messages)
        result.after.add(new, day=day, messages=messages)
    return result


def _differ(old: Ruling, new: Ruling) -> bool:
    return (old.priority, old.queue, old.actions) != (new.priority, new.queue, new.actions)


def _count_change(result: Simulation, message_id: str, old: Ruling, new: Ruling, *, corrected: bool) -> None:
    if (old.priority, old.queue) != (new.priority, new.queue):
        change = Change(old.priority, old.queue, new.priority, new.queue)
        result.changes[change].add(message_id, corrected=corrected)
        if new.priority == _URGENT != old.priority:
            result.more_urgent.add(message_id, corrected=corrected)
        if old.priority == _URGENT != new.priority:
            result.less_urgent.add(message_id, corrected=corrected)
    if old.actions != new.actions:
        result.other_actions.add(message_id, corrected=corrected)


def _judge_both(
    result: Simulation,
    past: PastDecision,
    old: Ruling,
    new: Ruling,
    *,
    verdict: Verdict,
    policies: tuple[RoutingPolicy, RoutingPolicy],
) -> None:
    facts = facts_from_json(past.inputs).facts
    _judge(result.before.judged, old, facts, verdict, policy=policies[0])
    _judge(result.after.judged, new, facts, verdict, policy=policies[1])


def _judge(judged: Judged, ruling: Ruling, facts: RoutingFacts, verdict: Verdict, *, policy: RoutingPolicy) -> None:
    if facts.label() is None:
        return
    wanted = rule_on(as_people_say(facts, verdict), policy).priority == _URGENT
    if ruling.priority == _URGENT:
        judged.right += wanted
        judged.needless += not wanted
    else:
        judged.missed += wanted


def as_people_say(facts: RoutingFacts, verdict: Verdict) -> RoutingFacts:
    """The facts with the people's label, as the SQL function effective_label gives it: a person is sure of a sentiment."""
    same = verdict.sentiment in {None, facts.sentiment} and verdict.intent in {None, facts.intent}
    said = {
        name: value
        for name, value in (("sentiment", verdict.sentiment), ("intent", verdict.intent), ("topics", verdict.topics))
        if value is not None
    }
    return replace(
        facts,
        **said,  # pyright: ignore[reportArgumentType] -- the columns hold nothing else
        score=facts.score if verdict.sentiment is None else 1.0,
        sarcasm=facts.sarcasm and verdict.sentiment is None,
        suggested_action=facts.suggested_action if same else "none",
        corrected=tuple(sorted(said)),
    )


def sentence(result: Simulation, *, what: str, span: str) -> str:
    """One line: "escalate at 0.55 instead of 0.70: 38 more P1 in the last 30 days, 9 of them corrected by agents"."""
    if not result.moved and not result.other_actions.messages:
        return f"{what}: nothing would change in {span} ({result.messages} messages)"
    parts = [
        f"{moved.messages} {word} P1 in {span}"
        + (f", {moved.corrected} of them corrected by agents" if moved.corrected else "")
        for word, moved in (("more", result.more_urgent), ("fewer", result.less_urgent))
        if moved.messages
    ]
    if not parts and not result.moved:
        other = result.other_actions
        parts.append(
            f"as many P1 in {span}, {other.messages} messages with other actions"
            + (f", {other.corrected} of them corrected by agents" if other.corrected else "")
        )
    elif not parts:
        corrected = sum(one.corrected for one in result.changes.values())
        parts.append(
            f"as many P1 in {span}, {result.moved} messages elsewhere"
            + (f", {corrected} of them corrected by agents" if corrected else "")
        )
    return f"{what}: {'; '.join(parts)}"
