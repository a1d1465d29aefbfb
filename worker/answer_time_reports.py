"""Makes the comparisons of answer times that the console shows: reading every turn takes seconds, so it is done ahead."""

from datetime import datetime, timedelta
from typing import Any

import structlog

from store.answer_time_reports import begin_standing_report, find_report, list_due_reports, settle_report
from store.db import Connection, StoreError
from store.sla_report import find_switched_on, list_weeks
from store.tenants import list_tenants
from worker.deps import Deps
from worker.sla_claim import measure_claim, plain

log = structlog.get_logger()

DAYS = 90
"""Of each side."""
WEEKS = 8
GOOD_FOR = timedelta(days=1)


def count_reports(deps: Deps, *, now: datetime) -> None:
    """All tenants' missing and old ones. A tenant that fails is left to the next time. Raises: StoreError when there is no list."""
    with deps.database.system_transaction() as conn:
        tenants = list_tenants(conn)
    for tenant in tenants:
        try:
            count_tenant_reports(deps, tenant.id, now=now)
        except StoreError as error:
            log.warning("answer_times_left_to_next_time", tenant_id=tenant.id, code=error.code)


def count_tenant_reports(deps: Deps, tenant_id: int, *, now: datetime) -> int:
    """Returns how many were made."""
    zone = deps.tenants.get(tenant_id).hours.time_zone
    with deps.database.tenant_transaction(tenant_id) as conn:
        if find_report(conn, tenant_id, split_at=None) is None:
            switched_at = find_switched_on(conn, tenant_id)
            if switched_at:
                begin_standing_report(conn, tenant_id, split_at=switched_at)
        due = list_due_reports(conn, tenant_id, older_than=GOOD_FOR, now=now)
    for split_at in due:
        with deps.database.tenant_transaction(tenant_id) as conn:
            figures = compare_answer_times(conn, tenant_id, split_at=split_at, time_zone=zone, now=now)
            settle_report(conn, tenant_id, split_at=split_at, figures=figures, counted_at=now)
    return len(due)


def compare_answer_times(
    conn: Connection, tenant_id: int, *, split_at: datetime, time_zone: str, now: datetime
) -> dict[str, Any]:
    """{"claim": what `earshot sla report --json` says of answer times, "weeks": kept and missed targets of the last weeks}.

    Minutes are None where nobody answered so many, beside their counts.
    """
    claim = measure_claim(conn, tenant_id, switched_at=split_at, days=DAYS, now=now)
    weeks = list_weeks(conn, tenant_id, since=now - timedelta(weeks=WEEKS), time_zone=time_zone)
    return {
        "claim": plain(claim.as_json()),
        "weeks": [plain({**vars(one), "week": one.week.isoformat()}) for one in weeks],
    }
