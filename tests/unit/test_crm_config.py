"""Which credentials a tenant's HubSpot may have."""

import pytest
from pydantic import ValidationError

from config.crm import CrmConfig

APP = {"client_id": "c", "client_secret": "s", "refresh_token": "r"}


@pytest.mark.parametrize("credentials", [{"token": "t"}, APP])
def test_hubspot_takes_a_service_key_or_an_apps_credentials(credentials):
    assert CrmConfig(kind="hubspot", **credentials).kind == "hubspot"


@pytest.mark.parametrize(
    ("credentials", "missing"), [({}, "token"), ({"refresh_token": "r", "client_id": "c"}, "client_secret")]
)
def test_what_is_missing_is_named(credentials, missing):
    with pytest.raises(ValidationError, match=f"needs {missing}$|needs {missing}[^,]"):
        CrmConfig(kind="hubspot", **credentials)
