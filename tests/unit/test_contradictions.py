"""What the customer writes after a message decides whether what was planned on it may still leave."""

import pytest

from routing.contradictions import LaterMessage, must_wait, withdrawal

THANKS = LaterMessage("text", "positive", "compliment", is_being_read=False)
QUESTION = LaterMessage("text", "neutral", "order_status", is_being_read=False)
HAPPY_QUESTION = LaterMessage("text", "positive", "order_status", is_being_read=False)
NEVER_MIND = LaterMessage("text", "neutral", "other", is_being_read=False)
ANGRY = LaterMessage("text", "negative", "refund_request", is_being_read=False)
IMAGE = LaterMessage("image", None, None, is_being_read=False)
VOICE = LaterMessage("audio", None, None, is_being_read=False)
UNREAD = LaterMessage("text", None, None, is_being_read=True)


@pytest.mark.parametrize(
    ("kind", "later", "because"),
    [
        ("close_with_thanks", [], None),
        ("close_with_thanks", [THANKS], None),
        ("close_with_thanks", [THANKS, QUESTION], "customer_wrote_again"),
        ("close_with_thanks", [QUESTION, THANKS], "customer_wrote_again"),
        ("send_nps_invite", [HAPPY_QUESTION], "customer_wrote_again"),
        ("send_nps_invite", [VOICE], "customer_wrote_again"),
        ("send_csat_invite", [QUESTION], "customer_wrote_again"),
        ("request_screenshot", [IMAGE], "screenshot_came"),
        ("request_screenshot", [VOICE, QUESTION], None),
        ("request_screenshot", [THANKS], "withdrawn"),
        ("send_refund_form", [THANKS], "withdrawn"),
        ("send_refund_form", [THANKS, ANGRY], None),
        ("send_refund_form", [NEVER_MIND], None),
        ("send_refund_form", [IMAGE], None),
        ("follow_up", [QUESTION, IMAGE], None),
    ],
)
def test_each_kind_is_called_off_by_what_takes_its_ground_away(kind, later, because):
    assert withdrawal(kind, later) == because


@pytest.mark.parametrize(("kind", "waits"), [("close_with_thanks", True), ("send_refund_form", False)])
def test_thanks_wait_until_a_later_message_was_read(kind, waits):
    assert must_wait(kind, [UNREAD]) is waits
    assert withdrawal(kind, [UNREAD]) is None
