"""stack.json as other programs find it."""

import json
import os
import stat
import subprocess
import sys

import pytest

from devstack.stack_error import StackError
from devstack.stack_file import GROUPS, find_stack, remove_stack_file, write_stack_file


def info(*, supervisor):
    return {
        "receiver_url": "http://127.0.0.1:1",
        "console_url": "http://127.0.0.1:2",
        "flower_url": "http://127.0.0.1:3",
        "metrics_urls": ["http://127.0.0.1:1/metrics"],
        "database_url": "postgresql://earshot:secret@127.0.0.1:4/earshot",
        "redis_url": "redis://:secret@127.0.0.1:5/0",
        "broker_url": "redis://:secret@127.0.0.1:5/0",
        "flower_auth": "ops:secret",
        "admin": {"email": "admin@localhost", "password": "secret"},
        "standins": {"anthropic": "http://127.0.0.1:6"},
        "pids": {group: [supervisor] if group == "supervisor" else [] for group in GROUPS},
    }


def test_a_running_stack_is_found(tmp_path):
    write_stack_file(tmp_path, info(supervisor=os.getpid()))

    assert find_stack(tmp_path) == info(supervisor=os.getpid())


def test_only_its_owner_may_read_it(tmp_path):
    write_stack_file(tmp_path, info(supervisor=1))

    assert stat.S_IMODE((tmp_path / "stack.json").stat().st_mode) == 0o600


def test_a_rewrite_leaves_nothing_but_the_file(tmp_path):
    write_stack_file(tmp_path, info(supervisor=1))
    write_stack_file(tmp_path, info(supervisor=2))

    assert [path.name for path in tmp_path.iterdir()] == ["stack.json"]


def test_no_file_means_no_stack(tmp_path):
    assert find_stack(tmp_path) is None
    assert find_stack(tmp_path / "missing") is None


def test_a_killed_supervisors_file_means_no_stack(tmp_path):
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    write_stack_file(tmp_path, info(supervisor=ended.pid))

    assert find_stack(tmp_path) is None


def test_an_unreaped_supervisor_counts_as_dead(tmp_path):
    with subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE) as zombie:
        assert zombie.stdout is not None
        zombie.stdout.read()
        os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
        write_stack_file(tmp_path, info(supervisor=zombie.pid))

        assert find_stack(tmp_path) is None


def test_a_removed_file_means_no_stack(tmp_path):
    write_stack_file(tmp_path, info(supervisor=os.getpid()))
    remove_stack_file(tmp_path)
    remove_stack_file(tmp_path)

    assert find_stack(tmp_path) is None


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff\xfe", b"{}", json.dumps(info(supervisor="1")).encode(), b'{"pids": []}']
)
def test_a_broken_file_is_named(tmp_path, content):
    (tmp_path / "stack.json").write_bytes(content)

    with pytest.raises(StackError, match=r"stack\.json is broken"):
        find_stack(tmp_path)


def test_an_unreadable_file_is_named(tmp_path):
    (tmp_path / "stack.json").mkdir()

    with pytest.raises(StackError, match=r"stack\.json cannot be read: Is a directory"):
        find_stack(tmp_path)
