"""What an agent can do, as one word that agents have and that rules and actions ask for."""

import re
from typing import Annotated

from pydantic import StringConstraints

_PATTERN = r"^[a-z0-9_-]{1,40}$"
Skill = Annotated[str, StringConstraints(pattern=_PATTERN)]


def is_skill(word: str) -> bool:
    """Whether it can be one: lower case, digits, - and _, at most 40."""
    return re.fullmatch(_PATTERN, word) is not None
