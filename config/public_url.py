"""Whether a URL that a tenant writes down looks like one of the open internet. Where it really leads is checked when it is called."""

import ipaddress
import re
from urllib.parse import urlsplit

_INSIDE_NAMES = (
    "localhost",
    "localdomain",
    "local",
    "internal",
    "intranet",
    "lan",
    "home",
    "corp",
    "private",
    "home.arpa",
)
# 0x7f.1, 017700000001 and 2130706433 are addresses too, to some resolvers.
_NUMBERS_ONLY = re.compile(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+))*\.?")


def why_not_public(url: str, *, schemes: tuple[str, ...] = ("https",)) -> str | None:
    """Why this URL may not be used, and the fix; None when it may. Quotes nothing of it: a URL may hold a secret."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
        _ = parts.port
    except ValueError:
        return "is not a URL that can be read"
    if parts.scheme not in schemes:
        return "must begin with https://"
    if not host:
        return "names no host"
    if parts.username is not None or parts.password is not None:
        return "must not hold a user name or password; what Earshot sends is signed instead"
    return _why_not_public_host(host)


def _why_not_public_host(host: str) -> str | None:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        if not _NUMBERS_ONLY.fullmatch(host):
            return _why_not_public_name(host)
    return "names an IP address; write the public name of the server instead"


def _why_not_public_name(host: str) -> str | None:
    if "." not in host or any(host == name or host.endswith(f".{name}") for name in _INSIDE_NAMES):
        return "points inside a network: its host is not a public name"
    return None
