"""Labels as tags of contacts, for accounts that have no fields of ours."""

from collections.abc import Sequence
from typing import Any

from crm_sync.base import CrmError, StateWrite
from crm_sync.client import CrmClient
from crm_sync.zoho_answers import change
from crm_sync.zoho_fields import CONTACTS, TAGS, TAGS_PER_CREDIT, credits_of


def change_tags(client: CrmClient, writes: Sequence[StateWrite]) -> dict[str, CrmError | None]:
    """Give each contact the one tag of its sentiment, or none; errors by record id. Other tags stay.

    Raises: CrmError when Zoho can't be asked.
    """
    errors: dict[str, CrmError | None] = {}
    for tag in (None, *TAGS.values()):
        ids = [one.record_id for one in writes if _tag(one) == tag]
        if not ids:
            continue
        errors |= _send(client, "remove_tags", ids, [other for other in TAGS.values() if other != tag])
        if tag:
            errors |= _send(client, "add_tags", ids, [tag])
    return errors


def _tag(write: StateWrite) -> str | None:
    return TAGS.get(write.labels.sentiment) if write.labels else None


def _send(client: CrmClient, action: str, ids: list[str], names: list[str]) -> dict[str, CrmError | None]:
    body: dict[str, Any] = {"tags": [{"name": name} for name in names], "ids": ids}
    if action == "add_tags":
        body["over_write"] = False
    cost = credits_of(len(ids), TAGS_PER_CREDIT)
    try:
        results = change(
            lambda: client.post(f"{CONTACTS}/actions/{action}", body, idempotent=True, cost=cost), count=len(ids)
        )
    except CrmError as error:
        # An account that never had our tags has none to remove.
        if not error.permanent or action == "add_tags":
            raise
        return dict.fromkeys(ids)
    return {
        record_id: result if isinstance(result, CrmError) else None
        for record_id, result in zip(ids, results, strict=True)
    }
