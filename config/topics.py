"""What a topic's name and definition may look like, and which names would be taken for one another."""

import re
from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator

MAX_OWN_TOPICS = 60
"""How many a tenant may add. Every topic is sent with every message, so the list must stay bounded."""
MAX_DEFINITION_CHARS = 200
MAX_NAME_CHARS = 40
_NAME = re.compile(r"[a-z][a-z0-9_]{1,39}")
# Line breaks of every kind: one would end the line of the prompt that lists the topics.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def _check_name(name: str) -> str:
    if _NAME.fullmatch(name):
        return name
    rule = f"a topic's name is 2 to {MAX_NAME_CHARS} lower-case letters, digits and _, and begins with a letter"
    better = _suggested(name)
    raise ValueError(f'{rule}; write "{better}"' if better else rule)


def _suggested(name: str) -> str | None:
    """The same name in the form that is taken, or None when there is none."""
    better = re.sub(r"[\s_-]+", "_", name.strip()).lower()
    return better if _NAME.fullmatch(better) else None


def _check_definition(definition: str) -> str:
    if not definition.strip():
        raise ValueError("is empty; say in one line what customers write about")
    if len(definition) > MAX_DEFINITION_CHARS:
        raise ValueError(f"has {len(definition)} characters; shorten it to at most {MAX_DEFINITION_CHARS}")
    if _CONTROL.search(definition):
        raise ValueError("holds a line break or another control character; write it on one line")
    return definition


TopicName = Annotated[str, AfterValidator(_check_name)]
TopicDefinition = Annotated[str, AfterValidator(_check_definition)]
Topics = dict[TopicName, TopicDefinition]


def check_number(topics: Topics) -> Topics:
    """Raises: ValueError when a tenant adds more than MAX_OWN_TOPICS."""
    if len(topics) > MAX_OWN_TOPICS:
        raise ValueError(f"are {len(topics)}; at most {MAX_OWN_TOPICS} fit, so merge or drop some")
    return topics


def find_twin(name: str, others: Iterable[str]) -> str | None:
    """The first of the others that differs from the name only by capitals, - or _, or None. The name itself is no twin."""
    return next((other for other in others if other != name and _folded(other) == _folded(name)), None)


def _folded(name: str) -> str:
    return re.sub(r"[-_]", "", name).lower()
