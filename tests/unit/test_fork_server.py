"""Programs that are forked from one which has read their modules: like those started on their own, in all that others rely on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from devstack.child import ChildSpec
from devstack.fork_server import ForkServer
from devstack.process_mark import start_mark
from devstack.shared_modules import GREENLETS, SHARED_MODULES, THREADS
from devstack.stack_error import StackError
from devstack.supervisor import Supervisor

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every child is started on its own")

ROOT = Path(__file__).parent.parent.parent
SLEEP = "import time; time.sleep(60)"
TELL = """
import json, os, sys, threading, time
import heavy
facts = {
    "argv": sys.argv[1:], "environ": dict(os.environ), "cwd": os.getcwd(), "session": os.getsid(0), "parent": os.getppid(),
    "read_by": heavy.READ_BY, "threads": threading.active_count(), "umask": os.umask(0), "niceness": os.getpriority(os.PRIO_PROCESS, 0), "main": __name__,
}
open(sys.argv[1], "w").write(json.dumps(facts))
print("to the log", flush=True)
time.sleep(60)
"""


def environ(**more):
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **more}


@pytest.fixture
def modules(tmp_path):
    (tmp_path / "heavy.py").write_text("import os\nREAD_BY = os.getpid()\n")
    (tmp_path / "told.py").write_text(TELL)
    (tmp_path / "asleep.py").write_text(SLEEP)
    (tmp_path / "ends.py").write_text("raise SystemExit('no key')")
    return tmp_path


@pytest.fixture
def start(modules):
    """Starts a supervisor whose children are forked from one that has read `reads`."""
    made = []

    def make(*specs, reads=("heavy",), **more):
        server = ForkServer(reads, environ=environ(), log=modules / "fork-server.log", cwd=modules, **more)
        supervisor = Supervisor(logs=modules, cwd=modules, on_change=lambda: None, fork_servers={"heavy": server})
        made.append(supervisor)
        supervisor.start(specs)
        return supervisor, server

    yield make
    for supervisor in made:
        supervisor.kill_now()
        supervisor.stop()


def spec(name, module, *arguments, ready=lambda: True, **more):
    return ChildSpec(
        name=name,
        group=name,
        argv=(sys.executable, "-m", module, *arguments),
        environ=environ(OWN=name),
        ready=ready,
        forked_from="heavy",
        **more,
    )


def wait_for(condition, *, within_s):
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.01)


def pid_of(supervisor, name):
    return {spec.name: pid for spec, pid in supervisor.running()}.get(name)


def test_a_forked_program_is_what_it_would_be_on_its_own(start, modules):
    told = modules / "told"
    one = spec("one", "told", str(told), "--two", ready=lambda: "to the log" in (modules / "one.log").read_text(), niceness=3)  # fmt: skip
    supervisor, server = start(one)
    facts, pid = json.loads(told.read_text()), pid_of(supervisor, "one")

    assert facts["read_by"] == server.pid != pid
    assert facts["main"] == "__main__"
    assert facts["argv"] == [str(told), "--two"]
    assert facts["environ"] == {**environ(OWN="one")}
    assert facts["cwd"] == str(modules)
    assert (facts["session"], facts["parent"]) == (pid, os.getpid())
    assert (facts["umask"], facts["threads"]) == (0o077, 1)
    assert facts["niceness"] == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 3)
    shown = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    assert shown == [argument.encode() for argument in one.argv]


def test_a_killed_program_is_forked_again_within_two_seconds(start):
    supervisor, server = start(spec("one", "asleep"), spec("two", "asleep"))
    killed, other, forks = pid_of(supervisor, "one"), pid_of(supervisor, "two"), server.pid

    os.kill(killed, signal.SIGKILL)

    wait_for(lambda: pid_of(supervisor, "one") not in (killed, None), within_s=2)
    assert (pid_of(supervisor, "two"), server.pid) == (other, forks)


@pytest.mark.parametrize("is_killed", [True, False], ids=["killed", "idle"])
def test_programs_outlive_the_one_they_were_forked_from_and_their_successors_start_on_their_own(
    start, modules, is_killed
):
    told = modules / "told"
    one = spec("one", "told", str(told), ready=told.exists)
    supervisor, server = start(one, spec("two", "asleep"), **({} if is_killed else {"ends_after_s": 0.1}))
    killed, other, forks = pid_of(supervisor, "one"), pid_of(supervisor, "two"), server.pid or 0

    if is_killed:
        os.kill(forks, signal.SIGKILL)
    wait_for(lambda: server.pid is None and not (forks and start_mark(forks)), within_s=5)
    told.unlink()
    os.kill(killed, signal.SIGKILL)

    wait_for(lambda: told.exists() and told.read_text() != "", within_s=5)
    successor = pid_of(supervisor, "one")
    assert successor not in (killed, None)
    assert json.loads(told.read_text())["read_by"] == successor
    assert pid_of(supervisor, "two") == other


def test_where_the_modules_cannot_be_read_programs_start_on_their_own(start, modules):
    told = modules / "told"
    supervisor, server = start(spec("one", "told", str(told), ready=told.exists), reads=("not_installed",))

    assert server.pid is None
    wait_for(lambda: told.read_text() != "", within_s=2)
    assert json.loads(told.read_text())["read_by"] == pid_of(supervisor, "one")


def test_a_program_that_cannot_start_is_named_with_the_end_of_its_log(start):
    with pytest.raises(StackError, match=r"(?s)broken does not start.*no key"):
        start(spec("broken", "ends", ready=lambda: False))


def test_stopping_ends_the_programs_and_the_one_they_were_forked_from(start):
    supervisor, server = start(spec("one", "asleep"), spec("two", "asleep"))
    pids = [pid for _, pid in supervisor.running()] + [server.pid]

    supervisor.stop()

    assert [pid for pid in pids if start_mark(pid)] == []


SUPERVISED = """
import os, sys, time
from pathlib import Path
sys.path.insert(0, {root!r})
from devstack.child import ChildSpec
from devstack.fork_server import ForkServer
from devstack.supervisor import Supervisor
folder = Path({folder!r})
environ = {{"PYTHONPATH": {root!r}, "PATH": os.environ["PATH"]}}
server = ForkServer(["heavy"], environ=environ, log=folder / "server.log", cwd=folder)
s = Supervisor(logs=folder, cwd=folder, on_change=lambda: None, fork_servers={{"heavy": server}})
s.start([ChildSpec(name=str(n), group="x", argv=(sys.executable, "-m", "asleep"), environ=environ, ready=lambda: True, forked_from="heavy") for n in range(2)])
print(server.pid, *[pid for _, pid in s.running()], flush=True)
time.sleep(60)
"""


def test_no_program_outlives_a_killed_supervisor(modules):
    code = SUPERVISED.format(root=str(ROOT), folder=str(modules))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pids = [int(pid) for pid in process.stdout.readline().split()]
        process.kill()

    assert len(pids) == 3
    wait_for(lambda: not any(start_mark(pid) for pid in pids), within_s=3)


def read_alone(modules, *questions):
    """The answers of a process that has read these modules and nothing else."""
    code = f"""
import json, os, sys, threading
before = set(os.listdir("/proc/self/fd"))
for name in {modules!r}:
    __import__(name)
opened = set(os.listdir("/proc/self/fd")) - before
opened = [os.readlink(path) for number in opened if os.path.exists(path := f"/proc/self/fd/{{number}}")]
print(json.dumps([{", ".join(questions)}]))
"""
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environ(), capture_output=True, text=True, check=True
    )
    return json.loads(told.stdout)


@pytest.mark.parametrize("world", [THREADS, GREENLETS])
def test_what_a_stacks_programs_share_starts_nothing_when_it_is_read(world):
    assert read_alone(
        SHARED_MODULES[world],
        "threading.active_count()",
        "len(os.listdir('/proc/self/task'))",
        "opened",
        "'gevent' not in sys.modules or sys.modules['gevent._hub_local'].get_hub_if_exists() is None",
    ) == [1, 1, [], True]


def test_only_greenlets_find_the_standard_library_patched_and_counts_are_made_by_each_program():
    patched = [
        "'gevent' in type(threading.Lock()).__module__",
        "'prometheus_client' in sys.modules",
        "'anthropic' in sys.modules",
    ]

    assert read_alone(SHARED_MODULES[GREENLETS], *patched) == [True, False, False]
    assert read_alone(SHARED_MODULES[THREADS], *patched) == [False, True, False]
