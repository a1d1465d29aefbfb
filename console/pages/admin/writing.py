"""What the administration's forms that write settings share: one transaction with both scopes, and who writes."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, cast

from flask import current_app, request

from config.settings import Settings
from console.channel_deeds import ChannelWriter
from console.visitors import database, speech, visitor
from store.db import Connection, act_for_tenant
from store.secrets import Keyring


def settings() -> Settings:
    """The installation's."""
    return cast("Settings", current_app.extensions["settings"])


def keyring() -> Keyring:
    """What secrets are sealed with."""
    return cast("Keyring", current_app.extensions["keyring"])


def writer() -> ChannelWriter:
    """The visitor, as who changes accounts and connections."""
    who = visitor()
    return ChannelWriter(
        who.tenant_id, who.actor, "console", keyring(), allow_private_urls=settings().allow_private_urls
    )


@contextmanager
def tenant_writing() -> Generator[Connection]:
    """A transaction that may write settings, for the visitor's tenant. Raises: StoreError."""
    with database().system_transaction() as conn:
        act_for_tenant(conn, visitor().tenant_id)
        yield conn


def typed() -> dict[str, str]:
    """What stands in the form that was sent."""
    return {name: value for name, value in request.form.items() if name != "csrf_token"}


def keep_typed(secret_names: frozenset[str]) -> dict[str, str]:
    """What may be put back into a form that was refused: everything but its secrets."""
    return {name: value for name, value in typed().items() if name not in secret_names}


def told(problems: Mapping[str, str]) -> dict[str, str]:
    """Problems by field, in the visitor's language where we have it."""
    return {name: speech().text(problem) for name, problem in problems.items()}


def from_start() -> dict[str, Any]:
    """For addresses of pages that are a part of the set-up when they were opened from it."""
    return {"from": "start"} if request.values.get("from") == "start" else {}
