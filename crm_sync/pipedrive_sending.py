"""One request per item, several under way at once, in which what was done is never reported as failed."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from crm_sync.base import CrmError
from crm_sync.client import RATE_LIMIT
from crm_sync.pipedrive_api import THREADS

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Sending:
    """Decides when the trouble is the account's and not an item's, so that nothing more is sent."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_a_row = 0
        self.stopped_by: CrmError | None = None

    def succeeded(self) -> None:
        with self._lock:
            self._in_a_row = 0

    def failed(self, error: CrmError) -> None:
        with self._lock:
            self._in_a_row = 0 if error.permanent else self._in_a_row + 1
            if _concerns_all(error) or self._in_a_row >= THREADS:
                self.stopped_by = self.stopped_by or error


def send_each(items: Sequence[Item], send: Callable[[Item], Result]) -> list[Result | CrmError]:
    """Per item, in order, its result or why it has none. After a limit, a broken connection or many failures in a row the
    rest is not sent and gets that same error.

    Raises: CrmError when Pipedrive did nothing for any item and the cause is none of them.
    """
    if not items:
        return []
    state = _Sending()

    def one(item: Item) -> Result | CrmError:
        if state.stopped_by:
            return state.stopped_by
        try:
            result = send(item)
        except CrmError as error:
            state.failed(error)
            return error
        state.succeeded()
        return result

    with ThreadPoolExecutor(min(THREADS, len(items))) as threads:
        results = list(threads.map(one, items))
    errors = [one for one in results if isinstance(one, CrmError) and not one.permanent]
    if len(errors) == len(results):
        raise state.stopped_by or errors[0]
    return results


def _concerns_all(error: CrmError) -> bool:
    return error.connection_broken or error.code.startswith((RATE_LIMIT, "budget_used", "no_connection"))
