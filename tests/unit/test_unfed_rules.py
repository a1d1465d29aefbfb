"""A rule that asks for what no CRM tells is named, with the condition and the fix; the file is used all the same."""

import argparse

import pytest

from cli import rules, tenant
from config.tenant_file import parse_tenant_file
from routing.unfed_rules import list_unfed_rules
from tests.conftest import ACME

WITHOUT_CRM = ACME[: ACME.index("[crm]")]
RULE = """
[[rules]]
name = "vip"
because = "Key accounts."
when = {{ {when} }}
then = {{ queue = "senior", priority = "P2" }}
"""


def keys(text, when):
    config = parse_tenant_file(text + RULE.format(when=when), source="test", environ={})
    return [one.key for one in list_unfed_rules(config)]


@pytest.mark.parametrize(
    ("text", "when", "unfed"),
    [
        (WITHOUT_CRM, "high_value = true", ["high_value"]),
        (WITHOUT_CRM, 'high_value = true, tier = ["gold"]', ["high_value", "tier"]),
        (WITHOUT_CRM, "high_value = false", []),
        (ACME, "high_value = true", ["high_value"]),
        (ACME, 'tier = ["gold"]', ["tier"]),
        (ACME + 'tier_field = "level"\n', 'tier = ["gold"]', []),
        (ACME + 'tier_field = "level"\n', "high_value = true", ["high_value"]),
        (ACME + '[crm.high_value]\nfield = "level"\nis_one_of = ["gold"]\n', "high_value = true", []),
    ],
)
def test_what_no_crm_tells_is_named_by_its_condition(text, when, unfed):
    assert keys(text, when) == unfed


def test_a_warning_about_tiers_names_the_setting_that_lacks():
    config = parse_tenant_file(ACME + RULE.format(when='tier = ["gold"]'), source="test", environ={})
    (one,) = list_unfed_rules(config)
    assert one.because.startswith("no [crm] tier_field; name the CRM field there")


def test_rules_check_and_tenant_check_warn_and_go_on(tmp_path, capsys):
    path = tmp_path / "acme.toml"
    path.write_text(WITHOUT_CRM + RULE.format(when="high_value = true"))
    line = path.read_text().splitlines().index("when = { high_value = true }") + 1

    assert rules.run(argparse.Namespace(action="check", files=[path])) == 0
    told = capsys.readouterr()
    assert f'{path}:{line}: rules.0.when.high_value: rule "vip": can never match: no [crm] high_value' in told.err
    assert "acme: 0 of its 1 rules can decide" in told.out
    assert tenant.run(argparse.Namespace(action="check", files=[path])) == 0
    assert "can never match: no [crm] high_value" in capsys.readouterr().err
