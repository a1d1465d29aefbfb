"""Addresses of machines and places: IP and MAC addresses, coordinates."""

import re
from collections.abc import Iterator

from analysis.pii_draft import Finding

# Each rule has a gate: a short piece that no such address lacks and that is quickly looked for.
_IPV4 = re.compile(r"\d(?<![\d.]\d)\d{0,2}\.(?:\d{1,3}\.){2}\d{1,3}(?!\.?\d)")
_IPV6_GATE = re.compile(r":[0-9a-f]{0,4}:[0-9a-f]{0,4}:|::")
_IPV6 = re.compile(
    r"[0-9a-f](?<![\w:].)[0-9a-f]{0,3}:(?:(?:[0-9a-f]{1,4}:){6}[0-9a-f]{1,4}|(?:[0-9a-f]{1,4}:){0,5}(?::[0-9a-f]{1,4}){1,6})(?![\w:])"
)
_MAC_GATE = re.compile(r"[:\-][0-9a-f]{2}[:\-][0-9a-f]{2}[:\-][0-9a-f]{2}[:\-]")
_MAC = re.compile(r"[0-9a-f](?<![\w:\-].)[0-9a-f]([:\-])[0-9a-f]{2}(?:\1[0-9a-f]{2}){4}(?![\w:\-])")
_VERSION_WORD = re.compile(r"(?:windows|android|ios|build|version|versiyon|surum|firmware|chrome|\bv)\.? ?$")
_DECIMALS = re.compile(r"\.\d{4,15}[^\d.]{1,6}\d{1,3}\.\d{4}")
_COORDINATES = re.compile(r"(?<![\d.])[+\-]?\d{1,2}\.\d{4,15}°? ?[ns]?[,; /]{1,3}[ew]?[+\-]?\d{1,3}\.\d{4,15}(?!\.?\d)")
_DEGREES = re.compile(r"\d{1,3}°[ \d'\".′″]{2,16}[ns][ ,]{0,3}\d{1,3}°[ \d'\".′″]{2,16}[ewo]")
# More are cut without asking whether they are versions.
MAX_CHECKED = 16


def find_network_addresses(shadow: str) -> Iterator[Finding]:
    """IP addresses (not versions), MAC addresses and coordinates."""
    if shadow.count(".") >= 3:
        for count, match in enumerate(_IPV4.finditer(shadow)):
            if count >= MAX_CHECKED or _is_ipv4(shadow, match):
                yield Finding(match.start(), match.end(), "IP", match[0])
    if _DECIMALS.search(shadow):
        for match in _COORDINATES.finditer(shadow):
            yield Finding(match.start(), match.end(), "LOCATION", match[0])
    if "°" in shadow:
        for match in _DEGREES.finditer(shadow):
            yield Finding(match.start(), match.end(), "LOCATION", match[0])
    if _MAC_GATE.search(shadow):
        for match in _MAC.finditer(shadow):
            yield Finding(match.start(), match.end(), "DEVICE", match[0].replace("-", ":"))
    if _IPV6_GATE.search(shadow):
        for match in _IPV6.finditer(shadow):
            yield Finding(match.start(), match.end(), "IP", match[0])


def _is_ipv4(shadow: str, match: re.Match[str]) -> bool:
    in_range = all(int(octet) < 256 for octet in match[0].split("."))
    return in_range and not _VERSION_WORD.search(shadow, max(0, match.start() - 12), match.start())
