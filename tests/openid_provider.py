"""A stand-in for an OpenID provider on loopback: discovery, keys, code flow with PKCE, tokens signed with RS256, and lies on demand."""

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

CLIENT_ID, CLIENT_SECRET = "earshot-client", "client-secret-of-the-tests"


def _encoded(part):
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


class OpenIdProvider:
    """lies: what goes wrong at the next sign-in, by name. claims: what the token says besides the rest. Close it with stop()."""

    def __init__(self):
        self.key, self.wrong_key = (RSAKey.generate_key(2048, {"kid": name}) for name in ("one", "stranger"))
        self.claims, self.lies, self.codes, self.asked = {}, set(), {}, []
        self.userinfo = {}
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                provider._answer(self, {})

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                provider._answer(self, {name: one[0] for name, one in parse_qs(body).items()})

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()

    def agree(self, url):
        """The person says yes there; returns the address to which their browser is sent back."""
        answer = httpx2.get(url, follow_redirects=False)
        assert answer.status_code == 302, answer.text
        return answer.headers["location"]

    def _answer(self, handler, form):
        parts = urlsplit(handler.path)
        query = {name: one[0] for name, one in parse_qs(parts.query).items()}
        self.asked.append(parts.path)
        pages = {
            "/.well-known/openid-configuration": self._metadata,
            "/jwks": self._jwks,
            "/authorize": lambda: self._authorize(query),
            "/token": lambda: self._token(form, handler.headers),
            "/userinfo": lambda: (200, {"sub": "subject-1", **self.userinfo}),
        }
        status, body = pages[parts.path]()
        handler.send_response(status)
        if status == 302:
            handler.send_header("Location", body)
            body = {}
        text = json.dumps(body).encode()
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text)

    def _metadata(self):
        if "away" in self.lies:
            return 503, {}
        if "moved" in self.lies:
            return 302, f"{self.url}/elsewhere"
        return 200, {
            "issuer": "https://another.example" if "other issuer's metadata" in self.lies else self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": "http://token.example/token" if "plain endpoint" in self.lies else f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "response_types_supported": ["code"],
            "id_token_signing_alg_values_supported": ["RS256", "none", "HS256"],
        }

    def _jwks(self):
        return 200, {"keys": [self.key.as_dict(private=False, use="sig", alg="RS256")]}

    def _authorize(self, query):
        assert query["response_type"] == "code" and query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split() and query["client_id"] == CLIENT_ID
        if "refused" in self.lies:
            back = {"error": "access_denied", "state": query["state"]}
        else:
            code = secrets.token_urlsafe(16)
            self.codes[code] = query
            back = {"code": code, "state": query["state"]}
        if "other issuer answers" in self.lies:
            back["iss"] = "https://another.example"
        if "wrong state" in self.lies:
            back["state"] = "made-up"
        return 302, f"{query['redirect_uri']}?{urlencode(back)}"

    def _token(self, form, headers):
        given = base64.b64decode(headers.get("Authorization", "").removeprefix("Basic ")).decode()
        asked = self.codes.pop(form.get("code"), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if given != f"{CLIENT_ID}:{CLIENT_SECRET}":
            return 401, {"error": "invalid_client"}
        if asked is None or asked["code_challenge"] != challenge or asked["redirect_uri"] != form.get("redirect_uri"):
            return 400, {"error": "invalid_grant"}
        access_token = secrets.token_urlsafe(16)
        body = {"access_token": access_token, "token_type": "Bearer", "expires_in": 60}
        return 200, body if "no token" in self.lies else {**body, "id_token": self._signed(asked["nonce"])}

    def _signed(self, nonce):
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": CLIENT_ID,
            "sub": "subject-1",
            "nonce": nonce,
            "iat": now,
            "exp": now + 60,
            "email": "ann@example.com",
            "email_verified": True,
            **self.claims,
        }
        claims |= {
            "wrong nonce": {"nonce": "made-up"},
            "wrong audience": {"aud": "another-client"},
            "several audiences": {"aud": [CLIENT_ID, "another"], "azp": "another"},
            "expired": {"iat": now - 7200, "exp": now - 3600},
            "other issuer": {"iss": "https://another.example"},
            "from the future": {"iat": now + 7200, "exp": now + 9000},
            "wrong access token": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
        }.get(next(iter(self.lies), ""), {})
        if "no nonce" in self.lies:
            del claims["nonce"]
        if "no subject" in self.lies:
            del claims["sub"]
        claims = {name: value for name, value in claims.items() if value is not None}
        if "no signature" in self.lies:
            return f"{_encoded({'alg': 'none'})}.{_encoded(claims)}."
        if "signed with the secret" in self.lies:
            return jwt.encode(
                {"alg": "HS256", "kid": "one"}, claims, OctKey.import_key(CLIENT_SECRET), algorithms=["HS256"]
            )
        if "signed with the public key" in self.lies:
            signed = f"{_encoded({'alg': 'HS256', 'kid': 'one'})}.{_encoded(claims)}"
            digest = hmac.digest(self.key.as_pem(private=False), signed.encode(), "sha256")
            return f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"
        key = self.wrong_key if "signed by a stranger" in self.lies else self.key
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, key, algorithms=["RS256"])
