"""One webhook from raw bytes to stored rows: check, parse, store, and only then acknowledge."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice

import gevent
import structlog

from channels.base import ChannelError, ChannelKind, ParsedWebhook
from channels.body import decode_body
from channels.canary import canary_id_of
from channels.clock import without_future
from channels.registry import HINTS, PARSERS
from channels.signature import first_matching_secret
from config.crash_points import crash_point
from store.canaries import is_canary, take_in
from store.channel_sightings import Sighting
from store.db import Connection, Database, StoreError, act_for_tenant
from store.echoes import take_echoes
from store.edits import apply_edits, apply_reactions
from store.erasure import erase_messages
from store.identity_notices import apply_identity_changes, note_marketing_choices
from store.intake import (
    StartedRun,
    add_live_messages,
    add_messages,
    fill_placeholders,
    keep_unparsed_body,
    message_key,
    revive_history,
)
from store.outbound import settle_sends
from store.survey_answers import note_deliveries
from webhook_receiver.accounts import AccountDirectory, Directory
from webhook_receiver.activity import Activity
from webhook_receiver.metrics import DROPPED, DUPLICATES, RECEIVED
from webhook_receiver.shared_commits import SharedCommits
from webhook_receiver.shares import Accepted, share_out
from webhook_receiver.sightings import Sightings

log = structlog.get_logger()

# A large body is checked against the secrets of the accounts it names and a few more: 4 MiB × a thousand secrets is an attack.
LARGE_BODY_BYTES = 64 * 1024
MAX_SECRETS_FOR_LARGE_BODY = 32
MESSAGES_AT_ONCE = 1000
STORE_TRIES = 3
TRY_AGAIN_FOR_S = 2.0
# What people may be told of an account's id that is none of ours; anything else could be a customer's word.
_SAYABLE_ID = re.compile(r"[0-9]{1,32}")


class NotSigned(Exception):
    """No known secret made this signature."""


@dataclass(eq=False)
class _Storing:
    """One body's shares on their way into the database, and the runs to start afterwards."""

    shares: dict[int, Accepted]
    pepper: bytes = field(repr=False)
    runs: list[StartedRun] = field(default_factory=list[StartedRun])


class Intake:
    """Takes webhooks in. Holds no request state; one per process."""

    def __init__(
        self, database: Database, accounts: AccountDirectory, activity: Activity, sightings: Sightings
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._activity = activity
        self._sightings = sightings
        # A kind of channel each: what is counted is counted by it.
        self._commits = {kind: SharedCommits(self._store_together) for kind in PARSERS}

    def take(self, kind: ChannelKind, body: bytes, *, signature: str | None) -> list[StartedRun]:
        """Store what the body holds; returns the runs to start.

        Raises: NotSigned when no known secret fits; StoreError when it is not stored and the sender must try again.
        """
        directory = self._accounts.get()
        secret = self._verify(kind, body, signature=signature, directory=directory)
        try:
            parsed = without_future(_parse(kind, body), now=datetime.now(UTC))
        except ChannelError as error:
            DROPPED.labels(kind, error.code).inc()
            self._store_unparsed(kind, body, reason=error.code)
            return []
        canary = self._find_canary(kind, parsed, secret=secret, directory=directory)
        if canary:
            return self._take_canary(canary)
        for reason, count in parsed.dropped.items():
            DROPPED.labels(kind, reason).inc(count)
        shared = share_out(parsed, kind, secret=secret, directory=directory)
        shares = shared.by_tenant
        self._activity.note((kind, account_id) for account_id in shared.accounts)
        if shared.unknown_accounts:
            self._note_unknown(kind, shared.unknown_accounts, secret=secret, directory=directory)
        if shares and all(share.is_plain for share in shares.values()):
            storing = _Storing(shares, directory.pepper)
            self._commits[kind].put(storing)
            return storing.runs
        return [run for part in _in_parts(shares) for run in self._store(part, directory.pepper)]

    def _find_canary(
        self, kind: ChannelKind, parsed: ParsedWebhook, *, secret: str, directory: Directory
    ) -> tuple[int, str] | None:
        """(tenant, canary) when this body is one of our own: alone in it, signed by its account's secret, and known to us."""
        message = parsed.messages[0] if len(parsed.messages) == 1 else None
        canary_id = canary_id_of(message) if message else None
        if message is None or canary_id is None:
            return None
        account = directory.find(kind, message.account_id)
        if account is None or secret not in account.app_secrets:
            return None
        with self._database.system_transaction() as conn:
            known = is_canary(conn, canary_id, tenant_id=account.tenant_id, channel=kind, account_id=account.account_id)
        return (account.tenant_id, canary_id) if known else None

    def _take_canary(self, canary: tuple[int, str]) -> list[StartedRun]:
        """Like a message, but for what channels' silence is judged by: a channel that sends nothing is silent all the same."""
        tenant_id, canary_id = canary
        with self._database.tenant_transaction(tenant_id) as conn:
            run = take_in(conn, tenant_id, canary_id)
        return [run] if run else []

    def _note_unknown(self, kind: ChannelKind, unknown: set[str], *, secret: str, directory: Directory) -> None:
        """A webhook that this secret signed was for an account that nobody has here: those who have the secret may have mistyped it."""
        said = sorted(account_id for account_id in unknown if _SAYABLE_ID.fullmatch(account_id))[:1]
        self._sightings.note(
            Sighting(kind, account_id, "unknown_account", other)
            for other in said
            for account_id in directory.accounts_of_secret(kind, secret)
        )

    def _verify(self, kind: ChannelKind, body: bytes, *, signature: str | None, directory: Directory) -> str:
        hints = HINTS[kind](body)
        secrets = directory.app_secrets(kind, first=hints)
        if len(body) > LARGE_BODY_BYTES:
            secrets = islice(secrets, MAX_SECRETS_FOR_LARGE_BODY)
        secret = first_matching_secret(body, signature, secrets)
        if secret is None:
            self._sightings.note(
                Sighting(kind, account_id, "bad_signature") for account_id in hints if directory.find(kind, account_id)
            )
            raise NotSigned
        return secret

    def _store_unparsed(self, kind: ChannelKind, body: bytes, *, reason: str) -> None:
        with self._database.system_transaction() as conn:
            keep_unparsed_body(conn, channel=kind, reason=reason, body=body)

    def _store(self, shares: dict[int, Accepted], pepper: bytes) -> list[StartedRun]:
        if not shares:
            return []
        give_up_at = time.monotonic() + TRY_AGAIN_FOR_S
        for attempt in range(STORE_TRIES):
            try:
                return self._store_once(shares, pepper)
            except StoreError as error:
                # After a restart of Postgres the pool's connections are broken one by one; storing twice adds nothing.
                if error.permanent or attempt + 1 == STORE_TRIES or time.monotonic() > give_up_at:
                    raise
        raise AssertionError

    def _store_together(self, storings: list["_Storing"]) -> None:
        """Shares of several requests in one transaction. Each gets the runs of its own messages; whose they are not, the first."""
        together: dict[int, Accepted] = {}
        for storing in storings:
            for tenant_id, share in storing.shares.items():
                together.setdefault(tenant_id, Accepted()).messages.extend(share.messages)
        runs = self._store(together, storings[0].pepper)
        whose = {} if len(storings) == 1 else _by_key(storings)
        for run in runs:
            whose.get(run.key, storings[0]).runs.append(run)

    def _store_once(self, shares: dict[int, Accepted], pepper: bytes) -> list[StartedRun]:
        alone = len(shares) == 1 and all(share.is_live for share in shares.values())
        stored = self._store_live(shares, pepper) if alone else self._store_in_turn(shares, pepper)
        crash_point("intake.after_commit")
        self._count(shares, stored.new_messages)
        return stored.runs

    def _store_live(self, shares: dict[int, Accepted], pepper: bytes) -> "Stored":
        """One tenant's new messages, of which nothing else is said: what comes by far the most is one trip to the server."""
        ((tenant_id, share),) = shares.items()
        _about_to_commit()
        added = add_live_messages(self._database, tenant_id, share.messages, pepper=pepper)
        runs = added.runs
        if len(added.message_ids) < len(share.messages):
            with self._database.system_transaction(acting_for=tenant_id) as conn:
                runs = [*runs, *revive_history(conn, tenant_id, share.messages, added=added, pepper=pepper)]
        return Stored(runs, len(added.runs))

    def _store_in_turn(self, shares: dict[int, Accepted], pepper: bytes) -> "Stored":
        runs: list[StartedRun] = []
        added = 0
        in_turn = sorted(shares.items())
        first = in_turn[0][0]
        with self._database.system_transaction(acting_for=first) as conn:
            for tenant_id, share in in_turn:
                if tenant_id != first:
                    act_for_tenant(conn, tenant_id)
                started = store_share(conn, tenant_id, share, pepper=pepper)
                added += started.new_messages
                runs.extend(started.runs)
            _about_to_commit()
        return Stored(runs, added)

    @staticmethod
    def _count(shares: dict[int, Accepted], added: int) -> None:
        live = [
            message
            for share in shares.values()
            for message in share.messages
            if message.direction == "inbound" and not message.is_history
        ]
        if live:
            RECEIVED.labels(live[0].channel).inc(added)
            DUPLICATES.labels(live[0].channel).inc(len(live) - added)


def _about_to_commit() -> None:
    crash_point("intake.before_commit")


def _by_key(storings: list[_Storing]) -> dict[bytes, _Storing]:
    """Which body brought a message."""
    return {
        message_key(storing.pepper, message): storing
        for storing in reversed(storings)
        for share in storing.shares.values()
        for message in share.messages
    }


def _parse(kind: ChannelKind, body: bytes) -> ParsedWebhook:
    """A large body takes long to read: it does so in a thread, so that everybody else's webhooks go on meanwhile. Raises: ChannelError."""
    if len(body) <= LARGE_BODY_BYTES:
        return PARSERS[kind](decode_body(body))
    found = gevent.get_hub().threadpool.apply(_parse_for_another, (kind, body))
    if isinstance(found, ChannelError):
        raise found
    return found


def _parse_for_another(kind: ChannelKind, body: bytes) -> ParsedWebhook | ChannelError:
    try:
        return PARSERS[kind](decode_body(body))
    except ChannelError as error:
        return error  # gevent prints what a thread raises


def _in_parts(shares: dict[int, Accepted]) -> Iterator[dict[int, Accepted]]:
    """Messages in handfuls, each stored for itself: when a huge body (an upload of history) can't be stored in time, what was
    stored stays so, and the sender's next try has less to do. What is said about messages comes after all of them.
    """
    if all(len(share.messages) <= MESSAGES_AT_ONCE for share in shares.values()):
        yield shares
        return
    for tenant_id, share in sorted(shares.items()):
        for start in range(0, len(share.messages), MESSAGES_AT_ONCE):
            yield {tenant_id: Accepted(messages=share.messages[start : start + MESSAGES_AT_ONCE])}
    yield {tenant_id: replace(share, messages=[]) for tenant_id, share in shares.items()}


@dataclass(frozen=True)
class Stored:
    """What storing a share came to: runs to start, and how many messages were new."""

    runs: list[StartedRun]
    new_messages: int


def store_share(conn: Connection, tenant_id: int, share: Accepted, *, pepper: bytes) -> Stored:
    """Store one tenant's share: messages first, then what is said about messages and people. Erasures win over all else.

    The transaction must act for `tenant_id`. Raises: StoreError through the transaction.
    """
    added = add_messages(conn, tenant_id, share.messages, pepper=pepper)
    revived = revive_history(conn, tenant_id, share.messages, added=added, pepper=pepper)
    fill_placeholders(conn, tenant_id, share.messages, pepper=pepper)
    apply_identity_changes(conn, tenant_id, share.identity_changes, pepper=pepper)
    note_marketing_choices(conn, tenant_id, share.marketing_choices, pepper=pepper)
    echoes = [message for message in share.messages if message.direction == "outbound"]
    take_echoes(conn, tenant_id, echoes, pepper=pepper)
    settle_sends(conn, tenant_id, share.statuses, pepper=pepper)
    note_deliveries(conn, tenant_id, share.statuses)
    apply_reactions(conn, tenant_id, share.reactions, pepper=pepper)
    # Before edits: an erasure waits for analyses that are about to begin, and must not hold what those wait for.
    rejudged = erase_messages(conn, tenant_id, share.erasures, pepper=pepper)
    edited = apply_edits(conn, tenant_id, share.edits, pepper=pepper)
    return Stored([*added.runs, *revived, *edited, *rejudged], len(added.runs))
