"""What the page of an action shows before a tenant has said anything of it."""

import pytest

from config.actions import ActionConfig
from config.words import ActionKind
from console.action_form import KINDS, mode_of, reaches_customers
from routing.actions import CUSTOMER_FACING, INTERNAL


@pytest.mark.parametrize("kind", sorted(INTERNAL))
def test_what_is_ours_alone_happens_unless_it_is_switched_off(kind: ActionKind):
    assert mode_of(kind, None) == mode_of(kind, ActionConfig()) == "auto"
    expected = "auto" if kind == "escalate_to_human" else "off"
    assert mode_of(kind, ActionConfig(mode="off")) == expected, "a person who must be called is called"


@pytest.mark.parametrize("kind", sorted(set(KINDS) - INTERNAL))
def test_what_leaves_is_only_recorded_until_somebody_asks_for_it(kind: ActionKind):
    assert mode_of(kind, None) == mode_of(kind, ActionConfig()) == "shadow"
    assert mode_of(kind, ActionConfig(enabled=True)) == "auto"
    assert reaches_customers(kind) is (kind in CUSTOMER_FACING)
