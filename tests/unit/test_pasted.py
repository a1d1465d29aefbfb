"""What people paste into fields for keys and ids."""

import pytest

from console.pasted import read_pasted, read_pem

KEY = "0123456789abcdef"


@pytest.mark.parametrize(
    "given",
    [
        f" {KEY} ",
        f'"{KEY}"',
        f"'{KEY}'\n",
        f"\u201c{KEY}\u201d",
        f"\u00a0{KEY}\u200b",
        f"`{KEY}`\r\n",
        f"\ufeff{KEY}",
        f"«{KEY}»",
    ],
)
def test_what_came_along_by_accident_is_taken_away_and_said(given):
    pasted = read_pasted(given, least=16)
    assert (pasted.value, pasted.was_cleaned, pasted.problem) == (KEY, True, None)


def test_a_clean_value_stays_and_nothing_is_nothing():
    assert read_pasted(KEY) == read_pasted(KEY, least=16) and not read_pasted(KEY).was_cleaned
    for nothing in ("", "  ", '""', "\n"):
        assert read_pasted(nothing, least=16).problem is None and read_pasted(nothing).value == ""


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("env:ACME_SECRET", "env: works in tenant files only"),
        ("ENV:ACME_SECRET", "env: works in tenant files only"),
        ("01234567 89abcdef", "a blank or a line break"),
        ("01234567\n89abcdef", "a blank or a line break"),
        ("01234567\u200b89abcdef", "a blank or a line break"),
        ("0123456789abcde", "too short"),
        ("w" * 4001, "too long"),
    ],
)
def test_what_cannot_be_the_real_thing_is_refused_without_quoting_it(given, told):
    problem = read_pasted(given, least=16).problem
    assert told in problem and given not in problem


def test_a_private_key_keeps_its_lines_and_must_be_whole():
    pem = "-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----"
    assert read_pem(f"  {pem}\r\n".replace("\n", "\r\n")).value == pem
    assert read_pem(pem[:-5]).problem and read_pem("abc").problem and read_pem("").problem is None


def test_a_secret_is_not_in_what_is_printed_of_it():
    assert KEY not in repr(read_pasted(KEY))
