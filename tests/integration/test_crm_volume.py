"""Ten thousand customers' cards: how many requests they cost, that none is written twice, and that memory stays flat."""

import os
import re
import time
from pathlib import Path

import pytest

from tests.crm_portals import PORTALS
from tests.crm_specifications import violations
from tests.integration.crm_tenants import (
    add_labelled_customers,
    add_messages,
    add_tenant,
    count_dirty,
    fill,
    link,
    make_dirty,
)
from worker import crm_flush, crm_meter
from worker.crm_cards import write_cards

# Minutes together, most of it waiting: the full run has them.
pytestmark = pytest.mark.slow

# What writes labels: method and path.
UPDATES = {
    "hubspot": ("POST", r"/contacts/batch/update$"),
    "salesforce": ("PATCH", r"/composite/sobjects(\?|$)"),
    "zoho": ("PUT", r"/crm/v8/Contacts$"),
    "pipedrive": ("PATCH", r"/api/v2/persons/\d+$"),
}
CARDS_A_REQUEST = {"hubspot": 100, "salesforce": 200, "zoho": 100, "pipedrive": 1}
MAX_GROWTH_BYTES = 12_000_000
PAGE = os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def portal(kind, standins):
    portal = PORTALS[kind](standins[kind])
    yield portal
    assert violations(kind, portal.requests()) == []
    portal.reset()


def memory():
    """Resident bytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


@pytest.fixture
def memory_by_card(monkeypatch):
    """Resident bytes after each batch of cards."""
    measured = []

    def measured_write_cards(session):
        done = write_cards(session)
        if done:
            measured.append(memory())
        return done

    steps = [measured_write_cards if step is write_cards else step for step in crm_flush.STEPS]
    monkeypatch.setattr(crm_flush, "STEPS", tuple(steps))
    return measured


def updates(kind, portal):
    method, path = UPDATES[kind]
    return sum(one["method"] == method and re.search(path, one["path"]) is not None for one in portal.requests())


def flush_all(deps, owner, tenant_id, *, timeout_s):
    """Turns until no card waits; what a limit holds back comes when it is over, as in life."""
    deadline = time.monotonic() + timeout_s
    while count_dirty(owner, tenant_id):
        assert time.monotonic() < deadline, owner.execute(
            "SELECT held_because, held_until - now() FROM crm_connection WHERE tenant_id = %s", (tenant_id,)
        ).fetchone()
        crm_flush.flush_crm(deps, tenant_id=tenant_id)
        time.sleep(0.01)


FEW = {"hubspot": 2_000, "salesforce": 2_000, "zoho": 2_000, "pipedrive": 500}
RUNS = [pytest.param(kind, count, id=f"{kind}-{count}") for kind, count in FEW.items()]
RUNS += [
    pytest.param(kind, 10_000, id=f"{kind}-10000", marks=[pytest.mark.slow, pytest.mark.timeout(900)]) for kind in FEW
]


@pytest.mark.parametrize(("kind", "count"), RUNS)
def test_cards_are_written_in_full_batches_once_and_again_only_where_they_changed(
    deps, owner, keyring, portal, memory_by_card, monkeypatch, kind, count
):
    if kind == "pipedrive":
        # Its smallest plan takes eight cards a second; what is counted here does not depend on how fast they go.
        monkeypatch.setattr(crm_meter, "WINDOW_SHARE", 40.0)
    tenant_id = add_tenant(deps.database, keyring, "volume", kind, portal.credentials)
    people = add_labelled_customers(owner, tenant_id, count=count)
    link(owner, tenant_id, dict(zip(people, fill(kind, portal, count=count), strict=True)))
    make_dirty(owner, people)
    began = time.monotonic()
    flush_all(deps, owner, tenant_id, timeout_s=850)
    first_s, first = time.monotonic() - began, updates(kind, portal)
    first_thousand = max(1, 1000 // max(100, CARDS_A_REQUEST[kind]))
    grown = memory_by_card[-1] - memory_by_card[:first_thousand][-1]
    assert first == -(-count // CARDS_A_REQUEST[kind])
    (written,) = owner.execute("SELECT count(*) FROM crm_write WHERE tenant_id = %s", (tenant_id,)).fetchone()
    assert written == count
    assert grown < MAX_GROWTH_BYTES, f"{grown:,} bytes more after the last thousand than after the first"

    make_dirty(owner, people)
    began = time.monotonic()
    flush_all(deps, owner, tenant_id, timeout_s=60)
    again_s = time.monotonic() - began
    assert updates(kind, portal) == first, "what says the same already is left alone"

    changed = people[: CARDS_A_REQUEST[kind]]
    add_messages(owner, tenant_id, changed, sentiment="positive")
    make_dirty(owner, changed)
    flush_all(deps, owner, tenant_id, timeout_s=60)
    assert updates(kind, portal) == first + 1
    print(
        f"{kind}: {count} cards, {first} updates in {first_s:.1f} s, none in {again_s:.1f} s, memory {grown / 1e6:+.1f} MB"
    )
