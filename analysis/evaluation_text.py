"""A report as a person reads it. Pure: report in, lines out. Ids and labels only, never a customer's words."""

from collections.abc import Iterable, Iterator, Sequence

from analysis.evaluation_compare import Comparison, FieldComparison
from analysis.evaluation_figures import FEWEST_CHANGES, Calibration, Interval, Share
from analysis.evaluation_report import FEW, CostFigures, FieldFigures, Group, InjectionFigures, Report, Row

STANDIN_NOTE = "These figures come from the stand-in, a keyword reader. They say nothing about Claude."
LEXICON_NOTE = "These figures come from the local keyword lexicon, which no label, action or alert ever rests on."
PERCENTILE_NEEDS = 100


def describe(report: Report, *, comparison: Comparison | None = None, with_errors: bool = False) -> list[str]:
    """The whole report, a line each."""
    lines = [*_head(report)]
    for name, figures in report.fields.items():
        lines += ["", *_field(name, figures)]
    if report.calibration:
        lines += ["", *_calibration(report.calibration)]
    if report.topics:
        topics = report.topics
        lines += [
            "",
            f"TOPICS  exactly right {_few(topics.exact)}; precision {_few(topics.precision)}, recall {_few(topics.recall)}",
        ]
    if report.injections:
        lines += ["", *_injections(report.injections)]
    lines += ["", *_running(report)]
    if with_errors:
        lines += ["", *_errors(report.rows)]
    if comparison:
        lines += ["", *_comparison(comparison)]
    return lines


def note_of(report: Report) -> str | None:
    """What must be said before any figure; None for a live run."""
    return {"stand-in": STANDIN_NOTE, "local": LEXICON_NOTE, "live": None}[report.setup.source]


def _head(report: Report) -> Iterator[str]:
    setup = report.setup
    part = f", the first {_taken(report)}" if _taken(report) < setup.in_file else ""
    yield f"{setup.file}: {_messages(setup.in_file)}{part}; industry {setup.industry}, region {setup.region}, {setup.date}"
    where = f" at {setup.base_url}" if setup.base_url else ""
    yield f"analyzer {setup.analyzer}{where}: asked {setup.model_asked}, answered {', '.join(report.models_answered) or 'nobody'}"
    if report.prompt_versions:
        hashes = ", ".join(one[:12] for one in report.prompt_hashes)
        yield f"prompt {', '.join(report.prompt_versions)}, hash {hashes}"
    if note := note_of(report):
        yield note
    if report.stopped:
        yield f"PARTIAL: {report.stopped}; {_messages(report.not_asked)} left without an outcome"
    if report.repeated:
        yield f"{_messages(report.repeated)} word for word as an earlier one: unless traffic is so, the figures look too sure"
    unanswered = report.messages - report.answered
    codes = "; no usable answer: " + ", ".join(f"{code} {count}" for code, count in report.failures.items())
    yield f"answered {report.answered} of {report.messages}{codes if unanswered else ''}"


def _taken(report: Report) -> int:
    return report.messages + report.not_asked


def _messages(count: int) -> str:
    return f"{count:,} message" + ("" if count == 1 else "s")


def _field(name: str, figures: FieldFigures) -> Iterator[str]:
    accuracy, baseline = figures.accuracy, figures.baseline
    yield name.upper()
    if baseline is None or accuracy.interval is None:
        yield f"  no answer to any of {_messages(figures.of_all.n)}"
        return
    yield f"  accuracy  {_share(accuracy)} answered"
    if figures.of_all.n != accuracy.n:
        yield f"  of all    {_share(figures.of_all)}, where no answer counts as wrong"
    unsure = (
        "" if figures.macro_f1_interval else ", without an interval: drawing anew from these answers changes nothing"
    )
    yield f"  macro-F1  {_value(figures.macro_f1)}{_interval(figures.macro_f1_interval)}{unsure}"
    yield f"  baseline  {baseline.accuracy:.2f}, macro-F1 {baseline.macro_f1:.2f}, for always saying {baseline.label}"
    if not baseline.beaten:
        yield "            not shown to be better than that"
    yield (
        f"  {_messages(accuracy.n)}: a true accuracy between {accuracy.interval.low:.2f} and {accuracy.interval.high:.2f} would"
        f" give this; differences under {figures.detectable_difference or 0:.2f} between two runs mean nothing."
    )
    yield from _classes(figures)
    yield from _confusion(figures)
    for title, groups in (("language", figures.by_lang), ("kind", figures.by_kind)):
        if groups:
            yield f"  by {title}"
            yield from _table([[group.name, f"n={group.share.n}", _group(group)] for group in groups], indent=4)


def _classes(figures: FieldFigures) -> Iterator[str]:
    rows = [["label", "n", "precision", "recall", "F1", ""]]
    for one in figures.classes:
        few = "too few to trust" if one.support < FEW else ""
        rows.append([one.label, str(one.support), _value(one.precision), _value(one.recall), _value(one.f1), few])
    yield from _table(rows, indent=2)


def _confusion(figures: FieldFigures) -> Iterator[str]:
    names = [one.label for one in figures.classes]
    yield "  confusion: a row is the file's label, a column the answer"
    rows = [["", *names]]
    rows += [
        [label, *(str(answers.get(name, 0) or ".") for name in names)]
        for label in names
        if (answers := figures.confusion.get(label))
    ]
    yield from _table(rows, indent=4)


def _group(group: Group) -> str:
    counted = f"{group.share.right} right"
    return f"{counted}, too few to trust" if group.too_few else f"{counted}, {_share(group.share, of=False)}"


def _calibration(figures: Calibration) -> Iterator[str]:
    yield (
        f"CALIBRATION of score (n={figures.n}): ECE {_value(figures.ece)}, Brier {_value(figures.brier)}"
        f" (a constant would get {_value(figures.brier_of_constant)})"
    )
    rows = [["score", "n", "mean score", "right", ""]]
    for one in figures.bins:
        if one.n:
            few = "too few to trust" if one.n < FEW else ""
            rows.append([f"{one.low:.1f}-{one.high:.1f}", str(one.n), _value(one.mean_score), _value(one.right), few])
    yield from _table(rows, indent=2)


def _injections(figures: InjectionFigures) -> Iterator[str]:
    yield "INJECTION"
    yield f"  suspected {_few(figures.suspected)}; labels right in spite of it {_few(figures.label_right)}"
    yield f"  false alarms {_few(figures.false_alarms)}"


def _running(report: Report) -> Iterator[str]:
    yield from _cost(report.cost)
    latency = report.latency
    if latency:
        few = "" if latency.n >= PERCENTILE_NEEDS else f" (p99 of {latency.n} is the slowest one)"
        times = ", ".join(
            f"{name} {_ms(value)}"
            for name, value in (("p50", latency.p50_ms), ("p95", latency.p95_ms), ("p99", latency.p99_ms))
        )
        yield f"LATENCY {times} at concurrency {report.setup.concurrency}{few}"


def _cost(cost: CostFigures) -> Iterator[str]:
    if cost.total_microusd is None or cost.per_1000_microusd is None:
        money = "unknown: the model's price is not in analysis/cost.py"
    else:
        money = f"${cost.total_microusd / 1e6:.4f}, ${cost.per_1000_microusd / 1e6:.4f} per 1,000 messages"
    yield (
        f"COST    {money}; {cost.calls:,} calls, tokens: input {cost.input_tokens:,}, output {cost.output_tokens:,},"
        f" cached {cost.cached_tokens:,}, cache writes {cost.cache_write_tokens:,}"
    )


def _ms(value: float) -> str:
    return f"{value:.1f} ms" if value < 10 else f"{value:,.0f} ms"


def _errors(rows: Iterable[Row]) -> Iterator[str]:
    table = [["line", "id", "field", "label", "answer", "score"]]
    for row in rows:
        for name, right in row.right.items():
            if not right:
                score = _value(row.score) if name == "sentiment" else ""
                answer = row.answers.get(name) or f"({row.failure})"
                table.append([str(row.line), row.id, name, row.labels[name], answer, score])
    if len(table) == 1:
        yield "ERRORS  none"
        return
    yield f"ERRORS  {len(table) - 1}"
    yield from _table(table, indent=2)


def _comparison(comparison: Comparison) -> Iterator[str]:
    yield (
        f"COMPARED with {comparison.other_analyzer}, {comparison.other_model}, {comparison.other_date}:"
        f" {_messages(comparison.shared)} shared by id"
    )
    if not comparison.same_file:
        yield "  the two files differ: messages are taken for the same because their ids are"
    if comparison.relabelled:
        yield f"  labels left out because they are not the same in both: {comparison.relabelled}"
    for name, field in comparison.fields.items():
        yield from _field_comparison(name, field)


def _field_comparison(name: str, field: FieldComparison) -> Iterator[str]:
    test = field.test
    chance = f"p = {test.p:.3f}" if test.p >= 0.001 else "p < 0.001"
    yield (
        f"  {name}: {field.verdict.upper()}: right {field.right_before} before, {field.right_now} now, of {field.n};"
        f" {test.only_now} won, {test.only_before} lost, {chance} (McNemar, exact)"
    )
    if 0 < test.only_now + test.only_before < FEWEST_CHANGES:
        yield f"    fewer than {FEWEST_CHANGES} changes cannot show a difference, whatever they are"
    rows = [
        [
            f"line {change.line}",
            change.id,
            f"label {change.label}",
            f"{change.before or 'no answer'} -> {change.now or 'no answer'}",
            "won" if change.right_now else "lost",
        ]
        for change in field.changes
    ]
    yield from _table(rows, indent=4)


def _table(rows: Sequence[Sequence[str]], *, indent: int) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield (" " * indent + "  ".join(cells)).rstrip()


def _share(share: Share, *, of: bool = True) -> str:
    counted = f": {share.right} of {share.n}" if of else ""
    return f"{_value(share.value)}{_interval(share.interval)}{counted}"


def _few(share: Share) -> str:
    """A share, or only its counts when they are too few."""
    if share.n >= FEW:
        return _share(share)
    return f"{share.right} of {share.n}, too few to trust" if share.n else "none to count"


def _value(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _interval(interval: Interval | None) -> str:
    return f" ({interval.low:.2f} to {interval.high:.2f})" if interval else ""
