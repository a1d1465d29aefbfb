"""Whose address a call came from, as far as it can be believed."""

import ipaddress
from collections.abc import Sequence

# Whoever has one address of such a network has them all.
_IPV6_PREFIX = 64


def client_address(peer: str, forwarded: Sequence[str], *, trusted_proxies: int) -> str:
    """The address that counts: an IPv4 address, or the network of an IPv6 one.

    peer: who is connected to us. forwarded: the entries of X-Forwarded-For, first to last. trusted_proxies: how many proxies of ours
    stand before us; each adds the address it sees, so of the entries only that many, from the right, are not the caller's own words.
    """
    given = forwarded[-trusted_proxies].strip() if 0 < trusted_proxies <= len(forwarded) else peer
    try:
        address = ipaddress.ip_address(given)
    except ValueError:
        return peer
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.IPv6Network((int(address), _IPV6_PREFIX), strict=False))
    return str(address)
