"""Every write of the API under an Idempotency-Key: done once, answered the same."""

from console.api.description import ONLY_ASKS
from tests.api_page import routes
from tests.integration.test_api_isolation import (  # noqa: F401 -- fixtures among them
    NOTHING_TO_DO,
    ROUTES,
    filled,
    owner_database_url,
    world,
)
from tests.integration.trials_bench import ready_for
from tests.integration.two_tenants import fill_path, stand_as_before

# What takes something away comes last, of that the links to a CRM before the CRM: the others need it.
WRITES = sorted(
    ((method, path) for method, path, endpoint in routes() if method != "GET" and endpoint not in ONLY_ASKS),
    key=lambda route: (route[0] == "DELETE", "/crm/connection" in route[1], route[1]),
)
# What stands in the first answer only: it is not kept.
SHOWN_ONCE = {
    ("POST", "/api/v1/people"): "link",
    ("POST", "/api/v1/people/<user_id>/link"): "link",
    ("POST", "/api/v1/api-keys"): "key",
    ("POST", "/api/v1/webhooks"): "secret",
    ("POST", "/api/v1/webhooks/<webhook_id>/rotate-secret"): "secret",
}


def test_a_write_that_is_sent_twice_is_done_once(world, owner):  # noqa: F811
    client, ids, keys = world
    wrong = {}
    for number, (method, path) in enumerate(WRITES):
        head = {"Authorization": f"Bearer {keys['admin']}", "Idempotency-Key": f"write-{number}"}
        stand_as_before(owner, uncertain=path.endswith("/settle"))
        ready_for(owner, path)
        body = ROUTES[method, path][0]
        if body and body.get("message_ids") == "own":
            body = {**body, "message_ids": [ids["own"]["message"]]}
        address = fill_path(path, ids["own"]).replace("<field>", "sentiment")
        first, second, other = (
            client.open(address, method=method, json=given, headers=head, query_string=query)
            for given, query in ((body, ""), (body, ""), (body, "again=1"))
        )
        if (method, path) in NOTHING_TO_DO:
            # A refused write may be tried again under its name.
            same = (first.status_code, second.status_code, other.status_code) == (409, 409, 409)
        else:
            replays = [one.headers.get("Idempotency-Replayed") for one in (first, second)]
            shown_once = SHOWN_ONCE.get((method, path))
            kept = {name: None if name == shown_once else value for name, value in first.json.items()}
            told = (first.status_code, replays, second.status_code, other.status_code)
            same = told == (200, [None, "true"], 200, 422) and second.json == kept
        if not same:
            wrong[method, path] = (first.text, second.text, other.text)
    assert wrong == {}
