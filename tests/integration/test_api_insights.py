"""The insights as JSON: the same figures as the pages, days that are bounded, and the messages behind each count."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.test_api import acme, app, boss, call, new_key  # noqa: F401 -- fixtures
from tests.integration.test_console_insights import recount, write  # noqa: F401 -- fixtures
from tests.integration.workplace import add_agent, add_clock, add_conversation
from worker.answer_time_reports import count_tenant_reports


def day(ago=0):
    return (datetime.now(UTC) - timedelta(days=ago)).date().isoformat()


@pytest.fixture
def ask(call, boss):  # noqa: F811
    def get(path, **query):
        answer = call(boss, "GET", f"/insights{path}?" + "&".join(f"{name}={value}" for name, value in query.items()))
        assert answer.status_code == 200, answer.text
        return answer.json

    return get


def listed(ask, **query):  # noqa: F811
    ids, cursor = [], {}
    while True:
        page = ask("/messages", limit=25, **query, **cursor)
        ids += [one["id"] for one in page["messages"]]
        if page["next_cursor"] is None:
            return ids
        cursor = {"cursor": page["next_cursor"]}


def test_topics_are_counted_as_on_the_page_with_its_sentence(ask, write, recount, tenant_ids):  # noqa: F811
    write(5, "negative", "shipping")
    write(1, "negative", "shipping", "refund", ago=timedelta(days=3))
    write(2, "positive", "shipping", ago=timedelta(days=20))
    write(1, "negative")
    write(9, "negative", "shipping", tenant_id=tenant_ids["other"])
    recount()
    recount(tenant_ids["other"])
    found = ask("")
    assert (found["days"], found["uncounted_days"]) == ({"first": day(29), "last": day()}, 0)
    assert found["sentence"] == "86% of the negative messages of the last 30 days are about shipping: 6 of 7."
    assert (found["whole"]["messages"], found["whole"]["negative"], found["whole"]["positive"]) == (9, 7, 2)
    rows = {one["topic"]: (one["negative"], one["neutral"], one["positive"]) for one in found["topics"]}
    assert rows == {"shipping": (6, 0, 2), "refund": (1, 0, 0), "-": (1, 0, 0)}
    assert found["topics"][0]["negative_share"] == 0.75 and found["courses"][0]["negatives"][-1] == 6
    assert all(len(one["messages"]) == 30 for one in found["courses"])
    assert found["channels"] == ["whatsapp"] and found["counted_at"]
    week = ask("", range=7)
    assert week["whole"]["messages"] == 7 and week == {
        **ask("", **{"from": day(6), "to": day()}),
        "sentence": week["sentence"],
    }
    assert ask("", channel="instagram")["sentence"] is None


def test_the_messages_behind_a_count_are_paged_without_loss(ask, write, recount):  # noqa: F811
    ids = [one for ago in (0, 1, 2) for one in write(30, "negative", "app", ago=timedelta(days=ago))]
    other = write(1, "positive")
    recount()
    found = listed(ask, topic="app", sentiment="negative", range=7)
    assert len(found) == 90 and set(found) == set(ids)
    assert listed(ask, topic="-") == other and listed(ask, topic="nothing") == []
    (one,) = ask("/messages", topic="-")["messages"]
    assert (one["text"], one["sentiment"], one["topics"]) == ("Where is it?", "positive", [])


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("range=31", "range"),
        ("range=7&to=2026-11-25", "body"),
        ("from=1795604400", "from"),
        (f"from={day(1)}&to={day(2)}", "from"),
        (f"from={day(92)}&to={day()}", "from"),
        (f"from={day(500)}&to={day(490)}", "from"),
        (f"to={day(-2)}", "from"),
        ("channel=%27", "channel"),
        ("colour=red", "colour"),
    ],
)
@pytest.mark.parametrize("path", ["", "/messages"])
def test_days_that_cannot_be_shown_are_refused(call, boss, path, query, field):  # noqa: F811
    refused = call(boss, "GET", f"/insights{path}?{query}")
    assert (refused.status_code, refused.json["field"]) == (422, field), refused.text


def test_answer_times_are_counted_when_somebody_asks(call, boss, ask, deps, acme):  # noqa: F811
    assert ask("/answer-times")["state"] == "nothing_decided"
    since = day(5)
    assert ask("/answer-times", since=since)["state"] == "not_asked"
    asked = call(boss, "POST", "/insights/answer-times", {"since": since})
    assert (asked.json["state"], asked.json["split_at"][:10]) == ("being_counted", since)
    count_tenant_reports(deps, acme, now=datetime.now(UTC))
    counted = ask("/answer-times", since=since)
    assert counted["state"] == "counted" and counted["claim"]["negatives"]["before"]["waits"] == 0
    for wrong in (day(-1), "2019-01-01"):
        assert call(boss, "POST", "/insights/answer-times", {"since": wrong}).json["code"] == "invalid_days"


def test_load_promises_surveys_accuracy_and_cost(call, boss, ask, owner, acme):  # noqa: F811
    add_agent(owner, acme, email="ann@example.com")
    one = add_conversation(owner, acme, priority="P1")
    add_clock(owner, acme, one, due_in_min=-1)
    owner.execute("UPDATE sla_clock SET warn_at = due_at - interval '1 minute'")
    owner.execute(
        "INSERT INTO spend (tenant_id, day, calls, escalations, cost_microusd, bulk_microusd) VALUES (%s, %s, 3, 1, 250000, 500000)",
        (acme, day()),
    )
    load = ask("/load")
    assert [(row["queue"], row["urgent"], row["waiting"]) for row in load["queues"]] == [("support", 1, 1)]
    assert [(row["clock"], row["late"]) for row in load["clocks"]] == [("first_answer", 1)]
    assert [row["email"] for row in load["team"]] == ["ann@example.com"]
    assert call(boss, "GET", "/sla").json["clocks"] == load["clocks"]
    assert call(boss, "GET", "/sla/weeks?weeks=27").status_code == 422
    owner.execute("UPDATE sla_clock SET state = 'breached'")
    (week,) = call(boss, "GET", "/sla/weeks").json["weeks"]
    assert (week["missed"], week["late_open"], week["share"]) == (1, 1, 0.0)
    surveys = {one["survey"]: one for one in ask("/surveys")["surveys"]}
    assert set(surveys) == {"nps", "csat"} and surveys["nps"]["nps"] == {
        "n": 0,
        "value": None,
        "low": None,
        "high": None,
    }
    accuracy = ask("/accuracy")
    assert accuracy["sentiment"]["share"] is None and len(accuracy["calibration"]) == 6
    cost = ask("/cost")
    assert (cost["usd"], cost["sweeps_usd"], cost["spent"][0]["second_readings"]) == (0.25, 0.5, 1)
