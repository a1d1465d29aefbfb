"""`earshot sla`: what runs now, what was kept, and the claim from uploaded history and live messages."""

import json
from datetime import UTC, datetime, timedelta

from tests.integration.passes import run_all
from tests.webhooks import whatsapp_body, whatsapp_echo, whatsapp_message, whatsapp_value
from worker import reconcile

ANGRY = "This is terrible, my parcel is broken and late!"
NOW = datetime.now(UTC)
DAY_OF_CHANGE = (NOW - timedelta(days=20)).replace(hour=0, minute=0, second=0, microsecond=0)


def stamp(moment):
    return str(int(moment.timestamp()))


def history_of(number, *, minutes):
    """One old thread: an angry message and a person's answer so many minutes later."""
    customer, began = f"90555000{number:04}", DAY_OF_CHANGE - timedelta(days=10, minutes=number)
    items = [
        {"from": customer, "id": f"wamid.q{number}", "timestamp": stamp(began), "type": "text", "text": {"body": ANGRY}},
        {
            "from": "15550000000", "to": customer, "id": f"wamid.a{number}", "type": "text", "text": {"body": "sorry"},
            "timestamp": stamp(began + timedelta(minutes=minutes)),
        },
    ]  # fmt: skip
    thread = {"id": customer, "messages": items}
    return whatsapp_value(field="history", history=[{"metadata": {"phase": 1}, "threads": [thread]}])


def add_answered(owner, tenant_id, *, count, minutes):
    """Live messages after the change, as their rows stand when people have answered."""
    for number in range(count):
        began = DAY_OF_CHANGE + timedelta(days=2, minutes=number)
        (conversation_id,) = owner.execute(
            """
            WITH who AS (INSERT INTO customer (tenant_id) VALUES (%(tenant)s) RETURNING id)
            INSERT INTO conversation (tenant_id, customer_id, channel, account_id)
            SELECT %(tenant)s, id, 'whatsapp', '111000111' FROM who RETURNING id
            """,
            {"tenant": tenant_id},
        ).fetchone()
        for direction, author, text, at in (
            ("inbound", "customer", ANGRY, began),
            ("outbound", "human", "sorry", began + timedelta(minutes=minutes)),
        ):
            owner.execute(
                """
                INSERT INTO message (tenant_id, conversation_id, channel, surface, account_id, provider_message_id, direction,
                                     message_type, text, sent_at, state, sender, author)
                VALUES (%s, %s, 'whatsapp', 'dm', '111000111', %s, %s, 'text', %s, %s, 'done', '{}', %s)
                """,
                (tenant_id, conversation_id, f"x{number}{direction}", direction, text, at, author),
            )


def test_the_claim_is_made_of_uploaded_history_and_live_messages_read_the_same_way(
    deps, receive, owner, tenant_ids, earshot
):
    since = ("--since", f"{DAY_OF_CHANGE:%Y-%m-%d}")
    for number in range(40):
        receive(history_of(number, minutes=27 + number % 5))
    reconcile.place_waiting(deps)
    code, out, _ = earshot("sla", "report", "--tenant", "acme", *since)
    assert code == 0 and "not enough: 40 waits before, 0 after, 30 needed on each side" in out
    add_answered(owner, tenant_ids["acme"], count=35, minutes=9)
    code, out, _ = earshot("sla", "report", "--tenant", "acme", *since)
    assert code == 0
    assert "negative by keyword reading on both sides" in out and "100% of the messages before are from uploaded" in out
    assert "negatives: faster: median 29.0 min → 9.0 min" in out
    code, out, _ = earshot("sla", "report", "--tenant", "acme", *since, "--json")
    found = json.loads(out.splitlines()[-1])
    assert (found["kind"], found["negative_by"], found["negatives"]["verdict"]) == (
        "answer_times",
        "keywords",
        "faster",
    )
    assert earshot("sla", "report", "--tenant", "other", *since)[1].count("not enough: 0 waits before, 0 after") == 2


def test_status_shows_what_runs_and_report_what_was_kept(deps, receive, owner, earshot):
    now = datetime.now(UTC)
    assert earshot("sla", "status", "--tenant", "acme")[1] == "no clock is running\n"
    for number, (minutes, answered) in enumerate([(20, None), (13, None), (10, 5)]):
        sender = f"90555222{number:04}"
        at = now - timedelta(minutes=minutes)
        text = "This is the third time the parcel is late. I want my money back!"
        (ref,) = receive(whatsapp_body(whatsapp_message(text, sender=sender, timestamp=stamp(at))))
        run_all(deps, ref)
        if answered:
            receive(whatsapp_echo("We look", to=sender, timestamp=stamp(now - timedelta(minutes=answered))))
            reconcile.place_waiting(deps)
    rows = [json.loads(line) for line in earshot("sla", "status", "--tenant", "acme", "--json")[1].splitlines()]
    first = next(row for row in rows if row["clock"] == "first_answer")
    assert (first["queue"], first["priority"], first["fine"], first["soon"], first["late"]) == ("senior", "P1", 0, 1, 1)
    code, out, _ = earshot("sla", "report", "--tenant", "acme", "--json")
    week = next(row for row in map(json.loads, out.splitlines()) if row.get("clock") == "first_answer")
    assert code == 0
    assert (week["met"], week["queue"], week["priority"], round(week["median_min"])) == (1, "senior", "P1", 5)


def test_wrong_use_names_the_option(earshot):
    assert earshot("sla", "report", "--tenant", "acme", "--weeks", "0")[0] == 2
    assert "is not a day like" in earshot("sla", "report", "--tenant", "acme", "--since", "soon")[2]
    assert "there is no tenant" in earshot("sla", "status", "--tenant", "nobody")[2]
