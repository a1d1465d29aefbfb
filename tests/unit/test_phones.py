import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_sync.phones import is_written_among, match_key, national_numbers, phone_variants, written_match_key


@pytest.mark.parametrize(
    ("wa_id", "written"),
    [
        pytest.param("5215512345678", "+52 55 1234 5678", id="mexico, card without the 1"),
        pytest.param("5215512345678", "+52 1 55 1234 5678", id="mexico, card with the 1"),
        pytest.param("525512345678", "+5215512345678", id="mexico, WhatsApp without the 1"),
        pytest.param("5491123456789", "+54 11 2345-6789", id="argentina, card without the 9"),
        pytest.param("541123456789", "+54 9 11 2345-6789", id="argentina, WhatsApp without the 9"),
        pytest.param("5491123456789", "+54 11 15-2345-6789", id="argentina, old 15"),
        pytest.param("558299448232", "+55 (82) 9 9944-8232", id="brazil, old account of 8 digits"),
        pytest.param("5582999448232", "+55 82 9944-8232", id="brazil, old card of 8 digits"),
        pytest.param("905551112233", "+90 555 111 22 33", id="turkey, spaced"),
        pytest.param("905551112233", "00905551112233", id="turkey, 00"),
        pytest.param("905551112233", "905551112233", id="turkey, bare digits"),
        pytest.param("393331234567", "+39 333 123 4567", id="italy"),
        pytest.param("390612345678", "+39 06 1234 5678", id="italy, the zero stays"),
        pytest.param("14155550123", "+1 (415) 555-0123 ext. 9", id="united states, extension"),
    ],
)
def test_one_number_is_recognised_in_every_spelling(wa_id: str, written: str) -> None:
    assert is_written_among([wa_id], [None, "", written], region=None)


@pytest.mark.parametrize(
    ("wa_id", "written", "region"),
    [
        ("905551112233", "0555 111 22 33", "TR"),
        ("905551112233", "5551112233", "TR"),
        ("905551112233", "905551112233", "TR"),
        ("5491123456789", "011 15-2345-6789", "AR"),
        ("5521987654321", "(21) 98765-4321", "BR"),
        ("14155550123", "(415) 555-0123", "US"),
        ("447911123456", "07911 123456", "GB"),
        ("447911123456", "447911123456", "TR"),
    ],
)
def test_a_number_without_country_code_is_read_with_the_tenants_country(wa_id: str, written: str, region: str) -> None:
    assert is_written_among([wa_id], [written], region=region)


@pytest.mark.parametrize(
    ("wa_id", "written", "region"),
    [
        pytest.param("905551112233", "0555 111 22 33", None, id="no country known"),
        pytest.param("905551112233", "0555 111 22 33", "DE", id="another country"),
        pytest.param("905551112233", "555 111 22 3", "TR", id="a digit short"),
        pytest.param("905551112233", "+90 555 111 22 34", "TR", id="another number"),
        pytest.param("905551112233", "1112233", "TR", id="only the end"),
        pytest.param("558231234567", "+55 82 9 3123-4567", None, id="brazil, a landline never gets a 9"),
        pytest.param("905551112233", "call me", "TR", id="no number"),
        pytest.param("", "", None, id="nothing"),
    ],
)
def test_a_number_that_may_be_somebody_elses_does_not_match(wa_id: str, written: str, region: str | None) -> None:
    assert not is_written_among([wa_id], [written], region=region)


def test_variants_come_with_the_likeliest_first() -> None:
    assert phone_variants("5215512345678") == ("+525512345678", "+5215512345678")
    assert phone_variants("541123456789") == ("+5491123456789", "+541123456789")
    assert phone_variants("558299448232") == ("+5582999448232", "+558299448232")
    assert phone_variants("905551112233") == ("+905551112233",)
    assert phone_variants("") == ()


def test_national_numbers_lack_the_country_code() -> None:
    assert national_numbers("905551112233") == ("5551112233",)
    assert national_numbers("5215512345678") == ("5512345678", "15512345678")
    assert national_numbers("999") == ()


def test_numbers_that_libphonenumber_calls_invalid_are_kept() -> None:
    assert match_key("5215512345678") == match_key("+52 55 1234 5678")
    assert match_key("000111") == "+000111"


@given(st.text(alphabet="0123456789+-() x", max_size=40), st.sampled_from([None, "TR", "US", "BR"]))
def test_whatever_stands_on_a_card_is_read_without_an_error(written: str, region: str | None) -> None:
    written_match_key(written, region=region)


@given(st.from_regex(r"[1-9][0-9]{6,14}", fullmatch=True))
def test_every_variant_of_a_number_has_the_same_key(number: str) -> None:
    assert {match_key(variant) for variant in phone_variants(number)} == {match_key(number)}
