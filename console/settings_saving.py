"""Changing a tenant's settings for a person or a program: rights, checks, the version that was seen. Pages and API share it."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import gevent

from config.settings_changes import SettingChange, list_changes
from config.settings_rights import list_admins_only
from config.tenant import TenantConfig
from routing.settings_check import MAX_RULES, SettingProblem, SettingsError, patch_settings
from store.action_secrets import list_kinds_with_secret
from store.conversation_events import Actor
from store.db import Connection
from store.tenant_settings import (
    ChangedIn,
    TenantSettings,
    change_settings,
    find_version_config,
    get_settings,
    stored_form,
)

T = TypeVar("T")
# So many levels no setting has; deeper ones are refused before anything walks down there.
_MAX_DEPTH = 12
_READABLE = re.compile("[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]*")


@dataclass(frozen=True)
class Changer:
    """Who changes something, as what, and where."""

    tenant_id: int
    role: str
    actor: Actor
    changed_in: ChangedIn
    allow_private_urls: bool


class StaleError(Exception):
    """The settings have changed since they were seen. version: which one stands now. changes: what is different, as far as known."""

    def __init__(self, version: int, changes: Sequence[SettingChange]) -> None:
        super().__init__("changed_meanwhile")
        self.version, self.changes = version, tuple(changes)


class AdminsOnlyError(Exception):
    """Only an administrator may change this. paths: which settings."""

    def __init__(self, paths: Sequence[str]) -> None:
        super().__init__("admins_only")
        self.paths = tuple(paths)


class NoSuchVersionError(Exception):
    """The tenant has no such version."""


def check_patch(conn: Connection, who: Changer, patch: Mapping[str, Any]) -> tuple[TenantSettings, TenantConfig]:
    """(what stands, what the patch would make of it), for showing and trying. Raises: SettingsError, StoreError."""
    stands = get_settings(conn, who.tenant_id)
    secrets = list_kinds_with_secret(conn, who.tenant_id)
    _refuse_odd(patch)

    def check() -> TenantConfig:
        return patch_settings(stands.config, patch, allow_private_urls=who.allow_private_urls, stored_secrets=secrets)

    return stands, off_the_loop(check)


def save_patch(conn: Connection, who: Changer, patch: Mapping[str, Any], *, seen: int | None) -> int:
    """Store a patch. Needs the system scope, acting for the tenant. Returns the version, the same one when nothing differs.

    Raises: StaleError, SettingsError, AdminsOnlyError, StoreError.
    """
    refuse_stale(conn, who.tenant_id, seen=seen)
    stands, changed = check_patch(conn, who, patch)
    return _store(conn, who, stands, changed)


def restore_version(conn: Connection, who: Changer, version: int, *, seen: int | None) -> int:
    """Make what a version held a new version. Needs the system scope, acting for the tenant. Returns the version.

    Raises: NoSuchVersionError, StaleError, SettingsError (the checks may have grown since), AdminsOnlyError, StoreError.
    """
    refuse_stale(conn, who.tenant_id, seen=seen)
    stands = get_settings(conn, who.tenant_id)
    wanted = find_version_config(conn, who.tenant_id, version)
    if wanted is None:
        raise NoSuchVersionError
    secrets = list_kinds_with_secret(conn, who.tenant_id)

    def check() -> TenantConfig:
        # As if all of it were written anew, its rules too.
        rules = wanted.model_dump(mode="json", include={"rules"}, exclude_none=True)
        return patch_settings(
            wanted,
            rules if len(wanted.rules) <= MAX_RULES else {},
            allow_private_urls=who.allow_private_urls,
            stored_secrets=secrets,
        )

    off_the_loop(check)
    return _store(conn, who, stands, wanted)


def _store(conn: Connection, who: Changer, stands: TenantSettings, changed: TenantConfig) -> int:
    paths = [one.path for one in list_changes(stored_form(stands.config), stored_form(changed))]
    refused = list_admins_only(paths) if who.role != "admin" else []
    if refused:
        raise AdminsOnlyError(refused)
    version = change_settings(
        conn,
        who.tenant_id,
        changed=changed,
        seen_version=stands.version,
        by=who.actor,
        changed_in=who.changed_in,
    )
    if version is None:
        refuse_stale(conn, who.tenant_id, seen=stands.version)
        raise StaleError(stands.version, ())
    return version


def refuse_stale(conn: Connection, tenant_id: int, *, seen: int | None) -> None:
    """Raises: StaleError when there is another version than the one that was seen; None has seen whatever stands."""
    stands = get_settings(conn, tenant_id)
    if seen is not None and seen != stands.version:
        raise StaleError(stands.version, changes_since(conn, tenant_id, seen, stands.config))


def changes_since(conn: Connection, tenant_id: int, seen: int, config: TenantConfig) -> list[SettingChange]:
    """What differs between a version and these settings; nothing where the version is not known."""
    before = find_version_config(conn, tenant_id, seen)
    return list_changes(stored_form(before), stored_form(config)) if before else []


def off_the_loop(work: Callable[[], T]) -> T:
    """What only computes, in a thread, so that every other page goes on meanwhile. Raises: what the work raises of SettingsError."""
    # An error that leaves the thread would be printed there, with what it quotes.
    done = cast("T | SettingsError", gevent.get_hub().threadpool.apply(_caught, (work,)))
    if isinstance(done, SettingsError):
        raise done
    return done


def _caught(work: Callable[[], T]) -> T | SettingsError:
    try:
        return work()
    except SettingsError as error:
        return error


def _refuse_odd(given: object, path: str = "", depth: int = 0) -> None:
    """Raises: SettingsError for what no database stores and nobody reads: control characters, and tables in tables without end."""
    if depth > _MAX_DEPTH:
        raise SettingsError([SettingProblem("", "is nested too deeply")])
    if isinstance(given, str) and not _READABLE.fullmatch(given):
        raise SettingsError([SettingProblem(path, "holds a control character; take it out")])
    if isinstance(given, Mapping):
        table = cast("Mapping[str, object]", given)
        for name, value in table.items():
            _refuse_odd(name, path, depth + 1)
            _refuse_odd(value, f"{path}.{name}" if path else name, depth + 1)
    elif isinstance(given, list):
        for number, value in enumerate(cast("list[object]", given)):
            _refuse_odd(value, f"{path}.{number}", depth + 1)
