"""Words of a tenant's own that a person must hear of, whatever the model says."""

from typing import Annotated

from pydantic import AfterValidator, Field

from config.tenant_part import TenantPart

MAX_WORDS = 200


def _has_letters(word: str) -> str:
    if sum(letter.isalnum() for letter in word) < 2:
        raise ValueError("needs two letters or digits at least, or every message would hold it")
    return word.strip()


_Words = Annotated[
    tuple[Annotated[str, Field(max_length=60), AfterValidator(_has_letters)], ...], Field(max_length=MAX_WORDS)
]


class FloorWords(TenantPart):
    """On top of Earshot's own (analysis/lexicon.toml). Beginnings of words; a `|` at the end means that the word ends there."""

    urgent: _Words = ()
    """At least P2."""
    legal_threat: _Words = ()
    """P1, to senior agents."""
    safety: _Words = ()
    """P1, to senior agents, and nothing is written to the customer by itself."""

    def groups(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """(name of the group, its words), most serious first; groups without words are left out."""
        named = (("safety", self.safety), ("legal_threat", self.legal_threat), ("urgent", self.urgent))
        return tuple((name, words) for name, words in named if words)
