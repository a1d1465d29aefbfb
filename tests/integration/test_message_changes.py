"""Messages that change after they came: edited, taken back, reacted to; whatever the order and whatever is under way."""

import json

import pytest

from tests.integration.passes import now, run_all, states
from tests.webhooks import (
    instagram_event,
    whatsapp_body,
    whatsapp_echo,
    whatsapp_edit,
    whatsapp_message,
    whatsapp_revocation,
    whatsapp_value,
)
from worker import analyze_step, delivery, reconcile, steps
from worker.stage import Next

SECRET = "my secret is that I hate the xylophone"


def text_of(owner, provider_id="wamid.1"):
    return owner.execute("SELECT text FROM message WHERE provider_message_id = %s", (provider_id,)).fetchone()[0]


def everything(owner):
    """All that any table holds as text, but for the ids."""
    tables = owner.execute(
        """
        SELECT c.relname FROM pg_class AS c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
        """
    ).fetchall()
    rows = [owner.execute(f"SELECT to_jsonb(t) FROM {name} AS t").fetchall() for (name,) in tables]
    raw = [bytes(item) for (item,) in owner.execute("SELECT item FROM message_raw").fetchall()]
    versions = [
        bytes(i) for (i,) in owner.execute("SELECT item FROM message_version WHERE item IS NOT NULL").fetchall()
    ]
    return json.dumps(rows, default=str) + repr(raw) + repr(versions)


def sent_messages(standins, httpx):
    return httpx.get(f"{standins['graph']}/_sends").json()


def test_an_edit_before_analysis_is_judged_by_its_new_words(deps, receive, owner):
    (ref,) = receive(whatsapp_body(whatsapp_message("I love it, thank you", message_id="wamid.1")))
    steps.minimize(deps, ref)
    (again,) = receive(whatsapp_value(messages=[whatsapp_edit("wamid.1", "I want my money back, refund me!")]))
    assert again.run_id == ref.run_id
    run_all(deps, again)
    row = owner.execute("SELECT run_kind, intent FROM message_analysis").fetchall()
    assert row == [("initial", "refund_request")]
    assert text_of(owner) == "I want my money back, refund me!"


def test_an_edit_after_analysis_is_judged_anew_and_fires_nothing(deps, receive, owner):
    (ref,) = receive(whatsapp_body(whatsapp_message("The parcel is late, I want my money back", message_id="wamid.1")))
    actions = run_all(deps, ref)
    for action_id in actions:
        delivery.deliver_action(deps, tenant_id=ref.tenant_id, action_id=action_id, now=now())
    before = owner.execute("SELECT kind, state FROM action ORDER BY id").fetchall()
    (again,) = receive(
        whatsapp_value(messages=[whatsapp_edit("wamid.1", "It came! Refund not needed, refund cancelled")])
    )
    assert run_all(deps, again) == ()
    assert owner.execute("SELECT kind, state FROM action ORDER BY id").fetchall() == before
    kinds = owner.execute("SELECT run_kind FROM message_analysis ORDER BY id").fetchall()
    assert kinds == [("initial",), ("reanalyze",)]
    assert owner.execute("SELECT text FROM message_version").fetchall() == [
        ("The parcel is late, I want my money back",)
    ]


def test_an_edit_cancels_what_still_waits_to_be_sent(deps, receive, owner):
    (ref,) = receive(whatsapp_body(whatsapp_message("I want my money back!", message_id="wamid.1")))
    (action_id,) = run_all(deps, ref)
    receive(whatsapp_value(messages=[whatsapp_edit("wamid.1", "never mind")]))
    delivery.deliver_action(deps, tenant_id=ref.tenant_id, action_id=action_id, now=now())
    assert owner.execute("SELECT state, error_code FROM action WHERE id = %s", (action_id,)).fetchone() == (
        "cancelled",
        "edited",
    )


def test_an_edit_while_the_model_thinks_makes_its_answer_worthless(deps, receive, owner, monkeypatch):
    (ref,) = receive(whatsapp_body(whatsapp_message("I love it, thank you", message_id="wamid.1")))
    steps.minimize(deps, ref)
    ask = deps.analyzer.analyze

    def meanwhile(*args, **kwargs):
        receive(whatsapp_value(messages=[whatsapp_edit("wamid.1", "I want my money back, refund me!")]))
        return ask(*args, **kwargs)

    monkeypatch.setattr(deps.analyzer, "analyze", meanwhile)
    assert analyze_step.analyze(deps, ref) is Next.STOP
    monkeypatch.undo()
    run_all(deps, ref)
    assert owner.execute("SELECT intent FROM message_analysis").fetchall() == [("refund_request",)]


def test_an_edit_between_persist_and_route_plans_nothing_for_the_old_words(deps, receive, owner):
    (ref,) = receive(whatsapp_body(whatsapp_message("I want my money back!", message_id="wamid.1")))
    steps.minimize(deps, ref)
    analyze_step.analyze(deps, ref)
    steps.persist(deps, ref)
    (again,) = receive(whatsapp_value(messages=[whatsapp_edit("wamid.1", "all is well, thank you")]))
    assert again.run_id != ref.run_id
    assert steps.route(deps, ref, now=now()).action_ids == ()
    assert owner.execute("SELECT count(*) FROM action").fetchone() == (0,)


def test_an_edit_before_its_original_becomes_the_message(deps, receive, owner):
    (ref,) = receive(whatsapp_value(messages=[whatsapp_edit("wamid.1", "new words")]))
    assert receive(whatsapp_body(whatsapp_message("old words", message_id="wamid.1"))) == []
    run_all(deps, ref)
    assert owner.execute("SELECT text, edits FROM message").fetchall() == [("new words", 1)]
    assert owner.execute("SELECT run_kind FROM message_analysis").fetchall() == [("initial",)]


@pytest.mark.parametrize("stamps", [("1790000100", "1790000200"), ("1790000200", "1790000100")])
def test_of_several_edits_the_newest_counts_whatever_their_order(receive, owner, stamps):
    receive(whatsapp_body(whatsapp_message("first", message_id="wamid.1")))
    for stamp in stamps:
        receive(whatsapp_value(messages=[whatsapp_edit("wamid.1", f"at {stamp}", timestamp=stamp)]))
    assert text_of(owner) == "at 1790000200"


def test_the_same_edit_again_changes_nothing(deps, receive, owner):
    (ref,) = receive(whatsapp_body(whatsapp_message("first", message_id="wamid.1")))
    run_all(deps, ref)
    edit = whatsapp_value(messages=[whatsapp_edit("wamid.1", "second")])
    assert len(receive(edit)) == 1
    assert receive(edit) == []
    assert owner.execute("SELECT edits FROM message").fetchone() == (1,)


def test_an_instagram_edit_changes_the_direct_message(deps, receive, owner):
    (ref,) = receive(instagram_event({"message": {"mid": "m1", "text": "lovely"}}), kind="instagram")
    run_all(deps, ref)
    edit = {"message_edit": {"mid": "m1", "text": "I want my money back", "num_edit": 1}}
    (again,) = receive(instagram_event(edit, timestamp=1790000100000), kind="instagram")
    run_all(deps, again)
    assert owner.execute("SELECT intent FROM message_analysis ORDER BY id DESC LIMIT 1").fetchone() == (
        "refund_request",
    )


def test_an_edited_answer_of_the_business_is_kept_and_never_analyzed(receive, owner):
    receive(whatsapp_body(whatsapp_message("hello")))
    receive(whatsapp_echo("we will se", message_id="wamid.o"))
    edit = whatsapp_edit("wamid.o", "we will see", to="905551112233")
    assert receive(whatsapp_value(field="smb_message_echoes", message_echoes=[edit])) == []
    assert text_of(owner, "wamid.o") == "we will see"


STOPS = ("received", "minimized", "analyzed", "persisted", "routed", "done")


@pytest.mark.in_turns
@pytest.mark.parametrize("reached", STOPS)
def test_what_was_taken_back_is_gone_from_every_table_wherever_it_stood(deps, receive, owner, reached):
    (ref,) = receive(whatsapp_body(whatsapp_message(SECRET, message_id="wamid.1")))
    passes = (
        lambda: steps.minimize(deps, ref),
        lambda: analyze_step.analyze(deps, ref),
        lambda: steps.persist(deps, ref),
        lambda: steps.route(deps, ref, now=now()),
        lambda: steps.crm_sync(deps, ref),
    )
    for one in passes[: STOPS.index(reached)]:
        one()
    assert states(owner) == [reached]
    assert "xylophone" in everything(owner)
    receive(whatsapp_value(messages=[whatsapp_revocation("wamid.1")]))
    for one in passes:
        assert one() in {Next.STOP, steps.Routed(Next.STOP)}
    assert states(owner) == ["erased"]
    assert "xylophone" not in everything(owner)


def test_a_message_taken_back_while_the_model_thinks_leaves_no_analysis(deps, receive, owner, monkeypatch):
    (ref,) = receive(whatsapp_body(whatsapp_message(SECRET, message_id="wamid.1")))
    steps.minimize(deps, ref)
    ask = deps.analyzer.analyze

    def meanwhile(*args, **kwargs):
        receive(whatsapp_value(messages=[whatsapp_revocation("wamid.1")]))
        return ask(*args, **kwargs)

    monkeypatch.setattr(deps.analyzer, "analyze", meanwhile)
    assert analyze_step.analyze(deps, ref) is Next.STOP
    assert owner.execute("SELECT count(*) FROM message_analysis").fetchone() == (0,)
    assert "xylophone" not in everything(owner)
    assert owner.execute("SELECT outcome, minimized_text FROM egress").fetchall() == [("answered_too_late", "[erased]")]


def test_a_deletion_before_its_message_leaves_a_tombstone(receive, owner):
    assert receive(whatsapp_value(messages=[whatsapp_revocation("wamid.1")])) == []
    assert receive(whatsapp_body(whatsapp_message(SECRET, message_id="wamid.1"))) == []
    assert states(owner) == ["erased"]
    assert "xylophone" not in everything(owner)


def test_a_deletion_and_its_message_in_one_body_leave_a_tombstone(receive, owner):
    items = [whatsapp_message(SECRET, message_id="wamid.1"), whatsapp_revocation("wamid.1")]
    receive(whatsapp_value(messages=[{k: v for k, v in item.items() if k != "_name"} for item in items]))
    assert states(owner) == ["erased"]
    assert "xylophone" not in everything(owner)


def test_an_edit_of_what_was_taken_back_brings_nothing_back(receive, owner):
    receive(whatsapp_body(whatsapp_message("first", message_id="wamid.1")))
    receive(whatsapp_value(messages=[whatsapp_revocation("wamid.1")]))
    assert receive(whatsapp_value(messages=[whatsapp_edit("wamid.1", SECRET, timestamp="1790000900")])) == []
    assert "xylophone" not in everything(owner)


def test_an_edited_message_that_is_taken_back_loses_its_versions_too(deps, receive, owner):
    (ref,) = receive(whatsapp_body(whatsapp_message(SECRET, message_id="wamid.1")))
    run_all(deps, ref)
    receive(whatsapp_value(messages=[whatsapp_edit("wamid.1", "harmless")]))
    receive(whatsapp_value(messages=[whatsapp_revocation("wamid.1")]))
    assert "xylophone" not in everything(owner)


def test_what_was_taken_back_goes_from_the_context_of_later_calls(deps, receive, owner, times):
    (first,) = receive(whatsapp_body(whatsapp_message(SECRET, message_id="wamid.1", timestamp=next(times))))
    run_all(deps, first)
    (second,) = receive(whatsapp_body(whatsapp_message("where is my order?", timestamp=next(times))))
    run_all(deps, second)
    assert "xylophone" in owner.execute("SELECT minimized_text FROM egress ORDER BY id DESC LIMIT 1").fetchone()[0]
    receive(whatsapp_value(messages=[whatsapp_revocation("wamid.1")]))
    ledger = owner.execute("SELECT minimized_text FROM egress ORDER BY id DESC LIMIT 1").fetchone()[0]
    assert json.loads(ledger) == {
        "context": [{"from": "customer", "text": "[erased]"}],
        "message": "where is my order?",
    }
    assert "xylophone" not in everything(owner)


def test_an_automation_for_what_was_taken_back_does_not_leave(deps, receive, owner):
    (ref,) = receive(whatsapp_body(whatsapp_message("I want my money back!", message_id="wamid.1")))
    (action_id,) = run_all(deps, ref)
    receive(whatsapp_value(messages=[whatsapp_revocation("wamid.1")]))
    delivery.deliver_action(deps, tenant_id=ref.tenant_id, action_id=action_id, now=now())
    row = owner.execute("SELECT state, error_code FROM action WHERE id = %s", (action_id,)).fetchone()
    assert row == ("cancelled", "erased")


def test_an_unsent_instagram_message_is_erased(deps, receive, owner):
    (ref,) = receive(instagram_event({"message": {"mid": "m1", "text": SECRET}}), kind="instagram")
    run_all(deps, ref)
    receive(instagram_event({"message": {"mid": "m1", "is_deleted": True}}), kind="instagram")
    assert states(owner) == ["erased"]
    assert "xylophone" not in everything(owner)


def test_a_tenant_cannot_erase_another_tenants_message(receive, owner):
    receive(whatsapp_body(whatsapp_message("mine", message_id="wamid.1")))
    receive(whatsapp_value(account="222000222", messages=[whatsapp_revocation("wamid.1")]), slug="other")
    assert owner.execute("SELECT text FROM message WHERE account_id = '111000111'").fetchone() == ("mine",)


def reaction(emoji, *, timestamp="1790000100", sender="905551112233"):
    content = {"message_id": "wamid.1", **({"emoji": emoji} if emoji is not None else {})}
    return whatsapp_value(
        messages=[{"from": sender, "id": "wamid.x", "timestamp": timestamp, "type": "reaction", "reaction": content}]
    )


@pytest.mark.parametrize("first", ["message", "reaction"])
def test_a_reaction_is_a_signal_on_its_message_whatever_came_first(database, receive, owner, tenant_ids, first):
    from store.edits import list_reactions

    bodies = [whatsapp_body(whatsapp_message("hello", message_id="wamid.1")), reaction("👎")]
    for body in bodies if first == "message" else reversed(bodies):
        receive(body)
    (message_id,) = owner.execute("SELECT id::text FROM message").fetchone()
    with database.tenant_transaction(tenant_ids["acme"]) as conn:
        assert list_reactions(conn, message_id) == [("👎", False)]


def test_the_newest_reaction_counts_and_one_that_was_taken_back_is_gone(database, receive, owner, tenant_ids):
    from store.edits import list_reactions

    receive(whatsapp_body(whatsapp_message("hello", message_id="wamid.1")))
    (message_id,) = owner.execute("SELECT id::text FROM message").fetchone()

    def shown():
        with database.tenant_transaction(tenant_ids["acme"]) as conn:
            return list_reactions(conn, message_id)

    receive(reaction("👍", timestamp="1790000300"))
    receive(reaction("👎", timestamp="1790000200"))
    assert shown() == [("👍", False)]
    receive(reaction("", timestamp="1790000400"))
    assert shown() == []


def history(*items):
    thread = {"id": "905551112233", "messages": list(items)}
    return whatsapp_value(field="history", history=[{"metadata": {"phase": 1}, "threads": [thread]}])


def test_history_is_stored_and_placed_without_triage(deps, receive, owner):
    old = {"timestamp": "1770000000", "type": "text"}
    items = [
        {**old, "from": "905551112233", "id": "wamid.h1", "text": {"body": "you are the worst, I will sue you"}},
        {**old, "from": "15550000000", "to": "905551112233", "id": "wamid.h2", "text": {"body": "sorry"}},
    ]
    assert receive(history(*items)) == []
    assert receive(history(*items)) == []
    reconcile.place_waiting(deps)
    rows = owner.execute(
        "SELECT direction, state, is_history, conversation_id IS NOT NULL FROM message ORDER BY id"
    ).fetchall()
    assert rows == [("inbound", "ignored", True, True), ("outbound", "ignored", True, True)]
    assert owner.execute("SELECT state, taken_over, last_inbound_at FROM conversation").fetchone() == (
        "resolved",
        False,
        None,
    )
    for table in ("message_analysis", "routing_decision", "action", "alert", "run", "egress"):
        assert owner.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table


def test_history_is_context_for_the_next_live_message(deps, receive, owner, times):
    old = {"from": "905551112233", "id": "wamid.h1", "timestamp": "1770000000", "type": "text"}
    receive(history({**old, "text": {"body": "my shoes are size 42"}}))
    reconcile.place_waiting(deps)
    (ref,) = receive(whatsapp_body(whatsapp_message("they do not fit", timestamp=next(times))))
    run_all(deps, ref)
    sent = json.loads(owner.execute("SELECT minimized_text FROM egress").fetchone()[0])
    assert [turn["text"] for turn in sent["context"]] == ["my shoes are size 42"]


def test_an_answer_typed_in_the_app_is_context_and_takes_over_even_before_its_conversation_is_known(
    deps, receive, owner, times
):
    receive(whatsapp_echo("How can we help?", timestamp=next(times)))
    reconcile.place_waiting(deps)
    assert owner.execute("SELECT taken_over FROM conversation").fetchone() == (True,)
    (ref,) = receive(whatsapp_body(whatsapp_message("my order is late", timestamp=next(times))))
    run_all(deps, ref)
    sent = json.loads(owner.execute("SELECT minimized_text FROM egress").fetchone()[0])
    assert sent["context"] == [{"from": "agent", "text": "How can we help?"}]


def test_what_metas_own_bot_writes_is_no_human_answer(deps, receive, owner):
    receive(whatsapp_body(whatsapp_message("hello")))
    receive(whatsapp_echo("Hi, I am a bot", message_creation_type="created_by_1p_bot"))
    reconcile.place_waiting(deps)
    assert owner.execute("SELECT author FROM message WHERE direction = 'outbound'").fetchone() == ("bot",)
    assert owner.execute("SELECT bool_or(taken_over) FROM conversation").fetchone()[0] is False


def boosted(comment_id, *, media, text="how much?", sender="42"):
    value = {"id": comment_id, "from": {"id": sender, "username": "ada"}, "text": text, "media": media}
    entry = {"id": "17841400000000111", "time": 1790000000, "changes": [{"field": "comments", "value": value}]}
    return json.dumps({"object": "instagram", "entry": [entry]}).encode()


POST = {"id": "1", "media_product_type": "FEED"}
AD = {"id": "2", "media_product_type": "AD", "ad_id": "3", "original_media_id": "1"}


@pytest.mark.parametrize("order", [(POST, AD), (AD, POST)])
def test_a_comment_on_a_boosted_post_that_comes_twice_is_one_message(receive, owner, order):
    for number, media in enumerate(order):
        receive(boosted(f"c{number}", media=media), kind="instagram")
    assert owner.execute("SELECT count(*) FROM message").fetchone() == (1,)


def test_the_same_words_twice_under_one_post_are_two_comments(receive, owner):
    for number in range(2):
        receive(boosted(f"c{number}", media=POST), kind="instagram")
    assert owner.execute("SELECT count(*) FROM message").fetchone() == (2,)


@pytest.mark.parametrize("change", [{"text": "another"}, {"sender": "43"}])
def test_another_comment_under_the_ad_is_another_message(receive, owner, change):
    receive(boosted("c1", media=POST), kind="instagram")
    receive(boosted("c2", media=AD, **change), kind="instagram")
    assert owner.execute("SELECT count(*) FROM message").fetchone() == (2,)


def test_a_picture_from_history_gets_its_caption_from_the_later_body(deps, receive, owner):
    old = {"from": "905551112233", "id": "wamid.h1", "timestamp": "1770000000"}
    receive(history({**old, "type": "media_placeholder"}))
    picture = {**old, "type": "image", "image": {"caption": "this one", "id": "1"}}
    for _ in range(2):
        receive(whatsapp_value(field="history", messages=[picture]))
    assert owner.execute("SELECT message_type, text FROM message").fetchall() == [("image", "this one")]


def two_messages(deps, receive, times):
    """A message with a secret and one after it, both judged; returns their runs."""
    refs = []
    for text, provider_id in ((SECRET, "wamid.1"), ("where is my order?", "wamid.2")):
        refs += receive(whatsapp_body(whatsapp_message(text, message_id=provider_id, timestamp=next(times))))
        run_all(deps, refs[-1])
    return refs


def test_words_that_were_edited_before_they_were_taken_back_go_from_later_contexts_too(deps, receive, owner, times):
    two_messages(deps, receive, times)
    (again,) = receive(whatsapp_value(messages=[whatsapp_edit("wamid.1", "harmless", timestamp="1799999999")]))
    run_all(deps, again)
    receive(whatsapp_value(messages=[whatsapp_revocation("wamid.1")]))
    assert "xylophone" not in everything(owner)


def test_an_edit_and_a_deletion_in_one_body_leave_nothing_in_later_contexts(deps, receive, owner, times):
    two_messages(deps, receive, times)
    edit = whatsapp_edit("wamid.1", "harmless", timestamp="1799999999")
    receive(whatsapp_value(messages=[edit, whatsapp_revocation("wamid.1")]))
    assert states(owner) == ["erased", "done"]
    assert "xylophone" not in everything(owner)
    assert "harmless" not in everything(owner)


def test_a_summary_that_was_made_with_the_deleted_words_before_it_goes_too(deps, receive, owner, times):
    _, second = two_messages(deps, receive, times)
    owner.execute(
        "UPDATE message_analysis SET summary = 'after the xylophone' WHERE message_id = %s", (second.message_id,)
    )
    receive(whatsapp_value(messages=[whatsapp_revocation("wamid.1")]))
    assert "xylophone" not in everything(owner)


def test_an_answer_that_is_made_while_its_context_is_taken_back_is_asked_for_again(
    deps, receive, owner, monkeypatch, times
):
    (first,) = receive(whatsapp_body(whatsapp_message(SECRET, message_id="wamid.1", timestamp=next(times))))
    run_all(deps, first)
    (second,) = receive(whatsapp_body(whatsapp_message("where is my order?", timestamp=next(times))))
    steps.minimize(deps, second)
    ask = deps.analyzer.analyze

    def meanwhile(*args, **kwargs):
        receive(whatsapp_value(messages=[whatsapp_revocation("wamid.1")]))
        return ask(*args, **kwargs)

    monkeypatch.setattr(deps.analyzer, "analyze", meanwhile)
    assert analyze_step.analyze(deps, second) is Next.STOP
    monkeypatch.undo()
    assert analyze_step.analyze(deps, second) is Next.GO_ON
    assert "xylophone" not in everything(owner)


def test_an_edited_answer_of_the_business_is_stripped_of_the_customers_name(deps, receive, owner, times):
    (first,) = receive(
        whatsapp_body(whatsapp_message("hello", message_id="wamid.1", timestamp=next(times), name="Xaverius"))
    )
    run_all(deps, first)
    receive(whatsapp_echo("we check", message_id="wamid.o", timestamp=next(times)))
    reconcile.place_waiting(deps)
    edit = whatsapp_edit("wamid.o", "Dear Xaverius, we check", to="905551112233", timestamp=next(times))
    receive(whatsapp_value(field="smb_message_echoes", message_echoes=[edit]))
    (second,) = receive(whatsapp_body(whatsapp_message("and now?", timestamp=next(times), name="Xaverius")))
    run_all(deps, second)
    assert "Xaverius" not in owner.execute("SELECT minimized_text FROM egress ORDER BY id DESC LIMIT 1").fetchone()[0]


def test_two_edits_within_one_second_both_count(receive, owner):
    receive(whatsapp_body(whatsapp_message("first", message_id="wamid.1")))
    for text in ("second", "third"):
        receive(whatsapp_value(messages=[whatsapp_edit("wamid.1", text)]))
    assert text_of(owner) == "third"


def test_a_live_message_that_history_brought_first_is_triaged(deps, receive, owner, times):
    item = whatsapp_message(SECRET, message_id="wamid.1", timestamp=next(times))
    assert receive(history({key: value for key, value in item.items() if key != "_name"})) == []
    reconcile.place_waiting(deps)
    (ref,) = receive(whatsapp_body(item))
    run_all(deps, ref)
    assert receive(whatsapp_body(item)) == []
    assert owner.execute("SELECT state, is_history FROM message").fetchall() == [("done", False)]
    assert owner.execute("SELECT state FROM conversation").fetchall() == [("open",)]
    assert owner.execute("SELECT run_kind FROM message_analysis").fetchall() == [("initial",)]


@pytest.mark.parametrize("late", [False, True])
def test_the_other_delivery_of_a_boosted_comment_is_recognised_for_ever(receive, owner, late):
    receive(boosted("c1", media=POST), kind="instagram")
    receive(boosted("c2", media=AD), kind="instagram")
    if late:
        owner.execute("UPDATE comment_twin SET seen_at = now() - interval '30 hours'")
    receive(boosted("c2", media=AD), kind="instagram")
    assert owner.execute("SELECT count(*) FROM message").fetchone() == (1,)


def test_both_deliveries_of_a_boosted_comment_at_once_are_one_message(receive, owner):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        for number in range(10):
            bodies = [
                boosted(f"p{number}", media=POST, sender=str(number)),
                boosted(f"a{number}", media=AD, sender=str(number)),
            ]
            list(pool.map(lambda body: receive(body, kind="instagram"), bodies))
    assert owner.execute("SELECT count(*) FROM message").fetchone() == (10,)


def test_a_boosted_comment_without_words_is_one_message_too(receive, owner):
    for number, media in enumerate((POST, AD)):
        receive(boosted(f"c{number}", media=media, text=None), kind="instagram")
    assert owner.execute("SELECT count(*) FROM message").fetchone() == (1,)
