"""Who sent a webhook: Meta's HMAC over the raw bytes, and the handshake's token."""

import hashlib
import hmac
import re
from collections.abc import Iterable

_HEADER = re.compile(r"sha256=([0-9a-fA-F]{64})")
# What is echoed back in the handshake; anything else could be markup.
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{1,128}")


def _as_bytes(text: str) -> bytes:
    """Bytes of any text, lone surrogates too: comparing must not raise, and two texts never become the same bytes."""
    return text.encode(errors="surrogatepass")


def sign(body: bytes, secret: str) -> str:
    """The X-Hub-Signature-256 header for these bytes."""
    return "sha256=" + hmac.new(_as_bytes(secret), body, hashlib.sha256).hexdigest()


def signature_matches(body: bytes, header: str | None, secret: str) -> bool:
    """Whether the header is HMAC-SHA256(secret, body). Constant time; never raises; SHA-1 headers are not accepted."""
    match = _HEADER.fullmatch(header or "")
    if not match or not secret:
        return False
    expected = hmac.digest(_as_bytes(secret), body, hashlib.sha256)
    return hmac.compare_digest(expected, bytes.fromhex(match[1]))


def first_matching_secret(body: bytes, header: str | None, secrets: Iterable[str]) -> str | None:
    """The first of the secrets that made this signature, or None."""
    if not _HEADER.fullmatch(header or ""):
        return None
    return next((secret for secret in secrets if signature_matches(body, header, secret)), None)


def verify_token_matches(given: str, expected: str) -> bool:
    """Constant time over bytes: text with non-ASCII letters would raise in compare_digest. An empty token fits nothing."""
    return bool(expected) and hmac.compare_digest(_as_bytes(given), _as_bytes(expected))


def challenge_is_safe(challenge: str) -> bool:
    """Whether the challenge may be echoed."""
    return bool(_CHALLENGE.fullmatch(challenge))
