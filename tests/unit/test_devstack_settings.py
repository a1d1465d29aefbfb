"""What a one-machine stack decides before it starts: secrets, ports, stand-ins, what each child is told."""

import base64
import socket
import stat

import pytest

from config.settings import SettingsError
from devstack.child_environment import app_database_url, shared_environment
from devstack.data_dir import DataDirLock, open_data_dir
from devstack.ports import LOWEST, Ports
from devstack.providers import STANDINS, choose_providers
from devstack.secrets import GENERATORS, Secrets
from devstack.stack_error import StackError
from store import migrate
from store.secrets import Keyring


@pytest.fixture
def folder(tmp_path):
    return open_data_dir(tmp_path / "data")


def secrets_of(folder, *, environ=None, has_data=False):
    return Secrets(folder.secrets, environ=environ or {}, has_data=has_data)


def test_a_secret_is_generated_once_and_private(folder):
    first = secrets_of(folder).get("SECRET_KEY")
    second = secrets_of(folder).get("SECRET_KEY")

    assert first.is_new
    assert not second.is_new
    assert first.value == second.value
    assert stat.S_IMODE((folder.secrets / "SECRET_KEY").stat().st_mode) == 0o600
    assert first.as_environment() == {"SECRET_KEY_FILE": str(folder.secrets / "SECRET_KEY")}


def test_generated_encryption_keys_are_usable(folder):
    value = secrets_of(folder).get("EARSHOT_KEYS").value

    assert len(base64.b64decode(value.removeprefix("k1:"))) == 32
    Keyring.parse(value)


def test_the_environment_comes_first(folder, tmp_path):
    file = tmp_path / "key"
    file.write_text("from file\n")
    secrets = secrets_of(folder, environ={"SECRET_KEY": "from env", "FLOWER_BASIC_AUTH_FILE": str(file)})

    assert secrets.get("SECRET_KEY").as_environment() == {"SECRET_KEY": "from env"}
    assert secrets.get("FLOWER_BASIC_AUTH").value == "from file"
    assert list(folder.secrets.iterdir()) == []


def test_an_unreadable_secret_is_named(folder):
    (folder.secrets / "EARSHOT_KEYS").mkdir()
    (folder.secrets / "SECRET_KEY").write_text("")

    with pytest.raises(StackError, match=r"EARSHOT_KEYS cannot be read: Is a directory"):
        secrets_of(folder).get("EARSHOT_KEYS")
    with pytest.raises(StackError, match=r"SECRET_KEY is empty"):
        secrets_of(folder).get("SECRET_KEY")
    with pytest.raises(SettingsError, match=r"EARSHOT_KEYS_FILE names a file that cannot be read"):
        secrets_of(folder, environ={"EARSHOT_KEYS_FILE": "/nonexistent"}).get("EARSHOT_KEYS")


def test_keys_of_existing_data_are_never_made_up(folder):
    with pytest.raises(StackError, match="EARSHOT_KEYS is gone"):
        secrets_of(folder, has_data=True).get("EARSHOT_KEYS")
    assert secrets_of(folder, has_data=True).get("SECRET_KEY").is_new


def test_no_secret_shows_in_a_repr(folder):
    secrets = secrets_of(folder)

    assert [name for name in GENERATORS if secrets.get(name).value in repr(secrets.get(name))] == []


def test_a_port_in_use_names_its_option():
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(StackError, match="in use.*--console-port"):
        Ports().wanted(server.getsockname()[1], option="--console-port")


def test_two_options_cannot_share_a_port():
    ports = Ports()
    port = Ports().free()
    ports.wanted(port, option="--receiver-port")

    with pytest.raises(StackError, match="--console-port"):
        ports.wanted(port, option="--console-port")


def test_free_ports_stay_out_of_reach_of_outgoing_connections():
    ports = Ports()
    free = {ports.wanted(0, option="--receiver-port") for _ in range(50)}

    assert len(free) == 50
    assert max(free) < 32_768


def test_a_chosen_port_is_no_other_stacks_before_its_server_stands_and_after_it_fell(monkeypatch):
    ports = Ports()
    port = ports.free()
    monkeypatch.setattr("devstack.ports.secrets.randbelow", lambda _: port - LOWEST)

    for _ in range(2):
        with pytest.raises(StackError, match="no free port"):
            Ports().free()
        socket.create_server(("127.0.0.1", port), reuse_port=False).close()
    del ports
    assert Ports().free() == port


@pytest.mark.parametrize("port", [-1, 65_536])
def test_an_impossible_port_names_its_option(port):
    with pytest.raises(StackError, match="--flower-port"):
        Ports().wanted(port, option="--flower-port")


def test_everything_is_a_stand_in_by_default_and_a_real_key_reaches_none():
    providers = choose_providers({"ANTHROPIC_API_KEY": "sk-real"}, live=False, ports=Ports())

    assert set(providers.urls) == set(STANDINS)
    assert providers.environment["ANTHROPIC_API_KEY"] == "stand-in"
    assert providers.environment["ANALYZER_LABEL"] == "stand-in"
    assert providers.environment["INSTAGRAM_API_URL"] == providers.urls["graph"]


def test_a_base_url_that_is_set_wins():
    environ = {"ANTHROPIC_BASE_URL": "http://127.0.0.1:9", "ANTHROPIC_API_KEY": "sk-real"}

    providers = choose_providers(environ, live=False, ports=Ports())

    assert set(providers.urls) == set(STANDINS) - {"anthropic"}
    assert not any(name.startswith("AN") for name in providers.environment)


def test_live_uses_no_stand_in():
    providers = choose_providers({}, live=True, ports=Ports())

    assert providers.urls == {}
    assert providers.environment == {}


def test_children_get_what_the_stack_decides_and_no_secret_that_only_some_need(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    environ = {
        "DATABASE_URL": "postgresql://owner", "SECRET_KEY": "s", "FLOWER_BASIC_AUTH_FILE": "f",
        "ANTHROPIC_API_KEY_FILE": "key", "LANG": "C",
    }  # fmt: skip

    shared = shared_environment(environ, replaced={"DATABASE_URL_FILE": "/app"})

    assert {name: shared.get(name) for name in ("DATABASE_URL", "SECRET_KEY", "FLOWER_BASIC_AUTH_FILE")} == {
        "DATABASE_URL": None, "SECRET_KEY": None, "FLOWER_BASIC_AUTH_FILE": None,
    }  # fmt: skip
    assert shared["DATABASE_URL_FILE"] == "/app"
    assert shared["ANTHROPIC_API_KEY_FILE"] == str(tmp_path / "key")
    assert shared["LANG"] == "C"


@pytest.mark.parametrize(
    "owner",
    ["postgresql://u:p%40w@h:5/shop", "postgresql://u@h/shop?sslmode=require", "postgresql://h", "postgresql:///x"],
)
def test_processes_log_in_as_migrate_says(owner):
    assert app_database_url(owner, password="p@w/") == migrate.app_database_url(owner, "p@w/")


def test_one_folder_has_one_supervisor(folder):
    lock = DataDirLock(folder)

    with pytest.raises(StackError, match=r"already running \(pid \d+\) for .*data; stop it or use --data"):
        DataDirLock(folder)
    lock.release()
    DataDirLock(folder).release()


def test_a_second_start_does_not_take_the_folder_from_postgres(folder):
    lock = DataDirLock(folder)
    folder.root.chmod(0o710)

    open_data_dir(folder.root)

    assert stat.S_IMODE(folder.root.stat().st_mode) == 0o710
    lock.release()


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    tmp_path.chmod(0o755)
    (tmp_path / "thesis.txt").write_text("mine")

    with pytest.raises(StackError, match="holds other files"):
        open_data_dir(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
