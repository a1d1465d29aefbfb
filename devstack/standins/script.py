"""How a test tells a stand-in to misbehave: steps that are used up, first in, first out."""

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal

from devstack.standins.exchange import Request

KNOWN_KEYS = {"method", "path", "times", "status", "headers", "delay_s", "body", "drop"}


@dataclass
class Step:
    """One prepared answer, given `times` times. Without a status the default behaviour follows the delay.

    method, path: which requests it is for, None means any; path is a prefix or a pattern with `*`.
    drop: "before" closes the connection with nothing done, "after" does the default effect and then closes it.
    """

    method: str | None = None
    path: str | None = None
    times: int = 1
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict[str, str])
    delay_s: float = 0.0
    body: Any = None
    drop: Literal["before", "after"] | None = None

    def fits(self, request: Request) -> bool:
        """Whether the step is for this request."""
        path_fits = self.path is None or request.path.startswith(self.path) or fnmatchcase(request.path, self.path)
        return path_fits and self.method in {None, request.method}


class Script:
    """The steps that wait to be used."""

    def __init__(self) -> None:
        self._steps: list[Step] = []

    def add(self, steps: list[Step]) -> int:
        """Append steps; returns how many wait now."""
        self._steps += steps
        return len(self._steps)

    def clear(self) -> None:
        """Back to the default behaviour."""
        self._steps.clear()

    def take(self, request: Request) -> Step | None:
        """The oldest step for this request, once less."""
        step = next((step for step in self._steps if step.fits(request)), None)
        if step is not None:
            step.times -= 1
            if step.times <= 0:
                self._steps.remove(step)
        return step


def parse_steps(script: Any) -> list[Step]:
    """The steps of a `POST /_script` body. Raises: ValueError that says what is wrong with it."""
    items = script.get("steps") if isinstance(script, dict) else None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ValueError('the body must be {"steps": [{…}]}')
    return [_parse_step(item) for item in items]


def _parse_step(item: dict[str, Any]) -> Step:
    if unknown := set(item) - KNOWN_KEYS:
        raise ValueError(f"unknown keys {sorted(unknown)}; known are {sorted(KNOWN_KEYS)}")
    drop = item.get("drop")
    if drop not in {None, "before", "after"}:
        raise ValueError('drop must be "before" or "after"')
    method, status = item.get("method"), item.get("status")
    try:
        return Step(
            method=method.upper() if method else None,
            path=item.get("path") or None,
            times=int(item.get("times", 1)),
            status=int(status) if status is not None else None,
            headers={str(name): str(value) for name, value in (item.get("headers") or {}).items()},
            delay_s=float(item.get("delay_s") or 0),
            body=item.get("body"),
            drop=drop,
        )
    except (TypeError, AttributeError):
        raise ValueError("a step has a value of the wrong type") from None
