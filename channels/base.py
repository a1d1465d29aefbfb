"""What every channel speaks: inbound events, outbound messages, one error, one protocol."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

ChannelKind = Literal["whatsapp", "instagram", "generic"]
Surface = Literal["dm", "story_reply", "story_mention", "reel_comment", "comment", "live_comment"]
IdentityKind = Literal["phone", "bsuid", "parent_bsuid", "igsid", "username", "email", "external"]
Author = Literal["customer", "human", "bot"]
DeliveryState = Literal["sent", "delivered", "read", "failed"]

MAX_TEXT_CHARS = 4096


class ChannelError(Exception):
    """A send that the channel did not take, or whose fate is unknown. The text holds codes only, never words or numbers.

    permanent: sending the same again can't help. retry_after_s: how long the channel asks to wait, None when it does not say.
    uncertain: the request left and no answer came, so the customer may have the message. Never send it again.
    account_blocked: the account itself can't send (token, permission, payment): stop its sends and tell an admin.
    window_closed: the customer's 24-hour window is over.
    channel_down: it can't be reached or is broken inside, so that the next send would fare alike.
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
        channel_down: bool = False,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.permanent = permanent
        self.retry_after_s = retry_after_s
        self.uncertain = uncertain
        self.account_blocked = account_blocked
        self.window_closed = window_closed
        self.channel_down = channel_down


@dataclass(frozen=True)
class Identity:
    """One way to know a customer, for example ("phone", "905551112233")."""

    kind: IdentityKind
    value: str = field(repr=False)


@dataclass(frozen=True)
class AdTwin:
    """What a comment on a boosted post shares with its twin: Meta may deliver it once for the post and once for the ad.

    source: post, writer and words. from_ad: which of the two this one is.
    """

    source: str = field(repr=False)
    from_ad: bool


@dataclass(frozen=True)
class InboundMessage:
    """A message as it came in a webhook: from the customer, or an echo of what the business typed elsewhere.

    text: only the customer's own words, at most 4,096 characters, clean (no NUL, no lone surrogate); None when the message has none.
    key_source: what makes this message the same message when it comes again; the provider's id where there is one.
    sent_at: the provider's time; None when the provider gave none that can be read.
    raw: the item as compact JSON in ASCII, kept for later parsers.
    author: who wrote it: the customer, a person of the business in the channel's own app, or the channel's own bot.
    group_id: the group it was written in; None for a conversation of two.
    is_history: uploaded when the account was connected, months old perhaps: stored, never triaged.
    choice_id: what we named the answer that was tapped (see Choice), None for what was typed.
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
    author: Author = "customer"
    group_id: str | None = field(default=None, repr=False)
    is_history: bool = False
    ad_twin: AdTwin | None = field(default=None, repr=False)
    choice_id: str | None = None


@dataclass(frozen=True)
class MessageEdit:
    """New words for a message.

    message: the message as it reads now, under the original's own id and key: when the edit comes first, it becomes the
    message, and the original is a duplicate of it. edited_at: orders several edits; None when the provider gave no time.
    """

    message: InboundMessage
    edited_at: datetime | None

    @property
    def account_id(self) -> str:
        """The account it came to."""
        return self.message.account_id


@dataclass(frozen=True)
class MessageErasure:
    """Somebody took a message back. message: the original's id, key and people, without words: a tombstone when it comes first."""

    message: InboundMessage

    @property
    def account_id(self) -> str:
        """The account it came to."""
        return self.message.account_id


@dataclass(frozen=True)
class Reaction:
    """An emoji on a message. target_source: the key_source of that message. emoji: None when the reaction was taken back."""

    channel: ChannelKind
    account_id: str
    target_source: str = field(repr=False)
    actor: str = field(repr=False)
    by_business: bool
    emoji: str | None
    reacted_at: datetime | None


@dataclass(frozen=True)
class IdentityChange:
    """The channel says that one customer, known as any of `before`, is also or from now on known as all of `after`.

    replaces: what stands in `before` and not in `after` is the customer's no longer, and may become somebody else's.
    notice_id: the provider's id of the notice, by which it is recognised when it comes again.
    """

    channel: ChannelKind
    account_id: str
    before: tuple[Identity, ...] = field(repr=False)
    after: tuple[Identity, ...] = field(repr=False)
    changed_at: datetime | None
    replaces: bool = True
    notice_id: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class MarketingChoice:
    """The customer switched the business's marketing messages off or on in the channel itself."""

    channel: ChannelKind
    account_id: str
    identities: tuple[Identity, ...] = field(repr=False)
    accepts: bool
    chosen_at: datetime | None


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
    """What one signed body holds, each kind in the body's order. `dropped` counts by reason what is none of them."""

    messages: tuple[InboundMessage, ...] = ()
    statuses: tuple[DeliveryStatus, ...] = ()
    edits: tuple[MessageEdit, ...] = ()
    erasures: tuple[MessageErasure, ...] = ()
    reactions: tuple[Reaction, ...] = ()
    identity_changes: tuple[IdentityChange, ...] = ()
    marketing_choices: tuple[MarketingChoice, ...] = ()
    dropped: dict[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True)
class SendingAccount:
    """The tenant's account a message leaves from. Credentials come as arguments; adapters know no database.

    signing_secret and reply_url: where a generic channel's answers go, and what signs them.
    """

    account_id: str
    access_token: str = field(repr=False)
    login: Literal["instagram", "facebook"] | None = None
    page_id: str | None = None
    waba_id: str | None = None
    signing_secret: str = field(default="", repr=False)
    reply_url: str | None = None


@dataclass(frozen=True)
class Choice:
    """One answer the customer can tap. id: comes back with the tap, at most 200 characters. title: at most 20."""

    id: str
    title: str


@dataclass(frozen=True)
class Template:
    """A template that the channel has approved: the only form that may leave when the customer's window is over.

    language: the channel's code ("en_US", "tr"). parameters: the body's placeholders in order.
    """

    name: str
    language: str
    parameters: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class OutboundMessage:
    """One message to one customer.

    recipient: the identities known for the customer, preferred first within a kind; the adapter picks the one it can send to.
    text: the words; beside a template they are not sent.
    link: (label of at most 20 characters, https URL) shown as a button where the channel has one, else below the text.
    choices: answers to tap, where the channel has such. Of template, choices and link the first that is given counts.
    quotes_provider_id: the message this one answers, shown as a quote where the channel can.
    reply_to_comment_id: Instagram: answer this comment, in private unless `in_public`.
    written_by: "human" for what a person typed.
    human_agent: Instagram: the 24-hour window is over, and what leaves was written by a person, never by an automation.
    callback: opaque, at most 512 characters; comes back in status webhooks where the channel supports it, and is the
    idempotency key where the channel takes one.
    """

    recipient: tuple[Identity, ...] = field(repr=False)
    text: str = field(repr=False)
    link: tuple[str, str] | None = None
    choices: tuple[Choice, ...] = ()
    template: Template | None = None
    quotes_provider_id: str | None = field(default=None, repr=False)
    reply_to_comment_id: str | None = field(default=None, repr=False)
    in_public: bool = False
    written_by: Literal["automation", "human"] = "automation"
    human_agent: bool = False
    callback: str | None = None


@dataclass(frozen=True)
class AccountState:
    """What the channel says about an account.

    token: "alive", "dead" (refused: a person must renew it) or "unknown" (could not be asked).
    subscribed: whether webhooks are switched on; None when that could not be asked.
    """

    token: Literal["alive", "dead", "unknown"]
    subscribed: bool | None = None
    error_code: str | None = None


@dataclass(frozen=True)
class RefreshedToken:
    """A token with a new lease of life. lifetime_s: seconds it is good for."""

    access_token: str = field(repr=False)
    lifetime_s: int


class Channel(Protocol):
    """One channel kind. Parsing is pure; sending makes one HTTP request and never repeats it.

    sends_are_idempotent: the far side recognises a repeated `callback`, so an interrupted send may be tried again.
    """

    kind: ChannelKind
    sends_are_idempotent: bool

    def parse(self, payload: Any) -> ParsedWebhook:
        """Events of one decoded body. Never raises on content: what can't be read is counted in `dropped`, neighbours are kept."""
        ...

    def account_hints(self, body: bytes) -> set[str]:
        """Account ids that the unverified bytes seem to name: a hint which secret to try first, nothing more."""
        ...

    def send(self, message: OutboundMessage, *, account: SendingAccount) -> str:
        """Send once; returns the provider's message id.

        Raises: ChannelError, with window_closed when the channel's window is over and the message holds nothing that may
        leave then; nothing is sent in that case.
        """
        ...

    def mark_read(self, provider_message_id: str, *, recipient: tuple[Identity, ...], account: SendingAccount) -> None:
        """Show the customer that the message was read and an answer is being written. Raises: ChannelError."""
        ...

    def inspect(self, account: SendingAccount) -> AccountState:
        """Whether the account's token works and its webhooks are switched on. Raises: nothing; "unknown" says it could not ask."""
        ...

    def refresh_token(self, account: SendingAccount) -> RefreshedToken | None:
        """A token with a new lifetime; None when this account's tokens do not age. Raises: ChannelError."""
        ...
