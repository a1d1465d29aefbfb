"""Signing in through an OpenID provider: discovery, code flow with PKCE, and what its tokens must prove. Needs the extra `oidc`."""

import importlib.util
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from config.settings import Settings, SettingsError

# Signed with the provider's own key; what is signed with the client's secret, or not at all, proves nothing.
ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
TIMEOUT_S = (3.05, 10)
LEEWAY_S = 60
KEPT_S, REFETCH_S = 3600.0, 30.0
# One that does not answer is left alone so long: each try may hold a visitor for seconds.
LEFT_ALONE_S = 5.0
MAX_SUBJECT_CHARS = 255
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}

Code = Literal["provider_off", "provider_refused", "provider_stale", "provider_wrong"]


class OidcError(Exception):
    """It did not work out. code: what the person is told; reason: for the log, neither tokens nor names."""

    def __init__(self, code: Code, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code, self.reason = code, reason


@dataclass(frozen=True)
class Begun:
    """A sign-in that is under way in one browser, which keeps this until it comes back."""

    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True)
class Identity:
    """Who somebody is, as the provider vouches. email: None unless the provider has checked it and says so; is_known: it gave one."""

    issuer: str
    subject: str
    email: str | None
    is_known: bool
    name: str


def new_provider(settings: Settings) -> "Provider | None":
    """None when no provider is set up. Raises: SettingsError when one is, and the extra is not installed."""
    if not settings.oidc_issuer:
        return None
    if importlib.util.find_spec("authlib") is None:
        message = "OIDC_ISSUER is set, and signing in through a provider is not installed: pip install 'earshot[oidc]'"
        raise SettingsError(message)
    if not _is_safe(settings.oidc_issuer, settings):
        message = "OIDC_ISSUER must begin with https:// (http:// only on this machine, or with ALLOW_PRIVATE_URLS)"
        raise SettingsError(message)
    return Provider(settings)


def _is_safe(url: object, settings: Settings) -> bool:
    if not isinstance(url, str):
        return False
    parts = urlsplit(url)
    is_near = parts.hostname in _LOOPBACK or settings.allow_private_urls
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and is_near))


class Provider:
    """One a process. What it says of itself is fetched when somebody first signs in, so that the console starts without it."""

    def __init__(self, settings: Settings) -> None:
        assert settings.oidc_issuer and settings.oidc_client_id and settings.oidc_client_secret
        self._settings = settings
        self._issuer = settings.oidc_issuer.rstrip("/")
        self._client_id = settings.oidc_client_id
        self._secret = settings.oidc_client_secret
        self.name = settings.oidc_name or urlsplit(settings.oidc_issuer).hostname or "OpenID"
        self._lock = threading.Lock()
        self._metadata: Mapping[str, Any] = {}
        self._keys: Any = None
        self._known_at = self._keys_at = float("-inf")
        self._silent_until = 0.0

    def begin(self, redirect_uri: str) -> tuple[str, Begun]:
        """(address at the provider, what the browser keeps). Raises: OidcError."""
        metadata = self._described()
        begun = Begun(secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(48))
        with self._client(redirect_uri) as client:
            url, _ = client.create_authorization_url(
                metadata["authorization_endpoint"], state=begun.state, nonce=begun.nonce, code_verifier=begun.verifier
            )
        return url, begun

    def finish(self, given: Mapping[str, str], begun: Begun, redirect_uri: str) -> Identity:
        """Who came back. given: the answer's parameters. Raises: OidcError."""
        if not secrets.compare_digest(given.get("state", "").encode(), begun.state.encode()):
            raise OidcError("provider_stale", "state")
        metadata = self._described()
        # Another provider's answer, sent here to have its code tried (RFC 9207).
        if "iss" in given and given["iss"] != metadata["issuer"]:
            raise OidcError("provider_wrong", "iss")
        if "error" in given or not given.get("code"):
            raise OidcError("provider_refused", "error")
        token = self._exchange(given["code"], begun, redirect_uri)
        claims = self._checked(token, begun)
        if "email" not in claims and metadata.get("userinfo_endpoint"):
            claims = {**self._userinfo(metadata["userinfo_endpoint"], token, claims["sub"]), **claims}
        email = claims.get("email")
        is_verified = claims.get("email_verified") in (True, "true")
        name = claims.get("name")
        return Identity(
            metadata["issuer"],
            claims["sub"],
            email=email.strip().lower() if isinstance(email, str) and is_verified else None,
            is_known=isinstance(email, str),
            name=name if isinstance(name, str) else "",
        )

    def _client(self, redirect_uri: str | None = None, token: Mapping[str, Any] | None = None) -> Any:
        from authlib.integrations.requests_client import OAuth2Session  # the extra

        supported = self._metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        client: Any = OAuth2Session(
            self._client_id,
            self._secret.get_secret_value(),
            token_endpoint_auth_method="client_secret_basic"
            if "client_secret_basic" in supported
            else "client_secret_post",
            scope="openid email profile",
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            token=dict(token) if token else None,
            default_timeout=TIMEOUT_S,
            leeway=0,
        )
        # What a provider says of itself stands where it says; a redirect would carry codes and secrets elsewhere.
        client.max_redirects = 0
        return client

    def _fetch(self, url: str, *, token: Mapping[str, Any] | None = None) -> dict[str, Any]:
        import requests
        from authlib.common.errors import AuthlibBaseError

        try:
            with self._client(token=token) as client:
                answer = client.get(url, withhold_token=token is None, headers={"Accept": "application/json"})
            answer.raise_for_status()
            body = answer.json()
        except (requests.RequestException, AuthlibBaseError, ValueError) as error:
            raise OidcError("provider_off", type(error).__name__) from None
        if not isinstance(body, dict):
            raise OidcError("provider_off", "no object")
        return body

    def _described(self) -> Mapping[str, Any]:
        with self._lock:
            if time.monotonic() - self._known_at < KEPT_S:
                return self._metadata
            if time.monotonic() < self._silent_until:
                raise OidcError("provider_off", "it did not answer a moment ago")
            self._silent_until = time.monotonic() + LEFT_ALONE_S
            found = self._fetch(f"{self._issuer}/.well-known/openid-configuration")
            if not isinstance(found.get("issuer"), str) or found["issuer"].rstrip("/") != self._issuer:
                raise OidcError("provider_wrong", "issuer")
            needed = ("authorization_endpoint", "token_endpoint", "jwks_uri")
            used = [*needed, *(["userinfo_endpoint"] if found.get("userinfo_endpoint") else [])]
            if not all(_is_safe(found.get(name), self._settings) for name in used):
                raise OidcError("provider_off", "endpoints")
            self._metadata, self._known_at, self._silent_until = found, time.monotonic(), 0.0
            return found

    def _exchange(self, code: str, begun: Begun, redirect_uri: str) -> Mapping[str, Any]:
        import requests
        from authlib.common.errors import AuthlibBaseError

        try:
            with self._client(redirect_uri) as client:
                token = client.fetch_token(self._metadata["token_endpoint"], code=code, code_verifier=begun.verifier)
        except AuthlibBaseError:
            raise OidcError("provider_refused", "token") from None
        except (requests.RequestException, ValueError) as error:
            raise OidcError("provider_off", type(error).__name__) from None
        return token

    def _checked(self, token: Mapping[str, Any], begun: Begun) -> dict[str, Any]:
        """The claims of an identity token that the provider signed, for us, now, for this very sign-in."""
        from authlib.oidc.core import CodeIDToken
        from joserfc import jwt
        from joserfc.errors import JoseError

        given = token.get("id_token")
        if not isinstance(given, str):
            raise OidcError("provider_wrong", "no id_token")
        supported = self._metadata.get("id_token_signing_alg_values_supported") or ["RS256"]
        algorithms = sorted(ALGORITHMS.intersection(supported)) or ["RS256"]
        try:
            try:
                decoded = jwt.decode(given, self._signing_keys(), algorithms=algorithms)
            except (JoseError, ValueError):
                # It may have changed its keys since we looked.
                decoded = jwt.decode(given, self._signing_keys(is_anew=True), algorithms=algorithms)
            claims = CodeIDToken(
                decoded.claims,
                decoded.header,
                options={
                    "iss": {"essential": True, "value": self._metadata["issuer"]},
                    "aud": {"essential": True, "value": self._client_id},
                },
                params={
                    "nonce": begun.nonce,
                    "client_id": self._client_id,
                    "access_token": token.get("access_token"),
                },
            )
            claims.validate(now=int(time.time()), leeway=LEEWAY_S)
        except (JoseError, ValueError, TypeError) as error:
            raise OidcError("provider_wrong", type(error).__name__) from None
        subject = claims["sub"]
        if not (isinstance(subject, str) and 0 < len(subject) <= MAX_SUBJECT_CHARS and subject.isprintable()):
            raise OidcError("provider_wrong", "sub")
        return dict(claims)

    def _signing_keys(self, *, is_anew: bool = False) -> Any:
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        with self._lock:
            if time.monotonic() - self._keys_at < (REFETCH_S if is_anew else KEPT_S):
                return self._keys
            found = self._fetch(self._metadata["jwks_uri"])
            try:
                keys = KeySet.import_key_set({"keys": [one for one in found["keys"] if one.get("use", "sig") == "sig"]})
            except (JoseError, ValueError, TypeError, KeyError, AttributeError):
                raise OidcError("provider_off", "keys") from None
            self._keys, self._keys_at = keys, time.monotonic()
            return keys

    def _userinfo(self, url: str, token: Mapping[str, Any], subject: str) -> dict[str, Any]:
        found = self._fetch(url, token=token)
        # Of somebody else it would prove nothing (OpenID Connect Core 5.3.2).
        if found.get("sub") != subject:
            raise OidcError("provider_wrong", "userinfo")
        return {name: found[name] for name in ("email", "email_verified", "name") if name in found}
