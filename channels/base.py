"""What every channel speaks: inbound events, outbound messages, one error, one protocol."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

ChannelKind = Literal["whatsapp", "instagram"]
Surface = Literal["dm", "story_reply", "story_mention", "reel_comment", "comment", "live_comment"]
IdentityKind = Literal["phone", "bsuid", "parent_bsuid", "igsid", "username"]
DeliveryState = Literal["sent", "delivered", "read", "failed"]

MAX_TEXT_CHARS = 4096


class ChannelError(Exception):
    """A send that the channel did not take, or whose fate is unknown. The text holds codes only, never words or numbers.

    permanent: sending the same again can't help. retry_after_s: how long the channel asks to wait, None when it does not say.
    uncertain: the request left and no answer came, so the customer may have the message. Never send it again.
    account_blocked: the account itself can't send (token, permission, payment): stop its sends and tell an admin.
    window_closed: the customer's 24-hour window is over.
    """

    def __init__(
        self,
        code: str,
        *,
        permanent: bool,
        retry_after_s: float | None = None,
        uncertain: bool = False,
        account_blocked: bool = False,
        window_closed: bool = False,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.permanent = permanent
        self.retry_after_s = retry_after_s
        self.uncertain = uncertain
        self.account_blocked = account_blocked
        self.window_closed = window_closed


@dataclass(frozen=True)
class Identity:
    """One way to know a customer, for example ("phone", "905551112233")."""

    kind: IdentityKind
    value: str = field(repr=False)


@dataclass(frozen=True)
class InboundMessage:
    """A message as it came in a webhook: from the customer, or an echo of what the business typed elsewhere.

    text: only the customer's own words, at most 4,096 characters, clean (no NUL, no lone surrogate); None when the message has none.
    key_source: what makes this message the same message when it comes again; the provider's id where there is one.
    sent_at: the provider's time; None when the provider gave none that can be read.
    raw: the item as compact JSON in ASCII, kept for later parsers.
    """

    channel: ChannelKind
    account_id: str
    provider_message_id: str = field(repr=False)
    key_source: str = field(repr=False)
    direction: Literal["inbound", "outbound"]
    surface: Surface
    message_type: str
    identities: tuple[Identity, ...] = field(repr=False)
    sent_at: datetime | None
    text: str | None = field(repr=False)
    raw: bytes = field(repr=False)
    display_name: str | None = field(default=None, repr=False)
    reply_to_provider_id: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class DeliveryStatus:
    """What became of one of our own sends. callback: the opaque value we sent with it (our action id), None when absent."""

    channel: ChannelKind
    account_id: str
    provider_message_id: str = field(repr=False)
    callback: str | None
    state: DeliveryState
    error_code: str | None = None


@dataclass(frozen=True)
class ParsedWebhook:
    """What one signed body holds, in its own order. `dropped` counts by reason what is no message and no status."""

    messages: tuple[InboundMessage, ...] = ()
    statuses: tuple[DeliveryStatus, ...] = ()
    dropped: dict[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True)
class SendingAccount:
    """The tenant's account a message leaves from. Credentials come as arguments; adapters know no database."""

    account_id: str
    access_token: str = field(repr=False)
    login: Literal["instagram", "facebook"] | None = None
    page_id: str | None = None


@dataclass(frozen=True)
class OutboundMessage:
    """One free-form message to one customer.

    recipient: the identities known for the customer; the adapter picks the one it can send to.
    link: (label of at most 20 characters, https URL) shown as a button where the channel has one.
    reply_to_comment_id: Instagram only: send as the private reply to this comment.
    callback: opaque, at most 512 characters; comes back in status webhooks where the channel supports it.
    """

    recipient: tuple[Identity, ...] = field(repr=False)
    text: str = field(repr=False)
    link: tuple[str, str] | None = None
    reply_to_comment_id: str | None = field(default=None, repr=False)
    callback: str | None = None


class Channel(Protocol):
    """One channel kind. Parsing is pure; sending makes one HTTP request and never repeats it."""

    kind: ChannelKind

    def parse(self, payload: Any) -> ParsedWebhook:
        """Events of one decoded body. Never raises on content: what can't be read is counted in `dropped`, neighbours are kept."""
        ...

    def account_hints(self, body: bytes) -> set[str]:
        """Account ids that the unverified bytes seem to name: a hint which secret to try first, nothing more."""
        ...

    def send(self, message: OutboundMessage, *, account: SendingAccount) -> str:
        """Send once; returns the provider's message id. Raises: ChannelError."""
        ...
