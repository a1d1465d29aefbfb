"""Four hundred messages, each three times at once: every effect once, and nobody pays three times."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.campaign import LIVE_AFTER_S, calm
from tests.chaos.invariants import look
from tests.chaos.load import Producer
from tests.chaos.scratch import scratch_folder
from tests.conftest import ACME
from tests.running_stack import RunningStack, start_stack, stop_stack

MESSAGES = 400


@pytest.fixture
def stack() -> Iterator[RunningStack]:
    with scratch_folder() as folder:
        stack = start_stack(folder / "stack")
        tenant = Path(folder, "acme.toml")
        tenant.write_text(ACME)
        assert stack.cli("tenant", "apply", str(tenant)).returncode == 0
        yield stack
        stop_stack(stack)


@pytest.mark.slow
def test_every_id_three_times_at_once_has_its_effects_once(stack: RunningStack) -> None:
    stack.wait_for("SELECT count(*) FROM channel_account", [(2,)], timeout_s=LIVE_AFTER_S + 10)
    producer = Producer(
        url=f"{stack.info['receiver_url']}/webhooks/whatsapp",
        secret="acme-secret",
        messages=MESSAGES,
        rate=10 * MESSAGES,
        lot=random.Random(3),
    )
    producer.run()
    calm(stack)
    assert [finding for finding in look(stack, producer.sent) if not finding.holds] == []
