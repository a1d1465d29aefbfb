"""Rules that ask for what nothing tells Earshot in this tenant: they are well made, and still no message can ever match them."""

from dataclasses import dataclass

from config.crm import CrmSettings
from config.rules import Rule
from config.tenant import TenantConfig


@dataclass(frozen=True)
class UnfedRule:
    """position: in the file, from 0. key: the condition that nothing feeds."""

    rule: str
    position: int
    key: str
    because: str


def list_unfed_rules(config: TenantConfig, *, crm: CrmSettings | None = None) -> tuple[UnfedRule, ...]:
    """The tenant's own rules that can never match until its [crm] says more, in their order.

    crm: for a stored tenant, whose settings hold no [crm].
    """
    crm = crm or config.crm
    return tuple(
        UnfedRule(rule.name, position, key, because)
        for position, rule in enumerate(config.rules)
        for key, because in _unfed(rule, crm)
    )


def _unfed(rule: Rule, crm: CrmSettings | None) -> list[tuple[str, str]]:
    unfed: list[tuple[str, str]] = []
    if rule.when.high_value is True and (crm is None or crm.high_value is None):
        unfed.append(("high_value", "no [crm] high_value; name the CRM field there that makes a customer high-value"))
    if rule.when.tier is not None and (crm is None or crm.tier_field is None):
        unfed.append(("tier", "no [crm] tier_field; name the CRM field there whose text is the customer's tier"))
    return unfed
