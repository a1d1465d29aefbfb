"""What channels say about people, applied: numbers and ids that change or belong together, and who wants marketing.

The rules and why they are as they are: docs/adr/0008-one-customer-many-identities.md.
"""

from collections.abc import Sequence
from datetime import timedelta

from channels.base import IdentityChange, MarketingChoice
from store.db import Connection
from store.erased_identities import was_erased
from store.identities import TRUSTED, attach, lock_identities, resolve_customer, settle_owner, sought_of
from store.intake import key_of
from store.known_identities import Known, find_known, has_another_bsuid, has_another_phone, list_with_bsuid
from store.merging import merge_customers
from store.notices import Notice, put_off

# How much earlier than Meta's notice of a new number a message from that number may have been written.
_NOTICE_LAG = timedelta(minutes=10)
# A change or choice takes some twenty milliseconds, and the sender waits: a worker applies the others, seconds later.
_AT_ONCE = 4


def apply_identity_changes(
    conn: Connection, tenant_id: int, changes: Sequence[IdentityChange], *, pepper: bytes
) -> None:
    """What the channel says about who is who. Changes about nobody we know are no-ops. Must act for `tenant_id`.

    A notice that comes again changes nothing: meanwhile the number may have become somebody else's.
    """
    links = [change for change in changes if not change.replaces]
    unclear = _learn_links(conn, tenant_id, links)
    fresh = _only_new(conn, tenant_id, [change for change in changes if change.replaces], pepper=pepper)
    apply_notices(conn, tenant_id, [*unclear, *fresh][:_AT_ONCE], pepper=pepper)
    put_off(conn, tenant_id, [*unclear, *fresh][_AT_ONCE:])


def apply_notices(conn: Connection, tenant_id: int, notices: Sequence[Notice], *, pepper: bytes) -> None:
    """Apply them one after another. The transaction must act for `tenant_id`."""
    for notice in notices:
        if isinstance(notice, MarketingChoice):
            _note_choice(conn, tenant_id, notice, pepper=pepper)
        else:
            _apply_change(conn, tenant_id, notice)


def _only_new(
    conn: Connection, tenant_id: int, changes: Sequence[IdentityChange], *, pepper: bytes
) -> list[IdentityChange]:
    """The changes whose notice has not come before: their keys are remembered like those of messages."""
    by_key: dict[bytes, IdentityChange] = {}
    for change in changes:
        named = [(one.kind, one.value) for one in (*change.before, *change.after)]
        source = f"notice:{change.notice_id or (named, change.changed_at)}"
        by_key.setdefault(key_of(pepper, channel=change.channel, source=source), change)
    if not by_key:
        return []
    rows = conn.execute(
        """
        INSERT INTO message_key (tenant_id, account_id, key, message_id)
        SELECT %s, account_id, key, uuidv7()
        FROM unnest(%s::text[], %s::bytea[]) AS given (account_id, key)
        ORDER BY key
        ON CONFLICT DO NOTHING
        RETURNING key
        """,
        (tenant_id, [change.account_id for change in by_key.values()], list(by_key)),
    ).fetchall()
    new = {bytes(key) for (key,) in rows}
    return [change for key, change in by_key.items() if key in new]


def _learn_links(conn: Connection, tenant_id: int, links: Sequence[IdentityChange]) -> list[IdentityChange]:
    """Add what is plainly new: a known customer's id that nobody has. Returns the links that need a closer look.

    Every status names its recipient twice, and a body may hold a thousand: one query finds what they all say already.
    """
    if not links:
        return []
    named = {(one.kind, one.value) for change in links for one in (*change.before, *change.after)}
    owner = {(one.kind, one.value): one.customer_id for one in find_known(conn, tenant_id, named, at=None)}
    has_bsuid = list_with_bsuid(conn, sorted(set(owner.values())))
    plain: dict[tuple[str, str], tuple[str, str]] = {}
    unclear: list[IdentityChange] = []
    for change in links:
        customer_id = next((owner[(b.kind, b.value)] for b in change.before if (b.kind, b.value) in owner), None)
        owners = {owner.get((one.kind, one.value)) for one in change.after}
        if customer_id is None or owners == {customer_id}:
            continue
        if owners <= {customer_id, None} and customer_id not in has_bsuid:
            plain.update(
                {
                    (o.kind, o.value): (customer_id, change.account_id)
                    for o in change.after
                    if (o.kind, o.value) not in owner
                }
            )
        else:
            unclear.append(change)
    conn.execute(
        """
        INSERT INTO customer_identity (tenant_id, kind, value, customer_id, account_id)
        SELECT %s, kind, value, customer_id, account_id
        FROM unnest(%s::text[], %s::text[], %s::uuid[], %s::text[]) AS given (kind, value, customer_id, account_id)
        ORDER BY kind, value
        ON CONFLICT DO NOTHING
        """,
        (
            tenant_id,
            [kind for kind, _ in plain],
            [value for _, value in plain],
            [customer_id for customer_id, _ in plain.values()],
            [account_id for _, account_id in plain.values()],
        ),
    )
    return unclear


def _apply_change(conn: Connection, tenant_id: int, change: IdentityChange) -> None:
    order = TRUSTED[change.channel]
    before = [(one.kind, one.value) for one in change.before]
    after = [(one.kind, one.value) for one in change.after]
    lock_identities(conn, tenant_id, [*before, *after])
    old = find_known(conn, tenant_id, before, at=change.changed_at)
    if not old:
        return
    # With a change the old ids are the customer's own; with a link the phone's customer may have another id already.
    said = [pair for pair in before if pair[0] == "phone"] if change.replaces else [*before, *after]
    customer_id = settle_owner(conn, tenant_id, old, said=said, account_id=change.account_id, order=order)
    others: set[tuple[str, str]] = set()
    for one in find_known(conn, tenant_id, after, at=None):
        if one.customer_id == customer_id:
            continue
        if _is_same_person(conn, one, change):
            customer_id = merge_customers(conn, tenant_id, customer_id, one.customer_id)
        elif not change.replaces:  # a link that contradicts what is known takes nothing from anybody
            others.add((one.kind, one.value))
    if change.replaces:
        gone = sorted(set(before) - set(after))
        conn.execute(
            """
            UPDATE customer_identity AS i
            SET retired_at = coalesce(%s, now())
            FROM unnest(%s::text[], %s::text[]) AS given (kind, value)
            WHERE i.tenant_id = %s AND i.kind = given.kind AND i.value = given.value AND i.customer_id = %s
              AND i.retired_at IS NULL
            """,
            (change.changed_at, [kind for kind, _ in gone], [value for _, value in gone], tenant_id, customer_id),
        )
    attach(conn, tenant_id, customer_id, [pair for pair in after if pair not in others], account_id=change.account_id)


def _is_same_person(conn: Connection, other: Known, change: IdentityChange) -> bool:
    """Whether who holds a customer's new identity is that customer, already met under it, and not its former owner."""
    if not change.replaces:
        bsuids = {one.value for one in change.after if one.kind == "bsuid"}
        phones = [one.value for one in change.after if one.kind == "phone"]
        return not (
            has_another_bsuid(conn, other.customer_id, bsuids=bsuids, account_id=change.account_id)
            or has_another_phone(conn, other.customer_id, phones=phones)
        )
    if change.changed_at is None:
        return False
    row = conn.execute(
        "SELECT min(sent_at) >= %s FROM message WHERE customer_id = %s AND direction = 'inbound'",
        (change.changed_at - _NOTICE_LAG, other.customer_id),
    ).fetchone()
    return bool(row and row[0])


def note_marketing_choices(
    conn: Connection, tenant_id: int, choices: Sequence[MarketingChoice], *, pepper: bytes
) -> None:
    """Remember who wants marketing messages; an older choice never undoes a newer one. Must act for `tenant_id`."""
    apply_notices(conn, tenant_id, choices[:_AT_ONCE], pepper=pepper)
    put_off(conn, tenant_id, choices[_AT_ONCE:])


def _note_choice(conn: Connection, tenant_id: int, choice: MarketingChoice, *, pepper: bytes) -> None:
    people = [(one.kind, one.value) for one in choice.identities]
    if choice.chosen_at and was_erased(conn, tenant_id, people, at=choice.chosen_at, pepper=pepper):
        return
    customer_id = resolve_customer(
        conn,
        tenant_id,
        sought_of({"identities": [[one.kind, one.value] for one in choice.identities]}, channel=choice.channel),
        channel=choice.channel,
        account_id=choice.account_id,
        at=choice.chosen_at,
    )
    conn.execute(
        """
            UPDATE customer
            SET marketing_accepted = %s, marketing_chosen_at = coalesce(%s, now())
            WHERE id = %s AND (marketing_chosen_at IS NULL OR marketing_chosen_at <= coalesce(%s, now()))
            """,
        (choice.accepts, choice.chosen_at, customer_id, choice.chosen_at),
    )
