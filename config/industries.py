"""Industry templates: the topics, tone and playbook a tenant starts from."""

import difflib
import re
import tomllib
from functools import cache
from importlib.resources import files
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from config.topics import Topics

GENERIC_TOPICS = {
    "shipping": "delivery, courier, tracking, late or lost parcels",
    "refund": "money back, returns, exchanges",
    "billing": "invoices, charges, wrong amounts",
    "payment": "paying, cards, declined or failed payments",
    "account": "sign-in, password, profile, membership",
    "app": "the app or website itself: errors, crashes, features",
    "pricing": "prices, discounts, quotes",
}

# Other names of the templates, as people write them; capitals, blanks, - and _ make no difference.
ALIASES = {
    "bank": "banking",
    "bistro": "restaurant",
    "cafe": "restaurant",
    "clinic": "healthcare",
    "dental": "healthcare",
    "dentist": "healthcare",
    "doctor": "healthcare",
    "finance": "banking",
    "fintech": "banking",
    "food": "restaurant",
    "gastronomy": "restaurant",
    "guesthouse": "hospitality",
    "gym": "fitness",
    "hospital": "healthcare",
    "hotel": "hospitality",
    "hotels": "hospitality",
    "internetprovider": "telecom",
    "isp": "telecom",
    "medical": "healthcare",
    "mobile": "telecom",
    "onlineshop": "ecommerce",
    "other": "general",
    "restaurants": "restaurant",
    "retail": "ecommerce",
    "shop": "ecommerce",
    "software": "saas",
    "sport": "fitness",
    "sports": "fitness",
    "studio": "fitness",
    "telco": "telecom",
    "telecommunications": "telecom",
    "telecoms": "telecom",
    "tourism": "travel",
    "travelagency": "travel",
    "webshop": "ecommerce",
}

_Sentence = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\n]+\.$")]


class IndustryFileError(Exception):
    """A template of ours cannot be used; the text names the file, the field and what is wrong. No template, no start."""


class Industry(BaseModel):
    """One industry template. `topics` come on top of the generic ones every tenant has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    description: _Sentence
    """One sentence: what such a business is and what must never happen there."""
    tone: _Sentence
    topics: Topics

    def all_topics(self) -> dict[str, str]:
        """Topic name to one-line definition: the generic ones, then the industry's."""
        return {**GENERIC_TOPICS, **self.topics}


@cache
def industry_names() -> tuple[str, ...]:
    """The known templates, in alphabetical order. These are the names that are stored; ALIASES lead to them."""
    folder = files("config") / "industries"
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")))


def find_industry_name(name: str) -> str | None:
    """The template that is meant by a name or an alias, or None."""
    folded = _folded(name)
    return folded if folded in industry_names() else ALIASES.get(folded)


def nearest_industry_name(name: str) -> str | None:
    """The template whose name or alias is most like this one, or None when none is near."""
    near = difflib.get_close_matches(_folded(name), [*industry_names(), *ALIASES], n=1)
    return find_industry_name(near[0]) if near else None


def _folded(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).lower()


def parse_industry(text: str, *, name: str, source: str) -> Industry:
    """A checked template from TOML text.

    Raises: IndustryFileError with one line per problem: file, field, what is wrong.
    """
    try:
        return Industry.model_validate({"name": name, **tomllib.loads(text)})
    except tomllib.TOMLDecodeError as error:
        raise IndustryFileError(f"{source}: not valid TOML: {error}") from None
    except ValidationError as error:
        raise IndustryFileError("\n".join(f"{source}: {problem}" for problem in _problems(error))) from None


def _problems(error: ValidationError) -> list[str]:
    return [
        f"{'.'.join(str(part) for part in item['loc'] if part != '[key]')}: {item['msg'].removeprefix('Value error, ')}"
        for item in error.errors(include_url=False, include_context=False)
    ]


@cache
def load_industry(name: str) -> Industry:
    """Raises: KeyError when there is no such template, IndustryFileError when it cannot be used."""
    if name not in industry_names():
        raise KeyError(name)
    path = files("config") / "industries" / f"{name}.toml"
    return parse_industry(path.read_text(encoding="utf-8"), name=name, source=f"config/industries/{name}.toml")
