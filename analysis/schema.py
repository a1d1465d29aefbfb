"""The contract of an analysis: six public fields, a few signals beside them, and our own validation."""

import json
import re
import unicodedata
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, cast, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from config.words import Intent, Sentiment

SCHEMA_VERSION = 1
MAX_SUMMARY_CHARS = 200
MAX_TOPICS = 5
_LANGUAGE = re.compile(r"^[a-z]{2,3}$")
_TOPIC_NAME = re.compile(r"^[a-z][a-z0-9_]{1,39}$")

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

    Bounds and the tenant's topics are not in it (the API would refuse or ignore them); we check both ourselves. The order is the
    order of generation: what comes early informs what comes late.
    """
    signals = {
        "type": "object",
        "properties": {name: {"type": "boolean"} for name in Signals.model_fields},
        "required": list(Signals.model_fields),
        "additionalProperties": False,
    }
    properties: dict[str, Any] = {
        "language": {
            "type": "string",
            "description": "ISO 639-1 code of the message's main language, und when unknown",
        },
        "summary": {"type": "string", "description": "one neutral English sentence, at most 200 characters, no names"},
        "signals": signals,
        "intent": {"type": "string", "enum": list(get_args(Intent))},
        "topics": {
            "type": "array",
            "items": {"type": "string"},
            "description": "names from Topics, most important first, at most 5",
        },
        "sentiment": {"type": "string", "enum": list(get_args(Sentiment))},
        "score": {"type": "number", "description": "confidence in sentiment from 0.0 to 1.0; not severity"},
        "suggested_action": {"type": "string", "enum": list(get_args(SuggestedAction))},
    }
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


@dataclass(frozen=True)
class ReadAnswer:
    """A valid answer, and the topics the model named that are not on the tenant's list, as names of topics look."""

    answer: AnalysisAnswer = field(repr=False)
    unknown_topics: tuple[str, ...] = ()


def read_answer(text: str, *, topics: tuple[str, ...]) -> ReadAnswer:
    """A valid answer from the model's text. Capitals in labels are forgiven, topics the tenant does not have are dropped.

    Raises: ValueError with a code ("not_json", "not_object", "invalid:<fields>") and nothing of the text.
    """
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("not_json") from None
    if not isinstance(fields, dict):
        raise ValueError("not_object")  # noqa: TRY004 -- one class for every bad answer
    fields = cast("dict[str, Any]", fields)
    for name in ("sentiment", "intent", "suggested_action", "language"):
        if isinstance(fields.get(name), str):
            fields[name] = fields[name].strip().lower()
    if isinstance(fields.get("score"), int) and not isinstance(fields["score"], bool):
        fields["score"] = float(fields["score"])
    if isinstance(fields.get("summary"), str):
        fields["summary"] = clean(fields["summary"])[:MAX_SUMMARY_CHARS]
    unknown: tuple[str, ...] = ()
    if isinstance(fields.get("topics"), list):
        named = [_snapped(topic) for topic in fields["topics"] if isinstance(topic, str)]
        unknown = tuple(dict.fromkeys(name for name in named if name not in topics and _TOPIC_NAME.match(name)))[
            :MAX_TOPICS
        ]
        fields["topics"] = tuple(dict.fromkeys(topic for topic in named if topic in topics))[:MAX_TOPICS]
    if not _LANGUAGE.match(str(fields.get("language", "und"))):
        fields["language"] = "und"
    try:
        return ReadAnswer(AnalysisAnswer.model_validate(fields), unknown)
    except ValidationError as error:
        wrong = sorted({str(item["loc"][0]) for item in error.errors(include_input=False, include_context=False)})
        raise ValueError(f"invalid:{','.join(wrong)}") from None


def _snapped(topic: str) -> str:
    """A topic's name as lists spell it."""
    return re.sub(r"[\s-]+", "_", topic.strip().lower())


def clean(text: str) -> str:
    """Text that Postgres and every page can take."""
    return "".join(" " if unicodedata.category(character) in {"Cc", "Cs"} else character for character in text)
