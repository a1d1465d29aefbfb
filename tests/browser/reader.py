"""Somebody before the console, in a browser of their own."""

from contextlib import contextmanager
from functools import partial
from importlib.resources import files

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
# For whatever is waited for; much longer than it takes on a machine that has nothing else to do.
PATIENCE_MS = 20_000
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Tells what moved on the page without anybody having done something.
WATCH_SHIFTS = """
window.shifted = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    // "5 min ago" may become wider while one looks; a tenth is what people call restless.
    if (!entry.hadRecentInput && entry.value > 0.01) window.shifted.push(`${entry.value} ${[...entry.sources].map((one) => one.node?.outerHTML?.slice(0, 80))}`);
  }
}).observe({ type: "layout-shift", buffered: true });
"""
# What has the focus, whether that is seen, and whether something else lies on it.
FOCUSED = """() => {
  const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
  const name = one.getAttribute("aria-label") || one.labels?.[0]?.innerText || one.innerText || one.tagName;
  const top = document.elementFromPoint(box.left + box.width / 2, box.top + Math.min(box.height / 2, 12));
  return {
    name: name.trim(), tag: one.tagName, outline: style.outlineStyle, width: parseFloat(style.outlineWidth),
    inside: box.bottom > 0 && box.top < innerHeight && box.width > 0,
    covered: !(top && (one.contains(top) || top.contains(one) || top.closest("label")?.control === one)),
  };
}"""


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
        return self.page.goto(self.base + path)

    def open_and_listen(self, path):
        """Open a page that follows what happens, and wait until it does."""
        with self.page.expect_response(lambda answer: "/events" in answer.url):
            self.open(path)

    def open_all(self):
        """Fold out all that is folded up."""
        self.page.evaluate("document.querySelectorAll('main details').forEach((one) => { one.open = true; })")

    def violations(self, *, also=(), without=()):
        """(rule, element, why) for each thing that axe finds. also: rules that are not among those of level AA.
        without: selectors of what it does not look at.
        """
        if not self.page.evaluate("typeof axe === 'object'"):
            self.page.evaluate(AXE)
        options = {"runOnly": RULES, "resultTypes": ["violations"]}
        if also:
            options = {"runOnly": {"type": "rule", "values": list(also)}, "resultTypes": ["violations"]}
        # Only these come over: what is in order is a list as long as the page.
        run = "async ([where, options]) => (await axe.run(where, options)).violations"
        found = self.page.evaluate(run, [{"include": ["html"], "exclude": list(without)}, options])
        return [(one["id"], node["target"], node["failureSummary"][:200]) for one in found for node in one["nodes"]]

    def tab(self):
        """One step; where the focus is then, which must be seen there. None at the end of the page."""
        self.page.keyboard.press("Tab")
        stop = self.page.evaluate(FOCUSED)
        if stop["tag"] == "BODY":
            return None
        assert stop["outline"] != "none" and stop["width"] >= 2 and stop["inside"] and not stop["covered"], stop
        return stop

    def tab_to(self, name):
        """Press Tab until something of this name has the focus."""
        seen = []
        for _ in range(150):
            stop = self.tab()
            if stop is None:
                continue
            seen.append(stop["name"])
            if stop["name"].startswith(name):
                return
        raise AssertionError(f"no {name!r} among {seen}")

    def choose(self, *keys):
        """By the command palette: type these words, and take what comes first."""
        self.page.wait_for_load_state()
        self.page.keyboard.press("Control+k")
        self.page.locator("#palette-list [role=option]").first.wait_for()
        self.page.keyboard.type(" ".join(keys))
        self.page.keyboard.press("Enter")


@contextmanager
def reading(chromium, stack, *, state=None, language="en", theme="light", width=1280, height=800, scripts=True):
    """A browser of this look; whatever went wrong in it fails the test at the end."""
    base = stack.info["console_url"]
    context = chromium.new_context(
        viewport={"width": width, "height": height},
        storage_state=state,
        java_script_enabled=scripts,
        reduced_motion="reduce",
    )
    cookies = {"language": language, "theme": theme}
    context.add_cookies([{"name": name, "value": value, "url": base} for name, value in cookies.items()])
    context.set_default_timeout(PATIENCE_MS)
    if scripts:
        context.add_init_script(WATCH_SHIFTS)
    try:
        reader = Reader(context.new_page(), base)
        yield reader
        assert not reader.errors, reader.errors
    finally:
        context.close()


def add_reader(chromium, stack, state):
    """`reading` for somebody who is signed in."""
    return partial(reading, chromium, stack, state=state)


def sign_in(reader, email, password):
    """By the form."""
    reader.open("/sign-in")
    reader.page.fill("#email", email)
    reader.page.fill("#password", password)
    reader.page.click("main button")
    reader.page.wait_for_url("**/inbox")
