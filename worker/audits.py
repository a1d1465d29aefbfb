"""The weekly random sample: picking it, and taking what people say of it."""

from datetime import date, timedelta

from analysis.accuracy import pick_sample
from config.tenant import TenantConfig
from store.audits import add_sample, find_audit, has_sample, list_auditable, settle_audit
from store.corrections import CorrectionError
from store.db import Connection
from store.effective_labels import find_effective_label
from store.tenants import list_tenants
from worker.correction_step import correct
from worker.deps import Deps

WEEKLY_SAMPLE = 20


def pick_week(conn: Connection, tenant_id: int, *, monday: date, size: int = WEEKLY_SAMPLE) -> int:
    """Pick the sample of the week that begins on `monday`; a week is picked once. Returns how many messages are in it now."""
    if has_sample(conn, tenant_id, period=monday):
        return 0
    messages = list_auditable(conn, tenant_id, first=monday, last=monday + timedelta(days=7))
    picked = pick_sample(messages, size=size, seed=f"{tenant_id}:{monday.isoformat()}")
    return add_sample(conn, tenant_id, picked, period=monday)


def pick_last_week(deps: Deps, *, today: date) -> None:
    """Every tenant's sample of the last whole week, for people to judge. Repeating it adds nothing. Raises: StoreError."""
    monday = today - timedelta(days=today.weekday() + 7)
    with deps.database.system_transaction() as conn:
        tenants = list_tenants(conn)
    for tenant in tenants:
        with deps.database.tenant_transaction(tenant.id) as conn:
            pick_week(conn, tenant.id, monday=monday)


def judge(
    conn: Connection,
    tenant_id: int,
    *,
    tenant: TenantConfig,
    message_id: str,
    by: int | None,
    sentiment: str | None = None,
    intent: str | None = None,
    topics: str | None = None,
) -> tuple[str, ...]:
    """What a person says of a sampled message. Returns the fields in which the model was wrong.

    A field that is None confirms what stands: a correction that was made already, else the model's value. What differs is a
    correction like any other. Raises: CorrectionError.
    """
    reading = find_audit(conn, tenant_id, message_id)
    if reading is None:
        raise CorrectionError("message", "is in no audit of this tenant; see the open ones, or correct it directly")
    model = {"sentiment": reading.sentiment, "intent": reading.intent, "topics": ",".join(reading.topics)}
    for name, value in (("sentiment", sentiment), ("intent", intent), ("topics", topics)):
        if value is not None:
            correct(
                conn, tenant_id, tenant=tenant, message_id=message_id, field=name, value=value, by=by, reason="audit"
            )
    label = find_effective_label(conn, message_id)
    assert label is not None  # what is audited has a valid analysis
    said = {name: label.value_of(name) if name in label.corrected else value for name, value in model.items()}
    settle_audit(
        conn,
        tenant_id,
        message_id,
        sentiment=said["sentiment"],
        intent=said["intent"],
        topics=[topic for topic in said["topics"].split(",") if topic],
        by=by,
    )
    return tuple(name for name, value in said.items() if value != model[name])
