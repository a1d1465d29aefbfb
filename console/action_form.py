"""One kind of action as a form: its mode, its limits, its words in each language, and what only this kind has."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from config.actions import ActionConfig
from config.placeholders import VARIABLES
from config.tenant import TenantConfig
from config.words import ActionKind
from console.languages import LANGUAGES
from console.setting_fields import Field, Section
from routing.actions import CUSTOMER_FACING, INTERNAL, outbound_text
from routing.wording import MissingValueError, fill

KINDS: tuple[ActionKind, ...] = get_args(ActionKind)
# What only writes down, or tells programs: no person agrees to it first.
_NEVER_APPROVED = frozenset({*INTERNAL, "webhook", "schedule_callback"})
_SAMPLE_NAME = "Ada"


def _(text: str) -> str:
    """Marks a text for the catalogs."""
    return text


@dataclass(frozen=True)
class Wording:
    """One language's words. own: the tenant's, else nothing. preview: as a customer would read them. bytes: of the words."""

    language: str
    path: str
    own: str
    preview: str
    bytes: int


def with_all_kinds(config: TenantConfig) -> TenantConfig:
    """The settings with every kind of action in them, so that each has something to show."""
    return config.model_copy(update={"actions": {kind: config.actions.get(kind, ActionConfig()) for kind in KINDS}})


def find_action(kind: str, config: TenantConfig) -> ActionConfig | None:
    """What the tenant says of a kind; None where it says nothing."""
    return next((action for name, action in config.actions.items() if name == kind), None)


def mode_of(kind: str, action: ActionConfig | None) -> str:
    """How it stands. What is ours alone happens unless somebody switches it off; what else is not named is only recorded."""
    if kind in INTERNAL:
        return "auto" if kind == "escalate_to_human" or action is None else action.mode or "auto"
    if action is None:
        return "shadow"
    return action.mode or ("auto" if action.enabled else "shadow")


def reaches_customers(kind: str) -> bool:
    """Whether it writes to a customer."""
    return kind in CUSTOMER_FACING


def is_limited(kind: str) -> bool:
    """Whether it happens so often and so late at most."""
    return kind not in INTERNAL and kind != "webhook"


def modes_of(kind: str) -> tuple[str, ...]:
    """What may be chosen. A person who must be called is called."""
    if kind == "escalate_to_human":
        return ("auto",)
    return ("off", "shadow", "auto") if kind in _NEVER_APPROVED else ("off", "shadow", "approve", "auto")


def languages_of(config: TenantConfig, kind: str) -> tuple[str, ...]:
    """Those that the tenant has words for, then those that we have."""
    action = find_action(kind, config)
    return tuple(dict.fromkeys((*(action.texts if action else ()), *LANGUAGES)))


def sections_of(kind: str, config: TenantConfig) -> tuple[Section, ...]:
    """The fields of this kind, apart from its mode and its secret."""
    path = f"actions.{kind}"
    sections: list[Section] = []
    if is_limited(kind):
        sections.append(Section(_("Limits"), (
            Field(f"{path}.per_customer_per_day", _("A customer and day"), _("So often at most, within 24 hours."), "whole", lowest=1, highest=100),
            Field(f"{path}.max_age_min", _("Not later than"), _("What the customer wrote is older than this: a person decides instead."), "whole", lowest=1, highest=1440, unit="minutes"),
            Field(f"{path}.in_quiet_hours", _("In quiet hours"), "", "choice", choices=("", "wait", "send", "drop")),
            Field(f"{path}.on_comments", _("Below a post"), _("How a comment is answered."), "choice", choices=("auto", "private", "public", "never")),
            *((Field(f"{path}.due_min", _("Call within"), "", "whole", lowest=1, highest=10080, unit="minutes"),) if kind == "schedule_callback" else ()),
            Field(f"{path}.url", _("Link"), _("What {link} leads to; it must begin with https:// and be open to everybody.")),
        )))  # fmt: skip
        sections.append(
            Section(
                _("Words"),
                tuple(
                    Field(f"{path}.texts.{language}", language, kind="prose") for language in languages_of(config, kind)
                ),
                _("Empty: our own words. {customer_name}, {business_name} and {link} are filled in."),
            )
        )
        sections.append(Section(_("When nobody knows the value"), tuple(
            Field(f"{path}.defaults.{name}", name) for name in VARIABLES
        ), _("What stands for a variable then. Empty: a person is called instead."), is_folded=True))  # fmt: skip
        sections.append(Section(_("WhatsApp template"), (
            Field(f"{path}.template.name", _("Name"), _("What leaves when the 24 hours are over. Empty: nothing does.")),
            Field(f"{path}.template.languages", _("Languages"), _("One a line: the customer’s language, colon, the template’s: en: en_US. The first serves all others."), "pairs"),
            Field(f"{path}.template.parameters", _("What fills it"), _("One a line, in the order of its own {{1}}, {{2}} …: words with variables in them."), "lines"),
        ), is_folded=True))  # fmt: skip
    if kind == "tag":
        sections.append(Section("", (Field(f"{path}.tags", _("Tags"), _("With a comma between them."), "words"),)))
    if kind == "assign":
        sections.append(Section("", (
            Field(f"{path}.assignee", _("Assign to"), _("An agent’s e-mail, as long as they have room. Empty: whoever is free.")),
            Field(f"{path}.skill", _("For somebody who can"), _("Where the rule names no skill of its own.")),
        )))  # fmt: skip
    if kind == "webhook":
        sections.append(Section("", (
            Field(f"{path}.include_text", _("Hand on the customer’s own words too"), _("Else only what was made of them."), "yes"),
        )))  # fmt: skip
    return tuple(sections)


def list_wordings(kind: str, config: TenantConfig, typed: Mapping[str, Any]) -> list[Wording]:
    """Each language's words with a preview, as they are typed at the moment."""
    action = find_action(kind, config) or ActionConfig()
    values = {"customer_name": _SAMPLE_NAME, "business_name": config.name, "link": action.url}
    values |= {name: value for name, value in action.defaults.items() if not values.get(name)}
    wordings: list[Wording] = []
    for language in languages_of(config, kind):
        path = f"actions.{kind}.texts.{language}"
        own = str(typed.get(path) or "")
        text = own or outbound_text(kind, language=language, config=ActionConfig())
        try:
            preview = fill(text, values)
        except MissingValueError:
            preview = text
        wordings.append(Wording(language, path, own, preview, len(own.encode("utf-8", "replace"))))
    return wordings
