"""First program of every child: ties its life to its parent's, gives up root where asked, then becomes the command.

    python -I -S launch.py PARENT_PID DEATH_SIGNAL UID GID COMMAND [ARGUMENT...]        (UID -1: stay who we are)

A program of its own and not Popen's preexec_fn, because the supervisor has threads: Python code between fork and exec
can hang there. It must not import anything outside the standard library.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def _give_up_root(uid: int, gid: int) -> None:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def main(arguments: list[str]) -> None:
    """Become the command, or exit with 1 when the parent is gone already."""
    parent_pid, death_signal, uid, gid = (int(argument) for argument in arguments[:4])
    if uid >= 0:
        _give_up_root(uid, gid)
    if sys.platform == "linux":
        # After setuid, which clears it. The signal comes when the thread that started us ends, not only the process.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent_pid:
        sys.exit(1)
    # Python ignores these two for itself; an exec would hand that on.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    command = arguments[4:]
    os.execv(command[0], command)  # noqa: S606 -- no shell is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
