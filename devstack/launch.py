"""First program of every child: ties its life to its parent's, takes its place among the others, gives up root where asked, then becomes the command.

    python -I -S launch.py PARENT_PID DEATH_SIGNAL UID GID NICENESS COMMAND [ARGUMENT...]        (UID -1: stay who we are)

A program of its own and not Popen's preexec_fn, because the supervisor has threads: Python code between fork and exec
can hang there. It must not import anything outside the standard library.
"""

import ctypes
import os
import signal
import sys
import time
from contextlib import suppress

PR_SET_PDEATHSIG = 1
# Linux shares the processor among sessions first and within each by niceness then: a niceness alone says nothing to the others of a stack,
# each of which has a session of its own (sched(7), "The autogroup feature").
AUTOGROUP = "/proc/self/autogroup"
AUTOGROUP_TRIES, AUTOGROUP_AGAIN_S = 20, 0.1


def _give_up_root(uid: int, gid: int) -> None:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def _take_place(niceness: int) -> None:
    """Let others go first, or before them, as far as this system knows how. Raises: OSError where only root may."""
    os.nice(niceness)
    for _ in range(AUTOGROUP_TRIES):
        try:
            with open(AUTOGROUP, "w", encoding="ascii") as group:  # noqa: PTH123 -- to import pathlib takes longer than all this
                group.write(str(niceness))
        except BlockingIOError:  # the kernel takes one such wish of all users' in a tenth of a second
            time.sleep(AUTOGROUP_AGAIN_S)
        else:
            return


def become_child(parent_pid: int, death_signal: int, *, niceness: int, uid: int = -1, gid: int = -1) -> None:
    """Take one's place and tie one's life to the parent's; exits with 1 when it is gone already."""
    if niceness:
        with suppress(OSError):
            _take_place(niceness)
    if uid >= 0:
        _give_up_root(uid, gid)
    if sys.platform == "linux":
        # After setuid, which clears it. The signal comes when the thread that started us ends, not only the process.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent_pid:
        sys.exit(1)


def main(arguments: list[str]) -> None:
    """Become the command, or exit with 1 when the parent is gone already."""
    parent_pid, death_signal, uid, gid, niceness = (int(argument) for argument in arguments[:5])
    become_child(parent_pid, death_signal, niceness=niceness, uid=uid, gid=gid)
    # Python ignores these two for itself; an exec would hand that on.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    command = arguments[5:]
    os.execv(command[0], command)  # noqa: S606 -- no shell is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
