"""What is cut before anything leaves, and what agents still need."""

import time

import pytest

from analysis.minimize import minimize


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


@pytest.mark.parametrize("pattern", ["a", "1", "@", "+1 ", "1-", "a.", "0(", " at ", "TR12", "[PHONE_1]", "\u0661"])
def test_hostile_text_takes_no_time_to_speak_of(pattern):
    # Not a timed test of speed: a pattern that backtracks takes seconds or minutes.
    text = (pattern * 4096)[:4096]
    began = time.monotonic()
    minimize(text, region="TR")
    assert time.monotonic() - began < 2


def test_longer_text_is_capped():
    assert len(cut("b" * 10_000)) == 4096
