"""Every write of the API under an Idempotency-Key: done once, answered the same."""

from tests.integration.test_api_isolation import ROUTES, world  # noqa: F401 -- a fixture
from tests.integration.two_tenants import fill_path, stand_as_before

WRITES = sorted(route for route in ROUTES if route[0] != "GET")


def test_a_write_that_is_sent_twice_is_done_once(world, owner):  # noqa: F811
    client, ids, keys = world
    wrong = {}
    for number, (method, path) in enumerate(WRITES):
        head = {"Authorization": f"Bearer {keys['supervisor']}", "Idempotency-Key": f"write-{number}"}
        stand_as_before(owner, uncertain=path.endswith("/settle"))
        body = ROUTES[method, path][0]
        first, second, other = (
            client.open(fill_path(path, ids["own"]), method=method, json=given, headers=head, query_string=query)
            for given, query in ((body, ""), (body, ""), (body, "again=1"))
        )
        replays = [one.headers.get("Idempotency-Replayed") for one in (first, second)]
        if (first.status_code, replays, first.json) != (200, [None, "true"], second.json) or other.status_code != 422:
            wrong[method, path] = (first.text, second.text, other.text)
    assert wrong == {}
