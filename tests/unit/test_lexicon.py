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


@pytest.mark.parametrize(
    ("text", "hits"),
    [
        ("I will do a chargeback with my bank", ("legal_threat",)),
        ("I'll tell the newspapers about you", ("legal_threat",)),
        ("See you in court", ("legal_threat",)),
        ("I will complain to the ombudsman", ("legal_threat",)),
        ("Tüketici hakem heyetine başvuracağım", ("legal_threat",)),
        ("Size dava açacağım", ("legal_threat",)),
        ("Bu işi gazetelere vereceğim", ("legal_threat",)),
        ("Wir sehen uns vor Gericht", ("legal_threat",)),
        ("Ich gehe zur Verbraucherzentrale", ("legal_threat",)),
        ("سأتصل بالمحامي", ("legal_threat",)),
        ("I want to die", ("safety",)),
        ("Kendime zarar vereceğim", ("safety",)),
        ("Ich denke an Suizid", ("safety",)),
        ("أفكر في الانتحار", ("safety",)),
        ("The charger caught fire", ("safety",)),
    ],
)
def test_the_floor_hears_who_else_will_judge_and_who_is_in_danger(text, hits):
    assert floor_hits(text) == hits


@pytest.mark.parametrize(
    "text",
    [
        "Do you have court-side seats?",
        "Is the tennis court free at six?",
        "A lawyer-friendly contract tool, nice",
        "It arrived brand new, thanks",
        "Thanks Sue!",
        "Please pursue your order",
        "Das Gericht war sehr lecker",
        "Bezahlen Sie mit Sofortüberweisung?",
        "Düğün için davetiye baskısı yapıyor musunuz?",
        "Müdavatı var mı?",
        "Uygulama acilmiyor",
        "Ürüne bayıldım",
        "Alerjik ciltler için uygun mu?",
        "Press the button twice",
        "Your new collection is on fire 🔥",
        "Where is the emergency exit?",
    ],
)
def test_the_floor_keeps_still_at_words_that_only_look_alike(text):
    assert floor_hits(text) == ()


def test_a_tenants_own_words_are_heard_beside_ours():
    own = (("safety", ("epipen",)), ("legal_threat", ("tüketici|",)))

    assert floor_hits("Where is my EpiPen2?", own=own) == ("safety",)
    assert floor_hits("TÜKETİCİ hakkım", own=own) == ("legal_threat",)
    assert floor_hits("tüketiciler", own=own) == ()
    assert floor_hits("my lawyer", own=own) == ("legal_threat",)


@pytest.mark.parametrize(
    ("written", "group"),
    [
        ("There is a gas  leak", "safety"),
        ("There is a gas\nleak", "safety"),
        ("electric\u00a0shock!", "safety"),
        ("ＬＡＷＹＥＲ", "legal_threat"),
        ("my 𝐥𝐚𝐰𝐲𝐞𝐫", "legal_threat"),
        ("my l\u200ba\u200bw\u200by\u200be\u200br", "legal_threat"),
        ("my law\u00adyer", "legal_threat"),
        ("kis\u0327isel verileri koruma kurulu", "legal_threat"),
        ("محاـــمي", "legal_threat"),
        ("YANGIN ÇIKTI", "safety"),
        ("YANGIN VAR", "safety"),
        ("MY CHILD IS INJURED", "safety"),
    ],
)
def test_no_way_of_writing_hides_a_word_of_the_floor(written, group):
    assert floor_hits(written) == (group,)


@pytest.mark.parametrize("phrase", ["EMERGENCY  EXIT", "Lawyer\nfriendly", "POISON IVY", "poison ivy"])
def test_an_everyday_phrase_stays_harmless_however_it_is_written(phrase):
    assert floor_hits(phrase) == ()


def test_a_tenants_own_words_are_found_in_capitals_and_over_line_breaks():
    own = (("urgent", ("sızıntı var", "spill  in aisle")),)
    assert floor_hits("SIZINTI VAR", own=own) == floor_hits("a Spill in\naisle 3", own=own) == ("urgent",)
