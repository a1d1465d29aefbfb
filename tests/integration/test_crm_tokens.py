"""Access tokens: one worker asks, all use it; a refresh token that was exchanged is kept; a dead one pauses and says so."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from crm_sync.tokens import AccessToken
from store.crm_connections import find_connection
from store.crm_tokens import store_token
from tests.crm_portals import PORTALS
from worker.crm_tokens import SharedToken
from worker.crm_watch import check

pytestmark = pytest.mark.in_turns

OAUTH = ("salesforce", "zoho")


def token_requests(desk):
    return [one for one in desk.portal.requests() if one["path"].endswith("/token")]


def shared(desk):
    return SharedToken(desk.deps.database, desk.tenant_id, keyring=desk.deps.keyring, settings=desk.deps.settings)


@pytest.mark.parametrize("kind", OAUTH)
def test_of_many_workers_that_need_a_token_one_asks(crm_desk, kind):
    desk = crm_desk(kind)
    with ThreadPoolExecutor(12) as pool:
        values = {token.value for token in pool.map(lambda _: shared(desk).current(), range(24))}
    assert len(values) == 1 and len(token_requests(desk)) == 1
    stored = desk.connection("access_token")[0]
    assert next(iter(values)).encode() not in bytes(stored), "it is encrypted"


@pytest.mark.parametrize("kind", OAUTH)
def test_a_refused_token_is_replaced_once_for_all(crm_desk, kind):
    desk = crm_desk(kind)
    old = shared(desk).current()
    with ThreadPoolExecutor(8) as pool:
        values = {token.value for token in pool.map(lambda _: shared(desk).renew(old), range(16))}
    assert len(values) == 1 and values != {old.value} and len(token_requests(desk)) == 2


@pytest.mark.parametrize("kind", OAUTH)
def test_a_token_that_runs_out_under_way_costs_nothing(crm_desk, kind):
    desk = crm_desk(kind)
    record = desk.portal.add_contact(phone="+905551112233")
    customer = desk.customer("905551112233")
    desk.conditions(token_life_s=1)
    desk.flush()
    assert desk.label(record) == "1 negative message in last 30 days"
    time.sleep(1.1)
    desk.conditions(token_life_s=3600)
    desk.message(customer)
    desk.mark(customer)
    desk.flush()
    fresh = PORTALS[kind](desk.url)
    fresh.reset()
    assert desk.connection("paused_because", "held_because") == (None, None)
    assert desk.owner.execute("SELECT version = written_version, negative_30d FROM crm_state").fetchone() == (True, 2)


@pytest.mark.parametrize("kind", ["zoho"])
def test_a_revoked_grant_pauses_tells_people_and_catches_up_when_it_is_repaired(crm_desk, kind, deps):
    desk = crm_desk(kind)
    desk.portal.add_contact(phone="+905551112233")
    customer = desk.customer("905551112233")
    desk.event(customer)
    desk.conditions(refresh_tokens_work=False)
    for _ in range(3):
        desk.due()
        desk.flush()
    assert desk.connection("paused_because")[0].startswith("token_refused:")
    assert desk.owner.execute("SELECT kind, severity FROM alert").fetchall() == [("crm_paused", "critical")]
    assert len(token_requests(desk)) == 1, "a paused connection asks nothing"
    check(deps, tenant_id=desk.tenant_id)
    assert desk.connection("paused_because")[0].startswith("token_refused:")
    desk.conditions(refresh_tokens_work=True)
    check(deps, tenant_id=desk.tenant_id)
    assert desk.connection("paused_because") == (None,)
    desk.due()
    desk.flush()
    assert desk.owner.execute("SELECT version = written_version FROM crm_state").fetchone() == (True,)
    assert desk.owner.execute("SELECT state FROM crm_event").fetchall() == [("sent",)]


def test_a_refresh_token_that_was_exchanged_outlives_an_unchanged_file(crm_desk, deps, database):
    desk = crm_desk("zoho")
    with database.tenant_transaction(desk.tenant_id) as conn:
        store_token(conn, desk.tenant_id, AccessToken("a", None, 3600, refresh_token="newer"), keyring=deps.keyring)

    def refresh_token():
        with database.tenant_transaction(desk.tenant_id) as conn:
            return find_connection(conn, desk.tenant_id, keyring=deps.keyring).credentials["refresh_token"]

    desk.connect()
    assert refresh_token() == "newer"
    desk.portal.credentials = {**desk.portal.credentials, "client_secret": "other"}
    desk.connect()
    assert refresh_token() == desk.portal.credentials["refresh_token"]
    assert desk.connection("access_token") == (None,)


def test_a_worker_that_died_while_it_asked_holds_up_the_others_for_seconds(crm_desk):
    desk = crm_desk("zoho")
    desk.owner.execute("UPDATE crm_connection SET token_lease_until = clock_timestamp() + interval '1 second'")
    began = time.monotonic()
    assert shared(desk).current().value
    assert time.monotonic() - began < 10
