"""What people do about examples in the prompt, the same for pages and programs: check, publish, roll back, leave out."""

from collections.abc import Sequence
from dataclasses import dataclass

from config.tenant import TenantConfig
from console.api.problems import Problem
from console.example_choice import choose_aside
from store.audit_log import note_deed
from store.conversation_events import Actor
from store.db import Connection
from store.example_rejections import readmit_example, reject_examples
from store.examples import get_published_examples, lock_snapshots
from store.trial_records import NewTrial, TrialKind, TrialRecord, add_trial_record, find_trial, list_trials, start_trial
from worker.example_proposals import Proposal, compare_with_live, estimate_check, propose
from worker.examples import ExamplesError, bring_back

KINDS: tuple[TrialKind, ...] = ("check", "publish")
MAX_NOTE_CHARS = 500


@dataclass(frozen=True)
class Publishing:
    """What an admin says beside "publish". basis: of the proposal they have seen. The rest as in worker.examples.publish."""

    basis: str
    note: str | None = None
    force: bool = False
    accept_unchecked: bool = False


def find_last_check(conn: Connection, tenant_id: int, proposal: Proposal) -> TrialRecord | None:
    """The newest check that is about this proposal, corrections and live examples being as they were."""
    recent = list_trials(conn, tenant_id, kinds=("check",), limit=10)
    return next((one for one in recent if one.result and one.result.get("basis") == proposal.basis), None)


def find_last_trial(conn: Connection, tenant_id: int) -> TrialRecord | None:
    """The check or publishing that was started last."""
    found = list_trials(conn, tenant_id, kinds=KINDS, limit=1)
    return found[0] if found else None


def start_check(
    conn: Connection, tenant_id: int, *, tenant: TenantConfig, model: str, basis: str | None, by: Actor
) -> TrialRecord:
    """Have a worker ask the model about held-back corrections. Raises: Problem."""
    proposal = _numbered(conn, tenant_id, tenant=tenant, model=model, basis=basis)
    cost = estimate_check(proposal, tenant=tenant, model=model).cost_microusd
    new = NewTrial("check", {"version": proposal.version}, estimated_microusd=cost)
    return _start(conn, tenant_id, new, deed="examples_checked", by=by)


def start_publishing(
    conn: Connection, tenant_id: int, wanted: Publishing, *, tenant: TenantConfig, model: str, by: Actor
) -> TrialRecord:
    """Have a worker publish what was seen; it asks the model first unless a check of just this stands. Raises: Problem."""
    note = " ".join((wanted.note or "").split())
    if len(note) > MAX_NOTE_CHARS:
        raise Problem(422, "note_too_long", field="note", fix=f"say it in {MAX_NOTE_CHARS} characters or fewer")
    if wanted.force and not note:
        raise Problem(422, "note_missing", field="note", fix="say why it is published although the check says worse")
    proposal = _numbered(conn, tenant_id, tenant=tenant, model=model, basis=wanted.basis)
    setup = {
        "version": proposal.version,
        "note": note or None,
        "force": wanted.force,
        "accept_unchecked": wanted.accept_unchecked,
    }
    cost = estimate_check(proposal, tenant=tenant, model=model).cost_microusd
    if find_last_check(conn, tenant_id, proposal):
        cost = 0
    new = NewTrial("publish", setup, estimated_microusd=cost)
    return _start(conn, tenant_id, new, deed="examples_publishing_asked", by=by)


def _numbered(conn: Connection, tenant_id: int, *, tenant: TenantConfig, model: str, basis: str | None) -> Proposal:
    """The proposal under its number, when it is the one that was seen and nothing else is under way. Raises: Problem."""
    lock_snapshots(conn, tenant_id)
    last = find_last_trial(conn, tenant_id)
    if last and last.is_open:
        raise Problem(409, "under_way", fix="a check or a publishing is under way: wait for it", trial_id=last.id)
    seen = compare_with_live(conn, tenant_id, tenant=tenant, model=model, chooser=choose_aside)
    if basis is not None and basis != seen.basis:
        fix = "the corrections or the live examples have changed since: read the proposal again"
        raise Problem(409, "proposal_changed", field="basis", fix=fix)
    if seen.changes_nothing:
        raise Problem(409, "nothing_to_publish", fix="the examples in the prompt are what the corrections give")
    return propose(conn, tenant_id, tenant=tenant, model=model, chooser=choose_aside)


def _start(conn: Connection, tenant_id: int, new: NewTrial, *, deed: str, by: Actor) -> TrialRecord:
    trial_id = add_trial_record(conn, tenant_id, new, by=by)
    start_trial(conn, tenant_id, trial_id)
    version = new.setup["version"]
    details = {name: new.setup[name] for name in ("force", "accept_unchecked") if name in new.setup}
    note_deed(conn, tenant_id, by=by, deed=deed, subject=f"version:{version}", details=details)
    return find_example_trial(conn, tenant_id, trial_id)


def find_example_trial(conn: Connection, tenant_id: int, trial_id: str) -> TrialRecord:
    """A check or a publishing. Raises: Problem when the tenant has no such one."""
    found = find_trial(conn, tenant_id, trial_id)
    if found is None or found.kind not in KINDS:
        raise Problem(404, "not_found", fix="use the id of a check or a publishing of this tenant")
    return found


def roll_back(
    conn: Connection, tenant_id: int, *, to: int | None, live_version: int | None, note: str | None, by: Actor
) -> int:
    """Bring a former snapshot back; it is in the prompt from the commit on. Returns its new number.

    live_version: what they have seen in the prompt; None: whatever stands. Raises: Problem.
    """
    lock_snapshots(conn, tenant_id)
    note = " ".join((note or "").split())
    if len(note) > MAX_NOTE_CHARS:
        raise Problem(422, "note_too_long", field="note", fix=f"say it in {MAX_NOTE_CHARS} characters or fewer")
    if live_version is not None and live_version != get_published_examples(conn, tenant_id).version:
        fix = "another version has come into the prompt meanwhile: look again and decide anew"
        raise Problem(409, "proposal_changed", field="live_version", fix=fix)
    try:
        version = bring_back(conn, tenant_id, by=by.user_id, to=to, note=note or None)
    except ExamplesError as error:
        raise Problem(409, "not_rolled_back", field="to", fix=str(error)) from None
    note_deed(conn, tenant_id, by=by, deed="examples_rolled_back", subject=f"version:{version}", details={"to": to})
    return version


def leave_out(conn: Connection, tenant_id: int, message_ids: Sequence[str], *, by: Actor) -> int:
    """Messages that are no examples from now on, whatever people said of them. Returns how many are new among them."""
    done = reject_examples(conn, tenant_id, message_ids, by=by.user_id)
    if done:
        note_deed(
            conn, tenant_id, by=by, deed="examples_left_out", details={"message_ids": sorted(message_ids), "new": done}
        )
    return done


def take_in_again(conn: Connection, tenant_id: int, message_id: str, *, by: Actor) -> bool:
    """A message may be an example again. False when it was not left out."""
    done = readmit_example(conn, tenant_id, message_id)
    if done:
        note_deed(conn, tenant_id, by=by, deed="example_taken_in_again", subject=f"message:{message_id}")
    return done
