"""Tells open pages what changed in their tenant: one reader a process, and a short queue for each page."""

import json
import queue
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from console.metrics import LIVE_PAGES
from store.db import Database, StoreError
from store.live_changes import LiveChange, find_position, list_changes

log = structlog.get_logger()

LOOK_EVERY_S = 0.1
RETRY_S = 2.0
# More at once than anybody reads: the pages look at everything anew.
MOST_CHANGES = 500
# Looks that a slow page may lie behind.
MOST_WAITING = 32
# What a page is told instead of changes: look at everything anew.
RELOAD = "reload"
# And what its stream ends with, without a word: the process is about to stop.
END = "end"
# A kind of change that no table tells of: somebody has opened the conversation.
VIEWING = "viewing"


@dataclass(frozen=True, eq=False)
class OpenPage:
    """A page that somebody looks at. waiting: JSON lists of [conversation's id, kinds], RELOAD or END; oldest first."""

    tenant_id: int
    waiting: queue.Queue[str] = field(default_factory=lambda: queue.Queue(MOST_WAITING))

    def tell(self, news: str) -> None:
        """Never blocks: a page that does not keep up has to look at everything anew."""
        try:
            self.waiting.put_nowait(news)
        except queue.Full:
            with self.waiting.mutex:
                self.waiting.queue.clear()
            self.waiting.put_nowait(RELOAD)


class LivePages:
    """All pages of this process. The reader and its connection live as long as a page is open."""

    def __init__(self, connect: Callable[[], Database]) -> None:
        self._connect = connect
        self._database: Database | None = None
        self._lock = threading.Lock()
        self._pages: set[OpenPage] = set()
        self._position: str | None = None
        self._reads = False
        self._goes_on: Callable[[], bool] = lambda: True

    def last_while(self, goes_on: Callable[[], bool]) -> None:
        """End all streams as soon as this says no."""
        self._goes_on = goes_on

    @contextmanager
    def open_page(self, tenant_id: int) -> Generator[OpenPage]:
        """A page that hears of everything its tenant's conversations go through from now on. Raises: StoreError."""
        page = OpenPage(tenant_id)
        with self._lock:
            if not self._reads:
                self._begin()
            self._pages.add(page)
        LIVE_PAGES.inc()
        try:
            yield page
        finally:
            LIVE_PAGES.dec()
            with self._lock:
                self._pages.discard(page)

    def tell(self, tenant_id: int, conversation_id: str, kind: str) -> None:
        """What only the pages of this process hear of."""
        for page in self._open():
            if page.tenant_id == tenant_id:
                page.tell(json.dumps([[conversation_id, [kind]]]))

    def close(self) -> None:
        """Give the connection back."""
        database, self._database = self._database, None
        if database:
            database.close()

    def _begin(self) -> None:
        database = self._database = self._connect()
        try:
            with database.system_transaction() as conn:
                self._position = find_position(conn)
        except StoreError:
            self.close()
            raise
        self._reads = True
        threading.Thread(target=self._read, args=(database,), name="live-pages", daemon=True).start()

    def _read(self, database: Database) -> None:
        while True:
            time.sleep(LOOK_EVERY_S)
            with self._lock:
                if not self._pages:
                    self._reads, self._database = False, None
                    break
            if not self._goes_on():
                self._tell_all(END)
                continue
            try:
                self._look(database)
            except StoreError as error:
                log.warning("live_changes_not_read", code=error.code)
                self._position = None
                time.sleep(RETRY_S)
        database.close()

    def _look(self, database: Database) -> None:
        with database.system_transaction() as conn:
            if self._position is None:
                self._position, changes = find_position(conn), None
            else:
                look = list_changes(conn, position=self._position, limit=MOST_CHANGES)
                self._position, changes = look.position, look.changes
        if changes == ():
            return
        if changes is None:
            self._tell_all(RELOAD)
            return
        news = _by_tenant(changes)
        for page in self._open():
            if page.tenant_id in news:
                page.tell(news[page.tenant_id])

    def _tell_all(self, news: str) -> None:
        for page in self._open():
            page.tell(news)

    def _open(self) -> list[OpenPage]:
        with self._lock:
            return list(self._pages)


def _by_tenant(changes: tuple[LiveChange, ...]) -> dict[int, str]:
    kinds: dict[int, dict[str, list[str]]] = {}
    for one in changes:
        kinds.setdefault(one.tenant_id, {}).setdefault(one.conversation_id, []).append(one.kind)
    return {tenant_id: json.dumps(list(found.items())) for tenant_id, found in kinds.items()}
