"""What every stage shares: whether it has anything to do, and what becomes of the rest of the chain."""

from enum import Enum

from store.runs import RUN_STATES, LockedRun, RunState


class Next(Enum):
    """What becomes of the rest of the chain."""

    GO_ON = "go_on"
    STOP = "stop"


def after(run: LockedRun | None, *, expected: RunState) -> Next | None:
    """None when the stage has work to do, else what the chain does.

    A run that is already past this stage lets the chain go on; one that is dead, gone or not there yet ends it.
    """
    if run is None or run.state == "dead":
        return Next.STOP
    if run.state == expected:
        return None
    return Next.GO_ON if RUN_STATES.index(run.state) > RUN_STATES.index(expected) else Next.STOP
