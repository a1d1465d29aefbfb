"""Two negatives in a row reach customer success once, with the story so far, and never twice."""

import itertools
import threading
from datetime import UTC, datetime

import pytest

from store.alerts import acknowledge_alert, find_alert, list_alerts, snooze_alert
from store.churn import list_story
from store.merging import merge_customers
from tests.integration.passes import now, run_all
from tests.integration.test_corrections import fix, read_again  # noqa: F401
from tests.webhooks import whatsapp_body, whatsapp_echo, whatsapp_message
from worker import analyze_step, steps
from worker.correction_step import undo

ANGRY = "This is the third time the parcel is late. I want my money back!"
ANGRY_TOO = "Terrible service, I am very disappointed"
PRAISE = "Thank you so much, this is wonderful"


@pytest.fixture
def say(deps, receive):
    """One message, through all stages. ago_s: how long ago the customer wrote it."""
    seconds = itertools.count(-1200)

    def one(text, *, ago_s=None, slug="acme", account="111000111", **more):
        at = int(datetime.now(UTC).timestamp()) + (-ago_s if ago_s is not None else next(seconds))
        (ref,) = receive(whatsapp_body(whatsapp_message(text, timestamp=str(at), **more), account=account), slug=slug)
        run_all(deps, ref)
        return ref

    return one


def alerts(owner, slug="acme"):
    return owner.execute(
        """
        SELECT a.id::text, a.queue, a.severity, a.details, a.resolved_at IS NULL
        FROM alert AS a JOIN tenant AS t ON t.id = a.tenant_id
        WHERE a.kind = 'churn' AND t.slug = %s ORDER BY a.id
        """,
        (slug,),
    ).fetchall()


def test_two_in_a_row_are_one_alert_for_customer_success(say, owner, tenant_ids):
    first, second = say(ANGRY), say(ANGRY_TOO)
    ((_, queue, severity, details, is_open),) = alerts(owner)
    assert (queue, severity, is_open, details["count"]) == ("customer_success", "warning", True, 2)
    assert [one["id"] for one in details["messages"]] == [first.message_id, second.message_id]
    assert {one["sentiment"] for one in details["messages"]} == {"negative"}
    assert ANGRY not in str(details) and "Ada" not in str(details)
    assert alerts(owner, "other") == []


def test_the_third_belongs_to_the_same_alert(say, owner):
    for text in (ANGRY, ANGRY_TOO, ANGRY):
        say(text)
    ((_, _, _, details, _),) = alerts(owner)
    assert details["count"] == 3


def test_a_good_word_between_resets_and_a_persons_answer_does_not(say, owner, receive, deps):
    say(ANGRY), say(PRAISE), say(ANGRY)
    assert alerts(owner) == []
    for ref in receive(whatsapp_echo("We are looking into it", timestamp=str(int(datetime.now(UTC).timestamp())))):
        steps.place(deps, ref)
    say(ANGRY_TOO)
    assert len(alerts(owner)) == 1


def test_a_second_episode_is_a_second_alert(say, owner):
    for text in (ANGRY, ANGRY_TOO, PRAISE, ANGRY, ANGRY_TOO):
        say(text)
    assert len(alerts(owner)) == 2


def test_another_customers_and_another_tenants_negatives_are_their_own(say, owner):
    say(ANGRY), say(ANGRY, sender="905559998877"), say(ANGRY, slug="other", account="222000222")
    assert alerts(owner) == [] and alerts(owner, "other") == []


def test_a_late_message_between_them_takes_the_alert_back(say, owner):
    say(ANGRY, ago_s=300), say(ANGRY_TOO, ago_s=100)
    say(PRAISE, ago_s=200)
    assert [is_open for *_, is_open in alerts(owner)] == [False]


def test_a_late_message_before_them_makes_no_second_alert(say, owner):
    say(ANGRY, ago_s=200), say(ANGRY_TOO, ago_s=100)
    say(ANGRY, ago_s=300)
    ((_, _, _, details, is_open),) = alerts(owner)
    assert details["count"] == 3 and is_open


def test_what_was_written_days_ago_alarms_nobody(say, owner):
    say(ANGRY, ago_s=3 * 86400), say(ANGRY_TOO, ago_s=3 * 86400 - 60)
    assert alerts(owner) == []
    say(ANGRY, ago_s=10)
    assert len(alerts(owner)) == 1


def test_a_correction_undoes_it_and_none_begins_it(say, owner, fix):  # noqa: F811
    say(ANGRY)
    second = say(ANGRY_TOO)
    fix(second, "sentiment", "neutral")
    assert [is_open for *_, is_open in alerts(owner)] == [False]
    praise = say(PRAISE, sender="905559998877")
    say(ANGRY, sender="905559998877")
    fix(praise, "sentiment", "negative")
    assert len(alerts(owner)) == 1


def test_a_correction_that_is_undone_brings_the_alert_back_and_tells_nobody_again(say, owner, fix, deps, tenant_ids):  # noqa: F811
    say(ANGRY)
    second = say(ANGRY_TOO)
    owner.execute("UPDATE alert SET announced_at = now()")
    fix(second, "sentiment", "neutral")
    assert [is_open for *_, is_open in alerts(owner)] == [False]
    tenant = deps.tenants.get(tenant_ids["acme"])
    with deps.database.tenant_transaction(tenant_ids["acme"]) as conn:
        undo(conn, tenant_ids["acme"], tenant=tenant, message_id=second.message_id, field="sentiment", by=None)
    assert [is_open for *_, is_open in alerts(owner)] == [True]
    assert owner.execute("SELECT count(*) FROM alert WHERE announced_at IS NULL").fetchone() == (0,)


def test_a_second_look_begins_none(say, owner, deps):
    first = say(PRAISE)
    say(ANGRY)
    read_again(deps, owner, first, kind="reanalyze", answer={"sentiment": "negative"})
    assert alerts(owner) == []


def test_a_tenant_that_wants_none_has_none(say, owner):
    owner.execute("UPDATE tenant SET config = jsonb_set(config, '{churn}', '{\"enabled\": false}')")
    say(ANGRY), say(ANGRY_TOO)
    assert alerts(owner) == []


def test_two_workers_at_once_raise_one(receive, deps, owner):
    """Both messages are read before either is routed."""
    base = int(datetime.now(UTC).timestamp()) - 100
    refs = []
    for number, (kind_account, text) in enumerate((("111000111", ANGRY), ("111000111", ANGRY_TOO))):
        body = whatsapp_body(whatsapp_message(text, timestamp=str(base + number)), account=kind_account)
        refs += receive(body)
    for ref in refs:
        steps.minimize(deps, ref)
        analyze_step.analyze(deps, ref)
        steps.persist(deps, ref)
    threads = [threading.Thread(target=steps.route, args=(deps, ref), kwargs={"now": now()}) for ref in refs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(alerts(owner)) == 1


def test_merged_customers_keep_their_alerts(say, owner, deps, tenant_ids):
    say(PRAISE, sender="905559998877")
    say(ANGRY), say(ANGRY_TOO)
    one, other = (row[0] for row in owner.execute("SELECT id::text FROM customer ORDER BY id").fetchall())
    with deps.database.tenant_transaction(tenant_ids["acme"]) as conn:
        stays = merge_customers(conn, tenant_ids["acme"], one, other)
    assert owner.execute("SELECT customer_id::text FROM alert WHERE kind = 'churn'").fetchone() == (stays,)


def test_the_story_is_read_from_rows_and_life_goes_its_way(say, owner, deps, tenant_ids):
    say(ANGRY), say(ANGRY_TOO)
    ((alert_id, *_),) = alerts(owner)
    with deps.database.tenant_transaction(tenant_ids["acme"]) as conn:
        alert = find_alert(conn, tenant_ids["acme"], alert_id)
        story = list_story(conn, alert.customer_id)
        assert [line.who for line in story] == ["customer", "customer"]
        assert story[0].sentiment == "negative" and any("send_refund_form" in one for one in story[0].done)
        assert snooze_alert(conn, alert_id, hours=2) is not None
        assert list_alerts(conn, tenant_ids["acme"], kind="churn") == []
        assert acknowledge_alert(conn, alert_id, by=7) and not acknowledge_alert(conn, alert_id, by=8)
        assert find_alert(conn, tenant_ids["acme"], alert_id).state == "acknowledged"
        assert snooze_alert(conn, alert_id, hours=2) is None
    with deps.database.tenant_transaction(tenant_ids["other"]) as conn:
        assert find_alert(conn, tenant_ids["other"], alert_id) is None
