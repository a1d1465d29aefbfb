"""What a refused call to the model means: the HTTP status, and a few words of its body, as an AnalysisError."""

from dataclasses import dataclass

from analysis.base import AnalysisError

MAX_RETRY_AFTER_S = 300.0
# A limit of money that somebody set comes as an ordinary 400 or 429, and says so in one of these ways.
SPENT_WORDS = ("You have reached your specified", "spend_limit")


@dataclass(frozen=True)
class _Meaning:
    """What an HTTP status means. retry_after_s: when the provider does not say."""

    code: str
    permanent: bool = False
    retry_after_s: float | None = None
    needs_person: bool = False
    trips_breaker: bool = False


# What is not here is judged by its class of status. A limit never opens the breaker: the provider works.
_MEANINGS = {
    401: _Meaning("key_refused", retry_after_s=60.0, needs_person=True),
    402: _Meaning("payment_required", retry_after_s=300.0, needs_person=True),
    403: _Meaning("not_permitted", retry_after_s=60.0, needs_person=True),
    404: _Meaning("model_not_found", retry_after_s=5.0, needs_person=True),
    408: _Meaning("provider_timeout", trips_breaker=True),
    409: _Meaning("provider_conflict"),
    413: _Meaning("too_large", permanent=True),
    422: _Meaning("unprocessable", permanent=True),
    429: _Meaning("rate_limited", retry_after_s=10.0),
    529: _Meaning("overloaded", retry_after_s=5.0, trips_breaker=True),
}
_FAILING = _Meaning("provider_error", trips_breaker=True)
_REFUSING = _Meaning("refused_request", permanent=True)


def no_answer(code: str, *, request_id: str | None = None) -> AnalysisError:
    """Nothing that can be read came back: the provider is taken for down."""
    return AnalysisError(code, permanent=False, provider_down=True, trips_breaker=True, request_id=request_id)


def failure_of(
    status: int, *, says_money_is_spent: bool, retry_after: str | None, request_id: str | None
) -> AnalysisError:
    """retry_after: the header of that name, in seconds or a date."""
    known = _MEANINGS.get(status, _FAILING if status >= 500 else _REFUSING)
    spent = status in {400, 429} and says_money_is_spent
    if spent:  # lasts until somebody raises it or the month ends
        known = _Meaning("usage_limit", retry_after_s=MAX_RETRY_AFTER_S, needs_person=True)
    elif status == 400:
        known = _Meaning("bad_request", permanent=True)
    return AnalysisError(
        known.code if spent or status == 400 else f"{known.code}_{status}",
        permanent=known.permanent,
        provider_down=not known.permanent,
        retry_after_s=_seconds(retry_after) or known.retry_after_s,
        needs_person=known.needs_person,
        trips_breaker=known.trips_breaker,
        request_id=request_id,
    )


def _seconds(header: str | None) -> float | None:
    """Of a Retry-After header, capped; None when it is absent or a date."""
    try:
        return min(max(float(header or ""), 0.0), MAX_RETRY_AFTER_S)
    except ValueError:
        return None
