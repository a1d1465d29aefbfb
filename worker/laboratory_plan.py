"""What a laboratory run would send and about what it would cost, before anything leaves."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from analysis.base import AnalysisRequest, MinimizedText
from analysis.cost import price_of
from analysis.examples import estimate_tokens
from analysis.prompt import build_system, build_user_turn, prompt_version
from config.tenant import TenantConfig
from store.db import Connection
from worker.example_proposals import Chooser, choose_from
from worker.laboratory_room import MAX_MESSAGES, LabSetup, Requests, Room
from worker.trials import TrialError

# An answer has some hundred tokens; planned with room, so that a cap is not passed.
ANSWER_TOKENS = 250
MICROUSD = 1_000_000


@dataclass(frozen=True)
class PlannedSide:
    """The live or the tried half: model, version of the prompt, and its system blocks as they are sent."""

    model: str
    prompt: str
    system: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True)
class PlannedMessage:
    """One message. *_turn: what would be sent of it, exactly; None where nothing is asked. message_id: None for pasted words."""

    message_id: str | None
    words: MinimizedText = field(repr=False)
    live_turn: str | None = field(repr=False)
    trial_turn: str | None = field(repr=False)


@dataclass(frozen=True)
class LabPlan:
    """A run before it runs. drawn_from: all messages whose words would leave, context included.

    setup: with the number of a proposal in the place of "proposed".
    """

    setup: LabSetup
    live: PlannedSide
    trial: PlannedSide
    messages: tuple[PlannedMessage, ...]
    drawn_from: tuple[str, ...]
    calls: int
    cost_microusd: int


def plan_lab(
    conn: Connection,
    tenant_id: int,
    *,
    tenant: TenantConfig,
    setup: LabSetup,
    model: str,
    texts: Sequence[str] = (),
    message_ids: Sequence[str] = (),
    chooser: Chooser = choose_from,
) -> LabPlan:
    """The plan; asks nobody. model: the installation's. Stored messages come first. Raises: TrialError."""
    if not 0 < len(texts) + len(message_ids) <= MAX_MESSAGES:
        raise TrialError(f"give 1 to {MAX_MESSAGES} messages")
    room = Room.open(conn, tenant_id, tenant=tenant, setup=setup, chooser=chooser)
    subjects = [*map(room.stored, message_ids), *map(room.pasted, texts)]
    sides = tuple(
        _side(request, config.model.default or model)
        for request, config in zip((subjects[0].live, subjects[0].trial), room.configs, strict=True)
    )
    messages = tuple(_planned(one, setup) for one in subjects)
    drawn_from = {*message_ids, *(one for subject in subjects for one in subject.context_ids)}
    calls = sum((one.live_turn is not None) + (one.trial_turn is not None) for one in messages)
    cost = _cost(sides[0], [one.live_turn for one in messages]) + _cost(sides[1], [one.trial_turn for one in messages])
    if setup.examples == "proposed":
        setup = replace(setup, examples=str(room.examples[1].version))
    return LabPlan(setup, sides[0], sides[1], messages, tuple(sorted(drawn_from)), calls, cost)


def _side(request: AnalysisRequest, model: str) -> PlannedSide:
    return PlannedSide(model, prompt_version(request), tuple(block["text"] for block in build_system(request)))


def _planned(one: Requests, setup: LabSetup) -> PlannedMessage:
    return PlannedMessage(
        one.message_id,
        one.live.text,
        build_user_turn(one.live) if one.stored is None else None,
        build_user_turn(one.trial) if setup.asks_differently else None,
    )


def _cost(side: PlannedSide, turns: Sequence[str | None]) -> int:
    """Millionths of a dollar, as if nothing were found in the provider's cache and the prefix were written into it."""
    price = price_of(side.model)
    prefix = estimate_tokens("".join(side.system))
    asked = [turn for turn in turns if turn is not None]
    own = sum(estimate_tokens(turn) * price.input + ANSWER_TOKENS * price.output for turn in asked)
    return round(own + len(asked) * prefix * price.cache_write)
