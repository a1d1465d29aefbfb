"""The contract of an analysis: six public fields, a few signals beside them, and our own validation."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

SCHEMA_VERSION = 1
MAX_SUMMARY_CHARS = 200
MAX_TOPICS = 5

Sentiment = Literal["positive", "neutral", "negative"]
Intent = Literal[
    "order_status",
    "refund_request",
    "price_inquiry",
    "technical_support",
    "complaint",
    "compliment",
    "callback_request",
    "cancellation",
    "spam",
    "other",
]
SuggestedAction = Literal[
    "escalate_to_human", "send_refund_form", "schedule_callback", "close_with_thanks", "follow_up", "none"
]


class Signals(BaseModel):
    """What the model noticed beside the label. All False when it says nothing."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    sarcasm: bool = False
    injection_suspected: bool = False
    urgent: bool = False


class AnalysisAnswer(BaseModel):
    """A valid answer. `score` is the model's confidence in `sentiment`, 0.0 to 1.0; it is not severity.

    topics: names from the tenant's list, at most five, most important first. language: BCP 47 primary tag, "und" when unknown.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    sentiment: Sentiment
    score: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, strict=True)]
    summary: Annotated[str, StringConstraints(max_length=MAX_SUMMARY_CHARS, strip_whitespace=True)]
    intent: Intent
    topics: Annotated[tuple[str, ...], Field(max_length=MAX_TOPICS)]
    suggested_action: SuggestedAction
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}$")] = "und"
    signals: Signals = Signals()


def wire_schema() -> dict[str, Any]:
    """The JSON schema sent to the provider: one for all tenants, because a change of schema empties the prompt cache.

    Bounds and the tenant's topics are not in it (the API would refuse or ignore them); we check both ourselves.
    """
    raise NotImplementedError
