"""The audit log's deeds as sentences, and what each was done to."""

from collections.abc import Mapping

from console.languages import Speech
from console.words import english
from store.deed_lists import ListedDeed


def _(text: str) -> str:
    """Marks a text for the catalogs."""
    return text


# What stands in a sentence besides who did it: the subject as %(what)s, details under their own names. A deed without a sentence is
# shown by its own words.
SENTENCES: Mapping[str, str] = {
    "signed_in": _("%(who)s signed in (%(how)s)."),
    "sign_in_failed": _("A sign-in as %(what)s failed (%(how)s)."),
    "signed_out": _("%(who)s signed out."),
    "password_changed": _("%(who)s changed their password."),
    "password_chosen": _("%(who)s chose a password through a link."),
    "password_refused": _("%(who)s gave a wrong old password."),
    "password_set": _("%(who)s set a password for %(what)s."),
    "name_changed": _("%(who)s changed their name."),
    "own_sessions_ended": _("%(who)s signed out on %(sessions)s other devices."),
    "account_bound": _("%(who)s came through the sign-in provider for the first time; a password set before is gone."),
    "person_signed_up": _("%(who)s came through the sign-in provider and got the role %(role)s."),
    "person_invited": _("%(who)s invited %(what)s as %(role)s."),
    "invitation_accepted": _("%(who)s accepted the invitation."),
    "invitation_withdrawn": _("%(who)s took back the invitation of %(what)s."),
    "role_given": _("%(who)s gave %(what)s the role %(role)s."),
    "role_changed": _("%(who)s changed the role of %(what)s from %(before)s to %(after)s."),
    "person_switched_off": _("%(who)s switched off %(what)s."),
    "person_switched_on": _("%(who)s switched on %(what)s."),
    "link_made": _("%(who)s made a one-time link for %(what)s."),
    "sessions_ended": _("%(who)s signed out %(what)s on %(sessions)s devices."),
    "key_made": _("%(who)s made the API key %(what)s with the role %(role)s."),
    "key_revoked": _("%(who)s revoked the API key %(what)s."),
    "conversation_read": _("%(who)s read a conversation (%(messages)s messages)."),
    "egress_searched": _("%(who)s searched the ledger of what left for the AI provider."),
    "egress_read": _("%(who)s read the exact text of a call to the AI provider."),
    "egress_exported": _("%(who)s exported the ledger of what left for the AI provider."),
    "audit_log_exported": _("%(who)s exported this log."),
    "history_read": _("%(who)s read the history of %(what)s."),
    "messages_read": _("%(who)s read messages behind a figure (%(messages)s)."),
    "sweep_started": _("%(who)s started a sweep of %(messages)s messages."),
    "sweep_paused": _("%(who)s paused a sweep."),
    "sweep_resumed": _("%(who)s resumed a sweep."),
    "sweep_cancelled": _("%(who)s cancelled a sweep."),
    "sweep_approved": _("%(who)s approved the labels of a sweep."),
    "dead_letters_replayed": _("%(who)s put parked messages back to work (%(runs)s)."),
    "action_approved": _("%(who)s approved an automation (%(kind)s)."),
    "action_rejected": _("%(who)s called off an automation (%(kind)s)."),
    "action_settled": _("%(who)s said whether an automation arrived (%(kind)s)."),
    "webhook_replayed": _("%(who)s sent a webhook again."),
    "webhook_added": _("%(who)s added a webhook of their own."),
    "webhook_changed": _("%(who)s changed a webhook."),
    "webhook_secret_rotated": _("%(who)s gave a webhook a new secret."),
    "webhook_paused": _("%(who)s paused a webhook."),
    "webhook_resumed": _("%(who)s resumed a webhook."),
    "webhook_removed": _("%(who)s removed a webhook."),
    "webhook_tested": _("%(who)s sent a test to a webhook."),
    "trial_started": _("%(who)s tried something in the laboratory."),
    "reanalysis_started": _("%(who)s had messages read again."),
    "examples_checked": _("%(who)s had proposed examples checked (%(what)s)."),
    "examples_publishing_asked": _("%(who)s asked for examples to be published (%(what)s)."),
    "examples_published": _("%(who)s published examples for the model (%(what)s)."),
    "examples_rolled_back": _("%(who)s went back to earlier examples for the model (%(what)s)."),
    "examples_left_out": _("%(who)s took messages out of the examples (%(new)s)."),
    "example_taken_in_again": _("%(who)s let a message be an example again."),
    "crm_record_picked": _("%(who)s said which CRM record is a customer’s."),
    "crm_record_unlinked": _("%(who)s took away a customer’s CRM record."),
    "customer_erased": _("%(who)s erased a customer."),
    "customer_exported": _("%(who)s exported what is known of a customer."),
    "keys_rotated": _("%(who)s sealed secrets with a new key (%(secrets)s)."),
    "settings_changed": _("%(who)s changed settings (%(paths)s)."),
    "settings_restored": _("%(who)s restored earlier settings."),
}

# What the subject of a deed is where it does not say so itself, as "sweep:ID" does.
ABOUT: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "signed_in", "sign_in_failed", "signed_out", "password_changed", "password_chosen", "password_refused", "password_set",
            "name_changed", "own_sessions_ended", "account_bound", "person_signed_up", "person_invited", "invitation_accepted",
            "invitation_withdrawn", "role_given", "role_changed", "person_switched_off", "person_switched_on", "link_made",
            "sessions_ended",
        ),
        "person",
    ),
    **dict.fromkeys(("key_made", "key_revoked"), "key"),
    "conversation_read": "conversation",
    "egress_read": "egress",
    **dict.fromkeys(("crm_record_picked", "crm_record_unlinked", "customer_exported"), "customer"),
    **dict.fromkeys(("action_approved", "action_rejected", "action_settled"), "action"),
    **dict.fromkeys(("settings_changed", "settings_restored"), "settings"),
}  # fmt: skip

# What a subject says of itself before the colon.
_KINDS = frozenset({"person", "key", "conversation", "message", "egress", "sweep", "customer", "action", "erasure"})

_HOW: Mapping[str, str] = {"password": _("with a password"), "provider": _("through the provider")}


# More does not fit into an id.
MAX_ID_DIGITS = 18


class Parts(dict[str, str]):
    """What a sentence is filled with; a detail that an older row lacks is a dash."""

    def __missing__(self, key: str) -> str:
        """For %-formatting."""
        return "–"


def about(deed: ListedDeed) -> tuple[str | None, str]:
    """(kind, id) of what it was done to; (None, its name) where that is of no kind that we know."""
    subject = deed.subject or ""
    kind, colon, rest = subject.partition(":")
    if colon and kind in _KINDS:
        return kind, rest
    return ABOUT.get(deed.deed), subject


def people_in(deeds: list[ListedDeed]) -> set[int]:
    """Ids of all who did something, or to whom something was done."""
    doers = {one.by_user_id for one in deeds if one.by_user_id is not None}
    return doers | _subjects(deeds, wanted="person")


def keys_in(deeds: list[ListedDeed]) -> set[int]:
    """Ids of all keys that did something, or that were made or revoked."""
    doers = {one.by_key_id for one in deeds if one.by_key_id is not None}
    return doers | _subjects(deeds, wanted="key")


def _subjects(deeds: list[ListedDeed], *, wanted: str) -> set[int]:
    found = [of for one in deeds for kind, of in [about(one)] if kind == wanted]
    return {int(one) for one in found if is_number(one)}


def is_number(text: str) -> bool:
    """Whether a subject can be the id of a person or key."""
    return text.isascii() and text.isdigit() and len(text) <= MAX_ID_DIGITS


def template_of(deed: ListedDeed, speech: Speech) -> str:
    """The sentence with its places, in the reader's language."""
    if deed.deed not in SENTENCES:
        shown = f"%(who)s: {deed.deed.replace('_', ' ').replace('%', '%%')}"
        return f"{shown} (%(what)s)" if deed.subject else shown
    return speech.text(SENTENCES[deed.deed])


def parts_of(deed: ListedDeed, speech: Speech, *, emails: Mapping[int, str], keys: Mapping[int, str]) -> Parts:
    """What stands in the places."""
    parts = Parts({name: _shown(name, value, speech) for name, value in deed.details.items() if value is not None})
    parts["who"] = _who(deed, speech, emails=emails, keys=keys)
    parts["what"] = _what(deed, speech, emails=emails, keys=keys)
    return parts


def _who(deed: ListedDeed, speech: Speech, *, emails: Mapping[int, str], keys: Mapping[int, str]) -> str:
    person = emails.get(deed.by_user_id, f"#{deed.by_user_id}") if deed.by_user_id is not None else None
    program = keys.get(deed.by_key_id, f"#{deed.by_key_id}") if deed.by_key_id is not None else None
    if person and program:
        return speech.text("%(person)s, by the key %(key)s") % {"person": person, "key": program}
    if program:
        return speech.text("The key %(key)s") % {"key": program}
    if person:
        return person
    return speech.text("The command line") if deed.details.get("from") == "command_line" else "Earshot"


def _what(deed: ListedDeed, speech: Speech, *, emails: Mapping[int, str], keys: Mapping[int, str]) -> str:
    kind, subject = about(deed)
    if not subject:
        return speech.text("an unknown account") if deed.deed == "sign_in_failed" else "–"
    if kind in {"person", "key"} and is_number(subject):
        names = emails if kind == "person" else keys
        return names.get(int(subject), f"#{subject}")
    return subject


def _shown(name: str, value: object, speech: Speech) -> str:
    if name in {"role", "before", "after"}:
        return speech.text(english(f"role {value}"))
    if name == "how":
        return speech.text(_HOW.get(str(value), str(value)))
    if name == "kind":
        return speech.text(english(str(value)))
    if isinstance(value, bool):
        return speech.text("yes") if value else speech.text("no")
    if isinstance(value, int):
        return speech.number(value)
    return ", ".join(str(one) for one in value) if isinstance(value, list) else str(value)
