"""Topic counts equal the rows they come from, and a topic that rises is told once."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from store.trend_episodes import list_open_episodes
from worker.trend_watch import LOOK_BACK, recount, watch_tenant

HALF_PAST = datetime.now(UTC).replace(minute=30, second=0, microsecond=0)


@pytest.fixture
def write(owner, tenant_ids):
    """Labelled messages as they stand in the tables. ago: when they were sent, before HALF_PAST."""

    def rows(count, *, ago, sentiment, topics=("payment",), slug="acme", **more):
        values = {"direction": "inbound", "state": "done", "is_history": False, "is_survey_answer": False, **more}
        return [
            str(row[0])
            for row in owner.execute(
                """
                WITH m AS (
                    INSERT INTO message (id, tenant_id, channel, surface, account_id, provider_message_id, direction, message_type,
                                         sent_at, state, sender, is_history, is_survey_answer, customer_id)
                    SELECT uuidv7(%(at)s - now()), %(tenant)s, 'whatsapp', 'dm', '111000111', gen_random_uuid()::text,
                           %(direction)s, 'text', %(at)s, %(state)s, '{}', %(is_history)s, %(is_survey_answer)s, NULL
                    FROM generate_series(1, %(count)s)
                    RETURNING id
                ), a AS (
                    INSERT INTO message_analysis (id, tenant_id, message_id, run_id, run_kind, sentiment, score, summary, intent,
                                                  topics, suggested_action, analyzer, model, prompt_version)
                    SELECT uuidv7(%(at)s - now() + interval '1 second'), %(tenant)s, id, gen_random_uuid(), 'initial', %(sentiment)s,
                           0.9, 's', 'complaint', %(topics)s, 'none', 'stand-in', 'm', 'g1.s1'
                    FROM m
                )
                SELECT id FROM m
                """,
                {
                    "at": HALF_PAST - ago, "tenant": tenant_ids[slug], "count": count, "sentiment": sentiment,
                    "topics": list(topics), **values,
                },
            ).fetchall()
        ]  # fmt: skip

    return rows


def counts(owner, slug="acme"):
    return owner.execute(
        """
        SELECT h.topic, sum(h.messages)::int, sum(h.negatives)::int
        FROM topic_hour AS h JOIN tenant AS t ON t.id = h.tenant_id WHERE t.slug = %s GROUP BY 1 ORDER BY 1
        """,
        (slug,),
    ).fetchall()


def count_again(deps, tenant_ids, slug="acme"):
    return recount(deps, tenant_ids[slug], span=LOOK_BACK, now=HALF_PAST)


def test_counts_equal_the_rows_and_follow_them(deps, owner, tenant_ids, write):
    write(3, ago=timedelta(hours=2), sentiment="negative")
    praised = write(5, ago=timedelta(days=4), sentiment="positive", topics=("payment", "app"))
    write(2, ago=timedelta(days=4), sentiment="negative", is_history=True)
    write(2, ago=timedelta(days=4), sentiment="negative", is_survey_answer=True)
    write(2, ago=timedelta(days=4), sentiment="negative", direction="outbound")
    write(7, ago=timedelta(hours=3), sentiment="negative", slug="other")
    assert count_again(deps, tenant_ids) > 0
    assert counts(owner) == [("", 8, 3), ("app", 5, 0), ("payment", 8, 3)]
    assert counts(owner, "other") == []
    assert count_again(deps, tenant_ids) == 0
    # A correction, an erasure and a later analysis change the past.
    owner.execute(
        """
        INSERT INTO correction (tenant_id, message_id, field, old_value, new_value)
        VALUES (%s, %s, 'sentiment', 'positive', 'negative'), (%s, %s, 'topics', 'payment,app', 'refund')
        """,
        (tenant_ids["acme"], praised[0], tenant_ids["acme"], praised[1]),
    )
    owner.execute("UPDATE message SET state = 'erased' WHERE id = %s", (praised[2],))
    owner.execute(
        """
        INSERT INTO message_analysis (tenant_id, message_id, run_id, run_kind, sentiment, score, summary, intent, topics,
                                      suggested_action, analyzer, model, prompt_version)
        VALUES (%s, %s, %s, 'reanalyze', 'negative', 0.9, 's', 'other', '{}', 'none', 'stand-in', 'm', 'g1.s1')
        """,
        (tenant_ids["acme"], praised[3], uuid.uuid4()),
    )
    count_again(deps, tenant_ids)
    assert counts(owner) == [("", 7, 5), ("app", 2, 1), ("payment", 5, 4), ("refund", 1, 0)]


def trends(owner):
    return owner.execute(
        "SELECT details ->> 'sentence', severity, queue, resolved_at IS NULL FROM alert WHERE kind = 'trend' ORDER BY id"
    ).fetchall()


def test_a_topic_that_rises_is_told_once_until_it_has_fallen_back(deps, owner, tenant_ids, write):
    for day in range(1, 17):
        write(60, ago=timedelta(days=day, hours=3), sentiment="neutral")
        write(3, ago=timedelta(days=day, hours=3), sentiment="negative")
    write(40, ago=timedelta(hours=5), sentiment="neutral")
    count_again(deps, tenant_ids)
    assert watch_tenant(deps, tenant_ids["acme"], now=HALF_PAST) is None
    write(30, ago=timedelta(hours=4), sentiment="negative")
    assert watch_tenant(deps, tenant_ids["acme"], now=HALF_PAST)
    ((sentence, severity, queue, is_open),) = trends(owner)
    assert sentence.startswith("payment negative 4.8 % → 42.9 %") and "30 of 70 in 24 h" in sentence
    assert (severity, queue, is_open) == ("warning", "support", True)
    assert watch_tenant(deps, tenant_ids["acme"], now=HALF_PAST) is None
    with deps.database.tenant_transaction(tenant_ids["acme"]) as conn:
        assert {one.topic for one in list_open_episodes(conn, tenant_ids["acme"])} == {"", "payment"}
    later = HALF_PAST + timedelta(days=3)
    assert watch_tenant(deps, tenant_ids["acme"], now=later) is None
    assert [is_open for *_, is_open in trends(owner)] == [False]


def test_a_tenant_may_look_away(deps, owner, tenant_ids, write):
    owner.execute("UPDATE tenant SET config = jsonb_set(config, '{trends}', '{\"enabled\": false}')")
    write(30, ago=timedelta(hours=4), sentiment="negative")
    assert watch_tenant(deps, tenant_ids["acme"], now=HALF_PAST) is None
    assert counts(owner) == []
