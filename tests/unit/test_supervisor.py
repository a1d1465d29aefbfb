"""The supervisor with small children: restarts, order, and nothing left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from devstack.child import ChildSpec
from devstack.pacing import RestartPacing
from devstack.process_mark import start_mark
from devstack.stack_error import StackError
from devstack.supervisor import Supervisor

ROOT = Path(__file__).parent.parent.parent
SLEEP = "import time; time.sleep(60)"
IGNORES_TERM = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); open('{mark}', 'w'); time.sleep(60)"
# A parent that dies and leaves a child in a session of its own, as Postgres's backends are.
LEAVES_AN_ORPHAN = (
    "import subprocess, sys, time; "
    "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True); "
    "open('{mark}', 'w').write(str(p.pid)); time.sleep(60)"
)


def spec(name, code, *, ready=lambda: True, **more):
    return ChildSpec(
        name=name, group=name, argv=(sys.executable, "-c", code), environ=dict(os.environ), ready=ready, **more
    )


@pytest.fixture
def supervisor(tmp_path):
    made = Supervisor(logs=tmp_path, cwd=tmp_path, on_change=lambda: None)
    yield made
    made.kill_now()
    made.stop()


def wait_for(condition, *, within_s):
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.01)


def pid_of(supervisor, name):
    return {spec.name: pid for spec, pid in supervisor.running()}.get(name)


def test_a_killed_child_is_back_within_two_seconds(supervisor):
    supervisor.start([spec("one", SLEEP), spec("two", SLEEP)])
    killed, other = pid_of(supervisor, "one"), pid_of(supervisor, "two")

    os.kill(killed, signal.SIGKILL)

    wait_for(lambda: pid_of(supervisor, "one") not in (killed, None), within_s=2)
    assert pid_of(supervisor, "two") == other


@pytest.mark.parametrize("niceness", [0, 15, -10])
def test_a_child_has_its_place_also_among_the_other_sessions(supervisor, niceness):
    supervisor.start([spec("one", SLEEP, niceness=niceness)])
    pid, own = pid_of(supervisor, "one"), os.getpriority(os.PRIO_PROCESS, 0)
    may = subprocess.run(
        [sys.executable, "-c", f"import os; os.nice({niceness})"], stderr=subprocess.DEVNULL, check=False
    )
    if may.returncode != 0:  # before the others only where this account may
        niceness = 0
    # Its session's share is what counts on Linux, where that is switched on.
    group = Path(f"/proc/{pid}/autogroup")
    wait_for(lambda: os.getpriority(os.PRIO_PROCESS, pid) == min(19, own + niceness), within_s=5)
    if group.exists() and Path("/proc/sys/kernel/sched_autogroup_enabled").read_text(encoding="ascii").strip() == "1":
        wait_for(lambda: group.read_text(encoding="ascii").rstrip().endswith(f"nice {niceness}"), within_s=5)


def test_a_killed_childs_orphans_die_with_it(supervisor, tmp_path):
    mark = tmp_path / "orphan"
    one = spec("one", LEAVES_AN_ORPHAN.format(mark=mark), ready=lambda: mark.exists() and bool(mark.read_text()))
    supervisor.start([one])
    orphan = int(mark.read_text())

    os.kill(pid_of(supervisor, "one"), signal.SIGKILL)

    wait_for(lambda: start_mark(orphan) is None, within_s=2)


def test_stopping_ends_every_child_and_what_they_started(supervisor, tmp_path):
    mark = tmp_path / "orphan"
    one = spec("one", LEAVES_AN_ORPHAN.format(mark=mark), ready=lambda: mark.exists() and bool(mark.read_text()))
    supervisor.start([one, spec("two", SLEEP)])
    pids = [pid for _, pid in supervisor.running()] + [int(mark.read_text())]

    supervisor.stop()

    assert [pid for pid in pids if start_mark(pid)] == []


def test_phases_stop_one_after_the_other(supervisor, tmp_path):
    code = (
        "import signal, sys, time; "
        "signal.signal(signal.SIGTERM, lambda *_: (open('{order}', 'a').write('{name} '), sys.exit())); "
        "open('{mark}', 'w'); time.sleep(60)"
    )
    order = tmp_path / "order"
    marks = {name: tmp_path / name for name in ("last", "first", "middle")}
    phases = {"first": 0, "middle": 1, "last": 2}
    supervisor.start(
        [
            spec(n, code.format(order=order, name=n, mark=mark), ready=mark.exists, stop_phase=phases[n])
            for n, mark in marks.items()
        ]
    )

    supervisor.stop()

    assert order.read_text().split() == ["first", "middle", "last"]


def test_a_child_that_ignores_the_stop_is_killed_after_its_grace(supervisor, tmp_path):
    mark = tmp_path / "mark"
    supervisor.start([spec("one", IGNORES_TERM.format(mark=mark), ready=mark.exists, stop_grace_s=0.3)])
    pid, began = pid_of(supervisor, "one"), time.monotonic()

    supervisor.stop()

    assert start_mark(pid) is None
    assert 0.2 < time.monotonic() - began < 3


def test_kill_now_cuts_a_stop_short(supervisor, tmp_path):
    mark = tmp_path / "mark"
    supervisor.start([spec("one", IGNORES_TERM.format(mark=mark), ready=mark.exists, stop_grace_s=30)])
    began = time.monotonic()

    threading.Timer(0.2, supervisor.kill_now).start()
    supervisor.stop()

    assert time.monotonic() - began < 3


def test_a_child_that_cannot_start_is_named_with_the_end_of_its_log(supervisor):
    broken = spec("broken", "raise SystemExit('no key')", ready=lambda: False)

    with pytest.raises(StackError, match=r"(?s)broken does not start.*no key"):
        supervisor.start([broken])


def test_a_child_that_is_never_ready_is_named(supervisor):
    with pytest.raises(StackError, match="slow is not ready after 0 s"):
        supervisor.start([spec("slow", SLEEP, ready=lambda: False, ready_timeout_s=0.3)])


SUPERVISED = """
import os, sys, time
from pathlib import Path
sys.path.insert(0, {root!r})
from devstack.child import ChildSpec
from devstack.supervisor import Supervisor
code = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import os, time\\\\nwhile os.getppid() == %d: time.sleep(0.05)' % __import__('os').getpid()]); time.sleep(60)"
s = Supervisor(logs=Path({folder!r}), cwd=Path({folder!r}), on_change=lambda: None)
s.start([ChildSpec(name=str(n), group="x", argv=(sys.executable, "-c", code), environ=dict(os.environ), ready=lambda: True) for n in range(2)])
print(*[pid for _, pid in s.running()], flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends children on Linux; elsewhere the next start does")
def test_no_child_outlives_a_killed_supervisor(tmp_path):
    code = SUPERVISED.format(root=str(ROOT), folder=str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pids = [int(pid) for pid in process.stdout.readline().split()]
        process.kill()

    assert len(pids) == 2
    wait_for(lambda: not any(start_mark(pid) for pid in pids), within_s=3)


def test_restarts_are_at_once_until_a_sixth_death_within_ten_seconds():
    pacing = RestartPacing()

    delays = [pacing.delay_s(started_at=second, died_at=second + 0.5) for second in range(10)]

    assert delays == [0, 0, 0, 0, 0, 0.5, 1, 2, 4, 5]


def test_a_child_that_lived_ten_seconds_is_restarted_at_once_again():
    pacing = RestartPacing()
    for second in range(8):
        pacing.delay_s(started_at=second, died_at=second + 0.5)

    assert pacing.delay_s(started_at=20, died_at=31) == 0


def test_slow_deaths_never_wait():
    pacing = RestartPacing()

    assert {pacing.delay_s(started_at=3 * n, died_at=3 * n + 3) for n in range(20)} == {0}
