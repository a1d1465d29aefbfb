"""A whole stack that people have worked with: two tenants, two agents, customers of every kind, a sweep, and counted days."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import psycopg

from store.db import Database
from store.label_days import recount_day
from tests.conftest import ACME, OTHER
from tests.integration.console_visitor import add_visitor
from tests.integration.trials_bench import add_trials
from tests.running_stack import RunningStack
from tests.webhooks import whatsapp_body, whatsapp_message

SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(2)>"
BIDI = "\u202egnisrever \u2066 \u202d"
LONG = "w" * 4096
LATE = "This is the third time the parcel is late. I want my money back!"
# (name, text) of a customer each; the last ones mean harm. Each test that changes a conversation has one of its own.
CUSTOMERS = (
    ("Ada", LATE),
    ("Bea", "Great shop, thank you so much!"),
    ("ليلى", "الطرد متأخر جدا وأريد استرداد أموالي!"),
    ("Çağla", "Kargom nerede? Üç gündür bekliyorum."),
    *((name, LATE) for name in ("Dora", "Emil", "Finn", "Gita", "Hugo", "Ines", "Jan")),
    (SCRIPT, SCRIPT),
    (BIDI, f"{BIDI} where is my order?"),
    (LONG, LONG),
)
RULE = """
[[rules]]
name = "late_parcels"
because = "Late parcels go to those who can find them."
when = { topics = ["shipping"] }
then = { queue = "senior", priority = "P1" }
"""
AGENTS = ("ana@acme.example", "ben@acme.example")


def furnish(stack: RunningStack, folder: Path) -> None:
    """When it returns, every customer's message has gone the whole way. folder: for files."""
    for name, text in (("acme", ACME), ("other", OTHER)):
        path = folder / f"{name}.toml"
        path.write_text(text + RULE if name == "acme" else text)
        cli(stack, "tenant", "apply", str(path))
    items = [
        whatsapp_message(text, sender=sender(name), name=name, timestamp=str(int(time.time())))
        for name, text in CUSTOMERS
    ]
    assert stack.post(whatsapp_body(*items)) == 200
    with psycopg.connect(stack.info["database_url"], autocommit=True) as owner:
        for email in AGENTS:
            add_visitor(owner, acme(stack), email=email)
    stack.wait_for("SELECT count(*) FROM message WHERE state = 'done'", [(len(CUSTOMERS),)])
    cli(stack, "sweep", "run", "--tenant", "acme", "--days", "7", "--yes", "--no-batches")
    stack.wait_for("SELECT state FROM sweep", [("done",)])
    cli(stack, "webhook", "add", "https://hooks.example.com/earshot", "--kind", "alert.over", "--tenant", "acme")
    with psycopg.connect(stack.info["database_url"], autocommit=True) as owner:
        (message,) = owner.execute(
            "SELECT id FROM message WHERE starts_with(text, 'This is') ORDER BY id LIMIT 1"
        ).fetchone()
        add_trials(owner, acme(stack), message)
    count_days(stack)


def cli(stack, *arguments):
    """The command line."""
    done = stack.cli(*arguments)
    assert done.returncode == 0, done.stderr


def acme(stack):
    """The tenant's id."""
    ((tenant_id,),) = stack.rows("SELECT id FROM tenant WHERE slug = 'acme'")
    return tenant_id


def sender(name):
    """A customer's number; of somebody who has never written before, one that is theirs."""
    names = [one for one, _ in CUSTOMERS]
    place = names.index(name) if name in names else 500 + sum(map(ord, name)) % 400
    return f"905321110{place:03}"


def write(stack, name, text):
    """A customer writes once more."""
    now = str(int(time.time()))
    message = whatsapp_message(text, sender=sender(name), name=name, timestamp=now, message_id=f"wamid.{uuid4().hex}")
    assert stack.post(whatsapp_body(message)) == 200


def count_days(stack):
    """Now, not within the minute in which it would happen by itself."""
    begin = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    database = Database(stack.info["database_url"], pool_size=1)
    with database.tenant_transaction(acme(stack)) as conn:
        for days in (1, 0):
            day = begin - timedelta(days=days)
            recount_day(conn, acme(stack), day.date(), begin=day, end=day + timedelta(days=1))
    database.close()
