"""What happens to a page that stays open all day: news, colleagues, a lost connection, a session that ends."""

import psycopg
import pytest

from tests.browser.lived_in import acme, write
from tests.browser.reader import reading, sign_in
from tests.integration.console_visitor import PASSWORD, add_visitor

TEXT = "We have found your parcel, it is on its way."


@pytest.fixture
def at(conversations):
    return lambda name: f"/conversations/{conversations[name]}"


@pytest.fixture
def newcomer(stack):
    """An agent whose session may end: (e-mail, user id)."""
    with psycopg.connect(stack.info["database_url"], autocommit=True) as owner:
        email = f"eva{owner.execute('SELECT count(*) FROM app_user').fetchone()[0]}@acme.example"
        return email, add_visitor(owner, acme(stack), email=email)


def only_lost(errors):
    """Takes away what the browser says of requests that could not be answered."""
    assert all("ERR_" in one or "50" in one or "EventSource" in one for one in errors), errors
    errors.clear()


def only_refused(errors):
    """Takes away what the browser says of what the page asked for itself, after its session had ended."""
    assert all("401" in one for one in errors), errors
    errors.clear()


def test_what_is_new_in_the_list_waits_to_be_shown_and_moves_nothing(as_admin, stack):
    with as_admin(height=500) as reader:
        page = reader.page
        reader.open_and_listen("/inbox")
        page.mouse.wheel(0, 200)
        page.wait_for_function("scrollY > 100")
        where = (
            "() => [scrollY, ...[...document.querySelectorAll('.row')].map((row) => row.getBoundingClientRect().top)]"
        )
        before = page.evaluate(where)
        write(stack, "Klara", "Where is my parcel? I want my money back!")
        page.locator("#live-new", has_text="New: 1").wait_for()
        assert page.evaluate(where) == before
        page.get_by_role("button", name="Show").last.click()
        page.locator(".row", has_text="Klara").wait_for()
        assert "Klara" in page.evaluate("document.activeElement.innerText")


def test_a_message_that_comes_while_one_reads_further_up_leaves_the_page_where_it_is(as_admin, stack, at):
    # So low that the next message lies wholly below: one that is seen in part is not told of.
    with as_admin(height=240) as reader:
        page = reader.page
        reader.open_and_listen(at("Ada"))
        before = page.evaluate("scrollY")
        write(stack, "Ada", "Hello? Is anybody there?")
        page.locator("#live-new", has_text="New message").wait_for()
        assert page.evaluate("scrollY") == before
        page.locator("#live-new button").click()
        page.wait_for_function(
            "() => { const box = [...document.querySelectorAll('.message')].at(-1).getBoundingClientRect(); return box.top >= 0 && box.top < innerHeight; }"
        )
        assert page.locator("#live-new").is_hidden()


def test_a_lost_connection_is_told_and_made_up_for(as_admin, stack):
    with as_admin() as reader:
        page = reader.page
        reader.open_and_listen("/inbox")
        stack.kill("console")
        page.locator("#live-lost").wait_for()
        write(stack, "Lena", "My order never came. I want my money back!")
        page.locator("#live-new", has_text="New: 1").wait_for(timeout=60_000)
        page.locator("#live-lost").wait_for(state="hidden", timeout=60_000)
        only_lost(reader.errors)


def test_who_else_reads_it_and_who_has_taken_it_shows_at_once(chromium, stack, agents, at):
    with reading(chromium, stack, state=agents[0]) as ana, reading(chromium, stack, state=agents[1]) as ben:
        ana.open_and_listen(at("Ines"))
        ben.open(at("Ines"))
        ana.page.locator("#stands", has_text="ben looks at it too").wait_for()
        assert ben.page.locator("#stands", has_text="ana looks at it too").is_visible()
        ben.page.get_by_role("button", name="Take it").click()
        ana.page.locator("#stands", has_text="ben has it").wait_for()
        ben.page.locator("#stands", has_text="yours").wait_for()


def test_a_form_of_what_has_changed_meanwhile_is_refused_clearly(chromium, stack, agents, at):
    with (
        reading(chromium, stack, state=agents[0], scripts=False) as ana,
        reading(chromium, stack, state=agents[1]) as ben,
    ):
        ana.open(at("Jan"))
        ben.open(at("Jan"))
        ben.page.get_by_role("button", name="Resolve").click()
        ben.page.get_by_text("Resolved. It opens again").wait_for()
        ana.page.get_by_role("button", name="Take it").click()
        assert ana.page.get_by_text("It has changed since you looked").is_visible()
        assert ana.page.get_by_role("button", name="Open again").is_visible()


def test_a_session_that_ends_in_mid_answer_loses_no_word(chromium, stack, newcomer, at):
    email, user_id = newcomer
    with reading(chromium, stack) as reader:
        page = reader.page
        sign_in(reader, email, PASSWORD)
        reader.open(at("Hugo"))
        page.fill("#reply-text", TEXT)
        with psycopg.connect(stack.info["database_url"], autocommit=True) as owner:
            owner.execute("DELETE FROM web_session WHERE user_id = %s", (user_id,))
        page.get_by_role("button", name="Send", exact=True).click()
        page.wait_for_url("**/sign-in?next=**")
        only_refused(reader.errors)
        page.fill("#email", email)
        page.fill("#password", PASSWORD)
        page.click("main button")
        page.wait_for_url(f"**{at('Hugo')}**")
        assert page.input_value("#reply-text") == TEXT
        page.get_by_role("button", name="Send", exact=True).click()
        page.get_by_text("It leaves now.").wait_for()
        assert page.input_value("#reply-text") == ""


def test_a_draft_stays_while_one_looks_elsewhere_and_goes_with_signing_out(chromium, stack, newcomer, at):
    email, _ = newcomer
    with reading(chromium, stack) as reader:
        page = reader.page
        sign_in(reader, email, PASSWORD)
        reader.open(at("ليلى"))
        page.fill("#reply-text", TEXT)
        reader.open("/inbox")
        reader.open(at("ليلى"))
        assert page.input_value("#reply-text") == TEXT
        reader.choose("sign", "out")
        page.wait_for_url("**/sign-in")
        assert page.evaluate("Object.keys(sessionStorage).filter((key) => key.startsWith('draft:'))") == []
        sign_in(reader, email, PASSWORD)
        reader.open(at("ليلى"))
        assert page.input_value("#reply-text") == ""
