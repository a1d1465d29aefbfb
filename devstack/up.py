"""`earshot up`: what to start on this machine, in which order."""

import logging
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Self

from config.environment import SettingsError
from devstack.data_dir import DataDir, DataDirLock, open_data_dir
from devstack.launching import LOG_ROTATE_BYTES
from devstack.leftovers import end_leftovers, record_children
from devstack.plan import ADMIN_EMAIL, ServicePorts, StackPlan, make_plan
from devstack.ports import Ports
from devstack.run_once import run_once, running_once
from devstack.services import RECEIVER_METRICS, service_children
from devstack.stack_error import StackError
from devstack.stack_file import GROUPS, StackInfo, remove_stack_file, write_stack_file
from devstack.supervisor import Supervisor

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class UpOptions:
    """What the user chose. Ports: 0 picks a free one. workers: processes per role. live: use no stand-ins."""

    data_dir: Path
    receiver_port: int
    console_port: int
    flower_port: int
    workers: int
    live: bool
    environ: Mapping[str, str]


class Stack:
    """Everything on this machine, from start() to stop(); a context manager that stops at the end.

    For the main thread: start() begins a thread that restarts dead children from then on.
    """

    def __init__(self, options: UpOptions, *, say: Callable[[str], None]) -> None:
        """say: tells the person what happens, a line at a time."""
        self._options = options
        self._say = say
        self._ports = Ports()  # held until the end
        self._data: DataDir | None = None
        self._lock: DataDirLock | None = None
        self._supervisor: Supervisor | None = None
        self._info: StackInfo | None = None
        self._writing = threading.Lock()
        self._stopping = False
        self._signals = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> StackInfo:
        """Start everything, wait until all of it is healthy, and write stack.json.

        Raises: StackError, SettingsError; what did start is left for stop().
        """
        data = self._take_data_dir(self._options.data_dir)
        try:
            plan = self._make_plan(data)
            supervisor = Supervisor(
                logs=data.logs, cwd=data.run, on_change=self._publish, fork_servers=plan.fork_servers
            )
            self._supervisor = supervisor
            self._start_all(plan, supervisor, data)
        except OSError as error:
            message = f"the stack cannot start: {error.strerror}: {error.filename}"
            raise StackError(message) from error
        self._info = plan.describe()
        self._publish()
        self._tell_addresses(plan)
        return self._info

    def _take_data_dir(self, path: Path) -> DataDir:
        data = open_data_dir(path)
        self._lock, self._data = DataDirLock(data), data
        remove_stack_file(data.root)
        _log_to(data.logs / "supervisor.log")
        left = end_leftovers(data.root / "children.json")
        if left:
            log.warning("ended %d processes that an earlier supervisor left", left)
        shutil.rmtree(data.run)
        for folder in (data.run, data.run / RECEIVER_METRICS):
            folder.mkdir(mode=0o700)
        return data

    def _make_plan(self, data: DataDir) -> StackPlan:
        options, ports = self._options, self._ports
        wanted = ServicePorts(
            receiver=ports.wanted(options.receiver_port, option="--receiver-port"),
            console=ports.wanted(options.console_port, option="--console-port"),
            flower=ports.wanted(options.flower_port, option="--flower-port"),
        )
        return make_plan(
            data,
            environ=options.environ,
            live=options.live,
            workers_per_role=options.workers,
            service_ports=wanted,
            ports=ports,
        )

    def _start_all(self, plan: StackPlan, supervisor: Supervisor, data: DataDir) -> None:
        self._say(f"Starting Earshot in {data.root}")
        supervisor.start(plan.foundation)
        run_once("first-connection", plan.postgres.first_connection, environ=plan.owner_environ, data=data)
        run_once("migrate", plan.migrate, environ=plan.owner_environ, data=data)
        with running_once("admin", plan.add_admin, environ=plan.owner_environ, data=data):
            supervisor.start(service_children(plan.services))

    def _publish(self) -> None:
        """Write down what runs now: for other programs, and for the next start."""
        supervisor, data = self._supervisor, self._data
        if supervisor is None or data is None:
            return
        running = supervisor.running()
        with self._writing:
            try:
                record_children(data.root / "children.json", [(pid, spec.death_signal) for spec, pid in running])
                if self._info and not self._stopping:
                    for group in set(GROUPS) - {"supervisor"}:
                        self._info["pids"][group] = [pid for spec, pid in running if spec.group == group]
                    write_stack_file(data.root, self._info)
            except OSError as error:  # a full disk must not end the children
                log.error("stack.json is not up to date: %s", error.strerror)  # noqa: TRY400 -- no traceback

    def _tell_addresses(self, plan: StackPlan) -> None:
        services, is_new = plan.services, plan.admin_password.is_new
        self._say(f"  receiver  {services.receiver_url}")
        self._say(f"  console   {services.console_url}")
        self._say(f"  flower    {services.flower_url}")
        self._say(f"  admin     {ADMIN_EMAIL}" + (f"  password {plan.admin_password.value}" if is_new else ""))
        self._say("  stop with Ctrl-C; everything about this stack is in stack.json")

    def wait(self) -> None:
        """Block until a signal comes. Raises: KeyboardInterrupt for it, StackError when the supervisor failed."""
        if self._supervisor:
            self._supervisor.ended.wait()
            message = f"the supervisor failed; see {self._options.data_dir / 'logs' / 'supervisor.log'}"
            raise StackError(message)

    def stop(self) -> None:
        """Stop everything in order, at most about 45 s; safe to repeat."""
        self._stopping = True
        if self._supervisor:
            self._supervisor.stop()
        if self._data and self._lock:
            remove_stack_file(self._data.root)
            (self._data.root / "children.json").unlink(missing_ok=True)
            self._lock.release()
            self._lock = None

    def interrupt(self) -> None:
        """A signal came: the first unwinds the main thread to where the stack is stopped, a second cuts that short.

        Raises: KeyboardInterrupt.
        """
        self._signals += 1
        if self._signals > 1 and self._supervisor:
            self._supervisor.kill_now()
        elif self._signals == 1 and not self._stopping:
            raise KeyboardInterrupt


def _log_to(path: Path) -> None:
    """Send the log of this package to the file, and nowhere else."""
    logger = logging.getLogger("devstack")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    handler = RotatingFileHandler(path, maxBytes=LOG_ROTATE_BYTES, backupCount=1, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


@contextmanager
def stop_on_signals(stack: Stack) -> Generator[None]:
    """Within the block, SIGINT and SIGTERM raise KeyboardInterrupt in the main thread; a second kills the children."""

    def interrupt(_number: int, _frame: object) -> None:
        stack.interrupt()

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run(options: UpOptions) -> int:
    """Run a stack until SIGINT or SIGTERM; the exit code: 0 after a signal, 1 when it cannot start or go on."""
    stack = Stack(options, say=_say)
    try:
        with stop_on_signals(stack), stack:
            stack.start()
            _say("READY")
            stack.wait()
    except KeyboardInterrupt:
        return 0
    except (StackError, SettingsError) as error:
        sys.stderr.write(f"earshot up: {error}\n")
        return 1
    return 1


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
