"""What stands out in a heat map, as one sentence: pure."""

from collections.abc import Callable

from console.heat_map import ALL_TOPICS, NO_TOPIC, HeatMap
from console.insight_query import InsightQuery
from console.languages import Speech
from console.topic_words import TOPICS


def topic_word(topic: str, speech: Speech) -> str:
    """A topic as people read it: one of ours in their language, a tenant's own without its underscores."""
    names = {ALL_TOPICS: speech.text("all messages"), NO_TOPIC: speech.text("no topic")}
    if topic in TOPICS:
        return speech.text(TOPICS[topic])
    return names.get(topic) or topic.replace("_", " ")


def leading_sentence(
    heat_map: HeatMap, query: InsightQuery, speech: Speech, *, in_line: Callable[[str], str] = str
) -> str | None:
    """What most negatives are about, with its counts; None without messages. in_line: sets the topic's words into the sentence."""
    if not heat_map.whole.messages:
        return None
    when = _when(query, speech)
    row = heat_map.leading
    if row is None:
        text = (
            speech.text("No message %(when)s is negative.")
            if not heat_map.whole.negatives
            else speech.text("No negative message %(when)s has a topic.")
        )
        return text % {"when": when}
    return speech.text("%(share)s of the negative messages %(when)s are about %(topic)s: %(count)s of %(all)s.") % {
        "share": speech.percent(row.negatives / heat_map.whole.negatives),
        "when": when,
        "topic": in_line(topic_word(row.topic, speech)),
        "count": speech.number(row.negatives),
        "all": speech.number(heat_map.whole.negatives),
    }


def _when(query: InsightQuery, speech: Speech) -> str:
    period = query.period
    if period.preset:
        return speech.texts("of the last %(n)s day", "of the last %(n)s days", period.preset)
    return speech.text("from %(first)s to %(last)s") % {
        "first": speech.day(period.first),
        "last": speech.day(period.last),
    }
