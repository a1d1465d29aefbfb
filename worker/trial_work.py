"""Does what people have started to try: laboratory runs, checks and publishings of examples. Each is asked and paid once."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import structlog

from analysis.example_check import CheckResult, Score
from store.db import StoreError
from store.trial_records import (
    TrialRecord,
    end_interrupted_trials,
    find_trial,
    finish_trial,
    forget_old_trials,
    list_trials,
    take_due_trials,
    take_trial,
)
from worker.deps import Deps
from worker.examples import Checked, ExamplesError, preview, publish
from worker.laboratory import run_lab
from worker.laboratory_room import LabSetup
from worker.trials import TrialError

log = structlog.get_logger()

MAX_RINGS = 50
# Checks to look through for one whose result still holds.
RECENT_CHECKS = 5


def take_due(deps: Deps) -> list[tuple[int, str]]:
    """(tenant_id, trial_id) of trials that need a worker now. Raises: StoreError."""
    with deps.database.system_transaction() as conn:
        interrupted = end_interrupted_trials(conn)
        due = take_due_trials(conn, limit=MAX_RINGS)
    if interrupted:
        log.warning("trials_interrupted", trials=interrupted)
    return due


def run_trial(deps: Deps, *, tenant_id: int, trial_id: str) -> None:
    """Do one trial and keep what came of it; nothing when another worker has it. Raises: StoreError."""
    with deps.database.tenant_transaction(tenant_id) as conn:
        token = take_trial(conn, trial_id)
        trial = find_trial(conn, tenant_id, trial_id)
    if token is None or trial is None:
        return
    result: Mapping[str, Any] | None = None
    error: str | None = None
    try:
        with deps.leases.keep(token):
            result, error = _WORK[trial.kind](deps, tenant_id, trial)
    except (TrialError, ExamplesError) as refused:
        error = str(refused)
    except StoreError:
        raise
    except Exception as bug:  # noqa: BLE001 -- its text may quote a customer: only its class is told
        error = f"bug_{type(bug).__name__}"
        log.error("trial_failed", code=error, trial_id=trial_id)  # noqa: TRY400
    with deps.database.tenant_transaction(tenant_id) as conn:
        finish_trial(conn, tenant_id, trial_id, result=result, error=error)


def _laboratory(deps: Deps, tenant_id: int, trial: TrialRecord) -> tuple[Mapping[str, Any] | None, str | None]:
    with deps.database.tenant_transaction(tenant_id) as conn:
        forget_old_trials(conn, tenant_id)
    rows = run_lab(
        deps,
        tenant_id,
        setup=LabSetup(**trial.setup["tried"]),
        texts=trial.words,
        message_ids=trial.message_ids,
        surface=trial.setup["surface"],
        trial_id=trial.id,
    )
    return {"rows": [{**asdict(row), "changed": list(row.changed)} for row in rows]}, None


def _check(deps: Deps, tenant_id: int, trial: TrialRecord) -> tuple[Mapping[str, Any] | None, str | None]:
    proposal = preview(deps, tenant_id, trial_id=trial.id)
    if proposal.check is None:
        return {"version": proposal.version, "check": None}, None
    return {"version": proposal.version, "basis": proposal.basis, "check": asdict(proposal.check)}, None


def _publish(deps: Deps, tenant_id: int, trial: TrialRecord) -> tuple[Mapping[str, Any] | None, str | None]:
    asked = trial.setup
    checked = _find_check(deps, tenant_id, version=asked["version"])
    try:
        published = publish(
            deps,
            tenant_id,
            by=trial.by_user_id,
            key_id=trial.by_key_id,
            version=asked["version"],
            note=asked.get("note"),
            force=asked.get("force", False),
            accept_unchecked=asked.get("accept_unchecked", False),
            checked=checked,
            trial_id=trial.id,
        )
    except ExamplesError as refused:
        return {"version": asked["version"], "published": False}, str(refused)
    return {"version": published.version, "published": True, "sentence": published.sentence}, None


def _find_check(deps: Deps, tenant_id: int, *, version: int) -> Checked | None:
    """The newest check of this proposal. Whether it still holds is for publishing to say."""
    with deps.database.tenant_transaction(tenant_id) as conn:
        recent = list_trials(conn, tenant_id, kinds=("check",), limit=RECENT_CHECKS)
    for one in recent:
        if one.state == "done" and one.result and one.result["version"] == version and one.result.get("check"):
            return Checked(one.result["basis"], read_check(one.result["check"]))
    return None


def read_check(stored: Mapping[str, Any]) -> CheckResult:
    """A check as it was stored."""
    return CheckResult(
        verdict=stored["verdict"],
        sentence=stored["sentence"],
        held_back=_score(stored["held_back"]),
        confirmed=_score(stored["confirmed"]),
        in_question=tuple(stored["in_question"]),
    )


def _score(stored: Mapping[str, Any]) -> Score:
    return Score(stored["n"], stored["old"], stored["new"], tuple(stored["lost"]))


_WORK = {"laboratory": _laboratory, "check": _check, "publish": _publish}
