"""What the choices in the forms of the settings are called."""

from collections.abc import Mapping

from console.languages import Speech
from console.setting_fields import Field
from console.words import WORDS as ALL_WORDS
from console.words import english


def _(text: str) -> str:
    """Marks a text for the catalogs."""
    return text


WORDS: Mapping[str, str] = {
    "signal sarcasm": _("sarcasm"), "signal urgent": _("urgency"), "signal injection_suspected": _("instructions to the model"),
    "floor urgent": _("urgency"), "floor legal_threat": _("law and press"), "floor safety": _("danger"),
    "counts ": _("as inherited"), "counts business": _("while you are open"), "counts always": _("around the clock"),
    "hours ": _("at any time"), "hours open": _("while you are open"), "hours closed": _("while you are closed"),
    "high_value ": _("all customers"), "high_value yes": _("yes"), "high_value no": _("no"),
    "mode off": _("off"), "mode shadow": _("recorded only"), "mode approve": _("a person agrees first"), "mode auto": _("by itself"),
    "on_comments auto": _("thanks for praise in public, the rest in private"), "on_comments private": _("always in private"),
    "on_comments public": _("always in public"), "on_comments never": _("never"),
    "in_quiet_hours ": _("as we think best for this kind"), "in_quiet_hours wait": _("waits until they are over"),
    "in_quiet_hours send": _("leaves all the same"), "in_quiet_hours drop": _("does not leave"),
    "rules ": _("the newest"),
    "by whatsapp": "WhatsApp", "by instagram": "Instagram", "by generic": _("another channel"),
}  # fmt: skip
# Names of others, which stand as they are.
_AS_THEY_ARE = frozenset({"time_zone", "rules", "priority"})
_PREFIXES = {"signals": "signal", "floor": "floor"}


def choice_word(one: Field, value: str, *, speech: Speech) -> str:
    """A choice of a field in the visitor's words."""
    name = one.path.rpartition(".")[2]
    code = f"{_PREFIXES.get(name, name)} {value}"
    own = WORDS.get(code) or ALL_WORDS.get(code)
    if own:
        return speech.text(own)
    return value if name in _AS_THEY_ARE else speech.text(english(value))


def rule_word(code: str, *, speech: Speech) -> str:
    """A word of a rule, also "signal urgent" and "floor safety"."""
    return speech.text(WORDS.get(code) or english(code))
