"""A CRM connection's access token, shared by all workers: fetched by one, read by the others."""

import threading
import time
from collections.abc import Callable

from config.settings import Settings
from crm_sync.base import CrmError
from crm_sync.registry import fetch_token
from crm_sync.tokens import AccessToken
from store.crm_connections import find_connection
from store.crm_tokens import StoredToken, drop_token_lease, find_token, store_token, take_token_lease
from store.db import Database
from store.secrets import Keyring

# A little longer than a request for a token may take.
WAIT_FOR_ANOTHER_S = 16.0
LOOK_EVERY_S = 0.1


class SharedToken:
    """Zoho gives ten tokens in ten minutes, and a refresh token may be good for one use: so one worker asks, and all use it."""

    def __init__(
        self,
        database: Database,
        tenant_id: int,
        *,
        keyring: Keyring,
        settings: Settings,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._database = database
        self._tenant_id = tenant_id
        self._keyring = keyring
        self._settings = settings
        self._sleep = sleep
        self._at_hand: StoredToken | None = None
        self._lock = threading.Lock()

    def current(self) -> AccessToken:
        """Raises: CrmError, StoreError."""
        with self._lock:
            if self._at_hand is None or not self._at_hand.is_fresh:
                stored = self._read()
                self._at_hand = stored if stored and stored.is_fresh else self._fetch(stored)
            return self._at_hand.token

    def renew(self, refused: AccessToken) -> AccessToken:
        """Raises: CrmError, StoreError."""
        with self._lock:
            stored = self._read()
            if stored is None or stored.token.value == refused.value:
                stored = self._fetch(stored)
            self._at_hand = stored
            return stored.token

    def _read(self) -> StoredToken | None:
        with self._database.tenant_transaction(self._tenant_id) as conn:
            return find_token(conn, self._tenant_id, keyring=self._keyring)

    def _fetch(self, old: StoredToken | None) -> StoredToken:
        """The successor of the old token, whoever fetches it."""
        version = old.version if old else 0
        for _ in range(int(WAIT_FOR_ANOTHER_S / LOOK_EVERY_S)):
            with self._database.tenant_transaction(self._tenant_id) as conn:
                may_fetch = take_token_lease(conn, self._tenant_id, version=version)
                connection = find_connection(conn, self._tenant_id, keyring=self._keyring) if may_fetch else None
            if connection:
                return self._fetch_and_share(connection.kind, connection.credentials)
            self._sleep(LOOK_EVERY_S)
            stored = self._read()
            if stored and stored.version != version:
                return stored
        raise CrmError("token_wait", permanent=False)

    def _fetch_and_share(self, kind: str, credentials: dict[str, str]) -> StoredToken:
        try:
            token = fetch_token(kind, credentials, settings=self._settings)
        except CrmError:
            with self._database.tenant_transaction(self._tenant_id) as conn:
                drop_token_lease(conn, self._tenant_id)
            raise
        with self._database.tenant_transaction(self._tenant_id) as conn:
            store_token(conn, self._tenant_id, token, keyring=self._keyring)
            stored = find_token(conn, self._tenant_id, keyring=self._keyring)
        assert stored is not None
        return stored
