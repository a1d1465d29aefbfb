"""[sweep] in a tenant file, and what a command may ask for instead."""

import pytest

from config.tenant_file import TenantFileError, parse_tenant_file
from worker.sweep_plan import SweepOptions

HEAD = 'slug = "acme"\nname = "Acme"\n'


def tenant(text=""):
    return parse_tenant_file(HEAD + text, source="acme.toml", environ={})


def test_a_tenant_that_says_nothing_has_one_a_month():
    sweep = tenant().sweep
    assert (sweep.enabled, sweep.days, sweep.customers, sweep.budget_usd) == (True, 90, 500, 5.0)
    assert (sweep.batches, sweep.approve_labels) == (True, False)


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("days = 0", "sweep.days"),
        ("customers = 0", "sweep.customers"),
        ("budget_usd = -1", "sweep.budget_usd"),
        ("budget_usd = nan", "sweep.budget_usd"),
        ("batch = true", "sweep.batch: is not a key"),
    ],
)
def test_what_is_wrong_is_named(line, word):
    with pytest.raises(TenantFileError) as caught:
        tenant(f"[sweep]\n{line}\n")
    assert word in str(caught.value) and "acme.toml:4" in str(caught.value)


def test_a_command_may_ask_for_less_and_for_more_but_not_for_batches_that_are_forbidden():
    own = SweepOptions.of(tenant("[sweep]\nbudget_usd = 2.5\nbatches = false\n"))
    assert (own.budget_microusd, own.batches) == (2_500_000, False)
    asked = SweepOptions.of(tenant("[sweep]\nbatches = false\n"), days=7, customers=9, budget_usd=0.01, batches=True)
    assert (asked.days, asked.customers, asked.budget_microusd, asked.batches) == (7, 9, 10_000, False)
    assert SweepOptions.of(tenant(), batches=False).batches is False
