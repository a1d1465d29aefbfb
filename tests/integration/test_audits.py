"""A random sample that people judge: picked once a week, accuracy from it alone, corrections counted beside it."""

from datetime import UTC, datetime, timedelta

import pytest

from analysis.accuracy import measure
from store.audits import list_audited, list_corrected_shares, list_open_audits
from store.corrections import CorrectionError, list_corrections
from tests.integration.test_examples import Desk
from worker.audits import judge, pick_week
from worker.examples import preview

TODAY = datetime.now(UTC).date()
MONDAY = TODAY - timedelta(days=TODAY.weekday())


@pytest.fixture
def desk(deps, receive, tenant_ids):
    return Desk(deps, receive, tenant_ids["acme"], "acme")


@pytest.fixture
def say(desk):
    tenant = desk.tenant

    def judged(conn, message_id, **values):
        return judge(conn, desk.tenant_id, tenant=tenant, message_id=message_id, by=7, **values)

    return judged


def test_a_week_is_picked_once_and_only_from_its_own_tenant(desk, deps, receive, tenant_ids):
    Desk(deps, receive, tenant_ids["other"], "other").hear("hello")
    heard = {desk.hear(f"hello number {number}") for number in range(6)}
    with desk.deps.database.tenant_transaction(desk.tenant_id) as conn:
        assert pick_week(conn, desk.tenant_id, monday=MONDAY, size=4) == 4
        assert pick_week(conn, desk.tenant_id, monday=MONDAY, size=4) == 0
        assert pick_week(conn, desk.tenant_id, monday=MONDAY - timedelta(days=7)) == 0
        opened = list_open_audits(conn, desk.tenant_id)
    assert len(opened) == 4 and {one.message_id for one in opened} < heard
    with deps.database.tenant_transaction(tenant_ids["other"]) as conn:
        assert list_open_audits(conn, tenant_ids["other"]) == []


def test_confirming_and_correcting_settle_an_audit_and_a_correction_counts_at_once(desk, owner, say):
    right, wrong = desk.hear("My parcel is late again"), desk.hear("Thank you so much, wonderful")
    with desk.deps.database.tenant_transaction(desk.tenant_id) as conn:
        pick_week(conn, desk.tenant_id, monday=MONDAY)
        assert say(conn, right) == ()
    with desk.deps.database.tenant_transaction(desk.tenant_id) as conn:
        assert say(conn, wrong, sentiment="negative", intent="complaint") == ("sentiment", "intent")
    with desk.deps.database.tenant_transaction(desk.tenant_id) as conn:
        assert list_open_audits(conn, desk.tenant_id) == []
        assert {one.field for one in list_corrections(conn, desk.tenant_id)} == {"sentiment", "intent"}
        audited = list_audited(conn, desk.tenant_id, days=30)
    assert sorted((one.model_sentiment, one.sentiment) for one in audited) == [
        ("negative", "negative"),
        ("positive", "negative"),
    ]
    accuracy = measure(audited * 15)
    assert accuracy.sentiment.share == 0.5 and accuracy.sentiment_confusion[("positive", "negative")] == 15


def test_confirming_what_a_person_has_corrected_confirms_the_person(desk, say):
    message_id = desk.hear("Thank you so much, wonderful")
    desk.correct(message_id)
    with desk.deps.database.tenant_transaction(desk.tenant_id) as conn:
        pick_week(conn, desk.tenant_id, monday=MONDAY)
        assert say(conn, message_id) == ("sentiment",)


def test_what_is_in_no_sample_or_has_a_bad_value_is_refused(desk, say):
    message_id = desk.hear("hello")
    with desk.deps.database.tenant_transaction(desk.tenant_id) as conn:
        for unknown in (message_id, "nothing"):
            with pytest.raises(CorrectionError, match="is in no audit"):
                say(conn, unknown)
        pick_week(conn, desk.tenant_id, monday=MONDAY)
        with pytest.raises(CorrectionError, match="sentiment: must be one of"):
            say(conn, message_id, sentiment="furious")


def test_a_confirmed_reading_may_stand_as_an_anchor_beside_corrections(desk, say):
    from tests.integration.test_examples import BLUE, GREEN

    anchor = desk.hear_like(GREEN, held_back=False)
    with desk.deps.database.tenant_transaction(desk.tenant_id) as conn:
        pick_week(conn, desk.tenant_id, monday=MONDAY)
        say(conn, anchor)
    assert preview(desk.deps, desk.tenant_id, with_check=False).choice.chosen == ()
    corrected = desk.teach(BLUE, held_back=False, n=3)
    chosen = preview(desk.deps, desk.tenant_id, with_check=False).choice.chosen
    assert {one.message_id for one in chosen} == {anchor, *corrected}
    (example,) = [one.example for one in chosen if one.message_id == anchor]
    assert (example.sentiment, example.intent, example.topics) == ("neutral", "other", None)


def test_the_corrected_share_counts_every_analyzed_message(desk):
    desk.hear("My parcel is late again")
    desk.correct(desk.hear("Thank you so much, wonderful"))
    desk.correct(desk.hear("Thanks a lot, lovely shop"), value="positive")
    with desk.deps.database.tenant_transaction(desk.tenant_id) as conn:
        shares = list_corrected_shares(conn, desk.tenant_id, days=30)
    assert sum(one.analyzed for one in shares) == 3 and sum(one.corrected for one in shares) == 1


def test_the_weekly_pick_is_made_once_for_every_tenant(deps, owner):
    from datetime import date

    from worker.audits import pick_last_week

    for _ in range(2):
        pick_last_week(deps, today=date(2026, 11, 25))
    assert owner.execute("SELECT count(*) FROM audit_sample").fetchone() == (0,)
