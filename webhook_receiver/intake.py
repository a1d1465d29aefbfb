"""One webhook from raw bytes to stored rows: check, parse, store, and only then acknowledge."""

import time
from collections import defaultdict
from dataclasses import dataclass

import structlog

from channels.base import ChannelError, ChannelKind, DeliveryStatus, InboundMessage, ParsedWebhook
from channels.body import decode_body
from channels.registry import HINTS, PARSERS
from channels.signature import first_matching_secret
from store.db import Database, StoreError, act_for_tenant
from store.intake import StartedRun, add_messages, keep_unparsed_body, note_human_answers, settle_sends
from webhook_receiver.accounts import AccountDirectory, Directory
from webhook_receiver.metrics import DROPPED, DUPLICATES, RECEIVED

log = structlog.get_logger()

# A large body is checked against the secrets of the accounts it names and a few more: 4 MiB × a thousand secrets is an attack.
LARGE_BODY_BYTES = 64 * 1024
MAX_SECRETS_FOR_LARGE_BODY = 32
STORE_TRIES = 3
TRY_AGAIN_FOR_S = 2.0


class NotSigned(Exception):
    """No known secret made this signature."""


@dataclass(frozen=True)
class Accepted:
    """One tenant's share of a body."""

    messages: list[InboundMessage]
    statuses: list[DeliveryStatus]


class Intake:
    """Takes webhooks in. Holds no request state; one per process."""

    def __init__(self, database: Database, accounts: AccountDirectory) -> None:
        self._database = database
        self._accounts = accounts

    def take(self, kind: ChannelKind, body: bytes, *, signature: str | None) -> list[StartedRun]:
        """Store what the body holds; returns the runs to start.

        Raises: NotSigned when no known secret fits; StoreError when it is not stored and the sender must try again.
        """
        directory = self._accounts.get()
        secret = self._verify(kind, body, signature=signature, directory=directory)
        try:
            parsed = PARSERS[kind](decode_body(body))
        except ChannelError as error:
            DROPPED.labels(kind, error.code).inc()
            self._store_unparsed(kind, body, reason=error.code)
            return []
        for reason, count in parsed.dropped.items():
            DROPPED.labels(kind, reason).inc(count)
        return self._store(_share_out(parsed, kind, secret=secret, directory=directory), directory)

    @staticmethod
    def _verify(kind: ChannelKind, body: bytes, *, signature: str | None, directory: Directory) -> str:
        secrets = directory.app_secrets(kind, first=HINTS[kind](body))
        if len(body) > LARGE_BODY_BYTES:
            secrets = secrets[:MAX_SECRETS_FOR_LARGE_BODY]
        secret = first_matching_secret(body, signature, secrets)
        if secret is None:
            raise NotSigned
        return secret

    def _store_unparsed(self, kind: ChannelKind, body: bytes, *, reason: str) -> None:
        with self._database.system_transaction() as conn:
            keep_unparsed_body(conn, channel=kind, reason=reason, body=body)

    def _store(self, shares: dict[int, Accepted], directory: Directory) -> list[StartedRun]:
        if not shares:
            return []
        give_up_at = time.monotonic() + TRY_AGAIN_FOR_S
        for attempt in range(STORE_TRIES):
            try:
                return self._store_once(shares, directory)
            except StoreError as error:
                # After a restart of Postgres the pool's connections are broken one by one; storing twice adds nothing.
                if error.permanent or attempt + 1 == STORE_TRIES or time.monotonic() > give_up_at:
                    raise
        raise AssertionError

    def _store_once(self, shares: dict[int, Accepted], directory: Directory) -> list[StartedRun]:
        runs: list[StartedRun] = []
        with self._database.system_transaction() as conn:
            for tenant_id, share in sorted(shares.items()):
                act_for_tenant(conn, tenant_id)
                fresh = add_messages(conn, tenant_id, share.messages, pepper=directory.pepper)
                runs.extend(fresh)
                note_human_answers(conn, tenant_id, [m for m in share.messages if m.direction == "outbound"])
                settle_sends(conn, tenant_id, share.statuses)
        self._count(shares, runs)
        return runs

    @staticmethod
    def _count(shares: dict[int, Accepted], runs: list[StartedRun]) -> None:
        inbound = [m for share in shares.values() for m in share.messages if m.direction == "inbound"]
        if inbound:
            RECEIVED.labels(inbound[0].channel).inc(len(runs))
            DUPLICATES.labels(inbound[0].channel).inc(len(inbound) - len(runs))


def _share_out(parsed: ParsedWebhook, kind: ChannelKind, *, secret: str, directory: Directory) -> dict[int, Accepted]:
    """Items by tenant. An account that is unknown, or whose own secret did not verify this body, gets nothing stored:
    else one tenant could forge another's customers.
    """
    shares: dict[int, Accepted] = defaultdict(lambda: Accepted([], []))
    for item in (*parsed.messages, *parsed.statuses):
        account = directory.find(kind, item.account_id)
        if account is None or secret not in account.app_secrets:
            DROPPED.labels(kind, "unknown_account" if account is None else "foreign_account").inc()
            continue
        share = shares[account.tenant_id]
        if isinstance(item, InboundMessage):
            share.messages.append(item)
        else:
            share.statuses.append(item)
    return dict(shares)
