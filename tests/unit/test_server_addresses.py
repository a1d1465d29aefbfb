"""Which servers may carry queues, and how a Sentinel's address is read."""

import pytest

from config.server_addresses import AddressError, check_kind, kind_of, parse_sentinels
from config.settings import SettingsError, environment_value, load_settings

GOOD = {"DATABASE_URL": "postgresql://x", "REDIS_URL": "redis://x", "EARSHOT_KEYS": "k1:abc"}
SENTINELS = "sentinel://ann:p%40ss@a:26380;sentinel://b;sentinel://[::1]:26379/2?master=mine&sentinel_password=s%26cret"


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("redis://h", "redis"), ("rediss://:p@h:6379/0", "redis"), (SENTINELS, "sentinel"), ("amqp://u:p@h//", "amqp"),
        ("AMQPS://u:p@h/v", "amqp"), ("amqp://u:p@a;amqp://u:p@b", "amqp"), ("memory://", None), ("h:5672", None),
    ],
)  # fmt: skip
def test_kinds_of_servers_are_told_by_their_scheme(url, kind):
    assert kind_of(url) == kind


@pytest.mark.parametrize(
    "url", ["kafka://h", "sqs://", "redis+socket:///x", "memory://", "amqp://a;redis://b", "unix:///x"]
)
def test_an_unknown_broker_is_refused_with_its_variable_and_what_is_possible(url):
    with pytest.raises(
        AddressError, match=r"^BROKER_URL names no server.*redis://.*rediss://.*sentinel://.*amqp://.*amqps://"
    ):
        check_kind("BROKER_URL", url)


def test_what_processes_share_stays_in_redis():
    with pytest.raises(AddressError, match=r"^REDIS_URL names no server") as caught:
        check_kind("REDIS_URL", "amqp://user:hunter2@h//")
    assert "amqp" not in str(caught.value) and "hunter2" not in str(caught.value)
    with pytest.raises(AddressError, match="several addresses of Redis"):
        check_kind("REDIS_URL", "redis://a;redis://b")
    check_kind("DATABASE_URL", "postgresql://x")


def test_the_environment_is_refused_where_it_is_read():
    with pytest.raises(SettingsError, match="BROKER_URL names no server") as caught:
        environment_value({"BROKER_URL": "kafka://u:hunter2@h"}, "BROKER_URL")
    assert "hunter2" not in str(caught.value)


def test_queues_are_where_broker_url_says_or_with_the_rest(tmp_path):
    assert load_settings(GOOD).queues_url == "redis://x"
    (tmp_path / "url").write_text("amqp://u:p@h/v\n")
    settings = load_settings({**GOOD, "BROKER_URL_FILE": str(tmp_path / "url")})
    assert settings.queues_url == "amqp://u:p@h/v" and settings.redis_url.get_secret_value() == "redis://x"
    assert "u:p" not in repr(settings)


def test_an_address_of_sentinels_is_read():
    at = parse_sentinels(SENTINELS)
    assert at.hosts == (("a", 26380), ("b", 26379), ("::1", 26379))
    assert (at.master, at.database, at.user, at.password, at.asking_password) == ("mine", 2, "ann", "p@ss", "s&cret")
    assert at.kombu_url == (
        "sentinel://ann:p%40ss@a:26380/2;sentinel://ann:p%40ss@b:26379/2;sentinel://ann:p%40ss@[::1]:26379/2"
    )
    assert "p@ss" not in repr(at) and "s&cret" not in repr(at) and "p%40ss" not in repr(at)
    plain = parse_sentinels("sentinel://a?master=m")
    assert plain.kombu_url == "sentinel://a:26379/0" and plain.password is None


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("sentinel://a", r"\?master=NAME"),
        ("sentinel://a?master=m;sentinel://b", r"\?master=NAME"),
        ("sentinel://a?master=m&masterr=x", "only &sentinel_password"),
        ("sentinel://a/prod?master=m", "the number of a database"),
        ("sentinel://:p@?master=m", "lacks its host"),
    ],
)
def test_an_address_of_sentinels_that_lacks_something_says_what(url, told):
    with pytest.raises(AddressError, match=f"^BROKER_URL: .*{told}"):
        check_kind("BROKER_URL", url)
