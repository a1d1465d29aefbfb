"""How hard the tests try: `make test` takes the same few examples each time, `make test-full` many new ones."""

import os

from hypothesis import settings

IS_FULL = os.environ.get("TEST_EFFORT") == "full"

settings.register_profile("short", derandomize=True, deadline=None, max_examples=50)
settings.register_profile("full", deadline=None, max_examples=500)


def load() -> None:
    """Before any test module is read."""
    settings.load_profile("full" if IS_FULL else "short")


def examples(full: int) -> int:
    """How many of `full` examples of a property are tried now."""
    return full if IS_FULL else max(20, full // 6)
