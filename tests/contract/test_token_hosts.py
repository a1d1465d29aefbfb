"""A CRM's answer names where its API is: a token goes to the vendor's own hosts only, whatever the answer says."""

import pytest

from config.settings import load_settings
from crm_sync import oauth
from crm_sync.base import CrmError
from crm_sync.registry import fetch_token

ENVIRONMENT = {"DATABASE_URL": "postgresql://x", "REDIS_URL": "redis://x", "EARSHOT_KEYS": "k1:" + "QUFB" * 10 + "QUE="}
CREDENTIALS = {
    "salesforce": {"domain": "acme.my.salesforce.com", "client_id": "i", "client_secret": "s"},
    "zoho": {"dc": "eu", "client_id": "i", "client_secret": "s", "refresh_token": "r"},
    "pipedrive": {"client_id": "i", "client_secret": "s", "refresh_token": "r"},
}
KEYS = {"salesforce": "instance_url", "zoho": "api_domain", "pipedrive": "api_domain"}
OWN = {
    "salesforce": ("https://acme.my.salesforce.com", "https://acme--dev.sandbox.my.salesforce.com", "https://eu9.salesforce.com/"),
    "zoho": ("https://www.zohoapis.eu", "https://www.zohoapis.com.au", "https://www.zohocloud.ca"),
    "pipedrive": ("https://acme.pipedrive.com", "https://acme-2.pipedrive.com/"),
}  # fmt: skip
STRANGE = (
    "http://{host}", "https://evil.example", "https://{host}.evil.example", "https://evil.example/{host}", "https://{host}@evil.example",
    "https://{host}:8443", "https://{host}/x", "https://169.254.169.254", "https://127.0.0.1", "https://[::1]", "file:///etc/passwd",
    "https://{host}#x", "https://evil{host}", "https://{host}\n", "//{host}", "{host}",
)  # fmt: skip


@pytest.fixture
def answer(monkeypatch):
    """What the token endpoint answers, without a network: answer(kind, address)."""

    class Transport(oauth.httpx2.BaseTransport):
        told = None

        def handle_request(self, request):
            return oauth.httpx2.Response(200, json=self.told)

    transport = Transport()
    monkeypatch.setattr(oauth, "shared_transport", lambda: transport)

    def ask(kind, address, **environment):
        transport.told = {"access_token": "t", KEYS[kind]: address, "expires_in": 60}
        return fetch_token(kind, CREDENTIALS[kind], settings=load_settings({**ENVIRONMENT, **environment})).api_base

    return ask


@pytest.mark.parametrize("kind", OWN)
def test_the_vendors_own_hosts_are_believed(kind, answer):
    assert [answer(kind, address) for address in OWN[kind]] == list(OWN[kind])


@pytest.mark.parametrize("kind", OWN)
def test_any_other_host_gets_no_token(kind, answer):
    host = OWN[kind][0].removeprefix("https://")
    for address in (one.format(host=host) for one in STRANGE):
        # Where a vendor has a wildcard of its own, a name before it is one of its customers'.
        if address.removeprefix("https://").removeprefix("evil") == host and kind != "zoho":
            continue
        with pytest.raises(CrmError) as caught:
            answer(kind, address)
        assert (caught.value.code, caught.value.connection_broken) == ("token_names_strange_host", True), address


def test_where_the_operator_says_where_the_vendor_is_the_answer_counts(answer):
    here = "http://127.0.0.1:9"
    assert answer("salesforce", here, SALESFORCE_LOGIN_URL=here) == here
    assert answer("zoho", here, ZOHO_ACCOUNTS_URL=here) == here
    assert answer("pipedrive", here, PIPEDRIVE_OAUTH_URL=here) == here
