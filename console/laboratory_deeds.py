"""Trying prompts, the same for pages and programs: plan, cap, start."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from config.tenant import TenantConfig
from config.words import Surface
from console.api.problems import Problem
from console.example_choice import choose_aside
from store.audit_log import note_deed
from store.conversation_events import Actor
from store.db import Connection
from store.trial_records import NewTrial, TrialRecord, add_trial_record, find_trial, forget_old_trials, start_trial
from worker.laboratory_plan import LabPlan, plan_lab
from worker.laboratory_room import LabSetup
from worker.trials import TrialError

# What a run may cost where nobody says otherwise, and at most.
CAP_USD, MAX_CAP_USD = 0.25, 25.0
MICROUSD = 1_000_000
MAX_WORDS_CHARS = 4096


@dataclass(frozen=True)
class Experiment:
    """What somebody wants to try on what. texts: pasted words as they came; surface: where they stand. cap_usd: most it may cost."""

    setup: LabSetup
    texts: Sequence[str] = field(default=(), repr=False)
    message_ids: Sequence[str] = ()
    surface: Surface = "dm"
    cap_usd: float = CAP_USD


def plan_experiment(
    conn: Connection, tenant_id: int, wanted: Experiment, *, tenant: TenantConfig, model: str
) -> LabPlan:
    """What would leave and cost; nothing is kept. Raises: TrialError."""
    for number, text in enumerate(wanted.texts, 1):
        if len(text) > MAX_WORDS_CHARS:
            raise TrialError(f"texts: number {number} has {len(text)} characters; at most {MAX_WORDS_CHARS} fit")
        if "\0" in text:
            raise TrialError(f"texts: number {number} holds a NUL character")
    message_ids = list(dict.fromkeys(wanted.message_ids))
    return plan_lab(
        conn,
        tenant_id,
        tenant=tenant,
        setup=wanted.setup,
        model=model,
        texts=wanted.texts,
        message_ids=message_ids,
        chooser=choose_aside,
    )


def keep_plan(conn: Connection, tenant_id: int, wanted: Experiment, plan: LabPlan, *, by: Actor) -> str:
    """Keep a plan, with the stripped words only, to be started. Returns the trial's id."""
    forget_old_trials(conn, tenant_id)
    return add_trial_record(
        conn,
        tenant_id,
        NewTrial(
            kind="laboratory",
            setup={"tried": asdict(plan.setup), "surface": wanted.surface, "cap_usd": wanted.cap_usd},
            words=[one.words for one in plan.messages if one.message_id is None],
            message_ids=[one.message_id for one in plan.messages if one.message_id is not None],
            drawn_from=plan.drawn_from,
            estimated_microusd=plan.cost_microusd,
        ),
        by=by,
    )


def experiment_of(trial: TrialRecord) -> Experiment:
    """What a kept trial tries."""
    return Experiment(
        LabSetup(**trial.setup["tried"]),
        tuple(trial.words),
        tuple(trial.message_ids),
        trial.setup["surface"],
        trial.setup["cap_usd"],
    )


def is_over_cap(trial: TrialRecord) -> bool:
    """Whether it may cost more than whoever planned it allows."""
    return trial.estimated_microusd > trial.setup["cap_usd"] * MICROUSD


def start_experiment(conn: Connection, tenant_id: int, trial_id: str, *, by: Actor) -> TrialRecord:
    """Let a worker ask the model; a trial that was started before is left as it is. Raises: Problem."""
    trial = find_laboratory_trial(conn, tenant_id, trial_id)
    if trial.state == "planned" and is_over_cap(trial):
        fix = "choose fewer messages, a cheaper model, or a larger cap"
        raise Problem(422, "over_cap", field="max_cost_usd", fix=fix, cost_usd=trial.estimated_microusd / MICROUSD)
    if start_trial(conn, tenant_id, trial_id):
        tried = sorted(name for name, value in trial.setup["tried"].items() if value)
        details = {"tried": tried, "messages": len(trial.words) + len(trial.message_ids)}
        note_deed(conn, tenant_id, by=by, deed="trial_started", subject=f"trial:{trial_id}", details=details)
    return find_laboratory_trial(conn, tenant_id, trial_id)


def find_laboratory_trial(conn: Connection, tenant_id: int, trial_id: str) -> TrialRecord:
    """Raises: Problem when the tenant has no such trial."""
    found = find_trial(conn, tenant_id, trial_id)
    if found is None or found.kind != "laboratory":
        raise Problem(404, "not_found", fix="use the id of a trial of this tenant; trials are kept for 30 days")
    return found
