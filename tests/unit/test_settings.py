"""What the environment may hold, and what it is told when it is wrong."""

import pytest

from config.settings import SettingsError, environment_value, load_settings

GOOD = {"DATABASE_URL": "postgresql://x", "REDIS_URL": "redis://x", "EARSHOT_KEYS": "k1:abc"}


def test_a_missing_variable_is_named():
    with pytest.raises(SettingsError, match="REDIS_URL: is not set") as caught:
        load_settings({"DATABASE_URL": "postgresql://secret-host", "EARSHOT_KEYS": "k1:secret"})
    assert "secret" not in str(caught.value)


def test_a_wrong_value_is_named_and_not_quoted():
    with pytest.raises(SettingsError, match="GRAPH_API_URL") as caught:
        load_settings({**GOOD, "GRAPH_API_URL": "https://user:hunter2@x/v1/extra"})
    assert "hunter2" not in str(caught.value)


def test_a_secret_may_come_from_a_file(tmp_path):
    (tmp_path / "keys").write_text("k1:from-file\n")
    settings = load_settings(
        {**{k: v for k, v in GOOD.items() if k != "EARSHOT_KEYS"}, "EARSHOT_KEYS_FILE": str(tmp_path / "keys")}
    )
    assert settings.earshot_keys.get_secret_value() == "k1:from-file"
    assert "from-file" not in repr(settings)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(SettingsError, match="EARSHOT_KEYS_FILE names a file that cannot be read"):
        load_settings({**GOOD, "EARSHOT_KEYS": "", "EARSHOT_KEYS_FILE": str(tmp_path / "gone")})


def test_value_and_file_together_are_refused():
    with pytest.raises(SettingsError, match="not both"):
        load_settings({**GOOD, "EARSHOT_KEYS_FILE": "/x"})


@pytest.mark.parametrize("size", ["0", "3", "201", "eight"])
def test_a_pool_of_no_use_is_refused(size):
    with pytest.raises(SettingsError, match="DATABASE_POOL_SIZE"):
        load_settings({**GOOD, "DATABASE_POOL_SIZE": size})


def test_settings_cannot_be_changed():
    with pytest.raises(Exception, match="frozen"):
        load_settings(GOOD).log_level = "DEBUG"


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("DATABASE_URL", "postgresql://u:p%40ss@db.example:5432/earshot?sslmode=require"),
        ("DATABASE_URL", "postgresql://u:p@a:5432,b:5433/earshot"),
        ("DATABASE_URL", "postgresql:///earshot?host=/run/postgres"),
        ("REDIS_URL", "redis://h"),
        ("REDIS_URL", "rediss://:p@[::1]:6380/0"),
        ("REDIS_URL", "sentinel://:p@a:26379;sentinel://:p@b:26379/0?master=m"),
        ("BROKER_URL", "redis://h"),
        ("BROKER_URL", "amqp://u:p@mq//"),
        ("BROKER_URL", "amqps://u:p@a:5671/v;amqps://u:p@b:5671/v"),
    ],
)
def test_addresses_of_servers_are_taken(name, address):
    assert environment_value({name: address}, name) == address


@pytest.mark.parametrize(
    "address",
    [
        "redis://:hunt/er2@h:6379/0", "redis://:hunt#er2@h:6379/0", "redis://:hunt?er2@h:6379/0", "postgresql://u:hunt@er2@h/earshot",
        "postgresql://u:hunt%er2@h/earshot", "postgresql://u:[hunter2@h/earshot", "hunter2", "host=h password=hunter2",
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL", "BROKER_URL"])
def test_a_password_that_breaks_its_address_is_refused_before_a_driver_quotes_it(name, address):
    with pytest.raises(SettingsError, match=f"{name} is no address") as caught:
        environment_value({name: address}, name)
    assert "hunt" not in str(caught.value) and "er2" not in str(caught.value)
