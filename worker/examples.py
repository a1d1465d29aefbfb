"""From corrections to examples in the prompt: propose, check against the model, publish, bring back."""

import hashlib
import uuid
from dataclasses import asdict, dataclass, replace
from typing import Any

from analysis.base import Analyzer
from analysis.example_check import CheckResult, Expected, check
from config.tenant import TenantConfig
from store.audit_log import came_from, note_deed
from store.conversation_events import Actor
from store.db import Connection
from store.example_candidates import list_uncorrected
from store.examples import (
    PublishedExamples,
    Snapshot,
    find_snapshot,
    list_snapshots,
    lock_snapshots,
    note_evaluation,
    publish_snapshot,
    restore_snapshot,
)
from store.messages import get_message, share_contexts
from worker.analysis_request import build_request
from worker.deps import Deps
from worker.example_proposals import MAX_CHECKED, Proposal, choose_examples, find_live, propose
from worker.prompt_warming import warm_prompt
from worker.trials import Question, Recorded, TrialError, ask, record, refuse_while_paused


class ExamplesError(Exception):
    """The examples stay as they are; whole sentences that say why and what to do."""

    permanent = True


def preview(deps: Deps, tenant_id: int, *, with_check: bool = True, trial_id: str | None = None) -> Proposal:
    """Propose a snapshot and say what it would change. with_check: ask the model about held-back corrections too.

    trial_id: under which the questions stand in the ledger. Nothing in the prompt changes. Raises: TrialError when the model
    cannot be asked.
    """
    analyzer = deps.analyzer
    if analyzer is None and with_check:
        raise TrialError("no model is configured (ANTHROPIC_API_KEY), so nothing can be checked")
    tenant = deps.tenants.get(tenant_id)
    with deps.database.tenant_transaction(tenant_id) as conn:
        proposal = propose(conn, tenant_id, tenant=tenant, model=deps.settings.anthropic_model)
    if analyzer is None or not with_check or proposal.changes_nothing:
        return proposal
    return _checked(deps, tenant_id, analyzer, proposal, trial_id=trial_id or str(uuid.uuid4()))


@dataclass(frozen=True)
class _Check:
    held_back: list[Expected]
    confirmed: list[Expected]
    old: list[Recorded]
    new: list[Recorded]


def _checked(deps: Deps, tenant_id: int, analyzer: Analyzer, proposal: Proposal, *, trial_id: str) -> Proposal:
    """The proposal with its check: the model judges the same messages with the old and the new examples."""
    tenant = deps.tenants.get(tenant_id)
    refuse_while_paused(deps, tenant.model.default or analyzer.model)
    with deps.database.tenant_transaction(tenant_id) as conn:
        asked = _record_check(conn, tenant_id, analyzer, proposal, tenant=tenant, trial_id=trial_id)
    expected = [*asked.held_back, *asked.confirmed]
    replies = ask(deps, tenant_id, analyzer, [*asked.old, *asked.new])
    answers = [reply.analysis.answer if reply.analysis else None for reply in replies]
    ids = [one.message_id for one in expected]
    old = dict(zip(ids, answers[: len(ids)], strict=True))
    new = dict(zip(ids, answers[len(ids) :], strict=True))
    result = check(asked.held_back, asked.confirmed, old=old, new=new, corrections=proposal.choice.corrections)
    with deps.database.tenant_transaction(tenant_id) as conn:
        note_evaluation(conn, tenant_id, version=proposal.version, evaluation=evaluation_of(result))
    return replace(proposal, check=result, cost_microusd=sum(reply.cost_microusd for reply in replies))


def evaluation_of(result: CheckResult) -> dict[str, Any]:
    """A check as it is stored: counts and ids, no words."""
    return asdict(result)


def _record_check(
    conn: Connection, tenant_id: int, analyzer: Analyzer, proposal: Proposal, *, tenant: TenantConfig, trial_id: str
) -> _Check:
    share_contexts(conn, [one.message_id for one in proposal.choice.held_back])
    held_back = [
        Expected(one.message_id, one.values())
        for one in proposal.choice.held_back[:MAX_CHECKED]
        if get_message(conn, one.message_id).minimized_text  # it may have been taken back a moment ago
    ]
    examples = {one.message_id for one in proposal.choice.chosen}
    confirmed = _pick_confirmed(conn, tenant_id, size=max(len(held_back), 1), without=examples)
    ids = [one.message_id for one in (*held_back, *confirmed)]
    snapshot = find_snapshot(conn, tenant_id, version=proposal.version)
    live = find_live(conn, tenant_id)
    assert snapshot is not None
    rounds: list[list[Recorded]] = []
    for examples_of_round in (live.as_published() if live else PublishedExamples(), snapshot.as_published()):
        questions: list[Question] = []
        for message_id in ids:
            message = get_message(conn, message_id)
            built = build_request(conn, message, tenant_id=tenant_id, tenant=tenant, examples=examples_of_round)
            questions.append(Question(built.request, message_id, built.context_ids, model=tenant.model.default))
        rounds.append(record(conn, tenant_id, analyzer, questions, trial_id=trial_id))
    return _Check(held_back, confirmed, *rounds)


def _pick_confirmed(conn: Connection, tenant_id: int, *, size: int, without: set[str]) -> list[Expected]:
    """As many messages that are right as are held back: confirmed ones first, then any, by a hash that stays."""
    pool = [one for one in list_uncorrected(conn, tenant_id) if one.message_id not in without]
    pool.sort(key=lambda one: (not one.confirmed, hashlib.sha256(one.message_id.encode()).digest()))
    share_contexts(conn, [one.message_id for one in pool[:size]])
    return [
        Expected(
            one.message_id,
            {"sentiment": one.sentiment, "intent": one.intent},
            text=one.minimized_text,
            confirmed=one.confirmed,
        )
        for one in pool[:size]
        if get_message(conn, one.message_id).minimized_text
    ]


@dataclass(frozen=True)
class Checked:
    """A check that was made, and of what (see Proposal.basis)."""

    basis: str
    result: CheckResult


@dataclass(frozen=True)
class Published:
    """What stands in the prompt from now on. sentence: what the check said, and what was overruled."""

    version: int
    sentence: str


def publish(
    deps: Deps,
    tenant_id: int,
    *,
    by: int | None,
    key_id: int | None = None,
    version: int | None = None,
    note: str | None = None,
    force: bool = False,
    accept_unchecked: bool = False,
    checked: Checked | None = None,
    trial_id: str | None = None,
) -> Published:
    """Check what is proposed and put it into the prompt. version: exactly this proposal, as an admin saw it.

    force: although the check says "worse"; `note` must say why then. accept_unchecked: nobody can say, and the admin knows.
    checked: the result of a check just made; the model is asked again unless it is of the same corrections and live examples.
    trial_id: as for `preview`.
    Raises: ExamplesError when it is refused, TrialError when the model cannot be asked.
    """
    if force and not (note or "").strip():
        raise ExamplesError("overruling the check needs a note that says why")
    proposal = preview(deps, tenant_id, with_check=checked is None, trial_id=trial_id)
    if checked is not None:
        is_same = checked.basis == proposal.basis
        proposal = replace(proposal, check=checked.result) if is_same else preview(deps, tenant_id, trial_id=trial_id)
    if proposal.changes_nothing:
        raise ExamplesError("nothing to publish: the examples in the prompt are what the corrections give")
    if version is not None and version != proposal.version:
        raise ExamplesError(
            f"proposal {version} is out of date: the corrections, or the live examples, have changed since; "
            f"the proposal is {proposal.version} now, preview it"
        )
    assert proposal.check is not None
    _admit(proposal.check, force=force, accept_unchecked=accept_unchecked)
    tenant = deps.tenants.get(tenant_id)
    with deps.database.tenant_transaction(tenant_id) as conn:
        share_contexts(conn, [one.message_id for one in proposal.choice.chosen])
        lock_snapshots(conn, tenant_id)
        # What was checked must be what is published: somebody may have corrected, erased or published meanwhile.
        live = find_live(conn, tenant_id)
        snapshot = find_snapshot(conn, tenant_id, version=proposal.version)
        choice = choose_examples(conn, tenant_id, tenant=tenant)
        moved_on = snapshot is None or snapshot.chosen != choice.chosen or snapshot.published_at is not None
        if moved_on or (live.version if live else 0) != proposal.live_version:
            raise ExamplesError("the corrections or the live examples changed while the check ran; preview again")
        publish_snapshot(
            conn,
            tenant_id,
            version=proposal.version,
            by=by,
            evaluation=evaluation_of(proposal.check),
            note=note,
        )
        actor = Actor(user_id=by, key_id=key_id)
        details = {"verdict": proposal.check.verdict, "forced": force, **came_from(actor)}
        version_name = f"version:{proposal.version}"
        note_deed(conn, tenant_id, by=actor, deed="examples_published", subject=version_name, details=details)
    warm_prompt(deps, tenant_id)
    return Published(proposal.version, proposal.check.sentence)


def _admit(result: CheckResult, *, force: bool, accept_unchecked: bool) -> None:
    if result.verdict == "worse" and not force:
        lost = ", ".join((*result.held_back.lost, *result.confirmed.lost))
        raise ExamplesError(
            f"refused. {result.sentence} Look at {lost}: correct what is wrong there, undo what should not be learned, "
            "or overrule with a note"
        )
    if result.verdict == "unchecked" and not accept_unchecked:
        look_at = f" Look at {', '.join(result.in_question)}." if result.in_question else ""
        raise ExamplesError(f"refused. {result.sentence}{look_at}")


def roll_back(deps: Deps, tenant_id: int, *, by: int | None, to: int | None = None, note: str | None = None) -> int:
    """`bring_back`, and have the provider keep the prompt. Returns the version's number. Raises: ExamplesError."""
    with deps.database.tenant_transaction(tenant_id) as conn:
        version = bring_back(conn, tenant_id, by=by, to=to, note=note)
    warm_prompt(deps, tenant_id)
    return version


def bring_back(
    conn: Connection, tenant_id: int, *, by: int | None, to: int | None = None, note: str | None = None
) -> int:
    """Bring back the snapshot that was live before this one, or `to` (0: no examples), as a new version. Returns its number.

    Raises: ExamplesError when there is nothing to bring back.
    """
    lock_snapshots(conn, tenant_id)
    live = find_live(conn, tenant_id)
    former = _find_former(conn, tenant_id, live=live, to=to)
    return restore_snapshot(conn, tenant_id, former, by=by, note=note)


def _find_former(conn: Connection, tenant_id: int, *, live: Snapshot | None, to: int | None) -> Snapshot:
    if live is None:
        raise ExamplesError("nothing is published, so there is nothing to roll back")
    if to is None:
        # A version that was brought back stands for the one that it repeats, so that two rollbacks go two steps.
        snapshots = {one.version: one for one in list_snapshots(conn, tenant_id)}
        at = live
        while at.evaluation.get("verdict") in {"restored", "erased"}:
            if at.evaluation["from_version"] not in snapshots:
                raise ExamplesError("the prompt is as it was before anything was published")
            at = snapshots[at.evaluation["from_version"]]
        to = at.based_on
    if to == 0:
        return Snapshot(0, (), {}, 0, live.proposed_at, None, None, None)
    former = find_snapshot(conn, tenant_id, version=to)
    if former is None or former.published_at is None:
        raise ExamplesError(f"version {to} was never published; see the list of versions")
    if former.is_live:
        raise ExamplesError(f"version {to} is the one that is live")
    return former
