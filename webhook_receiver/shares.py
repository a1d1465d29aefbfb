"""What a webhook's body holds, shared out among the tenants whose accounts it names."""

from collections import defaultdict
from dataclasses import dataclass, field, fields

from channels.base import (
    ChannelKind,
    DeliveryStatus,
    IdentityChange,
    InboundMessage,
    MarketingChoice,
    MessageEdit,
    MessageErasure,
    ParsedWebhook,
    Reaction,
)
from store.intake import is_live
from webhook_receiver.accounts import Directory
from webhook_receiver.metrics import DROPPED

# Bodies with more than this are stored for themselves.
GATHERED_MESSAGES = 20


@dataclass(frozen=True)
class Accepted:
    """One tenant's share of a body."""

    messages: list[InboundMessage] = field(default_factory=list[InboundMessage])
    statuses: list[DeliveryStatus] = field(default_factory=list[DeliveryStatus])
    edits: list[MessageEdit] = field(default_factory=list[MessageEdit])
    erasures: list[MessageErasure] = field(default_factory=list[MessageErasure])
    reactions: list[Reaction] = field(default_factory=list[Reaction])
    identity_changes: list[IdentityChange] = field(default_factory=list[IdentityChange])
    marketing_choices: list[MarketingChoice] = field(default_factory=list[MarketingChoice])

    @property
    def is_plain(self) -> bool:
        """A few messages and nothing said about others: what comes by far the most, and what locks nobody's rows."""
        return len(self.messages) <= GATHERED_MESSAGES and self.is_silent

    @property
    def is_silent(self) -> bool:
        """Nothing is said about messages or people that are here already."""
        said = (
            self.statuses,
            self.edits,
            self.erasures,
            self.reactions,
            self.identity_changes,
            self.marketing_choices,
        )
        return not any(said)

    @property
    def is_live(self) -> bool:
        """Customers' messages of now, and nothing else."""
        return self.is_silent and all(map(is_live, self.messages))

    @classmethod
    def of(cls, parsed: ParsedWebhook) -> "Accepted":
        """All of a body, for one tenant."""
        return cls(**{one.name: list(getattr(parsed, one.name)) for one in fields(cls)})


@dataclass(frozen=True)
class SharedOut:
    """accounts: those that something came to. unknown_accounts: those that nobody has here."""

    by_tenant: dict[int, Accepted]
    accounts: set[str]
    unknown_accounts: set[str]


# Of an account each, by the same names in a parsed webhook.
_SHARED = tuple(one.name for one in fields(Accepted))


def share_out(parsed: ParsedWebhook, kind: ChannelKind, *, secret: str, directory: Directory) -> SharedOut:
    """Whose each item is. Of an account that is unknown, or whose own secret did not verify this body, nothing is kept: else one tenant
    could forge another's customers.
    """
    shares: dict[int, Accepted] = defaultdict(Accepted)
    accounts: set[str] = set()
    unknown: set[str] = set()
    for name in _SHARED:
        for item in getattr(parsed, name):
            account = directory.find(kind, item.account_id)
            if account is None or secret not in account.app_secrets:
                DROPPED.labels(kind, "unknown_account" if account is None else "foreign_account").inc()
                if account is None:
                    unknown.add(item.account_id)
            else:
                accounts.add(account.account_id)
                getattr(shares[account.tenant_id], name).append(item)
    return SharedOut(dict(shares), accounts, unknown)
