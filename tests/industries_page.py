"""Prints docs/industries.md as the templates and playbooks have it: `python -m tests.industries_page > docs/industries.md`."""

from collections.abc import Iterable
from typing import get_args

from config.industries import ALIASES, GENERIC_TOPICS, industry_names, load_industry
from config.rules import Rule
from config.topics import MAX_DEFINITION_CHARS, MAX_OWN_TOPICS
from config.words import Intent
from routing.conditions import PlaybookRule
from routing.playbooks import _load

COMMAND = ".venv/bin/python -m tests.industries_page > docs/industries.md"
_FEW = 5
_INTRO = f"""# Industries

<!-- Written from config/industries/ and routing/playbooks/; a test compares. Fresh page: {COMMAND} -->

`industry` in a tenant's file picks a template: topics that the model may name, a hint of the tone, and routing rules. The rules
stand between those that every tenant has ([routing](routing.md#the-playbook)); a tenant's own rules stand before all of them.
Without `industry` a tenant is `general`. Rules are tried in the order below; *people only* means that nothing is written to the customer
by itself, whatever the model advises.

Capitals, blanks, `-` and `_` make no difference (`e-commerce`, `E-Commerce`), and these names mean the same:

{{aliases}}

## Topics of a tenant's own

```toml
[topics]
shoe_sizes = "which size fits, size charts, half sizes"   # a new one
warranty = "guarantee of two years, repair, heels"        # the template's, in the tenant's words
```

At most {MAX_OWN_TOPICS}, because every topic goes to the model with every message. A name is 2 to 40 lower-case letters, digits and
`_`; a definition is one line of at most {MAX_DEFINITION_CHARS} characters, best in words that customers use. A name that differs from
another one only by `-` or `_` is refused.

## Topics that every tenant has

{{generic}}
"""


def page() -> str:
    """The whole page."""
    intro = _INTRO.format(aliases=_aliases(), generic=_topics(GENERIC_TOPICS))
    return "\n".join([intro, *(_section(name) for name in industry_names())])


def _aliases() -> str:
    rows = []
    for name in industry_names():
        others = [alias for alias, meant in ALIASES.items() if meant == name]
        rows.append((f"[`{name}`](#{name})", " ".join(f"`{other}`" for other in others)))
    return _table(("template", "also"), rows)


def _section(name: str) -> str:
    industry = load_industry(name)
    rules = [
        (f"`{rule.name}`", _when(rule), rule.then.queue, rule.then.priority, _actions(rule), rule.because)
        for rule in _load(name)
    ]
    return "\n".join(
        (
            f"## {name}",
            "",
            industry.description,
            "",
            f"Tone: {industry.tone[0].lower()}{industry.tone[1:]}",
            "",
            _topics(industry.topics),
            "",
            _table(("rule", "when", "queue", "priority", "actions", "because"), rules),
            "",
        )
    )


def _topics(topics: dict[str, str]) -> str:
    return _table(("topic", "what customers write about"), [(f"`{name}`", what) for name, what in topics.items()])


def _when(rule: Rule) -> str:
    when = rule.when
    parts = [
        "urgent" if isinstance(rule, PlaybookRule) and rule.urgent else "",
        " or ".join(when.sentiment or ()),
        _intents(when.intent or ()),
        f"about {' or '.join(when.topics)}" if when.topics else "",
        f"as {' or '.join(when.surface)}" if when.surface else "",
        _score(when.min_score),
    ]
    return "; ".join(part for part in parts if part)


def _intents(intents: tuple[str, ...]) -> str:
    if len(intents) <= _FEW:
        return ", ".join(intents)
    return "any intent but " + ", ".join(intent for intent in get_args(Intent) if intent not in intents)


def _score(min_score: float | None) -> str:
    if min_score is None:
        return ""
    return f"score {min_score} or more" if min_score else "however sure the model is"


def _actions(rule: Rule) -> str:
    alone = " people only" if isinstance(rule, PlaybookRule) and rule.people_only else ""
    return (" ".join(f"`{kind}`" for kind in rule.then.actions) + alone).strip()


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ("---",) * len(head), *rows))


if __name__ == "__main__":
    print(page(), end="")
