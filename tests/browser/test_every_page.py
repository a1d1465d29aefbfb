"""What only a browser can say of every page: contrast, names for screen readers, width, errors, what moves, and how it looks to whom."""

import pytest

from tests import effort
from tests.browser.console_pages import NO_PAGES, PLACES_OF, STATUS, find_rules
from tests.browser.reader import reading

# Many pages each.
pytestmark = pytest.mark.timeout(600)
# `make test` visits every page in one look, by turns; `make test-full` visits all of them in each.
LOOKS = [("en", "light"), ("ar", "dark"), ("en", "dark"), ("ar", "light"), ("de", "dark"), ("tr", "light")]
# The API's reference has 17,000 elements, and shows hundreds of routes and shapes alike: `make test` takes the first under each heading.
ALIKE = () if effort.IS_FULL else (".reference article.card:nth-of-type(n + 2)",)
MARKS = ".mark, .badge, .priority, .problem, .notice, .said"
# What is wider than the window, without what is meant to be cut off or to be scrolled by itself.
TOO_WIDE = """() => {
  const inside = (one) => one.closest(".hidden, .skip, .scroll, pre, bdi, .name, select, .uplot") || !one.checkVisibility();
  const found = [...document.querySelectorAll("body *")].filter((one) => {
    const box = one.getBoundingClientRect();
    return box.width && (box.right > innerWidth + 1 || box.left < -1) && !inside(one);
  }).map((one) => one.outerHTML.slice(0, 120));
  return document.documentElement.scrollWidth > innerWidth ? [...found, "the page scrolls sideways"] : found;
}"""
# Text that is cut off where nobody meant it to be.
CUT_OFF = """() => [...document.querySelectorAll("main *, .top *")].filter((one) => {
  const style = getComputedStyle(one);
  const clips = [style.overflowX, style.overflowY].some((value) => ["hidden", "clip"].includes(value));
  const meant = one.closest(".hidden, .skip, .row-text, .name, .words-head h1, .message-head bdi, svg, .trend-plot");
  return clips && !meant && one.innerText && (one.scrollWidth > one.clientWidth + 1 || one.scrollHeight > one.clientHeight + 1);
}).map((one) => one.outerHTML.slice(0, 120))"""
# Lines of more than so many times the size of their letters are hard to follow; a letter is about half as wide.
LONG_LINES = """() => {
  const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT), found = [];
  while (walker.nextNode()) {
    const one = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !one.checkVisibility() || one.closest("pre, .row-text, bdi, .message-text, .hidden")) continue;
    const range = document.createRange();
    range.selectNodeContents(walker.currentNode);
    const size = parseFloat(getComputedStyle(one).fontSize);
    if (Math.max(...[...range.getClientRects()].map((box) => box.width)) > 50 * size) found.push(one.outerHTML.slice(0, 120));
  }
  return found;
}"""
WCAG_SPACING = """() => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`* { line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important; }
    p { margin-block-end: 2em !important; }`);
  document.adoptedStyleSheets = [sheet];
}"""


def visit(reader, addresses, look):
    """{address: what `look` finds wrong there}, for all of them, so that one run tells everything."""
    problems = {}
    for address in addresses:
        answer = reader.open(address)
        assert answer.headers["content-type"].startswith("text/html"), f"{address} is no page: see NO_PAGES"
        assert answer.status == STATUS.get(address, 200), address
        shifted = reader.page.evaluate("window.shifted")
        reader.open_all()
        found = [*look(address), *reader.errors, *(f"it moved by {one}" for one in shifted)]
        reader.errors.clear()
        if found:
            problems[address] = found
    return problems


@pytest.mark.parametrize(("language", "theme"), LOOKS)
def test_every_page_is_accessible_still_and_without_errors_at_every_width(
    chromium, stack, state, pages, language, theme
):
    def look(reader):
        assert reader.page.get_attribute("html", "data-theme") == theme
        assert reader.page.get_attribute("html", "dir") == ("rtl" if language == "ar" else "ltr")
        found = reader.violations(without=ALIKE)
        words = reader.page.locator(MARKS).all_inner_texts()
        found += [f"a mark says {text!r} by its colour alone" for text in words if not any(map(str.isalnum, text))]
        for width, check in ((3840, LONG_LINES), (320, TOO_WIDE)):
            reader.page.set_viewport_size({"width": width, "height": 800})
            found += [f"{width}: {one}" for one in reader.page.evaluate(check)]
        reader.page.click(".menu > summary")
        found += [f"with the menu: {one}" for one in reader.page.evaluate(TOO_WIDE)]
        reader.page.set_viewport_size({"width": 1280, "height": 800})
        return found

    some = pages if effort.IS_FULL else pages[LOOKS.index((language, theme)) :: len(LOOKS)]
    for is_inside, addresses in ((False, ["/sign-in", "/no-such-page"]), (True, some)):
        with reading(chromium, stack, state=state if is_inside else None, language=language, theme=theme) as reader:
            assert visit(reader, addresses, lambda _: look(reader)) == {}


def test_what_is_told_of_pages_is_true(stack):
    endpoints = {endpoint for endpoint, _ in find_rules(stack)}
    assert set(PLACES_OF) <= endpoints
    assert endpoints >= NO_PAGES


def test_nothing_is_cut_off_at_twice_the_size_or_with_wider_spacing(chromium, stack, state, pages):
    # German: its words are the longest.
    with reading(chromium, stack, state=state, language="de", width=640, height=400) as reader:

        def look(_):
            reader.page.set_viewport_size({"width": 320, "height": 800})
            found = reader.page.evaluate(TOO_WIDE)
            reader.page.set_viewport_size({"width": 640, "height": 400})
            reader.page.evaluate(WCAG_SPACING)
            return found + reader.page.evaluate(CUT_OFF) + reader.page.evaluate(TOO_WIDE)

        assert visit(reader, pages if effort.IS_FULL else pages[1::4], look) == {}


def test_a_large_screen_gets_larger_type(chromium, stack, state):
    with reading(chromium, stack, state=state, width=3840, height=2160) as reader:
        for address, part in (("/inbox", ".inbox"), ("/insights", ".page"), ("/admin", ".admin")):
            reader.open(address)
            assert reader.page.locator(part).bounding_box()["width"] > 0.5 * 3840
            assert reader.page.evaluate("parseFloat(getComputedStyle(document.body).fontSize)") > 24


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_who_asks_for_more_contrast_gets_it(chromium, stack, state, pages, theme):
    some = (
        pages
        if effort.IS_FULL
        else ["/inbox", "/insights", "/go", next(one for one in pages if "/conversations/" in one)]
    )
    with reading(chromium, stack, state=state, theme=theme) as reader:
        reader.page.emulate_media(contrast="more")
        assert visit(reader, some, lambda _: reader.violations(also=["color-contrast-enhanced"])) == {}


def test_with_the_systems_own_colours_marks_keep_an_edge_and_the_page_one_is_on_is_shown(chromium, stack, state):
    with reading(chromium, stack, state=state) as reader:
        reader.page.emulate_media(forced_colors="active")
        reader.open("/inbox")
        edges = "(all) => all.map((one) => getComputedStyle(one).borderInlineStartStyle)"
        assert set(reader.page.locator(".mark, .badge, .priority").evaluate_all(edges)) == {"solid"}
        below = "(all) => all.map((one) => getComputedStyle(one).borderBlockEndColor)"
        here, *others = reader.page.locator(".top nav a").evaluate_all(below)
        assert here not in others
        reader.tab_to("Inbox")


@pytest.mark.in_turns
@pytest.mark.parametrize("language", ["en", "de", "tr", "ar"])
def test_menu_help_and_palette_are_accessible_in_every_language(chromium, stack, state, language):
    with reading(chromium, stack, state=state, language=language) as reader:
        reader.open("/inbox")
        reader.page.click(".menu > summary")
        assert reader.violations() == []
        reader.page.keyboard.press("Escape")
        reader.page.click("h1")
        reader.page.keyboard.press("?")
        assert reader.page.is_visible("#shortcuts")
        assert reader.violations() == []
        reader.page.keyboard.press("Control+k")
        reader.page.locator("#palette-list [role=option]").first.wait_for()
        assert not reader.page.is_visible("#shortcuts")
        assert reader.violations() == []


def test_the_check_bites_on_a_spoiled_page(chromium, stack, state):
    with reading(chromium, stack, state=state) as reader:
        reader.open("/inbox")
        reader.page.evaluate(
            """() => {
              // Not in the list: that is put right again by itself.
              document.querySelector("h1").style.color = "#ccc";
              document.querySelector("[name=conversation]").removeAttribute("aria-label");
              document.documentElement.removeAttribute("lang");
            }"""
        )
        rules = {rule for rule, *_ in reader.violations()}
        assert {"color-contrast", "label", "html-has-lang"} <= rules
        reader.page.evaluate(
            """() => {
              document.querySelector("h1").style.cssText = "min-inline-size: 5000px; overflow: hidden; block-size: 3px";
              document.querySelector(".mark").textContent = "";
            }"""
        )
        assert reader.page.evaluate(TOO_WIDE) and reader.page.evaluate(CUT_OFF)
        assert "" in reader.page.locator(".mark").all_inner_texts()
        # And what the browser would not let a page do is noticed.
        reader.page.evaluate(
            """() => { const one = document.createElement("script"); one.textContent = "1"; document.body.append(one); }"""
        )
        reader.page.wait_for_function("document.scripts.length > 1")
        reader.open("/inbox")
        assert any("Content Security Policy" in error for error in reader.errors)
        reader.errors.clear()


def test_hostile_names_and_words_leave_the_list_as_it_is(chromium, stack, state):
    with reading(chromium, stack, state=state) as reader:
        reader.open("/inbox")
        heights = reader.page.evaluate("[...document.querySelectorAll('.row')].map((row) => row.offsetHeight)")
        assert len(heights) >= 6
        assert max(heights) <= 100
        assert reader.page.locator("main script, main img").count() == 0
