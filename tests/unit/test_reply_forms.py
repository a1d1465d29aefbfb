"""In which form an action leaves: by surface, window, channel and feeling."""

from datetime import UTC, datetime, timedelta

import pytest

from config.actions import ActionConfig, TemplateConfig
from routing.reply_forms import Occasion, choose_form, template_language

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
URL = "https://acme.example/form"
TEMPLATE = TemplateConfig(name="sorry", languages={"tr": "tr", "en": "en_US"})


def form(kind="follow_up", *, config=None, **changes):
    given = {
        "channel": "whatsapp",
        "surface": "dm",
        "now": NOW,
        "written_at": NOW - timedelta(minutes=1),
        "last_inbound_at": NOW - timedelta(minutes=1),
        "sentiment": "neutral",
    }
    return choose_form(kind, Occasion(**{**given, **changes}), config=config or ActionConfig(enabled=True))


@pytest.mark.parametrize("channel", ["whatsapp", "instagram", "generic"])
@pytest.mark.parametrize("surface", ["dm", "story_reply", "story_mention"])
def test_a_private_message_is_answered_with_text_or_a_link(channel, surface):
    assert form(channel=channel, surface=surface) == "text"
    assert form(channel=channel, surface=surface, config=ActionConfig(url=URL)) == "link"


@pytest.mark.parametrize(
    ("channel", "expected"), [("whatsapp", "text"), ("instagram", "choices"), ("generic", "choices")]
)
def test_the_eleven_scores_are_tapped_where_there_is_room_for_them(channel, expected):
    assert form("send_nps_invite", channel=channel) == expected


CLOSED = {"last_inbound_at": NOW - timedelta(hours=24)}


@pytest.mark.parametrize("last", [NOW - timedelta(hours=24), NOW - timedelta(days=6), None])
def test_after_24_hours_whatsapp_takes_a_template_and_instagram_nothing(last):
    with_template = ActionConfig(template=TEMPLATE)
    assert form(last_inbound_at=last, config=with_template) == "template"
    assert form(last_inbound_at=last) is None
    assert form(last_inbound_at=last, channel="instagram", config=with_template) is None


def test_the_last_minute_of_the_window_counts_and_the_generic_channel_has_none():
    assert form(last_inbound_at=NOW - timedelta(hours=23, minutes=59)) == "text"
    assert form(channel="generic", **CLOSED) == "text"


def comment(kind="close_with_thanks", *, surface="reel_comment", sentiment="positive", **more):
    return form(kind, channel="instagram", surface=surface, sentiment=sentiment, **more)


def test_thanks_for_praise_stand_where_the_praise_stands():
    assert comment() == "public_reply"


@pytest.mark.parametrize(
    "case",
    [
        {"kind": "follow_up"},
        {"kind": "send_refund_form", "config": ActionConfig(url=URL)},
        {"sentiment": "negative"},
        {"sentiment": None},
        {"surface": "live_comment"},
        {"kind": "send_nps_invite"},
        {"config": ActionConfig(on_comments="private")},
        {"config": ActionConfig(url=URL, on_comments="public")},
    ],
    ids=str,
)
def test_everything_else_under_a_post_is_said_in_private(case):
    assert comment(**case) == "private_reply"


def test_a_tenant_may_answer_in_public_or_not_at_all():
    assert comment("follow_up", config=ActionConfig(on_comments="public")) == "public_reply"
    assert comment(config=ActionConfig(on_comments="never")) is None


def test_a_private_reply_may_come_seven_days_after_the_comment_whatever_the_window():
    assert comment("follow_up", written_at=NOW - timedelta(days=6, hours=23), **CLOSED) == "private_reply"
    assert comment("follow_up", written_at=NOW - timedelta(days=7)) is None


@pytest.mark.parametrize(("language", "code"), [("tr", "tr"), ("en", "en_US"), ("de", "en_US")])
def test_a_template_speaks_the_customers_language_or_english(language, code):
    assert template_language(language, config=ActionConfig(template=TEMPLATE)) == code


def test_without_english_the_first_language_serves_all_others():
    config = ActionConfig(template=TemplateConfig(name="x", languages={"de": "de", "tr": "tr"}))
    assert template_language("fr", config=config) == "de"


def test_without_a_template_there_is_no_language():
    with pytest.raises(KeyError):
        template_language("en", config=ActionConfig())
