"""The console in a real Chromium, on a whole stack whose messages went the whole way. One browser and one stack for all of these tests."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tests.browser.console_pages import list_pages
from tests.browser.lived_in import AGENTS, furnish
from tests.browser.reader import add_reader, reading, sign_in
from tests.integration.console_visitor import PASSWORD
from tests.running_stack import start_stack, stop_stack

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


# For the folder, not for the session: while it lives, nothing else in this process can run an event loop.
@pytest.fixture(scope="package")
def chromium():
    if not CHROMIUM.exists():
        told = f"there is no {CHROMIUM}: apt-get install chromium fonts-noto-core, or name another one in CHROMIUM"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(told)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def stack(chromium):
    """A stack with something on every page."""
    # Below /tmp itself: pytest's own folders are closed to the account that runs Postgres when the tests run as root.
    folder = Path(tempfile.mkdtemp(prefix="earshot-browser-", dir="/tmp"))
    folder.chmod(0o711)
    stack = start_stack(folder / "data", LOG_LEVEL="WARNING")
    try:
        furnish(stack, folder)
        yield stack
    finally:
        ended = stop_stack(stack)
    assert ended == 0
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="package")
def state(chromium, stack):
    """The cookies of an administrator who has signed in by the form."""
    admin = stack.info["admin"]
    return _signed_in(chromium, stack, admin["email"], admin["password"])


@pytest.fixture(scope="package")
def agents(chromium, stack):
    """The cookies of two agents."""
    return [_signed_in(chromium, stack, email, PASSWORD) for email in AGENTS]


def _signed_in(chromium, stack, email, password):
    with reading(chromium, stack) as reader:
        sign_in(reader, email, password)
        return {"cookies": [one for one in reader.page.context.cookies() if one["name"] == "earshot"], "origins": []}


@pytest.fixture(scope="package")
def conversations(stack):
    """Ids by the customer's name."""
    return dict(
        stack.rows(
            "SELECT u.display_name, m.conversation_id::text FROM message AS m JOIN customer AS u ON u.id = m.customer_id"
        )
    )


@pytest.fixture(scope="package")
def hostile(conversations):
    """Addresses of conversations with people who mean harm."""
    return [f"/conversations/{conversations[name]}" for name in conversations if len(name) > 10]


@pytest.fixture(scope="package")
def pages(stack, hostile):
    """An address of every page for somebody who is signed in, and some more of those that hold other people's words."""
    return [*list_pages(stack), *hostile]


@pytest.fixture
def as_admin(chromium, stack, state):
    """Opens a browser in which the administrator is signed in."""
    return add_reader(chromium, stack, state)
