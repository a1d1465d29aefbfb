"""What every CRM's stand-in can be told: lag, limits, tokens that run out, rights it withholds, records that are merged."""

from abc import abstractmethod
from dataclasses import asdict, dataclass, fields
from typing import Any

from devstack.standins.exchange import Answer, Request
from devstack.standins.recording import StandIn


@dataclass
class Conditions:
    """How the accounts of one stand-in behave. `POST /_conditions` sets any of these, `DELETE /_conditions` restores all.

    search_lag_s: a change is found by search only so much later. day_limit: units (requests, credits, tokens) of one
    account until its day is used up; None: the vendor's usual number. day_ends_in_s: counted from its first unit.
    token_life_s: of access tokens handed out from now on; None: the vendor's usual. refresh_tokens_work: False refuses
    every request for an access token as revoked. may_provision: False withholds the right to make fields.
    """

    search_lag_s: float = 0.0
    day_limit: int | None = None
    day_ends_in_s: float = 86_400.0
    token_life_s: float | None = None
    refresh_tokens_work: bool = True
    may_provision: bool = True


class CrmStandIn(StandIn):
    """A stand-in whose conditions can be set and whose records can be merged."""

    def __init__(self) -> None:
        super().__init__()
        self.conditions = Conditions()

    @abstractmethod
    def merge(self, account: str, loser: str, winner: str) -> None:
        """Make one record of two, as the vendor's own merge leaves them. account: the credential that names it."""

    def control(self, request: Request) -> Answer | None:
        """`/_conditions`, and `POST /_merge {"account", "loser", "winner"}`."""
        route = (request.method, request.path)
        with self.lock:
            if route == ("GET", "/_conditions"):
                return Answer(asdict(self.conditions))
            if route == ("POST", "/_conditions"):
                return self._set(request.json_object())
            if route == ("DELETE", "/_conditions"):
                self.conditions = Conditions()
                return Answer({"ok": True})
            if route == ("POST", "/_merge"):
                body = request.json_object()
                self.merge(str(body["account"]), str(body["loser"]), str(body["winner"]))
                return Answer({"ok": True})
        return None

    def _set(self, wanted: dict[str, Any]) -> Answer:
        unknown = set(wanted) - {one.name for one in fields(Conditions)}
        if unknown:
            return Answer({"error": f"unknown conditions: {', '.join(sorted(unknown))}"}, 400)
        for name, value in wanted.items():
            setattr(self.conditions, name, value)
        return Answer({"ok": True})
