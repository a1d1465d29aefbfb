"""Whether a tenant gets test messages."""

from config.tenant_part import TenantPart


class CanaryConfig(TenantPart):
    """Messages of our own that take the whole way, so that people hear of a fault before a customer does."""

    enabled: bool = True
    """Off: nobody hears of a fault in the way of this tenant's messages until one of them is late."""
