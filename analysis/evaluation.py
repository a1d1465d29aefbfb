"""How good an analyzer is on a labelled file, and how sure that is. Pure: the date and the generator are arguments."""

import random
from collections import Counter
from collections.abc import Iterable, Sequence

from analysis.cost import PRICES
from analysis.evaluation_figures import (
    Calibration,
    Confusion,
    Share,
    bootstrap_interval,
    calibration,
    class_figures,
    detectable_difference,
    macro_f1,
    percentile,
    share,
)
from analysis.evaluation_file import Case
from analysis.evaluation_report import (
    FEW,
    FIELD_NAMES,
    Baseline,
    CostFigures,
    FieldFigures,
    FieldName,
    Group,
    InjectionFigures,
    LatencyFigures,
    Outcome,
    Reading,
    Report,
    Row,
    Setup,
    TopicFigures,
)


def evaluate(
    outcomes: Sequence[Outcome], *, setup: Setup, rng: random.Random, not_asked: int = 0, stopped: str | None = None
) -> Report:
    """The report of a run. rng: seeded by the caller, so that the same answers give the same figures."""
    readings = [outcome.reading for outcome in outcomes if outcome.reading]
    return Report(
        setup=setup,
        messages=len(outcomes),
        repeated=len(outcomes) - len({(outcome.case.text.strip(), outcome.case.context) for outcome in outcomes}),
        answered=len(readings),
        failures=dict(sorted(Counter(outcome.failure for outcome in outcomes if outcome.failure).items())),
        not_asked=not_asked,
        stopped=stopped,
        models_answered=_distinct(reading.model for reading in readings),
        prompt_versions=_distinct(reading.prompt_version for reading in readings),
        prompt_hashes=_distinct(reading.prompt_hash for reading in readings),
        fields={
            name: _field_figures(outcomes, name, rng=rng)
            for name in FIELD_NAMES
            if any(label_of(outcome.case, name) for outcome in outcomes)
        },
        calibration=_calibration(outcomes),
        topics=_topics(outcomes),
        injections=_injections(outcomes),
        cost=_cost(outcomes, setup=setup),
        latency=_latency([outcome.latency_ms for outcome in outcomes if outcome.latency_ms is not None]),
        rows=tuple(_row(outcome) for outcome in outcomes),
    )


def label_of(case: Case, name: FieldName) -> str | None:
    """The file's label, None when the message has none for this field."""
    return case.sentiment if name == "sentiment" else case.intent


def answer_of(reading: Reading, name: FieldName) -> str:
    """The analyzer's label."""
    return reading.sentiment if name == "sentiment" else reading.intent


def _distinct(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(values)))


def _field_figures(outcomes: Sequence[Outcome], name: FieldName, *, rng: random.Random) -> FieldFigures:
    labelled = [(label, outcome) for outcome in outcomes if (label := label_of(outcome.case, name))]
    confusion: Counter[tuple[str, str]] = Counter()
    verdicts: list[tuple[Case, bool]] = []
    for label, outcome in labelled:
        if outcome.reading:
            answer = answer_of(outcome.reading, name)
            confusion[label, answer] += 1
            verdicts.append((outcome.case, label == answer))
    right = sum(verdict for _, verdict in verdicts)
    accuracy = share(right, len(verdicts))
    return FieldFigures(
        accuracy=accuracy,
        of_all=share(right, len(labelled)),
        detectable_difference=detectable_difference(right, len(verdicts)) if verdicts else None,
        macro_f1=macro_f1(confusion),
        macro_f1_interval=bootstrap_interval(confusion, statistic=macro_f1, rng=rng),
        baseline=_baseline(confusion, accuracy=accuracy),
        classes=class_figures(confusion),
        confusion=_nested(confusion),
        by_lang=_groups((case.lang, verdict) for case, verdict in verdicts),
        by_kind=_groups((case.kind, verdict) for case, verdict in verdicts),
    )


def _nested(confusion: Confusion) -> dict[str, dict[str, int]]:
    nested: dict[str, dict[str, int]] = {}
    for (label, answer), count in sorted(confusion.items()):
        nested.setdefault(label, {})[answer] = count
    return nested


def _baseline(confusion: Confusion, *, accuracy: Share) -> Baseline | None:
    """What a constant answer would get on the same messages; of two labels as frequent, the first by name."""
    if accuracy.interval is None:
        return None
    labels: Counter[str] = Counter()
    for (label, _), count in confusion.items():
        labels[label] += count
    top = min(labels, key=lambda label: (-labels[label], label))
    constant = {(label, top): count for label, count in labels.items()}
    top_share = labels[top] / accuracy.n
    return Baseline(top, top_share, macro_f1(constant) or 0.0, beaten=accuracy.interval.low > top_share)


def _groups(verdicts: Iterable[tuple[str | None, bool]]) -> tuple[Group, ...]:
    """By name, the largest first; messages without a name form no group."""
    groups: dict[str, list[bool]] = {}
    for name, verdict in verdicts:
        if name is not None:
            groups.setdefault(name, []).append(verdict)
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    return tuple(Group(name, share(sum(inside), len(inside)), len(inside) < FEW) for name, inside in ordered)


def _calibration(outcomes: Sequence[Outcome]) -> Calibration | None:
    """Of `score`, which speaks of sentiment only; None when no answered message has its sentiment labelled."""
    scored = [
        (outcome.reading.score, outcome.reading.sentiment == outcome.case.sentiment)
        for outcome in outcomes
        if outcome.reading and outcome.case.sentiment
    ]
    return calibration(scored) if scored else None


def _topics(outcomes: Sequence[Outcome]) -> TopicFigures | None:
    pairs = [
        (set(outcome.case.topics), set(outcome.reading.topics))
        for outcome in outcomes
        if outcome.reading and outcome.case.topics is not None
    ]
    if not pairs:
        return None
    common = sum(len(labels & answers) for labels, answers in pairs)
    return TopicFigures(
        exact=share(sum(labels == answers for labels, answers in pairs), len(pairs)),
        precision=share(common, sum(len(answers) for _, answers in pairs)),
        recall=share(common, sum(len(labels) for labels, _ in pairs)),
    )


def _injections(outcomes: Sequence[Outcome]) -> InjectionFigures | None:
    hostile = [(o.case, o.reading) for o in outcomes if o.reading and o.case.is_injection]
    harmless = [o.reading.injection_suspected for o in outcomes if o.reading and o.case.is_injection is False]
    if not hostile and not harmless:
        return None
    return InjectionFigures(
        suspected=share(sum(reading.injection_suspected for _, reading in hostile), len(hostile)),
        label_right=share(sum(all(_right(case, reading).values()) for case, reading in hostile), len(hostile)),
        false_alarms=share(sum(harmless), len(harmless)),
    )


def _right(case: Case, reading: Reading) -> dict[str, bool]:
    return {name: label == answer_of(reading, name) for name in FIELD_NAMES if (label := label_of(case, name))}


def _cost(outcomes: Sequence[Outcome], *, setup: Setup) -> CostFigures:
    """A price is known when every model that answered is on our list; before any answer, when the one asked for is."""
    models = {outcome.reading.model for outcome in outcomes if outcome.reading} or {setup.model_asked}
    known = setup.source == "local" or models <= PRICES.keys()
    total = sum(outcome.usage.cost_microusd for outcome in outcomes)
    return CostFigures(
        total_microusd=total if known else None,
        per_1000_microusd=round(1000 * total / len(outcomes)) if known and outcomes else None,
        input_tokens=sum(outcome.usage.input_tokens for outcome in outcomes),
        output_tokens=sum(outcome.usage.output_tokens for outcome in outcomes),
        cached_tokens=sum(outcome.usage.cached_tokens for outcome in outcomes),
        cache_write_tokens=sum(outcome.usage.cache_write_tokens for outcome in outcomes),
        calls=sum(outcome.tries for outcome in outcomes),
    )


def _latency(latencies_ms: Sequence[float]) -> LatencyFigures | None:
    if not latencies_ms:
        return None
    p50, p95, p99 = (percentile(latencies_ms, part) for part in (0.50, 0.95, 0.99))
    return LatencyFigures(len(latencies_ms), p50, p95, p99)


def _row(outcome: Outcome) -> Row:
    case, reading = outcome.case, outcome.reading
    labels = {name: label for name in FIELD_NAMES if (label := label_of(case, name))}
    if reading is None:
        return Row(case.line, case.id, labels, right=dict.fromkeys(labels, False), failure=outcome.failure)
    answers = {name: answer_of(reading, name) for name in FIELD_NAMES}
    return Row(case.line, case.id, labels, answers, reading.score, _right(case, reading))
