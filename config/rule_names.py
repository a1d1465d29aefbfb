"""Whether the names that a tenant's rules use exist: queues and topics, and each rule's own name once."""

from dataclasses import dataclass

from config.industries import load_industry
from config.queue_names import known_queues
from config.rules import NO_TARGET, nearest
from config.tenant import TenantConfig

# What a decision is called that no rule made.
RESERVED = (
    "default", "no_text", "unanalyzed", "unsure", "not_yet_analysed", "survey_score", "survey_detractor",
)  # fmt: skip


@dataclass(frozen=True)
class NameProblem:
    """loc: where in the file. told: what is wrong and what to write instead."""

    loc: tuple[int | str, ...]
    told: str


def known_topics(config: TenantConfig) -> tuple[str, ...]:
    """The names of all topics that the model may give the tenant's messages."""
    return tuple({**load_industry(config.industry).all_topics(), **config.topics})


def check_names(config: TenantConfig) -> list[NameProblem]:
    """Problems of a file, in its order. A stored tenant is never checked: a template that changes must not lock it out."""
    queues = tuple(queue for queue in known_queues(config) if queue != NO_TARGET)
    topics = known_topics(config)
    problems: list[NameProblem] = []
    seen: set[str] = set()
    for position, rule in enumerate(config.rules):
        if rule.name in seen or rule.name in RESERVED:
            whose = "another rule of yours has" if rule.name in seen else "Earshot itself uses"
            problems.append(NameProblem(("rules", position, "name"), f"is a name that {whose}; take another one"))
        seen.add(rule.name)
        if rule.then.queue not in queues:
            told = f'there is no queue "{rule.then.queue}"{nearest(rule.then.queue, queues)}'
            problems.append(NameProblem(("rules", position, "then", "queue"), told))
        problems += [
            NameProblem(("rules", position, "when", "topics"), f'there is no topic "{topic}"{nearest(topic, topics)}')
            for topic in rule.when.topics or ()
            if topic not in topics
        ]
    return problems
