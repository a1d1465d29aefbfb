"""What administrators do with the CRM's connection, the same for pages and programs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from config.crm import CREDENTIALS, CrmConfig, CrmSettings
from config.field_problems import list_field_problems
from console.channel_deeds import ChannelWriter
from console.pasted import Pasted, read_pasted, read_pem
from store.crm_connections import CrmConnection, apply_connection, find_connection
from store.db import Connection
from store.tenant_settings import note_changed_part

CRM_KINDS: tuple[str, ...] = tuple(CREDENTIALS)
SECRETS = frozenset({"token", "client_secret", "refresh_token", "private_key"})
# Fewer characters can't be one.
_LEAST_CHARS = {"token": 16, "client_secret": 16, "refresh_token": 16}
_SETTINGS = ("tier_field", "value_field", "day_limit", "day_share")


def _(text: str) -> str:
    """Marks a text for the catalogs."""
    return text


class CrmRefusedError(Exception):
    """The connection was not stored. problems: by field, in English."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(", ".join(problems))
        self.problems = dict(problems)


@dataclass(frozen=True)
class CrmSaved:
    """was_cleaned: fields around whose value something was taken away."""

    kind: str
    was_cleaned: tuple[str, ...] = field(default=())


def credential_names(kind: str) -> tuple[str, ...]:
    """All that may be given for this kind, the simplest set first."""
    return tuple(dict.fromkeys(name for names in CREDENTIALS[kind] for name in names))


def save_crm(conn: Connection, who: ChannelWriter, given: Mapping[str, Any]) -> CrmSaved:
    """Connect a CRM, or change the connection: of the same kind, an empty credential stays what it is. Raises: CrmRefusedError."""
    kind = str(given.get("kind", ""))
    if kind not in CREDENTIALS:
        raise CrmRefusedError({"kind": _("Choose one of the CRMs.")})
    names = credential_names(kind)
    pasted = {name: _read_credential(name, str(given.get(name) or "")) for name in names}
    problems = {name: one.problem for name, one in pasted.items() if one.problem}
    if problems:
        raise CrmRefusedError(problems)
    known = find_connection(conn, who.tenant_id, keyring=who.keyring)
    same = known if known is not None and known.kind == kind else None
    document: dict[str, Any] = {"kind": kind}
    document |= _credentials({name: one.value for name, one in pasted.items() if one.value}, same)
    document |= _read_settings(given, same.settings if same else CrmSettings())
    try:
        config = CrmConfig.model_validate(document)
    except ValidationError as error:
        found = list_field_problems(error)
        raise CrmRefusedError({str(loc[0]) if loc else names[0]: told for loc, told in found}) from None
    apply_connection(conn, who.tenant_id, config, keyring=who.keyring)
    _note(conn, who, "crm_changed" if known else "crm_added", kind)
    return CrmSaved(kind, tuple(name for name, one in pasted.items() if one.value and one.was_cleaned))


def _read_credential(name: str, given: str) -> Pasted:
    return read_pem(given) if name == "private_key" else read_pasted(given, least=_LEAST_CHARS.get(name, 1))


def _credentials(given: Mapping[str, str], known: CrmConnection | None) -> dict[str, str]:
    """What was given; what is left empty stays. A whole other way to sign in replaces the one before."""
    if known is None:
        return dict(given)
    kept = {**known.credentials, **given}
    for names in CREDENTIALS[known.kind]:
        if given and set(given) <= set(names) and all(kept.get(name) for name in names):
            return {name: kept[name] for name in names}
    return kept


def _read_settings(given: Mapping[str, Any], known: CrmSettings) -> dict[str, Any]:
    """A form that does not name a setting leaves it; an empty text takes it away."""
    settings = known.model_dump(mode="json", exclude_none=True)
    for name in ("create_contacts", "send_summary"):
        if name in given:
            settings[name] = given[name] in {True, "on", "true", "1"}
    for name in _SETTINGS:
        if name not in given:
            continue
        text = str(given[name] if given[name] is not None else "").strip()
        if text:
            settings[name] = text
        else:
            settings.pop(name, None)
    if "high_value" in given:
        settings.pop("high_value", None)
        if given["high_value"]:
            settings["high_value"] = given["high_value"]
    return settings


def take_crm_away(conn: Connection, who: ChannelWriter) -> bool:
    """What is written there stays there. False: there was none."""
    known = find_connection(conn, who.tenant_id, keyring=who.keyring)
    if known is None:
        return False
    apply_connection(conn, who.tenant_id, None, keyring=who.keyring)
    _note(conn, who, "crm_removed", known.kind)
    return True


def _note(conn: Connection, who: ChannelWriter, deed: str, kind: str) -> None:
    note_changed_part(conn, who.tenant_id, part=f"crm:{kind}", deed=deed, by=who.by, changed_in=who.changed_in)
