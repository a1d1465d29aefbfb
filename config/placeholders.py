"""What a tenant's wording may leave open for us to fill in: `{customer_name}`, `{business_name}`, `{link}`."""

import re
from typing import Literal, get_args

Variable = Literal["customer_name", "business_name", "link"]
VARIABLES: tuple[Variable, ...] = get_args(Variable)
_PLACE = re.compile(r"\{([^{}]*)\}")


def variables_in(text: str) -> tuple[str, ...]:
    """Names between braces in their order, each once; known or not."""
    return tuple(dict.fromkeys(name.strip() for name in _PLACE.findall(text)))


def problem_in(text: str) -> str | None:
    """What is wrong with the placeholders of a wording, and the fix; None when nothing is."""
    allowed = ", ".join(f"{{{name}}}" for name in VARIABLES)
    for name in variables_in(text):
        if name not in VARIABLES:
            return f"{{{name[:40]}}} is not a variable Earshot can fill; there are {allowed}"
    if "{" in _PLACE.sub("", text) or "}" in _PLACE.sub("", text):
        return f"has a brace without its partner; variables are written {allowed}"
    return None
