"""A decision's facts as they are stored, read back by this version whatever version wrote them."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any

from routing.facts import RoutingFacts

_NAMES = frozenset(field.name for field in fields(RoutingFacts))
_REQUIRED = tuple(
    field.name for field in fields(RoutingFacts) if field.default is MISSING and field.default_factory is MISSING
)


class StoredInputsError(Exception):
    """What is stored with a decision can't be read by this version; the text says which part, and quotes no value."""

    permanent = True


@dataclass(frozen=True)
class ReadFacts:
    """Facts from storage. unknown: keys of a newer version that this one does not look at."""

    facts: RoutingFacts
    unknown: tuple[str, ...]


def facts_to_json(facts: RoutingFacts) -> dict[str, Any]:
    """The facts as a JSON object, every field under its own name."""
    return dict(vars(facts))


def facts_from_json(inputs: Mapping[str, Any]) -> ReadFacts:
    """The facts of a stored decision. A field the row does not have yet gets its default.

    Raises: StoredInputsError when a field that never had a default is missing.
    """
    for name in _REQUIRED:
        if name not in inputs:
            message = f"the stored facts have no {name}"
            raise StoredInputsError(message)
    known = {name: as_tuples(value) for name, value in inputs.items() if name in _NAMES}
    unknown = () if len(known) == len(inputs) else tuple(name for name in inputs if name not in _NAMES)
    return ReadFacts(RoutingFacts(**known), unknown)


def as_tuples(value: Any) -> Any:
    """JSON's lists as the tuples they were."""
    return tuple(as_tuples(item) for item in value) if isinstance(value, list) else value  # pyright: ignore[reportUnknownVariableType]
