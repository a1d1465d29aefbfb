"""/people: who has which role; for administrators."""

from flask import Response, url_for

from console.api.access_answers import OneTimeLinkAnswer, PeopleList, PersonAnswer
from console.api.access_requests import Invitation, PersonChange, PersonPath
from console.api.callers import caller
from console.api.paths import new_blueprint
from console.api.problems import not_found
from console.api.writing import answer, database, do_once
from console.person_deeds import change_role, invite, renew_link, switch_off, switch_on
from store.db import Connection, act_for_system
from store.people import find_person, list_people

blueprint = new_blueprint("people", __name__)


def _person(conn: Connection, tenant_id: int, user_id: int) -> PersonAnswer:
    act_for_system(conn)
    found = find_person(conn, tenant_id, user_id)
    if found is None:
        raise not_found("a person")
    return PersonAnswer.of(found)


@blueprint.get("/people", summary="List people", responses={200: PeopleList})
def list_all() -> Response:
    """With role and standing, by e-mail."""
    who = caller()
    with database().tenant_transaction(who.tenant_id) as conn:
        act_for_system(conn)
        found = list_people(conn, who.tenant_id)
    return answer(PeopleList(people=[PersonAnswer.of(one) for one in found]).model_dump(mode="json"))


@blueprint.post("/people", summary="Invite a person", responses={200: OneTimeLinkAnswer})
def invite_one(body: Invitation) -> Response:
    """With a one-time link to give to them. Who has an account agrees through it; who has none chooses a password."""
    who = caller().doer

    def work(conn: Connection) -> OneTimeLinkAnswer:
        invited = invite(conn, who, email=body.email, display_name=body.display_name.strip(), role=body.role)
        person = _person(conn, who.tenant_id, invited.user_id)
        return OneTimeLinkAnswer(person=person, link=url_for("welcome.show", token=invited.token))

    return do_once(work, shown_once=("link",))


@blueprint.patch("/people/<user_id>", summary="Change a role, switch a person off or on", responses={200: PersonAnswer})
def change(path: PersonPath, body: PersonChange) -> Response:
    """At once. The last administrator who can sign in stays one, and nobody changes themselves."""
    who = caller().doer

    def work(conn: Connection) -> PersonAnswer:
        if body.role is not None:
            change_role(conn, who, path.user_id, role=body.role)
        if body.active is not None:
            (switch_on if body.active else switch_off)(conn, who, path.user_id)
        return _person(conn, who.tenant_id, path.user_id)

    return do_once(work)


@blueprint.post("/people/<user_id>/link", summary="Make a new one-time link", responses={200: OneTimeLinkAnswer})
def new_link(path: PersonPath) -> Response:
    """To choose a new password, or to agree to the invitation. The one before ends."""
    who = caller().doer

    def work(conn: Connection) -> OneTimeLinkAnswer:
        token = renew_link(conn, who, path.user_id)
        person = _person(conn, who.tenant_id, path.user_id)
        return OneTimeLinkAnswer(person=person, link=url_for("welcome.show", token=token))

    return do_once(work, shown_once=("link",))
