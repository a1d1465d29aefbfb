"""Accounts at the CRMs' stand-ins, one class for each CRM."""

from collections.abc import Callable

from tests.crm_portals.hubspot import HubSpotPortal
from tests.crm_portals.pipedrive import PipedrivePortal
from tests.crm_portals.portal import SECRET, Portal
from tests.crm_portals.salesforce import SalesforcePortal
from tests.crm_portals.zoho import ZohoPortal

PORTALS: dict[str, Callable[[str], Portal]] = {
    "hubspot": HubSpotPortal,
    "salesforce": SalesforcePortal,
    "zoho": ZohoPortal,
    "pipedrive": PipedrivePortal,
}

__all__ = ["PORTALS", "SECRET", "Portal"]
