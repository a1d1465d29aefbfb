"""What only a browser can say of the console's pages: contrast, names for screen readers, focus, width, errors, and life without scripts."""

from contextlib import contextmanager
from importlib.resources import files

import pytest

# A machine with Chromium: `make test-full` has it, `make test` does not ask for it yet.
pytestmark = pytest.mark.slow


AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LOOKS = [(language, theme) for language in ("en", "ar") for theme in ("light", "dark")]
# Adds up what moved on the page without anybody having done something.
WATCH_SHIFTS = """
window.shifted = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""


class Reader:
    """A page in a browser of its own, and all that went wrong there."""

    def __init__(self, page, base):
        self.page, self.base, self.errors = page, base, []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._note)
        page.on("dialog", lambda dialog: (self.errors.append(f"dialog: {dialog.message}"), dialog.dismiss()))

    def _note(self, message):
        # That a page of ours says 404 is what the test asked for; whatever the page loads must be there.
        is_answer = message.text.startswith("Failed to load resource") and message.location["url"] == self.page.url
        if message.type in {"error", "warning"} and not is_answer:
            self.errors.append(f"{message.text} ({message.location['url']})")

    def open(self, path):
        self.page.goto(self.base + path)

    def violations(self):
        """(rule, element, why) for each thing that axe finds."""
        self.page.evaluate(AXE)
        found = self.page.evaluate("rules => axe.run(document, {runOnly: rules})", RULES)["violations"]
        return [(one["id"], node["target"], node["failureSummary"][:200]) for one in found for node in one["nodes"]]

    def tab_to(self, name):
        """Press Tab until something of this name has the focus; every stop on the way must be seen to have it."""
        seen = []
        for _ in range(120):
            self.page.keyboard.press("Tab")
            stop = self.page.evaluate(
                """() => {
                  const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
                  const name = one.getAttribute("aria-label") || one.labels?.[0]?.innerText || one.innerText || one.tagName;
                  return {
                    name: name.trim(), tag: one.tagName, outline: style.outlineStyle, width: parseFloat(style.outlineWidth),
                    inside: box.bottom > 0 && box.top < innerHeight && box.width > 0,
                  };
                }"""
            )
            if stop["tag"] == "BODY":
                continue
            seen.append(stop["name"])
            assert stop["outline"] != "none" and stop["width"] >= 2 and stop["inside"], stop
            if stop["name"].startswith(name):
                return
        raise AssertionError(f"no {name!r} among {seen}")


@contextmanager
def reading(chromium, stack, *, state=None, language="en", theme="light", width=1280, scripts=True):
    """A browser of this look; whatever went wrong in it fails the test at the end."""
    base = stack.info["console_url"]
    context = chromium.new_context(
        viewport={"width": width, "height": 800},
        storage_state=state,
        java_script_enabled=scripts,
        reduced_motion="reduce",
    )
    cookies = {"language": language, "theme": theme}
    context.add_cookies([{"name": name, "value": value, "url": base} for name, value in cookies.items()])
    context.set_default_timeout(10_000)
    if scripts:
        context.add_init_script(WATCH_SHIFTS)
    try:
        reader = Reader(context.new_page(), base)
        yield reader
        assert reader.errors == []
    finally:
        context.close()


def sign_in(reader, stack):
    admin = stack.info["admin"]
    reader.open("/sign-in")
    reader.page.fill("#email", admin["email"])
    reader.page.fill("#password", admin["password"])
    reader.page.click("main button")
    reader.page.wait_for_url("**/inbox")


@pytest.fixture(scope="module")
def state(chromium, stack):
    """The cookies of somebody who has signed in by the form."""
    with reading(chromium, stack) as reader:
        sign_in(reader, stack)
        return {"cookies": [one for one in reader.page.context.cookies() if one["name"] == "earshot"], "origins": []}


@pytest.fixture(scope="module")
def paths(stack):
    """Every page: (path, whether one must be signed in)."""
    by_name = {
        name: (conversation, message)
        for name, conversation, message in stack.rows(
            """
            SELECT u.display_name, m.conversation_id::text, m.id::text
            FROM message AS m JOIN customer AS u ON u.id = m.customer_id
            """
        )
    }
    ada, message = by_name["Ada"]
    hostile = [f"/conversations/{one}" for name, (one, _) in by_name.items() if len(name) > 10]
    assert len(hostile) == 3
    return [
        ("/sign-in", False), ("/inbox", True), ("/inbox?queue=senior&priority=P1", True), ("/inbox?state=snoozed", True),
        (f"/conversations/{ada}", True), (f"/conversations/{ada}/sent/{message}", True), ("/nowhere", True), ("/no-such-page", True),
        ("/admin/webhooks", True),
        *((path, True) for path in hostile),
    ]  # fmt: skip


def open_all(reader):
    """Fold out all that is folded up."""
    reader.page.evaluate("document.querySelectorAll('main details').forEach((one) => { one.open = true; })")


@pytest.mark.parametrize(("language", "theme"), LOOKS)
def test_every_page_is_accessible_and_without_errors(chromium, stack, state, paths, language, theme):
    for path, is_inside in paths:
        with reading(chromium, stack, state=state if is_inside else None, language=language, theme=theme) as reader:
            reader.open(path)
            assert reader.page.get_attribute("html", "data-theme") == theme
            assert reader.page.get_attribute("html", "dir") == ("rtl" if language == "ar" else "ltr")
            assert reader.page.evaluate("window.shifted") == 0, path
            open_all(reader)
            assert reader.violations() == [], path


@pytest.mark.parametrize("language", ["en", "de", "tr", "ar"])
def test_menu_and_help_are_accessible_in_every_language(chromium, stack, state, language):
    with reading(chromium, stack, state=state, language=language) as reader:
        reader.open("/inbox")
        reader.page.click(".menu > summary")
        assert reader.violations() == []
        reader.page.keyboard.press("Escape")
        reader.page.click("h1")
        reader.page.keyboard.press("?")
        assert reader.page.is_visible("#shortcuts") and reader.violations() == []


def test_the_check_bites_on_a_spoiled_page(chromium, stack, state):
    with reading(chromium, stack, state=state) as reader:
        reader.open("/inbox")
        reader.page.evaluate(
            """() => {
              document.querySelectorAll(".quiet").forEach((one) => { one.style.color = "#ccc"; });
              document.querySelector("[name=conversation]").removeAttribute("aria-label");
              document.documentElement.removeAttribute("lang");
            }"""
        )
        rules = {rule for rule, *_ in reader.violations()}
        assert {"color-contrast", "label", "html-has-lang"} <= rules
        # And what the browser would not let a page do is noticed.
        reader.page.evaluate(
            """() => { const one = document.createElement("script"); one.textContent = "1"; document.body.append(one); }"""
        )
        reader.page.wait_for_function("document.scripts.length > 1")
        reader.open("/inbox")
        assert any("Content Security Policy" in error for error in reader.errors)
        reader.errors.clear()


@pytest.mark.parametrize("language", ["en", "ar", "de"])
def test_nothing_is_wider_than_a_small_screen(chromium, stack, state, paths, language):
    for path, is_inside in paths:
        with reading(chromium, stack, state=state if is_inside else None, language=language, width=320) as reader:
            reader.open(path)
            open_all(reader)
            reader.page.click(".menu > summary")
            outside = reader.page.evaluate(
                """() => [...document.querySelectorAll("body *")].filter((one) => {
                  const box = one.getBoundingClientRect();
                  const hidden = one.closest(".hidden, .skip") || !one.checkVisibility() || one.closest("bdi, .name, select");
                  return !hidden && box.width && (box.right > innerWidth + 1 || box.left < -1);
                }).map((one) => one.outerHTML.slice(0, 120))"""
            )
            assert outside == [], path
            assert reader.page.evaluate("document.documentElement.scrollWidth") <= 320, path


def test_hostile_names_and_words_leave_the_list_as_it_is(chromium, stack, state):
    with reading(chromium, stack, state=state) as reader:
        reader.open("/inbox")
        heights = reader.page.evaluate("[...document.querySelectorAll('.row')].map((row) => row.offsetHeight)")
        assert len(heights) >= 6 and max(heights) <= 100  # another test may have resolved one
        assert reader.page.locator("main script, main img").count() == 0


def test_every_task_can_be_done_by_keyboard_alone(chromium, stack):
    admin = stack.info["admin"]
    with reading(chromium, stack) as reader:
        page, press = reader.page, reader.page.keyboard.press
        reader.open("/inbox?priority=P1")
        page.keyboard.type(admin["email"])
        press("Tab")
        page.keyboard.type(admin["password"])
        press("Enter")
        page.wait_for_url("**/inbox?priority=P1")
        press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        press("Enter")
        press("j")
        press("Enter")
        page.wait_for_url("**/conversations/**")
        reader.tab_to("Take it")
        press("Enter")
        page.get_by_text("It is yours.").wait_for()
        reader.tab_to("Is this wrong?")
        press("Enter")
        reader.tab_to("Sentiment")
        page.keyboard.type("positive")
        reader.tab_to("Set right")
        press("Enter")
        page.get_by_text("Set right. It counts from now on").wait_for()
        assert page.locator("#signals .mark.positive").first.is_visible()
        reader.tab_to("Is this wrong?")
        press("Enter")
        reader.tab_to("Undo")
        press("Enter")
        page.get_by_text("Taken back.").wait_for()
        press("e")
        page.get_by_text("Resolved. It opens again").wait_for()
        press("u")
        page.wait_for_url("**/inbox?queue=**")


def test_single_letters_can_be_switched_off(chromium, stack, state):
    with reading(chromium, stack, state=state) as reader:
        page, press = reader.page, reader.page.keyboard.press
        reader.open("/inbox")
        press("?")
        reader.tab_to("Single letters work as shortcuts")
        press("Space")
        press("Escape")
        press("j")
        assert page.locator(".row.current").count() == 0
        reader.open("/inbox")
        press("j")
        assert page.locator(".row.current").count() == 0
        press("?")
        page.locator("#letters").press("Space")
        press("Escape")
        page.wait_for_function("!document.querySelector('#shortcuts').open")
        press("j")
        assert page.locator(".row.current").count() == 1


def test_reading_and_working_need_no_scripts(chromium, stack):
    with reading(chromium, stack, scripts=False) as reader:
        sign_in(reader, stack)
        page = reader.page
        page.click("text=Bea")
        assert page.locator(".message-text").inner_text() == "Great shop, thank you so much!"
        page.click("text=Is this wrong?")
        assert page.get_by_role("button", name="Set right").first.is_visible()
        page.click("text=Take it")
        assert page.get_by_text("It is yours.").is_visible()
        page.click("text=Put back")
        page.click("text=What was sent to the AI")
        assert "Great shop" in page.locator("pre").first.inner_text()
