from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from crm_sync.labels import CustomerLabels, field_values, negative_label

LABELS = CustomerLabels(
    sentiment="negative",
    score=0.875,
    intent="refund_request",
    topics=("shipping", "refund"),
    summary="Parcel is two weeks late.",
    negative_30d=4,
    last_analyzed_at=datetime(2026, 11, 23, 12, 0, 0, 123456, UTC),
)


@pytest.mark.parametrize(
    ("count", "label"),
    [
        (0, "0 negative messages in last 30 days"),
        (1, "1 negative message in last 30 days"),
        (4, "4 negative messages in last 30 days"),
    ],
)
def test_the_label_counts_in_plain_english(count: int, label: str) -> None:
    assert negative_label(count) == label


def test_every_label_becomes_a_text_in_a_field_of_ours() -> None:
    assert field_values(LABELS) == {
        "earshot_sentiment": "negative",
        "earshot_score": "0.88",
        "earshot_last_intent": "refund_request",
        "earshot_topics": "shipping; refund",
        "earshot_last_summary": "Parcel is two weeks late.",
        "earshot_negative_30d": "4",
        "earshot_label": "4 negative messages in last 30 days",
        "earshot_last_analyzed_at": "2026-11-23T12:00:00.123Z",
    }


def test_a_summary_that_is_none_clears_the_one_on_the_card() -> None:
    assert field_values(replace(LABELS, summary=None))["earshot_last_summary"] == ""


def test_without_summary_the_field_is_not_touched() -> None:
    assert "earshot_last_summary" not in field_values(LABELS, with_summary=False)


def test_the_time_is_written_in_utc() -> None:
    istanbul = timezone(timedelta(hours=3))
    labels = replace(LABELS, last_analyzed_at=datetime(2026, 11, 23, 15, 0, tzinfo=istanbul))
    assert field_values(labels)["earshot_last_analyzed_at"] == "2026-11-23T12:00:00.000Z"
