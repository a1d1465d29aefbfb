"""Writes: one transaction each, done once per Idempotency-Key."""

import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Any, cast

from flask import Response, current_app, jsonify, request
from pydantic import BaseModel

from console.api.callers import ACTS_FOR, caller
from console.api.problems import Problem
from store.api_writes import begin_write, finish_write
from store.db import Connection, Database, act_for_tenant

IDEMPOTENCY_KEY = "Idempotency-Key"
_USABLE_KEY = re.compile(r"[!-~]{1,200}")


def database() -> Database:
    """The application's connections."""
    return cast("Database", current_app.extensions["database"])


def _hash_of_request() -> bytes:
    """All that the call asks for, whoever is named to act."""
    parts = (
        request.method.encode(),
        request.path.encode(),
        request.headers.get(ACTS_FOR, "").lower().encode(),
        request.get_data(cache=True),
        # Only where there is one, so that writes of earlier releases are known again.
        *([request.query_string] if request.query_string else []),
    )
    return hashlib.sha256(b"\x00".join(parts)).digest()


def do_once(
    work: Callable[[Connection], BaseModel], *, shown_once: Sequence[str] = (), is_system: bool = False
) -> Response:
    """Do the work in one transaction and answer with what it returns; with a known Idempotency-Key answer as before.

    shown_once: fields of the answer that are not kept, such as a secret: null when it is answered again.
    is_system: the transaction may also change what stands in no tenant's own rows, such as the tenant's settings.
    Raises: Problem when the key was used for another request.
    """
    who, key = caller(), request.headers.get(IDEMPOTENCY_KEY)
    if key is not None and not _USABLE_KEY.fullmatch(key):
        raise Problem(422, "invalid_key", field=IDEMPOTENCY_KEY, fix="use 1 to 200 visible ASCII characters")
    with database().system_transaction() if is_system else database().tenant_transaction(who.tenant_id) as conn:
        if is_system:
            act_for_tenant(conn, who.tenant_id)
        if key is not None:
            known = begin_write(conn, who.tenant_id, api_key_id=who.key_id, key=key, request_hash=_hash_of_request())
            if known and known.request_hash != _hash_of_request():
                fix = "the key was used for another request within 24 hours: use a new key"
                raise Problem(422, "key_reused", field=IDEMPOTENCY_KEY, fix=fix)
            if known:
                return answer(known.answer, replayed=True)
        done = work(conn).model_dump(mode="json")
        if key is not None:
            kept = {**done, **dict.fromkeys(shown_once)}
            finish_write(conn, who.tenant_id, api_key_id=who.key_id, key=key, status=200, answer=kept)
    return answer(done)


def answer(body: Any, *, replayed: bool = False) -> Response:
    """JSON that nobody between us may keep."""
    response = jsonify(body)
    response.headers["Cache-Control"] = "no-store"
    if replayed:
        response.headers["Idempotency-Replayed"] = "true"
    return response
