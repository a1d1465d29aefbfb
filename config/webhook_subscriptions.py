"""What a tenant may say about a program that is told of events, and what is wrong with what it said."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args
from urllib.parse import urlsplit

from config.public_url import why_not_public

EventKind = Literal[
    "message.analyzed",
    "message.decided",
    "alert.raised",
    "alert.over",
    "conversation.resolved",
    "label.corrected",
]
EVENT_KINDS: tuple[EventKind, ...] = get_args(EventKind)
TEST_EVENT = "webhook.test"
MAX_SUBSCRIPTIONS = 20
MAX_URL_CHARS, MAX_DESCRIPTION_CHARS = 2000, 200


@dataclass(frozen=True)
class WantedSubscription:
    """What a subscription is to be. kinds: in the order of EVENT_KINDS."""

    url: str = field(repr=False)
    kinds: tuple[str, ...]
    description: str = ""
    include_text: bool = False

    @property
    def host(self) -> str:
        """Where it leads, for people who may not see the whole address."""
        return urlsplit(self.url).hostname or ""


class SubscriptionError(Exception):
    """field: which part. fix: what is wrong with it and what to do; quotes nothing of it."""

    def __init__(self, field: str, fix: str) -> None:
        super().__init__(f"{field} {fix}")
        self.field, self.fix = field, fix


def read_subscription(
    *, url: str, kinds: Sequence[str], description: str, include_text: bool, allow_private: bool
) -> WantedSubscription:
    """What was asked for, tidied. allow_private: the installation lets tenants' URLs lead into its network.

    Raises: SubscriptionError.
    """
    url, description = url.strip(), description.strip()
    if len(url) > MAX_URL_CHARS or not url.isprintable() or " " in url:
        raise SubscriptionError("url", f"must be an address of up to {MAX_URL_CHARS} characters, without blanks")
    if allow_private:
        if not url.startswith(("https://", "http://")) or not _has_host(url):
            raise SubscriptionError("url", "must begin with https:// or http:// and name a host")
    elif reason := why_not_public(url):
        raise SubscriptionError("url", reason)
    unknown = [kind for kind in kinds if kind not in EVENT_KINDS]
    if unknown or not kinds:
        raise SubscriptionError("kinds", f"must name one or more of {', '.join(EVENT_KINDS)}")
    if len(description) > MAX_DESCRIPTION_CHARS or not description.isprintable():
        raise SubscriptionError("description", f"must be one line of up to {MAX_DESCRIPTION_CHARS} characters")
    return WantedSubscription(url, tuple(kind for kind in EVENT_KINDS if kind in kinds), description, include_text)


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return bool(parts.hostname) and parts.username is None and parts.password is None
