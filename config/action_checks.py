"""What a tenant file says of its actions, checked beyond each value's own shape.

Looked for in files only: a check that grows must not lock out the tenants that are stored.
"""

import re
from collections.abc import Collection, Iterator

from config.actions import MAX_ACTION_TEXT_BYTES, ActionConfig
from config.placeholders import problem_in, variables_in
from config.public_url import why_not_public
from config.tenant import TenantConfig

# What belongs to one kind of action alone.
_OF_ONE_KIND = {
    "tags": "tag",
    "assignee": "assign",
    "skill": "assign",
    "due_min": "schedule_callback",
    "secret": "webhook",
    "include_text": "webhook",
}
_NEVER_APPROVED = ("escalate_to_human", "assign", "notify", "tag", "schedule_callback", "webhook")
MIN_SECRET_CHARS = 24
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
MAX_NAME_CHARS = 60
Problem = tuple[tuple[str, ...], str]


def list_action_problems(
    config: TenantConfig, *, allow_private_urls: bool, stored_secrets: Collection[str] = ()
) -> list[Problem]:
    """(path of the key, what is wrong and the fix), in the file's order. No value is quoted.

    stored_secrets: kinds of action whose secret is stored already, so that it need not be given again.
    """
    problems: list[Problem] = []
    for kind, action in config.actions.items():
        found = (
            *_of_kind(kind, action, has_secret=kind in stored_secrets),
            *_of_urls(kind, action, allow_private=allow_private_urls),
            *_of_words(action),
        )
        problems += [(("actions", kind, *where), problem) for where, problem in found]
    return problems


def _of_kind(kind: str, action: ActionConfig, *, has_secret: bool) -> Iterator[Problem]:
    for name, only in _OF_ONE_KIND.items():
        if name in action.model_fields_set and kind != only:
            yield (name,), f"is for [actions.{only}] only"
    if action.mode == "approve" and kind in _NEVER_APPROVED:
        yield ("mode",), 'can\'t be "approve": this never reaches a customer; use "auto", "shadow" or "off"'
    if action.mode not in {None, "auto"} and kind == "escalate_to_human":
        yield ("mode",), "can't be switched off: a person who must be called is called"
    if action.assignee is not None and not _EMAIL.fullmatch(action.assignee):
        yield ("assignee",), 'is no e-mail of an agent; for anybody with a skill write skill = "…" instead'
    if kind == "webhook" and action.enabled:
        if not action.url:
            yield (), "needs url while it is switched on"
        if not action.secret and not has_secret:
            yield (), 'needs secret while it is switched on, for example secret = "env:ACME_WEBHOOK_SECRET"'
    if action.secret and len(action.secret.get_secret_value()) < MIN_SECRET_CHARS:
        yield ("secret",), f"is shorter than {MIN_SECRET_CHARS} characters, so it could be guessed"


def _of_urls(kind: str, action: ActionConfig, *, allow_private: bool) -> Iterator[Problem]:
    if action.url is None or (allow_private and kind == "webhook"):
        return
    problem = why_not_public(action.url)
    if problem:
        yield ("url",), problem


def _of_words(action: ActionConfig) -> Iterator[Problem]:
    parameters = action.template.parameters if action.template else ()
    wordings = [
        *((("texts", language), text) for language, text in action.texts.items()),
        *((("template", "parameters"), text) for text in parameters),
    ]
    for where, text in wordings:
        problem = problem_in(text)
        if problem:
            yield where, problem
        elif "link" in variables_in(text) and not action.url and "link" not in action.defaults:
            yield where, "uses {link}, but the action has no url; set one"
        elif _longest(text, action) > MAX_ACTION_TEXT_BYTES:
            yield where, f"may become longer than {MAX_ACTION_TEXT_BYTES} bytes when its variables are filled in"
    for name, text in action.defaults.items():
        if "{" in text or "}" in text:
            yield ("defaults", name), "must be plain words without braces"


def _longest(text: str, action: ActionConfig) -> int:
    filled = text.replace("{link}", action.url or action.defaults.get("link", ""))
    names = sum(name in variables_in(text) for name in ("customer_name", "business_name"))
    return len(filled.encode()) + names * MAX_NAME_CHARS
