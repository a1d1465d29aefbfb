"""A stranger sets a tenant up by pages alone, in a real browser on a whole stack: from the first sign-in to the first message."""

import shutil
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.browser.test_console_in_browser import LOOKS, open_all, reading
from tests.running_stack import start_stack, stop_stack
from tests.webhooks import signature, whatsapp_body, whatsapp_message

pytestmark = pytest.mark.slow

NUMBER = "123456789012345"
APP_SECRET = "0123456789abcdef0123456789abcdef"
COMPLAINT = "This is the third time the parcel is late. I want my money back!"


@pytest.fixture(scope="module")
def empty_stack(chromium):
    """A stack on a new folder, with an operator and nothing else."""
    folder = Path(tempfile.mkdtemp(prefix="earshot-onboarding-", dir="/tmp"))
    folder.chmod(0o711)
    stack = start_stack(folder / "data", LOG_LEVEL="WARNING")
    yield stack
    assert stop_stack(stack) == 0
    shutil.rmtree(folder, ignore_errors=True)


def post(url, body, *, secret=APP_SECRET):
    request = urllib.request.Request(url, data=body, headers={"X-Hub-Signature-256": signature(body, secret)})
    try:
        return urllib.request.urlopen(request, timeout=10).status
    except urllib.error.HTTPError as error:
        return error.code


@pytest.fixture(scope="module")
def set_up(chromium, empty_stack):
    """The whole way, with scripts; returns the cookies of whoever went it."""
    with reading(chromium, empty_stack) as reader:
        page, admin = reader.page, empty_stack.info["admin"]
        page.set_default_timeout(30_000)
        reader.open("/")
        page.fill("#email", admin["email"])
        page.fill("#password", admin["password"])
        page.click("main button")
        page.wait_for_url("**/admin/tenants/new")
        page.fill("#f-name", "Çiçek Shop")
        assert page.input_value("#f-slug") == "cicek-shop"
        page.click("button.primary")
        page.wait_for_url("**/admin/start")
        page.click("a.button.primary")
        page.check("input[value=ecommerce]")
        page.select_option("#region", "TR")
        page.click("button.primary")
        page.wait_for_url("**/admin/start/topics")
        page.fill("#t-0", "Gift wrapping")
        page.fill("#d-0", "cards, ribbons and paper")
        page.click("button[value=stay]")
        page.wait_for_selector("[value=gift_wrapping]")
        page.fill("#pasted", "The gift wrapping was torn and my parcel is late. Call +90 532 111 22 33!")
        page.click("text=Read it")
        page.wait_for_selector(".tag:has-text('gift wrapping')")
        assert "[PHONE_1]" in page.inner_text("blockquote")
        page.click("nav.steps a:has-text('Channel')")
        page.click(".card a:has-text('WhatsApp')")
        page.fill("#f-account_id", f' "{NUMBER}" ')
        page.fill("#f-app_secret", f" {APP_SECRET}")
        page.fill("#f-access_token", "EAAGm0PX4ZCpsBAKZBexample")
        page.click("button.primary")
        page.wait_for_url(f"**/channels/whatsapp/{NUMBER}**")
        url, token = page.inner_text("#webhook-url"), page.inner_text("#verify-token")
        connect_like_meta(page, url, token)
        page.click("nav.subjects a:has-text('Set-up')")
        page.click("a.button.primary")
        page.click("a:has-text('HubSpot')")
        page.fill("#f-token", "pat-eu1-1234567890abcdef")
        page.click("button.primary")
        page.wait_for_selector("text=The CRM answers.")
        page.click("button[value=provision]")
        page.wait_for_selector("text=All of our fields are there.")
        page.click("a:has-text('Go on')")
        page.fill("#f-escalate", "0,60")
        page.click("button[value=save]")
        page.wait_for_selector("text=What happens now")
        cookies = [one for one in page.context.cookies() if one["name"] == "earshot"]
        reader.errors[:] = [one for one in reader.errors if "422" not in one]
    return {"cookies": cookies, "origins": []}


def connect_like_meta(page, url, token):
    """What Meta does with what was copied into its dashboard: each step turns green by itself."""
    waiting_s = 5.0  # the receiver knows the account by then
    time.sleep(waiting_s)
    asked = f"{url}?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token={token}"
    assert urllib.request.urlopen(asked, timeout=10).read() == b"1158201444"
    page.wait_for_selector("text=The handshake was seen")
    assert post(url, whatsapp_body(whatsapp_message("hello"), account=NUMBER), secret="wrong") == 401
    page.wait_for_selector("text=a signature that does not fit its app secret")
    page.click("text=Send a test message")
    page.wait_for_selector("text=The receiver took the test message.")
    page.wait_for_selector("text=A message was read")
    page.click("text=Check it at Meta")
    page.wait_for_selector("text=The access token works.")
    now = str(int(time.time()))
    assert post(url, whatsapp_body(whatsapp_message(COMPLAINT, timestamp=now), account=NUMBER)) == 200


def test_the_first_message_is_in_the_inbox_and_can_be_set_right(chromium, empty_stack, set_up):
    empty_stack.wait_for("SELECT count(*) FROM message WHERE state = 'done'", [(2,)])
    assert empty_stack.rows("SELECT config -> 'thresholds' ->> 'escalate' FROM tenant") == [("0.6",)]
    with reading(chromium, empty_stack, state=set_up, scripts=False) as reader:
        page = reader.page
        reader.open("/inbox")
        page.click(f"text={COMPLAINT}")
        assert "negative" in page.inner_text("main")
        page.click("summary:has-text('Is this wrong?')")
        sentiment = page.locator("details.wrong form:has([value=sentiment])")
        sentiment.locator("select").select_option("neutral")
        sentiment.locator("button").first.click()
        assert "Set right." in page.inner_text(".notice")
    assert empty_stack.rows("SELECT count(*) FROM correction") == [(1,)]
    # The test message was analyzed like any other, and nothing of it left.
    tester = "SELECT count(*) FROM crm_link AS l JOIN customer AS c ON c.id = l.customer_id WHERE c.display_name = 'Earshot test'"
    assert empty_stack.rows(tester) == [(0,)]
    assert "Earshot test" not in empty_stack.received("hubspot") + empty_stack.received("graph")
    for secret in (APP_SECRET, "EAAGm0PX4ZCpsBAKZBexample", "pat-eu1-1234567890abcdef"):
        assert secret not in empty_stack.logs()


PAGES = [
    "/admin/tenants/new", "/admin", "/admin/start", "/admin/start/industry", "/admin/start/topics", "/admin/start/channel",
    "/admin/start/crm", "/admin/start/thresholds", "/admin/channels", "/admin/channels/new?kind=whatsapp", "/admin/channels/new?kind=instagram",
    "/admin/channels/new?kind=generic", f"/admin/channels/whatsapp/{NUMBER}", f"/admin/channels/whatsapp/{NUMBER}/edit",
    f"/admin/channels/whatsapp/{NUMBER}/remove", "/admin/crm/connection", "/admin/crm/connection?kind=salesforce",
    "/admin/crm/connection?kind=zoho", "/admin/crm/connection/remove", "/admin/alert-targets",
]  # fmt: skip


@pytest.mark.parametrize(("language", "theme"), LOOKS)
def test_its_pages_are_accessible_and_without_errors(chromium, empty_stack, set_up, language, theme):
    with reading(chromium, empty_stack, state=set_up, language=language, theme=theme) as reader:
        for path in PAGES:
            reader.open(path)
            open_all(reader)
            assert reader.violations() == [], path


@pytest.mark.parametrize("language", ["en", "ar"])
def test_its_pages_fit_a_small_screen(chromium, empty_stack, set_up, language):
    with reading(chromium, empty_stack, state=set_up, language=language, width=320) as reader:
        for path in PAGES:
            reader.open(path)
            open_all(reader)
            assert reader.page.evaluate("document.documentElement.scrollWidth") <= 320, path


def test_without_scripts_a_link_shows_what_has_come(chromium, empty_stack, set_up):
    with reading(chromium, empty_stack, state=set_up, scripts=False) as reader:
        reader.open("/admin/channels/new?kind=generic")
        reader.page.fill("#f-account_id", "web-forms")
        reader.page.fill("#f-app_secret", "s" * 32)
        reader.page.click("button.primary")
        assert "Waiting for the first webhook" in reader.page.inner_text("main")
        reader.page.click("text=Look again")
        assert reader.page.is_visible("text=Waiting for the first message")
        # Copying by a button needs a script; without one the text is there to be marked.
        assert not reader.page.is_visible("[data-copy]")
