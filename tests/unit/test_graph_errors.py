"""Meta's errors and what they mean for a send, and where a text is cut."""

import pytest

from channels.graph import error_from
from channels.instagram_sending import cut_to_bytes

REFUSED = {"permanent": True, "uncertain": False, "account_blocked": False, "window_closed": False}
LATER = {"permanent": False, "uncertain": False, "account_blocked": False, "window_closed": False}
BLOCKED = {"permanent": False, "uncertain": False, "account_blocked": True}
CLOSED = {"permanent": True, "uncertain": False, "window_closed": True, "account_blocked": False}
OPEN = {"permanent": True, "uncertain": True}


@pytest.mark.parametrize(
    ("status", "codes", "expected"),
    [
        (400, (131047, 1545041), CLOSED),
        (400, (131056, 130429, 80007, 4, 17, 32, 613, 131016, 131057), LATER),
        (503, (131016, 131057, "131016", 130429, 4), LATER),
        (500, (131000, 1, 2, "2"), OPEN),
        (503, (131000, 1, 2), OPEN),
        (400, (131000, 1, 2), OPEN),
        (400, (0, 3, 10, 190, 200, 299, 368, 131031, 131042, 131045, 130497, 131048, 131064), BLOCKED),
        (400, (100, 131008, 131009, 131026, 131049, 131050, 130472, 131062, 131063, 132000, 99999), REFUSED),
        (500, (100, 131026, 132001), REFUSED),
        (500, (99999, None, [], {}, True, "x"), OPEN),
        (400, (None, [], {}, True, "x", -1), REFUSED),
        (401, (None,), BLOCKED),
        (403, (None,), BLOCKED),
        (429, (None,), LATER),
        (302, (None,), REFUSED),
    ],
)
def test_the_error_table_of_the_graph_api(status, codes, expected):
    for code in codes:
        error = error_from(status, {"code": code})
        assert {name: getattr(error, name) for name in expected} == expected, code
        assert (error.retry_after_s is None) == error.permanent


@pytest.mark.parametrize("code", [1, 2, 131000, 99999, None])
def test_what_has_no_effect_is_never_in_doubt_and_may_be_asked_again(code):
    error = error_from(500, {"code": code}, has_effect=False)
    assert (error.uncertain, error.permanent, error.channel_down) == (False, False, True)


@pytest.mark.parametrize(
    ("status", "code", "down"),
    [(500, None, True), (503, 131016, True), (500, 2, True), (400, 131056, False), (429, 4, False), (400, 100, False)],
)
def test_a_channel_that_is_broken_inside_is_told_from_one_that_refuses(status, code, down):
    assert error_from(status, {"code": code}).channel_down is down


@pytest.mark.parametrize("subcode", [2534022, 2018278, "2534022"])
def test_permission_denied_for_lateness_is_a_closed_window(subcode):
    error = error_from(403, {"code": 10, "error_subcode": subcode})
    assert (error.window_closed, error.account_blocked) == (True, False)


def test_a_second_private_reply_counts_as_answered():
    error = error_from(400, {"code": 100, "error_subcode": 2534014})
    assert (error.code, error.permanent) == ("already_answered", True)


@pytest.mark.parametrize("limit", range(9))
def test_a_cut_ends_at_a_character(limit):
    cut = cut_to_bytes("aü😞z", limit)
    assert "aü😞z".startswith(cut) and len(cut.encode()) <= limit


@pytest.mark.parametrize("error", [{"code": 551, "error_subcode": 1545041}, {"code": 10, "error_subcode": 2018065}])
def test_a_closed_window_never_blocks_the_account(error):
    found = error_from(403, error)
    assert (found.window_closed, found.account_blocked, found.permanent) == (True, False, True)


def test_one_customer_who_cannot_be_reached_never_blocks_the_account():
    found = error_from(403, {"code": 200, "error_subcode": 2018108})
    assert (found.account_blocked, found.permanent, found.uncertain) == (False, True, False)
