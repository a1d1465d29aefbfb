"""Access tokens of Salesforce: client credentials of an External Client App, or an assertion signed with its key.

Both are OAuth 2.0 flows for a server without a person in front of it, at the org's own My Domain.
"""

import base64
import contextlib
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from config.settings import Settings
from crm_sync.base import CrmError
from crm_sync.oauth import request_token
from crm_sync.tokens import AccessToken

TOKEN_PATH = "/services/oauth2/token"  # noqa: S105 -- a path
# Salesforce takes an assertion that expires within 5 min; its clock and ours may differ.
ASSERTION_LIFE_S = 180
# A tenant's domain must not lead a request with its secret, and ours, into some other network.
_MY_DOMAIN = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.(salesforce\.(com|mil)|sfcrmproducts\.cn)")
# Take assertions, but no client credentials.
_SHARED_LOGINS = {"login.salesforce.com", "test.salesforce.com"}


@dataclass(frozen=True)
class Login:
    """Who we are to one org. host: its My Domain. client_secret, or username and private_key (PEM)."""

    host: str
    client_id: str
    client_secret: str | None = field(repr=False)
    username: str | None = None
    private_key: str | None = field(default=None, repr=False)

    @property
    def audience(self) -> str:
        """Whom an assertion is for: sandboxes have a login of their own."""
        return f"https://{'test' if '.sandbox.' in self.host else 'login'}.salesforce.com"


def read_login(credentials: Mapping[str, str]) -> Login:
    """The login in a connection's credentials.

    Raises: KeyError that names a missing part; CrmError for a domain that is no My Domain.
    """
    host = re.sub(r"^https?://", "", credentials["domain"].strip().lower()).rstrip("/")
    if not _MY_DOMAIN.fullmatch(host):
        raise CrmError("domain_is_no_my_domain", permanent=False, connection_broken=True)
    if "private_key" in credentials:
        return Login(host, credentials["client_id"], None, credentials["username"], credentials["private_key"])
    login = Login(host, credentials["client_id"], credentials["client_secret"])
    if host in _SHARED_LOGINS:
        raise CrmError("domain_is_no_my_domain", permanent=False, connection_broken=True)
    return login


def fetch_token(credentials: Mapping[str, str], settings: Settings) -> AccessToken:
    """A new access token. Salesforce does not say how long it lives; it names the host to use it at.

    Raises: KeyError that names a missing credential; CrmError.
    """
    login = read_login(credentials)
    base = settings.salesforce_login_url or f"https://{login.host}"
    if login.private_key is None:
        form = {"grant_type": "client_credentials", "client_id": login.client_id, "client_secret": login.client_secret}
    else:
        grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
        form = {"grant_type": grant, "assertion": _assertion(login, now_s=int(time.time()))}
    hosts = None if settings.salesforce_login_url else _MY_DOMAIN.pattern
    form = {name: value or "" for name, value in form.items()}
    return request_token(base + TOKEN_PATH, form, base_key="instance_url", base_hosts=hosts)


def _assertion(login: Login, *, now_s: int) -> str:
    """RFC 7523: who we are, for whom, until when, signed with the key whose certificate the app holds."""
    claims = {
        "iss": login.client_id,
        "sub": login.username,
        "aud": login.audience,
        "exp": now_s + ASSERTION_LIFE_S,
    }
    signed = f"{_encoded(json.dumps({'alg': 'RS256'}).encode())}.{_encoded(json.dumps(claims).encode())}"
    signature = _key(login).sign(signed.encode(), PKCS1v15(), SHA256())
    return f"{signed}.{_encoded(signature)}"


def _key(login: Login) -> RSAPrivateKey:
    # An environment variable often holds its line ends as two characters.
    pem = (login.private_key or "").replace("\\n", "\n").encode()
    key = None
    with contextlib.suppress(ValueError, TypeError, UnsupportedAlgorithm):
        key = load_pem_private_key(pem, password=None)
    if not isinstance(key, RSAPrivateKey):
        raise CrmError("private_key_unusable", permanent=False, connection_broken=True)
    return key


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
