"""Whether Meta still takes an account's token and still sends its webhooks."""

from urllib.parse import quote

from channels.base import AccountState, ChannelError
from channels.graph import GraphClient
from channels.reading import as_objects

# The token itself, not a permission of it: somebody must make a new one.
_DEAD_TOKEN = ("graph_190", "graph_102", "http_401", "token_unusable")


def inspect_account(graph: GraphClient, *, node: str, subscribed_node: str | None, token: str) -> AccountState:
    """Two small reads. subscribed_node: whose webhooks are asked for; None when that is not known."""
    try:
        graph.get(quote(node, safe=""), token=token, parameters={"fields": "id"})
    except ChannelError as error:
        state = "dead" if error.code in _DEAD_TOKEN else "unknown"
        return AccountState(token=state, error_code=error.code)
    if subscribed_node is None:
        return AccountState(token="alive")  # noqa: S106 -- a state, not a password
    try:
        answer = graph.get(f"{quote(subscribed_node, safe='')}/subscribed_apps", token=token)
    except ChannelError as error:  # a token may send without being allowed to ask this
        return AccountState(token="alive", error_code=error.code)  # noqa: S106
    subscribed = any(True for _ in as_objects(answer["data"])) if isinstance(answer.get("data"), list) else None
    return AccountState(token="alive", subscribed=subscribed)  # noqa: S106
