"""A routing rule as a form: every condition and every part of what it decides."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from config.hours import DAYS
from config.rule_names import known_topics
from config.rules import Rule
from config.words import ActionKind, ChannelKind, FloorGroup, Intent, Priority, Sentiment, Signal, Surface
from console.setting_fields import Field, FieldError, Section, in_old_order, put_path, read_path, read_typed, shown
from console.setting_tables import work_queues
from routing.conditions import PlaybookRule
from routing.settings_check import SettingProblem

# What channels call the kinds of what comes, beside a channel's own words for others.
MESSAGE_TYPES = (
    "text", "image", "audio", "video", "document", "sticker", "location", "contacts", "button", "interactive", "order", "share",
)  # fmt: skip


def _(text: str) -> str:
    """Marks a text for the catalogs."""
    return text


HEAD = (
    Field("name", _("Name"), _("Lower-case letters, digits and _: it stands in reports.")),
    Field("because", _("Because"), _("Why, in your words: agents read it beside the conversation.")),
    Field("dry_run", _("Only try it"), _("It decides nothing; what it would have decided is noted beside each message."), "yes"),
)  # fmt: skip
WHEN = (
    Section(_("What is said"), (
        Field("when.sentiment", _("Sentiment"), "", "checks", choices=get_args(Sentiment)),
        Field("when.intent", _("Intent"), "", "checks", choices=get_args(Intent)),
        Field("when.topics", _("Topics"), "", "checks", choices=known_topics),
        Field("when.language", _("Languages"), _("Codes with a comma between them: en, tr."), "words"),
        Field("when.signals", _("The model noticed"), "", "checks", choices=get_args(Signal)),
        Field("when.floor", _("It holds words of"), "", "checks", choices=get_args(FloorGroup)),
    )),
    Section(_("How sure the model is"), (
        Field("when.min_score", _("At least"), _("Give a number from 0 to 1."), "share", lowest=0, highest=1),
        Field("when.max_score", _("At most"), _("Give a number from 0 to 1."), "share", lowest=0, highest=1),
    ), is_folded=True),
    Section(_("Where it comes in"), (
        Field("when.channel", _("Channels"), "", "checks", choices=get_args(ChannelKind)),
        Field("when.surface", _("Places"), "", "checks", choices=get_args(Surface)),
        Field("when.message_type", _("Kinds"), _("The one condition that also fits what has no words."), "checks", choices=MESSAGE_TYPES),
    ), is_folded=True),
    Section(_("Who writes"), (
        Field("when.high_value", _("Of high value"), "", "choice", choices=("", "yes", "no")),
        Field("when.tier", _("Tiers"), _("As the CRM names them, with a comma between them."), "words"),
    ), is_folded=True),
    Section(_("When it comes"), (
        Field("when.hours", _("Your hours"), "", "choice", choices=("", "open", "closed")),
        Field("when.weekdays", _("Weekdays"), "", "checks", choices=DAYS),
        Field("when.between", _("Between"), _("Like 22:00-07:00, in your time zone.")),
    ), is_folded=True),
)  # fmt: skip
THEN = (
    Field("then.queue", _("Queue"), "", "choice", choices=work_queues),
    Field("then.priority", _("Priority"), "", "choice", choices=get_args(Priority)),
    Field("then.actions", _("Actions"), _("What of these really leaves is set with the actions."), "checks", choices=get_args(ActionKind)),
    Field("then.skill", _("For somebody who can"), _("One skill, as your agents have it. Empty: anybody of the queue.")),
    Field("then.tags", _("Tags"), _("Put on the conversation, with a comma between them."), "words"),
)  # fmt: skip
FIELDS = (*HEAD, *(one for section in WHEN for one in section.fields), *THEN)
PATHS = tuple(one.path for one in FIELDS)
_BOTH_WAYS = {"yes": True, "no": False}


@dataclass
class TypedRule:
    """A rule's form that was sent. document: the rule as JSON. values: what each field holds."""

    document: dict[str, Any] = field(default_factory=dict[str, Any])
    values: dict[str, str | list[str]] = field(default_factory=dict[str, "str | list[str]"])
    problems: list[SettingProblem] = field(default_factory=list[SettingProblem])


def as_document(rule: Rule) -> dict[str, Any]:
    """A rule as a patch holds it: without what is not set, and without what only rules of ours have."""
    plain = rule.model_dump(mode="json", include=set(Rule.model_fields))
    plain["when"] = {name: value for name, value in plain["when"].items() if value is not None}
    plain["then"] = {name: value for name, value in plain["then"].items() if value not in (None, [])}
    return plain


def copy_of(rule: Rule, *, taken: Collection[str]) -> dict[str, Any]:
    """A rule of ours as the beginning of one of the tenant's own."""
    document = as_document(rule)
    stem = f"my_{rule.name}"[:60]
    names = (stem, *(f"{stem}_{number}" for number in range(2, len(taken) + 3)))
    document["name"] = next(name for name in names if name not in taken)
    if isinstance(rule, PlaybookRule) and rule.urgent:
        document["when"].setdefault("signals", ["urgent"])
    return document


def show_rule(document: Mapping[str, Any]) -> dict[str, str | list[str]]:
    """What each field of the form shows."""
    values: dict[str, str | list[str]] = {}
    for one in FIELDS:
        value = read_path(document, one.path)
        if one.path == "when.high_value":
            value = {True: "yes", False: "no"}.get(value)
        values[one.path] = shown(one, value)
    return values


def read_rule(given: Callable[[str], list[str]], *, before: Mapping[str, Any] | None = None) -> TypedRule:
    """What a rule's form says. given: all values of a name. before: the rule as it stands."""
    typed = TypedRule({"when": {}, "then": {}})
    for one in FIELDS:
        raw = given(one.path)
        typed.values[one.path] = raw if one.kind == "checks" else (raw[-1] if raw else "")
        try:
            value = read_typed(one, raw)
        except FieldError as error:
            typed.problems.append(SettingProblem(one.path, str(error)))
            continue
        if one.path == "when.high_value":
            value = _BOTH_WAYS.get(value) if value else None
        if before and one.kind == "checks":
            value = in_old_order(value, read_path(before, one.path))
        if value not in (None, "", []):
            put_path(typed.document, one.path, value)
    return typed


def put_rule(
    rules: Iterable[dict[str, Any]], document: dict[str, Any], *, old_name: str | None, before: str | None
) -> tuple[list[dict[str, Any]], int]:
    """The rules with one that is new, or takes the place of the one of the old name; and at which position it stands.

    before: the name of the rule that it is to be tried before; "" for the end, None for where it was (or the end).
    """
    changed = list(rules)
    at = next((number for number, one in enumerate(changed) if one["name"] == old_name), None)
    if at is not None:
        del changed[at]
    if before is not None or at is None:
        at = next((number for number, one in enumerate(changed) if one["name"] == before), len(changed))
    changed.insert(at, document)
    return changed, at


def place_problems(problems: Iterable[SettingProblem], position: int) -> list[SettingProblem]:
    """Problems of all settings, those of the rule at this position by the form's own paths."""
    head = f"rules.{position}."
    return [
        SettingProblem(one.path.removeprefix(head) if one.path.startswith(head) else one.path, one.told)
        for one in problems
    ]
