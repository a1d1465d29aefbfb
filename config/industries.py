"""Industry templates: the topics, tone and playbook a tenant starts from."""

import tomllib
from functools import cache
from importlib.resources import files

from pydantic import BaseModel, ConfigDict

GENERIC_TOPICS = {
    "shipping": "delivery, courier, tracking, late or lost parcels",
    "refund": "money back, returns, exchanges",
    "billing": "invoices, charges, wrong amounts",
    "payment": "paying, cards, declined or failed payments",
    "account": "sign-in, password, profile, membership",
    "app": "the app or website itself: errors, crashes, features",
    "pricing": "prices, discounts, quotes",
}


class Industry(BaseModel):
    """One industry template. `topics` come on top of the generic ones every tenant has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    description: str
    tone: str
    topics: dict[str, str]

    def all_topics(self) -> dict[str, str]:
        """Topic name to one-line definition: the generic ones, then the industry's."""
        return {**GENERIC_TOPICS, **self.topics}


@cache
def industry_names() -> tuple[str, ...]:
    """The known templates, in alphabetical order."""
    folder = files("config") / "industries"
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")))


@cache
def load_industry(name: str) -> Industry:
    """Raises: KeyError when there is no such template."""
    if name not in industry_names():
        raise KeyError(name)
    text = (files("config") / "industries" / f"{name}.toml").read_text(encoding="utf-8")
    return Industry.model_validate({"name": name, **tomllib.loads(text)})
