"""Salesforce's token endpoint: client credentials, and assertions signed with a key whose certificate the org knows."""

import base64
import json
import secrets
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from devstack.standins.exchange import Answer, Request
from devstack.standins.salesforce_org import Org, Orgs

TOKEN_LIFE_S = 7_200.0
MAX_ASSERTION_LIFE_S = 300.0
_AUDIENCES = {"https://login.salesforce.com", "https://test.salesforce.com"}


@dataclass(frozen=True)
class _Session:
    org: Org
    ends_at: float


class _Denied(Exception):
    """No token. The two texts are OAuth's error and its description."""


class Sessions:
    """Access tokens that were handed out."""

    def __init__(self, orgs: Orgs) -> None:
        self._orgs = orgs
        self._by_token: dict[str, _Session] = {}

    def find(self, token: str) -> Org | None:
        """The org of a token that is still good."""
        session = self._by_token.get(token)
        return session.org if session and session.ends_at > time.monotonic() else None

    def answer(self, request: Request, *, life_s: float | None, works: bool) -> Answer:
        """`POST /services/oauth2/token`. Salesforce does not say how long a token lives."""
        form = dict(parse_qsl(request.body.decode(errors="replace"), keep_blank_values=True))
        try:
            if not works:
                raise _Denied("invalid_grant", "no client credentials user enabled")
            org = self._org_of(form)
        except _Denied as denied:
            return Answer({"error": denied.args[0], "error_description": denied.args[1]}, 400)
        token = f"{org.organization.id[:15]}!{secrets.token_urlsafe(32)}"
        self._by_token[token] = _Session(org, time.monotonic() + (TOKEN_LIFE_S if life_s is None else life_s))
        base = f"http://{request.headers.get('host', 'localhost')}"
        return Answer(
            {
                "access_token": token,
                "instance_url": base,
                "id": f"{base}/id/{org.organization.id}/{org.user.id}",
                "token_type": "Bearer",
                "scope": "api",
                "issued_at": str(int(time.time() * 1000)),
                "signature": secrets.token_urlsafe(16),
            }
        )

    def _org_of(self, form: dict[str, str]) -> Org:
        grant, client_id = form.get("grant_type"), form.get("client_id", "")
        if grant == "client_credentials":
            if not client_id or not form.get("client_secret"):
                raise _Denied("invalid_client_id", "client identifier invalid")
            if not self._orgs.accepts(client_id, form["client_secret"]):
                raise _Denied("invalid_client", "invalid client credentials")
            return self._orgs.of(client_id)
        if grant == "urn:ietf:params:oauth:grant-type:jwt-bearer":
            return self._orgs.of(self._signer(form.get("assertion", "")))
        raise _Denied("unsupported_grant_type", "grant type not supported")

    def _signer(self, assertion: str) -> str:
        """The client id of a good assertion."""
        try:
            head, claims, signature = assertion.split(".")
            header, claimed = _decoded(head), _decoded(claims)
            key = load_pem_public_key(self._orgs.certificates[claimed["iss"]].encode())
            if header.get("alg") != "RS256" or not isinstance(key, RSAPublicKey):
                raise _Denied("invalid_grant", "invalid assertion")
            key.verify(_bytes(signature), f"{head}.{claims}".encode(), PKCS1v15(), SHA256())
            left_s = float(claimed["exp"]) - time.time()
            who, audience = claimed["sub"], claimed["aud"]
        except KeyError:
            raise _Denied("invalid_client_id", "client identifier invalid") from None
        except (InvalidSignature, ValueError):
            raise _Denied("invalid_grant", "invalid assertion") from None
        if audience not in _AUDIENCES or not 0 < left_s <= MAX_ASSERTION_LIFE_S:
            raise _Denied("invalid_grant", "audience is invalid or assertion expired")
        if who != self._orgs.of(claimed["iss"]).user.values["Username"]:
            raise _Denied("invalid_grant", "user hasn't approved this consumer")
        return claimed["iss"]


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _decoded(text: str) -> dict[str, Any]:
    decoded = json.loads(_bytes(text))
    if not isinstance(decoded, dict):
        raise _Denied("invalid_grant", "invalid assertion")
    return decoded
