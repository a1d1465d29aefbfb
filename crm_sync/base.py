"""What every CRM adapter takes and gives: batch-first, one outcome per input, one error class."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from crm_sync.labels import CustomerLabels

# Codes that mean the same from every CRM. The name of the field follows FIELD_MISSING ("field_missing:earshot_score").
FIELD_MISSING = "field_missing:"
RECORD_NOT_FOUND = "record_not_found"


class CrmError(Exception):
    """A CRM call that did not work. The text holds codes and field names only, never words, numbers or tokens.

    permanent: the same call can't succeed (bad field, validation rule). retry_after_s: how long the CRM asks to wait.
    connection_broken: credentials, scope or licence: the whole connection pauses until an admin acts.
    uncertain: the request left and no answer came.
    """

    def __init__(
        self,
        code: str,
        *,
        permanent: bool,
        retry_after_s: float | None = None,
        connection_broken: bool = False,
        uncertain: bool = False,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.permanent = permanent
        self.retry_after_s = retry_after_s
        self.connection_broken = connection_broken
        self.uncertain = uncertain


@dataclass(frozen=True)
class CustomerRef:
    """A customer to look for. phones: digits with country code, no plus; e-mails lower case."""

    customer_id: str
    phones: tuple[str, ...] = field(default=(), repr=False)
    emails: tuple[str, ...] = field(default=(), repr=False)
    display_name: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Found:
    """Outcome of a search for one customer: the record's id when exactly one matched, else None and how many did.

    error: why the CRM refused to search for, or to create, this one.
    """

    customer_id: str
    record_id: str | None
    matches: int
    error: CrmError | None = None


@dataclass(frozen=True)
class StateWrite:
    """The labels of one customer, to be written onto one CRM record. labels: None clears them: nothing is left to judge."""

    customer_id: str
    record_id: str
    labels: CustomerLabels | None


@dataclass(frozen=True)
class CrmEvent:
    """A note or a task for one CRM record.

    key: the same event has the same key for ever; the adapter writes it once in effect.
    """

    key: str
    record_id: str
    kind: Literal["note", "task"]
    subject: str = field(repr=False)
    body: str = field(repr=False)
    due_at: datetime
    high_priority: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of one input, in input order. error: None when it worked."""

    ref: str
    error: CrmError | None = None


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

    def check(self) -> None:
        """Raises: CrmError when the credentials or scopes don't work."""
        ...

    def provision(self) -> ProvisionReport:
        """Create our fields where they are missing; safe to repeat."""
        ...

    def find(self, customers: list[CustomerRef]) -> list[Found]:
        """One Found per input, in order. Never creates."""
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

    def read_value(self, record_ids: list[str], field: str) -> dict[str, str | None]:
        """The value of one of the tenant's own fields per record; None where it is empty or the record is gone."""
        ...
