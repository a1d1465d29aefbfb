"""When a tenant's people work."""

from typing import Literal

from config.tenant_part import TenantPart


class Hours(TenantPart):
    """When the tenant's people work."""

    time_zone: str = "UTC"
    weekdays: dict[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], str] = {}
    """`"09:00-18:00"` by day; a day that is not named is closed. Nothing named: open around the clock."""
    holidays: tuple[str, ...] = ()
