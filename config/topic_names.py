"""Topics of a tenant whose names would be taken for one another.

Looked for when settings are written only: a template that grows must not lock out the tenants that are stored.
"""

from config.industries import load_industry
from config.tenant import TenantConfig
from config.topics import find_twin


def list_topic_problems(config: TenantConfig) -> list[tuple[tuple[str, ...], str]]:
    """(path of the key, what is wrong) for each topic whose name another one has but for capitals, - or _."""
    known = tuple(load_industry(config.industry).all_topics())
    problems: list[tuple[tuple[str, ...], str]] = []
    for number, name in enumerate(config.topics):
        twin = find_twin(name, (*known, *tuple(config.topics)[:number]))
        if twin:
            origin = "the template's" if twin in known else "another of yours,"
            problems.append(
                (("topics", name), f'reads like {origin} "{twin}"; use that name, or one that differs more')
            )
    return problems
