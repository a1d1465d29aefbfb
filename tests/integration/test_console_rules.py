"""Routing rules in the console: written, moved, tried, saved; what is refused is told beside its field, and nothing typed is lost."""

import re
from datetime import UTC, datetime
from typing import get_args

import pytest

from config.words import ChannelKind
from console.app import create_app
from console.setting_trials import MAX_DECISIONS
from routing.settings_check import MAX_RULES
from tests.integration.console_visitor import add_visitor, signed_in, words
from tests.integration.histories import Player, any_events, set_config
from tests.integration.settings_forms import config, fields_of, send, send_fields, version


@pytest.fixture
def app(settings):
    app = create_app({}, settings=settings)
    yield app
    app.extensions["database"].close()


@pytest.fixture
def acme(tenant_ids):
    return tenant_ids["acme"]


@pytest.fixture
def enter(app, owner, acme):
    """A browser in which somebody of this role is signed in."""
    return lambda role="admin", tenant_id=None: signed_in(app, add_visitor(owner, tenant_id or acme, role=role)).client


@pytest.fixture
def admin(enter):
    return enter()


NEW = "/admin/rules/new-rule"
LATE = {
    "name": "late", "because": "Late parcels first.", "when__sentiment": ["negative"], "when__topics": ["shipping"],
    "then__queue": "senior", "then__priority": "P1",
}  # fmt: skip


def rule(name, **when):
    return {"name": name, "because": "Test.", "when": when, "then": {"queue": "sales", "priority": "P3"}}


def names(database, tenant_id):
    return [one.name for one in config(database, tenant_id).rules]


def put_rules(owner, tenant_id, *rules):
    from psycopg.types.json import Jsonb

    owner.execute(
        "UPDATE tenant SET config = jsonb_set(config, '{rules}', %s) WHERE id = %s", (Jsonb(list(rules)), tenant_id)
    )


def test_a_rule_is_written_with_every_condition_and_all_it_decides(admin, database, acme):
    answer = send(
        admin, NEW, name="all_of_it", because="Because <i>so</i>.", dry_run=["yes"], when__sentiment=["negative", "neutral"],
        when__intent=["complaint"], when__topics=["shipping", "refund"], when__language="en, tr", when__signals=["urgent"],
        when__floor=["urgent"], when__min_score="0,6", when__max_score="0.95", when__channel=["whatsapp"], when__surface=["dm"],
        when__message_type=["text"], when__high_value="no", when__tier="gold, platinum", when__weekdays=["sat", "sun"],
        when__between="22:00-07:00", then__queue="senior", then__priority="P2", then__actions=["escalate_to_human", "tag"],
        then__skill="claims", then__tags="late, weekend",
    )  # fmt: skip
    assert "The rule is saved" in words(answer), words(answer)[:1500]
    (one,) = config(database, acme).rules
    assert one.model_dump(mode="json", exclude_none=True) == {
        "name": "all_of_it", "because": "Because <i>so</i>.", "dry_run": True,
        "when": {
            "sentiment": ["negative", "neutral"], "intent": ["complaint"], "topics": ["shipping", "refund"], "signals": ["urgent"],
            "floor": ["urgent"], "channel": ["whatsapp"], "surface": ["dm"], "language": ["en", "tr"], "message_type": ["text"],
            "high_value": False, "tier": ["gold", "platinum"], "weekdays": ["sat", "sun"], "between": "22:00-07:00",
            "min_score": 0.6, "max_score": 0.95,
        },
        "then": {"queue": "senior", "priority": "P2", "actions": ["escalate_to_human", "tag"], "skill": "claims", "tags": ["late", "weekend"]},
    }  # fmt: skip
    assert "<i>so</i>" not in answer.text and "it is written in English or Turkish" in words(answer)
    assert "tier_field" in words(answer), "that nothing tells the tier is said"
    answer = send(admin, "/admin/rules/all_of_it")
    assert "Nothing was different" in words(answer)


def test_a_rule_is_read_back_as_a_sentence(admin):
    answer = send(admin, NEW, do="read", **LATE)
    told = "When the message is negative and it is about shipping: put it into senior with P1."
    assert answer.status_code == 200 and told in words(answer)
    fields = fields_of(answer.text)
    piece = admin.post("/admin/rules/read-back", data={**fields, "then.tags": "late"})
    assert "put it into senior with P1 and tag it late." in words(piece) and "<html" not in piece.text


def test_a_certainty_that_every_message_has_is_no_condition(admin):
    answer = send(admin, NEW, do="read", **LATE, when__min_score="0", when__max_score="1")
    assert "When the message is negative and it is about shipping: put it" in words(answer)


def test_the_notice_says_whether_the_saved_rule_decides_or_is_only_tried(admin):
    assert "The rule is saved, and decides within seconds." in words(send(admin, NEW, **LATE))
    answer = send(admin, "/admin/rules/late", dry_run=["yes"])
    assert "it decides nothing" in words(answer) and "within seconds" not in words(answer)


def test_every_channel_has_its_words_in_a_sentence(admin):
    answer = send(admin, NEW, do="read", **LATE, when__channel=list(get_args(ChannelKind)))
    assert "it comes by WhatsApp, Instagram or another channel" in words(answer)


def test_what_is_wrong_stands_beside_its_field_and_nothing_typed_is_lost(admin, database, acme):
    answer = send(admin, NEW, **{**LATE, "name": "Late Parcels", "when__between": "25:99", "when__min_score": "much"})
    assert answer.status_code == 422 and version(database, acme) == 1
    for path in ("when.min_score",):
        assert f'id="{path.replace(".", "-")}-wrong"' in answer.text
    answer = send_fields(admin, NEW, fields_of(answer.text), **{"when.min_score": ""})
    assert answer.status_code == 422
    assert 'id="name-wrong"' in answer.text and 'id="when-between-wrong"' in answer.text
    kept = fields_of(answer.text)
    assert (kept["name"], kept["because"], kept["when.between"]) == (
        ["Late Parcels"],
        ["Late parcels first."],
        ["25:99"],
    )
    assert kept["when.topics"] == ["shipping"] and kept["when.sentiment"] == ["negative"]
    answer = send_fields(admin, NEW, kept, **{"name": "late", "when.between": ""})
    assert answer.status_code == 200 and names(database, acme) == ["late"]


def test_a_rule_that_can_never_decide_is_refused_with_an_example(admin, database, acme):
    send(admin, NEW, **LATE)
    answer = send(admin, NEW, **{**LATE, "name": "never"})
    assert answer.status_code == 422 and "can never decide" in words(answer) and "For example" in words(answer)
    # Before the one that takes all, it takes all itself: then the other is named, with the way to it.
    answer = send_fields(admin, NEW, fields_of(answer.text), before="late")
    assert answer.status_code == 422 and 'href="/admin/rules/late"' in answer.text
    assert names(database, acme) == ["late"]


def test_the_order_is_a_draft_until_it_is_saved(admin, database, owner, acme):
    put_rules(
        owner,
        acme,
        *(rule(name, topics=[topic]) for name, topic in (("a", "refund"), ("b", "shipping"), ("c", "billing"))),
    )
    answer = send(admin, "/admin/rules", do="down:a")
    answer = send_fields(admin, "/admin/rules", fields_of(answer.text), do="up:c")
    assert "Not saved yet" in words(answer) and names(database, acme) == ["a", "b", "c"]
    fields = fields_of(answer.text)
    assert fields["rule"] == ["b", "c", "a"]
    answer = send_fields(admin, "/admin/rules", {**fields, "dry": ["a"]}, do="delete:b")
    assert "Taken out: b" in words(answer)
    answer = send_fields(admin, "/admin/rules", fields_of(answer.text), do="save")
    assert "Saved." in words(answer) and names(database, acme) == ["c", "a"]
    assert [one.dry_run for one in config(database, acme).rules] == [False, True]
    # And taken back in one step.
    undo = re.search(r'action="(/admin/settings/history/1/restore)"', answer.text)[1]
    answer = admin.post(undo, data={"csrf_token": fields["csrf_token"], "seen": "2"}, follow_redirects=True)
    assert "Restored" in words(answer) and names(database, acme) == ["a", "b", "c"]


def test_a_rule_that_a_colleague_adds_meanwhile_is_not_lost(admin, enter, database, acme):
    send(admin, NEW, **LATE)
    mine = fields_of(admin.get("/admin/rules").text)
    send(enter("supervisor"), NEW, **{**LATE, "name": "theirs", "when__topics": ["refund"]})
    answer = send_fields(admin, "/admin/rules", {**mine, "dry": ["late"]}, do="save")
    assert (
        answer.status_code == 409
        and "Somebody has changed the settings" in words(answer)
        and "rules.theirs" in words(answer)
    )
    again = fields_of(answer.text)
    assert (again["rule"], again["dry"]) == (["late", "theirs"], ["late"])
    send_fields(admin, "/admin/rules", again, do="save")
    assert names(database, acme) == ["late", "theirs"] and config(database, acme).rules[0].dry_run


def test_a_stale_editor_keeps_what_was_typed(admin, enter, database, acme):
    send(admin, NEW, **LATE)
    mine = fields_of(admin.get("/admin/rules/late").text)
    send(enter("supervisor"), "/admin/settings/thresholds", **{"thresholds.escalate": "0.9"})
    answer = send_fields(admin, "/admin/rules/late", mine, because="Mine.")
    assert answer.status_code == 409 and "thresholds.escalate" in words(answer)
    assert fields_of(answer.text)["because"] == ["Mine."]
    assert send_fields(admin, "/admin/rules/late", fields_of(answer.text)).status_code == 200
    assert config(database, acme).rules[0].because == "Mine." and config(database, acme).thresholds.escalate == 0.9


def test_a_rule_of_ours_is_copied_to_be_changed(admin, database, acme):
    shown = admin.get("/admin/rules")
    link = re.search(r'href="(/admin/rules/new-rule\?copy=checkout_fails)"', shown.text)[1]
    fields = fields_of(admin.get(link).text)
    assert fields["name"] == ["my_checkout_fails"] and fields["when.intent"] == ["technical_support"]
    assert send_fields(admin, NEW, fields).status_code == 200 and names(database, acme) == ["my_checkout_fails"]
    assert admin.get(f"{NEW}?copy=no_such").status_code == 200


def test_rules_are_tried_on_history_before_they_are_saved(admin, deps, owner, receive, database, acme):
    set_config(owner, deps, acme, industry="ecommerce")
    player = Player(deps, owner, receive, slug="acme", account="111000111", tenant_id=acme)
    player.play(any_events(1, count=60))
    before = version(database, acme)
    answer = send(
        admin,
        NEW,
        do="try",
        days="7",
        name="all",
        because="All.",
        then__queue="senior",
        then__priority="P1",
        when__topics=None,
    )
    assert answer.status_code == 200 and "Nothing was stored" in words(answer)
    assert re.search(r"In the last 7 days: [1-9]\d* more P1", words(answer)), words(answer)[:900]
    sample = re.search(r'href="(/admin/rules/message/[^"]+)"', answer.text)[1]
    assert "/conversations/" in admin.get(sample).location
    assert fields_of(answer.text)["name"] == ["all"] and version(database, acme) == before and not names(database, acme)
    assert owner.execute("SELECT count(*) FROM audit_log").fetchone() == (0,)


def test_a_sample_of_another_tenant_is_not_found(admin, deps, owner, receive, tenant_ids, enter):
    player = Player(deps, owner, receive, slug="acme", account="111000111", tenant_id=tenant_ids["acme"])
    player.play(any_events(2, count=5))
    (message_id,) = owner.execute("SELECT id FROM message LIMIT 1").fetchone()
    assert admin.get(f"/admin/rules/message/{message_id}").status_code == 302
    assert enter("admin", tenant_id=tenant_ids["other"]).get(f"/admin/rules/message/{message_id}").status_code == 404


def test_no_rule_of_another_tenant_is_seen_or_changed(admin, owner, database, tenant_ids):
    put_rules(owner, tenant_ids["other"], rule("theirs", topics=["billing"]))
    assert "theirs" not in admin.get("/admin/rules").text and admin.get("/admin/rules/theirs").status_code == 404
    send_fields(
        admin,
        "/admin/rules",
        {**fields_of(admin.get(NEW).text), "rule": ["theirs"], "known": ["theirs"]},
        do="delete:theirs",
    )
    assert names(database, tenant_ids["other"]) == ["theirs"]


@pytest.mark.in_turns
@pytest.mark.parametrize("number", [MAX_RULES + 1, 3000])
def test_thousands_of_rules_from_a_file_are_shown_in_part_and_other_settings_still_change(
    admin, owner, database, acme, number
):
    put_rules(owner, acme, *(rule(f"r{n}", tier=[f"t{n}"]) for n in range(number)))
    shown = admin.get("/admin/rules")
    assert shown.status_code == 200 and "than fit here" in words(shown) and len(shown.data) < 2_000_000
    assert admin.get("/admin/rules/r0").status_code == 200
    assert "Saved." in words(send(admin, "/admin/settings/thresholds", **{"thresholds.escalate": "0.9"}))
    answer = send(admin, NEW, **LATE)
    assert answer.status_code == 422 and f"at most {MAX_RULES} fit here" in words(answer)


HOSTILE = [
    "<script>alert(1)</script>",
    "\u202egnisrever\u2066",
    "w" * 4096,
    "9" * 500,
    "a\x00b",
    "1e999",
    "nan",
    "-1",
    "ا" * 300,
    "{0}",
    "%(n)s",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_words_in_any_field_of_a_rule_are_refused_or_shown_as_words(admin, database, acme, text):
    fields = fields_of(send(admin, NEW, do="read", **LATE).text)
    boxes = ("when.topics", "when.weekdays", "then.actions", "when.signals")
    everywhere = dict.fromkeys((*fields, *boxes), text) | {"csrf_token": fields["csrf_token"]}
    for given in (
        everywhere,
        {"name": text},
        {"when.tier": text},
        {"because": text},
        {"before": text, "seen": text, "days": text},
    ):
        answer = admin.post(NEW, data={**fields, "do": "try", **given})
        # Some 4,096 characters in every field are more than a body may hold.
        assert answer.status_code in {200, 409, 413, 422}, (given, answer.status_code)
        assert "<script>alert" not in answer.text
    assert admin.post(NEW, data={**fields, "do": text}).status_code == 200
    answer = admin.post(
        "/admin/rules", data={**fields, "rule": [text] * 300, "known": text, "dry": text, "do": f"up:{text[:40]}"}
    )
    assert answer.status_code in {200, 413}
    assert version(database, acme) == 1


def test_a_body_of_more_than_64_kib_is_refused_and_one_of_60_is_read(admin, database, acme):
    fields = fields_of(send(admin, NEW, do="read", **LATE).text)
    assert admin.post(NEW, data={**fields, "do": "save", "because": "w" * 60_000}).status_code == 422
    assert admin.post(NEW, data={**fields, "do": "save", "because": "w" * 70_000}).status_code == 413
    assert version(database, acme) == 1


def test_what_is_tried_is_bounded(deps, owner, receive, database, acme, monkeypatch):
    from worker.simulator import try_settings

    player = Player(deps, owner, receive, slug="acme", account="111000111", tenant_id=acme)
    player.play(any_events(3, count=40))
    live = config(database, acme)
    with database.tenant_transaction(acme) as conn:
        everything = try_settings(conn, acme, live=live, tried=live, now=datetime.now(UTC), days=30)
        some = try_settings(conn, acme, live=live, tried=live, now=datetime.now(UTC), days=30, at_most=5)
        all_of_it = try_settings(
            conn, acme, live=live, tried=live, now=datetime.now(UTC), days=30, at_most=MAX_DECISIONS
        )
    assert some.is_cut and 0 < some.simulation.messages < everything.simulation.messages
    assert not all_of_it.is_cut and all_of_it.simulation.messages == everything.simulation.messages
