"""The embedded database's Unix socket: where processes of this machine find it, and where it cannot be."""

import os
import subprocess

import pytest

from devstack.child_environment import app_database_url
from devstack.data_dir import DataDir
from devstack.embedded import embedded_postgres, owner_url, url_by_socket


def url_in(folder):
    (folder / "postgres").mkdir(parents=True)
    return url_by_socket(DataDir(folder), port=54321, password="p/w")


def test_processes_find_it_by_its_folder(tmp_path):
    url = url_in(tmp_path / "d")
    assert url.startswith("postgresql://earshot:p%2Fw@%2F") and url.endswith("%2Fd%2Fpostgres:54321/earshot")
    restricted = app_database_url(url, password="x")
    assert restricted == url.replace("earshot:p%2Fw@", "earshot_app:x@")


@pytest.mark.parametrize("name", ["long" * 30, "with,comma", 'with"mark'])
def test_a_path_that_no_socket_can_have_leaves_the_address(tmp_path, name):
    assert url_in(tmp_path / name) == owner_url(port=54321, password="p/w")


def ended_pid():
    """Of a process that was there."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


@pytest.mark.parametrize(
    ("holder", "is_left"),
    [(ended_pid, False), (os.getpid, False), (lambda: "not a number", True)],
    ids=["gone", "another program", "unknown"],
)
def test_what_a_killed_server_left_is_out_of_the_next_ones_way(tmp_path, holder, is_left):
    data = DataDir(tmp_path / "d")
    cluster = data.postgres / "data"
    cluster.mkdir(parents=True)
    socket, lock, pid_file = data.postgres / ".s.PGSQL.5", data.postgres / ".s.PGSQL.5.lock", cluster / "postmaster.pid"
    socket.touch()
    for file in (lock, pid_file):
        file.write_text(f"{holder()}\n/a/folder\n", encoding="ascii")
    embedded_postgres(data, port=5, password="x", stop_phase=1).before_start()
    assert [file.exists() for file in (socket, lock, pid_file)] == [is_left] * 3
