"""/api-keys: the keys programs use; for administrators."""

from flask import Response

from console.api.access_answers import KeyAnswer, KeyList, NewKeyAnswer, RevokedAnswer
from console.api.access_requests import KeyPath, NewKey
from console.api.callers import caller
from console.api.paths import new_blueprint
from console.api.problems import Problem
from console.api.writing import answer, database, do_once
from console.key_deeds import make_key, revoke_key
from store.db import Connection
from store.users import list_api_keys

blueprint = new_blueprint("api_keys", __name__)


@blueprint.get("/api-keys", summary="List API keys", responses={200: KeyList})
def list_all() -> Response:
    """Live ones first, then newest first; never the keys themselves."""
    who = caller()
    with database().tenant_transaction(who.tenant_id) as conn:
        found = list_api_keys(conn, who.tenant_id)
    return answer(KeyList(keys=[KeyAnswer.of(one) for one in found]).model_dump(mode="json"))


@blueprint.post("/api-keys", summary="Make an API key", responses={200: NewKeyAnswer})
def make(body: NewKey) -> Response:
    """It is shown this once. A key that is narrowed itself makes only keys that are narrowed to no more."""
    who = caller()
    if who.scopes is not None and (body.scopes is None or not who.scopes.issuperset(body.scopes)):
        fix = f"your own key is narrowed: give scopes out of {', '.join(sorted(who.scopes))}"
        raise Problem(403, "scope_missing", field="scopes", fix=fix)

    def work(conn: Connection) -> NewKeyAnswer:
        name = body.name.strip()
        key_id, key = make_key(conn, who.doer, name=name, role=body.role, email=body.email, scopes=body.scopes)
        return NewKeyAnswer(id=key_id, name=name, key=key)

    return do_once(work, shown_once=("key",))


@blueprint.delete("/api-keys/<key_id>", summary="Revoke an API key", responses={200: RevokedAnswer})
def revoke(path: KeyPath) -> Response:
    """At once. Done before: nothing changes."""
    who = caller().doer

    def work(conn: Connection) -> RevokedAnswer:
        return RevokedAnswer(id=path.key_id, revoked=revoke_key(conn, who, path.key_id))

    return do_once(work)
