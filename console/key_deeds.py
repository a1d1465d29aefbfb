"""What an administrator does with a tenant's API keys, the same for pages and programs."""

from collections.abc import Sequence

from console.api.problems import Problem, not_found
from console.deeds import Doer
from routing.work_rights import Role
from store.agents import find_colleague
from store.audit_log import note_deed
from store.db import Connection
from store.users import create_api_key, list_api_keys, lock_api_keys, revoke_api_key

MAX_NAME_CHARS = 100


def make_key(
    conn: Connection, who: Doer, *, name: str, role: Role, email: str | None, scopes: Sequence[str] | None
) -> tuple[int, str]:
    """(id, key): the key cannot be shown again. email: the person it acts as. scopes: None for all that the role allows.

    Raises: Problem.
    """
    if not (0 < len(name) <= MAX_NAME_CHARS and name.isprintable()):
        fix = f"give a name of up to {MAX_NAME_CHARS} characters, without control characters"
        raise Problem(422, "unnamed", field="name", fix=fix)
    lock_api_keys(conn, who.tenant_id)
    if any(one.name == name and one.revoked_at is None for one in list_api_keys(conn, who.tenant_id)):
        raise Problem(409, "name_taken", field="name", fix="revoke the live key of this name, or choose another name")
    person = find_colleague(conn, who.tenant_id, email=email) if email else None
    if email and person is None:
        fix = "name a person with a role in this tenant by e-mail; see GET /people"
        raise Problem(422, "unknown_person", field="email", fix=fix)
    key_id, key = create_api_key(
        conn,
        tenant_id=who.tenant_id,
        name=name,
        role=role,
        user_id=person[0] if person else None,
        scopes=scopes,
    )
    details = {"role": role, "scopes": list(scopes) if scopes else None, "user_id": person[0] if person else None}
    note_deed(conn, who.tenant_id, by=who.actor, deed="key_made", subject=str(key_id), details=details)
    return key_id, key


def revoke_key(conn: Connection, who: Doer, key_id: int) -> bool:
    """At once. False when it was revoked before. Raises: Problem when the tenant has no such key."""
    if key_id not in {one.id for one in list_api_keys(conn, who.tenant_id)}:
        raise not_found("a key")
    revoked = revoke_api_key(conn, key_id, tenant_id=who.tenant_id)
    if revoked:
        note_deed(conn, who.tenant_id, by=who.actor, deed="key_revoked", subject=str(key_id))
    return revoked
