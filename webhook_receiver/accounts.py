"""The accounts this installation answers for, kept in memory and refreshed, with their secrets."""

import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from store.channel_accounts import ReceivingAccount, list_receiving_accounts
from store.db import Database
from store.intake import get_dedupe_pepper
from store.secrets import Keyring

# An applied tenant file is live within 5 s.
REFRESH_S = 2.0


@dataclass(frozen=True)
class Directory:
    """All accounts at one moment, by channel kind and account id, and the installation's key for message keys."""

    accounts: dict[tuple[str, str], ReceivingAccount] = field(repr=False)
    pepper: bytes = field(repr=False)

    def find(self, kind: str, account_id: str) -> ReceivingAccount | None:
        """The account, or None when it is unknown here."""
        return self.accounts.get((kind, account_id))

    def app_secrets(self, kind: str, *, first: Iterable[str]) -> Iterator[str]:
        """App secrets of a channel kind, each once; those of the accounts in `first` lead."""
        named = (self.find(kind, account_id) for account_id in first)
        of_kind = (account for (account_kind, _), account in self.accounts.items() if account_kind == kind)
        told: set[str] = set()
        for account in chain(named, of_kind):
            for secret in account.app_secrets if account else ():
                if secret not in told:
                    told.add(secret)
                    yield secret

    def verify_tokens(self, kind: str) -> dict[str, list[str]]:
        """The handshake tokens of a channel kind, each with the accounts that have it."""
        tokens: dict[str, list[str]] = {}
        for (account_kind, account_id), account in self.accounts.items():
            if account_kind == kind:
                tokens.setdefault(account.verify_token, []).append(account_id)
        return tokens

    def accounts_of_secret(self, kind: str, secret: str) -> list[str]:
        """Accounts of a channel kind whose webhooks this secret signs."""
        return [
            account_id
            for (account_kind, account_id), account in self.accounts.items()
            if account_kind == kind and secret in account.app_secrets
        ]


class AccountDirectory:
    """The newest Directory this process could read; an old one is better than none while Postgres is away."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database = database
        self._keyring = keyring
        self._directory: Directory | None = None
        self._read_at = 0.0
        self._lock = threading.Lock()

    def get(self) -> Directory:
        """Raises: StoreError when none was ever read and none can be read now."""
        if self._directory is None or time.monotonic() - self._read_at > REFRESH_S:
            self._refresh()
        assert self._directory is not None
        return self._directory

    def _refresh(self) -> None:
        # One request refreshes while the others go on with what there is.
        if not self._lock.acquire(blocking=self._directory is None):
            return
        try:
            if self._directory is not None and time.monotonic() - self._read_at <= REFRESH_S:
                return
            self._read_at = time.monotonic()
            self._directory = self._read()
        except Exception:
            if self._directory is None:
                raise
        finally:
            self._lock.release()

    def _read(self) -> Directory:
        with self._database.system_transaction() as conn:
            accounts = list_receiving_accounts(conn, keyring=self._keyring)
            pepper = get_dedupe_pepper(conn, keyring=self._keyring)
        return Directory({(account.kind, account.account_id): account for account in accounts}, pepper)
