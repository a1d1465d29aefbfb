"""The reading for a message that cannot wait: never sure, in four languages."""

import pytest

from analysis.lexicon import floor_hits, guess_language, read


@pytest.mark.parametrize(
    ("text", "sentiment", "intent"),
    [
        ("I want a refund, it is broken", "negative", "refund_request"),
        ("Kargom nerede, çok geç kaldı", "negative", "order_status"),
        ("Vielen Dank, alles perfekt", "positive", "compliment"),
        ("أريد استرجاع فلوسي", "negative", "refund_request"),
        ("How much is it?", "neutral", "price_inquiry"),
        ("not great, really", "negative", "complaint"),
        ("", "neutral", "other"),
    ],
)
def test_keywords_are_read(text, sentiment, intent):
    answer = read(text, topics=())
    assert (answer.sentiment, answer.intent) == (sentiment, intent)


def test_a_keyword_reading_is_never_sure():
    assert read("terrible terrible terrible refund", topics=()).score <= 0.5


@pytest.mark.parametrize(
    ("text", "hits"),
    [
        ("URGENT please", ("urgent",)),
        ("ACİL! Avukatım arayacak", ("urgent", "legal_threat")),
        ("Mein Sohn ist verletzt", ("safety",)),
        ("سأرفع قضية", ("legal_threat",)),
        ("All good", ()),
    ],
)
def test_the_floor_hears_urgent_words(text, hits):
    assert floor_hits(text) == hits


@pytest.mark.parametrize(
    ("text", "language"),
    [("أين طلبي", "ar"), ("Wo ist das Paket und wann", "de"), ("Where is my order", "en"), ("👍", "und")],
)
def test_languages_are_guessed(text, language):
    assert guess_language(text) == language
