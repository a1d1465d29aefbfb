"""The five stages as plain functions: each takes ids, does one fenced piece of work, and says whether the chain goes on.

Database-only stages lock the run's row, look at its state and move it in the same transaction: a crash rolls back, a second
delivery finds the state gone by. `analyze` leaves the database in between, so it takes a lease.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from analysis.minimize import minimize as strip_personal_data
from analysis.regions import region_of
from config.crash_points import crash_point
from config.tenant import TenantConfig
from routing.facts import COMMENT_SURFACES
from store.analyses import NewAnalysis, Provenance, add_analysis, count_unknown_topics
from store.canaries import drop_canary_run
from store.crm_connections import has_crm
from store.crm_states import Because, mark_dirty
from store.customer_erasure import erase_whole_messages
from store.customers import KnownAs, lock_conversation, read_known_as
from store.db import Connection
from store.erased_identities import SenderErasedError, was_erased
from store.held_runs import HeldRun
from store.identities import read_sender
from store.messages import (
    StoredMessage,
    find_customer_of,
    get_message,
    list_burst_parts,
    place_message,
    store_minimized,
    try_share_context,
)
from store.outbound import note_human_answers
from store.request_material import Material, read_material
from store.runs import (
    MAX_CRASHES,
    LockedRun,
    MinimizedWords,
    Place,
    RunRef,
    RunState,
    advance,
    advance_placed,
    bury,
    count_try,
    finish,
    forgive_try,
    lock_run,
    lock_run_and_message,
)
from store.sender_places import Arrival, place_sender
from store.sla_clocks import recompute_clocks
from worker.bursts import gather_burst
from worker.deps import Deps
from worker.late_answers import place_after_answer
from worker.routing_step import decide_and_store
from worker.stage import Next, after


def ensure_conversation(conn: Connection, ref: RunRef, message: StoredMessage, *, pepper: bytes) -> tuple[str, str]:
    """(customer_id, conversation_id) of the message, found or made on first need, and written with it.

    Raises: SenderErasedError when whoever wrote it has been erased since: the transaction must then be given up.
    """
    place, _ = _find_place(conn, ref, message)
    if not message.conversation_id:
        if was_erased(conn, ref.tenant_id, _sender_of(message), at=message.sent_at, pepper=pepper):
            raise SenderErasedError
        place_message(conn, message.id, customer_id=place.customer_id, conversation_id=place.conversation_id)
    return place.customer_id, place.conversation_id


def _sender_of(message: StoredMessage) -> tuple[tuple[str, str], ...]:
    """By whom it is to be refused when they were erased meanwhile: nobody, once it has its place."""
    return () if message.conversation_id else read_sender(message.sender).identities


def _find_place(
    conn: Connection, ref: RunRef, message: StoredMessage, *, share_context: bool = False
) -> tuple[Place, bool]:
    """Found or made, not written with the message. share_context: with it `try_share_context`, whose answer is returned too."""
    if message.customer_id and message.conversation_id:
        place = Place(message.customer_id, message.conversation_id)
        return place, share_context and try_share_context(conn, place.conversation_id)
    arrival = Arrival(
        channel=message.channel,
        account_id=message.account_id,
        sent_at=message.sent_at,
        opens=message.direction == "inbound" and not message.is_history,
        opens_window=message.surface not in COMMENT_SURFACES,
        share_context=share_context,
    )
    found = place_sender(conn, ref.tenant_id, message.sender, arrival)
    return Place(found.customer_id, found.conversation_id), found.shares_context


def _stripped(text: str, *, tenant: TenantConfig, known_as: KnownAs) -> MinimizedWords:
    """The words without what says who the customer is."""
    minimized = strip_personal_data(
        text,
        region=tenant.default_region,
        known_names=known_as.names,
        more_regions=sorted(
            {region for phone in known_as.phones if (region := region_of(phone))} - {tenant.default_region}
        ),
    )
    return MinimizedWords(minimized.text, minimized.counts, minimized.version)


def strip(conn: Connection, message_id: str, text: str, *, tenant: TenantConfig, known_as: KnownAs) -> None:
    """Keep the message's words without what says who its customer is."""
    words = _stripped(text, tenant=tenant, known_as=known_as)
    store_minimized(conn, message_id, text=words.text, stripped=words.counts, version=words.version)


@dataclass(frozen=True)
class Drafted:
    """A message as it will stand minimized. shares_context: its turns may be read to the model."""

    message: StoredMessage
    place: Place
    words: MinimizedWords
    material: Material
    shares_context: bool


class Claim(Protocol):
    """What claims the call about a message in the transaction that minimizes it."""

    def advance_and_claim(self, conn: Connection, run: LockedRun, drafted: Drafted) -> bool:
        """Advance the run with its call claimed. False: nothing is written, as the call is not to be made at once."""
        ...


def forget_message(deps: Deps, ref: RunRef) -> Next:
    """A message of somebody who has been erased after writing it: only its tombstone stays."""
    with deps.database.stage_transaction(ref.tenant_id) as conn:
        if lock_run(conn, ref):
            erase_whole_messages(conn, ref.tenant_id, [ref.message_id])
    return Next.STOP


def minimize(deps: Deps, ref: RunRef, *, claim: Claim | None = None) -> Next:
    """Find the customer and conversation, strip personal data, keep the stripped text. Without text: on to routing.

    Where the tenant joins bursts, the chain stops here until the burst is over; the reconciler goes on with it. What somebody wrote
    who has been erased since goes at once. claim: what else is done in the transaction with a message that `analyze` may read at once.
    """
    try:
        return _minimize(deps, ref, claim=claim)
    except SenderErasedError:
        return forget_message(deps, ref)


def _minimize(deps: Deps, ref: RunRef, *, claim: Claim | None) -> Next:
    tenant, pepper = deps.tenants.get(ref.tenant_id), deps.dedupe_pepper
    with deps.database.stage_transaction(ref.tenant_id) as conn:
        locked = lock_run_and_message(conn, ref)
        verdict = after(locked[0] if locked else None, expected="received")
        if verdict:
            return verdict
        assert locked is not None
        run, message = locked
        gathers = run.kind == "initial" and tenant.thresholds.debounce_s > 0
        claim = None if gathers else claim
        place, shares_context = _find_place(conn, ref, message, share_context=claim is not None)
        material = read_material(
            conn,
            ref.tenant_id,
            message,
            customer_id=place.customer_id,
            conversation_id=place.conversation_id,
            sender=_sender_of(message),
            most_turns=tenant.context_turns if claim else 0,
            until_now=run.until_now,
            pepper=pepper,
        )
        if material.sender_was_erased:
            raise SenderErasedError
        for part in list_burst_parts(conn, message):
            if part.minimized_text is None and part.text:  # its words were changed
                strip(conn, part.id, part.text, tenant=tenant, known_as=material.known_as)
        if not message.text or not message.text.strip():
            advance_placed(conn, ref, place, to="persisted", outcome="no_text")
            return Next.GO_ON
        words = _stripped(message.text, tenant=tenant, known_as=material.known_as)
        minimized = replace(message, **vars(place), minimized_text=words.text, minimizer_version=words.version)
        drafted = Drafted(minimized, place, words, material, shares_context)
        if claim is None or not claim.advance_and_claim(conn, run, drafted):
            advance_placed(conn, ref, place, to="minimized", words=words)
        if gathers:
            lock_conversation(conn, place.conversation_id)
            return gather_burst(conn, ref, message, conversation_id=place.conversation_id, tenant=tenant)
        crash_point("minimize.before_commit")
    crash_point("minimize.after_commit")
    return Next.GO_ON


def place(deps: Deps, ref: RunRef) -> None:
    """Give an echo or a message from history its customer and conversation, and strip it for later context. No triage.

    What a person typed in the channel's app takes the conversation over. Repeating it changes nothing.
    """
    try:
        _place(deps, ref)
    except SenderErasedError:
        forget_message(deps, ref)


def _place(deps: Deps, ref: RunRef) -> None:
    tenant, pepper = deps.tenants.get(ref.tenant_id), deps.dedupe_pepper
    with deps.database.stage_transaction(ref.tenant_id) as conn:
        run = lock_run(conn, ref)
        if run is None or run.kind != "place":
            return
        message = get_message(conn, ref.message_id)
        customer_id, conversation_id = ensure_conversation(conn, ref, message, pepper=pepper)
        if message.text:
            strip(conn, message.id, message.text, tenant=tenant, known_as=read_known_as(conn, customer_id))
        if message.direction == "outbound" and message.author == "human" and not message.is_history:
            note_human_answers(conn, {conversation_id: message.sent_at})
            place_after_answer(conn, conversation_id, tenant=tenant)
            recompute_clocks(conn, ref.tenant_id, conversation_id, tenant=tenant)
        finish(conn, ref, kind=run.kind, outcome=None)
        crash_point("place.before_commit")


def _move(conn: Connection, ref: RunRef, held: HeldRun | None, *, to: RunState) -> None:
    if held is None:
        advance(conn, ref, to=to)
    else:
        held.advance(to=to)


def persist(deps: Deps, ref: RunRef, *, held: HeldRun | None = None) -> Next:
    """Append the stored answer to message_analysis, once per run. held: the run, where a joint transaction holds it already."""
    with deps.database.stage_transaction(ref.tenant_id) as conn:
        run = held.run if held else lock_run(conn, ref)
        verdict = after(run, expected="analyzed")
        if verdict:
            return verdict
        assert run is not None and run.answer is not None
        stored = run.answer
        new = NewAnalysis(
            answer=stored["answer"],
            run_kind=run.kind,
            analyzer=stored["analyzer"],
            model=stored["model"],
            prompt_version=stored["prompt_version"],
            prompt_hash=stored["prompt_hash"],
            provenance=Provenance(**stored.get("provenance", {})),
        )
        if held:
            held.add_analysis(conn, ref, new)
        else:
            add_analysis(conn, ref, new)
        count_unknown_topics(conn, ref.tenant_id, stored.get("unknown_topics", []))
        _move(conn, ref, held, to="persisted")
        crash_point("persist.before_commit")
    crash_point("persist.after_commit")
    return Next.GO_ON


@dataclass(frozen=True)
class Routed:
    """What `route` leaves to do after its commit: actions to ring."""

    verdict: Next
    action_ids: tuple[str, ...] = ()


def route(deps: Deps, ref: RunRef, *, now: datetime, held: HeldRun | None = None) -> Routed:
    """Decide about the message under its conversation's lock; write decision, place and planned actions in one transaction."""
    tenant = deps.tenants.get(ref.tenant_id)
    with deps.database.stage_transaction(ref.tenant_id) as conn:
        run = held.run if held else lock_run(conn, ref)
        verdict = after(run, expected="persisted")
        if verdict:
            return Routed(verdict)
        assert run is not None
        message = held.message if held else get_message(conn, ref.message_id)
        action_ids = decide_and_store(conn, ref, run=run, message=message, tenant=tenant, now=now, held=held)
        _move(conn, ref, held, to="routed")
        crash_point("route.before_commit")
    crash_point("route.after_commit")
    return Routed(Next.GO_ON, tuple(action_ids))


# Why a card changes, by the kind of run that brought a new label.
CARD_CHANGES: dict[str, Because] = {
    "initial": "message",
    "place": "message",
    "reanalyze": "reanalyze",
    "sweep": "sweep",
}


def crm_sync(deps: Deps, ref: RunRef, *, held: HeldRun | None = None) -> Next:
    """Record what the CRM must say (delivered later, in batches) and close the run."""
    with deps.database.stage_transaction(ref.tenant_id) as conn:
        run = held.run if held else lock_run(conn, ref)
        verdict = after(run, expected="routed")
        if verdict:
            return verdict
        assert run is not None
        around = held.surroundings if held else None
        is_synced = around.has_crm if around else has_crm(conn, ref.tenant_id)
        if run.outcome == "analyzed" and is_synced:
            customer_id = held.message.customer_id if held else find_customer_of(conn, ref.message_id)
            if customer_id:
                mark_dirty(conn, ref.tenant_id, customer_id, because=CARD_CHANGES[run.kind])
        if held:
            held.is_over = True
        else:
            finish(conn, ref, kind=run.kind, outcome=run.outcome)
        crash_point("crm_sync.before_commit")
    crash_point("crm_sync.after_commit")
    return Next.GO_ON


def begin_try(deps: Deps, ref: RunRef) -> bool:
    """Count a try at a run that was rung several times and has not moved, before it is made. False: workers died of it too often, and
    it is parked. Healthy messages are never counted: moving on forgets. Raises: StoreError.
    """
    with deps.database.stage_transaction(ref.tenant_id) as conn:
        if count_try(conn, ref) <= MAX_CRASHES:
            return True
        if ref.is_canary:
            drop_canary_run(conn, ref, code="poison")
        elif lock_run(conn, ref):
            bury(conn, ref, error_code="poison")
        return False


def end_try(deps: Deps, ref: RunRef) -> None:
    """A counted try failed in an orderly way, as while the database is away: that says nothing about the message. Raises: StoreError."""
    with deps.database.stage_transaction(ref.tenant_id) as conn:
        forgive_try(conn, ref)


def bury_run(deps: Deps, ref: RunRef, *, error_code: str) -> None:
    """Park a run that can't go on."""
    with deps.database.stage_transaction(ref.tenant_id) as conn:
        if lock_run(conn, ref):
            bury(conn, ref, error_code=error_code)
