"""Whose address counts when a call is refused: nobody chooses their own."""

import pytest

from console.api.client_address import client_address


@pytest.mark.parametrize(
    ("peer", "forwarded", "proxies", "address"),
    [
        ("203.0.113.9", ["198.51.100.1"], 0, "203.0.113.9"),
        ("10.0.0.1", ["198.51.100.1", " 203.0.113.9"], 1, "203.0.113.9"),
        ("10.0.0.1", ["1.1.1.1", "203.0.113.9", "10.0.0.2"], 2, "203.0.113.9"),
        ("10.0.0.1", [""], 1, "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9"], 2, "10.0.0.1"),
        ("10.0.0.1", ["not an address"], 1, "10.0.0.1"),
        ("::ffff:203.0.113.9", [""], 0, "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", [""], 0, "2001:db8:1:2::/64"),
        ("", [""], 0, ""),
    ],
)
def test_only_what_our_own_proxies_have_seen_is_believed(peer, forwarded, proxies, address):
    assert client_address(peer, forwarded, trusted_proxies=proxies) == address
