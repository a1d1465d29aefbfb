"""`earshot survey report` over stored invitations and answers."""

import json
from datetime import UTC, datetime

import pytest

from routing.survey_figures import split_by, tally_of
from store.survey_report import list_asked, tally_by_channel
from tests.integration.surveying import PRAISE, Shop
from tests.integration.test_label_commands import earshot  # noqa: F401 -- a fixture


@pytest.fixture
def asked(deps, receive, owner):
    """A hundred invitations of acme: in September 40 without an answer and 30 tens, in October 30 scores of 6."""
    Shop(deps, receive, owner).write(PRAISE)
    owner.execute("UPDATE action SET kind = 'close_with_thanks', idempotency_key = id::text")
    owner.execute(
        """
        WITH one AS (SELECT * FROM action WHERE form IS NOT NULL LIMIT 1), added AS (
            INSERT INTO action (
                tenant_id, conversation_id, customer_id, message_id, channel, kind, idempotency_key, state, sent_at, delivered_at
            )
            SELECT tenant_id, conversation_id, customer_id, message_id,
                   CASE WHEN number % 2 = 0 THEN 'whatsapp' ELSE 'instagram' END, 'send_nps_invite', 'n' || number, 'sent',
                   timestamptz '2026-09-10 12:00Z' + CASE WHEN number > 70 THEN interval '30 days' ELSE interval '0' END,
                   CASE WHEN number <= 90 THEN now() END
            FROM one, generate_series(1, 100) AS number
            RETURNING *
        )
        INSERT INTO survey_answer (message_id, tenant_id, invitation_id, customer_id, survey, score, has_comment, sent_at)
        SELECT uuidv7(), tenant_id, id, customer_id, 'nps', score, false, sent_at + after
        FROM added
        -- The first score of each was another one.
        CROSS JOIN LATERAL (
            VALUES (interval '1 hour', 0), (interval '2 hours', CASE WHEN idempotency_key > 'n7' THEN 6 ELSE 10 END)
        ) AS given (after, score)
        WHERE substr(idempotency_key, 2)::int > 40
        """
    )
    owner.execute(
        """
        UPDATE survey_answer AS s SET score = CASE WHEN a.sent_at < '2026-10-01' THEN 10 ELSE 6 END
        FROM action AS a WHERE a.id = s.invitation_id AND s.score <> 0
        """
    )


def report(earshot, *arguments):  # noqa: F811
    code, out, err = earshot("survey", "report", "--tenant", "acme", *arguments)
    assert code == 0, err
    return out


def rows(earshot, *arguments):  # noqa: F811
    return [json.loads(line) for line in report(earshot, "--json", *arguments).splitlines()]


def test_the_standing_scores_are_counted(asked, earshot):  # noqa: F811
    nps, csat = rows(earshot)
    assert (nps["invited"], nps["answered"], nps["delivered"], nps["median_hours"]) == (100, 60, 100, 2.0)
    assert nps["distribution"]["10"] == nps["distribution"]["6"] == 30 and nps["distribution"]["0"] == 0
    assert nps["nps"]["value"] == 0 and nps["nps"]["low"] < 0 < nps["nps"]["high"]
    assert nps["response"]["low"] < 0.6 < nps["response"]["high"]
    assert (csat["survey"], csat["invited"], csat["csat"]["share"]) == ("csat", 0, None)


def test_months_channels_and_topics_have_lines_of_their_own(asked, earshot):  # noqa: F811
    months = rows(earshot, "--survey", "nps", "--by", "month")
    assert [(one["part"], one["invited"], one["answered"]) for one in months] == [
        ("2026-09", 70, 30),
        ("2026-10", 30, 30),
    ]
    channels = rows(earshot, "--survey", "nps", "--by", "channel")
    assert [(one["part"], one["invited"]) for one in channels] == [("instagram", 50), ("whatsapp", 50)]
    assert sum(one["invited"] for one in rows(earshot, "--survey", "nps", "--by", "topic")) >= 100


def test_a_period_is_the_tenants_days(asked, earshot):  # noqa: F811
    (one,) = rows(earshot, "--survey", "nps", "--from", "2026-09-01", "--to", "2026-10-01")
    assert one["invited"] == 70


def test_before_and_after_a_day_says_counts_and_no_more_than_they_allow(asked, earshot):  # noqa: F811
    out = report(earshot, "--survey", "nps", "--split", "2026-10-01")
    assert "30 of 70 answered before, 30 of 30 after: 2.33 times the rate" in out
    assert "higher; this does not say why" in out
    out = report(earshot, "--survey", "nps", "--split", "2026-09-01")
    assert "not enough to compare" in out


def test_too_few_are_called_so(deps, receive, owner, earshot):  # noqa: F811
    shop = Shop(deps, receive, owner)
    shop.write(PRAISE)
    shop.write("9", at=1)
    assert "not enough (under 30)" in report(earshot, "--survey", "nps")


def test_contradictory_options_are_refused(earshot):  # noqa: F811
    code, _, err = earshot("survey", "report", "--tenant", "acme", "--by", "month", "--split", "2026-01-01")
    assert code == 1 and "--by and --split" in err
    code, _, err = earshot("survey", "report", "--tenant", "acme", "--from", "2026-02-01", "--to", "2026-01-01")
    assert code == 1 and "--from must be before --to" in err


def test_another_tenants_answers_are_not_among_them(asked, earshot):  # noqa: F811
    code, out, _ = earshot("survey", "report", "--tenant", "other", "--json")
    assert code == 0 and all(json.loads(line)["invited"] == 0 for line in out.splitlines())


def test_what_is_counted_by_the_database_is_what_is_counted_one_by_one(asked, owner, deps, tenant_ids):
    owner.execute(
        """
        UPDATE action SET state = CASE WHEN number % 7 = 0 THEN 'failed' WHEN number % 11 = 0 THEN 'uncertain' ELSE state END,
                          delivered_at = CASE WHEN number % 3 > 0 THEN delivered_at END
        FROM (SELECT id, row_number() OVER (ORDER BY idempotency_key) AS number FROM action WHERE kind = 'send_nps_invite') AS one
        WHERE one.id = action.id
        """
    )
    owner.execute(
        """
        UPDATE survey_answer SET has_comment = number % 5 = 0 OR number % 4 = 0, score = CASE WHEN number % 4 > 0 THEN score END,
                                 sent_at = sent_at + number * interval '7 minutes'
        FROM (SELECT message_id, row_number() OVER (ORDER BY score, sent_at) AS number FROM survey_answer) AS one
        WHERE one.message_id = survey_answer.message_id
        """
    )
    period = {"since": datetime(2026, 9, 1, tzinfo=UTC), "until": datetime(2026, 10, 11, tzinfo=UTC)}
    open_since = datetime(2026, 9, 30, tzinfo=UTC)
    for survey in ("nps", "csat"):
        with deps.database.system_transaction() as conn:
            one_by_one = list_asked(conn, tenant_ids["acme"], survey, time_zone="UTC", **period)
            tallies = tally_by_channel(conn, tenant_ids["acme"], survey, open_since=open_since, **period)
        parts = {"all": one_by_one, **split_by(one_by_one, "channel")}
        assert tallies == {part: tally_of(members, open_since=open_since) for part, members in parts.items()}
        assert list(tallies) == (["all", "instagram", "whatsapp"] if survey == "nps" else ["all"])
