"""What pydantic found wrong, in words that name the field and the fix and never quote a value."""

from pydantic import ValidationError

_FRIENDLY = {
    "extra_forbidden": "is not a key Earshot knows (a typo?)",
    "missing": "is missing",
    "tuple_type": 'takes a list; put the value in brackets, like ["a"] or ["a", "b"]',
}


def list_field_problems(error: ValidationError) -> list[tuple[tuple[int | str, ...], str]]:
    """(path of the field, what is wrong), in pydantic's order."""
    return [
        (
            tuple(part for part in item["loc"] if part != "[key]"),
            _FRIENDLY.get(item["type"], item["msg"].removeprefix("Value error, ")),
        )
        for item in error.errors(include_input=False, include_url=False, include_context=False)
    ]
