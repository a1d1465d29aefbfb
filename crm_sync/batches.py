"""Batches of bounded size in which one refused item does not take its neighbours with it."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from crm_sync.base import FIELD_MISSING, CrmError

Item = TypeVar("Item")
Result = TypeVar("Result")


def send_in_batches(
    items: Sequence[Item],
    *,
    size: int,
    send: Callable[[Sequence[Item]], list[Result]],
    refused: Callable[[Item, CrmError], Result],
) -> list[Result]:
    """The results of `send` on at most `size` items at a time, in input order.

    A batch that is refused as a whole is sent again in halves, down to the items that cause it; those become
    `refused(item, error)`.
    Raises: CrmError when the cause is not an item: transient, connection broken, or a field that the CRM lacks.
    """
    results: list[Result] = []
    for start in range(0, len(items), size):
        results += _send_or_halve(items[start : start + size], send=send, refused=refused)
    return results


def _send_or_halve(
    items: Sequence[Item],
    *,
    send: Callable[[Sequence[Item]], list[Result]],
    refused: Callable[[Item, CrmError], Result],
) -> list[Result]:
    try:
        return send(items)
    except CrmError as error:
        if not error.permanent or error.connection_broken or error.code.startswith(FIELD_MISSING):
            raise
        if len(items) == 1:
            return [refused(items[0], error)]
    half = len(items) // 2
    return _send_or_halve(items[:half], send=send, refused=refused) + _send_or_halve(
        items[half:], send=send, refused=refused
    )
