"""The rules a tenant starts with, as data: the product's first ones, its industry's, the product's last ones."""

import tomllib
from functools import cache
from importlib.resources import files

from config.rules import Rule
from config.tenant import TenantConfig
from routing.conditions import PlaybookRule
from routing.rules import RoutingPolicy

# The product's own rules stand around the industry's: none outranks `first`, and `last` answers what it leaves.
FIRST = "first"
LAST = "last"


def _load(name: str) -> tuple[Rule, ...]:
    path = files("routing") / "playbooks" / f"{name}.toml"
    if not path.is_file():
        return ()
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    return tuple(PlaybookRule.model_validate(rule) for rule in document["rules"])


@cache
def playbook_for(industry: str) -> tuple[Rule, ...]:
    """The rules of an industry in the order they are tried. One without rules of its own has the product's alone."""
    return (*_load(FIRST), *_load(industry), *_load(LAST))


def policy_for(config: TenantConfig) -> RoutingPolicy:
    """What decides for this tenant: its own rules before any of ours."""
    return RoutingPolicy(
        thresholds=config.thresholds,
        rules=(*config.rules, *playbook_for(config.industry)),
        actions=dict(config.actions),
        playbook=config.industry,
        max_per_customer_per_day=config.automation.max_per_customer_per_day,
        surveys=config.surveys,
    )
