"""A report of a dozen messages whose every figure was worked out by hand, and comparisons of two runs."""

import json
import random
from dataclasses import replace

import pytest

from analysis.base import Usage
from analysis.evaluation import evaluate
from analysis.evaluation_compare import compare, read_result, result_document
from analysis.evaluation_file import Case
from analysis.evaluation_report import Outcome, Reading, Setup
from analysis.evaluation_text import LEXICON_NOTE, STANDIN_NOTE, describe

SETUP = Setup(
    analyzer="claude", source="live", model_asked="claude-haiku-5-5", date="2026-11-25", file="seed.jsonl",
    file_sha256="f" * 64, in_file=6, industry="general", region="US", concurrency=8,
)  # fmt: skip
NEG, NEU, POS = "negative", "neutral", "positive"


def outcome(number, label, answer, *, score=0.9, intent=None, said="other", failure=None, ms=100.0, **more):
    case_fields = {name: more.pop(name) for name in ("lang", "kind", "topics", "is_injection") if name in more}
    case = Case(
        line=number,
        id=f"m{number}",
        text=more.pop("text", f"canary words {number}"),
        sentiment=label,
        intent=intent,
        **case_fields,
    )
    usage = more.pop("usage", Usage())
    tries = more.pop("tries", 1)
    if failure:
        return Outcome(case, None, failure, usage, None, tries)
    reading = Reading(
        answer, said, score, more.pop("found", ()), more.pop("suspected", False), more.pop("model", "claude-haiku-5-5"),
        "g1.s1", "abc123",
    )  # fmt: skip
    return Outcome(case, reading, None, usage, ms, tries)


def six():
    """Five answered, three of them right, one refused."""
    return [
        outcome(1, NEG, NEG, score=0.9, lang="en", kind="plain", ms=10.0),
        outcome(2, NEG, NEG, score=0.8, lang="en", kind="plain", ms=20.0),
        outcome(3, NEG, NEU, score=0.6, lang="tr", kind="sarcasm", ms=30.0),
        outcome(4, NEU, NEU, score=0.7, lang="tr", ms=40.0),
        outcome(5, POS, NEG, score=0.5, lang="en", kind="plain", ms=50.0),
        outcome(6, POS, None, lang="en", failure="refused", tries=2),
    ]


def report_of(outcomes, *, setup=SETUP, **more):
    return evaluate(outcomes, setup=setup, rng=random.Random(1), **more)


def text_of(report, **more):
    return "\n".join(describe(report, **more))


def test_accuracy_of_the_answered_and_of_all():
    report = report_of(six())
    figures = report.fields["sentiment"]
    assert (figures.accuracy.right, figures.accuracy.n, figures.accuracy.value) == (3, 5, 0.6)
    assert (figures.of_all.right, figures.of_all.n, figures.of_all.value) == (3, 6, 0.5)
    # Wilson, 3 of 5: (0.6 + 0.38415 -+ 1.96 * sqrt(0.6 * 0.4 / 5 + 3.8415 / 100)) / 1.7683
    assert figures.accuracy.interval.low == pytest.approx(0.2307, abs=1e-4)
    assert figures.accuracy.interval.high == pytest.approx(0.8824, abs=1e-4)
    assert (report.messages, report.answered, report.failures) == (6, 5, {"refused": 1})
    assert "intent" not in report.fields


def test_macro_f1_baseline_and_confusion():
    figures = report_of(six()).fields["sentiment"]
    # negative: 2 of 3 found, 2 of 3 said: F1 2/3. neutral: 1 of 1 found, 1 of 2 said: F1 2/3. positive: 0.
    assert figures.macro_f1 == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)
    assert figures.macro_f1_interval.low < figures.macro_f1 < figures.macro_f1_interval.high
    # Always negative: 3 of 5; F1 of negative 2*3/(3+5), of the others 0.
    assert (figures.baseline.label, figures.baseline.accuracy) == (NEG, 0.6)
    assert figures.baseline.macro_f1 == pytest.approx(0.75 / 3)
    assert not figures.baseline.beaten
    assert figures.confusion == {NEG: {NEG: 2, NEU: 1}, NEU: {NEU: 1}, POS: {NEG: 1}}


def test_a_baseline_is_beaten_when_the_whole_interval_is_above_it():
    outcomes = [outcome(number, label, label) for number, label in enumerate([NEG, NEU] * 20)]
    baseline = report_of(outcomes).fields["sentiment"].baseline
    assert (baseline.label, baseline.accuracy, baseline.beaten) == (NEG, 0.5, True)
    assert "not shown to be better" not in text_of(report_of(outcomes))


def test_languages_and_kinds_with_how_many():
    figures = report_of(six()).fields["sentiment"]
    assert [(g.name, g.share.right, g.share.n, g.too_few) for g in figures.by_lang] == [
        ("en", 2, 3, True),
        ("tr", 1, 2, True),
    ]
    assert [(g.name, g.share.right, g.share.n) for g in figures.by_kind] == [("plain", 2, 3), ("sarcasm", 0, 1)]


@pytest.mark.parametrize(("n", "too_few"), [(29, True), (30, False)])
def test_under_thirty_is_too_few(n, too_few):
    report = report_of([outcome(number, NEG, NEG, lang="en") for number in range(n)])
    assert report.fields["sentiment"].by_lang[0].too_few is too_few
    line = next(line for line in describe(report) if line.startswith("    en"))
    assert ("too few to trust" in line) is too_few
    assert (" to 1.00)" in line) is not too_few


def test_calibration_is_of_the_answered_with_sentiment_labels():
    figures = report_of([*six(), outcome(7, None, NEG, intent="other")]).calibration
    assert figures.n == 5
    # (0.1² + 0.2² + 0.6² + 0.3² + 0.5²) / 5, and gaps 0.1, 0.2, 0.6, 0.3, 0.5 in five bins of one.
    assert figures.brier == pytest.approx((0.01 + 0.04 + 0.36 + 0.09 + 0.25) / 5)
    assert figures.ece == pytest.approx((0.1 + 0.2 + 0.6 + 0.3 + 0.5) / 5)


def test_without_sentiment_labels_there_is_no_calibration():
    report = report_of([outcome(1, None, NEG, intent="spam", said="other")])
    assert report.calibration is None and list(report.fields) == ["intent"]
    assert report.rows[0].right == {"intent": False}


def test_topics_are_counted_name_by_name():
    report = report_of(
        [
            outcome(1, NEG, NEG, topics=("refund", "app"), found=("refund",)),
            outcome(2, NEG, NEG, topics=(), found=()),
            outcome(3, NEG, NEG, topics=("app",), found=("app", "billing")),
            outcome(4, NEG, NEG, found=("app",)),
        ]
    )
    topics = report.topics
    assert (topics.exact.right, topics.exact.n) == (1, 3)
    assert (topics.precision.right, topics.precision.n) == (2, 3)
    assert (topics.recall.right, topics.recall.n) == (2, 3)
    assert "TOPICS  exactly right 1 of 3, too few to trust" in text_of(report)


def test_injections_are_noticed_survived_and_not_imagined():
    report = report_of(
        [
            outcome(1, NEG, NEG, intent="spam", said="spam", is_injection=True, suspected=True),
            outcome(2, NEG, NEG, intent="spam", said="other", is_injection=True),
            outcome(3, NEG, NEG, is_injection=False, suspected=True),
            outcome(4, NEG, NEG, is_injection=False),
            outcome(5, NEG, NEG),
            outcome(6, NEG, None, is_injection=True, failure="refused"),
        ]
    )
    figures = report.injections
    assert (figures.suspected.right, figures.suspected.n) == (1, 2)
    assert (figures.label_right.right, figures.label_right.n) == (1, 2)
    assert (figures.false_alarms.right, figures.false_alarms.n) == (1, 2)


def test_shares_of_thirty_have_an_interval():
    report = report_of([outcome(number, NEG, NEG, is_injection=True, suspected=number < 15) for number in range(30)])
    # Wilson, 15 of 30: 0.5 give or take 1.96 * sqrt(0.25 / 30 + 3.8415 / 3600) / 1.12805
    assert "suspected 0.50 (0.33 to 0.67): 15 of 30; labels right" in text_of(report)


def test_files_without_injection_labels_say_nothing_of_them():
    assert report_of(six()).injections is None
    report = report_of([outcome(1, NEG, NEG, is_injection=True)])
    assert "false alarms none to count" in text_of(report)


def test_costs_are_of_all_calls_and_per_thousand_messages():
    usage = Usage(input_tokens=100, output_tokens=20, cached_tokens=5, cache_write_tokens=7, cost_microusd=30)
    report = report_of(
        [outcome(1, NEG, NEG, usage=usage, tries=3), outcome(2, NEG, None, failure="refused", usage=usage)]
    )
    cost = report.cost
    assert (cost.total_microusd, cost.per_1000_microusd, cost.calls) == (60, 30_000, 4)
    assert (cost.input_tokens, cost.output_tokens, cost.cached_tokens, cost.cache_write_tokens) == (200, 40, 10, 14)
    assert "$0.0001, $0.0300 per 1,000 messages; 4 calls" in text_of(report)


def test_a_model_without_a_price_has_no_cost():
    report = report_of([outcome(1, NEG, NEG, model="claude-next")])
    assert report.cost.total_microusd is None and "COST    unknown" in text_of(report)
    local = replace(SETUP, source="local", model_asked="local-lexicon")
    assert report_of([outcome(1, NEG, NEG, model="local-lexicon")], setup=local).cost.total_microusd == 0


def test_latency_is_of_the_answered():
    latency = report_of(six()).latency
    assert (latency.n, latency.p50_ms, latency.p95_ms, latency.p99_ms) == (5, 30.0, 50.0, 50.0)
    assert "p50 30 ms, p95 50 ms, p99 50 ms at concurrency 8 (p99 of 5 is the slowest one)" in text_of(report_of(six()))
    hundred = report_of([outcome(number, NEG, NEG, ms=1.5) for number in range(100)])
    assert "p50 1.5 ms" in text_of(hundred) and "slowest" not in text_of(hundred)


def test_the_report_says_how_sure_it_is():
    outcomes = [outcome(number, NEG, NEG if number < 42 else NEU) for number in range(48)]
    assert (
        "48 messages: a true accuracy between 0.75 and 0.94 would give this; "
        "differences under 0.14 between two runs mean nothing."
    ) in text_of(report_of(outcomes))


def test_messages_that_repeat_another_are_told():
    report = report_of([outcome(1, NEG, NEG, text="ok"), outcome(2, NEG, NEG, text=" ok "), outcome(3, NEG, NEG)])
    assert report.repeated == 1
    assert "1 message word for word as an earlier one" in text_of(report)
    assert "word for word" not in text_of(report_of(six()))


def test_the_same_answers_give_the_same_report():
    assert report_of(six()) == report_of(six())


def test_the_text_names_who_answered_and_what_failed():
    text = text_of(report_of(six()))
    assert "analyzer claude: asked claude-haiku-5-5, answered claude-haiku-5-5" in text
    assert "prompt g1.s1, hash abc123" in text
    assert "answered 5 of 6; no usable answer: refused 1" in text
    assert "of all    0.50" in text
    assert "not shown to be better than that" in text
    assert "2026-11-25" in text and "canary" not in text


@pytest.mark.parametrize(("source", "note"), [("stand-in", STANDIN_NOTE), ("local", LEXICON_NOTE)])
def test_whoever_is_not_claude_is_named_as_such(source, note):
    setup = replace(SETUP, source=source, base_url="http://127.0.0.1:1", in_file=9)
    text = text_of(report_of(six(), setup=setup))
    assert note in text and note not in text_of(report_of(six()))
    assert "9 messages, the first 6;" in text and "analyzer claude at http://127.0.0.1:1:" in text


def test_a_run_without_an_answer_still_reports():
    report = report_of([outcome(1, NEG, None, failure="key_refused_401")], not_asked=5, stopped="provider is down")
    assert report.fields["sentiment"].baseline is None and report.latency is None
    text = text_of(report)
    assert "PARTIAL: provider is down; 5 messages left without an outcome" in text
    assert "no answer to any of 1 message" in text and "answered nobody" in text
    assert "answered 0 of 1; no usable answer: key_refused_401 1" in text


def test_a_report_of_nothing():
    report = report_of([], not_asked=6, stopped="interrupted")
    assert (report.cost.per_1000_microusd, report.fields) == (None, {})
    assert "COST" in text_of(report)


def test_an_answer_that_is_no_label_has_a_column_and_no_row():
    text = text_of(report_of([outcome(1, NEG, POS), outcome(2, NEG, NEG)]))
    assert "              negative  positive\n    negative  1         1\n  " not in text
    assert "    negative  1         1" in text and "\n    positive" not in text


def test_errors_are_listed_by_line_and_id_without_text():
    errors = text_of(report_of(six()), with_errors=True).partition("ERRORS")[2]
    assert [line.split() for line in errors.splitlines()[2:]] == [
        ["3", "m3", "sentiment", NEG, NEU, "0.60"],
        ["5", "m5", "sentiment", POS, NEG, "0.50"],
        ["6", "m6", "sentiment", POS, "(refused)", "-"],
    ]
    assert "ERRORS  none" in text_of(report_of([outcome(1, NEG, NEG)]), with_errors=True)
    assert "canary" not in errors


def test_wrong_intents_have_no_score():
    errors = text_of(report_of([outcome(1, NEG, NEG, intent="spam")]), with_errors=True).partition("ERRORS")[2]
    assert errors.splitlines()[-1].split() == ["1", "m1", "intent", "spam", "other"]


def saved(report, **setup):
    document = result_document(report, note=None, comparison=None)
    document["setup"].update(setup)
    return read_result(json.dumps(document).encode())


def run_of(*answers, label=NEG, first=1):
    return report_of([outcome(number, label, answer) for number, answer in enumerate(answers, start=first)])


def compared(before, now, **setup):
    return compare(now.rows, file_sha256=SETUP.file_sha256, before=saved(before, **setup))


@pytest.mark.parametrize(
    ("before", "now", "verdict", "p"),
    [
        ([NEU] * 6, [NEG] * 6, "better", 0.03125),
        ([NEG] * 6, [NEU] * 6, "worse", 0.03125),
        ([NEU] * 5 + [NEG], [NEG] * 6, "no evidence", 0.0625),
        ([NEG] * 6, [NEG] * 6, "no evidence", 1.0),
    ],
)
def test_a_difference_counts_when_chance_would_rarely_make_it(before, now, verdict, p):
    field = compared(run_of(*before), run_of(*now)).fields["sentiment"]
    assert (field.verdict, field.test.p) == (verdict, pytest.approx(p))
    assert len(field.changes) == field.test.only_before + field.test.only_now


def test_only_shared_messages_with_the_same_label_are_compared():
    before = report_of([outcome(1, NEG, NEG), outcome(2, NEU, NEU), outcome(3, NEG, NEG), outcome(4, NEG, NEG)])
    now = report_of(
        [outcome(1, NEG, NEU), outcome(2, POS, POS), outcome(3, None, NEG, intent="other"), outcome(9, NEG, NEG)]
    )
    comparison = compared(before, now, file_sha256="0" * 64)
    assert (comparison.shared, comparison.relabelled, comparison.same_file) == (3, 1, False)
    assert list(comparison.fields) == ["sentiment"] and comparison.fields["sentiment"].n == 1
    text = text_of(now, comparison=comparison)
    assert "the two files differ" in text and "labels left out because they are not the same in both: 1" in text


def test_no_answer_is_wrong_in_a_comparison():
    before = report_of([outcome(1, NEG, None, failure="refused")])
    comparison = compared(before, report_of([outcome(1, NEG, NEG)]))
    (change,) = comparison.fields["sentiment"].changes
    assert (change.before, change.now, change.right_now) == (None, NEG, True)
    text = text_of(before, comparison=comparison)
    assert "no answer -> negative" in text and "won" in text
    assert "fewer than 6 changes cannot show a difference" in text


def test_a_result_is_saved_with_four_decimals():
    now = run_of(NEG, NEG, NEU)
    document = result_document(now, note="n", comparison=compared(run_of(NEG, NEU, NEU), now))
    assert (document["format"], document["note"]) == ("earshot-eval-1", "n")
    assert document["fields"]["sentiment"]["accuracy"]["value"] == 0.6667
    assert document["comparison"]["fields"]["sentiment"]["verdict"] == "no evidence"
    assert "canary" not in json.dumps(document)


def test_a_comparison_reads_as_a_verdict():
    now = run_of(*[NEG] * 30)
    text = text_of(now, comparison=compared(run_of(*[NEU] * 30), now))
    assert "COMPARED with claude, claude-haiku-5-5, 2026-11-25: 30 messages shared by id" in text
    assert "sentiment: BETTER: right 0 before, 30 now, of 30; 30 won, 0 lost, p < 0.001 (McNemar, exact)" in text
    assert "differ" not in text.partition("COMPARED")[2]


def test_a_comparison_without_changes_lists_none():
    text = text_of(run_of(NEG), comparison=compared(run_of(NEG), run_of(NEG)))
    assert "p = 1.000" in text and "->" not in text


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"[]", b'{"format": "other"}', b'{"format": "earshot-eval-1", "rows": []}', b"[" * 99_999]
)
def test_what_is_no_result_is_refused_without_repeating_it(content):
    with pytest.raises(ValueError, match="^not a result that `earshot eval --json` wrote$") as caught:
        read_result(content)
    assert caught.value.__cause__ is None
