"""The reconciler rings queue by queue: one that takes nothing, as RabbitMQ's may, holds up no other."""

from functools import partial

from kombu.exceptions import OperationalError

from tests.webhooks import whatsapp_body, whatsapp_message
from worker import reconcile


def test_a_queue_that_takes_nothing_holds_up_no_other(deps, receive, monkeypatch, owner):
    refs = receive(whatsapp_body(*(whatsapp_message(f"Where is order {number}?") for number in range(6))))
    owner.execute("UPDATE run SET next_at = now()")
    owner.execute(
        "UPDATE run SET state = 'persisted' WHERE message_id = ANY(%s)", ([one.message_id for one in refs[:3]],)
    )
    rung, asked = [], []

    def start(ref, *, state, **_):
        asked.append(state)
        if state == "received":
            raise OperationalError
        rung.append(ref.run_id)

    monkeypatch.setattr(reconcile, "start", start)
    reconcile.tick(deps)
    assert sorted(rung) == sorted(one.run_id for one in refs[:3])
    assert asked.count("received") == 1, "it is asked once, and left alone until the next tick"


def test_a_broker_that_is_away_is_not_waited_for_queue_after_queue(monkeypatch):
    asked = []

    def away(queue):
        asked.append(queue)
        raise OperationalError

    rings = [(f"q{number % 5}", partial(away, f"q{number % 5}")) for number in range(20)]
    assert not reconcile._ring_by_queue(rings)
    assert asked == ["q0", "q1", "q2"]
