"""What minimizing a message and asking about it take from the database, in one statement: by far the most messages need all of it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from store.customers import KNOWN_NAMES, KNOWN_PHONES, KnownAs
from store.db import Connection
from store.erased_identities import WAS_ERASED, erased_by
from store.examples import EXAMPLES_AND_QUIETNESS, OF_TENANT, PublishedExamples, published_of
from store.messages import TURNS_AROUND, EarlierTurn, StoredMessage, turns_before


@dataclass(frozen=True)
class Material:
    """sender_was_erased: after they had written this. turns: those before the message, oldest first."""

    sender_was_erased: bool
    known_as: KnownAs
    examples: PublishedExamples
    is_quiet: bool
    turns: tuple[EarlierTurn, ...] = field(repr=False)


_EXISTS, _NEXT, _LAST = "SELECT EXISTS (", ", ", "), "
_BEFORE_TURNS = ", (SELECT coalesce(jsonb_agg(jsonb_build_array(id, direction, text, minimized_text)), '[]') FROM ("
_AFTER_TURNS = ") AS turn)"
_READ = (
    _EXISTS
    + WAS_ERASED
    + _LAST
    + KNOWN_NAMES
    + _NEXT
    + KNOWN_PHONES
    + _NEXT
    + EXAMPLES_AND_QUIETNESS
    + _BEFORE_TURNS
    + TURNS_AROUND
    + _AFTER_TURNS
    + OF_TENANT
)


def read_material(
    conn: Connection,
    tenant_id: int,
    message: StoredMessage,
    *,
    customer_id: str,
    conversation_id: str,
    sender: Iterable[tuple[str, str]],
    most_turns: int,
    until_now: bool,
    pepper: bytes,
) -> Material:
    """For a message of this customer's in this conversation. sender: (kind, value) of who is to be refused when erased meanwhile.

    What holds from now on needs its locks before: the customer's for who was erased, the context's for the turns.
    Raises: LookupError when there is no such tenant.
    """
    values = erased_by(tenant_id, sender, at=message.sent_at, pepper=pepper) | turns_before(
        conversation_id=conversation_id,
        sent_at=message.sent_at,
        message_id=message.id,
        limit=most_turns,
        until_now=until_now,
    )
    row = conn.execute(_READ, {**values, "customer": customer_id}).fetchone()
    if row is None:
        raise LookupError(tenant_id)
    was_erased, names, phones, is_quiet, version, stored, turns = row
    return Material(
        sender_was_erased=was_erased,
        known_as=KnownAs(tuple(names), tuple(phones)),
        examples=published_of(version, stored),
        is_quiet=is_quiet,
        turns=tuple(EarlierTurn(*turn) for turn in reversed(turns)),
    )
