"""Zoho's accounts server: access tokens for refresh tokens, at most ten of them in ten minutes."""

import itertools
import time
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from devstack.standins.exchange import Answer, Request

TOKENS_PER_WINDOW, WINDOW_S = 10, 600.0
TOKEN_LIFE_S = 3600.0


@dataclass
class Accounts:
    """Which access token belongs to which refresh token, and until when it works."""

    _issued: dict[str, tuple[str, float]] = field(default_factory=dict[str, tuple[str, float]])
    _asked_at: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def answer(self, request: Request, *, life_s: float | None, refresh_tokens_work: bool) -> Answer:
        """One call of `POST /oauth/v2/token`; the parameters come as a form or in the address."""
        form = request.query | dict(parse_qsl(request.body.decode(errors="replace")))
        if form.get("grant_type") != "refresh_token":
            return Answer({"error": "unsupported_grant_type"})
        if not form.get("client_id"):
            return Answer({"error": "invalid_client"})
        if not form.get("client_secret"):
            return Answer({"error": "invalid_client_secret"})
        refresh_token = form.get("refresh_token")
        if not refresh_token or not refresh_tokens_work:
            # Also what a token of another data centre gets.
            return Answer({"error": "invalid_code"})
        now = time.monotonic()
        asked = [at for at in self._asked_at.get(refresh_token, []) if at > now - WINDOW_S]
        if len(asked) >= TOKENS_PER_WINDOW:
            text = "You have made too many requests continuously. Please try again after some time."
            return Answer({"error_description": text, "error": "Access Denied", "status": "failure"}, 400)
        self._asked_at[refresh_token] = [*asked, now]
        token = f"1000.{next(self._numbers):032x}"
        self._issued[token] = (refresh_token, now + (TOKEN_LIFE_S if life_s is None else life_s))
        answer = {
            "access_token": token,
            "api_domain": f"http://{request.headers['host']}",
            "token_type": "Bearer",
            "expires_in": int(TOKEN_LIFE_S if life_s is None else life_s),
        }
        return Answer(answer)

    def owner(self, access_token: str) -> str | None:
        """The refresh token behind an access token that works now."""
        refresh_token, ends_at = self._issued.get(access_token, ("", 0.0))
        return refresh_token if refresh_token and time.monotonic() < ends_at else None
