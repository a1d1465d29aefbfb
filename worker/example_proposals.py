"""What the corrections of a tenant would put into its prompt as examples, and what that would change and cost."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from analysis.base import MinimizedText
from analysis.cost import price_of
from analysis.example_check import CheckResult
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
from analysis.minimize import MINIMIZER_VERSION, minimize
from analysis.prompt import build_system, examples_text
from config.industries import load_industry
from config.tenant import TenantConfig
from store.db import Connection
from store.example_candidates import JudgedMessage, list_judged
from store.examples import (
    PublishedExamples,
    Snapshot,
    add_proposal,
    find_snapshot,
    get_published_examples,
    lock_snapshots,
)
from store.messages import share_contexts
from worker.analysis_request import request_for_words

# Each is asked about twice: with the old examples and with the new ones.
MAX_CHECKED = 30
# Of what a process knows to need no stripping; 32 bytes each.
MAX_REMEMBERED = 20_000
# What a message with its context, and an answer, rarely go beyond.
TURN_TOKENS, ANSWER_TOKENS = 400, 250

_unchanged: set[bytes] = set()


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

    @property
    def basis(self) -> str:
        """The same as long as neither the live examples nor anything that people have said of messages changes."""
        said = [
            [one.message_id, one.text, sorted(one.values().items())]
            for one in (*self.choice.corrections, *self.choice.held_back)
        ]
        chosen = [[one.message_id, list(one.correction_ids)] for one in self.choice.chosen]
        return hashlib.sha256(json.dumps([self.live_version, said, chosen]).encode()).hexdigest()[:32]


def choose_from(judged: Sequence[JudgedMessage], tenant: TenantConfig) -> Choice:
    """Judged messages through every sieve: stripped again, cut, screened, balanced. Half a second of work where there are most."""
    topics = {**load_industry(tenant.industry).all_topics(), **tenant.topics}
    candidates = [
        Candidate(
            message_id=one.message_id,
            text=cut(_strip_again(one, region=tenant.default_region)),
            language=one.language,
            verdicts=verdicts,
            judged_at=one.judged_at,
            correction_ids=one.correction_ids,
            injection_suspected=one.injection_suspected,
        )
        for one in judged
        if (verdicts := _still_sayable(one.verdicts, topics=topics))
    ]
    return choose(candidates)


def _strip_again(one: JudgedMessage, *, region: str) -> str:
    """Its words without what today's rules cut, which is nothing for nearly all: of those the digest is remembered, and no word."""
    said = json.dumps([MINIMIZER_VERSION, region, one.names, one.minimized_text])
    digest = hashlib.sha256(said.encode()).digest()
    if digest in _unchanged:
        return one.minimized_text
    stripped = minimize(one.minimized_text, region=region, known_names=one.names).text
    if stripped == one.minimized_text:
        if len(_unchanged) >= MAX_REMEMBERED:
            _unchanged.clear()
        _unchanged.add(digest)
    return stripped


# Does what choose_from does, where and when it likes.
Chooser = Callable[[Sequence[JudgedMessage], TenantConfig], Choice]


def choose_examples(
    conn: Connection, tenant_id: int, *, tenant: TenantConfig, chooser: Chooser = choose_from
) -> Choice:
    """What comes of the tenant's own judged messages."""
    return chooser(list_judged(conn, tenant_id), tenant)


def _still_sayable(verdicts: dict[str, Verdict], *, topics: Mapping[str, str]) -> dict[str, Verdict]:
    """Without a verdict about topics of which one has left the tenant's list since."""
    return {
        name: verdict
        for name, verdict in verdicts.items()
        if name != "topics" or all(topic in topics for topic in verdict.value.split(",") if topic)
    }


def propose(
    conn: Connection, tenant_id: int, *, tenant: TenantConfig, model: str, chooser: Chooser = choose_from
) -> Proposal:
    """What publishing would change now, under the number of a snapshot. The transaction should be a short one."""
    judged = [one.message_id for one in list_judged(conn, tenant_id)]
    share_contexts(conn, judged)
    lock_snapshots(conn, tenant_id)
    proposal = compare_with_live(conn, tenant_id, tenant=tenant, model=model, chooser=chooser)
    if proposal.changes_nothing:
        return proposal
    version = add_proposal(conn, tenant_id, proposal.choice.chosen, based_on=proposal.live_version)
    return replace(proposal, version=version)


def compare_with_live(
    conn: Connection, tenant_id: int, *, tenant: TenantConfig, model: str, chooser: Chooser = choose_from
) -> Proposal:
    """The same without a number (version is the live one's): to look at. Writes and locks nothing."""
    choice = choose_examples(conn, tenant_id, tenant=tenant, chooser=chooser)
    live = find_live(conn, tenant_id)
    chosen = live.chosen if live else ()
    tokens = _tokens(choice.chosen) - _tokens(chosen)
    return Proposal(
        version=live.version if live else 0,
        live_version=live.version if live else 0,
        difference=compare(chosen, choice.chosen),
        choice=choice,
        more_tokens=tokens,
        more_dollars_per_1000=cost_per_1000_messages(tokens, model=model),
        check=None,
    )


def find_live(conn: Connection, tenant_id: int) -> Snapshot | None:
    """The snapshot that stands in the prompt."""
    published = get_published_examples(conn, tenant_id)
    return find_snapshot(conn, tenant_id, version=published.version) if published.version else None


def _tokens(chosen: Sequence[ChosenExample]) -> int:
    return estimate_tokens(examples_text(one.example for one in chosen)) if chosen else 0


@dataclass(frozen=True)
class CheckCost:
    """How many questions a check asks, and about what they cost in millionths of a dollar."""

    calls: int
    cost_microusd: int


def estimate_check(proposal: Proposal, *, tenant: TenantConfig, model: str) -> CheckCost:
    """As if nothing were in the provider's cache yet. model: the installation's."""
    held_back = min(len(proposal.choice.held_back), MAX_CHECKED)
    calls = 2 * (held_back + max(held_back, 1))
    price = price_of(tenant.model.default or model)
    examples = PublishedExamples(0, tuple(one.example for one in proposal.choice.chosen))
    system = build_system(request_for_words(MinimizedText(""), tenant, examples))
    prefix = estimate_tokens("".join(block["text"] for block in system))
    one_call = prefix * price.cache_read + TURN_TOKENS * price.input + ANSWER_TOKENS * price.output
    return CheckCost(calls, round(calls * one_call + 2 * prefix * price.cache_write))
