"""What every analyzer takes and gives, and the one error it raises."""

from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass, field
from datetime import datetime
from typing import Any, Literal, NewType, Protocol, runtime_checkable

from analysis.schema import AnalysisAnswer
from config.rules_versions import RULES_VERSION

MinimizedText = NewType("MinimizedText", str)
"""Text that went through analysis.minimize. The only text an Analyzer accepts."""


CUT_OFF = "stopped_max_tokens"
"""Code of an answer that ran out of tokens: worth one more call with room."""
REFUSED = "refused"
"""Code of an answer that the model refused to give: worth one try with the stronger model."""
MODEL_NOT_FOUND = "model_not_found_404"
"""Code of a model that is retired, or whose name is wrong: worth a try with the other one."""


ODD_ANSWER = "answer_"
"""How the code of an answer begins that is not of the form asked for."""


class AnalysisError(Exception):
    """The model gave no usable answer. The text holds codes only: no key, no prompt, no customer text.

    permanent: asking again can't help; the message becomes `unanalyzed`.
    retry_after_s: how long the provider asks to wait, None when it does not say.
    provider_down: the provider or our access to it is the cause, not this message; never counts against the message.
    needs_person: somebody must renew a key, pay or raise a limit before it works again.
    trips_breaker: the provider did not answer, or answered that it can't: with several such failures nobody calls for a while.
    """

    def __init__(
        self,
        code: str,
        *,
        permanent: bool,
        retry_after_s: float | None = None,
        provider_down: bool = False,
        needs_person: bool = False,
        trips_breaker: bool = False,
        usage: "Usage | None" = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.permanent = permanent
        self.retry_after_s = retry_after_s
        self.provider_down = provider_down
        self.needs_person = needs_person
        self.trips_breaker = trips_breaker
        self.usage = usage
        self.request_id = request_id


@dataclass(frozen=True)
class Usage:
    """Tokens of one call and what it cost. cached_tokens are reads from the prompt cache."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    cost_microusd: int = 0

    def plus(self, other: "Usage") -> "Usage":
        """Both together."""
        return Usage(*(one + two for one, two in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True)
class ContextTurn:
    """An earlier turn of the same conversation."""

    speaker: Literal["customer", "agent"]
    text: MinimizedText = field(repr=False)


@dataclass(frozen=True)
class Example:
    """A message that people of the tenant have judged. A field that is None says nothing."""

    text: MinimizedText = field(repr=False)
    sentiment: str | None = None
    intent: str | None = None
    topics: tuple[str, ...] | None = None


@dataclass(frozen=True)
class AnalysisRequest:
    """All that may leave the building for one message. context: oldest first.

    topics: name to one-line definition, for this tenant. industry, tone: from the tenant's template.
    examples: published corrections of the tenant, the same order each time. examples_version: 0 when there are none.
    rules_version: which of the global rules. is_quiet: too few messages for the tenant's blocks to be found in the cache again.
    """

    text: MinimizedText = field(repr=False)
    context: tuple[ContextTurn, ...] = field(default=(), repr=False)
    topics: dict[str, str] = field(default_factory=dict[str, str])
    industry: str = ""
    tone: str = ""
    examples: tuple[Example, ...] = field(default=(), repr=False)
    examples_version: int = 0
    rules_version: str = RULES_VERSION
    is_quiet: bool = False


@dataclass(frozen=True)
class PreparedCall:
    """A call that is about to be made: what the egress ledger records before it leaves. max_tokens: room for the answer.

    parameters: everything else of the request but the texts.
    """

    provider: str
    model: str
    prompt_version: str
    prompt_hash: str
    system_text: str = field(repr=False)
    user_turn: str = field(repr=False)
    max_tokens: int = 1024
    parameters: dict[str, Any] = field(default_factory=dict[str, Any], repr=False)


@dataclass(frozen=True)
class Analysis:
    """A validated answer and where it comes from.

    unknown_topics: names the model wanted that are not on the list. requests_per_min: what the provider allows us, when it says.
    """

    answer: AnalysisAnswer = field(repr=False)
    analyzer: str
    model: str
    prompt_version: str
    usage: Usage = Usage()
    request_id: str | None = None
    latency_ms: int = 0
    unknown_topics: tuple[str, ...] = ()
    requests_per_min: int | None = None


class CallCounter(Protocol):
    """Hears what came of each call, for the figures of a process. It must not raise."""

    def __call__(self, *, model: str, outcome: str, usage: Usage | None) -> None:
        """outcome: "answered", or the error's code. usage: None where nothing is known to have been used."""
        ...


class Analyzer(Protocol):
    """Something that reads a minimized message.

    model: what is asked by default. escalation_model: what reads doubtful answers again; None when there is none.
    """

    name: str
    model: str
    escalation_model: str | None

    def prepare(self, request: AnalysisRequest, *, with_room: bool = False, model: str | None = None) -> PreparedCall:
        """The exact call for this request. Pure: nothing leaves. with_room: an earlier answer was cut off. model: another one."""
        ...

    def warm(self, call: PreparedCall) -> Usage:
        """Have the provider keep the call's prefix; it has no room for an answer (max_tokens 0). Raises: AnalysisError."""
        ...

    def analyze(self, call: PreparedCall, *, topics: tuple[str, ...]) -> Analysis:
        """Make the call once and validate the answer. topics: the names the answer may use. Raises: AnalysisError."""
        ...


NO_SUCH_BATCH = "no_such_batch"
"""Code of a batch that the provider does not have (any more)."""


@dataclass(frozen=True)
class BatchStatus:
    """What the provider says of a batch. requests: how many are in it, 0 when it does not say."""

    provider_id: str
    created_at: datetime
    has_ended: bool
    requests: int


@dataclass(frozen=True)
class BatchAnswer:
    """What became of one request of a batch: an analysis, or an error.

    analysis: its prompt_version is empty; the ledger knows it. counts_as_try: False when nobody looked at the request.
    """

    custom_id: str
    analysis: Analysis | None = None
    error: AnalysisError | None = None
    counts_as_try: bool = True


@runtime_checkable
class BatchAnalyzer(Protocol):
    """An Analyzer that also takes many calls at once, at half the price and without haste. All methods raise AnalysisError."""

    def submit_batch(self, calls: Mapping[str, PreparedCall]) -> str:
        """Hand in calls by custom id (1 to 64 of a-z A-Z 0-9 _ -). Returns the provider's id of the batch.

        An error that is not permanent leaves open whether the batch was made: look for it before handing in again.
        """
        ...

    def list_batches(self, *, created_after: datetime) -> list[BatchStatus]:
        """Batches of this key, newest first."""
        ...

    def get_batch(self, provider_id: str) -> BatchStatus:
        """Its status now."""
        ...

    def read_batch(self, provider_id: str, *, topics: tuple[str, ...]) -> Iterator[BatchAnswer]:
        """The answers of a batch that has ended, in any order, validated like single ones. topics: the names they may use."""
        ...

    def cancel_batch(self, provider_id: str) -> None:
        """Ask for its end: what was not begun is not done and not paid."""
        ...

    def delete_batch(self, provider_id: str) -> None:
        """Delete requests and answers at the provider. One that is not there is no error."""
        ...
