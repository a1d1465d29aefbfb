"""When a webhook is told again, and how long an endpoint that does not answer is left alone."""

# Before the second try, the third …: eleven tries within about three days.
WAITS_S = (5.0, 30.0, 120.0, 600.0, 3600.0, 10800.0, 21600.0, 43200.0, 86400.0, 86400.0)
MAX_TRIES = len(WAITS_S) + 1
LONGEST_ASKED_S = 86400.0
FIRST_REST_S, LONGEST_REST_S, LONGEST_ASKED_REST_S = 5.0, 600.0, 3600.0
# Refusals in a row after which it is the endpoint, not the event, that they speak of.
REFUSALS_OF_ONE = 4


def wait_s(tries: int, *, asked_s: float | None, share: float) -> float | None:
    """Seconds until the next try of an event after `tries` of them, a fifth more or less by lot; None: given up.

    asked_s: what the far side asks to wait, at most a day; it never shortens a pause. share: 0.0 to 1.0, drawn by lot.
    """
    if tries >= MAX_TRIES:
        return None
    planned = WAITS_S[max(tries, 1) - 1] * (0.8 + 0.4 * share)
    return max(planned, min(asked_s or 0.0, LONGEST_ASKED_S))


def rest_s(failures: int, *, refused: bool, asked_s: float | None) -> float:
    """Seconds for which nothing at all is sent to an endpoint after so many failures in a row; twice as long each time.

    refused: it answered, and would not have this event; others may do better, so it rests from the fifth in a row only.
    """
    counted = failures - REFUSALS_OF_ONE if refused else failures
    planned = min(FIRST_REST_S * 2 ** min(counted - 1, 20), LONGEST_REST_S) if counted > 0 else 0.0
    return max(planned, min(asked_s or 0.0, LONGEST_ASKED_REST_S))
