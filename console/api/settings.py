"""/settings: what the tenant has set, changing it, trying it on what has come already, and every version of it."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from flask import Response, current_app

from console.api.callers import caller
from console.api.paths import new_blueprint
from console.api.problems import MAX_TOLD, Problem
from console.api.settings_bodies import (
    ChangeAnswer,
    CountAnswer,
    MovedAnswer,
    Restoring,
    SecretAnswer,
    SecretBody,
    SettingsAnswer,
    SettingsPatch,
    SettingsTrialAnswer,
    SettingsVersionAnswer,
    SettingsVersionPage,
    TriedSettings,
    VersionPath,
    VersionQuery,
)
from console.api.writing import answer, database, do_once
from console.setting_trials import TooBusyError, run_trial
from console.settings_saving import (
    AdminsOnlyError,
    Changer,
    NoSuchVersionError,
    StaleError,
    check_patch,
    restore_version,
    save_patch,
)
from console.webhook_secret import KIND, set_webhook_secret, why_unusable
from routing.settings_check import SettingsError
from store.action_secrets import list_kinds_with_secret
from store.db import Connection
from store.tenant_settings import get_settings, list_versions, stored_form
from worker.simulator import Trial

blueprint = new_blueprint("settings", __name__, under="/settings")


def _changer() -> Changer:
    who = caller()
    return Changer(
        who.tenant_id,
        who.role,
        who.actor,
        "api",
        allow_private_urls=bool(current_app.extensions.get("allow_private_urls")),
    )


@contextmanager
def _told() -> Generator[None]:
    """What speaks against a change, as problems."""
    try:
        yield
    except SettingsError as error:
        errors = [{"field": one.path, "fix": one.told} for one in error.problems[:MAX_TOLD]]
        first = errors[0]
        raise Problem(422, "invalid_settings", fix=first["fix"], field=first["field"] or None, errors=errors) from None
    except StaleError as error:
        fix = "the settings have changed since: read them again and decide anew"
        changed = [one.path for one in error.changes[:MAX_TOLD]]
        raise Problem(
            409, "changed_meanwhile", field="version", fix=fix, version=error.version, changed=changed
        ) from None
    except AdminsOnlyError as error:
        fix = "only an administrator may change this"
        raise Problem(403, "role_may_not", field=error.paths[0], fix=fix, paths=list(error.paths[:MAX_TOLD])) from None
    except NoSuchVersionError:
        raise Problem(
            404, "not_found", fix="use the number of a version of this tenant; see GET /settings/versions"
        ) from None
    except TooBusyError:
        problem = Problem(503, "try_again", fix="too much is being tried at the moment: try again in a few seconds")
        problem.retry_after_s = 5
        raise problem from None


def _answer(conn: Connection, tenant_id: int) -> SettingsAnswer:
    stands = get_settings(conn, tenant_id)
    settings = stored_form(stands.config)
    # A token may stand in it.
    url = settings["actions"].get(KIND, {}).pop("url", None)
    return SettingsAnswer(
        version=stands.version,
        changed_in=stands.changed_in,
        settings=settings,
        secrets=list_kinds_with_secret(conn, tenant_id),
        webhook_host=urlsplit(url).hostname if url else None,
    )


@blueprint.get("", summary="Read the settings", responses={200: SettingsAnswer})
def read() -> Response:
    """With the version to change them from. No secret, no token."""
    who = caller()
    with database().tenant_transaction(who.tenant_id) as conn:
        return answer(_answer(conn, who.tenant_id).model_dump(mode="json"))


@blueprint.patch("", summary="Change settings", responses={200: SettingsAnswer})
def change(body: SettingsPatch) -> Response:
    """Live within 5 s. 409 with the version that stands when it is another one than yours; 422 names every field that is wrong. What lets
    something leave, costs money, or names the tenant is an admin's: name, industry, default_region, model, budget, sweep, actions, automation.
    """
    who = _changer()

    def work(conn: Connection) -> SettingsAnswer:
        save_patch(conn, who, body.changes, seen=body.version)
        return _answer(conn, who.tenant_id)

    with _told():
        return do_once(work, is_system=True)


@blueprint.post("/simulate", summary="Try settings on what has come already", responses={200: SettingsTrialAnswer})
def simulate(body: TriedSettings) -> Response:
    """Nothing is stored and nothing fires. The newest decisions of the days are made again, under the settings that stand and with the changes."""
    who = _changer()
    with _told(), database().tenant_transaction(who.tenant_id) as conn:
        stands, tried = check_patch(conn, who, body.changes)
        trial = run_trial(conn, who.tenant_id, live=stands.config, tried=tried, days=body.days)
    return answer(_trial(trial).model_dump(mode="json"))


def _trial(trial: Trial) -> SettingsTrialAnswer:
    one = trial.simulation
    biggest: list[Any] = sorted(one.changes.items(), key=lambda item: (-item[1].messages, item[0]))
    return SettingsTrialAnswer(
        sentence=trial.sentence,
        since=trial.since,
        is_cut=trial.is_cut,
        messages=one.messages,
        moved=one.moved,
        more_p1=CountAnswer(**vars(one.more_urgent)),
        fewer_p1=CountAnswer(**vars(one.less_urgent)),
        other_actions=CountAnswer(**vars(one.other_actions)),
        kinds_of_change=[MovedAnswer(**change._asdict(), **vars(moved)) for change, moved in biggest],
    )


@blueprint.get("/versions", summary="List versions of the settings", responses={200: SettingsVersionPage})
def list_all(query: VersionQuery) -> Response:
    """Newest first, with who changed what. Of addresses only the host is told."""
    who = caller()
    with database().tenant_transaction(who.tenant_id) as conn:
        found = list_versions(conn, who.tenant_id, before_version=query.before, limit=query.limit + 1)
    page = found[: query.limit]
    body = SettingsVersionPage(
        versions=[
            SettingsVersionAnswer(
                version=one.version,
                at=one.at,
                changed_in=one.changed_in,
                by=one.by_email or one.by_key,
                changes=[ChangeAnswer(**vars(change)) for change in one.changed],
            )
            for one in page
        ],
        next_before=page[-1].version if len(found) > query.limit else None,
    )
    return answer(body.model_dump(mode="json"))


@blueprint.post(
    "/versions/<version>/restore", summary="Restore a version of the settings", responses={200: SettingsAnswer}
)
def restore(path: VersionPath, body: Restoring) -> Response:
    """It becomes a new version. It goes through today's checks, and needs the same rights as changing what it would change."""
    who = _changer()

    def work(conn: Connection) -> SettingsAnswer:
        restore_version(conn, who, path.version, seen=body.version)
        return _answer(conn, who.tenant_id)

    with _told():
        return do_once(work, is_system=True)


@blueprint.put("/actions/webhook/secret", summary="Set the webhook's secret", responses={200: SecretAnswer})
def put_secret(body: SecretBody) -> Response:
    """What signs its requests, in place of the one before. It can be set and never read. For admins."""
    who, secret = _changer(), body.secret.get_secret_value()
    told = why_unusable(secret)
    if told:
        raise Problem(422, "invalid_secret", field="secret", fix=told)

    def work(conn: Connection) -> SecretAnswer:
        set_webhook_secret(
            conn,
            who.tenant_id,
            secret,
            keyring=current_app.extensions["keyring"],
            by=who.actor,
            changed_in=who.changed_in,
        )
        return SecretAnswer(kind=KIND)

    return do_once(work, is_system=True)
