"""Where the model can be asked at once, minimizing a message and claiming the call for it are one transaction."""

import threading
from datetime import UTC, datetime

import pytest

from store.messages import claim_contexts
from tests.integration.passes import run_all
from tests.webhooks import whatsapp_body, whatsapp_message
from worker import analyze_step, claim_ahead
from worker.claim_ahead import minimize_and_claim
from worker.stage import Next

HAIKU = "claude-haiku-5-5"


@pytest.fixture
def ref(deps, receive):
    at = str(int(datetime.now(UTC).timestamp()))
    (ref,) = receive(whatsapp_body(whatsapp_message("Call me on +90 532 000 00 00, Ayşe", timestamp=at)))
    return ref


def run_of(owner):
    return owner.execute("SELECT state, lease_token IS NOT NULL, crashes FROM run").fetchall()


def ledger(owner):
    return owner.execute("SELECT outcome, minimized_text FROM egress").fetchall()


def test_one_commit_minimizes_and_claims_and_the_call_is_made_once(deps, owner, ref):
    verdict, claimed = minimize_and_claim(deps, ref)
    assert verdict is Next.GO_ON and claimed is not None
    assert run_of(owner) == [("minimized", True, 1)]
    assert owner.execute("SELECT xmin FROM message").fetchall() == owner.execute("SELECT xmin FROM egress").fetchall()
    assert analyze_step.analyze(deps, ref, claimed=claimed) is Next.GO_ON
    ((outcome, left),) = ledger(owner)
    assert outcome == "answered" and "532" not in left
    assert owner.execute("SELECT state, customer_id IS NOT NULL FROM message").fetchone() == ("analyzed", True)


def test_a_second_ring_claims_nothing(deps, owner, ref):
    minimize_and_claim(deps, ref)
    assert minimize_and_claim(deps, ref) == (Next.GO_ON, None)
    assert analyze_step.analyze(deps, ref) is Next.STOP
    assert len(ledger(owner)) == 1


@pytest.mark.parametrize("what", ["budget", "provider", "limit", "before", "analyzer", "joined"])
def test_where_something_has_to_be_looked_at_first_it_is_minimized_alone(deps, owner, ref, what):
    if what == "budget":
        change(owner, deps, "{budget}", '{"daily_usd": 5}')
    elif what == "provider":
        deps.provider_gate.breaker.report(HAIKU, failed=True, pause_s=60)
    elif what == "limit":
        deps.provider_gate.fixed_per_min = 1
        assert deps.provider_gate.take_now(HAIKU)
    elif what == "before":
        owner.execute("UPDATE run SET crashes = 1")
    elif what == "analyzer":
        vars(deps)["analyzer"] = None
    else:
        change(owner, deps, "{thresholds}", '{"debounce_s": 30}')
    verdict, claimed = minimize_and_claim(deps, ref)
    deps.provider_gate.breaker.report(HAIKU, failed=True, pause_s=0.001)
    assert claimed is None and verdict is (Next.STOP if what == "joined" else Next.GO_ON)
    assert run_of(owner)[0][:2] == ("minimized", False) and ledger(owner) == []


def change(owner, deps, path, value):
    owner.execute("UPDATE tenant SET config = jsonb_set(config, %s, %s::jsonb, true)", (path, value))
    deps.tenants._cached.clear()


def test_an_erasure_that_has_begun_is_not_waited_for(deps, receive, owner, ref):
    run_all(deps, ref)
    at = str(int(datetime.now(UTC).timestamp()) + 1)
    (second,) = receive(whatsapp_body(whatsapp_message("And?", timestamp=at, message_id="wamid.second")))
    held, over = threading.Event(), threading.Event()

    def erase():
        with deps.database.tenant_transaction(ref.tenant_id) as conn:
            claim_contexts(conn, [ref.message_id])
            held.set()
            over.wait(30)

    erasing = threading.Thread(target=erase)
    erasing.start()
    assert held.wait(10)
    try:
        assert minimize_and_claim(deps, second) == (Next.GO_ON, None)
    finally:
        over.set()
        erasing.join()
    assert run_of(owner) == [("minimized", False, 0)]


def test_a_claim_that_fails_leaves_the_message_as_it_was_and_gives_the_turn_back(deps, owner, ref, monkeypatch):
    given_back = []
    monkeypatch.setattr(type(deps.provider_gate), "give_back", lambda _, model: given_back.append(model))
    monkeypatch.setattr(claim_ahead, "place_and_claim", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        minimize_and_claim(deps, ref)
    assert run_of(owner) == [("received", False, 0)] and given_back == [HAIKU]
