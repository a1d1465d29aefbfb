"""What the product promises, situation by situation (tests/unit/situations).

`given`: a sentiment, an intent, a score; flags (vip, urgent, sarcasm, injection, taken_over, group, second_look, declined, opened,
closed, provisional, no_text, unanalyzed); and name=value (topics, floor, surface, channel, lang, type, tier, open, advice, recent, at).
`expect`: queue and priority, then the actions in their order (~ means recorded only), then what else matters (rule=, skill=, tags=,
trials=rule/queue/priority). A tenant has every action switched on unless the situation says otherwise.
"""

import tomllib
from pathlib import Path
from typing import get_args

import pytest

from config.tenant import TenantConfig
from config.words import ActionKind, Intent, Sentiment
from routing.facts import Decision, RoutingFacts
from routing.playbooks import policy_for
from routing.rules import decide

FOLDER = Path(__file__).parent / "situations"
ALL_ON = {kind: {"enabled": True, "url": "https://acme.example/x"} for kind in get_args(ActionKind)}
FLAGS = {
    "vip": {"high_value": True},
    "urgent": {"urgent": True},
    "sarcasm": {"sarcasm": True},
    "injection": {"injection_suspected": True},
    "taken_over": {"human_took_over": True},
    "group": {"in_group": True},
    "second_look": {"allow_actions": False},
    "declined": {"declined_marketing": True},
    "opened": {"office_open": True},
    "closed": {"office_open": False},
    "provisional": {"provisional": True, "allow_actions": False},
    "no_text": {"outcome": "no_text"},
    "unanalyzed": {"outcome": "unanalyzed"},
}
NAMES = {"lang": "language", "type": "message_type", "advice": "suggested_action", "open": "open_priority"}


def situations():
    for path in sorted(FOLDER.glob("*.toml")):
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        for part in document.get("set", [document]):
            for situation in part["situations"]:
                tenant = {
                    "industry": situation.get("industry", document.get("industry", "general")),
                    "rules": part.get("rules", []),
                    "queues": part.get("queues", {}),
                    "actions": ALL_ON,
                    **situation.get("tenant", {}),
                }
                yield pytest.param(situation, tenant, id=f"{path.stem}: {situation['given']}: {situation['why'][:60]}")


def facts(given: str) -> RoutingFacts:
    fields = {"outcome": "analyzed", "surface": "dm"}
    for word in given.split():
        name, is_pair, value = word.partition("=")
        if not is_pair and word in FLAGS:
            fields |= FLAGS[word]
        elif not is_pair:
            fields[
                "sentiment" if word in get_args(Sentiment) else "intent" if word in get_args(Intent) else "score"
            ] = word if word in get_args(Sentiment) + get_args(Intent) else float(word)
        elif name == "topics":
            fields["topics"] = tuple(value.split("+"))
        elif name == "floor":
            fields["floor_hits"] = tuple(value.split("+"))
        elif name == "at":
            day, _, clock = value.partition("/")
            hours, minutes = clock.split(":")
            fields |= {"weekday": day, "minute": int(hours) * 60 + int(minutes)}
        elif name == "recent":
            kind, count = value.split(":")
            fields["recent_actions"] = {kind: int(count)}
        else:
            fields[NAMES.get(name, name)] = value
    return RoutingFacts(**fields)


def told(decision: Decision, names: list[str]) -> str:
    """The decision in the short form, with what the situation asks for beside the rest."""
    actions = [("~" if action.state == "shadow" else "") + action.kind for action in decision.actions]
    more = {
        "rule": decision.rule,
        "skill": decision.skill or "",
        "tags": "+".join(decision.tags),
        "trials": "+".join(f"{one.rule}/{one.queue}/{one.priority}" for one in decision.trials),
    }
    return " ".join([decision.queue, decision.priority, *actions, *(f"{name}={more[name]}" for name in names)])


@pytest.mark.parametrize(("situation", "tenant"), list(situations()))
def test_the_product_decides_as_it_says(situation, tenant):
    policy = policy_for(TenantConfig.model_validate({"slug": "acme", "name": "Acme", **tenant}))
    decision = decide(facts(situation["given"]), policy)
    names = [word.partition("=")[0] for word in situation["expect"].split() if "=" in word]

    assert told(decision, names) == situation["expect"], situation["why"]


def test_every_situation_says_why_in_a_sentence_and_there_are_hundreds():
    all_of_them = [parameters.values[0] for parameters in situations()]

    assert len(all_of_them) >= 300
    assert all(one["why"].endswith(".") and one["why"][0].isupper() for one in all_of_them)
