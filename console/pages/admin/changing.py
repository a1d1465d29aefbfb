"""What the forms of the settings share: who changes, which version was seen, saving and trying, and what to say when it is refused."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from flask import abort, current_app, request, url_for

from config.settings_changes import SettingChange
from config.tenant import TenantConfig
from console.pages.admin.gate import may_change
from console.setting_trials import TooBusyError, Tried, read_days, run_trial, tell_trial
from console.settings_saving import AdminsOnlyError, Changer, StaleError, check_patch, save_patch
from console.visitors import database, speech, visitor
from routing.settings_check import SettingProblem, SettingsError
from store.db import Connection, act_for_tenant
from store.tenant_settings import TenantSettings, find_version_config, get_settings, list_versions

# Version numbers are Postgres's integers.
_MAX_VERSION = 2**31 - 1


@dataclass
class Attempt:
    """How a form fared that was sent. version: None where nothing was stored. meanwhile: what others have changed since."""

    version: int | None = None
    problems: list[SettingProblem] = field(default_factory=list[SettingProblem])
    is_stale: bool = False
    is_busy: bool = False
    meanwhile: tuple[SettingChange, ...] = ()
    tried: Tried | None = None


def changer() -> Changer:
    """The visitor, as whoever changes settings."""
    who = visitor()
    return Changer(
        who.tenant_id,
        who.place.role,
        who.actor,
        "console",
        allow_private_urls=bool(current_app.extensions.get("allow_private_urls")),
    )


def seen_version() -> int:
    """Which version the form was made from; one that never was when it does not say."""
    given = request.form.get("seen", "")
    return int(given) if given.isascii() and given.isdecimal() and len(given) < 11 and int(given) <= _MAX_VERSION else 0


@contextmanager
def writing() -> Generator[Connection]:
    """A transaction that may change the settings of the visitor's tenant."""
    with database().system_transaction() as conn:
        act_for_tenant(conn, visitor().tenant_id)
        yield conn


def save(patch: Mapping[str, Any], *, first: Callable[[Connection], None] | None = None) -> Attempt:
    """Store a patch, unless something speaks against it. first: what is to be written with it, or not at all. Raises: Forbidden."""
    who = changer()
    try:
        with writing() as conn:
            if first:
                first(conn)
            return Attempt(version=save_patch(conn, who, patch, seen=seen_version()))
    except SettingsError as error:
        return Attempt(problems=list(error.problems))
    except StaleError as error:
        return Attempt(is_stale=True, meanwhile=error.changes)
    except AdminsOnlyError:
        abort(403)


def try_out(patch: Mapping[str, Any]) -> Attempt:
    """What the patch would have changed in what has come already. Nothing is stored and nothing fires."""
    who, days = changer(), read_days(request.form.get("days"))
    try:
        with database().tenant_transaction(who.tenant_id) as conn:
            stands, tried = check_patch(conn, who, patch)
            trial = run_trial(conn, who.tenant_id, live=stands.config, tried=tried, days=days)
    except SettingsError as error:
        return Attempt(problems=list(error.problems))
    except TooBusyError:
        return Attempt(is_busy=True)
    return Attempt(tried=tell_trial(trial, days=days, speech=speech()))


def read_settings() -> TenantSettings:
    """What stands in the visitor's tenant."""
    who = visitor()
    with database().tenant_transaction(who.tenant_id) as conn:
        return get_settings(conn, who.tenant_id)


def read_version(version: int) -> TenantConfig | None:
    """What a version of the visitor's tenant held; None when there is none."""
    who = visitor()
    with database().tenant_transaction(who.tenant_id) as conn:
        stands = get_settings(conn, who.tenant_id)
        return stands.config if stands.version == version else find_version_config(conn, who.tenant_id, version)


def may_change_this(*, admins_only: bool) -> bool:
    """Whether the visitor sees the form's buttons."""
    return may_change() and (not admins_only or visitor().place.role == "admin")


def find_undo() -> tuple[int, int] | None:
    """(the version before, the newest one) when the visitor has made the newest one: it can be taken back at once."""
    who = visitor()
    if not may_change():
        return None
    with database().tenant_transaction(who.tenant_id) as conn:
        newest = list_versions(conn, who.tenant_id, limit=2)
    if len(newest) < 2 or newest[0].by_email != who.person.email:
        return None
    return newest[1].version, newest[0].version


def describe_problem(problem: SettingProblem, rules: Sequence[str]) -> tuple[str, str, str | None]:
    """(where, what is wrong, address of the form) of what belongs to no field of this form. rules: their names, as they were sent."""
    head, _, rest = problem.path.partition(".")
    number, _, key = rest.partition(".")
    if head == "rules" and number.isdecimal() and int(number) < len(rules):
        name = rules[int(number)]
        return f"{name}: {key}" if key else name, problem.told, url_for("admin_rules.edit", name=name)
    return problem.path, problem.told, None
