"""Labelled places where a test may let the process die, to prove that dying there costs nothing.

Nothing here can end a process, and no setting can make it: the hook is put in by a start-up file of the tests, which is no part of
what is installed.
"""

from collections.abc import Callable

hook: Callable[[str], None] | None = None


def crash_point(label: str) -> None:
    """Nothing, unless a test has put a hook in. label: `what.moment`, used once in the code."""
    if hook is not None:
        hook(label)
