"""Marks the field of a form that cannot be so, for eyes and for screen readers; the problem itself stands in #wrong."""

from collections.abc import Callable

from markupsafe import Markup

_MARK = Markup(' aria-invalid="true" aria-describedby="wrong"')


def mark_wrong(wrong: str | None) -> Callable[[str], Markup]:
    """What a template puts into a field's tag, by the field's name."""
    return lambda name: _MARK if name == wrong else Markup()
