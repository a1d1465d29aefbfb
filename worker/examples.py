"""From corrections to examples in the prompt: propose, check against the model, publish, bring back."""

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from analysis.base import Analyzer
from analysis.example_check import CheckResult, Expected, check
from analysis.examples import (
    Candidate,
    Choice,
    ChosenExample,
    Difference,
    Verdict,
    choose,
    compare,
    cost_per_1000_messages,
    cut,
    estimate_tokens,
)
from analysis.minimize import minimize
from analysis.prompt import examples_text
from config.industries import load_industry
from config.tenant import TenantConfig
from store.audit_log import came_from, note_deed
from store.conversation_events import Actor
from store.db import Connection
from store.example_candidates import list_judged, list_uncorrected
from store.examples import (
    PublishedExamples,
    Snapshot,
    add_proposal,
    find_snapshot,
    get_published_examples,
    list_snapshots,
    lock_snapshots,
    note_evaluation,
    publish_snapshot,
    restore_snapshot,
)
from store.messages import get_message, share_contexts
from worker.analysis_request import build_request
from worker.deps import Deps
from worker.prompt_warming import warm_prompt
from worker.trials import Question, Recorded, TrialError, ask, record, refuse_while_paused

# Each is asked about twice: with the old examples and with the new ones.
MAX_CHECKED = 30


class ExamplesError(Exception):
    """The examples stay as they are; whole sentences that say why and what to do."""

    permanent = True


@dataclass(frozen=True)
class Proposal:
    """What an admin sees before publishing.

    version: the proposed snapshot's number. live_version: 0 when nothing is published. check: None when it was not asked for,
    or nothing changes. more_tokens: against the live snapshot. more_dollars_per_1000: None for a model without a known price.
    """

    version: int
    live_version: int
    difference: Difference
    choice: Choice
    more_tokens: int
    more_dollars_per_1000: float | None
    check: CheckResult | None
    cost_microusd: int = 0

    @property
    def changes_nothing(self) -> bool:
        """Whether the proposal is what stands in the prompt already."""
        return not self.difference.added and not self.difference.removed


def choose_examples(conn: Connection, tenant_id: int, *, tenant: TenantConfig) -> Choice:
    """The tenant's own judged messages through every sieve: stripped again, cut, screened, balanced."""
    topics = {**load_industry(tenant.industry).all_topics(), **tenant.topics}
    candidates = [
        Candidate(
            message_id=one.message_id,
            text=cut(minimize(one.minimized_text, region=tenant.default_region, known_names=one.names).text),
            language=one.language,
            verdicts=verdicts,
            judged_at=one.judged_at,
            correction_ids=one.correction_ids,
            injection_suspected=one.injection_suspected,
        )
        for one in list_judged(conn, tenant_id)
        if (verdicts := _still_sayable(one.verdicts, topics=topics))
    ]
    return choose(candidates)


def _still_sayable(verdicts: dict[str, Verdict], *, topics: Mapping[str, str]) -> dict[str, Verdict]:
    """Without a verdict about topics of which one has left the tenant's list since."""
    return {
        name: verdict
        for name, verdict in verdicts.items()
        if name != "topics" or all(topic in topics for topic in verdict.value.split(",") if topic)
    }


def preview(deps: Deps, tenant_id: int, *, with_check: bool = True) -> Proposal:
    """Propose a snapshot and say what it would change. with_check: ask the model about held-back corrections too.

    Nothing in the prompt changes. Raises: TrialError when the model cannot be asked.
    """
    analyzer = deps.analyzer
    if analyzer is None and with_check:
        raise TrialError("no model is configured (ANTHROPIC_API_KEY), so nothing can be checked")
    tenant = deps.tenants.get(tenant_id)
    with deps.database.tenant_transaction(tenant_id) as conn:
        judged = [one.message_id for one in list_judged(conn, tenant_id)]
        share_contexts(conn, judged)
        lock_snapshots(conn, tenant_id)
        choice = choose_examples(conn, tenant_id, tenant=tenant)
        live = _find_live(conn, tenant_id)
        chosen = live.chosen if live else ()
        difference = compare(chosen, choice.chosen)
        version = live.version if live else 0
        if difference.added or difference.removed:
            version = add_proposal(conn, tenant_id, choice.chosen, based_on=version)
    tokens = _tokens(choice.chosen) - _tokens(chosen)
    proposal = Proposal(
        version=version,
        live_version=live.version if live else 0,
        difference=difference,
        choice=choice,
        more_tokens=tokens,
        more_dollars_per_1000=cost_per_1000_messages(tokens, model=deps.settings.anthropic_model),
        check=None,
    )
    if analyzer is None or not with_check or proposal.changes_nothing:
        return proposal
    return _checked(deps, tenant_id, analyzer, proposal)


def _find_live(conn: Connection, tenant_id: int) -> Snapshot | None:
    published = get_published_examples(conn, tenant_id)
    return find_snapshot(conn, tenant_id, version=published.version) if published.version else None


def _tokens(chosen: Sequence[ChosenExample]) -> int:
    return estimate_tokens(examples_text(one.example for one in chosen)) if chosen else 0


@dataclass(frozen=True)
class _Check:
    held_back: list[Expected]
    confirmed: list[Expected]
    old: list[Recorded]
    new: list[Recorded]


def _checked(deps: Deps, tenant_id: int, analyzer: Analyzer, proposal: Proposal) -> Proposal:
    """The proposal with its check: the model judges the same messages with the old and the new examples."""
    refuse_while_paused(deps, deps.tenants.get(tenant_id).model.default or analyzer.model)
    with deps.database.tenant_transaction(tenant_id) as conn:
        asked = _record_check(conn, deps, tenant_id, analyzer, proposal)
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


def _record_check(conn: Connection, deps: Deps, tenant_id: int, analyzer: Analyzer, proposal: Proposal) -> _Check:
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
    live = _find_live(conn, tenant_id)
    assert snapshot is not None
    tenant, trial_id = deps.tenants.get(tenant_id), str(uuid.uuid4())
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
class Published:
    """What stands in the prompt from now on. sentence: what the check said, and what was overruled."""

    version: int
    sentence: str


def publish(
    deps: Deps,
    tenant_id: int,
    *,
    by: int | None,
    version: int | None = None,
    note: str | None = None,
    force: bool = False,
    accept_unchecked: bool = False,
) -> Published:
    """Check what is proposed and put it into the prompt. version: exactly this proposal, as an admin saw it.

    force: although the check says "worse"; `note` must say why then. accept_unchecked: nobody can say, and the admin knows.
    Raises: ExamplesError when it is refused, TrialError when the model cannot be asked.
    """
    if force and not (note or "").strip():
        raise ExamplesError("overruling the check needs a note that says why")
    proposal = preview(deps, tenant_id)
    if proposal.changes_nothing:
        raise ExamplesError("nothing to publish: the examples in the prompt are what the corrections give")
    if version is not None and version != proposal.version:
        raise ExamplesError(
            f"proposal {version} is out of date: the corrections, or the live examples, have changed since; "
            f"the proposal is {proposal.version} now, preview it"
        )
    assert proposal.check is not None
    _admit(proposal.check, force=force, accept_unchecked=accept_unchecked)
    with deps.database.tenant_transaction(tenant_id) as conn:
        share_contexts(conn, [one.message_id for one in proposal.choice.chosen])
        lock_snapshots(conn, tenant_id)
        # What was checked must be what is published: somebody may have corrected, erased or published meanwhile.
        live = _find_live(conn, tenant_id)
        snapshot = find_snapshot(conn, tenant_id, version=proposal.version)
        choice = choose_examples(conn, tenant_id, tenant=deps.tenants.get(tenant_id))
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
        actor = Actor(user_id=by)
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
    """Bring back the snapshot that was live before this one, or `to` (0: no examples), as a new version. Returns its number.

    Raises: ExamplesError when there is nothing to bring back.
    """
    with deps.database.tenant_transaction(tenant_id) as conn:
        lock_snapshots(conn, tenant_id)
        live = _find_live(conn, tenant_id)
        former = _find_former(conn, tenant_id, live=live, to=to)
        version = restore_snapshot(conn, tenant_id, former, by=by, note=note)
    warm_prompt(deps, tenant_id)
    return version


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
