"""`earshot up` for real: every process starts, says where it is, comes back when it dies, and goes when asked to."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from devstack.first_connection import lets_in
from devstack.health import http_answers, valkey_answers
from devstack.process_mark import start_mark
from devstack.stack_file import GROUPS, find_stack
from worker.roles import ROLES

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")

READY_WITHIN_S = 60
BACK_WITHIN_S = 2
NOT_OURS = ("DATABASE_URL", "REDIS_URL", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "GRAPH_API_URL", "HUBSPOT_API_URL")


@dataclass
class Running:
    process: subprocess.Popen
    data: Path
    output: list[str]

    @property
    def info(self):
        found = find_stack(self.data)
        assert found is not None
        return found

    def stop(self, number=signal.SIGINT):
        self.process.send_signal(number)
        return self.process.wait(40)


@pytest.fixture(scope="module")
def place():
    # Below /tmp itself: pytest's own folders are closed to the account that runs Postgres when the tests run as root.
    folder = Path(tempfile.mkdtemp(prefix="earshot-up-", dir="/tmp"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


def up_command(data):
    return [sys.executable, "-m", "cli.main", "up", "--data", str(data)]


@contextmanager
def running(data):
    environ = {name: value for name, value in os.environ.items() if name not in NOT_OURS}
    environ["ANTHROPIC_API_KEY"] = "sk-ant-real-key-of-the-user"
    process = subprocess.Popen(
        up_command(data), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environ
    )
    output = []
    began = time.monotonic()
    for line in process.stdout:
        output.append(line.rstrip("\n"))
        if output[-1] == "READY" or time.monotonic() - began > READY_WITHIN_S:
            break
    try:
        assert output[-1] == "READY", output
        yield Running(process, data, output)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(40)
        process.stdout.close()


@pytest.fixture(scope="module")
def stack(place):
    with running(place / "first") as started:
        yield started


def processes_of(data):
    """Command lines of all processes that mention the data folder in their command line or environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            text = (folder / "cmdline").read_bytes() + b" " + (folder / "environ").read_bytes()
        except OSError:
            continue
        if str(data).encode() in text and int(folder.name) != os.getpid():
            found.append(text.split(b"\0-", 1)[0].decode())
    return found


def wait_for(condition, *, within_s):
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < within_s, "not in time"
        time.sleep(0.02)


def test_stack_file_says_where_everything_is(stack):
    info = stack.info

    assert json.loads((stack.data / "stack.json").read_text()) == info
    assert stat.S_IMODE((stack.data / "stack.json").stat().st_mode) == 0o600
    assert set(info["pids"]) == set(GROUPS)
    assert info["pids"]["supervisor"] == [stack.process.pid]
    assert {group: len(pids) for group, pids in info["pids"].items() if len(pids) != 1} == {"worker": len(ROLES)}
    assert all(start_mark(pid) for pids in info["pids"].values() for pid in pids)
    assert len(info["metrics_urls"]) == 1 + len(ROLES)
    assert set(info["standins"]) >= {"anthropic", "graph", "hubspot"}


def test_every_part_answers(stack):
    info = stack.info

    assert http_answers(info["receiver_url"] + "/readyz")
    assert http_answers(info["receiver_url"] + "/metrics")
    assert http_answers(info["console_url"] + "/healthz")
    assert http_answers(info["flower_url"] + "/healthcheck")
    assert all(http_answers(url + "/_received") for url in info["standins"].values())
    redis = urlsplit(info["redis_url"])
    assert valkey_answers(redis.port, password=redis.password)


def test_flower_asks_for_its_password(stack):
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(stack.info["flower_url"] + "/", timeout=5)


def test_the_admins_password_is_told_once(stack):
    password = stack.info["admin"]["password"]

    assert sum(password in line for line in stack.output) == 1
    with psycopg.connect(stack.info["database_url"]) as conn:
        assert conn.execute("SELECT email, is_operator FROM app_user").fetchall() == [("admin@localhost", True)]


def test_nothing_private_is_in_a_command_line_or_open_to_others(stack):
    info = stack.info
    secrets = {path.read_text().strip() for path in (stack.data / "secrets").iterdir()}
    lines = b"\n".join(
        Path(f"/proc/{pid}/cmdline").read_bytes() for pids in info["pids"].values() for pid in pids
    ).decode()

    assert len(secrets) >= 7
    assert [secret for secret in secrets if secret in lines] == []
    open_to_all = [
        p for p in stack.data.rglob("*") if "postgres" not in p.parts and p.is_dir() and p.stat().st_mode & 0o077
    ]
    assert open_to_all == []
    assert stack.data.stat().st_mode & 0o007 == 0
    assert {stat.S_IMODE(path.stat().st_mode) for path in (stack.data / "secrets").iterdir()} == {0o600}


def test_a_real_key_reaches_no_child(stack):
    pids = [pid for group, pids in stack.info["pids"].items() if group != "supervisor" for pid in pids]

    assert [pid for pid in pids if b"sk-ant-real" in Path(f"/proc/{pid}/environ").read_bytes()] == []


def test_a_second_start_on_the_same_folder_says_who_has_it(stack):
    second = subprocess.run(up_command(stack.data), capture_output=True, text=True, check=False, timeout=20)

    assert second.returncode == 1
    assert f"already running (pid {stack.process.pid}) for {stack.data}" in second.stderr
    assert find_stack(stack.data) is not None


def healthy(group, info, data):
    redis = urlsplit(info["redis_url"])
    checks = {
        "receiver": lambda: http_answers(info["receiver_url"] + "/readyz"),
        "console": lambda: http_answers(info["console_url"] + "/healthz"),
        "flower": lambda: http_answers(info["flower_url"] + "/healthcheck"),
        "standins": lambda: http_answers(info["standins"]["graph"] + "/_received"),
        "postgres": lambda: lets_in(info["database_url"]),
        "redis": lambda: valkey_answers(redis.port, password=redis.password),
        "worker": lambda: all((data / "run" / f"worker-{role}-1.ready").exists() for role in ROLES),
    }
    return checks.get(group, lambda: True)()


@pytest.mark.parametrize("group", [group for group in GROUPS if group != "supervisor"])
def test_a_killed_child_comes_back_on_the_same_port(stack, group):
    before = stack.info

    for pid in before["pids"][group]:
        os.kill(pid, signal.SIGKILL)

    def is_back():
        now = stack.info["pids"][group]
        return len(now) == len(before["pids"][group]) and not set(now) & set(before["pids"][group])

    wait_for(is_back, within_s=BACK_WITHIN_S)
    wait_for(lambda: healthy(group, before, stack.data), within_s=20)
    assert {key: value for key, value in stack.info.items() if key != "pids"} == {
        key: value for key, value in before.items() if key != "pids"
    }


def run_long_query(url):
    with suppress(psycopg.Error), psycopg.connect(url) as conn:
        conn.execute("SELECT count(*) FROM generate_series(1, 10000000000)")


def test_postgres_comes_back_while_a_query_is_running(stack):
    url = stack.info["database_url"]
    busy = threading.Thread(target=run_long_query, args=(url,))
    busy.start()
    time.sleep(0.3)
    assert busy.is_alive()

    os.kill(stack.info["pids"]["postgres"][0], signal.SIGKILL)

    busy.join(5)
    wait_for(lambda: lets_in(url), within_s=BACK_WITHIN_S + 3)


def test_two_stacks_run_side_by_side_and_a_killed_one_leaves_nothing(stack, place):
    with running(place / "second") as second:
        mine, other = stack.info, second.info

        assert not {mine[f"{part}_url"] for part in ("receiver", "console", "flower", "database", "redis")} & {
            other[f"{part}_url"] for part in ("receiver", "console", "flower", "database", "redis")
        }
        second.process.kill()
        second.process.wait()

        wait_for(lambda: processes_of(second.data) == [], within_s=10)
        assert find_stack(second.data) is None
    wait_for(lambda: http_answers(stack.info["receiver_url"] + "/readyz"), within_s=10)


# The last one: it ends the stack that the tests above share.
def test_ctrl_c_ends_everything_with_code_0(stack):
    assert processes_of(stack.data) != []

    assert stack.stop(signal.SIGINT) == 0

    assert processes_of(stack.data) == []
    assert find_stack(stack.data) is None
    assert not (stack.data / "stack.json").exists()
