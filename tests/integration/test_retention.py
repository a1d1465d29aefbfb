"""What is older than a tenant keeps it goes, part by part, tenant by tenant; what is younger stays."""

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from config.retention import Retention
from config.tenant_file import TenantFileError, parse_tenant_file
from store import retention
from store.health import list_findings
from store.intake import keep_unparsed_body
from worker import retaining

NOW = datetime(2026, 11, 29, tzinfo=UTC)


@pytest.fixture
def keep(owner, tenant_ids):
    """Say how long a tenant keeps what."""

    def keep(slug="acme", **days):
        days = {"raw_days": 0, "text_days": 0, "history_days": 0, **days}
        config = json.dumps({"retention": days})
        owner.execute("UPDATE tenant SET config = config || %s WHERE id = %s", (config, tenant_ids[slug]))

    for slug in tenant_ids:
        keep(slug)
    return keep


@pytest.fixture
def add(owner, tenant_ids):
    """A message that came so many days ago, with everything that a message has."""

    def add(days_ago, slug="acme", words="my zeppelin"):
        tenant_id, at = tenant_ids[slug], NOW - timedelta(days=days_ago)
        owner.execute("SELECT ensure_month_partitions(%s, 1)", (at.date(),))
        random = uuid4().hex
        (message,) = owner.execute(
            "SELECT overlay(uuid_floor(%s)::text placing %s from 25)::uuid", (at, random[:12])
        ).fetchone()
        run = uuid4()
        owner.execute(
            """
            INSERT INTO message (id, tenant_id, channel, surface, account_id, provider_message_id, direction, message_type, text,
                                 sent_at, received_at, state, sender, minimized_text, stripped)
            VALUES (%s, %s, 'whatsapp', 'dm', '1', 'w', 'inbound', 'text', %s, %s, %s, 'done', '{}', %s, '{}')
            """,
            (message, tenant_id, words, at, at, words),
        )
        rows = (
            ("INSERT INTO message_raw (message_id, tenant_id, item) VALUES (%s, %s, %s)", (message, tenant_id, words.encode())),
            (
                "INSERT INTO message_version (message_id, version, tenant_id, text, item) VALUES (%s, 1, %s, %s, %s)",
                (message, tenant_id, words, words.encode()),
            ),
            (
                """
                INSERT INTO message_analysis (id, tenant_id, message_id, run_id, run_kind, sentiment, score, summary, intent, topics,
                                              suggested_action, analyzer, model, prompt_version)
                VALUES (overlay(%s::text placing %s from 25)::uuid, %s, %s, %s, 'initial', 'negative', 0.9, %s, 'complaint', '{}', 'none', 'x', 'x', 'x')
                """,
                (message, random[12:24], tenant_id, message, run, words),
            ),
            (
                """
                INSERT INTO egress (tenant_id, message_id, run_id, provider, model, prompt_version, prompt_hash, minimized_text)
                VALUES (%s, %s, %s, 'anthropic', 'x', 'x', 'x', %s)
                """,
                (tenant_id, message, run, words),
            ),
            (
                """
                INSERT INTO routing_decision (tenant_id, message_id, run_id, priority, queue, rule, reasons, inputs, applied)
                VALUES (%s, %s, %s, 'P2', 'support', 'x', '{}', '{}', true)
                """,
                (tenant_id, message, run),
            ),
            (
                "INSERT INTO correction (tenant_id, message_id, field, old_value, new_value, reason) VALUES (%s, %s, 'sentiment', 'a', 'b', %s)",
                (tenant_id, message, words),
            ),
            ("INSERT INTO message_key (tenant_id, account_id, key, message_id) VALUES (%s, '1', %s, %s)", (tenant_id, uuid4().bytes, message)),
        )  # fmt: skip
        for query, values in rows:
            owner.execute(query, values)
        return str(message)

    return add


def count(owner, table, tenant_id=None):
    of = "" if tenant_id is None else f" WHERE tenant_id = {tenant_id}"
    return owner.execute(f"SELECT count(*) FROM {table}{of}").fetchone()[0]


def words_of(owner, message):
    """Everywhere where words of one message stand."""
    return owner.execute(
        """
        SELECT m.text, m.minimized_text, (SELECT summary FROM message_analysis WHERE message_id = m.id),
               (SELECT minimized_text FROM egress WHERE message_id = m.id), (SELECT reason FROM correction WHERE message_id = m.id),
               (SELECT count(*) FROM message_version WHERE message_id = m.id), (SELECT count(*) FROM message_raw WHERE message_id = m.id)
        FROM message AS m WHERE m.id = %s
        """,
        (message,),
    ).fetchone()


ALL = ("my zeppelin", "my zeppelin", "my zeppelin", "my zeppelin", "my zeppelin", 1, 1)
NONE = (None, None, "", "[erased]", None, 0, 0)


def test_nothing_goes_while_nobody_says_how_long(deps, owner, add, keep):
    message = add(4000)
    retaining.keep_retention(deps, now=NOW)
    assert words_of(owner, message) == ALL
    assert count(owner, "retention_mark") == 0


def test_a_new_tenant_keeps_raw_bodies_a_month_words_400_days_and_labels_for_ever():
    assert Retention() == Retention(raw_days=30, text_days=400, history_days=0)


def test_raw_bodies_go_by_their_own_days(deps, owner, add, keep):
    old, young = add(31), add(29)
    keep(raw_days=30)
    retaining.keep_retention(deps, now=NOW)
    assert words_of(owner, old) == (*ALL[:6], 0)
    assert owner.execute("SELECT item FROM message_version WHERE message_id = %s", (old,)).fetchone() == (None,)
    assert words_of(owner, young) == ALL


def test_words_go_and_labels_stay(deps, owner, add, keep):
    old, young = add(401), add(399)
    keep(raw_days=400, text_days=400)
    retaining.keep_retention(deps, now=NOW)
    assert words_of(owner, old) == NONE
    assert words_of(owner, young) == ALL
    row = owner.execute("SELECT state, words_expired_at IS NOT NULL FROM message WHERE id = %s", (old,)).fetchone()
    assert row == ("done", True)
    assert owner.execute("SELECT sentiment FROM message_analysis WHERE message_id = %s", (old,)).fetchone() == (
        "negative",
    )


def test_words_also_go_from_the_ledger_of_later_messages(deps, owner, add, keep):
    old, young = add(401), add(10)
    turn = json.dumps({"context": [{"text": "my zeppelin"}, {"text": "another"}], "message": "now"})
    owner.execute(
        "UPDATE egress SET minimized_text = %s, context_ids = %s::uuid[] WHERE message_id = %s",
        (turn, [old, young], young),
    )
    keep(raw_days=400, text_days=400)
    retaining.keep_retention(deps, now=NOW)
    (left,) = owner.execute("SELECT minimized_text FROM egress WHERE message_id = %s", (young,)).fetchone()
    assert [one["text"] for one in json.loads(left)["context"]] == ["[erased]", "another"]


def test_the_history_goes_with_all_that_hangs_on_it_but_what_recognises_repetitions(deps, owner, add, keep):
    add(800)
    young = add(10)
    keep(raw_days=30, text_days=400, history_days=700)
    retaining.keep_retention(deps, now=NOW)
    for table in ("message", "message_analysis", "egress", "routing_decision", "correction", "message_version"):
        assert count(owner, table) == 1, table
    assert count(owner, "message_key") == 2
    assert words_of(owner, young) == ALL


def test_each_tenant_keeps_its_own(deps, owner, add, keep, tenant_ids):
    mine, theirs = add(100), add(100, "other")
    keep("acme", raw_days=30, text_days=90)
    retaining.keep_retention(deps, now=NOW)
    assert words_of(owner, mine) == NONE
    assert words_of(owner, theirs) == ALL


def months(owner, parent):
    rows = owner.execute(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass ORDER BY 1", (parent,)
    )
    return [name.rpartition("_")[2] for (name,) in rows.fetchall()]


def test_a_month_that_is_past_for_all_is_dropped_whole(deps, owner, add, keep):
    add(200)
    add(200, "other")
    month = f"{NOW - timedelta(days=200):%Y%m}"
    keep("acme", raw_days=30, text_days=90, history_days=90)
    retaining.keep_retention(deps, now=NOW)
    assert month in months(owner, "message_raw") and month in months(owner, "message")  # the other tenant keeps it
    keep("other", raw_days=60, text_days=100, history_days=0)
    retaining.keep_retention(deps, now=NOW)
    assert month not in months(owner, "message_raw") and month in months(owner, "message")
    keep("other", raw_days=60, text_days=100, history_days=100)
    retaining.keep_retention(deps, now=NOW)
    assert month not in months(owner, "message") and month not in months(owner, "message_analysis")
    now_month = f"{datetime.now(UTC):%Y%m}"
    assert now_month in months(owner, "message")


def test_the_app_role_can_drop_nothing_young_whatever_it_asks(database, owner):
    before = months(owner, "message")
    with database.system_transaction() as conn:
        dropped = conn.execute("SELECT drop_past_months('message', now() + interval '10 years')").fetchone()[0]
    this_month = f"{datetime.now(UTC):%Y%m}"
    assert all(one.rpartition("_")[2] < this_month for one in dropped)
    assert this_month in months(owner, "message") and len(before) - len(dropped) == len(months(owner, "message"))


def test_it_works_in_bounded_batches_and_repeating_it_changes_nothing(
    deps, owner, add, keep, database, tenant_ids, monkeypatch
):
    monkeypatch.setattr(retention, "BATCH", 2)
    for days in (500, 499, 498, 497, 496):
        add(days)
    keep(raw_days=30, text_days=400)
    more = []
    while not more or more[-1]:
        with database.tenant_transaction(tenant_ids["acme"]) as conn:
            more.append(retention.remove_batch(conn, tenant_ids["acme"], "text", before=NOW - timedelta(days=400)))
    assert more == [True, True, False]
    retaining.keep_retention(deps, now=NOW)
    once = owner.execute("SELECT id, words_expired_at FROM message ORDER BY id").fetchall()
    assert len(once) == 5 and all(at for _, at in once)
    retaining.keep_retention(deps, now=NOW)
    assert owner.execute("SELECT id, words_expired_at FROM message ORDER BY id").fetchall() == once


def test_bodies_that_could_not_be_read_go_after_a_month(deps, owner):
    with deps.database.system_transaction() as conn:
        keep_unparsed_body(conn, channel="whatsapp", reason="x", body=b"x")
        keep_unparsed_body(conn, channel="whatsapp", reason="x", body=b"y")
    owner.execute("UPDATE unparsed_body SET id = uuid_floor(now() - interval '31 days') WHERE body = 'x'")
    retaining.keep_retention(deps, now=NOW)
    assert owner.execute("SELECT body FROM unparsed_body").fetchall() == [(b"y",)]


def test_the_doctor_says_when_it_is_behind(deps, owner, add, keep):
    add(500)
    keep(raw_days=30, text_days=400)
    retaining.keep_retention(deps, now=NOW)

    def told():
        with deps.database.system_transaction() as conn:
            return [one.problem for one in list_findings(conn) if "past its time" in one.problem]

    assert told() == []
    owner.execute("UPDATE retention_mark SET finished_at = now() - interval '3 days' WHERE part = 'text'")
    assert told() == ["what is past its time (text) has not been removed for 72 hours"]
    keep(raw_days=30)  # words are kept for ever now: nothing is late
    assert told() == []


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("raw_days = 3", "raw_days must be 0 (until erased) or at least 7"),
        ("text_days = 20\nraw_days = 10", "text_days must be 0 (until erased) or at least 30"),
        ("raw_days = 0", "raw_days must not be longer than text_days"),
        ("raw_days = 500", "raw_days must not be longer than text_days"),
        ("history_days = 300", "text_days must not be longer than history_days"),
        ("text_days = 0\nhistory_days = 300", "text_days must not be longer than history_days"),
        ("days = 4", "days"),
    ],
)
def test_what_cannot_be_kept_so_is_refused_with_the_fix(table, told):
    text = f'slug = "a"\nname = "A"\n[retention]\n{table}\n'
    with pytest.raises(TenantFileError) as refused:
        parse_tenant_file(text, source="a.toml", environ={})
    assert told in str(refused.value) and "retention" in str(refused.value)
