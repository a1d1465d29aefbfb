"""What a message means for everybody who asks: its newest valid analysis with what people have corrected.

The rule itself is the SQL function `effective_label` (migration 0005), so that queries over many messages share it.
"""

from dataclasses import dataclass, field

from store.analyses import StoredAnalysis
from store.db import Connection


@dataclass(frozen=True)
class EffectiveLabel:
    """The label that counts, and what the model said. corrected: names of the fields a person has set, in alphabetical order."""

    analysis: StoredAnalysis
    corrected: tuple[str, ...]
    model_sentiment: str
    model_score: float
    model_intent: str
    model_topics: tuple[str, ...]

    def value_of(self, field: str) -> str:
        """The value that counts, as corrections write it."""
        topics = ",".join(self.analysis.topics)
        return {"sentiment": self.analysis.sentiment, "intent": self.analysis.intent, "topics": topics}[field]

    def model_value_of(self, field: str) -> str:
        """The model's value, as corrections write it."""
        topics = ",".join(self.model_topics)
        return {"sentiment": self.model_sentiment, "intent": self.model_intent, "topics": topics}[field]


def find_effective_label(conn: Connection, message_id: str, *, run_id: str | None = None) -> EffectiveLabel | None:
    """The message's label, None while it has no valid analysis. run_id: by the analysis of this run instead of the newest."""
    row = conn.execute(
        """
        SELECT analysis_id::text, sentiment, score, intent, topics, suggested_action, language, signals, corrected,
               model_sentiment, model_score, model_intent, model_topics
        FROM effective_label(%s::uuid, %s::uuid)
        """,
        (message_id, run_id),
    ).fetchone()
    if row is None:
        return None
    return EffectiveLabel(StoredAnalysis(*row[:8]), tuple(row[8]), *row[9:12], model_topics=tuple(row[12]))


@dataclass(frozen=True)
class ModelReading:
    """What the model alone said of a message, and with which prompt and model."""

    analysis: StoredAnalysis
    prompt_version: str
    model: str
    summary: str = field(repr=False)


def find_model_reading(conn: Connection, message_id: str) -> ModelReading | None:
    """The analysis behind the effective label, as the model gave it."""
    row = conn.execute(
        """
        SELECT a.id::text, a.sentiment, a.score, a.intent, a.topics, a.suggested_action, a.language, a.signals,
               a.prompt_version, a.model, a.summary
        FROM effective_label(%s::uuid) AS e JOIN message_analysis AS a ON a.id = e.analysis_id
        """,
        (message_id,),
    ).fetchone()
    return ModelReading(StoredAnalysis(*row[:8]), *row[8:]) if row else None
