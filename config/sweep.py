"""How a tenant's messages are judged again."""

from pydantic import Field

from config.tenant_part import TenantPart


class SweepConfig(TenantPart):
    """How the tenant's messages are judged again, month by month."""

    enabled: bool = True
    """One sweep each calendar month, begun on its first day. Off: only when somebody runs `earshot sweep run`."""
    days: int = Field(default=90, ge=1, le=366)
    """How far back it looks, by the provider's time of a message."""
    customers: int = Field(default=500, ge=1, le=1_000_000)
    """Whose messages: those the CRM calls high-value first, then those who write most."""
    budget_usd: float = Field(default=5.0, ge=0, le=100_000, allow_inf_nan=False)
    """A sweep pauses before it would spend more."""
    batches: bool = True
    """Use the provider's batches: half the price, but requests and answers lie there until we have read and deleted them."""
    approve_labels: bool = False
    """The CRM's labels stay as they are until somebody runs `earshot sweep approve`."""
