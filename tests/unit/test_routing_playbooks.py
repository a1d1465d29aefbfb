"""The rules as data: all load, all can be reached, all are told in the manual."""

import itertools
import re
from pathlib import Path
from typing import get_args

import pytest

from config.industries import industry_names, load_industry
from config.thresholds import Thresholds
from config.words import QUEUES as TENANT_QUEUES
from config.words import Intent, Sentiment, Surface
from routing.playbooks import FIRST, LAST, _load, playbook_for
from routing.queues import QUEUES
from routing.rules import DEFAULT_RULE, RoutingFacts, RoutingPolicy, decide

ROOT = Path(__file__).parents[2]
MANUAL = (ROOT / "docs" / "routing.md").read_text(encoding="utf-8")
ALL_RULES = [rule for name in (FIRST, *industry_names(), LAST) for rule in _load(name)]
# An industry's own stand on its page (test_industries).
RULES_OF_ALL = {rule.name: rule for rule in (*_load(FIRST), *_load(LAST), DEFAULT_RULE)}


def reached(industry: str) -> set[str]:
    """The rules that decide for at least one of all combinations of labels."""
    policy = RoutingPolicy(thresholds=Thresholds(), rules=playbook_for(industry), actions={})
    topics = [(), *((topic,) for topic in load_industry(industry).all_topics())]
    combinations = itertools.product(
        get_args(Sentiment), get_args(Intent), topics, ("dm", "comment"), (False, True), (False, True)
    )
    return {
        decide(
            RoutingFacts(
                outcome="analyzed",
                sentiment=sentiment,
                score=0.9,
                intent=intent,
                topics=about,
                surface=surface,
                high_value=high_value,
                urgent=urgent,
            ),
            policy,
        ).rule
        for sentiment, intent, about, surface, high_value, urgent in combinations
    }


@pytest.mark.parametrize("industry", industry_names())
def test_every_rule_of_an_industry_can_decide(industry):
    assert reached(industry) == {rule.name for rule in playbook_for(industry)} | {"default"}


@pytest.mark.parametrize("industry", industry_names())
def test_every_industry_adds_rules_of_its_own_between_the_products(industry):
    first, own, last = _load(FIRST), _load(industry), _load(LAST)

    assert own
    assert playbook_for(industry) == (*first, *own, *last)


def test_an_industry_without_rules_has_the_products():
    assert playbook_for("beekeeping") == (*_load(FIRST), *_load(LAST))


@pytest.mark.parametrize("industry", industry_names())
def test_rule_names_are_unique_and_topics_exist(industry):
    rules = playbook_for(industry)
    known = set(load_industry(industry).all_topics())

    assert len({rule.name for rule in rules}) == len(rules)
    assert all(set(rule.when.topics or ()) <= known for rule in rules)


@pytest.mark.parametrize("industry", industry_names())
def test_every_reason_is_a_sentence(industry):
    assert all(re.fullmatch(r"[A-Z].*\.", rule.because) for rule in playbook_for(industry))


def test_every_playbook_belongs_to_an_industry():
    names = {path.stem for path in (ROOT / "routing" / "playbooks").glob("*.toml")}

    assert names == {FIRST, LAST, *industry_names()}


def test_the_queues_are_those_a_tenant_knows():
    assert tuple(QUEUES) == TENANT_QUEUES
    assert all(QUEUES.values())


def test_the_surfaces_of_the_rules_exist():
    surfaces = {surface for rule in ALL_RULES for surface in rule.when.surface or ()}

    assert surfaces <= set(get_args(Surface))


@pytest.mark.parametrize("name", sorted(RULES_OF_ALL))
def test_the_manual_tells_what_each_rule_decides(name):
    then = RULES_OF_ALL[name].then
    row = next(line for line in MANUAL.splitlines() if line.startswith(f"| `{name}` |"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]

    assert cells[2:4] == [then.queue, then.priority]
    assert tuple(re.findall(r"`(\w+)`", cells[4])) == then.actions


@pytest.mark.parametrize("queue", TENANT_QUEUES)
def test_the_manual_tells_what_each_queue_is_for(queue):
    assert f"| `{queue}` | {QUEUES[queue]} |" in MANUAL
