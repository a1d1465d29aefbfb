"""What administrators do with channel accounts, the same for pages and programs: connect, change, rotate secrets, remove."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr, ValidationError

from config.channel_account import MAX_LIVE_APP_SECRETS, ChannelConfig
from config.field_problems import list_field_problems
from config.public_url import why_not_public
from console.pasted import read_pasted
from store.channel_secrets import find_channel, has_other_owner
from store.channel_settings import put_channel, remove_channel
from store.conversation_events import Actor
from store.db import Connection, StoreError
from store.secrets import Keyring
from store.tenant_settings import ChangedIn, note_changed_part

KINDS = ("whatsapp", "instagram", "generic")
# Ours can be shown until it has been used once; what somebody typed never is.
OUR_TOKEN = "earshot-"  # noqa: S105 -- how it begins, no secret
_LEAST_CHARS = {"app_secret": 16, "access_token": 20, "verify_token": 8}
_LEAST_GENERIC = 24
_PASTED = ("account_id", "app_secret", "access_token", "verify_token", "waba_id", "page_id", "reply_url")


def _(text: str) -> str:
    """Marks a text for the catalogs."""
    return text


_TAKEN = _("Another tenant of this installation has this account already.")


class ChannelRefusedError(Exception):
    """The account was not stored. problems: by field, in English."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(", ".join(problems))
        self.problems = dict(problems)


@dataclass(frozen=True)
class ChannelWriter:
    """Who writes accounts of which tenant. Its transactions need the system scope and act for the tenant."""

    tenant_id: int
    by: Actor
    changed_in: ChangedIn
    keyring: Keyring = field(repr=False)
    allow_private_urls: bool

    def note(self, conn: Connection, deed: str, *, kind: str, account_id: str) -> None:
        """For who has to account for it."""
        part = f"{kind}:{account_id}"
        note_changed_part(conn, self.tenant_id, part=part, deed=deed, by=self.by, changed_in=self.changed_in)


@dataclass(frozen=True)
class Saved:
    """was_cleaned: fields around whose value something was taken away."""

    channel: ChannelConfig = field(repr=False)
    is_new: bool
    was_cleaned: tuple[str, ...]


def new_verify_token() -> str:
    """Nobody has to think one up."""
    return OUR_TOKEN + secrets.token_urlsafe(24)


def save_channel(conn: Connection, who: ChannelWriter, given: Mapping[str, Any], *, must_be_new: bool = False) -> Saved:
    """Connect an account, or change a known one: an empty secret stays what it is. Raises: ChannelRefusedError."""
    pasted = {name: read_pasted(str(given.get(name) or ""), least=_least(given, name)) for name in _PASTED}
    problems = {name: one.problem for name, one in pasted.items() if one.problem}
    kind, account_id = str(given.get("kind", "")), pasted["account_id"].value
    if kind not in KINDS:
        problems["kind"] = _("Choose one of the channels.")
    if not account_id:
        problems.setdefault("account_id", _("It is needed: without it nobody knows whose messages these are."))
    if problems:
        raise ChannelRefusedError(problems)
    if has_other_owner(conn, who.tenant_id, kind=kind, account_id=account_id):
        raise ChannelRefusedError({"account_id": _TAKEN})
    known = find_channel(conn, who.tenant_id, kind=kind, account_id=account_id, keyring=who.keyring)
    if known is not None and must_be_new:
        raise ChannelRefusedError({"account_id": _("This account is connected already: change it on its own page.")})
    channel = _read(given, {name: one.value for name, one in pasted.items()}, known=known)
    if channel.reply_url and not who.allow_private_urls:
        problem = why_not_public(channel.reply_url)
        if problem:
            raise ChannelRefusedError({"reply_url": problem})
    try:
        put_channel(conn, who.tenant_id, channel, keyring=who.keyring)
    except StoreError:  # another tenant was faster by a moment
        raise ChannelRefusedError({"account_id": _TAKEN}) from None
    who.note(conn, "channel_changed" if known else "channel_added", kind=kind, account_id=account_id)
    return Saved(channel, known is None, tuple(name for name, one in pasted.items() if one.value and one.was_cleaned))


def _least(given: Mapping[str, Any], name: str) -> int:
    if name == "app_secret" and given.get("kind") == "generic":
        return _LEAST_GENERIC
    return _LEAST_CHARS.get(name, 1)


def _read(given: Mapping[str, Any], values: Mapping[str, str], *, known: ChannelConfig | None) -> ChannelConfig:
    """Checked as a tenant file's is. Raises: ChannelRefusedError."""
    document: dict[str, Any] = {
        "kind": given["kind"],
        "account_id": values["account_id"],
        "app_secret": values["app_secret"]
        or (tuple(one.get_secret_value() for one in known.app_secret) if known else ()),
        "access_token": values["access_token"] or (known.access_token.get_secret_value() if known else ""),
        "verify_token": values["verify_token"]
        or (known.verify_token.get_secret_value() if known else new_verify_token()),
        "mark_read": bool(given.get("mark_read")),
        **({"max_per_s": given["max_per_s"]} if str(given.get("max_per_s") or "").strip() else {}),
    }
    of_kind = {"whatsapp": ("waba_id",), "instagram": ("page_id",), "generic": ("reply_url",)}[document["kind"]]
    document |= {name: values[name] for name in of_kind if values[name]}
    if document["kind"] == "instagram":
        document["login"] = given.get("login") or "instagram"
        if document["login"] == "instagram":
            document.pop("page_id", None)
    missing = {
        name: _("It is needed.")
        for name in ("app_secret", *(("access_token",) if document["kind"] != "generic" else ()))
        if not document[name]
    }
    if document.get("login") == "facebook" and not document.get("page_id"):
        missing["page_id"] = _("With the login by Facebook the id of the Page is needed, too.")
    if missing:
        raise ChannelRefusedError(missing)
    try:
        return ChannelConfig.model_validate(document)
    except ValidationError as error:
        found = list_field_problems(error)
        raise ChannelRefusedError({str(loc[0]) if loc else "account_id": told for loc, told in found}) from None


def rotate_secret(conn: Connection, who: ChannelWriter, *, kind: str, account_id: str, new_secret: str) -> Saved | None:
    """The new secret counts beside the one before it, until that is dropped. None: there is no such account.

    Raises: ChannelRefusedError.
    """
    known = find_channel(conn, who.tenant_id, kind=kind, account_id=account_id, keyring=who.keyring)
    if known is None:
        return None
    pasted = read_pasted(new_secret, least=_least({"kind": kind}, "app_secret"))
    if pasted.problem or not pasted.value:
        raise ChannelRefusedError({"app_secret": pasted.problem or _("It is needed.")})
    live = [one.get_secret_value() for one in known.app_secret if one.get_secret_value() != pasted.value]
    both = tuple(SecretStr(one) for one in (pasted.value, *live)[:MAX_LIVE_APP_SECRETS])
    changed = known.model_copy(update={"app_secret": both})
    put_channel(conn, who.tenant_id, changed, keyring=who.keyring)
    who.note(conn, "channel_secret_rotated", kind=kind, account_id=account_id)
    return Saved(changed, is_new=False, was_cleaned=("app_secret",) if pasted.was_cleaned else ())


def drop_old_secret(conn: Connection, who: ChannelWriter, *, kind: str, account_id: str) -> bool:
    """Only the newest secret counts from now on. False: there is no such account, or it has but one."""
    known = find_channel(conn, who.tenant_id, kind=kind, account_id=account_id, keyring=who.keyring)
    if known is None or len(known.app_secret) == 1:
        return False
    changed = known.model_copy(update={"app_secret": known.app_secret[:1]})
    put_channel(conn, who.tenant_id, changed, keyring=who.keyring)
    who.note(conn, "channel_old_secret_dropped", kind=kind, account_id=account_id)
    return True


def renew_verify_token(conn: Connection, who: ChannelWriter, *, kind: str, account_id: str) -> bool:
    """Another token for the handshake; what runs is not touched. False: there is no such account."""
    known = find_channel(conn, who.tenant_id, kind=kind, account_id=account_id, keyring=who.keyring)
    if known is None:
        return False
    changed = known.model_copy(update={"verify_token": SecretStr(new_verify_token())})
    put_channel(conn, who.tenant_id, changed, keyring=who.keyring)
    who.note(conn, "channel_verify_token_renewed", kind=kind, account_id=account_id)
    return True


def take_away(conn: Connection, who: ChannelWriter, *, kind: str, account_id: str) -> bool:
    """Its webhooks are refused from now on. False: there was none."""
    gone = remove_channel(conn, who.tenant_id, kind=kind, account_id=account_id)
    if gone:
        who.note(conn, "channel_removed", kind=kind, account_id=account_id)
    return gone
