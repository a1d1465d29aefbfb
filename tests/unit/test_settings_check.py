"""A patch on a tenant's settings: what it changes, and what is refused with the field and the fix."""

import json

import pytest

from config.settings_changes import list_changes
from config.tenant import TenantConfig
from routing.settings_check import SettingsError, patch_settings

RULE = {"name": "late", "because": "Late parcels first.", "when": {"topics": ["wrong_item"]}, "then": {"queue": "senior", "priority": "P1"}}  # fmt: skip


def config(**more):
    return TenantConfig.model_validate({"slug": "acme", "name": "Acme", "industry": "ecommerce", **more})


def stored(one):
    """As it comes back from the database: every default written out."""
    return TenantConfig.model_validate(json.loads(one.model_dump_json(exclude={"channels", "crm", "alerts"})))


def patched(before, patch, **more):
    return patch_settings(before, patch, allow_private_urls=False, **more)


def problems(before, patch, **more):
    with pytest.raises(SettingsError) as refused:
        patched(before, patch, **more)
    return [(one.path, one.told) for one in refused.value.problems]


def test_a_patch_changes_what_it_names_and_nothing_else():
    before = stored(config(tone="kind", thresholds={"escalate": 0.6, "unsure": 0.4}))
    after = patched(before, {"thresholds": {"escalate": 0.8}})
    assert (after.thresholds.escalate, after.thresholds.unsure, after.tone) == (0.8, 0.4, "kind")


def test_null_takes_a_key_back_to_its_default():
    assert patched(stored(config(thresholds={"escalate": 0.6})), {"thresholds": None}).thresholds.escalate == 0.70


@pytest.mark.parametrize("name", ["slug", "channels", "crm", "alerts"])
def test_what_has_a_form_of_its_own_is_refused_here(name):
    assert problems(config(), {name: None})[0][0] == name


@pytest.mark.parametrize(
    ("patch", "path", "told"),
    [
        ({"thresholds": {"escalate": 3}}, "thresholds.escalate", "less than or equal to 1"),
        ({"threshold": {}}, "threshold", "typo"),
        ({"topics": {"Shipping": "x"}}, "topics.Shipping", "lower-case"),
        ({"topics": {"wrong__item": "x"}}, "topics.wrong__item", "wrong_item"),
        ({"rules": [RULE, RULE]}, "rules.1.name", ""),
        ({"rules": [{**RULE, "when": {"topics": ["wrongg_item"]}}]}, "rules.0.when.topics", "wrong_item"),
        ({"rules": [{**RULE, "when": {"intent": ["complaint"], "max_score": 0.2, "min_score": 0.9}}]}, "rules.0.when", "never decide"),
        ({"actions": {"webhook": {"enabled": True, "url": "http://10.0.0.1/"}}}, "actions.webhook.url", ""),
        ({"sla": {"queue": {"nowhere": {"P1": {"first_answer_min": 5}}}}}, "sla.queue.nowhere", "no queue"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_path(patch, path, told):
    found = problems(stored(config()), patch)
    assert any(where.startswith(path) and told in why for where, why in found), found


def test_no_value_is_quoted():
    secret = "hunter2-hunter2-hunter2"
    told = problems(config(), {"actions": {"webhook": {"secret": {"x": secret}}}, "tone": [secret]})
    assert secret not in str(told)


def test_a_mode_takes_the_place_of_the_switch_and_the_other_way_round():
    on = stored(config(actions={"follow_up": {"mode": "auto"}}))
    off = patched(on, {"actions": {"follow_up": {"mode": "off"}}})
    assert (off.actions["follow_up"].enabled, off.actions["follow_up"].mode) == (False, "off")
    again = patched(stored(off), {"actions": {"follow_up": {"enabled": True}}})
    assert (again.actions["follow_up"].enabled, again.actions["follow_up"].mode) == (True, None)


def test_a_stored_secret_need_not_be_given_again():
    hook = {"actions": {"webhook": {"enabled": True, "url": "https://hooks.acme.example/in"}}}
    assert "secret" in str(problems(config(), hook))
    assert patched(config(), hook, stored_secrets=["webhook"]).actions["webhook"].enabled


def test_changes_are_told_by_path_rules_by_name_and_addresses_by_host():
    before = stored(config(rules=[RULE], actions={"webhook": {"url": "https://a.example/TOKEN"}}))
    second = {**RULE, "name": "vip", "when": {"high_value": True}}
    after = stored(
        config(rules=[second, {**RULE, "because": "New."}], actions={"webhook": {"url": "https://b.example/T2"}})
    )
    told = {
        one.path: (one.before, one.after)
        for one in list_changes(before.model_dump(mode="json"), after.model_dump(mode="json"))
    }
    assert told["rules.late.because"] == ("Late parcels first.", "New.")
    assert told["rules.vip"][0] is None and told["rules.vip"][1]["name"] == "vip"
    assert told["actions.webhook.url"] == ("a.example", "b.example") and len(told) == 3


def test_another_order_of_the_same_rules_is_a_change():
    rules = [RULE, {**RULE, "name": "vip"}]
    (change,) = list_changes({"rules": rules}, {"rules": rules[::-1]})
    assert (change.path, change.before, change.after) == ("rules.order", ["late", "vip"], ["vip", "late"])
