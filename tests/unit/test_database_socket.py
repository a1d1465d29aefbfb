"""The embedded database's Unix socket: where processes of this machine find it, and where it cannot be."""

import pytest

from devstack.child_environment import app_database_url
from devstack.data_dir import DataDir
from devstack.embedded import owner_url, url_by_socket


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
