"""Who may read /metrics: how much comes in and goes wrong is nobody's business outside."""

import hmac
import ipaddress
from collections.abc import Mapping

_LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")
_SAYS_FORWARDED = ("x-forwarded-for", "x-forwarded-host", "x-real-ip", "forwarded", "via")


def may_read_metrics(peer: str, headers: Mapping[str, str], *, token: str | None, trusted_proxies: int = 0) -> bool:
    """With a token (METRICS_TOKEN): whoever sends it as `Authorization: Bearer …`. Without: a process of this machine, no proxy.

    peer: who is connected to us. headers: by lower-case name. trusted_proxies: how many proxies are said to stand before us; then nobody comes from this
    machine, since the proxy may be on it and speak for anybody.
    """
    if token:
        given = headers.get("authorization", "").encode(errors="surrogatepass")
        return hmac.compare_digest(given, f"Bearer {token}".encode())
    # A page whose name was turned to 127.0.0.1 asks from this machine too, but under its own name.
    is_local_name = headers.get("host", "").rsplit(":", maxsplit=1)[0] in _LOCAL_NAMES or headers.get("host") == "[::1]"
    if trusted_proxies or not is_local_name or any(name in headers for name in _SAYS_FORWARDED):
        return False
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
