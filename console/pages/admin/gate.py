"""Who may see the administration's pages and who may change something there: one rule for all of them."""

from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import Blueprint, abort, request

from console.visitors import let_in, visitor

# Agents have no business here; auditors look, and change nothing.
MAY_READ = frozenset({"supervisor", "admin", "auditor"})
MAY_CHANGE = frozenset({"supervisor", "admin"})
# Outside of these a date is a slip of the finger.
_FIRST_YEAR, _LAST_YEAR = 2000, 2099


def new_blueprint(name: str, *, path: str = "") -> Blueprint:
    """A subject of the administration under /admin; nobody gets in whose role may not."""
    blueprint = Blueprint(f"admin_{name}", __name__, url_prefix=f"/admin{path}")
    blueprint.before_request(let_in)
    blueprint.before_request(_admit)
    return blueprint


def _admit() -> None:
    role = visitor().place.role
    if role not in (MAY_READ if request.method in {"GET", "HEAD", "OPTIONS"} else MAY_CHANGE):
        abort(403)


def may_change() -> bool:
    """Whether the visitor sees forms."""
    return visitor().place.role in MAY_CHANGE


def only_admins() -> None:
    """For what gives somebody more rights. Raises: Forbidden."""
    if visitor().place.role != "admin":
        abort(403)


def read_id(text: str | None) -> str | None:
    """The UUID in an address; None where there is none or something else."""
    try:
        return str(UUID(text)) if text else None
    except ValueError:
        return None


def read_day(text: str | None, zone: ZoneInfo, *, is_last: bool = False) -> datetime | None:
    """The first moment of a day in the tenant's time zone, in UTC; is_last: of the day after. None for what is no day."""
    try:
        day = date.fromisoformat(text) if text else None
    except ValueError:
        return None
    if day is None or not _FIRST_YEAR <= day.year <= _LAST_YEAR:
        return None
    return datetime.combine(day + timedelta(days=is_last), time(), tzinfo=zone).astimezone(UTC)
