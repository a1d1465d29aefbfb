"""The rules a tenant starts with, as data: its industry's, then the product's."""

import tomllib
from functools import cache
from importlib.resources import files

from config.tenant import Rule, TenantConfig
from routing.rules import RoutingPolicy

PRODUCT_PLAYBOOK = "general"


def _load(name: str) -> tuple[Rule, ...]:
    path = files("routing") / "playbooks" / f"{name}.toml"
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    return tuple(Rule.model_validate(rule) for rule in document["rules"])


@cache
def playbook_for(industry: str) -> tuple[Rule, ...]:
    """The rules of an industry in the order they are tried. An industry without rules of its own has the product's."""
    product = _load(PRODUCT_PLAYBOOK)
    own = files("routing") / "playbooks" / f"{industry}.toml"
    return product if industry == PRODUCT_PLAYBOOK or not own.is_file() else (*_load(industry), *product)


def policy_for(tenant: TenantConfig) -> RoutingPolicy:
    """What decides for this tenant: its own rules first."""
    return RoutingPolicy(
        thresholds=tenant.thresholds,
        rules=(*tenant.rules, *playbook_for(tenant.industry)),
        actions=dict(tenant.actions),
    )
