"""The channels Earshot speaks: one line each."""

from collections.abc import Callable
from typing import Any

from channels import generic, instagram, whatsapp
from channels.base import Channel, ChannelKind, ParsedWebhook

# Parsing alone, for the receiver, which must start fast and needs no HTTP client.
PARSERS: dict[ChannelKind, Callable[[Any], ParsedWebhook]] = {
    "whatsapp": whatsapp.parse,
    "instagram": instagram.parse,
    "generic": generic.parse,
}
HINTS: dict[ChannelKind, Callable[[bytes], set[str]]] = {
    "whatsapp": whatsapp.account_hints,
    "instagram": instagram.account_hints,
    "generic": generic.account_hints,
}
# Where the far side recognises a repeated send, so that an interrupted one is simply tried again.
REPEATABLE: tuple[ChannelKind, ...] = ("generic",)


def build_channels(
    *,
    graph_url: str,
    instagram_url: str,
    version: str,
    timeout_s: float = 10.0,
    allow_private_addresses: bool = False,
) -> dict[ChannelKind, Channel]:
    """Channels that can send, sharing one connection pool per host.

    allow_private_addresses: let a generic channel's `reply_url` point into our own network, and over plain http.
    """
    from channels.generic_sending import Generic
    from channels.graph import GraphClient
    from channels.guarded_http import GuardedHttp
    from channels.instagram_sending import Instagram
    from channels.whatsapp_sending import WhatsApp

    graph = GraphClient(graph_url, version=version, timeout_s=timeout_s)
    instagram_graph = GraphClient(instagram_url, version=version, timeout_s=timeout_s)
    return {
        "whatsapp": WhatsApp(graph),
        "instagram": Instagram(instagram_graph=instagram_graph, facebook_graph=graph),
        "generic": Generic(GuardedHttp(timeout_s=timeout_s, allow_private_addresses=allow_private_addresses)),
    }
