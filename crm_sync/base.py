"""What every CRM adapter takes and gives: batch-first, one outcome per input, one error class."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from crm_sync.labels import CustomerLabels
from crm_sync.metering import AccountLimits

# Codes that mean the same from every CRM. The name of the field follows FIELD_MISSING ("field_missing:earshot_score").
FIELD_MISSING = "field_missing:"
RECORD_NOT_FOUND = "record_not_found"


class CrmError(Exception):
    """A CRM call that did not work. The text holds codes and field names only, never words, numbers or tokens.

    permanent: the same call can't succeed (bad field, validation rule). retry_after_s: how long the CRM asks to wait.
    connection_broken: credentials, scope or licence: the whole connection pauses until an admin acts.
    uncertain: the request left and no answer came. token_refused: a newer access token may be accepted.
    """

    def __init__(
        self,
        code: str,
        *,
        permanent: bool,
        retry_after_s: float | None = None,
        connection_broken: bool = False,
        uncertain: bool = False,
        token_refused: bool = False,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.permanent = permanent
        self.retry_after_s = retry_after_s
        self.connection_broken = connection_broken
        self.uncertain = uncertain
        self.token_refused = token_refused


@dataclass(frozen=True)
class CustomerRef:
    """A customer to look for. phones: digits with country code, no plus; e-mails lower case."""

    customer_id: str
    phones: tuple[str, ...] = field(default=(), repr=False)
    emails: tuple[str, ...] = field(default=(), repr=False)
    display_name: str | None = field(default=None, repr=False)


MatchedOn = Literal["external_id", "phone", "email", "phone_variant", "created"]


@dataclass(frozen=True)
class Candidate:
    """A CRM record that may be the customer. phone_variant: the number as another country rule spells it."""

    record_id: str
    matched_on: MatchedOn


@dataclass(frozen=True)
class Found:
    """Outcome of a search for one customer: every record that really bears one of the customer's marks, each once.

    error: why the CRM refused to search for, or to create, this one.
    """

    customer_id: str
    candidates: tuple[Candidate, ...] = ()
    error: CrmError | None = None

    @property
    def match(self) -> Candidate | None:
        """The one that may be linked without asking a person: ours by external id, or else the only one there is."""
        ours = [one for one in self.candidates if one.matched_on == "external_id"]
        among = ours or list(self.candidates)
        return among[0] if len(among) == 1 else None


@dataclass(frozen=True)
class StateWrite:
    """The labels of one customer, to be written onto one CRM record. labels: None clears them: nothing is left to judge."""

    customer_id: str
    record_id: str
    labels: CustomerLabels | None


@dataclass(frozen=True)
class CrmEvent:
    """A note or a task for one CRM record.

    key: the same event has the same key for ever; the adapter writes it once in effect. may_exist: an earlier try may have
    written it; where the CRM itself does not refuse a second event with the same key, the adapter looks for it first.
    """

    key: str
    record_id: str
    kind: Literal["note", "task"]
    subject: str = field(repr=False)
    body: str = field(repr=False)
    due_at: datetime
    high_priority: bool = False
    may_exist: bool = True


@dataclass(frozen=True)
class EmittedEvent:
    """A note or task that we wrote, to be taken away. event_id: the CRM's own id, None when it was never told."""

    key: str
    record_id: str
    kind: Literal["note", "task"]
    event_id: str | None


@dataclass(frozen=True)
class Outcome:
    """What became of one input, in input order: ref is its customer_id or key. error: None when it worked.

    record_id: where the labels stand now, when the CRM says that it is another record (merged). event_id: the CRM's id of
    the note or task.
    """

    ref: str
    error: CrmError | None = None
    record_id: str | None = None
    event_id: str | None = None


@dataclass(frozen=True)
class Account:
    """What a check tells an administrator. account_id: the CRM's own id of the account; facts: short lines, no secrets."""

    account_id: str | None
    facts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Capabilities:
    """What differs between CRMs and the caller should know.

    batch_update: records per update request. keyed_events: the CRM itself never holds two events with one key.
    external_id: it keeps our customer id unique. limits: what the smallest plan allows.
    """

    batch_update: int
    keyed_events: bool
    external_id: bool
    limits: AccountLimits


@dataclass(frozen=True)
class ProvisionReport:
    """Fields made, fields that were there, and fields an administrator must make by hand (with why)."""

    created: tuple[str, ...] = ()
    present: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


class Crm(Protocol):
    """One tenant's CRM. Every call has a timeout; blips under about 10 s are retried inside, longer ones are raised.

    What concerns one input comes back in its outcome. What concerns the CRM as a whole (credentials, limits, no answer,
    a field it lacks) is raised as CrmError; any part of the call may have been done then, and repeating it is harmless.
    """

    kind: str
    capabilities: Capabilities

    def check(self) -> Account:
        """Raises: CrmError when the credentials or scopes don't work."""
        ...

    def provision(self, *, dry_run: bool = False) -> ProvisionReport:
        """Create our fields where they are missing; safe to repeat. dry_run: only report."""
        ...

    def find(self, customers: list[CustomerRef]) -> list[Found]:
        """One Found per input, in order: by our own id, by telephone and e-mail, by the number's variants. Never creates."""
        ...

    def create(self, customers: list[CustomerRef]) -> list[Found]:
        """Create one contact per input and return its record id. Only called when the tenant allows it."""
        ...

    def write(self, writes: list[StateWrite]) -> list[Outcome]:
        """Write the labels by record id; only our own fields; repeating is harmless."""
        ...

    def emit(self, events: list[CrmEvent]) -> list[Outcome]:
        """Add notes and tasks; the same key never makes a second one."""
        ...

    def retract(self, events: list[EmittedEvent]) -> list[Outcome]:
        """Delete notes and tasks that we wrote; one that is gone already counts as deleted."""
        ...

    def read_fields(self, record_ids: list[str], fields: tuple[str, ...]) -> dict[str, dict[str, str | None]]:
        """Values of the tenant's own fields by record id, as text; None where empty. A record that is gone is left out.

        fields: names as the CRM's administrators know them; a dotted one reads the record's company ("Account.Rating").
        Raises: CrmError "field_missing:<name>" for a field that the CRM lacks.
        """
        ...
