"""Addresses of machines and places: IP and MAC addresses, coordinates."""

import re
from collections.abc import Iterator

from analysis.pii_draft import Finding

_IPV4 = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?!\.?\d)")
_IPV6 = re.compile(
    r"(?<![\w:])(?:[0-9a-f]{1,4}:){2,7}(?::?[0-9a-f]{1,4}){1,7}(?![\w:])|(?<![\w:])(?:[0-9a-f]{1,4}:){1,6}:(?:[0-9a-f]{1,4}:?){1,6}(?![\w:])"
)
_MAC = re.compile(r"(?<![\w:\-])[0-9a-f]{2}(?:([:\-])[0-9a-f]{2})(?:\1[0-9a-f]{2}){4}(?![\w:\-])")
_VERSION_WORD = re.compile(r"(?:windows|android|ios|build|version|versiyon|surum|firmware|chrome|\bv)\.? ?$")
_COORDINATES = re.compile(
    r"(?<![\d.])[+\-]?\d{1,2}\.\d{4,15}°? ?[ns]?[,; /]{1,3}[ew]?[+\-]?\d{1,3}\.\d{4,15}(?!\.?\d)"
    r"|\d{1,3}°[ \d'\".′″]{2,16}[ns][ ,]{0,3}\d{1,3}°[ \d'\".′″]{2,16}[ewo]"
)


def find_network_addresses(shadow: str) -> Iterator[Finding]:
    """IP addresses (not versions), MAC addresses and coordinates."""
    if shadow.count(".") >= 2:
        for match in _IPV4.finditer(shadow):
            octets = match[0].split(".")
            if all(int(octet) < 256 for octet in octets) and not _VERSION_WORD.search(
                shadow, max(0, match.start() - 12), match.start()
            ):
                yield Finding(match.start(), match.end(), "IP", match[0])
        for match in _COORDINATES.finditer(shadow):
            yield Finding(match.start(), match.end(), "LOCATION", match[0])
    if ":" in shadow or "-" in shadow:
        for match in _MAC.finditer(shadow):
            yield Finding(match.start(), match.end(), "DEVICE", match[0].replace("-", ":"))
    if shadow.count(":") >= 2:
        for match in _IPV6.finditer(shadow):
            if "::" in match[0] or match[0].count(":") == 7:
                yield Finding(match.start(), match.end(), "IP", match[0])
