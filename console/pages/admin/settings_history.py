"""/admin/settings/history: every version of the settings with who changed what, and the way back to it."""

import json
from typing import Any, cast

from flask import abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from console.pages.admin.changing import changer, describe_problem, read_settings, seen_version, writing
from console.pages.admin.gate import may_change, new_blueprint
from console.pages.notices import give_notice
from console.settings_saving import (
    AdminsOnlyError,
    NoSuchVersionError,
    StaleError,
    changes_since,
    restore_version,
)
from console.visitors import database, visitor
from routing.settings_check import SettingsError
from store.tenant_settings import get_settings, list_versions

blueprint = new_blueprint("settings_history", path="/settings/history")
AT_ONCE = 20
SHOWN_CHANGES = 40
MAX_VALUE_CHARS = 400
_MAX_VERSION = 2**31 - 1


@blueprint.get("")
def show() -> str:
    """Newest first. ?before= those older than a version. ?compare= what restoring a version would change now."""
    who = visitor()
    with database().tenant_transaction(who.tenant_id) as conn:
        stands = get_settings(conn, who.tenant_id)
        versions = list_versions(
            conn, who.tenant_id, before_version=_version(request.args.get("before")), limit=AT_ONCE + 1
        )
        wanted = _version(request.args.get("compare"))
        back = changes_since(conn, who.tenant_id, wanted, stands.config) if wanted else []
    return render_template(
        "admin/settings_history.html",
        versions=versions[:AT_ONCE],
        next=versions[AT_ONCE - 1].version if len(versions) > AT_ONCE else None,
        stands=stands.version,
        compared=wanted,
        back=back,
        told=tell_value,
        shown_changes=SHOWN_CHANGES,
        may_change=may_change(),
    )


@blueprint.post("/<int:version>/restore")
def restore(version: int) -> Response | tuple[str, int] | str:
    """Make what a version held a new version."""
    who = changer()
    if not 0 < version <= _MAX_VERSION:
        abort(404)
    before = read_settings()
    try:
        with writing() as conn:
            now = restore_version(conn, who, version, seen=seen_version())
    except NoSuchVersionError:
        abort(404)
    except AdminsOnlyError:
        give_notice("settings_admins_only")
    except StaleError:
        give_notice("settings_stale")
    except SettingsError as error:
        return (
            render_template(
                "admin/settings_refused.html",
                version=version,
                others=[describe_problem(one, ()) for one in error.problems],
            ),
            422,
        )
    else:
        give_notice("settings_restored" if now != before.version else "settings_unchanged")
    return redirect(url_for("admin_settings_history.show"))


def _version(text: str | None) -> int | None:
    is_number = text is not None and text.isascii() and text.isdecimal() and len(text) < 11
    return int(text) if text and is_number and 0 < int(text) <= _MAX_VERSION else None


def tell_value(value: Any) -> str:
    """A value of a setting on one line; nothing for one that is not there."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    told = json.dumps(_given(value), ensure_ascii=False)
    return told if len(told) <= MAX_VALUE_CHARS else f"{told[:MAX_VALUE_CHARS]}…"


def _given(value: Any) -> Any:
    """Without the keys that say nothing."""
    if isinstance(value, dict):
        table = cast("dict[str, Any]", value)
        return {name: _given(one) for name, one in table.items() if one is not None and one != []}
    return value
