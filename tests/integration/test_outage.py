"""Six hours without the provider, in scaled time: nothing is lost, nothing is sent late, and the drain is in order and no herd.

Time passes by moving every clock in Postgres and Redis back, so that leases, waits, the breaker and the age of automations see six hours.
"""

from datetime import UTC, datetime, timedelta

import httpx2
import pytest
import redis

from channels.base import ChannelError
from store.accounting import count_hours
from tests.integration.passes import now
from tests.webhooks import whatsapp_body, whatsapp_message
from worker import analyze_step, reconcile, steps
from worker.delivery import deliver_action
from worker.errors import StepError
from worker.stage import Next

HOURS, STEP_S = 6, 600
REFUND = "I want my money back, the parcel never came"
URGENT = "I will sue you, my lawyer is informed"
PLAIN = "Where is my order?"
# What the clock stands in: all that decides by time.
CLOCKS = {
    "run": ("next_at", "created_at", "stage_since", "lease_until"),
    "message": ("sent_at", "received_at"),
    "action": ("next_at", "created_at"),
    "conversation": ("created_at", "last_inbound_at", "waiting_since", "window_until"),
}


@pytest.fixture
def pass_time(owner, broker):
    known = {
        (table, column)
        for table, column in owner.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
        ).fetchall()
    }

    def shift(seconds):
        for table, columns in CLOCKS.items():
            sets = ", ".join(
                f"{column} = {column} - make_interval(secs => {seconds})"
                for column in columns
                if (table, column) in known
            )
            owner.execute(f"UPDATE {table} SET {sets}")
        with redis.Redis.from_url(broker) as client:
            for key in client.scan_iter("earshot:breaker:*"):
                if client.type(key) == b"list":
                    client.delete(key)  # the window of 30 s is over
                    continue
                for field in ("open_until", "probe_until"):
                    at = client.hget(key, field)
                    if at and float(at):
                        client.hset(key, field, max(1, int(float(at)) - seconds * 1000))

    return shift


@pytest.fixture
def provider(standins):
    """The provider's stand-in: away or back, and how often it was asked."""

    class Provider:
        def go_away(self):
            body = {"type": "error", "error": {"type": "overloaded_error", "message": "x"}}
            step = {"method": "POST", "path": "/v1/messages", "status": 529, "times": 100_000, "body": body}
            httpx2.post(f"{standins['anthropic']}/_script", json={"steps": [step]})

        def come_back(self):
            httpx2.delete(f"{standins['anthropic']}/_script")
            httpx2.delete(f"{standins['anthropic']}/_received")

        def calls(self):
            return len(
                [
                    1
                    for line in httpx2.get(f"{standins['anthropic']}/_received").text.splitlines()
                    if "/v1/messages" in line
                ]
            )

    provider = Provider()
    yield provider
    provider.come_back()


@pytest.fixture
def rung(monkeypatch):
    """What the reconciler starts, in its order, instead of a broker."""
    refs = []
    monkeypatch.setattr(reconcile, "start", lambda ref, **_: refs.append(ref))
    monkeypatch.setattr(reconcile, "ring_action", lambda **_: None)
    monkeypatch.setattr(reconcile, "ring_crm", lambda **_: None)
    return refs


def try_to_analyze(deps, ref):
    try:
        return analyze_step.analyze(deps, ref)
    except StepError:
        return Next.STOP


@pytest.mark.slow
def test_after_six_hours_without_the_provider_all_is_read_in_order_and_nothing_stale_is_sent(
    deps, receive, owner, tenant_ids, provider, pass_time, rung, times
):
    provider.go_away()
    waiting = []
    for step in range(HOURS * 3600 // STEP_S):
        text = URGENT if step % 9 == 4 else REFUND if step % 3 == 0 else PLAIN
        (ref,) = receive(
            whatsapp_body(whatsapp_message(text, sender=f"90555100{step:04}", timestamp=str(int(now().timestamp()))))
        )
        waiting.append((ref, text))
        assert steps.minimize(deps, ref) is Next.GO_ON
        try_to_analyze(deps, ref)
        pass_time(STEP_S)
        reconcile.tick(deps)
        for again in rung:
            try_to_analyze(deps, again)
        rung.clear()
    during = provider.calls()
    assert owner.execute(
        "SELECT count(*), count(*) FILTER (WHERE state = 'dead'), max(crashes) FROM run"
    ).fetchone() == (len(waiting), 0, 0)
    # A provider that is away is asked by probes, not by everybody again and again.
    assert during <= 3 * len(waiting), during

    provider.come_back()
    rounds = []
    for _ in range(60):
        pass_time(360)
        reconcile.tick(deps)
        assert len(rung) <= reconcile.RUNG_PER_TICK
        done = []
        for ref in list(rung):
            if try_to_analyze(deps, ref) is Next.GO_ON:
                done.append(ref.message_id)
                steps.persist(deps, ref)
                for action_id in steps.route(deps, ref, now=now()).action_ids:
                    try:
                        deliver_action(deps, tenant_id=ref.tenant_id, action_id=action_id, now=now())
                    except ChannelError:
                        raise AssertionError("nothing is to be sent") from None
                steps.crm_sync(deps, ref)
        rung.clear()
        rounds += [done] if done else []
        if sum(map(len, rounds)) == len(waiting):
            break
    assert sorted(one for done in rounds for one in done) == sorted(ref.message_id for ref, _ in waiting)
    assert provider.calls() <= 1.2 * len(waiting)
    # Each round begins with urgent words, and goes on with the oldest.
    place = {ref.message_id: (text != URGENT, number) for number, (ref, text) in enumerate(waiting)}
    for done in rounds:
        assert done == sorted(done, key=place.__getitem__)
    assert len(rounds) <= 4
    # Nobody gets a refund form for what they wrote hours ago: it is over, and a person answers.
    stale = owner.execute(
        "SELECT a.state, count(*) FROM action AS a WHERE a.kind = 'send_refund_form' GROUP BY a.state"
    ).fetchall()
    assert dict(stale).keys() <= {"expired", "cancelled"} and stale
    assert owner.execute("SELECT count(*) FROM alert WHERE kind = 'needs_person'").fetchone()[0] > 0
    with deps.database.tenant_transaction(tenant_ids["acme"]) as conn:
        hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        counted = count_hours(
            conn, tenant_ids["acme"], since=hour - timedelta(hours=1), until=hour + timedelta(hours=1)
        )
    assert sum(one.analyzed for one in counted) == len(waiting) and not any(one.unaccounted for one in counted)
