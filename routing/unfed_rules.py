"""Rules that ask for what nothing tells Earshot in this tenant: they are well made, and still no message can ever match them."""

from dataclasses import dataclass

from config.rules import Rule
from config.tenant import TenantConfig


@dataclass(frozen=True)
class UnfedRule:
    """position: in the file, from 0. key: the condition that nothing feeds."""

    rule: str
    position: int
    key: str
    because: str


def list_unfed_rules(config: TenantConfig) -> tuple[UnfedRule, ...]:
    """The tenant's own rules that can never match until its [crm] says more, in their order. Only for a file: a stored tenant's
    settings hold no [crm].
    """
    return tuple(
        UnfedRule(rule.name, position, key, because)
        for position, rule in enumerate(config.rules)
        for key, because in _unfed(rule, config)
    )


def _unfed(rule: Rule, config: TenantConfig) -> list[tuple[str, str]]:
    unfed: list[tuple[str, str]] = []
    if rule.when.high_value is True and (config.crm is None or config.crm.high_value is None):
        unfed.append(("high_value", "no [crm] high_value; name the CRM field there that makes a customer high-value"))
    if rule.when.tier is not None and (config.crm is None or config.crm.tier_field is None):
        unfed.append(("tier", "no [crm] tier_field; name the CRM field there whose text is the customer's tier"))
    return unfed
