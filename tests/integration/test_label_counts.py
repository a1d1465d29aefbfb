"""What is counted of a day is what the function effective_label says of each of its messages, whatever has happened to them."""

import random
import uuid
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta

import pytest

from analysis.accuracy import BANDS
from store.label_days import recount_day
from store.topic_counts import COUNTED, LATE_DAYS, list_topic_hours, recount_hours

BEGIN = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=3)
END = BEGIN + timedelta(days=1)
SENTIMENTS, INTENTS, TOPICS = (
    ("negative", "neutral", "positive"),
    ("complaint", "compliment", "other"),
    ("app", "billing", "refund"),
)
# The rule asked for one message at a time.
ONE_BY_ONE = """
    SELECT m.id, m.sent_at, m.channel, m.surface, e.language, e.sentiment, e.intent, e.topics, e.corrected, e.model_sentiment,
           e.model_score, e.model_intent
    FROM message AS m CROSS JOIN LATERAL effective_label(m.id) AS e
    WHERE m.tenant_id = %(tenant)s AND m.sent_at >= %(begin)s AND m.sent_at < %(end)s
      AND m.direction = 'inbound' AND NOT m.is_history AND NOT m.is_survey_answer AND m.joined_to IS NULL
      AND m.state NOT IN ('erased', 'ignored')
    ORDER BY m.id
"""


class History:
    """Messages of some days as they may stand in the tables, by chance."""

    def __init__(self, owner, rng, tenant_id):
        self.owner, self.rng, self.tenant_id = owner, rng, tenant_id
        self.sweeps = [self._sweep(needs_approval, approved) for needs_approval, approved in ((0, 0), (1, 0), (1, 1))]

    def _sweep(self, needs_approval, approved):
        return self.owner.execute(
            """
            INSERT INTO sweep (tenant_id, period, days, max_customers, budget_microusd, uses_batches, needs_approval, messages, customers,
                               estimated_microusd, estimated_s, approved_at)
            VALUES (%s, %s, 90, 1, 1, false, %s, 1, 1, 1, 1, CASE WHEN %s THEN now() END)
            RETURNING id
            """,
            (self.tenant_id, str(uuid.uuid4()), bool(needs_approval), bool(approved)),
        ).fetchone()[0]

    def add(self, count):
        for _ in range(count):
            self._add_one()

    def _add_one(self):
        rng = self.rng
        sent_at = BEGIN + timedelta(seconds=rng.randrange(-4 * 3600, 28 * 3600))
        came_at = sent_at + timedelta(hours=rng.choice([0, 0, 0, 1, 30, LATE_DAYS * 24 - 30]))
        (message_id,) = self.owner.execute(
            """
            INSERT INTO message (id, tenant_id, channel, surface, account_id, provider_message_id, direction, message_type, sent_at, state,
                                 sender, is_history, is_survey_answer, joined_to)
            VALUES (uuidv7(%s - now()), %s, %s, %s, '1', gen_random_uuid()::text, %s, 'text', %s, %s, '{}', %s, %s, %s)
            RETURNING id
            """,
            (
                came_at, self.tenant_id, rng.choice(["whatsapp", "instagram"]), rng.choice(["dm", "dm", "comment"]),
                rng.choice(["inbound"] * 9 + ["outbound"]), sent_at, rng.choice(["done"] * 9 + ["erased", "ignored", "minimized", "dead"]),
                rng.random() < 0.05, rng.random() < 0.05, uuid.uuid4() if rng.random() < 0.05 else None,
            ),
        ).fetchone()  # fmt: skip
        for number in range(rng.choice([0, 1, 1, 1, 2, 3])):
            self._analyze(message_id, came_at + timedelta(hours=rng.choice([0, 1, 400]) + number, seconds=5))
        for _ in range(rng.choice([0, 0, 0, 1, 2, 3])):
            self._correct(message_id)

    def _analyze(self, message_id, at):
        rng = self.rng
        kind, run_id = rng.choice(["initial", "initial", "reanalyze", "sweep", "sweep"]), uuid.uuid4()
        self.owner.execute(
            """
            INSERT INTO message_analysis (id, tenant_id, message_id, run_id, run_kind, sentiment, score, summary, intent, topics,
                                          suggested_action, language, analyzer, model, prompt_version, provisional, escalated_from)
            VALUES (uuidv7(%s - now()), %s, %s, %s, %s, %s, %s, 's', %s, %s, 'none', %s, 'given', 'm', 'g1.s1', %s, %s)
            """,
            (
                at, self.tenant_id, message_id, run_id, kind, rng.choice(SENTIMENTS), round(rng.uniform(0.3, 1), 2), rng.choice(INTENTS),
                rng.choices(TOPICS, k=rng.randrange(4)), rng.choice(["en", "tr"]), rng.random() < 0.2,
                rng.choice([None, "smaller"]),
            ),
        )  # fmt: skip
        if kind == "sweep" and rng.random() < 0.8:
            self.owner.execute(
                "INSERT INTO sweep_item (tenant_id, sweep_id, message_id, customer_id, run_id) VALUES (%s, %s, %s, %s, %s) "
                "ON CONFLICT DO NOTHING",
                (self.tenant_id, rng.choice(self.sweeps), message_id, uuid.uuid4(), run_id),
            )

    def _correct(self, message_id):
        rng = self.rng
        field = rng.choice(["sentiment", "intent", "topics"])
        value = {
            "sentiment": rng.choice(SENTIMENTS),
            "intent": rng.choice(INTENTS),
            "topics": rng.choice(["", "refund", "app,billing"]),
        }[field]
        self.owner.execute(
            "INSERT INTO correction (tenant_id, message_id, field, old_value, new_value, undone_at) "
            "VALUES (%s, %s, %s, '', %s, CASE WHEN %s THEN now() END)",
            (self.tenant_id, message_id, field, value, rng.random() < 0.3),
        )


@pytest.fixture(params=range(3))
def labels(request, owner, tenant_ids):
    """A history of chance, and the labels of its messages one by one: labels() reads them again."""
    history = History(owner, random.Random(request.param), tenant_ids["acme"])
    history.add(150)
    History(owner, random.Random(9), tenant_ids["other"]).add(20)

    def read():
        rows = owner.execute(ONE_BY_ONE, {"tenant": tenant_ids["acme"], "begin": BEGIN, "end": END}).fetchall()
        assert len(rows) > 50
        return rows

    read.history = history
    return read


@pytest.fixture
def day(deps, tenant_ids):
    """What stands in the tables once the day has been counted."""

    def count():
        with deps.database.tenant_transaction(tenant_ids["acme"]) as conn:
            messages = recount_day(conn, tenant_ids["acme"], BEGIN.date(), begin=BEGIN, end=END)
            labelled = conn.execute(
                "SELECT topic, channel, surface, language, sentiment, messages, message_ids FROM label_day"
            ).fetchall()
            corrected = conn.execute("SELECT language, band, analyzed, corrected FROM correction_day").fetchall()
        assert all(row[5] == len(row[6]) for row in labelled)
        return messages, {row[:5]: row[6] for row in labelled}, {row[:2]: row[2:] for row in corrected}

    return count


def day_of(rows):
    """The same from the labels one by one."""
    by_label, judged = defaultdict(list), defaultdict(lambda: (0, 0))
    for one in reversed(rows):
        (
            message_id,
            _,
            channel,
            surface,
            language,
            sentiment,
            intent,
            topics,
            corrected,
            model_sentiment,
            score,
            model_intent,
        ) = one
        for topic in {"", *(topics or ["-"])}:
            by_label[topic, channel, surface, language, sentiment].append(message_id)
        changed = ("sentiment" in corrected and sentiment != model_sentiment) or (
            "intent" in corrected and intent != model_intent
        )
        band = sum(score >= edge for edge in BANDS[1:])
        analyzed, wrong = judged[language, band]
        judged[language, band] = (analyzed + 1, wrong + changed)
    return len(rows), dict(by_label), dict(judged)


def test_the_labels_of_a_day_are_those_of_its_messages(labels, deps, tenant_ids):
    asked = {"tenant": tenant_ids["acme"], "begin": BEGIN, "end": END, "late": LATE_DAYS}
    with deps.database.tenant_transaction(tenant_ids["acme"]) as conn:
        together = conn.execute(COUNTED, asked).fetchall()
    assert sorted(together) == labels()


def test_a_day_is_counted_as_its_messages_say_and_again_when_they_change(labels, day):
    assert day() == day_of(labels())
    labels.history.add(60)
    assert day() == day_of(labels())


def test_hours_are_counted_as_their_messages_say(labels, deps, tenant_ids):
    def counted():
        with deps.database.tenant_transaction(tenant_ids["acme"]) as conn:
            recount_hours(conn, tenant_ids["acme"], begin=BEGIN, end=END)
            found = list_topic_hours(conn, tenant_ids["acme"], begin=BEGIN, end=END)
        return {
            (topic, hour): (one.messages, one.negatives)
            for topic, hours in found.items()
            for hour, one in hours.items()
        }

    def expected():
        messages, negatives = Counter(), Counter()
        for _, sent_at, _, _, _, sentiment, _, topics, *_ in labels():
            for topic in {"", *topics}:
                at = topic, sent_at.replace(minute=0, second=0)
                messages[at] += 1
                negatives[at] += sentiment == "negative"
        return {at: (number, negatives[at]) for at, number in messages.items()}

    assert counted() == expected()
    labels.history.add(60)
    assert counted() == expected()
