"""A second look: appended to the history, once however often somebody asks, and without any effect on the customer."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from cli.history import timeline
from cli.main import main
from store.history import list_history
from store.reanalysis import add_reanalyses, count_open_passes, find_newest_message
from tests.integration.passes import run_all
from tests.webhooks import whatsapp_body, whatsapp_echo, whatsapp_message, whatsapp_revocation, whatsapp_value
from worker import reconcile

REFUND = "The parcel is late for the third time. I want my money back!"


@pytest.fixture
def judged(deps, receive, times):
    def take(text, **more):
        (ref,) = receive(whatsapp_body(whatsapp_message(text, timestamp=next(times), **more)))
        run_all(deps, ref)
        return ref

    return take


def again(deps, *refs, until_now=False):
    tenant_id = refs[0].tenant_id
    with deps.database.tenant_transaction(tenant_id) as conn:
        return add_reanalyses(conn, tenant_id, [ref.message_id for ref in refs], until_now=until_now)


def counted(owner, table):
    return owner.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def test_a_second_look_is_appended_and_fires_nothing(deps, judged, owner):
    ref = judged(REFUND)
    actions = counted(owner, "action")
    (begun,), under_way = again(deps, ref)
    assert under_way == 0
    assert run_all(deps, begun) == ()
    kinds = owner.execute("SELECT run_kind FROM message_analysis ORDER BY id").fetchall()
    assert kinds == [("initial",), ("reanalyze",)]
    assert owner.execute("SELECT purpose FROM egress ORDER BY id").fetchall() == [("live",), ("again",)]
    assert (counted(owner, "action"), counted(owner, "routing_decision")) == (actions, 2)
    assert owner.execute("SELECT state FROM message").fetchone() == ("done",)


def test_a_second_look_that_reads_something_else_messages_nobody(deps, judged, owner):
    ref = judged("What are your opening hours?")
    assert owner.execute("SELECT count(*) FROM action WHERE form IS NOT NULL OR state = 'pending'").fetchone() == (0,)
    actions = counted(owner, "action")
    # As a better prompt would read it: what the first look took for a question is a complaint.
    owner.execute("UPDATE message SET text = %(words)s, minimized_text = %(words)s", {"words": REFUND})
    (begun,), _ = again(deps, ref)
    assert run_all(deps, begun) == ()
    sentiments = owner.execute("SELECT sentiment FROM message_analysis ORDER BY id").fetchall()
    assert sentiments[-1] == ("negative",) != sentiments[0]
    assert counted(owner, "action") == actions


def test_pressing_many_times_at_once_is_one_run(deps, judged, owner):
    ref = judged(REFUND)
    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(lambda _: again(deps, ref), range(12)))
    assert sum(len(begun) for begun, _ in results) == 1
    assert sum(under_way for _, under_way in results) == 11
    with deps.database.tenant_transaction(ref.tenant_id) as conn:
        assert count_open_passes(conn, [ref.message_id]) == 1


def test_a_conversation_is_judged_by_its_newest_message_with_everything_up_to_now(deps, judged, receive, owner, times):
    judged("my parcel is late")
    newest = judged("hello?")
    receive(whatsapp_echo("It is at your door since this morning", timestamp=next(times)))
    reconcile.place_waiting(deps)
    (conversation_id,) = owner.execute("SELECT id::text FROM conversation").fetchone()
    with deps.database.tenant_transaction(newest.tenant_id) as conn:
        assert find_newest_message(conn, newest.tenant_id, conversation_id) == newest.message_id
    (begun,), _ = again(deps, newest, until_now=True)
    run_all(deps, begun)
    (turn,) = owner.execute("SELECT minimized_text FROM egress ORDER BY id DESC LIMIT 1").fetchone()
    assert [one["text"] for one in json.loads(turn)["context"]] == [
        "my parcel is late",
        "It is at your door since this morning",
    ]


def test_what_has_no_words_or_is_not_the_customers_is_left_out(deps, judged, receive, owner, tenant_ids, times):
    ref = judged(REFUND, message_id="wamid.gone")
    receive(whatsapp_value(messages=[whatsapp_revocation("wamid.gone")]))
    receive(whatsapp_echo("we are on it", timestamp=next(times)))
    ids = [row[0] for row in owner.execute("SELECT id::text FROM message").fetchall()]
    with deps.database.tenant_transaction(ref.tenant_id) as conn:
        assert add_reanalyses(conn, ref.tenant_id, ids) == ([], 0)
    mine = judged("hello")
    with deps.database.tenant_transaction(tenant_ids["other"]) as conn:
        assert add_reanalyses(conn, tenant_ids["other"], [mine.message_id]) == ([], 0)


def test_the_timeline_reads_from_old_to_new(deps, judged, owner):
    ref = judged(REFUND)
    (begun,), _ = again(deps, ref)
    run_all(deps, begun)
    owner.execute("UPDATE message_analysis SET created_at = '2026-11-25T14:32Z' WHERE run_kind = 'initial'")
    owner.execute(
        "UPDATE message_analysis SET created_at = '2026-11-25T15:10Z', sentiment = 'positive' WHERE run_kind = 'reanalyze'"
    )
    with deps.database.tenant_transaction(ref.tenant_id) as conn:
        past = list_history(conn, ref.tenant_id, message_id=ref.message_id)
    assert timeline(past) == "negative 14:32 → positive 15:10"


@pytest.fixture
def command(owner_database_url, monkeypatch, tmp_path, capsys):
    """Run `earshot …` against the test's database; returns (exit code, output, errors)."""
    from tests.conftest import TEST_KEY

    monkeypatch.setenv("DATABASE_URL", owner_database_url)
    monkeypatch.setenv("EARSHOT_KEYS", TEST_KEY)

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([*arguments, "--data", str(tmp_path)])
        printed = capsys.readouterr()
        return ended.value.code or 0, printed.out, printed.err

    return run


def test_the_command_line_asks_again_and_shows_history_prompt_and_ledger(deps, judged, owner, command):
    ref = judged(REFUND + " Call me: 0532 111 22 33")
    assert command("reanalyze", "--tenant", "acme", "--message", ref.message_id)[:2] == (
        0,
        "1 begun, 0 under way already\n",
    )
    code, out, _ = command("history", "--tenant", "acme", "--message", ref.message_id)
    assert code == 0 and out.startswith("negative ")
    _, out, _ = command("history", "--tenant", "acme", "--message", ref.message_id, "--json")
    record = json.loads(out)
    assert record["prompt_hash"] and record["cost_microusd"] > 0
    _, out, _ = command("history", "--tenant", "acme", "--prompt", record["prompt_hash"])
    assert out.startswith("You read customer messages")
    for form in ("--json", "--csv"):
        _, out, _ = command("egress", "--tenant", "acme", "--message", ref.message_id, form)
        assert "[PHONE_1]" in out and "0532" not in out
    (customer_id,) = owner.execute("SELECT id::text FROM customer").fetchone()
    assert command("egress", "--tenant", "acme", "--customer", customer_id, "--json")[1].count("\n") == 1
    assert command("egress", "--tenant", "acme", "--since", "2099-01-01")[1] == "nothing has left\n"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("reanalyze", "--tenant", "nobody", "--conversation", "0199f2a0-0000-7000-8000-000000000001"), 1, "no tenant"),
        (
            ("reanalyze", "--tenant", "acme", "--conversation", "0199f2a0-0000-7000-8000-000000000001"),
            1,
            "no conversation",
        ),
        (("reanalyze", "--tenant", "acme", "--message", "0199f2a0-0000-7000-8000-000000000001"), 1, "none of these"),
        (("reanalyze", "--tenant", "acme", "--message", "x"), 2, "is no id"),
        (("reanalyze", "--tenant", "acme"), 2, "required"),
        (("history", "--tenant", "acme", "--prompt", "abc"), 1, "was ever sent"),
        (("egress", "--tenant", "acme", "--since", "yesterday"), 2, "is no date"),
    ],
)
def test_wrong_use_says_what_is_wrong(command, arguments, code, said):
    found, _, err = command(*arguments)
    assert found == code and said in err


def test_words_that_a_second_look_saw_after_its_message_go_too_when_they_are_taken_back(deps, judged, receive, owner):
    first = judged("where is it?")
    judged("my secret xylophone", message_id="wamid.secret")
    (begun,), _ = again(deps, first, until_now=True)
    run_all(deps, begun)
    assert "xylophone" in owner.execute("SELECT string_agg(minimized_text, ' ') FROM egress").fetchone()[0]
    receive(whatsapp_value(messages=[whatsapp_revocation("wamid.secret")]))
    assert "xylophone" not in owner.execute("SELECT string_agg(minimized_text, ' ') FROM egress").fetchone()[0]


def test_a_second_look_that_is_refused_moves_nothing(deps, judged, owner, standins):
    import httpx2

    ref = judged(REFUND)
    before = owner.execute("SELECT queue, priority FROM conversation").fetchone()
    body = {"id": "m", "type": "message", "role": "assistant", "model": "claude-haiku-5-5", "content": [],
            "stop_reason": "refusal", "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 0}}  # fmt: skip
    httpx2.post(f"{standins['anthropic']}/_script", json={"steps": [{"status": 200, "body": body, "times": 2}]})
    (begun,), _ = again(deps, ref)
    run_all(deps, begun)
    assert owner.execute("SELECT queue, priority FROM conversation").fetchone() == before


def test_history_shows_nothing_of_another_tenant(deps, judged, tenant_ids, owner):
    ref = judged(REFUND)
    with deps.database.system_transaction() as conn:
        assert list_history(conn, tenant_ids["other"], message_id=ref.message_id) == []
