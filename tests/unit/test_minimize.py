"""What is cut before anything leaves, and what agents still need."""

import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from analysis.minimize import minimize
from analysis.pii_phones import MAX_QUESTIONS, PhonePlans


def cut(text, region="TR", **more):
    return minimize(text, region=region, **more).text


@pytest.mark.parametrize(
    ("text", "region", "private", "placeholder"),
    [
        ("Call me on +90 532 123 45 67 please", "TR", "532", "[PHONE_1]"),
        ("Beni 0532 765 43 21 den arayın", "TR", "765", "[PHONE_1]"),
        ("اتصلوا على ٠٥٠١٢٣٤٥٦٧", "AE", "٠٥٠١٢٣٤٥٦٧", "[PHONE_1]"),
        ("Ruft an: 030 901820", "DE", "901820", "[PHONE_1]"),
        ("mail ada.l+shop@example.co.uk now", "GB", "ada.l", "[EMAIL_1]"),
        ("ada (at) example dot com", "GB", "example", "[EMAIL_1]"),
        ("follow @ada_l for more", "GB", "ada_l", "[HANDLE_1]"),
        ("IBAN TR33 0006 1005 1978 6457 8413 26 lütfen", "TR", "0006", "[IBAN_1]"),
        ("DE89370400440532013000", "DE", "3704", "[IBAN_1]"),
        ("card 4111 1111 1111 1111 exp 09/28", "US", "1111", "[CARD_1]"),
        ("TC kimlik 10000000146", "TR", "10000000146", "[ID_1]"),
        ("my passport no: K1234567", "GB", "K1234567", "[ID_1]"),
        ("it says 993847561029 maybe", "US", "561029", "[NUMBER_1]"),
        ("see https://shop.example/reset?token=abc123", "US", "abc123", "[URL_1]"),
        ("I am on instagram.com/ada.lovelace", "US", "lovelace", "[URL_1]"),
    ],
)
def test_personal_data_is_cut(text, region, private, placeholder):
    stripped = cut(text, region)
    assert private not in stripped
    assert placeholder in stripped


@pytest.mark.parametrize(
    "text",
    [
        "Order #10482 is late",
        "Sipariş no 8812345670 nerede?",
        "Bestellnummer 4711224488 fehlt",
        "It costs 1.299,00 TL instead of 999,00",
        "from 24.12.2026 at 17:30 to 18:00",
        "Room 412, 3 nights",
        "tracking 1Z999AA10123456784",
        "https://shop.example/shoes",
    ],
)
def test_what_agents_need_survives(text):
    assert cut(text) == text


def test_the_same_value_keeps_its_number_and_another_gets_its_own():
    text = cut("+90 532 123 45 67, again +90 532 123 45 67, or +90 532 765 43 21")
    assert text == "[PHONE_1], again [PHONE_1], or [PHONE_2]"


def test_known_names_of_the_contact_are_cut_as_whole_words():
    text = cut("Ada here, Adamant as ever. Lovelace too", known_names=("Ada Lovelace",))
    assert text == "[NAME_1] here, Adamant as ever. [NAME_2] too"


def test_counts_say_what_was_cut():
    assert minimize("a@b.co and c@d.co", region="US").counts == {"email": 2}


def test_text_without_personal_data_is_unchanged_and_counted_as_such():
    result = minimize("Wo bleibt mein Paket? 😡", region="DE")
    assert (result.text, result.counts) == ("Wo bleibt mein Paket? 😡", {})


def test_invisible_characters_do_not_hide_a_number():
    assert "[PHONE_1]" in cut("+90\u200b532\u00a0123\u200b45\u00a067")


@pytest.mark.parametrize(
    ("text", "placeholder"),
    [
        ("geb. 12.03.1980", "geb. [DATE_OF_BIRTH_1]"),
        ("01.05.1990 doğumluyum", "[DATE_OF_BIRTH_1] doğumluyum"),
        ("4111 1111 1111 1111 12/27 123", "[CARD_1] 12/27 [CARD_CODE_1]"),
        ("cvv: 123", "cvv: [CARD_CODE_1]"),
        ("hesap no 66723150", "hesap no [ACCOUNT_1]"),
        ("plaka 34 ABC 123", "plaka [PLATE_1]"),
        ("from 203.0.113.42", "from [IP_1]"),
        ("2001:db8:0:0:0:0:2:1 and fe80::1", "[IP_1] and [IP_2]"),
        ("00:1b:44:11:3a:b7", "[DEVICE_1]"),
        ("at 51.50735, -0.12776", "at [LOCATION_1]"),
        ("41°00'49.2\"N 28°58'12.1\"E", "[LOCATION_1]"),
        ("password: hunter2", "password: [SECRET_1]"),
        ("key eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0NCJ9.Qx7", "key [SECRET_1]"),
        ("tg://resolve?domain=ada", "[URL_1]"),
        ("my ssn 219-09-9999", "my ssn [ID_1]"),
        ("ABCPE1234F", "[ID_1]"),
        ("AB123456C", "[ID_1]"),
        ("zero seven four zero zero one one two two", "[PHONE_1]"),
        ("instagram: ada.lovelace", "instagram: [HANDLE_1]"),
        ("insta ada_l", "insta [HANDLE_1]"),
        ('"ada lovelace"@example.com', "[EMAIL_1]"),
    ],
)
def test_each_kind_has_its_placeholder(text, placeholder):
    assert cut(text) == placeholder


@pytest.mark.parametrize(
    "text",
    [
        "12.345.67 instead of 3@5",
        "Windows 10.0.19045.3570",
        "meet me @ example.com",
        "bought it at nike.com",
        "instagram story gone, x: no",
        "1/2 or 3/4?",
        "https://shop.example/p/iphone-15-pro-max-256gb?color=blue#reviews",
        "orders 8812345670, 8812345671 and 8812345672",
        "1234567890 is my order number",
        "sizes 38 39 40 41 42",
        "طلبت مقاس ٤٢ ووصلني ٤٤",
        "می‌خواهم 👩\u200d💻",
        "[PHONE_1] and [DATE_OF_BIRTH_2]",
    ],
)
def test_what_only_looks_private_survives_to_the_last_character(text):
    assert cut(text) == text


def test_a_phone_is_a_phone_also_behind_the_word_order():
    assert cut("order 10482, phone 0532 111 22 33") == "order 10482, phone [PHONE_1]"
    assert cut("ref my number +90 532 111 22 33") == "ref my number [PHONE_1]"
    assert cut("sipariş no 5321112233") == "sipariş no 5321112233"


def test_numbers_of_further_countries_are_known_when_named():
    assert cut("6123 4567", region="TR") == "6123 4567"
    assert cut("6123 4567", region="TR", more_regions=("SG",)) == "[PHONE_1]"


@pytest.mark.parametrize(
    ("names", "text", "stripped"),
    [
        (("Ayşe Yılmaz",), "AYŞE YILMAZ, Ayşe'nin, ayseye", "[NAME_1], [NAME_2]'nin, [NAME_3]"),
        (("محمد العتيبي",), "لمحمد ومحمد", "ل[NAME_1] و[NAME_1]"),
        (("Анна",), "я Анна, нет Анны", "я [NAME_1], нет [NAME_2]"),
        (("李雷",), "我是李雷的", "我是[NAME_1]的"),
        (("Pat O'Brien",), "obrien, O'Brien", "[NAME_1], O'[NAME_2]"),
        (("ada_l",), "ada_l is ada", "[NAME_1] is ada"),
        # Everyday words are names only where they show it.
        (("May",), "May I order in May? may I", "May I order in May? may I"),
        (("Can",), "Can Bey, yardım edebilir misin can", "[NAME_1] Bey, yardım edebilir misin can"),
        (("Mark Hope",), "I'm Mark. Mark my words, I hope. Mark Hope", "I'm [NAME_1]. Mark my words, I hope. [NAME_2]"),
        (("Deniz Kaya",), "sipariş Deniz için, deniz mavisi", "sipariş [NAME_1] için, deniz mavisi"),
        (("Wolf",), "Wolf und mein Wolf", "Wolf und mein Wolf"),
        (("Order",), "my order is late, Order", "my order is late, Order"),
    ],
)
def test_names_are_cut_and_everyday_words_are_not(names, text, stripped):
    assert cut(text, known_names=names) == stripped


def test_hidden_characters_that_spell_text_never_leave():
    assert cut("hi" + "".join(chr(0xE0000 + ord(character)) for character in "call 0532")) == "hi"


def test_a_text_full_of_numbers_is_cut_without_asking_about_each():
    assert "88123" not in cut(" ".join(f"88123456{number:02}," for number in range(99)))


@pytest.mark.parametrize("sign", ["@", "/"])
def test_a_text_full_of_addresses_is_cut_in_one_piece(sign):
    text = " ".join(f"ada{number}@example.com x.example/u/ada{number}" for number in range(90))
    assert "ada" not in cut(text)


def test_a_number_at_the_cap_does_not_leave_in_part():
    text = "b" * 4088 + " 05321112233"
    assert cut(text) == "b" * 4088 + " "[:1]


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300), st.sampled_from(["TR", "DE", "US", ""]))
@example("\ud800 0532 111 22 33", "TR")
@example("\0\x01\x02[PHONE_1]", "TR")
def test_any_text_is_taken_and_never_grows_beyond_the_cap(text, region):
    result = minimize(text, region=region, known_names=(text[:20],))
    assert len(result.text) <= 4096
    assert sum(result.counts.values()) <= len(text)


def calls_made(text):
    """How many functions, ours and built-in ones, are called for the text: the same on every machine."""
    calls = 0

    def count(_frame, event, _argument):
        nonlocal calls
        calls += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        minimize(text, region="TR", known_names=("Ada Lovelace",))
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize(
    "pattern",
    [
        *(
            "a",
            "1",
            "@",
            "+1 ",
            "1-",
            "a.",
            "a.b@",
            "0(",
            " at ",
            "(at)",
            "TR12",
            "TR33 0006 ",
            "[PHONE_1]",
            "\u0661",
            "a/b.c/ ",
        ),
        *(
            "+90 532 111 22 33 ",
            "order 8812345670, ",
            "12.03.2026 ",
            "insta a_b ",
            "geb. 1.1.80 ",
            "12345678a ",
            "ada ",
            "adaada",
        ),
    ],
)
def test_work_grows_no_faster_than_the_text(pattern):
    minimize("warm up 0532 111 22 33 a@b.co", region="TR")
    half, whole = (pattern * 4096)[:2048], (pattern * 4096)[:4096]
    calls_made(whole)  # Tables and patterns are made on first use.
    assert calls_made(whole) <= 2.2 * calls_made(half) + 400
    assert calls_made(whole) < 20_000


@pytest.mark.parametrize("text", ["+90 532 111 22 33, " * 200, "0171 234567 89 / " * 200, "6123 4567 a " * 300])
def test_numbering_plans_are_asked_a_bounded_number_of_times(text, monkeypatch):
    asked = []
    ask = PhonePlans._ask
    monkeypatch.setattr(PhonePlans, "_ask", lambda *arguments: asked.append(1) or ask(*arguments))
    minimize(text, region="TR")
    assert len(asked) <= MAX_QUESTIONS + 2


def test_longer_text_is_capped():
    assert len(cut("b" * 10_000)) == 4096


@pytest.mark.parametrize(
    "words",
    ["(212) 555-0199 ext. 44", "+1 212 555 0199 extension 7", "0212 555 66 77 dahili 12", "030/901820 Durchwahl 15"],
)
def test_an_extension_goes_with_its_number(words):
    out = minimize(f"call {words} today", region="TR" if "dahili" in words else "DE" if "Durch" in words else "US").text
    assert not any(character.isdigit() for character in out.replace("[PHONE_1]", "").replace("[EXTENSION_1]", ""))


def test_an_order_number_and_a_price_beside_it_are_no_card_though_they_pass_its_checksum():
    text = "sipariş numaram 4471209983, 1.249,90 TL ödedim"
    assert minimize(text, region="TR").text == text
