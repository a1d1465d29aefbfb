"""Everything an agent does, without a mouse; and without scripts."""

import pytest

from tests.browser.reader import reading, sign_in


@pytest.fixture
def at(conversations):
    """The address of a customer's conversation."""
    return lambda name: f"/conversations/{conversations[name]}"


def test_signing_in_skipping_to_the_list_and_opening_what_stands_first(chromium, stack):
    admin = stack.info["admin"]
    with reading(chromium, stack) as reader:
        page, press = reader.page, reader.page.keyboard.press
        reader.open("/inbox?priority=P1")
        page.locator("#email:focus").wait_for()
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
        press("u")
        page.wait_for_url("**/inbox?queue=**")


def test_taking_giving_and_putting_away(as_admin, at):
    with as_admin() as reader:
        page = reader.page
        reader.open(at("Dora"))
        page.keyboard.press("c")
        page.get_by_text("It is yours.").wait_for()
        reader.choose("give", "ben")
        page.locator("#stands", has_text="ben has it").wait_for()
        reader.choose("put", "away", "4")
        page.get_by_text("Put away until").wait_for()


def test_setting_a_label_right_and_taking_that_back(as_admin, at):
    with as_admin() as reader:
        page, press = reader.page, reader.page.keyboard.press
        reader.open(at("Emil"))
        reader.choose("wrong")
        assert page.evaluate("document.activeElement.innerText") == "Is this wrong?"
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


def test_answering_and_resolving(as_admin, at):
    with as_admin() as reader:
        page, press = reader.page, reader.page.keyboard.press
        reader.open(at("Finn"))
        reader.choose("answer")
        assert page.evaluate("document.activeElement.id") == "reply-text"
        page.keyboard.type("We are looking for it. One moment!")
        reader.tab_to("Send")
        press("Enter")
        page.get_by_text("It leaves now.").wait_for()
        # The channel's own word that it has arrived counts as a change, too.
        page.locator(".message.outbound .mark.positive", has_text="sent").wait_for()
        page.reload()
        press("e")
        page.get_by_text("Resolved. It opens again").wait_for()


def test_reading_again_and_what_was_sent_to_the_ai(as_admin, at):
    with as_admin() as reader:
        page = reader.page
        reader.open(at("Gita"))
        page.keyboard.press("r")
        page.get_by_text("It is being read again.").wait_for()
        reader.choose("sent", "ai")
        page.wait_for_url("**/sent/**")
        assert "third time the parcel" in page.locator("pre").first.inner_text()
        page.keyboard.press("u")
        page.wait_for_url("**/conversations/*?message=*")


def test_filtering_the_inbox_and_choosing_several(as_admin):
    with as_admin() as reader:
        page, press = reader.page, reader.page.keyboard.press
        reader.open("/inbox")
        reader.tab_to("Priority")
        page.keyboard.type("P1")
        reader.tab_to("Show")
        press("Enter")
        page.wait_for_url("**/inbox?priority=P1**")
        reader.tab_to("Choose this conversation")
        press("Space")
        assert page.locator(".rows input:checked").count() == 1
        reader.tab_to("Put the chosen back")
        press("Enter")
        page.get_by_text("conversation").first.wait_for()


def test_from_a_figure_of_the_insights_to_its_messages(as_admin):
    with as_admin() as reader:
        page, press = reader.page, reader.page.keyboard.press
        reader.open("/inbox")
        reader.choose("insights")
        page.wait_for_url("**/insights")
        cell = page.locator(".heat.negative a").first
        reader.tab_to(cell.inner_text().strip())
        press("Enter")
        page.wait_for_url("**/insights/messages?**")
        press("j")
        press("Enter")
        page.wait_for_url("**/conversations/**")
        assert page.locator(".message.chosen").is_visible()


def test_language_and_theme(as_admin):
    with as_admin() as reader:
        page = reader.page
        reader.open("/insights/load")
        reader.choose("dark")
        page.locator("html[data-theme=dark]").wait_for()
        reader.choose("deutsch")
        page.locator("html[lang=de]").wait_for()
        assert page.url.endswith("/insights/load")
        # Both are kept with the account, which the other tests use too.
        reader.choose("english")
        page.locator("html[lang=en]").wait_for()
        reader.choose("light")
        page.locator("html[data-theme=light]").wait_for()


def test_the_palette_is_a_combobox_that_arrows_move_and_escape_closes(as_admin):
    with as_admin() as reader:
        page, press = reader.page, reader.page.keyboard.press
        reader.open("/inbox")
        reader.tab_to("Insights")
        press("Meta+k")
        field = page.get_by_role("combobox", name="What are you looking for?")
        page.locator("#palette-list [role=option]").first.wait_for()
        marked = (
            "document.getElementById(document.querySelector('#palette-wanted').getAttribute('aria-activedescendant'))"
        )
        for key, place in (("ArrowDown", "1"), ("ArrowDown", "2"), ("ArrowUp", "1"), ("PageUp", "0")):
            press(key)
            assert page.evaluate(f"{marked}.id") == f"palette-{place}"
            assert page.evaluate(f"{marked}.getAttribute('aria-selected')") == "true"
            assert page.locator("#palette-list [aria-selected=true]").count() == 1
        page.keyboard.type("nothing of this kind")
        page.locator("#palette-none", has_text="Nothing fits.").wait_for()
        assert field.get_attribute("aria-expanded") == "false"
        press("Enter")
        assert field.is_visible()
        press("Escape")
        page.wait_for_function("!document.querySelector('#palette').open")
        assert page.evaluate("document.activeElement.innerText") == "Insights"


def test_single_letters_can_be_switched_off(as_admin):
    with as_admin() as reader:
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


def test_nothing_lies_on_what_has_the_focus(as_admin, at):
    for address in ("/inbox", at("Ada")):
        with as_admin(height=400) as reader:
            reader.open(address)
            stops = 0
            while reader.tab() or stops == 0:
                stops += 1
            assert stops > 12


def test_reading_and_working_need_no_scripts(chromium, stack, at):
    admin = stack.info["admin"]
    with reading(chromium, stack, scripts=False) as reader:
        sign_in(reader, admin["email"], admin["password"])
        page = reader.page
        reader.open(at("Çağla"))
        assert page.locator(".message-text").first.inner_text() == "Kargom nerede? Üç gündür bekliyorum."
        page.click("text=Is this wrong?")
        page.get_by_role("button", name="Set right").first.wait_for()
        page.click("text=Take it")
        page.get_by_text("It is yours.").wait_for()
        page.click("text=Put back")
        page.click("text=What was sent to the AI")
        assert "Kargom" in page.locator("pre").first.inner_text()
        reader.open(at("Çağla"))
        page.click("text=Go to or do")
        page.fill("#go-wanted", "put away 7")
        page.click("main button")
        page.get_by_role("button", name="Put away for 7 days").click()
        page.get_by_text("Put away until").wait_for()
        reader.open("/insights/trend")
        page.locator(".trend-plot svg").wait_for()
        assert page.locator("#trend-days tr").count() > 20
