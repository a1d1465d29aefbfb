"""A keyword reading for a message that waits too long for the model: it is placed, its clocks run, and nothing else happens."""

from analysis.lexicon import LEXICON_MODEL, LEXICON_NAME, LEXICON_VERSION, floor_hits, read
from config.crash_points import crash_point
from config.industries import load_industry
from config.tenant import TenantConfig
from routing.playbooks import policy_for
from routing.rules import decide
from store.analyses import NewAnalysis, add_analysis
from store.customers import lock_conversation
from store.db import Connection
from store.erased_identities import SenderErasedError
from store.messages import StoredMessage, get_message
from store.runs import RunRef, lock_run, mark_provisional
from store.sla_clocks import recompute_clocks
from worker.decision_facts import provisional_facts
from worker.deps import Deps
from worker.placing import store_and_place
from worker.steps import ensure_conversation, forget_message


def read_provisionally(deps: Deps, ref: RunRef) -> None:
    """A keyword reading for a message that still waits for the model: it stands in `not_yet_analysed`, clocks running.

    No automation, no alert, no CRM label. Raises: StoreError.
    """
    try:
        _read(deps, ref)
    except SenderErasedError:
        forget_message(deps, ref)


def _read(deps: Deps, ref: RunRef) -> None:
    tenant, pepper = deps.tenants.get(ref.tenant_id), deps.dedupe_pepper
    with deps.database.tenant_transaction(ref.tenant_id) as conn:
        run = lock_run(conn, ref)
        if run is None or run.provisional_done or run.state not in {"received", "minimized"}:
            return
        message = get_message(conn, ref.message_id)
        mark_provisional(conn, ref, urgent=bool(floor_hits(message.text or "", own=tenant.floor.groups())))
        if not message.text or not message.text.strip():
            return
        topics = {**load_industry(tenant.industry).all_topics(), **tenant.topics}
        answer = read(message.text, topics=tuple(topics))
        # The reading is a pass of its own, so that the run's one analysis stays the model's.
        reading = RunRef(ref.tenant_id, ref.message_id, _new_id(conn))
        analysis_id = add_analysis(
            conn,
            reading,
            NewAnalysis(
                answer=answer.model_dump(mode="json"),
                run_kind=run.kind,
                analyzer=LEXICON_NAME,
                model=LEXICON_MODEL,
                prompt_version=LEXICON_VERSION,
                provisional=True,
            ),
        )
        _place(conn, pepper, ref, message=message, tenant=tenant, analysis_id=analysis_id)
        crash_point("provisional.before_commit")


def _new_id(conn: Connection) -> str:
    row = conn.execute("SELECT uuidv7()").fetchone()
    assert row is not None
    return str(row[0])


def _place(
    conn: Connection,
    pepper: bytes,
    ref: RunRef,
    *,
    message: StoredMessage,
    tenant: TenantConfig,
    analysis_id: str | None,
) -> None:
    _, conversation_id = ensure_conversation(conn, ref, message, pepper=pepper)
    conversation = lock_conversation(conn, conversation_id)
    facts = provisional_facts(message=message, conversation=conversation, tenant=tenant)
    policy = policy_for(tenant)
    store_and_place(
        conn,
        ref,
        decide(facts, policy),
        facts=facts,
        policy=policy,
        message=message,
        conversation=conversation,
        analysis_id=analysis_id,
        is_first=True,
    )
    recompute_clocks(conn, ref.tenant_id, conversation_id, tenant=tenant)
