"""The insights pages: figures equal to hand-made rows, links to exactly those messages, files, roles, and another tenant."""

import csv
import html
import io
import re
from datetime import UTC, datetime, timedelta

import pytest
from psycopg.types.json import Jsonb

from console.app import create_app
from console.visitors import SESSION_KEY
from store.web_sessions import begin_session
from tests.integration.workplace import add_agent, add_clock, add_conversation, add_person
from worker.answer_time_reports import count_tenant_reports
from worker.day_counting import COUNT_AGAIN_AFTER, count_tenant


def now():
    return datetime.now(UTC)


PAGES = ("", "/trend", "/messages", "/answers", "/load", "/surveys", "/accuracy", "/cost")
FILES = (
    "topics", "days", "trends", "answers", "targets", "queues", "clocks", "team", "surveys", "scores", "accuracy", "corrected",
    "cost", "messages",
)  # fmt: skip
FORMULA = '=HYPERLINK("http://evil.example","win")'


@pytest.fixture
def app(settings):
    app = create_app({}, settings=settings)
    yield app
    app.extensions["database"].close()


@pytest.fixture
def acme(tenant_ids):
    return tenant_ids["acme"]


@pytest.fixture
def visit(app, database, owner, acme):
    """A signed-in browser: visit(role="agent", tenant_id=…)."""

    def sign_in(role="agent", *, tenant_id=None):
        user_id = add_person(owner, tenant_id or acme, role=role)
        with database.system_transaction() as conn:
            token = begin_session(conn, user_id)
        client = app.test_client()
        with client.session_transaction() as session:
            session[SESSION_KEY] = token
            session["form"] = "token"
        return client

    return sign_in


@pytest.fixture
def write(owner, acme):
    """Labelled messages as they stand in the tables, each in the same conversation. Returns their ids."""

    def rows(count, sentiment, *topics, ago=timedelta(0), at=None, tenant_id=None, text="Where is it?", **more):
        tenant_id = tenant_id or acme
        conversation_id = add_conversation(owner, tenant_id)
        values = {
            "channel": "whatsapp", "surface": "dm", "state": "done", "is_history": False, "is_survey_answer": False, "language": "en",
            "direction": "inbound", "score": 0.93, **more,
        }  # fmt: skip
        return [
            str(row[0])
            for row in owner.execute(
                """
                WITH m AS (
                    INSERT INTO message (id, tenant_id, channel, surface, account_id, provider_message_id, direction, message_type,
                                         sent_at, state, sender, is_history, is_survey_answer, text, conversation_id, customer_id)
                    SELECT uuidv7(%(at)s - now()), %(tenant)s, %(channel)s, %(surface)s, '111000111', gen_random_uuid()::text,
                           %(direction)s, 'text', %(at)s, %(state)s, '{}', %(is_history)s, %(is_survey_answer)s, %(text)s, c.id,
                           c.customer_id
                    FROM generate_series(1, %(count)s), conversation AS c WHERE c.id = %(conversation)s
                    RETURNING id
                ), a AS (
                    INSERT INTO message_analysis (id, tenant_id, message_id, run_id, run_kind, sentiment, score, summary, intent,
                                                  topics, suggested_action, analyzer, model, prompt_version, language)
                    SELECT uuidv7(%(at)s - now() + interval '1 second'), %(tenant)s, id, gen_random_uuid(), 'initial', %(sentiment)s,
                           %(score)s, 's', 'complaint', %(topics)s, 'none', 'stand-in', 'm', 'g1.s1', %(language)s
                    FROM m
                )
                SELECT id FROM m
                """,
                {
                    **values, "at": at or now() - ago, "tenant": tenant_id, "count": count, "sentiment": sentiment, "topics": list(topics),
                    "text": text, "conversation": conversation_id,
                },
            ).fetchall()
        ]  # fmt: skip

    return rows


@pytest.fixture
def recount(deps, acme):
    def count(tenant_id=None, *, later=timedelta(minutes=5)):
        return count_tenant(deps, tenant_id or acme, now=datetime.now(UTC) + later)

    return count


def text_of(client, path):
    answer = client.get(f"/insights{path}")
    assert answer.status_code == 200, answer.status
    return answer.get_data(as_text=True)


def file_of(client, name, **query):
    answer = client.get(f"/insights/files/{name}.csv", query_string=query)
    assert answer.status_code == 200
    text = answer.get_data().decode("utf-8")
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""))), answer


def topics(client, **query):
    rows, _ = file_of(client, "topics", **query)
    return {row["topic"]: (int(row["negative"]), int(row["neutral"]), int(row["positive"])) for row in rows}


def links(page):
    return [html.unescape(found) for found in re.findall(r'href="(/insights/messages\?[^"]*)"', page)]


def listed(client, address):
    """Ids of all messages behind a link, over all its pages."""
    ids = []
    while address:
        page = client.get(address).get_data(as_text=True)
        ids += re.findall(r"#m-([0-9a-f-]{36})", page)
        later = [link for link in links(page) if "cursor=" in link]
        address = later[0] if later else None
    return ids


def test_the_table_counts_each_label_and_leads_to_exactly_those_messages(visit, write, recount):
    shipping = write(5, "negative", "shipping") + write(1, "negative", "shipping", "refund", ago=timedelta(days=3))
    praise = write(2, "positive", "shipping", ago=timedelta(days=20))
    nothing = write(1, "negative")
    write(1, "neutral", "app", ago=timedelta(days=31))
    write(3, "negative", "shipping", is_history=True)
    write(3, "negative", "shipping", is_survey_answer=True)
    write(3, "negative", "shipping", direction="outbound")
    write(3, "negative", "shipping", state="erased")
    assert recount() > 20
    client = visit()
    expected = {"all messages": (7, 0, 2), "shipping": (6, 0, 2), "refund": (1, 0, 0), "no topic": (1, 0, 0)}
    assert topics(client) == expected
    assert topics(client, range=7) == {**expected, "all messages": (7, 0, 0), "shipping": (6, 0, 0)}
    assert topics(client, range=90)["app"] == (0, 1, 0)
    page = text_of(client, "")
    assert "86% of the negative messages of the last 30 days are about \u2068shipping\u2069: 6 of 7." in page
    found = {link.partition("?")[2].partition("&from")[0]: listed(client, link) for link in links(page)}
    assert set(found["topic=shipping&sentiment=negative"]) == set(shipping)
    assert set(found["topic=shipping&sentiment=positive"]) == set(praise)
    assert found["topic=-&sentiment=negative"] == nothing
    assert sorted(found["sentiment=negative"]) == sorted(shipping + nothing)
    assert sorted(found["topic=shipping"]) == sorted(shipping + praise)
    for link in links(page):
        assert len(listed(client, link)) == len(set(listed(client, link)))


def test_the_table_is_narrowed_by_surface_language_and_channel(visit, write, recount):
    write(1, "negative", "app")
    turkish = write(2, "negative", "app", language="tr")
    write(4, "negative", "app", channel="instagram", surface="comment")
    recount()
    client = visit()
    assert topics(client, language="tr")["app"] == (2, 0, 0)
    assert topics(client, surface="comment")["app"] == topics(client, channel="instagram")["app"] == (4, 0, 0)
    assert topics(client, surface="comment", language="tr") == {"all messages": (0, 0, 0)}
    page = text_of(client, "?language=tr")
    assert '<option value="tr" selected>Turkish</option>' in page
    assert {tuple(sorted(listed(client, link))) for link in links(page)} == {tuple(sorted(turkish))}
    assert "Show all surfaces" in text_of(client, "?channel=generic")


def test_long_lists_are_paged_without_loss(visit, write, recount):
    ids = [one for days in (0, 1, 2) for one in write(60, "negative", "app", ago=timedelta(days=days))]
    recount()
    client = visit()
    found = listed(client, "/insights/messages?topic=app&range=7")
    assert len(found) == 180 and set(found) == set(ids)
    rows, _ = file_of(client, "messages", topic="app", range="7")
    assert [row["message_id"] for row in rows] == found
    assert text_of(client, "/messages?cursor=nonsense")


def test_what_changes_is_counted_again_and_left_out_until_then(visit, write, recount, owner, acme):
    ids = write(3, "negative", "app", ago=timedelta(days=12))
    recount()
    owner.execute(
        "INSERT INTO correction (tenant_id, message_id, field, old_value, new_value) VALUES (%s, %s, 'sentiment', 'negative', 'neutral')",
        (acme, ids[0]),
    )
    owner.execute("UPDATE message SET state = 'erased', erased_at = now() WHERE id = %s", (ids[1],))
    client = visit()
    address = "/insights/messages?topic=app&sentiment=negative"
    assert listed(client, address) == [ids[2]]
    assert "2 messages were set right or taken back" in client.get(address).get_data(as_text=True)
    assert recount() == 1
    assert topics(client)["app"] == (1, 1, 0)
    assert listed(client, address) == [ids[2]]
    corrected, _ = file_of(client, "corrected")
    assert ("language", "en", "2", "1") in [(r["part"], r["name"], r["analyzed"], r["corrected"]) for r in corrected]
    owner.execute("UPDATE correction SET undone_at = now()")
    assert recount() == 1
    assert topics(client)["app"] == (2, 0, 0)


def test_a_day_is_counted_again_in_time(visit, write, recount, owner):
    write(1, "negative", "app", ago=timedelta(hours=30))
    assert recount() == 1 + (now().date() - (now() - timedelta(hours=30)).date()).days
    assert recount() <= 1  # what was written minutes ago may have been in an open transaction
    owner.execute("DELETE FROM message_analysis")
    # Nothing tells of rows that an operator removed; a week later they are gone here too.
    assert recount(later=COUNT_AGAIN_AFTER + timedelta(minutes=10)) >= 2
    assert topics(visit()) == {"all messages": (0, 0, 0)}


def test_each_zone_has_its_own_days(deps, visit, write, owner, acme, recount):
    at = now().replace(hour=20, minute=0, second=0, microsecond=0) - timedelta(days=3)
    write(1, "negative", "app", at=at)
    for zone, day in (("UTC", at.date()), ("Asia/Kolkata", at.date() + timedelta(days=1))):
        owner.execute(
            "UPDATE tenant SET config = jsonb_set(config, '{hours}', coalesce(config -> 'hours', '{}') || %s) WHERE id = %s",
            (Jsonb({"time_zone": zone}), acme),
        )
        deps.tenants._cached.clear()
        recount()
        rows, _ = file_of(visit(), "days")
        assert [row["day"] for row in rows if row["topic"] == "app" and row["negatives"] == "1"] == [day.isoformat()]


def test_lines_have_words_and_open_trends_are_told(visit, write, recount, owner, acme):
    write(3, "negative", "app", ago=timedelta(days=1))
    recount()
    figures = {
        "window_h": 24, "window": {"messages": 70, "negatives": 30}, "share": 0.42857, "base": {"messages": 9, "negatives": 1},
        "base_share": 0.048, "chance": 0.0,
    }  # fmt: skip
    for key, resolved in (("open", None), ("over", now())):
        owner.execute(
            "INSERT INTO alert (tenant_id, kind, key, details, resolved_at) VALUES (%s, 'trend', %s, %s, %s)",
            (acme, key, Jsonb({"sentence": "…", "topics": {f"topic_{key}": figures}}), resolved),
        )
    client = visit()
    page = text_of(client, "")
    assert re.search(
        r'<svg class="spark" role="img" aria-label="\u2068app\u2069: at most 3 negative a day, on [^"]+; 0 on the last day"',
        page,
    )
    assert "topic open" in page and "negative: 5% → 43%" in page and "30 of 70 in 24 hours" in page
    assert "topic over" not in page
    rows, _ = file_of(client, "trends")
    assert [(row["topic"], row["share"]) for row in rows] == [("topic_open", "0.42857")]


def test_answer_times_are_those_of_the_report(deps, visit, owner, acme, write):
    split = now() - timedelta(days=10)
    for side, minutes in ((-1, 60), (1, 10)):
        for number in range(30):
            at = split + timedelta(days=3) * side + timedelta(minutes=number)
            write(1, "negative", "app", at=at)
            write(1, "neutral", direction="outbound", at=at + timedelta(minutes=minutes))
    owner.execute("UPDATE message SET author = 'human' WHERE direction = 'outbound'")
    # Each answer belongs to the question before it.
    owner.execute(
        """
        UPDATE message AS o SET conversation_id = i.conversation_id
        FROM message AS i
        WHERE o.direction = 'outbound' AND i.direction = 'inbound'
          AND o.sent_at - i.sent_at IN (interval '60 minutes', interval '10 minutes')
          AND (o.sent_at - i.sent_at = interval '60 minutes') = (i.sent_at < %s)
        """,
        (split,),
    )
    client = visit("auditor")
    assert "Nothing is decided yet" in text_of(client, "/answers")
    day = split.date().isoformat()
    assert "Nobody has asked for this day yet" in text_of(client, f"/answers?since={day}")
    client.post("/insights/answers", data={"since": day, "csrf_token": "token"})
    assert "It is being counted" in text_of(client, f"/answers?since={day}")
    assert count_tenant_reports(deps, acme, now=now()) == 1
    page = text_of(client, f"/answers?since={day}")
    assert "faster" in page and "Negative by the labels" in page
    rows, _ = file_of(client, "answers", since=day)
    found = [(r["messages"], r["side"], r["waits"], r["median_min"], r["verdict"]) for r in rows]
    assert found[:2] == [
        ("negatives", "before", "30", "60.0", "faster"),
        ("negatives", "after", "30", "10.0", "faster"),
    ]
    assert count_tenant_reports(deps, acme, now=now()) == 0
    assert count_tenant_reports(deps, acme, now=now() + timedelta(days=2)) == 1


@pytest.mark.parametrize("day", ["2999-01-01", "0001-01-01", "tomorrow", ""])
def test_a_day_that_cannot_be_compared_is_not_asked_for(visit, owner, day):
    client = visit()
    client.post("/insights/answers", data={"since": day, "csrf_token": "token"})
    assert "That is no day that has passed" in text_of(client, "/answers")
    assert owner.execute("SELECT FROM answer_time_report").fetchone() is None


def test_the_first_decision_is_compared_by_itself(deps, visit, owner, acme):
    owner.execute(
        """
        INSERT INTO routing_decision (tenant_id, message_id, run_id, priority, queue, rule, reasons, inputs, applied)
        VALUES (%s, uuidv7(), uuidv7(), 'P3', 'support', 'r', '{}', '{}', true)
        """,
        (acme,),
    )
    assert count_tenant_reports(deps, acme, now=now()) == 1
    assert "not enough to say" in text_of(visit(), "/answers")


def test_load_is_counted_by_queue_and_person(visit, owner, acme):
    ann = add_agent(owner, acme, email="ann@example.com", capacity=4, queues=("support",))
    late = add_conversation(owner, acme, priority="P1", minutes_ago=90)
    add_conversation(owner, acme, assignee_id=ann, assigned_at=now())
    add_conversation(owner, acme, queue="sales")
    add_clock(owner, acme, late, due_in_min=-5)
    client = visit("supervisor")
    assert "ann@example.com" in text_of(client, "/load")
    queues, _ = file_of(client, "queues")
    assert [(q["queue"], q["urgent"], q["open"], q["unassigned"], q["waiting"]) for q in queues] == [
        ("sales", "0", "1", "1", "1"),
        ("support", "1", "2", "1", "2"),
    ]
    (clock,), _ = file_of(client, "clocks")
    assert (clock["queue"], clock["fine"], clock["late"]) == ("support", "0", "1")
    (member,), _ = file_of(client, "team")
    assert (member["email"], member["open"], member["capacity"]) == ("ann@example.com", "1", "4")


def test_surveys_say_no_more_than_they_can(visit, owner, acme):
    conversation_id = add_conversation(owner, acme)
    owner.execute(
        """
        WITH added AS (
            INSERT INTO action (tenant_id, conversation_id, customer_id, message_id, channel, kind, idempotency_key, state, sent_at)
            SELECT tenant_id, id, customer_id, uuidv7(), 'whatsapp', kind, kind || number, 'sent', now() - interval '5 days'
            FROM conversation, generate_series(1, 40) AS number,
                 (VALUES ('send_nps_invite', 40), ('send_csat_invite', 10)) AS of (kind, most)
            WHERE id = %s AND number <= most
            RETURNING *
        )
        INSERT INTO survey_answer (message_id, tenant_id, invitation_id, customer_id, survey, score, has_comment, sent_at)
        SELECT uuidv7(), tenant_id, id, customer_id, substr(kind, 6, length(kind) - 12),
               CASE WHEN kind = 'send_csat_invite' THEN 5 WHEN right(idempotency_key, 1) = '0' THEN 0 ELSE 10 END, false, now()
        FROM added
        """,
        (conversation_id,),
    )
    client = visit()
    (nps, csat), _ = file_of(client, "surveys")
    assert (nps["invited"], nps["answered"], float(nps["score"])) == ("40", "40", 80.0)
    assert (csat["invited"], csat["answered"], csat["score"]) == ("10", "10", "")
    scores, _ = file_of(client, "scores")
    assert {(r["survey"], r["score"]): r["answers"] for r in scores}["nps", "10"] == "36"
    page = text_of(client, "/surveys")
    assert "too few to say" in page and ">80 " in page
    assert "Nobody was asked" in text_of(client, "/surveys?from=2026-01-01&to=2026-01-02")


def test_accuracy_comes_from_judged_samples(visit, write, owner, acme):
    ids = write(40, "negative", "app")
    owner.execute(
        """
        INSERT INTO audit_sample (tenant_id, period, message_id, analysis_id, judged_at, sentiment, intent, topics)
        SELECT tenant_id, current_date, message_id, id, now(),
               CASE WHEN message_id = ANY(%s) THEN 'neutral' ELSE 'negative' END, 'complaint', '{app}'
        FROM message_analysis
        """,
        (ids[:10],),
    )
    client = visit()
    rows, _ = file_of(client, "accuracy")
    found = {(r["label"], r["part"]): (r["n"], r["share"]) for r in rows}
    assert found["sentiment", "all"] == ("40", "0.75") and found["intent", "all"] == ("40", "1.0")
    assert found["sentiment", "confidence 0.8-0.9"] == ("0", "")
    assert "75%" in text_of(client, "/accuracy")


def test_cost_is_by_day(visit, owner, acme):
    owner.execute("INSERT INTO spend VALUES (%s, current_date, 7, 1, 1250000, 500000)", (acme,))
    client = visit()
    (day,), _ = file_of(client, "cost")
    assert (day["calls"], day["second_readings"], day["usd"], day["sweeps_usd"]) == ("7", "1", "1.25", "0.5")
    assert "$1.2500" in text_of(client, "/cost")


def test_a_file_is_named_and_holds_no_formula(visit, write, recount):
    write(1, "negative", "app", text=FORMULA)
    recount()
    client = visit()
    (row,), answer = file_of(client, "messages", **{"from": now().date().isoformat(), "to": now().date().isoformat()})
    assert row["text"] == "'" + FORMULA
    name = f"earshot-acme-messages-{now().date()}-{now().date()}.csv"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert answer.content_type == "text/csv; charset=utf-8"
    assert "Content-Length" not in answer.headers  # it is sent as it is read
    assert client.get("/insights/files/secrets.csv").status_code == 404


@pytest.mark.parametrize("role", ["agent", "supervisor", "admin", "auditor"])
def test_every_role_reads_everything_and_an_empty_tenant_is_told_what_to_do(visit, role):
    client = visit(role)
    for path in PAGES:
        assert "Traceback" not in text_of(client, path)
    for name in FILES:
        file_of(client, name)
    assert "connect a channel first" in text_of(client, "")
    assert "Nobody answers customers here yet" in text_of(client, "/load")


def test_strangers_are_sent_to_the_sign_in(app):
    client = app.test_client()
    for path in (*PAGES, *(f"/files/{name}.csv" for name in FILES)):
        answer = client.get(f"/insights{path}")
        assert (answer.status_code, answer.location.partition("?")[0]) == (302, "/sign-in")


def test_another_tenant_sees_nothing(visit, write, recount, deps, owner, acme, tenant_ids):
    write(3, "negative", "app", text="ours alone")
    add_agent(owner, acme, email="ann@example.com")
    owner.execute("INSERT INTO spend VALUES (%s, current_date, 7, 1, 8765432100, 0)", (acme,))
    recount()
    recount(tenant_ids["other"])
    client = visit("admin", tenant_id=tenant_ids["other"])
    for path in PAGES:
        page = text_of(client, path)
        assert "ours alone" not in page and "ann@" not in page and "765.43" not in page
    assert topics(client) == {"all messages": (0, 0, 0)}
    assert listed(client, links(text_of(visit(), ""))[0]) == []
    for name in FILES:
        rows, _ = file_of(client, name)
        assert not any("ours alone" in str(row) or "ann@" in str(row) for row in rows)


def test_huge_and_nonsense_ranges_are_said_on_the_page(visit):
    client = visit()
    assert "At most 92 days fit" in text_of(client, "?from=2026-01-01&to=" + now().date().isoformat())
    assert "could not be read" in text_of(client, "?range=%00%27%3B")
    for path in ("/surveys", "/accuracy", "/cost"):
        assert "could not be read" in text_of(client, f"{path}?from=x")


@pytest.mark.parametrize("language", ["ar", "de", "tr"])
def test_the_pages_speak_other_languages(visit, write, recount, language):
    write(3, "negative", "app")
    recount()
    client = visit()
    client.set_cookie("language", language)
    for path in PAGES:
        assert f'lang="{language}"' in text_of(client, path)


@pytest.mark.parametrize(("language", "ours"), [("ar", "الشحن"), ("de", "Versand"), ("tr", "kargo")])
def test_our_topics_are_translated_and_a_tenants_own_keep_their_direction(visit, write, recount, language, ours):
    write(3, "negative", "shipping")
    write(1, "negative", "gift_wrap")
    recount()
    client = visit()
    client.set_cookie("language", language)
    page = text_of(client, "")
    assert f"\u2068{ours}\u2069" in page and f"<bdi>{ours}</bdi>" in page
    assert "\u2068gift wrap\u2069" in page and "<bdi>gift wrap</bdi>" in page
    assert "shipping" not in re.sub(r'"/insights[^"]*"', "", page)


def test_the_trend_of_a_topic_tells_each_day_newest_first_and_only_of_that_topic(visit, write, recount):
    write(3, "negative", "shipping")
    write(1, "positive", "shipping")
    write(2, "negative", "shipping", ago=timedelta(days=3))
    write(5, "negative", "refund")
    recount()
    page = visit().get("/insights/trend?topic=shipping").text
    days = re.findall(r'data-day="([\d-]+)" data-messages="(\d+)" data-negatives="(\d+)"', page)
    assert len(days) == 30
    assert [day for day, *_ in days] == sorted((day for day, *_ in days), reverse=True)
    assert [numbers for _, *numbers in days if numbers != ["0", "0"]] == [["4", "3"], ["2", "2"]]
    # A topic that nobody wrote about is no error, and says where all the others are.
    empty = visit().get("/insights/trend?topic=pricing").text
    assert "data-day" not in empty
    assert 'href="/insights/trend?range=30"' in empty
