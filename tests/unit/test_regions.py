"""Countries of telephone numbers."""

import pytest

from analysis.regions import region_of


@pytest.mark.parametrize(
    ("phone", "region"),
    [("905551112233", "TR"), ("15550001111", "US"), ("4915112345678", "DE"), ("971501234567", "AE"), ("0555", None), ("", None),
     ("US.1", None), ("800123", None)],
)  # fmt: skip
def test_a_number_belongs_to_the_main_country_of_its_code(phone, region):
    assert region_of(phone) == region
