"""Calls with keys that are none are slowed down, by where they come from and by how the key begins; everybody else is not."""

import pytest
import redis

from console.api.failed_keys import PER_ADDRESS, PER_PREFIX, WINDOW_S
from console.app import create_app
from store.users import create_api_key

QUEUES = "/api/v1/queues"


@pytest.fixture
def broker_client(broker):
    with redis.Redis.from_url(broker) as client:
        for key in client.scan_iter("earshot:failed_keys:*"):
            client.delete(key)
        yield client
        for key in client.scan_iter("earshot:failed_keys:*"):
            client.delete(key)


@pytest.fixture
def new_app(settings, broker_client):
    apps = []

    def make(**changes):
        apps.append(create_app({}, settings=settings.model_copy(update=changes)))
        return apps[-1].test_client()

    yield make
    for app in apps:
        app.extensions["database"].close()


@pytest.fixture
def key(database, tenant_ids):
    with database.system_transaction() as conn:
        return create_api_key(conn, tenant_id=tenant_ids["acme"], name="test", role="agent")[1]


def call(client, key, *, source="203.0.113.9", **headers):
    head = {"Authorization": f"Bearer {key}", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return client.get(QUEUES, headers=head, environ_base={"REMOTE_ADDR": source})


def test_a_key_that_is_none_is_refused_unread_after_some_tries_and_its_neighbours_are_not(new_app, key):
    client, stale = new_app(), "esk_revoked00" + "x" * 30
    assert {call(client, stale + str(number)).status_code for number in range(PER_PREFIX)} == {401}
    refused = call(client, stale)
    assert (refused.status_code, refused.json["code"]) == (429, "too_many_failures")
    assert 0 < int(refused.headers["Retry-After"]) <= WINDOW_S and refused.content_type == "application/problem+json"
    # From elsewhere it is refused all the same; a good key at the same address is not.
    assert call(client, stale, source="198.51.100.7").status_code == 429
    assert call(client, key).status_code == 200
    # A program that goes on without listening does not use up what its address has.
    assert {call(client, stale).status_code for _ in range(PER_ADDRESS)} == {429}
    assert call(client, key).status_code == 200


def test_an_address_that_guesses_is_heard_no_more_and_others_are(new_app, key):
    client = new_app()
    assert {call(client, f"esk_{number:08}guess").status_code for number in range(PER_ADDRESS)} == {401}
    assert call(client, "esk_another-guess").status_code == call(client, key).status_code == 429
    assert call(client, key, source="198.51.100.7").status_code == 200


def test_what_good_keys_do_and_calls_without_a_key_are_not_counted(new_app, key):
    client = new_app()
    assert {call(client, key).status_code for _ in range(PER_ADDRESS + 5)} == {200}
    assert {client.get(QUEUES).status_code for _ in range(PER_ADDRESS + 5)} == {401}
    assert call(client, key, source="127.0.0.1").status_code == 200


def test_callers_behind_a_proxy_are_told_apart_only_where_the_proxy_is_ours(new_app, key):
    ours, nobodys = new_app(trusted_proxies=1), new_app()
    for number in range(PER_ADDRESS):
        call(ours, f"esk_{number:08}guess", source="10.0.0.1", X_Forwarded_For=f"9.9.9.{number}, 203.0.113.50")
    assert call(ours, key, source="10.0.0.1", X_Forwarded_For="1.1.1.1, 203.0.113.50").status_code == 429
    assert call(ours, key, source="10.0.0.1", X_Forwarded_For="203.0.113.50, 203.0.113.51").status_code == 200
    for number in range(PER_ADDRESS):
        call(nobodys, f"esk_{number:08}more!", source="203.0.113.60", X_Forwarded_For=f"9.9.9.{number}")
    assert call(nobodys, key, source="203.0.113.60", X_Forwarded_For="9.9.9.200").status_code == 429


def test_the_window_ends_and_neither_address_nor_key_stands_in_redis(new_app, broker_client):
    call(new_app(), "esk_SECRETPART-and-more", source="203.0.113.77")
    names = list(broker_client.scan_iter("earshot:failed_keys:*"))
    assert len(names) == 2 and all(0 < broker_client.ttl(name) <= WINDOW_S for name in names)
    told = b" ".join((*names, *(broker_client.get(name) for name in names)))
    assert b"SECRETPART" not in told and b"203.0.113" not in told


def test_with_redis_away_calls_are_answered_and_nothing_is_counted(new_app, key, settings):
    gone = type(settings.redis_url)("redis://127.0.0.1:1/0")
    client = new_app(redis_url=gone)
    assert {call(client, f"esk_none{number}").status_code for number in range(PER_ADDRESS + 5)} == {401}
    assert call(client, key).status_code == 200
    assert call(new_app(redis_url=type(gone)("amqp://elsewhere")), "esk_none").status_code == 401
