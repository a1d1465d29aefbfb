"""Reads once what several programs of a stack are made of, and forks each of them when it is asked to: they share that memory.

    python -m devstack.forking ROOM PARENT_PID SOCKET MODULE...

ROOM is space for the command lines that forked programs show as theirs. A program is forked twice, so that the kernel makes it a child of
the subreaper that asked, which must be PARENT_PID: it owes nothing to this process, which may end at any time. Only modules are read before;
connections, threads and settings are each program's own.
"""

import ctypes
import gc
import json
import os
import runpy
import socket
import sys
from importlib import import_module
from typing import Any

from devstack.launch import become_child

LOADED = b"+"
SIZE_BYTES = 4
ARG_START_FIELD, ARG_END_FIELD = 45, 46  # of /proc/PID/stat, counted from the state


def main(arguments: list[str]) -> None:
    """Serve until whoever asks is gone. In a forked program: be that program."""
    _, parent_pid, number, *modules = arguments
    show_command([sys.executable, "-m", "devstack.forking"])
    # Made before any module is read: some have gevent put another kind of socket in its place.
    asks = socket.socket(fileno=int(number))
    for name in modules:
        import_module(name)
    # What is there now is never looked at by a collection again, which would copy the pages it touches.
    gc.collect()
    gc.freeze()
    asks.sendall(LOADED)
    while (wanted := _next_request(asks)) is not None:
        pid = _fork(wanted, parent_pid=int(parent_pid), asks=asks)
        asks.sendall(pid.to_bytes(SIZE_BYTES, "big"))


def _next_request(asks: socket.socket) -> dict[str, Any] | None:
    """With the descriptor of its log as `output`; None when nobody is there any more."""
    size, descriptors, _, _ = socket.recv_fds(asks, SIZE_BYTES, 1)
    if not size:
        return None
    left, text = int.from_bytes(size, "big"), b""
    while left > len(text):
        text += asks.recv(left - len(text))
    return {**json.loads(text), "output": descriptors[0]}


def _fork(wanted: dict[str, Any], *, parent_pid: int, asks: socket.socket) -> int:
    """Its process id. Does not return in the program itself."""
    hears, tells = os.pipe()
    between = os.fork()
    if not between:
        between = os.getpid()
        pid = os.fork()
        if pid:
            os.write(tells, pid.to_bytes(SIZE_BYTES, "big"))
            os._exit(0)
        for descriptor in (hears, tells, asks.detach()):
            os.close(descriptor)
        _become(wanted, between=between, parent_pid=parent_pid)
    os.close(tells)
    os.close(wanted["output"])
    pid = int.from_bytes(os.read(hears, SIZE_BYTES), "big")
    os.close(hears)
    os.waitpid(between, 0)
    return pid


def _become(wanted: dict[str, Any], *, between: int, parent_pid: int) -> None:
    """What subprocess, launch.py and the interpreter's start do for a program of its own. Raises: SystemExit at its end."""
    os.setsid()
    os.chdir(wanted["cwd"])
    _redirect(wanted["output"])
    os.environ.clear()
    os.environ.update(wanted["environ"])
    while os.getppid() == between:  # about to end
        os.sched_yield()
    become_child(parent_pid, wanted["death_signal"], niceness=wanted["niceness"])
    show_command(wanted["argv"])
    _, _, module, *arguments = sys.orig_argv[:] = wanted["argv"]
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    sys.exit(0)


def _redirect(output: int) -> None:
    os.dup2(output, sys.stdout.fileno())
    os.dup2(output, sys.stderr.fileno())
    os.close(output)


def show_command(argv: list[str]) -> None:
    """Have `ps` and /proc show this command line, cut to the room there is. Nothing where the kernel does not say where it lies."""
    with open("/proc/self/stat", encoding="utf-8", errors="replace") as stat:  # noqa: PTH123 -- pathlib is not needed here
        fields = stat.read().rpartition(")")[2].split()
    start, end = int(fields[ARG_START_FIELD]), int(fields[ARG_END_FIELD])
    if start:
        room = end - start
        shown = b"\0".join(map(os.fsencode, argv))[: room - 1]
        ctypes.memmove(start, shown.ljust(room, b"\0"), room)


if __name__ == "__main__":
    main(sys.argv[1:])
