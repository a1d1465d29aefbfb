"""Two runs over the same messages: is the new one better, or is that chance? Pure."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from analysis.evaluation_figures import McNemar, mcnemar
from analysis.evaluation_report import FIELD_NAMES, Report, Row

RESULT_FORMAT = "earshot-eval-1"
LEVEL = 0.05
Verdict = Literal["better", "worse", "no evidence"]


@dataclass(frozen=True)
class Change:
    """A message whose verdict differs. None: that run gave no answer. line: in this run's file."""

    line: int
    id: str
    label: str
    before: str | None
    now: str | None
    right_now: bool


@dataclass(frozen=True)
class FieldComparison:
    """One field on the n messages that both runs have with the same label; no answer counts as wrong."""

    n: int
    right_before: int
    right_now: int
    test: McNemar
    verdict: Verdict
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Comparison:
    """This run against an earlier one. relabelled: shared messages left out of a field because their label changed."""

    other_analyzer: str
    other_model: str
    other_date: str
    same_file: bool
    shared: int
    relabelled: int
    fields: dict[str, FieldComparison]


class _SavedRow(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    line: int
    id: str
    labels: dict[str, str]
    answers: dict[str, str]
    right: dict[str, bool]


class _SavedSetup(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    analyzer: str
    model_asked: str
    date: str
    file_sha256: str


class SavedResult(BaseModel):
    """What is needed of a result that `earshot eval --json` wrote."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    format: Literal["earshot-eval-1"]
    setup: _SavedSetup
    rows: Annotated[tuple[_SavedRow, ...], Field(min_length=1)]


def read_result(content: bytes) -> SavedResult:
    """A saved result. Raises: ValueError when it is none; the text holds nothing of the content."""
    try:
        document: Any = json.loads(content)
        return SavedResult.model_validate(document)
    except (ValidationError, ValueError, RecursionError):
        raise ValueError("not a result that `earshot eval --json` wrote") from None


def result_document(report: Report, *, note: str | None, comparison: Comparison | None) -> dict[str, Any]:
    """A report as JSON takes it, for programs and for a later comparison. Figures have four decimals, more than any is sure of."""
    document: dict[str, Any] = {"format": RESULT_FORMAT, "note": note, **asdict(report)}
    if comparison:
        document["comparison"] = asdict(comparison)
    return _rounded(document)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list | tuple) else value


def compare(rows: Sequence[Row], *, file_sha256: str, before: SavedResult) -> Comparison:
    """How this run's rows differ from those of an earlier result, field by field."""
    earlier = {row.id: row for row in before.rows}
    shared = [(earlier[row.id], row) for row in rows if row.id in earlier]
    fields: dict[str, FieldComparison] = {}
    relabelled = 0
    for name in FIELD_NAMES:
        both = [(old, new) for old, new in shared if name in old.labels and name in new.labels]
        same = [(old, new) for old, new in both if old.labels[name] == new.labels[name]]
        relabelled += len(both) - len(same)
        if same:
            fields[name] = _compare_field(same, name)
    return Comparison(
        other_analyzer=before.setup.analyzer,
        other_model=before.setup.model_asked,
        other_date=before.setup.date,
        same_file=before.setup.file_sha256 == file_sha256,
        shared=len(shared),
        relabelled=relabelled,
        fields=fields,
    )


def _compare_field(pairs: Sequence[tuple[_SavedRow, Row]], name: str) -> FieldComparison:
    verdicts = [(old.right.get(name, False), new.right.get(name, False)) for old, new in pairs]
    only_before = sum(old and not new for old, new in verdicts)
    only_now = sum(new and not old for old, new in verdicts)
    test = mcnemar(only_before=only_before, only_now=only_now)
    return FieldComparison(
        n=len(pairs),
        right_before=sum(old for old, _ in verdicts),
        right_now=sum(new for _, new in verdicts),
        test=test,
        verdict=_verdict(test),
        changes=tuple(
            Change(
                line=new.line,
                id=new.id,
                label=new.labels[name],
                before=old.answers.get(name),
                now=new.answers.get(name),
                right_now=right_now,
            )
            for (old, new), (right_before, right_now) in zip(pairs, verdicts, strict=True)
            if right_before != right_now
        ),
    )


def _verdict(test: McNemar) -> Verdict:
    if test.p >= LEVEL:
        return "no evidence"
    return "better" if test.only_now > test.only_before else "worse"
