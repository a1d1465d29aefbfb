"""The trend page: a line to point at where scripts run, over the table that stays."""

import pytest


@pytest.mark.parametrize(("language", "theme"), [("en", "light"), ("ar", "dark")])
def test_the_line_tells_its_values_by_arrow_keys_and_in_the_languages_direction(as_admin, language, theme):
    with as_admin(language=language, theme=theme) as reader:
        page, press = reader.page, reader.page.keyboard.press
        reader.open("/insights/trend")
        page.locator(".trend-plot canvas").wait_for()
        newest = page.locator("#trend-days [data-day] th").first.inner_text()
        page.focus("#trend-plot")
        press("End")
        assert page.inner_text("#trend-told").startswith(newest)
        press("ArrowLeft" if language == "en" else "ArrowRight")
        second = page.locator("#trend-days [data-day] th").nth(1).inner_text()
        assert page.inner_text("#trend-told").startswith(second)
        # Time runs the way the language is read: the newest day is at the end of the line.
        press("End")
        point = page.locator(".u-cursor-pt").last.bounding_box()
        box = page.locator(".u-over").bounding_box()
        is_right = point["x"] + point["width"] / 2 > box["x"] + box["width"] / 2
        assert is_right == (language == "en")
        # Where nobody has asked for days, the table has them all the same.
        assert page.locator("#trend-days [data-day]").count() == 30
        assert reader.violations() == []


def test_the_line_takes_its_colours_from_the_page_and_follows_it(as_admin):
    with as_admin(theme="system") as reader:
        reader.page.emulate_media(color_scheme="light")
        reader.open("/insights/trend")
        canvas = reader.page.locator(".trend-plot canvas")
        canvas.wait_for()
        light = canvas.evaluate("(one) => one.toDataURL()")
        reader.page.emulate_media(color_scheme="dark")
        reader.page.wait_for_function(
            "(light) => document.querySelector('.trend-plot canvas').toDataURL() !== light", arg=light
        )


def test_its_files_are_on_no_other_page(as_admin):
    with as_admin() as reader:
        for address in ("/inbox", "/insights", "/insights/cost"):
            reader.open(address)
            assert reader.page.locator("[src*=vendor], [href*=vendor]").count() == 0
