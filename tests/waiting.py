"""Waiting for what another process does."""

import time


def wait_until(condition, *, timeout_s=30.0):
    """Until it is so; a test that waits longer has failed."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
