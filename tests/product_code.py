"""Where the product's code is, for tests that read it."""

from tests.conftest import ROOT

__all__ = ("PRODUCT", "ROOT")

PRODUCT = (
    "analysis", "channels", "cli", "config", "console", "crm_sync", "routing", "store", "webhook_receiver", "worker",
)  # fmt: skip
