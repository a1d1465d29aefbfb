"""Each key may call so often a minute; what it has left stands in every answer, and other keys are not concerned."""

import pytest
import redis

from console.app import create_app
from store.users import create_api_key

ME = "/api/v1/me"


@pytest.fixture
def new_app(settings):
    apps = []

    def make(**changes):
        apps.append(create_app({}, settings=settings.model_copy(update=changes)))
        return apps[-1].test_client()

    yield make
    for app in apps:
        app.extensions["database"].close()


@pytest.fixture
def keys(database, tenant_ids):
    with database.system_transaction() as conn:
        return [
            create_api_key(conn, tenant_id=tenant_ids["acme"], name=f"test {number}", role="agent")[1]
            for number in range(2)
        ]


def call(client, key, path=ME):
    return client.get(path, headers={"Authorization": f"Bearer {key}"})


def test_a_key_that_calls_too_often_waits_and_another_does_not(new_app, keys):
    client, second_process = new_app(api_calls_per_min=3), new_app(api_calls_per_min=3)
    first = call(client, keys[0])
    assert first.headers["RateLimit-Policy"] == '"key";q=3;w=60'
    assert first.headers["RateLimit"].startswith('"key";r=2;t=')
    # What is refused for another reason counts as well, and all processes count together.
    assert call(client, keys[0], "/api/v1/overview").status_code == 403
    assert call(second_process, keys[0]).headers["RateLimit"].startswith('"key";r=0;t=')
    refused = call(client, keys[0])
    assert (refused.status_code, refused.json["code"]) == (429, "too_many_calls")
    assert refused.content_type == "application/problem+json" and 0 < int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["RateLimit"].startswith('"key";r=0;t=')
    assert call(client, keys[1]).status_code == 200


def test_no_limit_means_that_nobody_counts(new_app, keys):
    answer = call(new_app(api_calls_per_min=0), keys[0])
    assert answer.status_code == 200 and "RateLimit" not in answer.headers


def test_while_redis_is_away_calls_are_let_through(new_app, keys, monkeypatch):
    client = new_app(api_calls_per_min=1)

    def away(_self, **_):
        raise redis.ConnectionError

    monkeypatch.setattr(redis.client.Pipeline, "execute", away)
    assert [call(client, keys[0]).status_code for _ in range(3)] == [200] * 3
    assert "RateLimit" not in call(client, keys[0]).headers


def test_a_call_without_a_valid_key_is_told_no_limit(new_app):
    assert "RateLimit" not in call(new_app(), "esk_none-of-ours-at-all").headers
