"""The console in a real Chromium, on a whole stack whose messages went the whole way."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tests.conftest import ACME, OTHER
from tests.running_stack import start_stack, stop_stack
from tests.webhooks import whatsapp_body, whatsapp_message

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(2)>"
BIDI = "\u202egnisrever \u2066 \u202d"
LONG = "w" * 4096
# (name, text) of a customer each; the last ones mean harm.
CUSTOMERS = (
    ("Ada", "This is the third time the parcel is late. I want my money back!"),
    ("Bea", "Great shop, thank you so much!"),
    ("ليلى", "الطرد متأخر جدا وأريد استرداد أموالي!"),
    ("Çağla", "Kargom nerede? Üç gündür bekliyorum."),
    (SCRIPT, SCRIPT),
    (BIDI, f"{BIDI} where is my order?"),
    (LONG, LONG),
)


@pytest.fixture(scope="module")
def chromium():
    """One browser for the module. Not for the session: while it lives, nothing else in this process can run an event loop."""
    if not CHROMIUM.exists():
        told = f"there is no {CHROMIUM}: apt-get install chromium fonts-noto-core, or name another one in CHROMIUM"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(told)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def stack(chromium, tmp_path_factory):
    """A stack with two tenants and every customer's message analyzed."""
    # Below /tmp itself: pytest's own folders are closed to the account that runs Postgres when the tests run as root.
    folder = Path(tempfile.mkdtemp(prefix="earshot-browser-", dir="/tmp"))
    folder.chmod(0o711)
    stack = start_stack(folder / "data", LOG_LEVEL="WARNING")
    for name, text in (("acme", ACME), ("other", OTHER)):
        path = folder / f"{name}.toml"
        path.write_text(text)
        applied = stack.cli("tenant", "apply", str(path))
        assert applied.returncode == 0, applied.stderr
    items = [
        whatsapp_message(text, sender=f"90532111000{number}", name=name)
        for number, (name, text) in enumerate(CUSTOMERS)
    ]
    assert stack.post(whatsapp_body(*items)) == 200
    stack.wait_for("SELECT count(*) FROM message WHERE state = 'done'", [(len(CUSTOMERS),)])
    yield stack
    assert stop_stack(stack) == 0
    shutil.rmtree(folder, ignore_errors=True)
