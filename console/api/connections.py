"""/channels, /crm/connection and /alert-targets to be written, and the set-up's state: what administrators connect. Secrets go in only."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from flask import Response, current_app
from pydantic import BaseModel, SecretStr

from console.alert_target_deeds import TargetRefusedError, save_target, take_target_away
from console.api.callers import caller
from console.api.connection_answers import (
    DoneAnswer,
    ErrandAnswer,
    GoneAnswer,
    OnboardingAnswer,
    SignsAnswer,
)
from console.api.connection_requests import (
    AccountPath,
    ChannelBody,
    CheckBody,
    CrmBody,
    ErrandPath,
    RotateBody,
    TargetBody,
    TargetPath,
)
from console.api.paths import new_blueprint
from console.api.problems import Problem, not_found
from console.api.requests import Body
from console.api.writing import answer, database, do_once
from console.channel_deeds import ChannelRefusedError, ChannelWriter, drop_old_secret, rotate_secret, save_channel
from console.channel_deeds import take_away as take_channel_away
from console.crm_deeds import CrmRefusedError, save_crm, take_crm_away
from console.errand_desk import look_for_errand, ring
from store.alert_target_settings import find_target
from store.channel_sightings import FirstSigns, find_first_signs
from store.crm_connections import has_crm
from store.db import Connection, act_for_system
from store.errands import ErrandKind, add_errand
from store.onboarding import read_onboarding

if TYPE_CHECKING:
    from config.settings import Settings
    from store.secrets import Keyring

blueprint = new_blueprint("connections", __name__)


def _writer() -> ChannelWriter:
    who, settings = caller(), cast("Settings", current_app.extensions["settings"])
    keyring = cast("Keyring", current_app.extensions["keyring"])
    return ChannelWriter(who.tenant_id, who.actor, "api", keyring, allow_private_urls=settings.allow_private_urls)


def _plain(body: BaseModel) -> dict[str, Any]:
    """What was given, secrets opened; what was left out is left out."""
    given = {name: getattr(body, name) for name in body.model_fields_set}
    return {name: value.get_secret_value() if isinstance(value, SecretStr) else value for name, value in given.items()}


def _refused(code: str, problems: Mapping[str, str]) -> Problem:
    field, fix = next(iter(problems.items()))
    errors = [{"field": name, "fix": told} for name, told in problems.items()]
    return Problem(422, code, field=field, fix=fix, errors=errors)


def _write(work: Callable[[Connection], BaseModel]) -> Response:
    def in_both_scopes(conn: Connection) -> BaseModel:
        act_for_system(conn)
        return work(conn)

    return do_once(in_both_scopes)


def _send(
    kind: ErrandKind, given: Mapping[str, object], *, exists: Callable[[Connection], bool], what: str
) -> Response:
    """Write an errand down, once per Idempotency-Key, and tell a worker after the commit."""
    who, sent = caller(), list[str]()

    def work(conn: Connection) -> ErrandAnswer:
        if not exists(conn):
            raise not_found(what)
        sent.append(add_errand(conn, who.tenant_id, kind, given))
        return ErrandAnswer(id=sent[0], kind=kind, state="waiting", is_late=False, result=None)

    response = do_once(work)
    for errand_id in sent:
        ring(kind, who.tenant_id, errand_id)
    return response


def _signs(conn: Connection, path: AccountPath) -> FirstSigns | None:
    return find_first_signs(conn, caller().tenant_id, kind=path.kind, account_id=path.account_id)


@blueprint.get("/onboarding", summary="Read how far the set-up is", responses={200: OnboardingAnswer})
def read_state() -> Response:
    """The five steps, from what really stands and what a person has settled."""
    who = caller()
    with database().tenant_transaction(who.tenant_id) as conn:
        return answer(OnboardingAnswer.of(read_onboarding(conn, who.tenant_id)).model_dump(mode="json"))


@blueprint.get(
    "/channels/<kind>/<account_id>/signs", summary="Read what has come of an account", responses={200: SignsAnswer}
)
def read_signs(path: AccountPath) -> Response:
    """Handshake, first webhook, first message, and what the receiver refused since something worked last."""
    with database().tenant_transaction(caller().tenant_id) as conn:
        found = _signs(conn, path)
    if found is None:
        raise not_found("a channel account")
    return answer(SignsAnswer.of(found).model_dump(mode="json"))


@blueprint.put(
    "/channels/<kind>/<account_id>", summary="Connect or change a channel account", responses={200: DoneAnswer}
)
def put_channel(path: AccountPath, body: ChannelBody) -> Response:
    """Live within seconds. Secrets are stored encrypted and never given back."""
    given = {**_plain(body), "kind": path.kind, "account_id": path.account_id}

    def work(conn: Connection) -> DoneAnswer:
        try:
            saved = save_channel(conn, _writer(), given)
        except ChannelRefusedError as refused:
            raise _refused("invalid_channel", refused.problems) from None
        subject = f"{path.kind}:{path.account_id}"
        return DoneAnswer(subject=subject, is_new=saved.is_new, cleaned=list(saved.was_cleaned))

    return _write(work)


@blueprint.post(
    "/channels/<kind>/<account_id>/rotate", summary="Rotate an account's app secret", responses={200: DoneAnswer}
)
def rotate(path: AccountPath, body: RotateBody) -> Response:
    """Two count while the channel changes over; drop_old ends the older one."""
    names = {"kind": path.kind, "account_id": path.account_id}

    def work(conn: Connection) -> DoneAnswer:
        if _signs(conn, path) is None:
            raise not_found("a channel account")
        cleaned: tuple[str, ...] = ()
        if body.app_secret is not None or not body.drop_old:
            new = body.app_secret.get_secret_value() if body.app_secret else ""
            try:
                saved = rotate_secret(conn, _writer(), **names, new_secret=new)
            except ChannelRefusedError as refused:
                raise _refused("invalid_channel", refused.problems) from None
            cleaned = saved.was_cleaned if saved else ()
        if body.drop_old:
            drop_old_secret(conn, _writer(), **names)
        return DoneAnswer(subject=f"{path.kind}:{path.account_id}", cleaned=list(cleaned))

    return _write(work)


@blueprint.post(
    "/channels/<kind>/<account_id>/check", summary="Have an account's token checked", responses={200: ErrandAnswer}
)
def check_channel(path: AccountPath, body: Body) -> Response:  # noqa: ARG001 -- that it may be empty
    """A worker asks the channel; GET /errands/ID has the answer seconds later."""
    given: dict[str, object] = {"kind": path.kind, "account_id": path.account_id}
    return _send("token", given, exists=lambda conn: _signs(conn, path) is not None, what="a channel account")


@blueprint.delete("/channels/<kind>/<account_id>", summary="Remove a channel account", responses={200: GoneAnswer})
def remove_channel(path: AccountPath) -> Response:
    """Its webhooks are refused from now on, and nothing leaves by it."""

    def work(conn: Connection) -> GoneAnswer:
        if not take_channel_away(conn, _writer(), kind=path.kind, account_id=path.account_id):
            raise not_found("a channel account")
        return GoneAnswer(subject=f"{path.kind}:{path.account_id}")

    return _write(work)


@blueprint.put("/crm/connection", summary="Connect or change the CRM", responses={200: DoneAnswer})
def put_crm(body: CrmBody) -> Response:
    """Lifts a pause. Credentials are stored encrypted and never given back."""

    def work(conn: Connection) -> DoneAnswer:
        is_new = not has_crm(conn, caller().tenant_id)
        try:
            saved = save_crm(conn, _writer(), _plain(body))
        except CrmRefusedError as refused:
            raise _refused("invalid_crm", refused.problems) from None
        return DoneAnswer(subject=f"crm:{saved.kind}", is_new=is_new, cleaned=list(saved.was_cleaned))

    return _write(work)


@blueprint.post("/crm/connection/check", summary="Have the CRM checked", responses={200: ErrandAnswer})
def check_crm(body: CheckBody) -> Response:
    """A worker signs in there, and looks for our fields; GET /errands/ID has the answer seconds later."""
    given: dict[str, object] = {"provision": body.provision}
    return _send("crm", given, exists=lambda conn: has_crm(conn, caller().tenant_id), what="a CRM connection")


@blueprint.delete("/crm/connection", summary="Disconnect the CRM", responses={200: GoneAnswer})
def remove_crm() -> Response:
    """What was written there stays there."""

    def work(conn: Connection) -> GoneAnswer:
        if not take_crm_away(conn, _writer()):
            raise not_found("a CRM connection")
        return GoneAnswer(subject="crm")

    return _write(work)


@blueprint.put("/alert-targets/<name>", summary="Add or change an alert target", responses={200: DoneAnswer})
def put_target(path: TargetPath, body: TargetBody) -> Response:
    """The address is stored encrypted and never given back."""

    def work(conn: Connection) -> DoneAnswer:
        is_new = find_target(conn, caller().tenant_id, name=path.name) is None
        try:
            cleaned = save_target(conn, _writer(), {**_plain(body), "name": path.name})
        except TargetRefusedError as refused:
            raise _refused("invalid_target", refused.problems) from None
        return DoneAnswer(subject=f"alerts:{path.name}", is_new=is_new, cleaned=["to"] if cleaned else [])

    return _write(work)


@blueprint.post(
    "/alert-targets/<name>/test", summary="Have a test sent to an alert target", responses={200: ErrandAnswer}
)
def test_target(path: TargetPath, body: Body) -> Response:  # noqa: ARG001 -- that it may be empty
    """A worker sends something harmless; GET /errands/ID has the answer seconds later."""
    who = caller()
    return _send(
        "alert",
        {"name": path.name},
        exists=lambda conn: find_target(conn, who.tenant_id, name=path.name) is not None,
        what="an alert target",
    )


@blueprint.delete("/alert-targets/<name>", summary="Remove an alert target", responses={200: GoneAnswer})
def remove_target(path: TargetPath) -> Response:
    """Nobody is told there any more."""

    def work(conn: Connection) -> GoneAnswer:
        if not take_target_away(conn, _writer(), path.name):
            raise not_found("an alert target")
        return GoneAnswer(subject=f"alerts:{path.name}")

    return _write(work)


@blueprint.get("/errands/<errand_id>", summary="Read what a check found", responses={200: ErrandAnswer})
def read_errand(path: ErrandPath) -> Response:
    """Kept for an hour."""
    found = look_for_errand(database(), caller().tenant_id, path.errand_id)
    if found is None:
        raise not_found("a check")
    return answer(ErrandAnswer.of(found).model_dump(mode="json"))
