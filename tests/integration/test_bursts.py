"""A burst of one customer becomes one analysis, where the tenant wants that; an urgent word never waits."""

import json

import pytest

from tests.integration.passes import now, states
from tests.webhooks import (
    instagram_comment,
    whatsapp_body,
    whatsapp_edit,
    whatsapp_message,
    whatsapp_revocation,
    whatsapp_value,
)
from worker import analyze_step, steps
from worker.stage import Next


@pytest.fixture
def debounced(owner, deps):
    owner.execute("UPDATE tenant SET config = jsonb_set(config, '{thresholds,debounce_s}', '8') WHERE slug = 'acme'")


@pytest.fixture
def take(receive, deps):
    """Store and minimize; returns the run and what becomes of its chain."""

    def one(text, **more):
        (ref,) = receive(whatsapp_body(whatsapp_message(text, **more)))
        return ref, steps.minimize(deps, ref)

    return one


def is_over(owner):
    owner.execute("UPDATE run SET gathers_until = now() - interval '1 s'")


def finish(deps, ref):
    analyze_step.analyze(deps, ref)
    steps.persist(deps, ref)
    actions = steps.route(deps, ref, now=now()).action_ids
    steps.crm_sync(deps, ref)
    return actions


def sent_texts(owner):
    rows = owner.execute("SELECT minimized_text FROM egress ORDER BY id").fetchall()
    return [json.loads(text)["message"] for (text,) in rows]


def test_without_the_setting_every_message_has_its_own_analysis(take):
    assert take("hello")[1] is Next.GO_ON


def test_a_burst_is_analyzed_once_by_its_newest_message(debounced, deps, owner, take, times):
    first, verdict = take("Hello", timestamp=next(times))
    assert verdict is Next.STOP
    assert analyze_step.analyze(deps, first) is Next.STOP
    take("my parcel", timestamp=next(times))
    last, _ = take("is late", timestamp=next(times))
    is_over(owner)
    finish(deps, last)
    assert sent_texts(owner) == ["Hello\nmy parcel\nis late"]
    assert states(owner) == ["done", "done", "done"]
    assert owner.execute("SELECT message_id::text FROM message_analysis").fetchall() == [(last.message_id,)]
    joined = owner.execute("SELECT joined_to::text FROM message ORDER BY id").fetchall()
    assert joined == [(last.message_id,), (last.message_id,), (None,)]
    assert owner.execute("SELECT count(*) FROM run").fetchone() == (0,)


def test_the_words_of_a_burst_are_not_its_context_too(debounced, deps, owner, take, times):
    take("my parcel", timestamp=next(times))
    last, _ = take("is late", timestamp=next(times))
    is_over(owner)
    finish(deps, last)
    assert json.loads(owner.execute("SELECT minimized_text FROM egress").fetchone()[0])["context"] == []


def test_provider_time_decides_which_is_the_newest(debounced, deps, owner, take, times):
    early, late = next(times), next(times)
    newest, _ = take("second", timestamp=late)
    take("first", timestamp=early)
    is_over(owner)
    finish(deps, newest)
    assert sent_texts(owner) == ["first\nsecond"]


def test_an_urgent_word_goes_at_once_and_takes_those_who_wait_along(debounced, deps, owner, take, times):
    take("Hello", timestamp=next(times))
    urgent, verdict = take("There is a fire, this is an emergency", timestamp=next(times))
    assert verdict is Next.GO_ON
    finish(deps, urgent)
    assert sent_texts(owner) == ["Hello\nThere is a fire, this is an emergency"]


def test_an_urgent_word_in_an_earlier_part_still_raises_the_place(debounced, deps, owner, take, times):
    owner.execute(
        "UPDATE tenant SET config = jsonb_set(config, '{thresholds,debounce_urgent}', 'true') WHERE slug = 'acme'"
    )
    take("There is a fire, this is an emergency", timestamp=next(times))
    last, verdict = take("thank you", timestamp=next(times))
    assert verdict is Next.STOP
    is_over(owner)
    finish(deps, last)
    assert owner.execute("SELECT inputs -> 'floor_hits' FROM routing_decision").fetchone()[0]


def test_who_never_stops_is_read_all_the_same(debounced, owner, take, times):
    take("one", timestamp=next(times))
    for _ in range(5):
        take("more", timestamp=next(times))
    waits = owner.execute("SELECT extract(epoch FROM max(gathers_until - created_at)) FROM run").fetchone()[0]
    assert waits <= 32


def test_two_customers_and_two_tenants_are_never_joined(debounced, owner, take):
    take("one", sender="905550000001")
    take("two", sender="905550000002")
    assert owner.execute("SELECT count(*) FROM message WHERE joined_to IS NOT NULL").fetchone() == (0,)


def test_comments_stand_for_themselves(debounced, receive, deps):
    (ref,) = receive(instagram_comment("nice"), kind="instagram")
    assert steps.minimize(deps, ref) is Next.GO_ON


def test_a_part_that_is_taken_back_is_not_sent(debounced, deps, owner, receive, take, times):
    take("my secret xylophone", message_id="wamid.1", timestamp=next(times))
    last, _ = take("is late", timestamp=next(times))
    receive(whatsapp_value(messages=[whatsapp_revocation("wamid.1")]))
    steps.minimize(deps, last)
    is_over(owner)
    finish(deps, last)
    assert sent_texts(owner) == ["is late"]


def test_a_part_that_is_taken_back_after_analysis_is_forgotten_and_the_rest_is_judged_anew(
    debounced, deps, owner, receive, take, times
):
    take("my secret xylophone", message_id="wamid.1", timestamp=next(times))
    last, _ = take("is late", timestamp=next(times))
    is_over(owner)
    finish(deps, last)
    (again,) = receive(whatsapp_value(messages=[whatsapp_revocation("wamid.1")]))
    steps.minimize(deps, again)
    finish(deps, again)
    ledger = owner.execute("SELECT minimized_text FROM egress ORDER BY id").fetchall()
    assert ledger[0] == ("[erased]",) and "xylophone" not in ledger[1][0]
    assert "xylophone" not in repr(owner.execute("SELECT summary FROM message_analysis").fetchall())


def test_the_parts_of_a_burst_whose_last_message_is_taken_back_are_analyzed_themselves(
    debounced, deps, owner, receive, take, times
):
    take("my parcel is late", timestamp=next(times))
    last, _ = take("bad words", message_id="wamid.2", timestamp=next(times))
    is_over(owner)
    finish(deps, last)
    (orphan,) = receive(whatsapp_value(messages=[whatsapp_revocation("wamid.2")]))
    steps.minimize(deps, orphan)
    is_over(owner)
    finish(deps, orphan)
    assert sorted(states(owner)) == ["done", "erased"]
    assert owner.execute(
        "SELECT count(*) FROM message_analysis WHERE message_id = %s", (orphan.message_id,)
    ).fetchone() == (1,)


def test_a_part_that_is_edited_is_judged_with_its_new_words(debounced, deps, owner, receive, take, times):
    take("my parcel", message_id="wamid.1", timestamp=next(times))
    last, _ = take("is late", timestamp=next(times))
    receive(whatsapp_value(messages=[whatsapp_edit("wamid.1", "my shoes")]))
    steps.minimize(deps, last)
    is_over(owner)
    finish(deps, last)
    assert sent_texts(owner) == ["my shoes\nis late"]
