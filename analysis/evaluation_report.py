"""The records of an evaluation: what was asked, what came of it, and every figure of the report."""

from dataclasses import dataclass, field
from typing import Literal

from analysis.base import Usage
from analysis.evaluation_figures import Calibration, ClassFigures, Interval, Share
from analysis.evaluation_file import Case

NO_USAGE = Usage()
FEW = 30
"""Fewer messages than this are too few to trust a share of them."""
FieldName = Literal["sentiment", "intent"]
FIELD_NAMES: tuple[FieldName, ...] = ("sentiment", "intent")
Source = Literal["live", "stand-in", "local"]


@dataclass(frozen=True)
class Reading:
    """What an analyzer answered, as far as it is measured. score: its confidence in sentiment, 0.0 to 1.0."""

    sentiment: str
    intent: str
    score: float
    topics: tuple[str, ...]
    injection_suspected: bool
    model: str
    prompt_version: str
    prompt_hash: str


@dataclass(frozen=True)
class Outcome:
    """What became of one message: a reading, or the code of the failure that stood after the last try.

    usage: of all tries. latency_ms: of the try that was answered, None when none was. tries: calls made, at least 1.
    """

    case: Case
    reading: Reading | None = None
    failure: str | None = None
    usage: Usage = NO_USAGE
    latency_ms: float | None = None
    tries: int = 1


@dataclass(frozen=True)
class Setup:
    """What was run. source: who answered. in_file: messages the file holds, before a limit. date: ISO 8601, UTC."""

    analyzer: str
    source: Source
    model_asked: str
    date: str
    file: str
    file_sha256: str
    in_file: int
    industry: str
    region: str
    concurrency: int
    base_url: str | None = None


@dataclass(frozen=True)
class Group:
    """The messages of one language or kind. too_few: the share is not to be trusted."""

    name: str
    share: Share
    too_few: bool


@dataclass(frozen=True)
class Baseline:
    """Always giving the most frequent label of the file. beaten: the whole interval of the accuracy lies above it."""

    label: str
    accuracy: float
    macro_f1: float
    beaten: bool


@dataclass(frozen=True)
class FieldFigures:
    """One label field. accuracy: of the answered; of_all: a message without an answer counts as wrong.

    detectable_difference: what two runs must differ by to differ at all. confusion: label to answer to how many.
    """

    accuracy: Share
    of_all: Share
    detectable_difference: float | None
    macro_f1: float | None
    macro_f1_interval: Interval | None
    baseline: Baseline | None
    classes: tuple[ClassFigures, ...]
    confusion: dict[str, dict[str, int]]
    by_lang: tuple[Group, ...]
    by_kind: tuple[Group, ...]


@dataclass(frozen=True)
class TopicFigures:
    """Topics of the messages that have them labelled: how often the set is exactly right, and name by name."""

    exact: Share
    precision: Share
    recall: Share


@dataclass(frozen=True)
class InjectionFigures:
    """Messages that try to instruct the model: how many it noticed, and whether its labels stood. false_alarms: of the harmless."""

    suspected: Share
    label_right: Share
    false_alarms: Share


@dataclass(frozen=True)
class CostFigures:
    """Of all calls, the failed ones too. Millionths of a dollar; None when a model's price is not known here."""

    total_microusd: int | None
    per_1000_microusd: int | None
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    calls: int


@dataclass(frozen=True)
class LatencyFigures:
    """Milliseconds of the calls that were answered, without waits and earlier tries."""

    n: int
    p50_ms: float
    p95_ms: float
    p99_ms: float


@dataclass(frozen=True)
class Row:
    """One message without its text. right: by field, only where it is labelled."""

    line: int
    id: str
    labels: dict[str, str]
    answers: dict[str, str] = field(default_factory=dict[str, str])
    score: float | None = None
    right: dict[str, bool] = field(default_factory=dict[str, bool])
    failure: str | None = None


@dataclass(frozen=True)
class Report:
    """Everything an evaluation says. messages: asked. not_asked: left over when the run stopped early, and stopped says why.

    repeated: messages that say word for word what an earlier one of the file says; the intervals take all for independent.
    """

    setup: Setup
    messages: int
    repeated: int
    answered: int
    failures: dict[str, int]
    not_asked: int
    stopped: str | None
    models_answered: tuple[str, ...]
    prompt_versions: tuple[str, ...]
    prompt_hashes: tuple[str, ...]
    fields: dict[str, FieldFigures]
    calibration: Calibration | None
    topics: TopicFigures | None
    injections: InjectionFigures | None
    cost: CostFigures
    latency: LatencyFigures | None
    rows: tuple[Row, ...]
