"""Times from the future."""

from datetime import UTC, datetime, timedelta

import pytest

from channels.base import Identity, IdentityChange, MarketingChoice, Reaction
from channels.clock import without_future
from channels.whatsapp import parse
from tests.webhooks import whatsapp_edit, whatsapp_message, whatsapp_revocation

NOW = datetime(2026, 11, 25, tzinfo=UTC)
PERSON = (Identity("phone", "1"),)


def parsed(at):
    stamp = str(int(at.timestamp()))
    items = [
        whatsapp_message(timestamp=stamp),
        whatsapp_edit("wamid.1", "new", timestamp=stamp),
        whatsapp_revocation("wamid.2", timestamp=stamp),
    ]
    value = {"metadata": {"phone_number_id": "111"}, "messages": items}
    return parse({"entry": [{"changes": [{"field": "messages", "value": value}]}]})


@pytest.mark.parametrize(("ahead", "kept"), [(-86400, True), (0, True), (240, True), (360, False), (10**9, False)])
def test_what_comes_from_the_future_came_now(ahead, kept):
    at = NOW + timedelta(seconds=ahead)
    found = without_future(parsed(at), now=NOW)
    times = [found.messages[0].sent_at, found.edits[0].edited_at, found.edits[0].message.sent_at]
    times.append(found.erasures[0].message.sent_at)
    assert times == [at if kept else None] * 4


def test_reactions_changes_and_choices_are_held_to_the_clock_too():
    late = NOW + timedelta(days=1)
    from channels.base import ParsedWebhook

    found = without_future(
        ParsedWebhook(
            reactions=(Reaction("whatsapp", "1", "m", "a", by_business=False, emoji="x", reacted_at=late),),
            identity_changes=(IdentityChange("whatsapp", "1", PERSON, PERSON, changed_at=late),),
            marketing_choices=(MarketingChoice("whatsapp", "1", PERSON, accepts=True, chosen_at=late),),
        ),
        now=NOW,
    )
    assert found.reactions[0].reacted_at is found.identity_changes[0].changed_at is found.marketing_choices[0].chosen_at
    assert found.reactions[0].reacted_at is None
